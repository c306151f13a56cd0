#include "host/host.h"

#include "host/child.h"

static void test_echo_until_the_input_ends(void **state)
{
  (void)state;
  struct child c = start_child();
  command(&c, "echo", ",\"echo\":\"hello\"");
  assert_answer(c.out, "\"echo\":\"hello\"");
  write_text(c.in, "nonsense\n");
  command(&c, "echo", ",\"echo\":2");
  assert_answer(c.out, "\"echo\":2");
  write_text(c.in, "{\"src\":\"c1\",\"dest\":\"n1\",\"body\":{\"type\":\"echo\",\"msg_id\":1,\"echo\":3}}"); /* no newline */
  close(c.in);
  c.in = -1;
  assert_answer(c.out, "\"echo\":3");
  assert_int_equal(wait_for_end(c.pid), 0);
  char *log = rest_of_log(&c);
  assert_non_null(strstr(log, " n1 info  good-bye\n"));
  free(log);
  close_child(&c);
}

static void test_long_line_is_skipped(void **state)
{
  (void)state;
  struct child c = start_child();
  char *junk = malloc(3 << 20);
  memset(junk, 'x', 3 << 20);
  junk[(3 << 20) - 1] = '\n';
  write_all(c.in, junk, 3 << 20);
  free(junk);
  command(&c, "echo", ",\"echo\":1");
  assert_answer(c.out, "\"echo\":1");
  end_child(&c);
}

static void test_timer(void **state)
{
  (void)state;
  struct child c = start_child();
  uint64_t begin = uv_hrtime();
  command(&c, "later", "");
  assert_answer(c.out, "later_ok");
  assert_true(uv_hrtime() - begin >= 100 * NODE_MS_NS);
  end_child(&c);
}

static void test_files(void **state)
{
  (void)state;
  int in = make_file("{\"src\":\"c1\",\"dest\":\"n1\",\"body\":{\"type\":\"init\",\"msg_id\":1,\"node_id\":\"n1\",\"node_ids\":[\"n1\"]}}\n"
                     "{\"src\":\"c1\",\"dest\":\"n1\",\"body\":{\"type\":\"echo\",\"msg_id\":2,\"echo\":1}}");
  int out = make_file("");
  int seen = dup(out);
  assert_int_equal(wait_for_end(start_with(in, out, open("/dev/null", O_WRONLY))), 0);
  lseek(seen, 0, SEEK_SET);
  assert_answer(seen, "init_ok");
  assert_answer(seen, "echo_ok");
  close(seen);
}

/* ---- descriptors ---- */

static void test_standard_descriptors_are_out_of_reach(void **state)
{
  (void)state;
  struct child c = start_child();
  command(&c, "print", "");
  assert_answer(c.out, "\"print\":true"); /* reading descriptor 0 gave the end of /dev/null, and "stray" did not come first */
  end_child(&c);
}

static void test_stray_output_is_in_the_log(void **state)
{
  (void)state;
  struct child c = start_child();
  command(&c, "print", "");
  assert_answer(c.out, "print_ok");
  await_line(c.err, "stray");
  end_child(&c);
}

static void assert_refused(int in, int out, const char *message)
{
  int err[2];
  make_pipe(err);
  pid_t pid = start_with(in, out, err[1]);
  assert_answer(err[0], message);
  assert_int_equal(wait_for_end(pid), 2);
  close(err[0]);
}

static void test_closed_descriptors_are_refused(void **state)
{
  (void)state;
  assert_refused(-1, open("/dev/null", O_WRONLY), "stdin is closed");
  assert_refused(open("/dev/null", O_RDONLY), -1, "stdout is closed");
  assert_refused(open("/dev/null", O_WRONLY), open("/dev/null", O_WRONLY), "stdin is not open for reading");
  assert_refused(open("/dev/null", O_RDONLY), open("/dev/null", O_RDONLY), "stdout is not open for writing");
}

static void test_closed_stderr_does_no_harm(void **state)
{
  (void)state;
  int in[2], out[2];
  make_pipe(in);
  make_pipe(out);
  struct child c = {.in = in[1], .out = out[0], .err = -1};
  c.pid = start_with(in[0], out[1], -1);
  write_text(c.in, "nonsense that is logged\n");
  command(&c, "init", ",\"node_id\":\"n1\",\"node_ids\":[\"n1\"]");
  assert_answer(c.out, "init_ok");
  command(&c, "print", "");
  assert_answer(c.out, "print_ok");
  end_child(&c);
}

/* ---- readers ---- */

static void test_reader_that_leaves_ends_the_node_in_order(void **state)
{
  (void)state;
  struct child c = start_child();
  close(c.out);
  c.out = -1;
  command(&c, "echo", ",\"echo\":1");
  assert_int_equal(wait_for_end(c.pid), 1);
  char *log = rest_of_log(&c);
  assert_non_null(strstr(log, "Broken pipe"));
  assert_non_null(strstr(log, "good-bye"));
  free(log);
  close_child(&c);
}

/* A reader that stops reading stops the input too, after a bounded amount; when it reads again, nothing is missing. */
static void test_back_pressure(void **state)
{
  (void)state;
  enum {
    LINE = 1000,
    MOST = 8 << 20
  };
  struct child c = start_child();
  struct buf line = {0};
  buf_append_str(&line, "{\"src\":\"c1\",\"dest\":\"n1\",\"body\":{\"type\":\"echo\",\"msg_id\":1,\"echo\":\"");
  while (line.len < LINE) {
    buf_append_char(&line, 'x');
  }
  buf_append_str(&line, "\"}}\n");

  fcntl(c.in, F_SETFL, O_NONBLOCK);
  size_t written = 0;
  struct pollfd p = {.fd = c.in, .events = POLLOUT};
  while (written < MOST && poll(&p, 1, 1500) > 0) {
    size_t at = written % line.len;
    ssize_t n = write(c.in, line.data + at, line.len - at);
    written += n > 0 ? (size_t)n : 0;
  }
  assert_in_range(written, HOST_OUTPUT_HIGH / 2, 2 * HOST_OUTPUT_HIGH);

  fcntl(c.in, F_SETFL, 0);
  struct buf seen = {0};
  size_t answers = 0;
  for (size_t wanted = written / line.len; answers < wanted;) {
    struct pollfd out = {.fd = c.out, .events = POLLIN};
    assert_true(poll(&out, 1, PATIENCE_MS) > 0);
    ssize_t n = read(c.out, buf_reserve(&seen, 65536), 65536);
    assert_true(n > 0);
    for (ssize_t i = 0; i < n; i++) {
      answers += seen.data[i] == '\n';
    }
  }
  size_t at = written % line.len;
  write_all(c.in, line.data + at, line.len - at);
  command(&c, "task", "");
  struct buf rest = {0};
  assert_true(read_until(c.out, &rest, "\"task\":true,\"in_reply_to\":1}}\n", PATIENCE_MS));
  buf_free(&rest);
  buf_free(&seen);
  buf_free(&line);
  end_child(&c);
}

/* What the node originates is dropped beyond a limit, and this is said; the answer to the request gets through. */
static void test_too_much_is_dropped(void **state)
{
  (void)state;
  struct child c = start_child();
  command(&c, "flood", ",\"count\":80");
  await_line(c.err, "dropped 1 of our own lines");
  struct buf seen = {0};
  assert_true(read_until(c.out, &seen, "\"flood\":true,\"in_reply_to\":1}}\n", PATIENCE_MS));
  assert_in_range(seen.len, HOST_OUTPUT_MAX, HOST_OUTPUT_MAX + (3u << 20));
  buf_free(&seen);
  end_child(&c);
}

static void test_reader_that_is_stuck_does_not_keep_the_process(void **state)
{
  (void)state;
  struct child c = start_child();
  command(&c, "flood", ",\"count\":1");
  close(c.in);
  c.in = -1;
  assert_int_equal(wait_for_end(c.pid), 1);
  char *log = rest_of_log(&c);
  assert_non_null(strstr(log, "nobody reads stdout"));
  free(log);
  close_child(&c);
}

static void test_exit_from_within_flushes(void **state)
{
  (void)state;
  struct child c = start_child();
  command(&c, "flood", ",\"count\":2");
  command(&c, "exit", "");
  struct buf seen = {0};
  assert_true(read_until(c.out, &seen, NULL, PATIENCE_MS));
  assert_true(seen.len > (2u << 20));
  assert_memory_equal(seen.data + seen.len - 30, "\"exit\":true,\"in_reply_to\":1}}\n", 30);
  buf_free(&seen);
  assert_int_equal(wait_for_end(c.pid), 7);
  close_child(&c);
}

int main(void)
{
  signal(SIGPIPE, SIG_IGN);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_echo_until_the_input_ends),
      cmocka_unit_test(test_long_line_is_skipped),
      cmocka_unit_test(test_timer),
      cmocka_unit_test(test_files),
      cmocka_unit_test(test_standard_descriptors_are_out_of_reach),
      cmocka_unit_test(test_stray_output_is_in_the_log),
      cmocka_unit_test(test_closed_descriptors_are_refused),
      cmocka_unit_test(test_closed_stderr_does_no_harm),
      cmocka_unit_test(test_reader_that_leaves_ends_the_node_in_order),
      cmocka_unit_test(test_back_pressure),
      cmocka_unit_test(test_too_much_is_dropped),
      cmocka_unit_test(test_reader_that_is_stuck_does_not_keep_the_process),
      cmocka_unit_test(test_exit_from_within_flushes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
