/* Which operation is next, and what its end means. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/memory.h"
#include "wal/internal.h"

void wal_poison(struct wal *w, int error)
{
  if (w->failed == 0) {
    w->failed = error;
  }
}

void wal_files_add(struct wal_files *files, unsigned file)
{
  files->at = memory_grow(files->at, &files->cap, files->count + 1, sizeof *files->at);
  files->at[files->count++] = file;
}

void wal_remove_file(struct wal *w, unsigned file, bool frees)
{
  if (w->removal_at == w->removal_count) {
    w->removal_at = 0;
    w->removal_count = 0;
  }
  w->removals = memory_grow(w->removals, &w->removal_cap, w->removal_count + 1, sizeof *w->removals);
  w->removals[w->removal_count++] = (struct wal_removal){.file = file, .frees = frees};
}

struct wal_segment *wal_segment_add(struct wal *w, const struct wal_segment *segment)
{
  w->segments = memory_grow(w->segments, &w->segment_cap, w->segment_count + 1, sizeof *w->segments);
  w->segments[w->segment_count++] = *segment;
  w->stats.segments = w->segment_count;
  return &w->segments[w->segment_count - 1];
}

/* ---- next ---- */

static bool allocate(struct wal *w, struct wal_op *out, uint64_t size)
{
  w->doing = WAL_ALLOCATING;
  w->allocating_file = w->next_file++;
  w->allocating_size = size;
  *out = (struct wal_op){.kind = WAL_ALLOCATE, .file = w->allocating_file, .size = size};
  return true;
}

static bool remove_next(struct wal *w, struct wal_op *out)
{
  if (w->removal_at == w->removal_count) {
    return false;
  }
  w->doing = WAL_REMOVING;
  *out = (struct wal_op){.kind = WAL_REMOVE, .file = w->removals[w->removal_at].file};
  return true;
}

static bool write_flush(struct wal *w, struct wal_op *out)
{
  const struct wal_segment *s = &w->segments[w->segment_count - 1];
  w->doing = WAL_WRITING;
  *out = (struct wal_op){.kind = WAL_WRITE, .file = s->file, .offset = s->end, .bytes = buf_slice(&w->writing)};
  return true;
}

/* How much of a segment its first flush may take. The next segment is asked for when a flush would go beyond one half at the latest. So
 * when the disk turns out to be full, a quarter of a segment at least is left for terms, votes, truncations and marks. */
static uint64_t first_flush_max(uint64_t segment_bytes)
{
  return segment_bytes - segment_bytes / 4;
}

/* Goes into the next segment, which there may not be yet, or not in the size that is needed. */
static bool roll(struct wal *w, struct wal_op *out)
{
  if (w->full && w->spare == 0) {
    if (w->open) {
      wal_poison(w, ERROR_DISK_FULL); /* terms and votes cannot be kept any more: better stop than wait with them for ever */
    }
    return false;
  }
  size_t size = wal_flush_roll_size(w);
  if (w->spare != 0 && size > first_flush_max(w->spare_size)) {
    wal_remove_file(w, w->spare, true);
    w->spare = 0;
    return remove_next(w, out);
  }
  if (w->spare == 0) {
    uint64_t unit = w->config.segment_bytes;
    uint64_t want = size > first_flush_max(unit) ? size + size / 2 : unit; /* more may come before it is there */
    return allocate(w, out, (want + unit - 1) / unit * unit);
  }
  wal_flush_roll(w);
  return write_flush(w, out);
}

static bool flush_next(struct wal *w, struct wal_op *out)
{
  if (w->dirty_count == 0) {
    return false;
  }
  if (!w->open) {
    return roll(w, out);
  }
  const struct wal_segment *s = &w->segments[w->segment_count - 1];
  size_t size = wal_flush_size(w);
  if (s->end + size > s->size) {
    return roll(w, out);
  }
  if (s->end + size > s->size / 2 && w->spare == 0 && !w->full) {
    return allocate(w, out, w->config.segment_bytes);
  }
  wal_flush_build(w);
  return write_flush(w, out);
}

bool wal_next(struct wal *w, struct wal_op *out)
{
  if (w->in_memory || w->failed != 0 || w->doing != WAL_IDLE) {
    return false;
  }
  *out = (struct wal_op){0};
  if (w->sync_due) {
    w->doing = WAL_SYNCING;
    *out = (struct wal_op){.kind = WAL_SYNC, .file = w->segments[w->segment_count - 1].file};
    return true;
  }
  if (remove_next(w, out)) {
    return true;
  }
  /* Flushes and pieces of snapshots take turns. */
  if ((w->image_turn && wal_image_next(w, out)) || flush_next(w, out)) {
    return true;
  }
  if (w->failed != 0) {
    return false;
  }
  return wal_image_next(w, out) || (w->spare == 0 && !w->full && allocate(w, out, w->config.segment_bytes));
}

/* ---- done ---- */

static void allocated(struct wal *w, int error)
{
  unsigned file = w->allocating_file; /* a snapshot may have taken a number meanwhile */
  if (error == ERROR_DISK_FULL) {
    w->full = true;
    wal_remove_file(w, file, false); /* what there may be of it */
  } else if (error != 0) {
    wal_poison(w, error);
  } else {
    w->spare = file;
    w->spare_size = w->allocating_size;
  }
}

static void removed(struct wal *w, int error)
{
  const struct wal_removal *r = &w->removals[w->removal_at++];
  if (error != 0) {
    wal_poison(w, error); /* files must go in order: a gap between segments is a lost one */
  } else if (r->frees) {
    w->full = false;
  }
}

static void written(struct wal *w, int error)
{
  w->image_turn = true;
  if (error != 0) {
    wal_poison(w, error);
    return;
  }
  w->stats.bytes += w->writing.len;
  w->sync_due = w->config.sync;
  if (!w->sync_due) {
    wal_flush_durable(w);
  }
}

static void synced(struct wal *w, int error)
{
  w->sync_due = false;
  if (error != 0) {
    wal_poison(w, error);
    return;
  }
  w->stats.syncs++;
  wal_flush_durable(w);
}

void wal_done(struct wal *w, int error)
{
  assert(w->doing != WAL_IDLE);
  switch (w->doing) {
  case WAL_ALLOCATING:
    allocated(w, error);
    break;
  case WAL_REMOVING:
    removed(w, error);
    break;
  case WAL_WRITING:
    written(w, error);
    break;
  case WAL_SYNCING:
    synced(w, error);
    break;
  default:
    w->image_turn = false;
    wal_image_done(w, error);
    break;
  }
  w->doing = WAL_IDLE;
}

void wal_retry(struct wal *w)
{
  w->full = false;
}
