#include "host/output.h"

#include "host/host.h"
#include "host/log.h"
#include "host/support.h"

struct fixture {
  uv_loop_t loop;
  struct output out;
};

static void set_up(struct fixture *f, int fd, int log_fd)
{
  *f = (struct fixture){0};
  assert_int_equal(uv_loop_init(&f->loop), 0);
  assert_int_equal(output_init(&f->out, &f->loop, fd, log_fd), 0);
}

static void tear_down(struct fixture *f)
{
  close_test_loop(&f->loop);
  output_close(&f->out);
}

/* A line of `len` bytes, newline included, that says which one it is. */
static void append_numbered(struct output *o, int number, size_t len)
{
  struct buf line = {0};
  buf_printf(&line, "%d:", number);
  while (line.len < len - 1) {
    buf_append_char(&line, 'x');
  }
  buf_append_char(&line, '\n');
  output_append(o, buf_slice(&line));
  buf_free(&line);
}

/* Checks that `seen` is numbered lines from 0 on, perhaps with entries of the log in between; returns how many. */
static int assert_numbered(const struct buf *seen, size_t len, int *log_entries)
{
  int count = 0;
  for (const char *at = seen->data, *end = seen->data + seen->len; at < end;) {
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    assert_non_null(newline);
    if (log_entries != NULL && memmem(at, (size_t)(newline - at), " - info  entry", 14) == at + 12) {
      (*log_entries)++;
    } else {
      assert_int_equal(newline - at + 1, len);
      assert_int_equal(atoi(at), count);
      count++;
    }
    at = newline + 1;
  }
  return count;
}

/* Reads and lets the loop write, in turns, until everything has gone through. */
static void pump(struct fixture *f, int reader, struct buf *seen)
{
  uint64_t give_up = now_ms() + PATIENCE_MS;
  while (output_pending(&f->out) > 0 && f->out.error == 0 && now_ms() < give_up) {
    struct pollfd p = {.fd = reader, .events = POLLIN};
    if (poll(&p, 1, 0) > 0) {
      ssize_t n = read(reader, buf_reserve(seen, 10000), 10000);
      assert_true(n > 0);
      seen->len += (size_t)n;
    }
    uv_run(&f->loop, UV_RUN_NOWAIT);
  }
  assert_int_equal(output_pending(&f->out), 0);
}

/* A reader that sleeps: nothing waits for it, nothing is lost or reordered, and the description that others share stays blocking. */
static void slow_reader(int reader, int writer, enum output_kind kind)
{
  enum {
    COUNT = 3000,
    LEN = 1000
  };
  struct fixture f;
  int shared = dup(writer);
  set_up(&f, writer, STDERR_FILENO);
  if (kind == OUTPUT_POLLED) {
    f.out.kind = kind; /* what it falls back to */
  }
#ifdef __linux__
  assert_int_equal(f.out.kind, kind);
#endif
  for (int i = 0; i < COUNT; i++) {
    append_numbered(&f.out, i, LEN);
    output_write(&f.out);
  }
  assert_true(f.out.blocked);
  assert_true(output_pending(&f.out) > 0);
  assert_int_equal(fcntl(shared, F_GETFL) & O_NONBLOCK, 0);
  struct buf seen = {0};
  pump(&f, reader, &seen);
  assert_false(f.out.blocked);
  assert_true(f.out.queue.cap <= HOST_OUTPUT_HIGH); /* the memory of the backlog is given back */
  close(shared);
  tear_down(&f);
  assert_true(read_until(reader, &seen, NULL, PATIENCE_MS));
  assert_int_equal(assert_numbered(&seen, LEN, NULL), COUNT);
  buf_free(&seen);
  close(reader);
}

static void test_slow_reader_of_a_pipe(void **state)
{
  (void)state;
  int ends[2];
  make_pipe(ends);
  slow_reader(ends[0], ends[1], OUTPUT_OWN);
}

static void test_slow_reader_of_a_pipe_that_cannot_be_reopened(void **state)
{
  (void)state;
  int ends[2];
  make_pipe(ends);
  slow_reader(ends[0], ends[1], OUTPUT_POLLED);
}

static void test_slow_reader_of_a_socket(void **state)
{
  (void)state;
  int ends[2];
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  slow_reader(ends[0], ends[1], OUTPUT_SOCKET);
}

/* The only write end left is blocking: a write that does not fit would hang here, and the alarm would end the test. */
static void test_polled_write_never_blocks(void **state)
{
  (void)state;
  struct fixture f;
  int ends[2];
  make_pipe(ends);
  int blocking = dup(ends[1]);
  set_up(&f, ends[1], STDERR_FILENO);
  close(f.out.fd);
  f.out.fd = blocking;
  f.out.kind = OUTPUT_POLLED;
  f.out.pollable = false;
  append_numbered(&f.out, 0, 1000000);
  alarm(PATIENCE_MS / 1000);
  output_flush(&f.out, 0);
  alarm(0);
  assert_in_range(f.out.written, 4096, 999999);
  close(ends[0]);
  tear_down(&f);
}

static void test_file(void **state)
{
  (void)state;
  struct fixture f;
  int fd = make_file("");
  int reader = dup(fd);
  set_up(&f, fd, STDERR_FILENO);
  assert_int_equal(f.out.kind, OUTPUT_PLAIN);
  for (int i = 0; i < 1000; i++) {
    append_numbered(&f.out, i, 1000);
  }
  output_write(&f.out);
  assert_int_equal(output_pending(&f.out), 0);
  assert_int_equal(lseek(reader, 0, SEEK_SET), 0);
  struct buf seen = {0};
  assert_true(read_until(reader, &seen, NULL, PATIENCE_MS));
  assert_int_equal(assert_numbered(&seen, 1000, NULL), 1000);
  buf_free(&seen);
  close(reader);
  tear_down(&f);
}

static void test_full_device_is_an_error(void **state)
{
  (void)state;
  struct fixture f;
  int fd = open("/dev/full", O_WRONLY);
  if (fd < 0) {
    skip();
  }
  set_up(&f, fd, STDERR_FILENO);
  append_numbered(&f.out, 0, 100);
  output_write(&f.out);
  assert_int_equal(f.out.error, ENOSPC);
  tear_down(&f);
}

static void gone_reader(int reader, int writer, bool while_waiting)
{
  struct fixture f;
  set_up(&f, writer, STDERR_FILENO);
  if (while_waiting) {
    append_numbered(&f.out, 0, 1000000);
    output_write(&f.out);
    assert_true(f.out.blocked);
    close(reader);
    uint64_t give_up = now_ms() + PATIENCE_MS;
    while (f.out.error == 0 && now_ms() < give_up) {
      uv_run(&f.loop, UV_RUN_NOWAIT);
    }
  } else {
    close(reader);
    append_numbered(&f.out, 0, 100);
    output_write(&f.out);
  }
  assert_int_equal(f.out.error, EPIPE);
  append_numbered(&f.out, 1, 100);
  assert_int_equal(output_pending(&f.out), 0);
  output_write(&f.out);
  output_flush(&f.out, 1000);
  tear_down(&f);
}

static void test_reader_that_is_gone(void **state)
{
  (void)state;
  int ends[2];
  for (int while_waiting = 0; while_waiting < 2; while_waiting++) {
    make_pipe(ends);
    gone_reader(ends[0], ends[1], while_waiting);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    gone_reader(ends[0], ends[1], while_waiting);
  }
}

static void test_flush_is_bounded(void **state)
{
  (void)state;
  struct fixture f;
  int ends[2];
  make_pipe(ends);
  set_up(&f, ends[1], STDERR_FILENO);
  append_numbered(&f.out, 0, 1000000);
  uint64_t begin = uv_hrtime();
  output_flush(&f.out, 50);
  uint64_t passed = uv_hrtime() - begin;
  assert_in_range(passed / 1000000, 49, PATIENCE_MS);
  assert_true(output_pending(&f.out) > 0);
  close(ends[0]);
  tear_down(&f);
}

static void finish_line(void *arg)
{
  output_finish_line(arg);
}

/* 2>&1: protocol and log into one pipe, through a reader that is slower than both. No line of either may be torn. */
static void shared_with_log(size_t len, int count)
{
  int ends[2];
  make_pipe(ends);
  int log_fd = dup(ends[1]);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    close(ends[0]);
    struct fixture f;
    set_up(&f, ends[1], log_fd);
    struct host_log log;
    host_log_init(&log, log_fd, LOG_DEBUG, false);
    log.before_write = finish_line;
    log.before_write_arg = &f.out;
    for (int i = 0; i < count; i++) {
      append_numbered(&f.out, i, len);
      output_write(&f.out);
      if (i % 10 == 9) {
        host_log_write(&log, LOG_INFO, SLICE("entry"));
      }
    }
    output_flush(&f.out, -1);
    _exit(f.out.shared && f.out.error == 0 ? 0 : 1);
  }
  close(ends[1]);
  close(log_fd);
  struct buf seen = {0};
  struct pollfd p = {.fd = ends[0], .events = POLLIN};
  for (ssize_t n = 1; n > 0 && poll(&p, 1, PATIENCE_MS) > 0;) {
    n = read(ends[0], buf_reserve(&seen, 3000), 3000);
    seen.len += n > 0 ? (size_t)n : 0;
    poll(NULL, 0, seen.len % 7 == 0 ? 1 : 0); /* slow, now and then */
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
  int entries = 0;
  assert_int_equal(assert_numbered(&seen, len, &entries), count);
  assert_int_equal(entries, count / 10);
  buf_free(&seen);
  close(ends[0]);
}

static void test_log_in_the_same_pipe(void **state)
{
  (void)state;
  shared_with_log(700, 2000);
}

static void test_log_in_the_same_pipe_as_long_lines(void **state)
{
  (void)state;
  shared_with_log(30000, 60);
}

int main(void)
{
  signal(SIGPIPE, SIG_IGN);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_slow_reader_of_a_pipe),
      cmocka_unit_test(test_slow_reader_of_a_pipe_that_cannot_be_reopened),
      cmocka_unit_test(test_slow_reader_of_a_socket),
      cmocka_unit_test(test_polled_write_never_blocks),
      cmocka_unit_test(test_file),
      cmocka_unit_test(test_full_device_is_an_error),
      cmocka_unit_test(test_reader_that_is_gone),
      cmocka_unit_test(test_flush_is_bounded),
      cmocka_unit_test(test_log_in_the_same_pipe),
      cmocka_unit_test(test_log_in_the_same_pipe_as_long_lines),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
