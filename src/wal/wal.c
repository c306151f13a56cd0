/* The log as a whole, and what is appended to it. */
#include "wal/wal.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "wal/internal.h"

enum {
  SEGMENT_BYTES = 64 << 20,
  BLOCK_BYTES = 4096,
  SEGMENT_BLOCKS_MIN = 16,
};

struct wal *wal_new(const struct wal_config *config)
{
  struct wal *w = memory_zeroed(1, sizeof *w);
  w->config = *config;
  if (w->config.block_bytes == 0) {
    w->config.block_bytes = BLOCK_BYTES;
  }
  if (w->config.segment_bytes == 0) {
    w->config.segment_bytes = SEGMENT_BYTES;
  }
  size_t block = w->config.block_bytes;
  assert(block >= WAL_BLOCK_MIN_BYTES && block <= WAL_BLOCK_MAX_BYTES && (block & (block - 1)) == 0);
  assert(w->config.segment_bytes % block == 0 && w->config.segment_bytes / block >= SEGMENT_BLOCKS_MIN);
  w->next_file = 1;
  return w;
}

void wal_free(struct wal *w)
{
  if (w == NULL) {
    return;
  }
  if (w->image_orphaned) {
    wal_image_free(w->doing_image);
  }
  for (size_t i = 0; i < w->group_count; i++) {
    wal_group_free(w->groups[i]);
  }
  free(w->groups);
  free(w->dirty);
  free(w->flying);
  dict_free(&w->names);
  wal_pool_free(&w->pool);
  buf_free(&w->pending);
  buf_free(&w->writing);
  free(w->segments);
  free(w->removals);
  free(w->dead.at);
  free(w->buried.at);
  free(w);
}

void wal_set_volatile(struct wal *w)
{
  assert(w->dirty_count == 0 && w->segment_count == 0 && w->doing == WAL_IDLE);
  w->in_memory = true;
}

bool wal_full(const struct wal *w)
{
  return w->full;
}

int wal_failed(const struct wal *w)
{
  return w->failed;
}

const struct wal_stats *wal_stats(const struct wal *w)
{
  return &w->stats;
}

/* ---- appending ---- */

static void append_record(struct wal *w, const struct wal_record *r, struct slice body)
{
  if (!w->in_memory) {
    wal_record_append(&w->pending, r, body);
    w->pending_records++;
  }
}

/* Groups are named in the order of their numbers, so that recovery finds no gaps. */
static void announce(struct wal *w, const struct wal_group *g)
{
  while (w->announced < g->number) {
    struct wal_group *next = w->groups[w->announced++];
    struct wal_record r = {.type = WAL_RECORD_GROUP, .group = (uint16_t)next->number};
    append_record(w, &r, next->name);
  }
}

static void append_truncate(struct wal *w, struct wal_group *g, uint64_t from)
{
  if (from > wal_ring_last(&g->ring)) {
    return;
  }
  assert(from >= g->ring.start && implies(g->snapshot != NULL, from > g->snapshot->index));
  wal_group_truncate(w, g, from);
  append_record(w, &(struct wal_record){.type = WAL_RECORD_TRUNCATE, .group = (uint16_t)g->number, .index = from}, slice_of(NULL, 0));
}

static void append_hard(struct wal *w, struct wal_group *g, uint64_t term, uint64_t vote)
{
  g->term = term;
  g->vote = vote;
  w->hard_count += !g->hard_dirty && !w->in_memory;
  g->hard_dirty = !w->in_memory;
  struct wal_record r = {.type = WAL_RECORD_HARD, .group = (uint16_t)g->number, .index = vote, .term = term};
  append_record(w, &r, slice_of(NULL, 0));
}

/* The term of the entry before first_kept, from what is in memory; 0 = it is not. */
static uint64_t term_before(const struct wal_group *g, uint64_t first_kept)
{
  const struct wal_item *before = wal_ring_at(&g->ring, first_kept - 1);
  if (before != NULL) {
    return before->term;
  }
  return first_kept - 1 == g->snapshot->index ? g->snapshot->term : 0;
}

static void append_mark(struct wal *w, struct wal_group *g, const struct wal_batch *batch)
{
  uint64_t index = batch->snapshot_index;
  assert(implies(g->snapshot != NULL, index >= g->snapshot->index));
  if (g->waiting != NULL && g->waiting->index == index) {
    wal_image_mark(w, g);
  }
  assert(g->snapshot != NULL && g->snapshot->index == index); /* it has been handed over, or is the one already */
  uint64_t first_kept = batch->first_kept > g->ring.start ? batch->first_kept : g->ring.start;
  if (batch->reset) {
    first_kept = index + 1;
    wal_group_reset(w, g, index, g->snapshot->term);
  } else {
    assert(index <= wal_ring_last(&g->ring) && first_kept <= index + 1);
    wal_group_compact(w, g, first_kept, term_before(g, first_kept));
  }
  struct wal_mark mark = {
      .file = g->snapshot->file,
      .reset = batch->reset,
      .first_kept = first_kept,
      .first_prev_term = g->first_prev_term,
  };
  char body[WAL_MARK_BYTES];
  wal_mark_encode(body, &mark);
  struct wal_record r = {.type = WAL_RECORD_MARK, .group = (uint16_t)g->number, .index = index, .term = g->snapshot->term};
  append_record(w, &r, slice_of(body, sizeof body));
}

static void append_entries(struct wal *w, struct wal_group *g, const struct wal_batch *batch)
{
  assert(batch->first == wal_ring_last(&g->ring) + 1);
  struct wal_record r = {.type = WAL_RECORD_ENTRY, .group = (uint16_t)g->number, .index = batch->first};
  for (size_t i = 0; i < batch->count; i++, r.index++) {
    const struct wal_entry *e = &batch->entries[i];
    assert(e->bytes.len <= WAL_ENTRY_MAX_BYTES);
    wal_ring_append(&g->ring, &w->pool, e->term, e->type, e->bytes);
    r.term = e->term;
    r.entry_type = e->type;
    append_record(w, &r, e->bytes);
  }
}

void wal_append(struct wal *w, unsigned group, const struct wal_batch *batch)
{
  struct wal_group *g = wal_group_at(w, group);
  assert(g != NULL && batch->sequence > g->appended);
  g->appended = batch->sequence;
  announce(w, g);
  if (batch->truncate_from != 0) {
    append_truncate(w, g, batch->truncate_from);
  }
  if (batch->hard) {
    append_hard(w, g, batch->term, batch->vote);
  }
  if (batch->snapshot) {
    append_mark(w, g, batch);
  }
  if (batch->count > 0) {
    append_entries(w, g, batch);
  }
  if (w->in_memory) {
    g->durable = g->appended;
  } else if (!g->dirty) {
    g->dirty = true;
    w->dirty[w->dirty_count++] = g;
  }
}
