#include "host/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"

#define SUFFIX ".vortex"

/* An open file. Few at a time: segments that are written, and one that is allocated ahead. */
struct file {
  unsigned number;
  int fd;
};

/* An operation that is over and has not been reported. */
struct completion {
  node_disk_fn done;
  void *arg;
  int error;
};

struct disk {
  struct disk_config config;
  struct host_log *log;
  struct node_disk ops;
  struct place_parent parent;
  uv_idle_t idle; /* active while completions are due */
  struct buf path;
  int dir; /* -1 = not opened */
  int lock;
  struct file *files;
  size_t file_count;
  size_t file_cap;
  struct completion *completions;
  size_t completion_count;
  size_t completion_cap;
  bool closed;
};

static int error_of(int code)
{
  return code == ENOSPC || code == EDQUOT ? ERROR_DISK_FULL : ERROR_IO;
}

static void complain(struct disk *d, const char *what, unsigned number, int code)
{
  host_log_printf(d->log, LOG_ERROR, "%s of %.*s/%08u" SUFFIX " failed: %s", what, (int)d->path.len, d->path.data, number, strerror(code));
}

/* ---- files ---- */

static void name_of(unsigned number, char name[32])
{
  snprintf(name, 32, "%08u" SUFFIX, number);
}

/* Its descriptor, or -1 with errno set. */
static int fd_of(struct disk *d, unsigned number, int flags)
{
  for (size_t i = 0; i < d->file_count; i++) {
    if (d->files[i].number == number) {
      return d->files[i].fd;
    }
  }
  char name[32];
  name_of(number, name);
  int fd = openat(d->dir, name, O_RDWR | O_CLOEXEC | flags, 0666);
  if (fd >= 0) {
    d->files = memory_grow(d->files, &d->file_cap, d->file_count + 1, sizeof *d->files);
    d->files[d->file_count++] = (struct file){number, fd};
  }
  return fd;
}

static void forget(struct disk *d, unsigned number)
{
  for (size_t i = 0; i < d->file_count; i++) {
    if (d->files[i].number == number) {
      close(d->files[i].fd);
      d->files[i] = d->files[--d->file_count];
      return;
    }
  }
}

/* ---- completions ---- */

static void on_idle(uv_idle_t *idle)
{
  struct disk *d = idle->data;
  uv_idle_stop(idle);
  if (d->config.work != NULL) {
    d->config.work(d->config.work_arg);
  }
  size_t count = d->completion_count; /* what they lead to is reported in the next turn */
  for (size_t i = 0; i < count; i++) {
    struct completion c = d->completions[i];
    c.done(c.arg, c.error);
  }
  d->completion_count -= count;
  memmove(d->completions, d->completions + count, d->completion_count * sizeof *d->completions);
}

static void complete(struct disk *d, node_disk_fn done, void *arg, int error)
{
  d->completions = memory_grow(d->completions, &d->completion_cap, d->completion_count + 1, sizeof *d->completions);
  d->completions[d->completion_count++] = (struct completion){done, arg, error};
  uv_idle_start(&d->idle, on_idle);
}

/* ---- node/env.h ---- */

static void op_allocate(void *self, unsigned number, uint64_t size, node_disk_fn done, void *arg)
{
  struct disk *d = self;
  int fd = fd_of(d, number, O_CREAT | O_TRUNC);
  int code = fd < 0 ? errno : posix_fallocate(fd, 0, (off_t)size);
  if (code != 0) {
    complain(d, "allocation", number, code);
    if (fd >= 0) {
      char name[32];
      name_of(number, name);
      forget(d, number);
      unlinkat(d->dir, name, 0);
    }
  }
  complete(d, done, arg, code == 0 ? 0 : error_of(code));
}

static void op_write(void *self, unsigned number, uint64_t offset, struct slice bytes, node_disk_fn done, void *arg)
{
  struct disk *d = self;
  int fd = fd_of(d, number, O_CREAT);
  int code = fd < 0 ? errno : 0;
  while (code == 0 && bytes.len > 0) {
    ssize_t n = pwrite(fd, bytes.ptr, bytes.len, (off_t)offset);
    if (n > 0) {
      bytes = slice_of(bytes.ptr + n, bytes.len - (size_t)n);
      offset += (uint64_t)n;
    } else if (n == 0 || errno != EINTR) {
      code = n == 0 ? EIO : errno;
    }
  }
  if (code != 0) {
    complain(d, "a write", number, code);
  }
  complete(d, done, arg, code == 0 ? 0 : error_of(code));
}

static void op_sync(void *self, unsigned number, node_disk_fn done, void *arg)
{
  struct disk *d = self;
  int fd = fd_of(d, number, 0);
  int code = fd < 0 || fsync(fd) != 0 ? errno : 0;
  if (code != 0) {
    complain(d, "a sync", number, code);
  }
  complete(d, done, arg, code == 0 ? 0 : ERROR_DISK_SYNC);
}

static void op_remove(void *self, unsigned number)
{
  struct disk *d = self;
  char name[32];
  name_of(number, name);
  forget(d, number);
  if (unlinkat(d->dir, name, 0) != 0 && errno != ENOENT) {
    complain(d, "removal", number, errno);
  }
}

/* The number that a file's name spells; 0 = it is none of ours. */
static unsigned number_of(const char *name)
{
  unsigned number;
  char again[32];
  if (sscanf(name, "%8u", &number) != 1) {
    return 0;
  }
  name_of(number, again);
  return strcmp(name, again) == 0 ? number : 0;
}

/* Lists the folder; calls fn for each of our files. */
static void each_file(struct disk *d, void (*fn)(struct disk *d, unsigned number, void *arg), void *arg)
{
  int fd = openat(d->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *dir = fd < 0 ? NULL : fdopendir(fd);
  if (dir == NULL) {
    host_log_printf(d->log, LOG_ERROR, "%.*s cannot be listed: %s", (int)d->path.len, d->path.data, strerror(errno));
    return;
  }
  for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
    unsigned number = number_of(e->d_name);
    if (number != 0) {
      fn(d, number, arg);
    }
  }
  closedir(dir);
}

struct search {
  unsigned after;
  unsigned best;
};

static void consider(struct disk *d, unsigned number, void *arg)
{
  (void)d;
  struct search *s = arg;
  if (number > s->after && (s->best == 0 || number < s->best)) {
    s->best = number;
  }
}

static unsigned op_next(void *self, unsigned number)
{
  struct search s = {.after = number};
  each_file(self, consider, &s);
  return s.best;
}

static uint64_t op_size(void *self, unsigned number)
{
  struct stat st;
  int fd = fd_of(self, number, 0);
  return fd < 0 || fstat(fd, &st) != 0 ? 0 : (uint64_t)st.st_size;
}

static int op_read(void *self, unsigned number, uint64_t offset, void *to, size_t len)
{
  int fd = fd_of(self, number, 0);
  char *at = to;
  while (fd >= 0 && len > 0) {
    ssize_t n = pread(fd, at, len, (off_t)offset);
    if (n > 0) {
      at += n;
      offset += (uint64_t)n;
      len -= (size_t)n;
    } else if (n == 0 || errno != EINTR) {
      if (n < 0) {
        complain(self, "a read", number, errno);
      }
      return ERROR_IO;
    }
  }
  return fd < 0 ? ERROR_IO : 0;
}

/* ---- opening ---- */

static void remove_file(struct disk *d, unsigned number, void *arg)
{
  (void)arg;
  op_remove(d, number);
}

static int fail(struct disk *d, const char *what, int code)
{
  host_log_printf(d->log, LOG_ERROR, "%.*s cannot be %s: %s", (int)d->path.len, d->path.data, what, strerror(code));
  return ERROR_IO;
}

static int op_open(void *self, struct slice node, struct slice start)
{
  struct disk *d = self;
  buf_clear(&d->path);
  int code = place_open(&d->path, d->config.root, &d->parent, node);
  if (code != 0) {
    return fail(d, "made", code);
  }
  d->dir = open(d->path.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (d->dir < 0) {
    return fail(d, "opened", errno);
  }
  d->lock = openat(d->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (d->lock < 0) {
    return fail(d, "locked", errno);
  }
  if (flock(d->lock, LOCK_EX | LOCK_NB) != 0) {
    return fail(d, "used", errno == EWOULDBLOCK ? EBUSY : errno);
  }
  bool stale = false;
  if (d->config.root == NULL && (code = place_note_start(d->path.data, start, &stale)) != 0) {
    return fail(d, "written to", code);
  }
  if (stale) {
    each_file(d, remove_file, NULL);
  }
  return 0;
}

/* ---- life ---- */

struct disk *disk_new(uv_loop_t *loop, struct host_log *log, const struct disk_config *config)
{
  struct disk *d = memory_must(calloc(1, sizeof *d));
  d->config = *config;
  d->log = log;
  d->parent = place_parent();
  d->dir = d->lock = -1;
  d->ops = (struct node_disk){
      .self = d,
      .open = op_open,
      .allocate = op_allocate,
      .write = op_write,
      .sync = op_sync,
      .next = op_next,
      .size = op_size,
      .read = op_read,
      .remove = op_remove,
      .keeps_cache = true,
  };
  uv_idle_init(loop, &d->idle);
  d->idle.data = d;
  return d;
}

void disk_close(struct disk *d)
{
  if (!d->closed) {
    d->closed = true;
    uv_close((uv_handle_t *)&d->idle, NULL);
  }
}

void disk_free(struct disk *d)
{
  for (size_t i = 0; i < d->file_count; i++) {
    close(d->files[i].fd);
  }
  if (d->lock >= 0) {
    close(d->lock);
  }
  if (d->dir >= 0) {
    close(d->dir);
  }
  buf_free(&d->path);
  free(d->files);
  free(d->completions);
  free(d);
}

const struct node_disk *disk_ops(const struct disk *d)
{
  return &d->ops;
}
