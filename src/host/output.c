#include "host/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "host/fds.h"
#include "host/host.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

enum {
  ATOMIC_BYTES = PIPE_BUF,
  KEEP_BYTES = 1 << 20, /* an empty queue gives memory beyond this back */
};

static bool same_place(const struct stat *a, int fd)
{
  struct stat b;
  return fstat(fd, &b) == 0 && a->st_dev == b.st_dev && a->st_ino == b.st_ino;
}

int output_init(struct output *o, uv_loop_t *loop, int fd, int log_fd)
{
  *o = (struct output){.fd = fd, .kind = OUTPUT_PLAIN};
  struct stat st;
  if (fstat(fd, &st) != 0) {
    return uv_translate_sys_error(errno);
  }
  if (S_ISSOCK(st.st_mode)) {
    o->kind = OUTPUT_SOCKET;
  } else if (S_ISFIFO(st.st_mode) || isatty(fd)) {
    bool own;
    o->fd = fds_own(fd, O_WRONLY, &own);
    o->kind = own ? OUTPUT_OWN : OUTPUT_POLLED;
  }
  if (o->kind == OUTPUT_PLAIN) {
    return 0;
  }
  o->shared = same_place(&st, log_fd);
  o->poll.data = o;
  int error = fds_poll_init(loop, &o->poll, o->fd);
  o->pollable = error == 0;
  return error;
}

void output_append(struct output *o, struct slice line)
{
  assert(line.len > 0 && line.ptr[line.len - 1] == '\n');
  if (o->error == 0) {
    buf_append_slice(&o->queue, line);
  }
}

static void discard(struct output *o)
{
  buf_free(&o->queue);
  o->begin = 0;
}

/* Drops `n` written bytes from the front. What is left moves only when it is the smaller part, so a byte moves once on average. */
static void consume(struct output *o, size_t n)
{
  o->begin += n;
  o->written += n;
  o->inside_line = o->queue.data[o->begin - 1] != '\n';
  if (o->begin == o->queue.len) {
    o->begin = 0;
    buf_clear(&o->queue);
    if (o->queue.cap > KEEP_BYTES) {
      buf_free(&o->queue);
    }
  } else if (o->begin >= KEEP_BYTES && o->begin > o->queue.len / 2) {
    buf_consume(&o->queue, o->begin);
    o->begin = 0;
  }
}

static bool writable(int fd, int timeout_ms)
{
  struct pollfd p = {.fd = fd, .events = POLLOUT};
  return poll(&p, 1, timeout_ms) > 0; /* also when it would fail: the write tells how */
}

/* The length of the whole lines that `size` bytes begin with; all of them if there is no whole line. */
static size_t whole_lines(const char *at, size_t size)
{
  size_t n = size;
  while (n > 0 && at[n - 1] != '\n') {
    n--;
  }
  return n == 0 ? size : n;
}

/* How much of what waits is to be offered in one write. */
static size_t portion(const struct output *o, const char *at, size_t pending)
{
  if ((!o->shared && o->kind != OUTPUT_POLLED) || pending <= ATOMIC_BYTES) {
    return pending;
  }
  return o->shared ? whole_lines(at, ATOMIC_BYTES) : ATOMIC_BYTES;
}

/* One attempt. Bytes written; 0 if it would wait; -1 with o->error set. */
static ssize_t write_some(struct output *o)
{
  const char *at = o->queue.data + o->begin;
  size_t size = portion(o, at, output_pending(o));
  ssize_t n;
  do {
    if (o->kind == OUTPUT_POLLED && !writable(o->fd, 0)) {
      return 0;
    }
    n = o->kind == OUTPUT_SOCKET ? send(o->fd, at, size, MSG_DONTWAIT | MSG_NOSIGNAL) : write(o->fd, at, size);
  } while (n < 0 && errno == EINTR);
  if (n > 0) {
    consume(o, (size_t)n);
    return n;
  }
  if (n == 0 || errno == EAGAIN || errno == EWOULDBLOCK) {
    return 0;
  }
  o->error = errno;
  discard(o);
  return -1;
}

static void listen_no_more(struct output *o)
{
  if (o->blocked) {
    o->blocked = false;
    if (o->pollable) {
      uv_poll_stop(&o->poll);
    }
  }
}

static void on_writable(uv_poll_t *handle, int status, int events)
{
  (void)status; /* an error of the descriptor shows when it is written */
  (void)events;
  struct output *o = handle->data;
  listen_no_more(o);
  output_write(o);
}

void output_write(struct output *o)
{
  if (o->blocked) {
    return;
  }
  while (output_pending(o) > 0 && o->error == 0) {
    if (write_some(o) != 0) {
      continue;
    }
    if (!o->pollable) {
      writable(o->fd, -1); /* somebody made a device non-blocking that no loop can watch */
      continue;
    }
    o->blocked = true;
    int error = uv_poll_start(&o->poll, UV_WRITABLE, on_writable);
    assert(error == 0);
    (void)error;
    return;
  }
}

void output_flush(struct output *o, int timeout_ms)
{
  uint64_t start_ns = uv_hrtime();
  int left_ms = timeout_ms;
  while (output_pending(o) > 0 && o->error == 0) {
    if (write_some(o) != 0) {
      continue;
    }
    if (timeout_ms >= 0) {
      uint64_t passed_ms = (uv_hrtime() - start_ns) / NODE_MS_NS;
      left_ms = passed_ms < (uint64_t)timeout_ms ? timeout_ms - (int)passed_ms : 0;
    }
    if (left_ms == 0) {
      return;
    }
    writable(o->fd, left_ms);
  }
}

void output_finish_line(struct output *o)
{
  while (o->error == 0 && o->inside_line) {
    if (write_some(o) == 0) {
      writable(o->fd, -1);
    }
  }
}

void output_close(struct output *o)
{
  close(o->fd);
  o->fd = -1;
  discard(o);
}
