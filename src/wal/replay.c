#include "wal/replay.h"

#include "base/memory.h"

/* While old segments are replayed, a group may miss entries that were removed together with still older ones: those from first up to the
 * start of its ring. All of them must have been compacted away in the end. */

#define INDEX_MAX INT64_MAX /* of what is read: far from where an index would wrap around */

static uint64_t snapshot_index(const struct wal_group *g)
{
  return g->snapshot != NULL ? g->snapshot->index : 0;
}

/* Its file is read at the end. */
static void set_snapshot(struct wal_group *g, unsigned file, uint64_t index, uint64_t term)
{
  if (g->snapshot == NULL) {
    g->snapshot = memory_zeroed(1, sizeof *g->snapshot);
  }
  g->snapshot->state = WAL_IMAGE_DURABLE;
  g->snapshot->group = g;
  g->snapshot->file = file;
  g->snapshot->index = index;
  g->snapshot->term = term;
}

static bool replay_group(struct wal *w, const struct wal_record *r, struct slice name)
{
  const struct wal_group *g = wal_group_at(w, r->group);
  if (g != NULL) {
    return slice_equal(g->name, name);
  }
  if (r->group != w->group_count + 1 || r->group > WAL_GROUPS_MAX || name.len == 0 || name.len > WAL_NAME_MAX_BYTES ||
      dict_get(&w->names, name) != NULL) {
    return false;
  }
  wal_group_add(w, name);
  w->announced++;
  return true;
}

static bool replay_entry(const struct wal_replay *p, struct wal_group *g, const struct wal_record *r, struct slice bytes)
{
  if (r->index != wal_ring_last(&g->ring) + 1 || bytes.len > WAL_ENTRY_MAX_BYTES) {
    return false;
  }
  wal_ring_append(&g->ring, &p->w->pool, r->term, r->entry_type, bytes);
  wal_group_run(g, p->file, r->index);
  g->written = r->index;
  return true;
}

static bool replay_truncate(const struct wal_replay *p, struct wal_group *g, const struct wal_record *r)
{
  if (r->index > wal_ring_last(&g->ring) || r->index < g->first || r->index <= snapshot_index(g)) {
    return false;
  }
  wal_group_truncate(p->w, g, r->index);
  return true;
}

static bool replay_mark(const struct wal_replay *p, struct wal_group *g, const struct wal_record *r, struct slice body)
{
  if (body.len != WAL_MARK_BYTES || r->index > INDEX_MAX) {
    return false;
  }
  struct wal_mark mark;
  wal_mark_decode(body.ptr, &mark);
  if (mark.file == 0 || r->index < snapshot_index(g) || mark.first_kept > r->index + 1 ||
      (!mark.reset && r->index > wal_ring_last(&g->ring))) {
    return false;
  }
  set_snapshot(g, mark.file, r->index, r->term);
  if (mark.reset) {
    wal_group_reset(p->w, g, r->index, r->term);
  } else {
    wal_group_compact(p->w, g, mark.first_kept, mark.first_prev_term);
  }
  return true;
}

/* Entries first … from - 1 are in older segments; what there is beyond them was never written, or follows. */
static bool replay_checkpoint(struct wal_replay *p, struct wal_group *g, const struct wal_record *r, struct slice body)
{
  if (!p->checkpoint || r->group != p->groups + 1 || body.len != WAL_CHECKPOINT_BYTES) {
    return false;
  }
  p->groups++;
  struct wal_checkpoint c;
  wal_checkpoint_decode(body.ptr, &c);
  uint64_t from = r->index;
  if (c.first == 0 || from < c.first || c.first - 1 > c.snapshot_index || from > INDEX_MAX || c.snapshot_index > INDEX_MAX ||
      (c.snapshot_index != 0) != (c.snapshot_file != 0) || c.snapshot_index < snapshot_index(g)) {
    return false;
  }
  if (from == c.first || p->oldest) {
    wal_group_reset(p->w, g, from - 1, 0);
    g->first = c.first;
  } else {
    if (c.first < g->first || from > wal_ring_last(&g->ring) + 1) {
      return false;
    }
    wal_group_compact(p->w, g, c.first, r->term);
    if (from <= wal_ring_last(&g->ring)) {
      wal_group_truncate(p->w, g, from);
    }
  }
  g->first_prev_term = r->term;
  g->term = c.term;
  g->vote = c.vote;
  if (c.snapshot_index != 0) {
    set_snapshot(g, c.snapshot_file, c.snapshot_index, c.snapshot_term);
  }
  return true;
}

bool wal_replay_record(void *arg, const struct wal_record *r, struct slice body)
{
  struct wal_replay *p = arg;
  if (r->type == WAL_RECORD_GROUP) {
    return replay_group(p->w, r, body);
  }
  struct wal_group *g = wal_group_at(p->w, r->group);
  if (g == NULL) {
    return false;
  }
  switch (r->type) {
  case WAL_RECORD_ENTRY:
    return replay_entry(p, g, r, body);
  case WAL_RECORD_HARD:
    g->term = r->term;
    g->vote = r->index;
    return true;
  case WAL_RECORD_TRUNCATE:
    return replay_truncate(p, g, r);
  case WAL_RECORD_MARK:
    return replay_mark(p, g, r, body);
  case WAL_RECORD_CHECKPOINT:
    return replay_checkpoint(p, g, r, body);
  default:
    return false;
  }
}
