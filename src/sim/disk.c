/* A file is three things: what is durable, what the page cache shows, and the list of writes that lie between the two. A sync moves
 * writes from the list into the durable image; a kill decides the fate of each and makes the image the cache. */
#include "sim/disk.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/mix.h"
#include "sim/random.h"

enum op_kind {
  OP_WRITE,
  OP_SYNC,
  OP_REMOVE,
};

/* An operation under way; as a write that has completed it goes on as one of the file's unsynced. */
struct op {
  struct op *next;
  struct file *file;
  struct sim_event *event; /* NULL once it has completed */
  enum op_kind kind;
  uint64_t number; /* on this disk, from 1 */
  node_disk_fn done;
  void *arg;
  int error;        /* of one that has completed */
  uint64_t covered; /* by a sync: writes up to this number */
  uint64_t offset;
  const char *lent; /* the caller's bytes, which must not change until completion */
  size_t len;
  char bytes[];
};

struct ops {
  struct op *first;
  struct op **last;
};

struct file {
  struct file *next;
  struct sim_disk *disk;
  unsigned number;
  uint64_t free_ns;    /* when the last of its operations completes */
  uint64_t last_write; /* number of the last write that has completed */
  struct buf durable;
  struct buf cache;
  struct ops under_way;
  struct ops unsynced;
};

struct sim_disk {
  struct sim *sim;
  struct sim_disk_config config;
  struct file *files; /* in the order of creation */
  struct ops held;    /* completed, not yet reported */
  bool holds;
  uint64_t op_count;
};

/* ---- lists ---- */

static void ops_init(struct ops *l)
{
  l->first = NULL;
  l->last = &l->first;
}

static void ops_append(struct ops *l, struct op *op)
{
  op->next = NULL;
  *l->last = op;
  l->last = &op->next;
}

static struct op *ops_take(struct ops *l)
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

static void ops_drop(struct ops *l)
{
  for (struct op *op = ops_take(l); op != NULL; op = ops_take(l)) {
    free(op);
  }
}

/* ---- files ---- */

static struct file *find_file(const struct sim_disk *d, unsigned number)
{
  struct file *f = d->files;
  while (f != NULL && f->number != number) {
    f = f->next;
  }
  return f;
}

static struct file *need_file(struct sim_disk *d, unsigned number)
{
  struct file **at = &d->files;
  for (; *at != NULL; at = &(*at)->next) {
    if ((*at)->number == number) {
      return *at;
    }
  }
  struct file *f = memory_must(calloc(1, sizeof *f));
  f->disk = d;
  f->number = number;
  ops_init(&f->under_way);
  ops_init(&f->unsynced);
  *at = f;
  return f;
}

static void free_file(struct file *f)
{
  assert(f->under_way.first == NULL);
  ops_drop(&f->unsynced);
  buf_free(&f->durable);
  buf_free(&f->cache);
  free(f);
}

static void empty_file(struct file *f)
{
  buf_free(&f->durable);
  buf_free(&f->cache);
  ops_drop(&f->unsynced);
}

/* Forgets files that were removed: a log gives each of its segments a new number. */
static void forget_empty(struct sim_disk *d)
{
  struct file **at = &d->files;
  while (*at != NULL) {
    struct file *f = *at;
    if (f->cache.len == 0 && f->durable.len == 0 && f->under_way.first == NULL && f->unsynced.first == NULL) {
      *at = f->next;
      free_file(f);
    } else {
      at = &f->next;
    }
  }
}

static uint64_t used_bytes(const struct sim_disk *d)
{
  uint64_t sum = 0;
  for (const struct file *f = d->files; f != NULL; f = f->next) {
    sum += f->cache.len;
  }
  return sum;
}

static bool has_room(const struct op *op)
{
  const struct sim_disk *d = op->file->disk;
  uint64_t end = op->offset + op->len;
  uint64_t size = op->file->cache.len;
  return d->config.capacity_bytes == 0 || end <= size || used_bytes(d) - size + end <= d->config.capacity_bytes;
}

/* Puts the first `len` bytes of a write where they belong; a gap before them reads as zeroes. */
static void put(struct buf *image, const struct op *write, size_t len)
{
  if (len == 0) {
    return;
  }
  size_t end = (size_t)write->offset + len;
  if (end > image->len) {
    char *gap = buf_reserve(image, end - image->len);
    memset(gap, 0, end - image->len);
    image->len = end;
  }
  memcpy(image->data + write->offset, write->bytes, len);
}

/* ---- fates ---- */

/* What decides how a set of writes fares: one key, how likely each is kept, and if not, torn. All kept, all torn and all lost are as
 * likely as any mixture. */
struct fates {
  uint64_t key;
  uint64_t kept_percent;
  uint64_t torn_percent;
};

static struct fates draw_fates(struct sim_disk *d)
{
  uint64_t key = sim_random(d->sim);
  return (struct fates){
      .key = key,
      .kept_percent = random_below(mix_pair(key, UINT64_MAX), 101),
      .torn_percent = random_below(mix_pair(key, UINT64_MAX - 1), 101),
  };
}

/* How many bytes of a write reach the disk: all, none, or up to a boundary of sectors within it. */
static size_t surviving(const struct fates *fates, const struct op *write)
{
  uint64_t key = mix_pair(fates->key, write->number);
  if (random_below(mix_pair(key, 1), 100) < fates->kept_percent) {
    return write->len;
  }
  uint64_t first = write->offset / SIM_SECTOR_BYTES + 1;
  uint64_t behind = (write->offset + write->len + SIM_SECTOR_BYTES - 1) / SIM_SECTOR_BYTES;
  if (behind <= first || random_below(mix_pair(key, 2), 100) >= fates->torn_percent) {
    return 0;
  }
  uint64_t boundary = first + random_below(mix_pair(key, 3), behind - first);
  return (size_t)(boundary * SIM_SECTOR_BYTES - write->offset);
}

/* ---- operations ---- */

static void report(struct op *op)
{
  node_disk_fn done = op->done;
  void *arg = op->arg;
  int error = op->error;
  free(op);
  if (done != NULL) {
    done(arg, error); /* may ask for more, or end in sim_disk_crash */
  }
}

/* A completed write stays with the file; what is reported is another record. */
static struct op *keep_write(struct file *f, struct op *op)
{
  struct op *told = memory_must(calloc(1, sizeof *told));
  told->done = op->done;
  told->arg = op->arg;
  ops_append(&f->unsynced, op);
  return told;
}

static struct op *complete_write(struct op *op)
{
  struct file *f = op->file;
  assert(op->len == 0 || memcmp(op->lent, op->bytes, op->len) == 0);
  op->lent = NULL;
  if (!has_room(op)) {
    op->error = ERROR_DISK_FULL;
    return op;
  }
  put(&f->cache, op, op->len);
  f->last_write = op->number;
  return op->len > 0 ? keep_write(f, op) : op;
}

static void complete_sync(struct op *op)
{
  struct file *f = op->file;
  struct sim_disk *d = f->disk;
  struct fates fates = {0};
  if (random_chance(sim_random(d->sim), d->config.sync_failure_ppm)) {
    op->error = ERROR_DISK_SYNC;
    fates = draw_fates(d);
  }
  /* After a failure the kernel takes the pages for clean: no later sync writes them. */
  while (f->unsynced.first != NULL && f->unsynced.first->number <= op->covered) {
    struct op *write = ops_take(&f->unsynced);
    put(&f->durable, write, op->error == 0 ? write->len : surviving(&fates, write));
    free(write);
  }
}

static void complete(void *arg)
{
  struct op *op = arg;
  struct file *f = op->file;
  struct sim_disk *d = f->disk;
  struct op *first = ops_take(&f->under_way);
  assert(first == op);
  (void)first;
  op->event = NULL;
  switch (op->kind) {
  case OP_WRITE:
    op = complete_write(op);
    break;
  case OP_SYNC:
    complete_sync(op);
    break;
  case OP_REMOVE:
    empty_file(f);
    forget_empty(d);
    break;
  }
  if (d->holds || d->held.first != NULL) {
    ops_append(&d->held, op);
  } else {
    report(op);
  }
}

static void begin(struct sim_disk *d, struct op *op, unsigned file, uint64_t min_ns, uint64_t max_ns)
{
  struct file *f = need_file(d, file);
  op->file = f;
  op->number = ++d->op_count;
  uint64_t at = sim_now(d->sim) + random_between(sim_random(d->sim), min_ns, max_ns);
  f->free_ns = at > f->free_ns ? at : f->free_ns; /* one file's operations complete in order */
  ops_append(&f->under_way, op);
  op->event = sim_post(d->sim, f->free_ns, complete, op, NULL);
}

static void disk_write(void *self, unsigned file, uint64_t offset, struct slice bytes, node_disk_fn done, void *arg)
{
  struct sim_disk *d = self;
  struct op *op = memory_must(malloc(sizeof *op + bytes.len));
  *op = (struct op){.kind = OP_WRITE, .done = done, .arg = arg, .offset = offset, .lent = bytes.ptr, .len = bytes.len};
  if (bytes.len > 0) {
    memcpy(op->bytes, bytes.ptr, bytes.len); /* the node's memory is gone when a kill asks what became of them */
  }
  begin(d, op, file, d->config.write_min_ns, d->config.write_max_ns);
}

static void disk_sync(void *self, unsigned file, node_disk_fn done, void *arg)
{
  struct sim_disk *d = self;
  struct op *op = memory_must(calloc(1, sizeof *op));
  op->kind = OP_SYNC;
  op->done = done;
  op->arg = arg;
  op->covered = need_file(d, file)->last_write;
  begin(d, op, file, d->config.sync_min_ns, d->config.sync_max_ns);
}

static void disk_remove(void *self, unsigned file)
{
  struct sim_disk *d = self;
  if (find_file(d, file) == NULL) {
    return;
  }
  struct op *op = memory_must(calloc(1, sizeof *op));
  op->kind = OP_REMOVE;
  begin(d, op, file, d->config.sync_min_ns, d->config.sync_max_ns);
}

static uint64_t disk_size(void *self, unsigned file)
{
  const struct file *f = find_file(self, file);
  return f == NULL ? 0 : f->cache.len;
}

static int disk_read(void *self, unsigned file, uint64_t offset, void *to, size_t len)
{
  const struct file *f = find_file(self, file);
  size_t size = f == NULL ? 0 : f->cache.len;
  if (offset > size || len > size - offset) {
    return ERROR_IO;
  }
  if (len > 0) {
    memcpy(to, f->cache.data + offset, len);
  }
  return 0;
}

struct node_disk sim_disk_ops(struct sim_disk *d)
{
  return (struct node_disk){
      .self = d,
      .write = disk_write,
      .sync = disk_sync,
      .size = disk_size,
      .read = disk_read,
      .remove = disk_remove,
  };
}

/* ---- the whole ---- */

static void check_config(const struct sim_disk_config *config)
{
  assert(config->write_min_ns <= config->write_max_ns);
  assert(config->sync_min_ns <= config->sync_max_ns);
  (void)config;
}

struct sim_disk *sim_disk_new(struct sim *sim, const struct sim_disk_config *config)
{
  check_config(config);
  struct sim_disk *d = memory_must(calloc(1, sizeof *d));
  d->sim = sim;
  d->config = *config;
  ops_init(&d->held);
  return d;
}

void sim_disk_configure(struct sim_disk *d, const struct sim_disk_config *config)
{
  check_config(config);
  d->config = *config;
}

static void cancel(struct sim_disk *d, struct op *op)
{
  sim_cancel(d->sim, op->event);
  op->event = NULL;
}

void sim_disk_free(struct sim_disk *d)
{
  if (d == NULL) {
    return;
  }
  while (d->files != NULL) {
    struct file *f = d->files;
    d->files = f->next;
    for (struct op *op = ops_take(&f->under_way); op != NULL; op = ops_take(&f->under_way)) {
      cancel(d, op);
      free(op);
    }
    free_file(f);
  }
  ops_drop(&d->held);
  free(d);
}

static void lose_cache(struct file *f, const struct fates *fates)
{
  for (struct op *write = ops_take(&f->unsynced); write != NULL; write = ops_take(&f->unsynced)) {
    put(&f->durable, write, surviving(fates, write));
    free(write);
  }
  buf_clear(&f->cache);
  buf_append_slice(&f->cache, buf_slice(&f->durable));
}

/* What was under way may have been done, or a part of it: as if it had completed just then. What lies behind a removal that did not
 * happen had not begun. */
static void cut_short(struct file *f, const struct fates *fates)
{
  bool begun = true;
  for (struct op *op = ops_take(&f->under_way); op != NULL; op = ops_take(&f->under_way)) {
    cancel(f->disk, op);
    if (op->kind == OP_REMOVE) {
      begun = begun && random_below(mix_pair(fates->key, op->number), 2) == 0;
      if (begun) {
        empty_file(f);
      }
    } else if (op->kind == OP_WRITE && begun) {
      op->len = surviving(fates, op);
      if (op->len > 0 && has_room(op)) {
        put(&f->cache, op, op->len);
        if (f->disk->config.keeps_cache) {
          f->last_write = op->number;
          ops_append(&f->unsynced, op);
          continue;
        }
        put(&f->durable, op, op->len);
      }
    }
    free(op);
  }
}

void sim_disk_crash(struct sim_disk *d)
{
  struct fates fates = draw_fates(d);
  for (struct file *f = d->files; f != NULL && !d->config.keeps_cache; f = f->next) {
    lose_cache(f, &fates);
  }
  for (struct file *f = d->files; f != NULL; f = f->next) {
    cut_short(f, &fates);
    f->free_ns = 0;
  }
  forget_empty(d);
  ops_drop(&d->held);
  d->holds = false;
}

void sim_disk_hold(struct sim_disk *d, bool held)
{
  d->holds = held;
  while (!d->holds && d->held.first != NULL) {
    report(ops_take(&d->held));
  }
}
