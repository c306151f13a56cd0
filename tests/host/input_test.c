#include "host/input.h"

#include "host/host.h"
#include "host/support.h"

/* A sink that writes down what it is given, and can pause the input after so many lines. */
struct fixture {
  uv_loop_t loop;
  struct input in;
  uv_timer_t bell;
  struct buf seen; /* "<line>", "!head!", "$" at the end */
  int lines;
  int pause_after; /* 0 = never */
  int ended_with;
  bool ended;
  bool timed_out;
  uint64_t last_arrival_ns;
  uint64_t first_arrival_ns;
  uint64_t arrivals_ns[8];
};

static bool on_turn(void *self)
{
  (void)self;
  return true;
}

static void on_line(void *self, struct slice line, uint64_t arrival_ns)
{
  struct fixture *f = self;
  buf_printf(&f->seen, "<%.*s>", (int)line.len, line.ptr);
  assert_int_equal(line.ptr[line.len], '\n');
  f->last_arrival_ns = arrival_ns;
  f->first_arrival_ns = f->lines == 0 ? arrival_ns : f->first_arrival_ns;
  if (f->lines < 8) {
    f->arrivals_ns[f->lines] = arrival_ns;
  }
  f->lines++;
  if (f->lines == f->pause_after) {
    input_pause(&f->in);
  }
}

static void on_too_long(void *self, struct slice head)
{
  struct fixture *f = self;
  buf_printf(&f->seen, "!%.*s!", (int)head.len, head.ptr);
}

static void on_end(void *self, int error)
{
  struct fixture *f = self;
  assert_false(f->ended);
  f->ended = true;
  f->ended_with = error;
  uv_stop(&f->loop);
}

static void on_bell(uv_timer_t *timer)
{
  struct fixture *f = timer->data;
  f->timed_out = true;
  uv_stop(&f->loop);
}

static void set_up(struct fixture *f, int fd, size_t max)
{
  *f = (struct fixture){0};
  assert_int_equal(uv_loop_init(&f->loop), 0);
  uv_timer_init(&f->loop, &f->bell);
  f->bell.data = f;
  struct input_sink sink = {.self = f, .turn = on_turn, .line = on_line, .too_long = on_too_long, .end = on_end};
  assert_int_equal(input_init(&f->in, &f->loop, fd, max, &sink), 0);
  input_start(&f->in);
}

static void tear_down(struct fixture *f)
{
  close_test_loop(&f->loop);
  input_close(&f->in);
  buf_free(&f->seen);
}

/* Runs the loop until `n` lines have been seen. */
static void run_until_lines(struct fixture *f, int n)
{
  uv_timer_start(&f->bell, on_bell, PATIENCE_MS, 0);
  while (f->lines < n && !f->timed_out && !f->ended) {
    uv_run(&f->loop, UV_RUN_ONCE);
  }
  uv_timer_stop(&f->bell);
  assert_int_equal(f->lines, n);
}

static void run_to_end(struct fixture *f)
{
  uv_timer_start(&f->bell, on_bell, PATIENCE_MS, 0);
  while (!f->ended && !f->timed_out) {
    uv_run(&f->loop, UV_RUN_DEFAULT);
  }
  assert_true(f->ended);
}

/* Turns in which nothing can happen but what is ready now. */
static void run_what_is_ready(struct fixture *f)
{
  for (int i = 0; i < 5; i++) {
    uv_run(&f->loop, UV_RUN_NOWAIT);
  }
}

static void assert_seen(struct fixture *f, const char *expected)
{
  assert_int_equal(f->seen.len, strlen(expected));
  assert_memory_equal(f->seen.data, expected, f->seen.len);
}

static void test_pipe(void **state)
{
  (void)state;
  struct fixture f;
  int ends[2];
  make_pipe(ends);
  set_up(&f, ends[0], 100);
  assert_int_equal(f.in.kind, INPUT_STREAM);
  write_text(ends[1], "one\ntw");
  run_until_lines(&f, 1);
  write_text(ends[1], "o\r\nthree");
  run_until_lines(&f, 2);
  uint64_t before = uv_hrtime();
  close(ends[1]);
  run_to_end(&f);
  assert_seen(&f, "<one><two\r><three>");
  assert_true(f.first_arrival_ns <= f.last_arrival_ns && f.last_arrival_ns <= before);
  assert_int_equal(f.ended_with, 0);
  tear_down(&f);
}

/* Whoever shares the pipe keeps a blocking descriptor. */
static void test_flags_of_a_shared_description_are_kept(void **state)
{
  (void)state;
  struct fixture f;
  int ends[2];
  make_pipe(ends);
  int shared = dup(ends[0]);
  set_up(&f, ends[0], 100);
  write_text(ends[1], "x\n");
  run_until_lines(&f, 1);
  assert_int_equal(fcntl(shared, F_GETFL) & O_NONBLOCK, 0);
  close(shared);
  close(ends[1]);
  tear_down(&f);

  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  shared = dup(ends[0]);
  set_up(&f, ends[0], 100);
  assert_int_equal(f.in.kind, INPUT_SOCKET);
  write_text(ends[1], "x\n");
  run_until_lines(&f, 1);
  assert_int_equal(fcntl(shared, F_GETFL) & O_NONBLOCK, 0);
  close(shared);
  close(ends[1]);
  run_to_end(&f);
  tear_down(&f);
}

static void test_file_and_null(void **state)
{
  (void)state;
  struct fixture f;
  set_up(&f, make_file("one\ntwo\nthree"), 100);
  assert_int_equal(f.in.kind, INPUT_PLAIN);
  run_to_end(&f);
  assert_seen(&f, "<one><two><three>");
  tear_down(&f);

  set_up(&f, open("/dev/null", O_RDONLY), 100);
  run_to_end(&f);
  assert_int_equal(f.lines, 0);
  tear_down(&f);
}

static void test_error_is_reported(void **state)
{
  (void)state;
  struct fixture f;
  set_up(&f, open("/tmp", O_RDONLY | O_DIRECTORY), 100);
  run_to_end(&f);
  assert_int_equal(f.ended_with, EISDIR);
  tear_down(&f);
}

static void test_long_line_in_a_stream(void **state)
{
  (void)state;
  struct fixture f;
  struct buf text = {0};
  buf_append_str(&text, "a\n");
  memset(buf_reserve(&text, 1000000), 'x', 1000000);
  text.len += 1000000;
  buf_append_str(&text, "\nb\n");
  buf_append_char(&text, '\0');
  set_up(&f, make_file(text.data), 1000);
  buf_free(&text);
  run_to_end(&f);
  assert_int_equal(f.seen.len, strlen("<a>!!<b>") + LINES_HEAD_BYTES);
  assert_true(f.in.lines.bytes.cap <= 4 * HOST_READ_BYTES);
  tear_down(&f);
}

/* The rest of a chunk waits, and nothing is read meanwhile; then everything comes, in order, with the old time. */
static void pause_and_resume(int fd, int writer)
{
  struct fixture f;
  set_up(&f, fd, 100);
  f.pause_after = 2;
  if (writer >= 0) {
    write_text(writer, "1\n2\n3\n4\n");
  }
  run_until_lines(&f, 2);
  uint64_t arrival = f.last_arrival_ns;
  if (writer >= 0) {
    write_text(writer, "5\n");
    close(writer);
  }
  run_what_is_ready(&f);
  assert_seen(&f, "<1><2>");
  input_resume(&f.in);
  run_to_end(&f);
  assert_seen(&f, "<1><2><3><4><5>");
  assert_int_equal(f.arrivals_ns[3], arrival);
  assert_true(f.arrivals_ns[4] > arrival);
  tear_down(&f);
}

static void test_pause_and_resume(void **state)
{
  (void)state;
  int ends[2];
  make_pipe(ends);
  pause_and_resume(ends[0], ends[1]);
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  pause_and_resume(ends[0], ends[1]);
}

static void test_pause_within_a_file(void **state)
{
  (void)state;
  struct fixture f;
  set_up(&f, make_file("1\n2\n3\n4"), 100);
  f.pause_after = 4; /* the last one, which has no newline */
  run_until_lines(&f, 4);
  run_what_is_ready(&f);
  input_resume(&f.in);
  run_to_end(&f);
  assert_seen(&f, "<1><2><3><4>");
  tear_down(&f);
}

static void test_drain_ages_what_waits_and_no_more(void **state)
{
  (void)state;
  struct fixture f;
  int ends[2];
  make_pipe(ends);
  set_up(&f, ends[0], 100);
  write_text(ends[1], "old\nolder\n");
  input_drain_aged(&f.in, 7);
  assert_seen(&f, "<old><older>");
  assert_int_equal(f.first_arrival_ns, 7);
  assert_int_equal(f.last_arrival_ns, 7);
  input_drain_aged(&f.in, 8); /* nothing there: the next line is new */
  write_text(ends[1], "new\n");
  uint64_t before = uv_hrtime();
  run_until_lines(&f, 3);
  assert_true(f.last_arrival_ns >= before);
  close(ends[1]);
  run_to_end(&f);
  tear_down(&f);
}

/* What a drain cannot hand out, because the reader of the answers is slow, keeps its age. */
static void test_paused_drain_goes_on_later(void **state)
{
  (void)state;
  struct fixture f;
  int ends[2];
  make_pipe(ends);
  set_up(&f, ends[0], 100);
  f.pause_after = 1;
  write_text(ends[1], "1\n2\n");
  input_drain_aged(&f.in, 7);
  assert_seen(&f, "<1>");
  input_resume(&f.in);
  run_until_lines(&f, 2);
  assert_int_equal(f.last_arrival_ns, 7);
  close(ends[1]);
  run_to_end(&f);
  tear_down(&f);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_pipe),
      cmocka_unit_test(test_flags_of_a_shared_description_are_kept),
      cmocka_unit_test(test_file_and_null),
      cmocka_unit_test(test_error_is_reported),
      cmocka_unit_test(test_long_line_in_a_stream),
      cmocka_unit_test(test_pause_and_resume),
      cmocka_unit_test(test_pause_within_a_file),
      cmocka_unit_test(test_drain_ages_what_waits_and_no_more),
      cmocka_unit_test(test_paused_drain_goes_on_later),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
