/* What a log must hold, kept in the plainest way, and a source of random but valid appends to both. */
#ifndef VORTEX_TESTS_WAL_REFERENCE_H
#define VORTEX_TESTS_WAL_REFERENCE_H

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mix.h"
#include "base/prng.h"
#include "wal/wal.h"

enum {
  REF_GROUPS = 3,
  REF_KEPT_MAX = 128, /* entries per group */
  REF_BYTES_MAX = 10000,
};

/* Bytes are made from a number, so that a reference is a plain value. */
struct ref_bytes {
  uint64_t seed;
  uint32_t size;
};

struct ref_entry {
  uint64_t term;
  uint8_t type;
  struct ref_bytes bytes;
};

struct ref_snapshot {
  uint64_t index; /* 0 = none */
  uint64_t term;
  struct ref_bytes meta;
  struct ref_bytes data;
};

struct ref_group {
  uint64_t sequence;
  uint64_t term;
  uint64_t vote;
  uint64_t first;
  uint64_t last;
  uint64_t prev_term;
  struct ref_snapshot snapshot;
  struct ref_snapshot waiting;
  struct ref_entry entries[REF_KEPT_MAX]; /* at index % REF_KEPT_MAX */
};

struct ref {
  struct ref_group groups[REF_GROUPS];
};

static inline struct slice ref_name(int group)
{
  static const char *const names[REF_GROUPS] = {"main", "orders", "a group with a name that is longer than most"};
  return slice_of(names[group], strlen(names[group]));
}

static inline void ref_init(struct ref *r)
{
  memset(r, 0, sizeof *r);
  for (int i = 0; i < REF_GROUPS; i++) {
    r->groups[i].first = 1;
  }
}

/* After a restart: numbering of appends begins anew, and snapshots that were not marked are gone. */
static inline void ref_restart(struct ref *r)
{
  for (int i = 0; i < REF_GROUPS; i++) {
    r->groups[i].sequence = 0;
    r->groups[i].waiting = (struct ref_snapshot){0};
  }
}

static inline struct slice ref_make(struct ref_bytes b, char *room)
{
  for (uint32_t i = 0; i < b.size; i += 8) {
    uint64_t word = mix_word(b.seed + i);
    memcpy(room + i, &word, b.size - i < 8 ? b.size - i : 8);
  }
  return slice_of(room, b.size);
}

static inline bool ref_is(struct ref_bytes b, struct slice actual)
{
  static char room[REF_BYTES_MAX];
  return slice_equal(ref_make(b, room), actual);
}

static inline bool ref_group_matches(const struct ref_group *g, const struct wal *w, unsigned number)
{
  struct wal_group_state s;
  wal_state(w, number, &s);
  if (s.term != g->term || s.vote != g->vote || s.first != g->first || s.last != g->last || s.first_prev_term != g->prev_term ||
      s.snapshot_index != g->snapshot.index || s.snapshot_term != g->snapshot.term) {
    return false;
  }
  if (g->snapshot.index != 0 && !(ref_is(g->snapshot.meta, s.snapshot_meta) && ref_is(g->snapshot.data, s.snapshot_data))) {
    return false;
  }
  size_t bytes = 0;
  for (uint64_t i = g->first; i <= g->last; i++) {
    const struct ref_entry *expected = &g->entries[i % REF_KEPT_MAX];
    struct wal_entry e;
    if (!wal_entry(w, number, i, &e) || e.term != expected->term || e.type != expected->type || !ref_is(expected->bytes, e.bytes)) {
      return false;
    }
    bytes += e.bytes.len;
  }
  struct wal_entry none;
  return bytes == s.bytes && !wal_entry(w, number, g->first - 1, &none) && !wal_entry(w, number, g->last + 1, &none);
}

/* Whether the log holds exactly this. */
static inline bool ref_matches(const struct ref *r, struct wal *w)
{
  for (int i = 0; i < REF_GROUPS; i++) {
    if (!ref_group_matches(&r->groups[i], w, wal_group(w, ref_name(i)))) {
      return false;
    }
  }
  return true;
}

/* ---- appends ---- */

static inline struct ref_bytes ref_random_bytes(struct prng *p)
{
  uint64_t kind = prng_below(p, 100);
  uint64_t size = kind < 60   ? prng_below(p, 40)
                  : kind < 94 ? prng_below(p, 400)
                  : kind < 99 ? prng_below(p, 2500)
                              : prng_below(p, REF_BYTES_MAX);
  return (struct ref_bytes){.seed = prng_next(p), .size = (uint32_t)size};
}

static inline void ref_add_entries(struct ref_group *g, struct wal_batch *batch, struct wal_entry *entries, char *room, struct prng *p)
{
  batch->first = g->last + 1;
  batch->entries = entries;
  for (size_t n = 1 + prng_below(p, 4); batch->count < n && g->last + 1 - g->first < REF_KEPT_MAX; batch->count++) {
    struct ref_entry e = {.term = g->term, .type = (uint8_t)prng_below(p, 256), .bytes = ref_random_bytes(p)};
    g->entries[++g->last % REF_KEPT_MAX] = e;
    entries[batch->count] =
        (struct wal_entry){.term = e.term, .type = e.type, .bytes = ref_make(e.bytes, room + batch->count * REF_BYTES_MAX)};
  }
}

static inline void ref_add_mark(struct ref_group *g, struct wal_batch *batch, struct prng *p)
{
  uint64_t index = g->waiting.index;
  batch->snapshot = true;
  batch->snapshot_index = index;
  batch->reset = index > g->last || prng_below(p, 8) == 0;
  g->snapshot = g->waiting;
  g->waiting = (struct ref_snapshot){0};
  if (batch->reset) {
    g->first = index + 1;
    g->last = index;
    g->prev_term = g->snapshot.term;
    return;
  }
  batch->first_kept = index + 1 - prng_below(p, 2) * prng_below(p, index + 1 < 10 ? index + 1 : 10);
  if (batch->first_kept > g->first) {
    g->prev_term = g->entries[(batch->first_kept - 1) % REF_KEPT_MAX].term;
    g->first = batch->first_kept;
  }
}

/* One append to a random group, and perhaps a snapshot that is handed over; false: only the latter, or nothing. */
static inline bool ref_append(struct ref *r, struct wal *w, struct prng *p, int *group)
{
  static char room[4 * REF_BYTES_MAX];
  *group = (int)prng_below(p, prng_below(p, 4) == 0 ? REF_GROUPS : 2);
  struct ref_group *g = &r->groups[*group];
  unsigned number = wal_group(w, ref_name(*group));
  struct wal_batch batch = {.sequence = g->sequence + 1 + prng_below(p, 2)};
  struct wal_entry entries[4];

  if (g->waiting.index != 0 && g->waiting.index >= g->snapshot.index && wal_snapshot_durable(w, number, g->waiting.index)) {
    if (prng_below(p, 2) == 0) {
      ref_add_mark(g, &batch, p);
    }
  } else if (g->last > g->snapshot.index && prng_below(p, g->last - g->first > 20 ? 3 : 10) == 0) {
    uint64_t index = g->snapshot.index + 1 + prng_below(p, g->last - g->snapshot.index + (prng_below(p, 4) == 0 ? 3 : 0));
    uint64_t term = index > g->last ? g->term : index < g->first ? 1 : g->entries[index % REF_KEPT_MAX].term;
    g->waiting = (struct ref_snapshot){.index = index, .term = term, .meta = ref_random_bytes(p), .data = ref_random_bytes(p)};
    struct buf data = {0};
    buf_append_slice(&data, ref_make(g->waiting.data, room));
    wal_snapshot(w, number, index, term, ref_make(g->waiting.meta, room), &data);
    return false;
  }
  uint64_t kind = prng_below(p, 100);
  if (!batch.snapshot && kind < 15 && g->waiting.index == 0 && g->last > g->snapshot.index) {
    batch.truncate_from = g->snapshot.index + 1 + prng_below(p, g->last - g->snapshot.index);
    g->last = batch.truncate_from - 1;
  }
  if (g->term == 0 || prng_below(p, 5) == 0) {
    batch.hard = true;
    batch.term = ++g->term;
    batch.vote = g->vote = prng_below(p, 4);
  }
  if (kind >= 10) {
    ref_add_entries(g, &batch, entries, room, p);
  }
  if (!batch.hard && !batch.snapshot && batch.count == 0 && batch.truncate_from == 0) {
    return false;
  }
  g->sequence = batch.sequence;
  wal_append(w, number, &batch);
  return true;
}

#endif
