/* What the tests of the host share: cmocka, and waiting with a bound. */
#ifndef VORTEX_TESTS_HOST_SUPPORT_H
#define VORTEX_TESTS_HOST_SUPPORT_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "base/buf.h"

#define PATIENCE_MS 20000 /* for what must happen, on a loaded machine under a sanitizer */

static inline uint64_t now_ms(void)
{
  return uv_hrtime() / 1000000;
}

/* Appends what can be read within the time to `out`, until it ends in `last` (NULL = until the end of the stream). False: it did not. */
static inline bool read_until(int fd, struct buf *out, const char *last, int timeout_ms)
{
  uint64_t give_up = now_ms() + (uint64_t)timeout_ms;
  for (;;) {
    size_t n = last == NULL ? 0 : strlen(last);
    if (last != NULL && out->len >= n && memcmp(out->data + out->len - n, last, n) == 0) {
      return true;
    }
    struct pollfd p = {.fd = fd, .events = POLLIN};
    uint64_t now = now_ms();
    if (now >= give_up || poll(&p, 1, (int)(give_up - now)) <= 0) {
      return false;
    }
    ssize_t got = read(fd, buf_reserve(out, 65536), 65536);
    if (got <= 0) {
      return got == 0 && last == NULL;
    }
    out->len += (size_t)got;
  }
}

static inline void write_all(int fd, const char *bytes, size_t n)
{
  while (n > 0) {
    ssize_t done = write(fd, bytes, n);
    assert_true(done > 0);
    bytes += done;
    n -= (size_t)done;
  }
}

static inline void write_text(int fd, const char *text)
{
  write_all(fd, text, strlen(text));
}

static inline void make_pipe(int ends[2])
{
  assert_int_equal(pipe(ends), 0);
}

/* A file that is gone when it is closed. */
static inline int make_file(const char *content)
{
  char path[] = "/tmp/vortex-host-XXXXXX";
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  unlink(path);
  write_text(fd, content);
  lseek(fd, 0, SEEK_SET);
  return fd;
}

static inline void close_all(uv_handle_t *handle, void *arg)
{
  (void)arg;
  if (!uv_is_closing(handle)) {
    uv_close(handle, NULL);
  }
}

static inline void close_test_loop(uv_loop_t *loop)
{
  uv_walk(loop, close_all, NULL);
  uv_run(loop, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(loop), 0);
}

#endif
