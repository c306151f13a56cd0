/* A file is three things: what is durable, what the page cache shows, and the list of writes that lie between the two. A sync moves
 * writes from the list into the durable image; a kill decides the fate of each and makes the image the cache. */
#include "sim/disk.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/mix.h"
#include "sim/disk_file.h"
#include "sim/random.h"

struct sim_disk {
  struct sim *sim;
  struct sim_disk_config config;
  struct sim_disk_trouble trouble;
  uint64_t room;      /* bytes, while the trouble is that it is full */
  struct file *files; /* in the order of creation */
  struct ops held;    /* completed, not yet reported */
  bool holds;
  uint64_t op_count;
  uint64_t failures;
  sim_fn reported;
  void *reported_arg;
};

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
  struct file *f = memory_must(malloc(sizeof *f));
  file_init(f, d, number);
  *at = f;
  return f;
}

/* Forgets files that were removed: a log gives each of its segments a new number. */
static void forget_empty(struct sim_disk *d)
{
  struct file **at = &d->files;
  while (*at != NULL) {
    struct file *f = *at;
    if (f->cache.size == 0 && f->durable.size == 0 && f->under_way.first == NULL && f->unsynced.first == NULL) {
      *at = f->next;
      file_free(f);
    } else {
      at = &f->next;
    }
  }
}

static uint64_t used_bytes(const struct sim_disk *d)
{
  uint64_t sum = 0;
  for (const struct file *f = d->files; f != NULL; f = f->next) {
    sum += f->cache.size;
  }
  return sum;
}

/* Whether a file may grow to this size. */
static bool has_room(const struct file *f, uint64_t size)
{
  const struct sim_disk *d = f->disk;
  uint64_t capacity = d->config.capacity_bytes == 0 ? UINT64_MAX : d->config.capacity_bytes;
  if (d->trouble.full && d->room < capacity) {
    capacity = d->room;
  }
  uint64_t old = f->cache.size;
  return size <= old || used_bytes(d) - old + size <= capacity;
}

/* ---- operations ---- */

static void report(struct sim_disk *d, struct op *op)
{
  node_disk_fn done = op->done;
  void *arg = op->arg;
  int error = op->error;
  d->failures += error != 0;
  free(op);
  if (done != NULL) {
    done(arg, error); /* may ask for more, or end in sim_disk_crash */
  }
  if (done != NULL && d->reported != NULL) {
    d->reported(d->reported_arg);
  }
}

static bool fails(struct sim_disk *d, uint32_t ppm)
{
  return random_chance(sim_random(d->sim), ppm);
}

static void complete_allocate(struct op *op)
{
  struct file *f = op->file;
  if (fails(f->disk, f->disk->trouble.failure_ppm)) {
    op->error = ERROR_IO;
  } else if (!has_room(f, op->size)) {
    op->error = ERROR_DISK_FULL;
  } else {
    file_empty(f);
    image_zero(&f->cache, op->size);
    image_zero(&f->durable, op->size);
  }
}

/* A completed write stays with the file; what is reported is another record. */
static struct op *keep_write(struct file *f, struct op *op)
{
  struct op *told = memory_must(calloc(1, sizeof *told));
  told->kind = op->kind;
  told->done = op->done;
  told->arg = op->arg;
  told->error = op->error;
  ops_append(&f->unsynced, op);
  return told;
}

static struct op *complete_write(struct op *op)
{
  struct file *f = op->file;
  assert(op->kept == 0 || memcmp(op->lent, op->bytes, op->kept) == 0);
  op->lent = NULL;
  if (fails(f->disk, f->disk->trouble.failure_ppm)) {
    struct fates fates = fates_draw(sim_random(f->disk->sim));
    op->error = ERROR_IO;
    op->len = (size_t)fates_surviving(&fates, op);
  }
  if (!has_room(f, op->offset + op->len)) {
    op->error = ERROR_DISK_FULL;
    return op;
  }
  image_put(&f->cache, op, op->len);
  f->last_write = op->number;
  return op->len > 0 ? keep_write(f, op) : op;
}

static void complete_sync(struct op *op)
{
  struct file *f = op->file;
  struct sim_disk *d = f->disk;
  struct fates fates = {0};
  uint32_t ppm = d->config.sync_failure_ppm;
  if (fails(d, ppm > d->trouble.failure_ppm ? ppm : d->trouble.failure_ppm)) {
    op->error = ERROR_DISK_SYNC;
    fates = fates_draw(sim_random(d->sim));
  }
  /* After a failure the kernel takes the pages for clean: no later sync writes them. */
  while (f->unsynced.first != NULL && f->unsynced.first->number <= op->covered) {
    struct op *write = ops_take(&f->unsynced);
    image_put(&f->durable, write, op->error == 0 ? write->len : (size_t)fates_surviving(&fates, write));
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
  case OP_ALLOCATE:
    complete_allocate(op);
    break;
  case OP_WRITE:
    op = complete_write(op);
    break;
  case OP_SYNC:
    complete_sync(op);
    break;
  case OP_REMOVE:
    file_empty(f);
    forget_empty(d);
    break;
  }
  if (d->holds || d->held.first != NULL) {
    ops_append(&d->held, op);
  } else {
    report(d, op);
  }
}

static void begin(struct sim_disk *d, struct op *op, unsigned file, uint64_t min_ns, uint64_t max_ns)
{
  struct file *f = need_file(d, file);
  op->file = f;
  op->number = ++d->op_count;
  unsigned slow = d->trouble.slow == 0 ? 1 : d->trouble.slow;
  uint64_t at = sim_now(d->sim) + random_between(sim_random(d->sim), min_ns, max_ns) * slow;
  f->free_ns = at > f->free_ns ? at : f->free_ns; /* one file's operations complete in order */
  ops_append(&f->under_way, op);
  op->event = sim_post(d->sim, f->free_ns, complete, op, NULL);
}

static void disk_allocate(void *self, unsigned file, uint64_t size, node_disk_fn done, void *arg)
{
  struct sim_disk *d = self;
  assert(size > 0 && size < SIZE_MAX);
  struct op *op = memory_must(calloc(1, sizeof *op));
  op->kind = OP_ALLOCATE;
  op->done = done;
  op->arg = arg;
  op->size = size;
  begin(d, op, file, d->config.sync_min_ns, d->config.sync_max_ns);
}

/* How many bytes there are before a tail of zeroes. */
static size_t without_zeroes(struct slice bytes)
{
  static const char zeroes[64];
  size_t n = bytes.len;
  while (n >= sizeof zeroes && memcmp(bytes.ptr + n - sizeof zeroes, zeroes, sizeof zeroes) == 0) {
    n -= sizeof zeroes;
  }
  while (n > 0 && bytes.ptr[n - 1] == 0) {
    n--;
  }
  return n;
}

static void disk_write(void *self, unsigned file, uint64_t offset, struct slice bytes, node_disk_fn done, void *arg)
{
  struct sim_disk *d = self;
  size_t kept = without_zeroes(bytes);
  struct op *op = memory_must(malloc(sizeof *op + kept));
  *op = (struct op){.kind = OP_WRITE, .done = done, .arg = arg, .offset = offset, .lent = bytes.ptr, .len = bytes.len, .kept = kept};
  if (kept > 0) {
    memcpy(op->bytes, bytes.ptr, kept); /* the node's memory is gone when a kill asks what became of them */
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

static unsigned disk_next(void *self, unsigned file)
{
  const struct sim_disk *d = self;
  unsigned next = 0;
  for (const struct file *f = d->files; f != NULL; f = f->next) {
    if (f->cache.size > 0 && f->number > file && (next == 0 || f->number < next)) {
      next = f->number;
    }
  }
  return next;
}

static uint64_t disk_size(void *self, unsigned file)
{
  const struct file *f = find_file(self, file);
  return f == NULL ? 0 : f->cache.size;
}

static int disk_read(void *self, unsigned file, uint64_t offset, void *to, size_t len)
{
  const struct file *f = find_file(self, file);
  uint64_t size = f == NULL ? 0 : f->cache.size;
  if (offset > size || len > size - offset) {
    return ERROR_IO;
  }
  if (len > 0) {
    image_read(&f->cache, offset, to, len);
  }
  return 0;
}

struct node_disk sim_disk_ops(struct sim_disk *d)
{
  return (struct node_disk){
      .self = d,
      .allocate = disk_allocate,
      .write = disk_write,
      .sync = disk_sync,
      .next = disk_next,
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

void sim_disk_disturb(struct sim_disk *d, const struct sim_disk_trouble *trouble)
{
  if (trouble->full && !d->trouble.full) {
    d->room = used_bytes(d);
  }
  d->trouble = *trouble;
}

uint64_t sim_disk_failures(const struct sim_disk *d)
{
  return d->failures;
}

void sim_disk_on_report(struct sim_disk *d, sim_fn reported, void *arg)
{
  d->reported = reported;
  d->reported_arg = arg;
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
    file_free(f);
  }
  ops_drop(&d->held);
  free(d);
}

static void lose_cache(struct file *f, const struct fates *fates)
{
  for (struct op *write = ops_take(&f->unsynced); write != NULL; write = ops_take(&f->unsynced)) {
    image_put(&f->durable, write, (size_t)fates_surviving(fates, write));
    free(write);
  }
  image_copy(&f->cache, &f->durable);
}

/* The zeroes of a new file are there, or as many as got on the disk; or what there was before. */
static void cut_allocation(struct file *f, const struct op *op, const struct fates *fates)
{
  uint64_t size = fates_surviving(fates, op);
  if (size > 0 && has_room(f, size)) {
    file_empty(f);
    image_zero(&f->cache, size);
    image_zero(&f->durable, size);
  }
}

/* Whether the file keeps the record. */
static bool cut_write(struct file *f, struct op *op, const struct fates *fates)
{
  op->len = (size_t)fates_surviving(fates, op);
  if (op->len == 0 || !has_room(f, op->offset + op->len)) {
    return false;
  }
  image_put(&f->cache, op, op->len);
  if (!f->disk->config.keeps_cache) {
    image_put(&f->durable, op, op->len);
    return false;
  }
  f->last_write = op->number;
  ops_append(&f->unsynced, op);
  return true;
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
        file_empty(f);
      }
    } else if (op->kind == OP_ALLOCATE && begun) {
      cut_allocation(f, op, fates);
    } else if (op->kind == OP_WRITE && begun && cut_write(f, op, fates)) {
      continue;
    }
    free(op);
  }
}

void sim_disk_crash(struct sim_disk *d)
{
  struct fates fates = fates_draw(sim_random(d->sim));
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
    report(d, ops_take(&d->held));
  }
}
