/* Groups: what the log is in memory. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "wal/internal.h"

struct wal_group *wal_group_add(struct wal *w, struct slice name)
{
  struct wal_group *g = memory_zeroed(1, sizeof *g);
  char *copy = memory_must(malloc(name.len));
  memcpy(copy, name.ptr, name.len);
  g->name = slice_of(copy, name.len);
  g->first = 1;
  wal_ring_init(&g->ring, 1);
  size_t cap = w->group_cap;
  w->groups = memory_grow(w->groups, &w->group_cap, w->group_count + 1, sizeof(struct wal_group *));
  if (w->group_cap != cap) {
    w->dirty = memory_must(realloc(w->dirty, w->group_cap * sizeof(struct wal_group *)));
    w->flying = memory_must(realloc(w->flying, w->group_cap * sizeof(struct wal_group *)));
  }
  w->groups[w->group_count++] = g;
  g->number = (unsigned)w->group_count;
  dict_put(&w->names, name, g);
  return g;
}

void wal_group_free(struct wal_group *g)
{
  free((char *)g->name.ptr);
  wal_ring_free(&g->ring);
  wal_image_free(g->snapshot);
  wal_image_free(g->waiting);
  free(g->runs);
  free(g);
}

unsigned wal_group(struct wal *w, struct slice name)
{
  struct wal_group *g = dict_get(&w->names, name);
  if (g != NULL) {
    return g->number;
  }
  if (name.len == 0 || name.len > WAL_NAME_MAX_BYTES || w->group_count == WAL_GROUPS_MAX) {
    return 0;
  }
  return wal_group_add(w, name)->number;
}

void wal_state(const struct wal *w, unsigned group, struct wal_group_state *out)
{
  const struct wal_group *g = wal_group_at(w, group);
  assert(g != NULL);
  *out = (struct wal_group_state){
      .term = g->term,
      .vote = g->vote,
      .first = g->ring.start,
      .last = wal_ring_last(&g->ring),
      .first_prev_term = g->first_prev_term,
      .appended = g->appended,
      .durable = g->durable,
      .bytes = g->ring.bytes,
  };
  if (g->snapshot != NULL) {
    out->snapshot_index = g->snapshot->index;
    out->snapshot_term = g->snapshot->term;
    wal_snapshot_get(w, group, out->snapshot_index, &out->snapshot_meta, &out->snapshot_data);
  }
}

bool wal_entry(const struct wal *w, unsigned group, uint64_t index, struct wal_entry *out)
{
  const struct wal_group *g = wal_group_at(w, group);
  assert(g != NULL);
  const struct wal_item *item = wal_ring_at(&g->ring, index);
  if (item == NULL) {
    return false;
  }
  *out = (struct wal_entry){.term = item->term, .type = item->type, .bytes = slice_of(item->bytes, item->size)};
  return true;
}

/* ---- changes ---- */

static uint64_t least(uint64_t a, uint64_t b)
{
  return a < b ? a : b;
}

void wal_group_run(struct wal_group *g, unsigned file, uint64_t first)
{
  if (g->run_count > 0 && g->runs[g->run_count - 1].file == file) {
    return;
  }
  g->runs = memory_grow(g->runs, &g->run_cap, g->run_count + 1, sizeof *g->runs);
  g->runs[g->run_count++] = (struct wal_run){.file = file, .first = first};
}

void wal_group_truncate(struct wal *w, struct wal_group *g, uint64_t from)
{
  if (from >= g->ring.start) {
    wal_ring_truncate(&g->ring, &w->pool, from);
  } else {
    wal_ring_reset(&g->ring, &w->pool, from);
  }
  g->written = least(g->written, from - 1);
  while (g->run_count > 0 && g->runs[g->run_count - 1].first >= from) {
    g->run_count--;
  }
}

void wal_group_compact(struct wal *w, struct wal_group *g, uint64_t first_kept, uint64_t prev_term)
{
  if (first_kept <= g->first) {
    return;
  }
  g->first = first_kept;
  g->first_prev_term = prev_term;
  if (first_kept <= g->ring.start) {
    return; /* recovery misses entries, and these need not be there */
  }
  wal_ring_drop(&g->ring, &w->pool, first_kept);
  g->written = g->written < first_kept - 1 ? first_kept - 1 : g->written;
  size_t gone = 0;
  while (gone + 1 < g->run_count && g->runs[gone + 1].first <= first_kept) {
    gone++;
  }
  if (g->ring.count == 0) {
    gone = g->run_count;
  }
  if (gone > 0) {
    memmove(g->runs, g->runs + gone, (g->run_count - gone) * sizeof *g->runs);
    g->run_count -= gone;
  }
}

void wal_group_reset(struct wal *w, struct wal_group *g, uint64_t index, uint64_t term)
{
  wal_ring_reset(&g->ring, &w->pool, index + 1);
  g->first = index + 1;
  g->first_prev_term = term;
  g->written = index;
  g->run_count = 0;
}
