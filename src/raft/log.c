/* The log as the core knows it: terms in runs, sizes as running totals, configurations, and what of all that is durable. */
#include "raft/internal.h"

#include <string.h>

/* ---- entries ---- */

static uint64_t *end_of(const struct raft_log *log, uint64_t index)
{
  return &log->ends[index & (log->cap - 1)];
}

static uint64_t total_before(const struct raft_log *log, uint64_t index)
{
  return index <= log->first ? log->end_before_first : *end_of(log, index - 1) >> 2;
}

static void make_room(struct raft_log *log, size_t count)
{
  uint64_t want = log->last + 1 - log->first + count;
  if (want <= log->cap) {
    return;
  }
  size_t cap = log->cap == 0 ? 64 : log->cap;
  while (cap < want) {
    cap *= 2;
  }
  uint64_t *ends = memory_zeroed(cap, sizeof *ends);
  for (uint64_t i = log->first; i <= log->last; i++) {
    ends[i & (cap - 1)] = *end_of(log, i);
  }
  free(log->ends);
  log->ends = ends;
  log->cap = cap;
}

/* The run that an index belongs to; there is one. */
static const struct raft_run *run_of(const struct raft_log *log, uint64_t index)
{
  size_t low = 0;
  size_t high = log->run_count - 1;
  while (low < high) {
    size_t middle = high - (high - low) / 2;
    if (log->runs[middle].first <= index) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return &log->runs[low];
}

uint64_t raft_log_term_slow(const struct raft_log *log, uint64_t index)
{
  if (index >= log->first && index <= log->last) {
    const struct raft_run *newest = &log->runs[log->run_count - 1];
    return index >= newest->first ? newest->term : run_of(log, index)->term;
  }
  if (index + 1 == log->first) {
    return log->first_prev_term;
  }
  return index == log->snapshot_index ? log->snapshot_term : 0;
}

uint64_t raft_log_fit(const struct raft_log *log, uint64_t from, uint64_t bytes_max, uint64_t count_max)
{
  uint64_t low = 1;
  uint64_t high = log->last + 1 - from;
  if (high > count_max) {
    high = count_max;
  }
  if (high <= 1 || raft_log_bytes(log, from, from + high - 1) <= bytes_max) {
    return high < 1 ? 1 : high;
  }
  while (low < high) {
    uint64_t middle = high - (high - low) / 2;
    if (raft_log_bytes(log, from, from + middle - 1) <= bytes_max) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

uint64_t raft_log_agree(const struct raft_log *log, uint64_t index, uint64_t term)
{
  if (index > log->last) {
    index = log->last;
  }
  for (size_t i = log->run_count; i > 0; i--) {
    const struct raft_run *run = &log->runs[i - 1];
    if (run->first <= index) {
      if (run->term <= term) {
        return index;
      }
      index = run->first - 1;
    }
  }
  if (index >= log->first) {
    return index;
  }
  /* Of what came before, only the last term is known. */
  return log->first_prev_term <= term || log->first == 1 ? log->first - 1 : log->first - 2;
}

static void push_run(struct raft_log *log, uint64_t first, uint64_t term)
{
  log->runs = memory_grow(log->runs, &log->run_cap, log->run_count + 1, sizeof *log->runs);
  log->runs[log->run_count++] = (struct raft_run){.first = first, .term = term};
  log->last_term = term;
}

/* ---- configurations ---- */

static struct raft_made *push_made(struct raft_log *log, uint64_t index, const struct raft_configuration *configuration)
{
  struct raft_made *made = log->spare_count > 0 ? log->spare[--log->spare_count] : memory_zeroed(1, sizeof *made);
  log->made = memory_grow(log->made, &log->made_cap, log->made_count + 1, sizeof *log->made);
  log->made[log->made_count++] = made;
  made->index = index;
  made->configuration = *configuration;
  return made;
}

static void drop_made(struct raft_log *log, size_t from, size_t count)
{
  for (size_t i = from; i < from + count; i++) {
    log->spare = memory_grow(log->spare, &log->spare_cap, log->spare_count + 1, sizeof *log->spare);
    log->spare[log->spare_count++] = log->made[i];
  }
  log->made_count -= count;
  memmove(log->made + from, log->made + from + count, (log->made_count - from) * sizeof *log->made);
}

const struct raft_made *raft_log_made_at(const struct raft_log *log, uint64_t index)
{
  size_t i = log->made_count - 1;
  while (i > 0 && log->made[i]->index > index) {
    i--;
  }
  return log->made[i];
}

bool raft_log_committed(struct raft_log *log, uint64_t commit)
{
  bool moved = false;
  while (log->committed + 1 < log->made_count && log->made[log->committed + 1]->index <= commit) {
    log->committed++;
    moved = true;
  }
  return moved;
}

/* Only the newest configuration at or before the snapshot is of use. */
static void forget_made_before(struct raft_log *log, uint64_t index)
{
  size_t count = 0;
  while (count + 1 < log->made_count && log->made[count + 1]->index <= index) {
    count++;
  }
  drop_made(log, 0, count);
  log->committed = log->committed > count ? log->committed - count : 0;
}

void raft_log_set_base(struct raft_log *log, const struct raft_configuration *configuration, uint64_t index)
{
  log->made[0]->index = index;
  log->made[0]->configuration = *configuration;
}

/* ---- changes ---- */

static void append_runs(struct raft_log *log, const struct raft_entry *entries, size_t count)
{
  uint64_t last_term = log->run_count > 0 ? log->runs[log->run_count - 1].term : 0; /* of no run: terms begin at 1 */
  if (entries[0].term == last_term && entries[count - 1].term == last_term) {
    return; /* terms ascend */
  }
  for (size_t i = 0; i < count; i++) {
    if (entries[i].term != last_term) {
      last_term = entries[i].term;
      push_run(log, log->last + 1 + i, last_term);
    }
  }
}

bool raft_log_append(struct raft_log *log, struct raft_entry *entries, size_t count)
{
  if (count == 0) {
    return false;
  }
  make_room(log, count);
  append_runs(log, entries, count);
  uint64_t total = total_before(log, log->last + 1);
  uint64_t *ends = log->ends;
  uint64_t mask = log->cap - 1;
  uint64_t first = log->last + 1;
  unsigned types = 0;
  for (size_t i = 0; i < count; i++) {
    total += entries[i].size;
    types |= entries[i].type;
    ends[(first + i) & mask] = total << 2 | entries[i].type;
  }
  log->last += count;
  if (!(types & RAFT_CONFIGURATION)) {
    return false;
  }
  for (size_t i = 0; i < count; i++) {
    if (entries[i].type == RAFT_CONFIGURATION) {
      entries[i].configuration = &push_made(log, first + i, entries[i].configuration)->configuration;
    }
  }
  return true;
}

/* Appends that are under way make durable nothing of the log beyond `last`: what they wrote there is void. */
static void take_back(struct raft_log *log, uint64_t last)
{
  if (log->durable_index > last) {
    log->durable_index = last;
  }
  if (log->unit_cap == 0) {
    return;
  }
  for (uint64_t s = log->persisted + 1; s <= log->sequence; s++) {
    struct raft_unit *unit = &log->units[s & (log->unit_cap - 1)];
    if (unit->sequence == s && unit->last > last) {
      unit->last = last;
    }
  }
}

bool raft_log_truncate(struct raft_log *log, uint64_t from)
{
  assert(from >= log->first && from <= log->last);
  while (log->run_count > 0 && log->runs[log->run_count - 1].first >= from) {
    log->run_count--;
  }
  log->last = from - 1;
  log->last_term = log->run_count > 0 ? log->runs[log->run_count - 1].term : log->first_prev_term;

  take_back(log, from - 1);

  size_t kept = log->made_count;
  while (kept > 1 && log->made[kept - 1]->index >= from) {
    kept--;
  }
  bool changed = kept < log->made_count;
  drop_made(log, kept, log->made_count - kept);
  assert(log->committed < log->made_count);
  return changed;
}

void raft_log_compact(struct raft_log *log, uint64_t index, uint64_t size, uint64_t first_kept)
{
  assert(index <= log->last && first_kept >= log->first && first_kept <= index + 1);
  uint64_t term = raft_log_term(log, index);
  uint64_t prev_term = raft_log_term(log, first_kept - 1);
  log->end_before_first = total_before(log, first_kept);
  log->snapshot_index = index;
  log->snapshot_term = term;
  log->snapshot_size = size;
  log->first_prev_term = prev_term;
  log->first = first_kept;

  size_t gone = 0;
  while (gone + 1 < log->run_count && log->runs[gone + 1].first <= first_kept) {
    gone++;
  }
  if (first_kept > log->last) {
    gone = log->run_count;
  }
  log->run_count -= gone;
  memmove(log->runs, log->runs + gone, log->run_count * sizeof *log->runs);
  if (log->run_count > 0 && log->runs[0].first < first_kept) {
    log->runs[0].first = first_kept;
  }
  forget_made_before(log, index);
}

void raft_log_reset(struct raft_log *log, uint64_t index, uint64_t term)
{
  log->first = index + 1;
  log->last = index;
  log->last_term = term;
  log->first_prev_term = term;
  log->snapshot_index = index;
  log->snapshot_term = term;
  log->end_before_first = 0;
  log->run_count = 0;
  drop_made(log, 1, log->made_count - 1);
  log->committed = 0;
  take_back(log, index);
  log->durable_index = index;
}

/* ---- durability ---- */

void raft_log_asked(struct raft_log *log, uint64_t term, uint64_t vote)
{
  size_t count = (size_t)(log->sequence - log->persisted);
  if (count > log->unit_cap) {
    size_t cap = log->unit_cap == 0 ? 16 : log->unit_cap * 2;
    struct raft_unit *units = memory_zeroed(cap, sizeof *units);
    for (uint64_t s = log->persisted + 1; s < log->sequence; s++) {
      units[s & (cap - 1)] = log->units[s & (log->unit_cap - 1)];
    }
    free(log->units);
    log->units = units;
    log->unit_cap = cap;
  }
  log->units[log->sequence & (log->unit_cap - 1)] =
      (struct raft_unit){.sequence = log->sequence, .last = log->last, .term = term, .vote = vote};
}

void raft_log_persisted(struct raft_log *log, uint64_t sequence)
{
  if (sequence <= log->persisted) {
    return;
  }
  assert(sequence <= log->sequence);
  const struct raft_unit *unit = &log->units[sequence & (log->unit_cap - 1)];
  log->persisted = sequence;
  if (unit->last > log->durable_index) {
    log->durable_index = unit->last;
  }
  log->durable_term = unit->term;
  log->durable_vote = unit->vote;
}

uint64_t raft_log_covers(const struct raft_log *log, uint64_t index)
{
  if (index <= log->durable_index) {
    return 0;
  }
  /* What is asked for within a step comes after all that is in the ring. */
  uint64_t s = log->sequence;
  while (s > log->persisted && (log->unit_cap == 0 || log->units[s & (log->unit_cap - 1)].sequence != s)) {
    s--;
  }
  while (s > log->persisted && log->units[s & (log->unit_cap - 1)].last >= index) {
    s--;
  }
  return s + 1;
}

/* ---- life ---- */

void raft_log_init(struct raft_log *log, const struct raft_recovered *recovered)
{
  *log = (struct raft_log){0};
  log->snapshot_index = recovered->snapshot_index;
  log->snapshot_term = recovered->snapshot_term;
  log->snapshot_size = recovered->snapshot_size;
  log->durable_term = recovered->term;
  log->durable_vote = recovered->vote;
  push_made(log, recovered->configuration_index, &recovered->configuration);

  uint64_t after = recovered->snapshot_index + 1;
  bool reaches = recovered->count > 0 && recovered->first <= after && recovered->first + recovered->count >= after;
  log->first = reaches ? recovered->first : after;
  log->last = log->first - 1;
  log->first_prev_term = log->first == after ? recovered->snapshot_term : recovered->first_prev_term;
  log->last_term = log->first_prev_term;
  if (reaches) {
    size_t cap = 0;
    struct raft_entry *entries = memory_grow(NULL, &cap, recovered->count, sizeof *entries);
    memcpy(entries, recovered->entries, recovered->count * sizeof *entries);
    raft_log_append(log, entries, recovered->count);
    free(entries);
  }
  /* Configurations of a kept tail are in what the snapshot holds already. */
  while (log->made_count > 1 && log->made[1]->index <= log->snapshot_index) {
    drop_made(log, 1, 1);
  }
  log->durable_index = log->last;
}

void raft_log_close(struct raft_log *log)
{
  for (size_t i = 0; i < log->made_count; i++) {
    free(log->made[i]);
  }
  for (size_t i = 0; i < log->spare_count; i++) {
    free(log->spare[i]);
  }
  free(log->made);
  free(log->spare);
  free(log->ends);
  free(log->runs);
  free(log->units);
}
