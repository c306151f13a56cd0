/* Recovery: the log in memory from what is on the disk, and whether anything that was durable is missing. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/memory.h"
#include "wal/recovery.h"
#include "wal/replay.h"

/* ---- segments ---- */

/* The flush at `at` is not whole. 0: so it was never durable, and the log ends here. */
static int end_of_log(struct wal_recovery *r, struct wal_window *v, const struct wal_segment *s, const struct wal_damage *damage)
{
  bool proof = r->end != 0;
  bool zero = false;
  if (!proof) {
    int error = wal_scan_ahead(v, s, s->flush + 1, s->end, &proof, &zero);
    if (error != 0) {
      return error;
    }
  }
  if (proof) {
    return wal_blame_damage(r, v, s, s->end, damage, "is damaged");
  }
  r->w->open = r->w->open && zero;
  if (!zero) {
    buf_printf(r->report, "segment %u: flush %" PRIu32 " at offset %" PRIu64 " was never durable: dropped", s->file, s->flush + 1, s->end);
    if (damage->named || damage->follows) {
      buf_append_str(r->report, "; it had ");
      wal_blame_record(r, damage->named ? &damage->record : &damage->before);
    }
    wal_blame_say(r, "%s", "");
  }
  return 0;
}

/* The flush at s->end. *more: there was one. */
static int replay_flush(struct wal_recovery *r, struct wal_window *v, struct wal_segment *s, bool oldest, bool *more)
{
  uint64_t at = s->end;
  struct wal_damage damage;
  int error = wal_scan_check(v, s, s->flush + 1, &at, &damage);
  if (error == ERROR_CORRUPT) {
    *more = false;
    return end_of_log(r, v, s, &damage);
  }
  struct wal_replay replay = {.w = r->w, .file = s->file, .checkpoint = s->flush == 0, .oldest = oldest};
  if (error == 0) {
    error = wal_scan_replay(v, s, s->end, wal_replay_record, &replay, &damage);
  }
  if (error == 0 && replay.checkpoint && replay.groups < r->w->group_count) {
    error = ERROR_CORRUPT; /* at its end: there is a group that it has nothing about */
  }
  if (error == ERROR_CORRUPT) {
    return wal_blame_damage(r, v, s, s->end, &damage, "does not fit what is before it");
  }
  s->end = at;
  s->flush++;
  return error;
}

/* r->end: where it has to end, or 0. */
static int replay_segment(struct wal_recovery *r, const struct wal_found *f, bool oldest)
{
  struct wal_segment s = {
      .file = f->file,
      .ordinal = f->header.ordinal,
      .size = f->header.size,
      .end = 2 * (uint64_t)f->header.block_bytes,
      .block_bytes = f->header.block_bytes,
      .seed = wal_header_seed(f->header.salt),
  };
  uint64_t size = f->size < f->header.size ? f->size : f->header.size;
  if (r->end > size || (r->end != 0 && r->end <= s.end)) {
    return wal_blame(r, "segment %u has %" PRIu64 " bytes, and had flushes up to %" PRIu64 " that were durable", f->file, size, r->end);
  }
  struct wal_window v;
  wal_window_open(&v, r->reader, f->file, r->end != 0 ? r->end : size);
  r->w->open = r->end == 0 && size == f->header.size && !f->copied;
  int error = 0;
  bool more = true;
  while (error == 0 && more && s.end < v.size) {
    error = replay_flush(r, &v, &s, oldest, &more);
  }
  wal_window_free(&v);
  wal_segment_add(r->w, &s);
  return error;
}

static int replay_chain(struct wal_recovery *r)
{
  uint64_t newest_end = r->end;
  for (size_t i = r->chain_count; i-- > 0;) {
    r->end = i > 0 ? r->chain[i - 1]->header.previous_end : newest_end;
    int error = replay_segment(r, r->chain[i], i + 1 == r->chain_count);
    if (error != 0) {
      return error;
    }
  }
  for (size_t i = 0; i < r->w->group_count; i++) {
    const struct wal_group *g = r->w->groups[i];
    if (g->first < g->ring.start) {
      return wal_blame(r, "entries %" PRIu64 " to %" PRIu64 " of group \"%.*s\" are missing: they are in none of the segments", g->first,
                       g->ring.start - 1, (int)g->name.len, g->name.ptr);
    }
  }
  return 0;
}

/* ---- snapshots ---- */

static int blame_image(struct wal_recovery *r, const struct wal_group *g, const char *what)
{
  return wal_blame(r, "snapshot file %u: %s; it is the snapshot of group \"%.*s\" at index %" PRIu64 " (term %" PRIu64 ")",
                   g->snapshot->file, what, (int)g->name.len, g->name.ptr, g->snapshot->index, g->snapshot->term);
}

static int read_range(const struct wal_recovery *r, unsigned file, uint64_t at, struct buf *out, size_t len)
{
  if (len > 0 && r->reader->read(r->reader->self, file, at, buf_reserve(out, len), len) != 0) {
    return ERROR_IO;
  }
  out->len += len;
  return 0;
}

static int load_image(struct wal_recovery *r, const struct wal_group *g)
{
  struct wal_image *image = g->snapshot;
  struct wal_found *f = wal_find_file(r, image->file);
  if (f == NULL) {
    return blame_image(r, g, "missing");
  }
  if (f->kind != WAL_FOUND_IMAGE) {
    return blame_image(r, g, "its header is damaged");
  }
  f->used = true;
  int error = read_range(r, f->file, 0, &image->head, WAL_IMAGE_BYTES);
  if (error != 0) {
    return error;
  }
  struct wal_image_header h;
  if (!wal_image_decode(image->head.data, &h) || h.index != image->index || h.term != image->term || !slice_equal(h.name, g->name)) {
    return blame_image(r, g, "it is another one");
  }
  uint64_t room = f->size - WAL_IMAGE_BYTES;
  if (h.meta_len > room || h.data_len > room - h.meta_len) {
    return blame_image(r, g, "it is cut short");
  }
  error = read_range(r, f->file, WAL_IMAGE_BYTES, &image->head, (size_t)h.meta_len);
  if (error == 0) {
    error = read_range(r, f->file, WAL_IMAGE_BYTES + h.meta_len, &image->data, (size_t)h.data_len);
  }
  if (error != 0) {
    return error;
  }
  if (crc32c_extend(0, image->head.data + WAL_IMAGE_BYTES, (size_t)h.meta_len) != h.meta_crc ||
      crc32c_extend(0, image->data.data, (size_t)h.data_len) != h.data_crc) {
    return blame_image(r, g, "its content is damaged");
  }
  return 0;
}

static int load_images(struct wal_recovery *r)
{
  for (size_t i = 0; i < r->w->group_count; i++) {
    const struct wal_group *g = r->w->groups[i];
    int error = g->snapshot != NULL ? load_image(r, g) : 0;
    if (error != 0) {
      return error;
    }
  }
  return 0;
}

/* ---- the rest ---- */

/* Whatever is no part of the log goes before anything is written. */
static int remove_rest(struct wal_recovery *r)
{
  for (size_t i = 0; i < r->count; i++) {
    const struct wal_found *f = &r->files[i];
    if (f->used) {
      continue;
    }
    if (f->kind == WAL_FOUND_DAMAGED) {
      return wal_blame(r, "file %u is damaged: neither a segment nor a snapshot", f->file);
    }
    if (f->kind == WAL_FOUND_IMAGE) {
      wal_blame_say(r, "snapshot file %u was never marked: removed", f->file);
    }
    wal_remove_file(r->w, f->file, false);
  }
  return 0;
}

int wal_recover(struct wal *w, const struct wal_reader *reader, struct buf *report)
{
  assert(w->group_count == 0 && w->segment_count == 0 && !w->in_memory);
  struct wal_recovery r = {.w = w, .reader = reader, .report = report};
  int error = wal_find_files(&r);
  if (error == 0) {
    error = wal_find_chain(&r);
  }
  if (error == 0) {
    error = replay_chain(&r);
  }
  if (error == 0) {
    error = load_images(&r);
  }
  if (error == 0) {
    error = remove_rest(&r);
  }
  w->next_file = r.count > 0 ? r.files[r.count - 1].file + 1 : 1;
  free(r.files);
  free(r.chain);
  if (error != 0) {
    wal_poison(w, error);
  }
  return error;
}
