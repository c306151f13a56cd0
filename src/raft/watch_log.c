#include "raft/watch_log.h"

#include <string.h>

#include "base/assert.h"
#include "base/memory.h"

void watch_log_free(struct watch_log *l)
{
  free(l->terms);
  free(l->durable_terms);
  free(l->units);
  free(l->unit_terms);
  free(l->configurations);
  *l = (struct watch_log){0};
}

struct chain_configuration watch_log_configuration(const struct watch_log *l, uint64_t index)
{
  size_t i = l->configuration_count;
  while (i > 0 && l->configurations[i - 1].index > index) {
    i--;
  }
  return i == 0 ? l->base : l->configurations[i - 1];
}

/* Makes an array of terms those that are committed through an index. */
static uint64_t *begin(uint64_t *terms, size_t *cap, const struct chain *c, uint64_t index)
{
  assert(index <= c->committed_count);
  terms = memory_grow(terms, cap, index, sizeof *terms);
  if (index > 0) {
    memcpy(terms, c->committed, index * sizeof *terms);
  }
  return terms;
}

/* Appends an entry to the log in its present form. */
static const char *add_entry(struct watch_log *l, struct chain *c, const struct raft_entry *e, raft_watch_hash_fn hash, void *arg)
{
  uint64_t index = l->last + 1;
  uint64_t prev_term = watch_log_term(l, l->last);
  if (e->term < prev_term) {
    return "an entry of an earlier term than the one before it";
  }
  if ((e->type == RAFT_CONFIGURATION) != (e->configuration != NULL)) {
    return "an entry that makes a configuration, and none, or the other way round";
  }
  const char *difference = chain_entry(c, index, prev_term, hash(arg, index), e);
  if (difference != NULL) {
    return difference;
  }
  l->terms = memory_grow(l->terms, &l->term_cap, index, sizeof *l->terms);
  l->terms[index - 1] = e->term;
  l->last = index;
  if (e->type == RAFT_CONFIGURATION) {
    l->configurations = memory_grow(l->configurations, &l->configuration_cap, l->configuration_count + 1, sizeof *l->configurations);
    l->configurations[l->configuration_count++] =
        (struct chain_configuration){.index = index, .configuration = chain_find(c, index, e->term)->configuration};
  }
  return NULL;
}

/* ---- recovery ---- */

/* Whether the log ever asked for this entry to be written, and has not heard that it is. */
static bool is_pending(const struct watch_log *l, uint64_t index, uint64_t term)
{
  for (size_t i = l->unit_head; i < l->unit_count; i++) {
    const struct watch_unit *u = &l->units[i];
    if (index >= u->first && index - u->first < u->count && l->unit_terms[u->at + (index - u->first)] == term) {
      return true;
    }
  }
  return false;
}

/* The first index that a pending unit may have voided, given which snapshot has come back. */
static uint64_t pending_truncation(const struct watch_log *l, uint64_t snapshot)
{
  uint64_t from = UINT64_MAX;
  for (size_t i = l->unit_head; i < l->unit_count; i++) {
    const struct watch_unit *u = &l->units[i];
    uint64_t voided = u->reset && u->snapshot <= snapshot ? 1 : u->truncate_from;
    if (voided != 0 && voided < from) {
      from = voided;
    }
  }
  return from;
}

static bool is_hard_state(const struct watch_log *l, uint64_t term, uint64_t vote)
{
  if (term == l->durable_term && vote == l->durable_vote) {
    return true;
  }
  for (size_t i = l->unit_head; i < l->unit_count; i++) {
    if (l->units[i].hard && l->units[i].term == term && l->units[i].vote == vote) {
      return true;
    }
  }
  return false;
}

/* A unit that was not reported durable may be there, not be there, or be there in part. */
static const char *judge_recovered(const struct watch_log *l, const struct raft_recovered *recovered, uint64_t *at)
{
  *at = 0;
  if (!is_hard_state(l, recovered->term, recovered->vote)) {
    return "came back without the term and vote that were durable (durability)";
  }
  *at = recovered->snapshot_index;
  if (recovered->snapshot_index < l->durable_snapshot) {
    return "came back with an older snapshot than was durable (durability)";
  }
  uint64_t voided = pending_truncation(l, recovered->snapshot_index);
  uint64_t last = recovered->first - 1 + recovered->count;
  last = last < recovered->snapshot_index ? recovered->snapshot_index : last;
  if (last < l->durable_last && last + 1 < voided) {
    *at = last + 1;
    return "came back without an entry that was durable (durability)";
  }
  for (size_t i = 0; i < recovered->count; i++) {
    *at = recovered->first + i;
    uint64_t term = recovered->entries[i].term;
    bool as_before = *at <= l->durable_last && chain_same(l->durable_terms[*at - 1], term);
    if (!as_before && *at < voided && *at <= l->durable_last) {
      return "came back with another entry than was durable (durability)";
    }
    if (!as_before && !is_pending(l, *at, term)) {
      return "came back with an entry that it never wrote (durability)";
    }
  }
  return NULL;
}

const char *watch_log_recover(struct watch_log *l, struct chain *c, const struct raft_recovered *recovered, raft_watch_hash_fn hash,
                              void *arg, uint64_t *at)
{
  const char *wrong = l->lived ? judge_recovered(l, recovered, at) : NULL;
  if (wrong != NULL) {
    return wrong;
  }
  *at = recovered->snapshot_index;
  if (l->lived && recovered->snapshot_index > c->committed_count) {
    return "came back with a snapshot of what is not committed";
  }
  if (!chain_begins(c, recovered->snapshot_index, recovered->snapshot_term, recovered->configuration_index, &recovered->configuration)) {
    return "starts from another snapshot or configuration than is committed (state machine safety)";
  }
  l->terms = begin(l->terms, &l->term_cap, c, recovered->first - 1);
  l->last = recovered->first - 1;
  l->base.index = recovered->configuration_index;
  l->base.configuration = NULL;
  if (!chain_configuration_at(c, recovered->configuration_index, &l->base) || recovered->configuration.count == 0) {
    l->base = (struct chain_configuration){.index = recovered->configuration_index};
  }
  l->configuration_count = 0;
  for (size_t i = 0; i < recovered->count; i++) {
    *at = l->last + 1;
    if ((wrong = add_entry(l, c, &recovered->entries[i], hash, arg)) != NULL) {
      return wrong;
    }
  }
  l->lived = true;
  l->term = l->durable_term = recovered->term;
  l->vote = l->durable_vote = recovered->vote;
  l->snapshot = l->durable_snapshot = recovered->snapshot_index;
  l->sequence = l->persisted = 0;
  l->unit_head = l->unit_count = l->unit_term_count = 0;
  l->durable_terms = memory_grow(l->durable_terms, &l->durable_cap, l->last, sizeof *l->durable_terms);
  if (l->last > 0) {
    memcpy(l->durable_terms, l->terms, l->last * sizeof *l->terms);
  }
  l->durable_last = l->last;
  return NULL;
}

/* ---- appends ---- */

static const char *judge_append(const struct watch_log *l, const struct chain *c, const struct raft_append *a, uint64_t *at)
{
  uint64_t last = a->truncate_from == 0 ? l->last : a->truncate_from - 1;
  *at = a->truncate_from;
  if (a->sequence != l->sequence + 1) {
    return "an append whose sequence is not the next";
  }
  if (a->truncate_from > l->last) {
    return "a truncation of nothing";
  }
  if (a->hard && (a->term < l->term || (a->term == l->term && l->vote != 0 && a->vote != l->vote))) {
    return "a term that goes back, or another vote in one term (election safety)";
  }
  if (a->snapshot) {
    *at = a->snapshot_index;
    if (a->snapshot_index > c->committed_count || !chain_same(chain_committed_term(c, a->snapshot_index), a->snapshot_term)) {
      return "a snapshot of what is not committed (state machine safety)";
    }
    if (a->snapshot_index <= l->snapshot) {
      return "a snapshot that is not newer than the one before";
    }
    bool matches = a->snapshot_index <= last && watch_log_term(l, a->snapshot_index) == a->snapshot_term;
    if (!a->reset && !matches) {
      return "a snapshot as the beginning of a log that does not contain it";
    }
    if (a->reset && matches) {
      return "a snapshot voids a log that contains it";
    }
    last = a->reset ? a->snapshot_index : last;
    if (a->first_kept > a->snapshot_index + 1) {
      return "entries are dropped that the snapshot does not cover";
    }
  }
  *at = a->first;
  if (a->count > 0 && a->first != last + 1) {
    return "entries that do not follow the log's last";
  }
  return NULL;
}

const char *watch_log_append(struct watch_log *l, struct chain *c, const struct raft_append *a, raft_watch_hash_fn hash, void *arg,
                             uint64_t *at)
{
  const char *wrong = judge_append(l, c, a, at);
  if (wrong != NULL) {
    return wrong;
  }
  struct watch_unit u = {
      .sequence = a->sequence,
      .truncate_from = a->truncate_from,
      .hard = a->hard,
      .term = a->term,
      .vote = a->vote,
      .reset = a->snapshot && a->reset,
      .snapshot = a->snapshot ? a->snapshot_index : 0,
      .first = a->first,
      .count = a->count,
      .at = l->unit_term_count,
  };
  l->sequence = a->sequence;
  if (a->hard) {
    l->term = a->term;
    l->vote = a->vote;
  }
  if (a->truncate_from != 0) {
    l->last = a->truncate_from - 1;
    while (l->configuration_count > 0 && l->configurations[l->configuration_count - 1].index > l->last) {
      l->configuration_count--;
    }
  }
  if (a->snapshot) {
    l->snapshot = a->snapshot_index;
    if (l->base.configuration == NULL) {
      chain_configuration_at(c, a->snapshot_index, &l->base); /* a new member has learnt it from the snapshot */
    }
  }
  if (u.reset) {
    l->terms = begin(l->terms, &l->term_cap, c, a->snapshot_index);
    l->last = a->snapshot_index;
    l->configuration_count = 0;
    l->base = (struct chain_configuration){0};
    chain_configuration_at(c, a->snapshot_index, &l->base);
  }
  l->unit_terms = memory_grow(l->unit_terms, &l->unit_term_cap, l->unit_term_count + a->count, sizeof *l->unit_terms);
  for (size_t i = 0; i < a->count; i++) {
    *at = a->first + i;
    if (a->entries[i].term > l->term) {
      return "an entry of a later term than the member's";
    }
    if ((wrong = add_entry(l, c, &a->entries[i], hash, arg)) != NULL) {
      return wrong;
    }
    l->unit_terms[l->unit_term_count++] = a->entries[i].term;
  }
  l->units = memory_grow(l->units, &l->unit_cap, l->unit_count + 1, sizeof *l->units);
  l->units[l->unit_count++] = u;
  return NULL;
}

/* Makes room of the units that are durable, once they are more than those that are not. */
static void drop_units(struct watch_log *l)
{
  size_t left = l->unit_count - l->unit_head;
  if (l->unit_head <= left) {
    return;
  }
  size_t gone = left == 0 ? l->unit_term_count : l->units[l->unit_head].at;
  if (left > 0) {
    memmove(l->units, &l->units[l->unit_head], left * sizeof *l->units);
  }
  if (gone < l->unit_term_count) {
    memmove(l->unit_terms, &l->unit_terms[gone], (l->unit_term_count - gone) * sizeof *l->unit_terms);
  }
  for (size_t i = 0; i < left; i++) {
    l->units[i].at -= gone;
  }
  l->unit_head = 0;
  l->unit_count = left;
  l->unit_term_count -= gone;
}

void watch_log_persist(struct watch_log *l, const struct chain *c, uint64_t sequence)
{
  for (; l->unit_head < l->unit_count && l->units[l->unit_head].sequence <= sequence; l->unit_head++) {
    const struct watch_unit *u = &l->units[l->unit_head];
    l->persisted = u->sequence;
    if (u->truncate_from != 0) {
      l->durable_last = u->truncate_from - 1;
    }
    if (u->hard) {
      l->durable_term = u->term;
      l->durable_vote = u->vote;
    }
    if (u->snapshot != 0) {
      l->durable_snapshot = u->snapshot;
    }
    if (u->reset) {
      l->durable_terms = begin(l->durable_terms, &l->durable_cap, c, u->snapshot);
      l->durable_last = u->snapshot;
    }
    l->durable_terms = memory_grow(l->durable_terms, &l->durable_cap, l->durable_last + u->count, sizeof *l->durable_terms);
    if (u->count > 0) {
      memcpy(&l->durable_terms[l->durable_last], &l->unit_terms[u->at], u->count * sizeof *l->unit_terms);
    }
    l->durable_last += u->count;
  }
  drop_units(l);
}
