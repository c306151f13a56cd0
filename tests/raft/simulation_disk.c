/* A member's log and the disk under it. */
#include <string.h>

#include "base/memory.h"
#include "base/mix.h"
#include "simulation_world.h"

/* ---- appends ---- */

static uint64_t token_of_configuration(const struct raft_configuration *c)
{
  return mix_bytes(c->count, slice_of((const char *)c->members, c->count * sizeof c->members[0]));
}

void simulation_append(struct world *w, struct person *p, const struct raft_append *a, const uint64_t *tokens, const struct blob *blob)
{
  if (a->snapshot && (blob == NULL || blob->index != a->snapshot_index || blob->term != a->snapshot_term)) {
    simulation_fail(w, "member %llu: the log is to begin with snapshot %llu of term %llu, which the host does not have",
                    (unsigned long long)p->id, (unsigned long long)a->snapshot_index, (unsigned long long)a->snapshot_term);
    return;
  }
  struct unit u = {
      .sequence = a->sequence,
      .truncate_from = a->truncate_from,
      .hard = a->hard,
      .term = a->term,
      .vote = a->vote,
      .reset = a->snapshot && a->reset,
      .blob = a->snapshot ? blob : NULL,
      .first_kept = a->first_kept,
      .first = a->first,
      .count = a->count,
      .at = p->unit_item_count,
  };
  p->appended = a->sequence;
  if (a->truncate_from != 0) {
    p->last = a->truncate_from - 1;
    w->result->truncations++;
  }
  if (u.reset) {
    p->last = a->snapshot_index;
    p->log = memory_grow(p->log, &p->log_cap, p->last, sizeof *p->log);
    p->log[p->last - 1] = (struct item){.term = a->snapshot_term};
    w->result->resets++;
  }
  if (a->count > 0 && a->first != p->last + 1) {
    simulation_fail(w, "member %llu: append at %llu, and the log ends at %llu", (unsigned long long)p->id, (unsigned long long)a->first,
                    (unsigned long long)p->last);
    return;
  }
  p->log = memory_grow(p->log, &p->log_cap, p->last + a->count, sizeof *p->log);
  p->unit_items = memory_grow(p->unit_items, &p->unit_item_cap, p->unit_item_count + a->count, sizeof *p->unit_items);
  for (size_t i = 0; i < a->count; i++) {
    const struct raft_entry *e = &a->entries[i];
    struct item item = {.term = e->term, .size = e->size, .type = e->type};
    if (e->configuration != NULL) {
      item.configuration = simulation_keep(w, e->configuration);
    }
    if (!a->own) {
      item.token = tokens[a->skip + i];
    } else if (e->configuration != NULL) {
      item.token = token_of_configuration(e->configuration);
    }
    p->log[p->last++] = item;
    p->unit_items[p->unit_item_count++] = item;
  }
  p->units = memory_grow(p->units, &p->unit_cap, p->unit_count + 1, sizeof *p->units);
  p->units[p->unit_count++] = u;
}

/* ---- writing ---- */

/* How much of a unit there is, should only a part of it be written. */
enum part {
  TRUNCATION,
  HARD_STATE,
  SNAPSHOT_MARK,
  ENTRIES,
};

static void put_on_disk(struct person *p, const struct unit *u, enum part part, size_t entries)
{
  if (u->truncate_from != 0) {
    p->disk_last = u->truncate_from - 1;
  }
  if (part >= HARD_STATE && u->hard) {
    p->disk_term = u->term;
    p->disk_vote = u->vote;
  }
  if (part >= SNAPSHOT_MARK && u->blob != NULL) {
    p->disk_blob = u->blob;
    p->disk_first = u->first_kept > p->disk_first ? u->first_kept : p->disk_first;
    if (u->reset) {
      p->disk_last = u->blob->index;
      p->disk = memory_grow(p->disk, &p->disk_cap, p->disk_last, sizeof *p->disk);
      p->disk[p->disk_last - 1] = (struct item){.term = u->blob->term};
      p->disk_first = p->disk_floor = p->disk_last + 1;
    }
  }
  if (part >= ENTRIES && entries > 0) {
    p->disk = memory_grow(p->disk, &p->disk_cap, p->disk_last + entries, sizeof *p->disk);
    memcpy(&p->disk[p->disk_last], &p->unit_items[u->at], entries * sizeof *p->disk);
    p->disk_last += entries;
  }
}

static void drop_units(struct person *p)
{
  size_t left = p->unit_count - p->unit_head;
  if (p->unit_head <= left) {
    return;
  }
  size_t gone = left == 0 ? p->unit_item_count : p->units[p->unit_head].at;
  if (left > 0) {
    memmove(p->units, &p->units[p->unit_head], left * sizeof *p->units);
  }
  if (p->unit_item_count > gone) {
    memmove(p->unit_items, &p->unit_items[gone], (p->unit_item_count - gone) * sizeof *p->unit_items);
  }
  for (size_t i = 0; i < left; i++) {
    p->units[i].at -= gone;
  }
  p->unit_head = 0;
  p->unit_count = left;
  p->unit_item_count -= gone;
}

void simulation_written(struct world *w, struct person *p, uint64_t sequence)
{
  (void)w;
  for (; p->unit_head < p->unit_count && p->units[p->unit_head].sequence <= sequence; p->unit_head++) {
    put_on_disk(p, &p->units[p->unit_head], ENTRIES, p->units[p->unit_head].count);
  }
  p->written = sequence;
  p->writing = 0;
  drop_units(p);
}

/* One write at a time; what comes meanwhile goes into the next. */
void simulation_write(struct world *w, struct person *p)
{
  if (p->writing != 0 || p->written == p->appended) {
    return;
  }
  p->writing = simulation_chance(w, 100) ? simulation_between(w, p->written + 1, p->appended) : p->appended;
  struct happening *h = simulation_happening(w, WRITTEN, p);
  h->sequence = p->writing;
  simulation_at(w, h, w->now + simulation_between(w, p->disk_ns / 8, p->disk_ns));
  if (w->options->lie == SIMULATION_REPORTS_EARLY) {
    struct happening *early = simulation_happening(w, REPORT, p);
    early->sequence = p->writing;
    simulation_at(w, early, w->now + 1);
  }
}

/* ---- crash and recovery ---- */

static void forget(struct world *w, struct person *p)
{
  if (w->options->lie == SIMULATION_FORGETS && p->disk_last >= p->disk_first) {
    p->disk_last -= simulation_between(w, 0, 1);
    p->disk_last = p->disk_blob != NULL && p->disk_last < p->disk_blob->index ? p->disk_blob->index : p->disk_last;
  }
  if (w->options->lie == SIMULATION_FORGETS_VOTES) {
    p->disk_vote = 0;
  }
}

void simulation_lose(struct world *w, struct person *p)
{
  /* Some of what was not reported got there all the same, the last of it maybe in part. */
  size_t more = p->unit_count - p->unit_head;
  if (more > 0 && !simulation_chance(w, 512)) {
    more = simulation_between(w, 0, more);
    for (size_t i = 0; i < more; i++) {
      put_on_disk(p, &p->units[p->unit_head + i], ENTRIES, p->units[p->unit_head + i].count);
    }
    if (p->unit_head + more < p->unit_count) {
      const struct unit *u = &p->units[p->unit_head + more];
      put_on_disk(p, u, (enum part)simulation_between(w, TRUNCATION, ENTRIES), simulation_between(w, 0, u->count));
      w->result->torn++;
    }
  }
  forget(w, p);
  p->unit_head = p->unit_count = p->unit_item_count = 0;
  p->appended = p->writing = p->written = p->reported = 0;
  p->last = p->disk_last;
  p->log = memory_grow(p->log, &p->log_cap, p->last, sizeof *p->log);
  if (p->last > 0) {
    memcpy(p->log, p->disk, p->last * sizeof *p->log);
  }
}

void simulation_wipe(struct person *p)
{
  p->disk_last = p->last = 0;
  p->disk_first = p->disk_floor = 1;
  p->disk_term = p->disk_vote = 0;
  p->disk_blob = NULL;
  p->founder = false;
}

void simulation_recover(struct world *w, struct person *p, struct raft_recovered *out, struct raft_entry **entries)
{
  /* What can go is not always gone. */
  uint64_t first = simulation_chance(w, 512) ? p->disk_first : simulation_between(w, p->disk_floor, p->disk_first);
  p->disk_floor = first;
  size_t count = p->disk_last + 1 - first;
  *entries = memory_zeroed(count, sizeof **entries);
  for (size_t i = 0; i < count; i++) {
    const struct item *item = &p->disk[first - 1 + i];
    (*entries)[i] = (struct raft_entry){.term = item->term, .size = item->size, .type = item->type, .configuration = item->configuration};
  }
  out->term = p->disk_term;
  out->vote = p->disk_vote;
  out->first = first;
  out->first_prev_term = first > 1 ? p->disk[first - 2].term : 0;
  out->entries = *entries;
  out->count = count;
  if (p->disk_blob != NULL) {
    out->snapshot_index = p->disk_blob->index;
    out->snapshot_term = p->disk_blob->term;
    out->snapshot_size = p->disk_blob->size;
    out->configuration_index = p->disk_blob->made_at;
    out->configuration = *p->disk_blob->configuration;
  } else if (p->founder) {
    out->configuration = w->first;
  }
}
