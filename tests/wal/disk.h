/* A disk for the tests of the log: files in memory, and a record of every operation, from which what a crash may leave behind is made. */
#ifndef VORTEX_TESTS_WAL_DISK_H
#define VORTEX_TESTS_WAL_DISK_H

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "wal/wal.h"

#define DISK_SECTOR_BYTES 512

struct disk_file {
  unsigned number;
  struct buf bytes;
};

struct disk {
  struct disk_file *files; /* ascending */
  size_t count;
  size_t cap;
  struct wal_op *log; /* every operation there was; the bytes of writes are owned */
  size_t log_count;
  size_t log_cap;
  bool forgets;      /* keeps no log */
  uint64_t capacity; /* of all files together; 0 = no end */
  bool fail_reads;
  int fail; /* the next operation ends with this, and does nothing */
};

static inline void disk_free(struct disk *d)
{
  for (size_t i = 0; i < d->count; i++) {
    buf_free(&d->files[i].bytes);
  }
  for (size_t i = 0; i < d->log_count; i++) {
    free((char *)d->log[i].bytes.ptr);
  }
  free(d->files);
  free(d->log);
  *d = (struct disk){0};
}

static inline struct disk_file *disk_find(const struct disk *d, unsigned number)
{
  for (size_t i = 0; i < d->count; i++) {
    if (d->files[i].number == number) {
      return &d->files[i];
    }
  }
  return NULL;
}

static inline struct disk_file *disk_create(struct disk *d, unsigned number)
{
  assert(disk_find(d, number) == NULL);
  d->files = memory_grow(d->files, &d->cap, d->count + 1, sizeof *d->files);
  size_t at = d->count++;
  for (; at > 0 && d->files[at - 1].number > number; at--) {
    d->files[at] = d->files[at - 1];
  }
  d->files[at] = (struct disk_file){.number = number};
  return &d->files[at];
}

static inline void disk_remove(struct disk *d, unsigned number)
{
  struct disk_file *f = disk_find(d, number);
  if (f != NULL) {
    buf_free(&f->bytes);
    memmove(f, f + 1, (size_t)(d->files + d->count - (f + 1)) * sizeof *f);
    d->count--;
  }
}

static inline void disk_copy(struct disk *to, const struct disk *from)
{
  disk_free(to);
  for (size_t i = 0; i < from->count; i++) {
    struct disk_file *f = disk_create(to, from->files[i].number);
    buf_append_slice(&f->bytes, buf_slice(&from->files[i].bytes));
  }
  to->capacity = from->capacity;
}

static inline uint64_t disk_used(const struct disk *d)
{
  uint64_t used = 0;
  for (size_t i = 0; i < d->count; i++) {
    used += d->files[i].bytes.len;
  }
  return used;
}

static inline void disk_write(struct disk *d, const struct wal_op *op)
{
  struct disk_file *f = disk_find(d, op->file);
  assert(f != NULL && op->offset + op->bytes.len <= f->bytes.len);
  memcpy(f->bytes.data + op->offset, op->bytes.ptr, op->bytes.len);
}

static inline int disk_allocate(struct disk *d, const struct wal_op *op)
{
  if (d->capacity != 0 && disk_used(d) + op->size > d->capacity) {
    return ERROR_DISK_FULL;
  }
  for (size_t i = 0; i < d->log_count; i++) {
    assert(d->log[i].kind != WAL_ALLOCATE || d->log[i].file != op->file); /* no number is used twice */
  }
  struct disk_file *f = disk_create(d, op->file);
  memset(buf_reserve(&f->bytes, op->size), 0, op->size);
  f->bytes.len = op->size;
  return 0;
}

static inline int disk_apply(struct disk *d, const struct wal_op *op)
{
  switch (op->kind) {
  case WAL_ALLOCATE:
    return disk_allocate(d, op);
  case WAL_WRITE:
    disk_write(d, op);
    return 0;
  case WAL_REMOVE:
    disk_remove(d, op->file);
    return 0;
  default:
    assert(disk_find(d, op->file) != NULL);
    return 0;
  }
}

static inline void disk_record(struct disk *d, const struct wal_op *op)
{
  d->log = memory_grow(d->log, &d->log_cap, d->log_count + 1, sizeof *d->log);
  struct wal_op *copy = &d->log[d->log_count++];
  *copy = *op;
  if (op->bytes.len > 0) {
    char *bytes = memory_must(malloc(op->bytes.len));
    memcpy(bytes, op->bytes.ptr, op->bytes.len);
    copy->bytes.ptr = bytes;
  }
}

/* Carries out one operation of the log. False: it has none. */
static inline bool disk_step(struct disk *d, struct wal *w)
{
  struct wal_op op;
  if (!wal_next(w, &op)) {
    return false;
  }
  int error = d->fail;
  d->fail = 0;
  if (error == 0) {
    error = disk_apply(d, &op);
  }
  if (!d->forgets && error == 0) {
    disk_record(d, &op);
  }
  wal_done(w, error);
  return true;
}

static inline void disk_run(struct disk *d, struct wal *w)
{
  while (disk_step(d, w)) {
  }
}

/* ---- reading ---- */

static inline unsigned disk_next(void *self, unsigned file)
{
  const struct disk *d = self;
  for (size_t i = 0; i < d->count; i++) {
    if (d->files[i].number > file) {
      return d->files[i].number;
    }
  }
  return 0;
}

static inline uint64_t disk_size(void *self, unsigned file)
{
  const struct disk_file *f = disk_find(self, file);
  return f != NULL ? f->bytes.len : 0;
}

static inline int disk_read(void *self, unsigned file, uint64_t offset, void *to, size_t len)
{
  const struct disk_file *f = disk_find(self, file);
  const struct disk *d = self;
  if (d->fail_reads || f == NULL || offset > f->bytes.len || len > f->bytes.len - offset) {
    return ERROR_IO;
  }
  memcpy(to, f->bytes.data + offset, len);
  return 0;
}

static inline struct wal_reader disk_reader(struct disk *d)
{
  return (struct wal_reader){.self = d, .next = disk_next, .size = disk_size, .read = disk_read};
}

#endif
