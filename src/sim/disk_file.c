#include "sim/disk_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
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

static void free_page(struct page *page)
{
  for (size_t i = 0; page != NULL && i < PAGE_SECTORS; i++) {
    free(page->sectors[i]);
  }
  free(page);
}

static struct page *copy_page(const struct page *from)
{
  if (from == NULL) {
    return NULL;
  }
  struct page *to = memory_must(calloc(1, sizeof *to));
  for (size_t i = 0; i < PAGE_SECTORS; i++) {
    if (from->sectors[i] != NULL) {
      to->sectors[i] = memory_must(malloc(SIM_SECTOR_BYTES));
      memcpy(to->sectors[i], from->sectors[i], SIM_SECTOR_BYTES);
    }
  }
  return to;
}

/* Where a sector is kept; NULL = it is zeroes. */
static char *find_sector(const struct image *image, uint64_t sector)
{
  uint64_t page = sector / PAGE_SECTORS;
  return page < image->page_count && image->pages[page] != NULL ? image->pages[page]->sectors[sector % PAGE_SECTORS] : NULL;
}

static char *need_sector(struct image *image, uint64_t sector)
{
  size_t page = (size_t)(sector / PAGE_SECTORS);
  if (page >= image->page_count) {
    image->pages = memory_must(realloc(image->pages, (page + 1) * sizeof(struct page *)));
    memset(image->pages + image->page_count, 0, (page + 1 - image->page_count) * sizeof(struct page *));
    image->page_count = page + 1;
  }
  if (image->pages[page] == NULL) {
    image->pages[page] = memory_must(calloc(1, sizeof(struct page)));
  }
  char **at = &image->pages[page]->sectors[sector % PAGE_SECTORS];
  if (*at == NULL) {
    *at = memory_must(calloc(1, SIM_SECTOR_BYTES));
  }
  return *at;
}

void image_zero(struct image *image, uint64_t size)
{
  for (size_t i = 0; i < image->page_count; i++) {
    free_page(image->pages[i]);
  }
  free(image->pages);
  *image = (struct image){.size = size};
}

void image_copy(struct image *to, const struct image *from)
{
  image_zero(to, from->size);
  if (from->page_count > 0) {
    to->pages = memory_must(malloc(from->page_count * sizeof(struct page *)));
    to->page_count = from->page_count;
  }
  for (size_t i = 0; i < from->page_count; i++) {
    to->pages[i] = copy_page(from->pages[i]);
  }
}

/* How many of `left` bytes from `offset` on lie in its sector. */
static size_t within_sector(uint64_t offset, size_t left)
{
  size_t room = SIM_SECTOR_BYTES - (size_t)(offset % SIM_SECTOR_BYTES);
  return left < room ? left : room;
}

void image_read(const struct image *image, uint64_t offset, void *to, size_t len)
{
  assert(offset <= image->size && len <= image->size - offset);
  for (char *at = to; len > 0;) {
    size_t n = within_sector(offset, len);
    const char *sector = find_sector(image, offset / SIM_SECTOR_BYTES);
    if (sector != NULL) {
      memcpy(at, sector + offset % SIM_SECTOR_BYTES, n);
    } else {
      memset(at, 0, n);
    }
    at += n;
    offset += n;
    len -= n;
  }
}

static void put_bytes(struct image *image, uint64_t offset, const char *bytes, size_t len)
{
  while (len > 0) {
    size_t n = within_sector(offset, len);
    memcpy(need_sector(image, offset / SIM_SECTOR_BYTES) + offset % SIM_SECTOR_BYTES, bytes, n);
    bytes += n;
    offset += n;
    len -= n;
  }
}

static void put_zeroes(struct image *image, uint64_t offset, size_t len)
{
  while (len > 0) {
    size_t n = within_sector(offset, len);
    char *sector = find_sector(image, offset / SIM_SECTOR_BYTES);
    if (sector != NULL) {
      memset(sector + offset % SIM_SECTOR_BYTES, 0, n);
    }
    offset += n;
    len -= n;
  }
}

void image_put(struct image *image, const struct op *write, size_t len)
{
  if (len == 0) {
    return;
  }
  size_t kept = len < write->kept ? len : write->kept;
  uint64_t end = write->offset + len;
  put_bytes(image, write->offset, write->bytes, kept);
  put_zeroes(image, write->offset + kept, len - kept);
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
