#include "sim/disk_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/mix.h"
#include "sim/random.h"

/* ---- lists ---- */

void ops_init(struct ops *l)
{
  l->first = NULL;
  l->last = &l->first;
}

void ops_append(struct ops *l, struct op *op)
{
  op->next = NULL;
  *l->last = op;
  l->last = &op->next;
}

struct op *ops_take(struct ops *l)
{
  struct op *op = l->first;
  if (op != NULL) {
    l->first = op->next;
    if (l->first == NULL) {
      l->last = &l->first;
    }
  }
  return op;
}

void ops_drop(struct ops *l)
{
  for (struct op *op = ops_take(l); op != NULL; op = ops_take(l)) {
    free(op);
  }
}

/* ---- images ---- */

void image_copy(struct image *to, const struct image *from)
{
  buf_clear(&to->bytes);
  buf_append_slice(&to->bytes, buf_slice(&from->bytes));
  to->size = from->size;
}

void image_zero(struct image *image, uint64_t size)
{
  buf_free(&image->bytes);
  image->size = size;
}

void image_read(const struct image *image, uint64_t offset, void *to, size_t len)
{
  assert(offset <= image->size && len <= image->size - offset);
  size_t kept = offset < image->bytes.len ? image->bytes.len - (size_t)offset : 0;
  kept = kept < len ? kept : len;
  if (kept > 0) {
    memcpy(to, image->bytes.data + offset, kept);
  }
  if (kept < len) {
    memset((char *)to + kept, 0, len - kept);
  }
}

void image_put(struct image *image, const struct op *write, size_t len)
{
  if (len == 0) {
    return;
  }
  struct buf *bytes = &image->bytes;
  size_t end = (size_t)write->offset + len;
  if (end > bytes->len) {
    char *gap = buf_reserve(bytes, end - bytes->len);
    memset(gap, 0, end - bytes->len);
    bytes->len = end;
  }
  memcpy(bytes->data + write->offset, write->bytes, len);
  image->size = end > image->size ? end : image->size;
}

/* ---- files ---- */

void file_init(struct file *f, struct sim_disk *d, unsigned number)
{
  *f = (struct file){.disk = d, .number = number};
  ops_init(&f->under_way);
  ops_init(&f->unsynced);
}

void file_free(struct file *f)
{
  assert(f->under_way.first == NULL);
  file_empty(f);
  free(f);
}

void file_empty(struct file *f)
{
  image_zero(&f->durable, 0);
  image_zero(&f->cache, 0);
  ops_drop(&f->unsynced);
}

/* ---- fates ---- */

struct fates fates_draw(uint64_t key)
{
  return (struct fates){
      .key = key,
      .kept_percent = random_below(mix_pair(key, UINT64_MAX), 101),
      .torn_percent = random_below(mix_pair(key, UINT64_MAX - 1), 101),
  };
}

uint64_t fates_surviving(const struct fates *fates, const struct op *op)
{
  uint64_t key = mix_pair(fates->key, op->number);
  uint64_t begin = op->kind == OP_ALLOCATE ? 0 : op->offset;
  uint64_t len = op->kind == OP_ALLOCATE ? op->size : op->len;
  if (random_below(mix_pair(key, 1), 100) < fates->kept_percent) {
    return len;
  }
  uint64_t first = begin / SIM_SECTOR_BYTES + 1;
  uint64_t behind = (begin + len + SIM_SECTOR_BYTES - 1) / SIM_SECTOR_BYTES;
  if (behind <= first || random_below(mix_pair(key, 2), 100) >= fates->torn_percent) {
    return 0;
  }
  uint64_t boundary = first + random_below(mix_pair(key, 3), behind - first);
  return boundary * SIM_SECTOR_BYTES - begin;
}
