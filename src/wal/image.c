/* Snapshots: files of their own, written in pieces between flushes. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/memory.h"
#include "wal/internal.h"

enum {
  PIECE_BYTES = 1 << 20 /* of data per write, so that flushes do not wait long */
};

void wal_image_free(struct wal_image *image)
{
  if (image != NULL) {
    buf_free(&image->head);
    buf_free(&image->data);
    free(image);
  }
}

/* Forgets one that waits, together with its file. */
static void drop_waiting(struct wal *w, struct wal_group *g)
{
  struct wal_image *image = g->waiting;
  if (image == NULL) {
    return;
  }
  g->waiting = NULL;
  w->images_open -= image->state != WAL_IMAGE_DURABLE;
  if (w->doing_image == image) {
    w->image_orphaned = true; /* its bytes are lent */
    return;
  }
  if (image->file != 0) {
    wal_remove_file(w, image->file, true);
  }
  wal_image_free(image);
}

void wal_snapshot(struct wal *w, unsigned group, uint64_t index, uint64_t term, struct slice meta, struct buf *data)
{
  struct wal_group *g = wal_group_at(w, group);
  assert(g != NULL && index > 0);
  drop_waiting(w, g);
  struct wal_image *image = memory_zeroed(1, sizeof *image);
  image->index = index;
  image->term = term;
  image->data = *data;
  *data = (struct buf){0};
  char *head = buf_reserve(&image->head, WAL_IMAGE_BYTES + meta.len);
  memset(head, 0, WAL_IMAGE_BYTES); /* the header: once the file has its number for good */
  image->head.len = WAL_IMAGE_BYTES;
  buf_append_slice(&image->head, meta);
  image->group = g;
  image->file = w->in_memory ? 0 : w->next_file++;
  image->state = w->in_memory ? WAL_IMAGE_DURABLE : WAL_IMAGE_NEW;
  w->images_open += !w->in_memory;
  g->waiting = image;
}

static const struct wal_image *find(const struct wal *w, unsigned group, uint64_t index)
{
  const struct wal_group *g = wal_group_at(w, group);
  assert(g != NULL);
  if (g->waiting != NULL && g->waiting->index == index) {
    return g->waiting;
  }
  return g->snapshot != NULL && g->snapshot->index == index ? g->snapshot : NULL;
}

bool wal_snapshot_durable(const struct wal *w, unsigned group, uint64_t index)
{
  const struct wal_image *image = find(w, group, index);
  return image != NULL && image->state == WAL_IMAGE_DURABLE;
}

bool wal_snapshot_get(const struct wal *w, unsigned group, uint64_t index, struct slice *meta, struct slice *data)
{
  const struct wal_image *image = find(w, group, index);
  if (image == NULL) {
    return false;
  }
  *meta = slice_of(image->head.data + WAL_IMAGE_BYTES, image->head.len - WAL_IMAGE_BYTES);
  *data = buf_slice(&image->data);
  return true;
}

void wal_image_mark(struct wal *w, struct wal_group *g)
{
  assert(g->waiting->state == WAL_IMAGE_DURABLE);
  if (g->snapshot != NULL && g->snapshot->file != 0) {
    wal_files_add(&w->dead, g->snapshot->file);
  }
  wal_image_free(g->snapshot);
  g->snapshot = g->waiting;
  g->waiting = NULL;
}

/* ---- the file ---- */

static uint64_t image_bytes(const struct wal_image *image)
{
  return (uint64_t)image->head.len + image->data.len;
}

static void write_header(const struct wal *w, struct wal_image *image)
{
  size_t meta_len = image->head.len - WAL_IMAGE_BYTES;
  struct wal_image_header header = {
      .node = w->config.node,
      .file = image->file,
      .index = image->index,
      .term = image->term,
      .meta_len = meta_len,
      .data_len = image->data.len,
      .meta_crc = crc32c_extend(0, image->head.data + WAL_IMAGE_BYTES, meta_len),
      .data_crc = crc32c_extend(0, image->data.data, image->data.len),
      .name = image->group->name,
  };
  wal_image_encode(image->head.data, &header);
}

static void piece(const struct wal_image *image, struct wal_op *out)
{
  out->kind = WAL_WRITE;
  out->offset = image->written;
  if (image->written == 0) {
    out->bytes = buf_slice(&image->head);
    return;
  }
  size_t at = (size_t)(image->written - image->head.len);
  size_t left = image->data.len - at;
  out->bytes = slice_of(image->data.data + at, left < PIECE_BYTES ? left : PIECE_BYTES);
}

static struct wal_image *next_open(const struct wal *w)
{
  for (size_t i = 0; w->images_open > 0 && i < w->group_count; i++) {
    struct wal_image *image = w->groups[i]->waiting;
    if (image != NULL && image->state != WAL_IMAGE_DURABLE && !(image->state == WAL_IMAGE_NEW && w->full)) {
      return image;
    }
  }
  return NULL;
}

bool wal_image_next(struct wal *w, struct wal_op *out)
{
  struct wal_image *image = next_open(w);
  if (image == NULL) {
    return false;
  }
  w->doing_image = image;
  out->file = image->file;
  switch (image->state) {
  case WAL_IMAGE_NEW:
    w->doing = WAL_IMAGE_ALLOCATING;
    out->kind = WAL_ALLOCATE;
    out->size = image_bytes(image);
    break;
  case WAL_IMAGE_WRITING:
    w->doing = WAL_IMAGE_SAVING;
    piece(image, out);
    break;
  default:
    assert(image->state == WAL_IMAGE_WRITTEN);
    w->doing = WAL_IMAGE_SYNCING;
    out->kind = WAL_SYNC;
    break;
  }
  return true;
}

static void advance(struct wal *w, struct wal_image *image, enum wal_doing done)
{
  if (done == WAL_IMAGE_ALLOCATING) {
    write_header(w, image);
    image->state = WAL_IMAGE_WRITING;
    return;
  }
  if (done == WAL_IMAGE_SAVING) {
    struct wal_op op = {0};
    piece(image, &op);
    image->written += op.bytes.len;
    w->stats.bytes += op.bytes.len;
    if (image->written < image_bytes(image)) {
      return;
    }
    image->state = WAL_IMAGE_WRITTEN;
    if (w->config.sync) {
      return;
    }
  } else {
    w->stats.syncs++;
  }
  image->state = WAL_IMAGE_DURABLE;
  w->images_open -= !w->image_orphaned;
}

void wal_image_done(struct wal *w, int error)
{
  struct wal_image *image = w->doing_image;
  enum wal_doing done = w->doing;
  w->doing_image = NULL;
  if (error == ERROR_DISK_FULL && done == WAL_IMAGE_ALLOCATING) {
    w->full = true;
    wal_remove_file(w, image->file, false);
    image->file = w->next_file++; /* a number is allocated once */
  } else if (error != 0) {
    wal_poison(w, error);
  } else {
    advance(w, image, done);
  }
  if (w->image_orphaned) {
    w->image_orphaned = false;
    wal_remove_file(w, image->file, true);
    wal_image_free(image);
  }
}
