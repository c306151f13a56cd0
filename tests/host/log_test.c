#include "host/log.h"

#include "host/support.h"

struct fixture {
  int ends[2];
  struct host_log log;
  struct buf seen;
};

static void set_up(struct fixture *f, enum log_level least, bool json)
{
  *f = (struct fixture){0};
  make_pipe(f->ends);
  host_log_init(&f->log, f->ends[1], least, json);
}

static const char *entries(struct fixture *f)
{
  close(f->ends[1]);
  assert_true(read_until(f->ends[0], &f->seen, NULL, PATIENCE_MS));
  close(f->ends[0]);
  buf_append_char(&f->seen, '\0');
  return f->seen.data;
}

/* "12:34:56.789" at the front, and within the minute the clock shows. */
static void assert_time_of_day(const char *text)
{
  int h, m, s, ms;
  assert_int_equal(sscanf(text, "%2d:%2d:%2d.%3d", &h, &m, &s, &ms), 4);
  time_t now = time(NULL);
  struct tm tm;
  gmtime_r(&now, &tm);
  int passed = (tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec) - (h * 3600 + m * 60 + s);
  assert_in_range((passed + 86400) % 86400, 0, 60);
  assert_in_range(ms, 0, 999);
}

static void test_entry_for_a_person(void **state)
{
  (void)state;
  struct fixture f;
  set_up(&f, LOG_DEBUG, false);
  host_log_write(&f.log, LOG_WARN, SLICE("before init"));
  host_log_name(&f.log, SLICE("n1"));
  host_log_printf(&f.log, LOG_ERROR, "code %d", 13);
  const char *text = entries(&f);
  assert_time_of_day(text);
  assert_memory_equal(text + 12, " - warn  before init\n", 21);
  text = strchr(text, '\n') + 1;
  assert_time_of_day(text);
  assert_string_equal(text + 12, " n1 error code 13\n");
  buf_free(&f.seen);
}

static void test_further_lines_are_indented(void **state)
{
  (void)state;
  struct fixture f;
  set_up(&f, LOG_DEBUG, false);
  host_log_write(&f.log, LOG_INFO, SLICE("one\n\ttwo\nthree\n\n"));
  assert_string_equal(entries(&f) + 12, " - info  one\n    \ttwo\n    three\n");
  buf_free(&f.seen);
}

static void test_control_characters_are_shown(void **state)
{
  (void)state;
  struct fixture f;
  set_up(&f, LOG_DEBUG, false);
  host_log_write(&f.log, LOG_INFO, SLICE("a\x1b[2Jb\rc\x7f"));
  assert_string_equal(entries(&f) + 12, " - info  a\\x1b[2Jb\\x0dc\\x7f\n");
  buf_free(&f.seen);
}

static void test_entries_below_the_level_are_dropped(void **state)
{
  (void)state;
  struct fixture f;
  set_up(&f, LOG_WARN, false);
  host_log_write(&f.log, LOG_DEBUG, SLICE("no"));
  host_log_printf(&f.log, LOG_INFO, "no");
  host_log_write(&f.log, LOG_WARN, SLICE("yes"));
  assert_string_equal(entries(&f) + 12, " - warn  yes\n");
  buf_free(&f.seen);
}

static void test_entry_as_json(void **state)
{
  (void)state;
  struct fixture f;
  set_up(&f, LOG_DEBUG, true);
  host_log_name(&f.log, SLICE("n\"1"));
  host_log_write(&f.log, LOG_INFO, SLICE("a\n\"b\""));
  const char *text = entries(&f);
  assert_memory_equal(text, "{\"time\":\"20", 11);
  assert_memory_equal(text + 28, ".", 1);
  assert_string_equal(text + 32, "Z\",\"node\":\"n\\\"1\",\"level\":\"info\",\"text\":\"a\\n\\\"b\\\"\"}\n");
  buf_free(&f.seen);
}

static void test_bad_utf8_is_repaired_in_json(void **state)
{
  (void)state;
  struct fixture f;
  set_up(&f, LOG_DEBUG, true);
  host_log_write(&f.log, LOG_INFO,
                 SLICE("\xff"
                       "a\xc3\xa9\xed\xa0\x80\xe2\x82"));
  assert_non_null(strstr(entries(&f), "\"text\":\"\xef\xbf\xbd"
                                      "a\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"}\n"));
  buf_free(&f.seen);
}

static void test_long_names_are_cut(void **state)
{
  (void)state;
  struct fixture f;
  set_up(&f, LOG_DEBUG, false);
  host_log_name(&f.log, SLICE("0123456789012345678901234567890123456789"));
  host_log_write(&f.log, LOG_INFO, SLICE("x"));
  assert_string_equal(entries(&f) + 12, " 0123456789012345678901234567890 info  x\n");
  buf_free(&f.seen);
}

/* Somebody made stderr non-blocking and the pipe is full: the entry waits, and arrives whole. */
static void test_full_pipe_is_waited_for(void **state)
{
  (void)state;
  struct fixture f;
  set_up(&f, LOG_DEBUG, false);
  fcntl(f.ends[1], F_SETFL, O_NONBLOCK);
  size_t filled = 0;
  char junk[4096];
  memset(junk, '.', sizeof junk);
  for (ssize_t n; (n = write(f.ends[1], junk, sizeof junk)) > 0;) {
    filled += (size_t)n;
  }
  pid_t reader = fork();
  assert_true(reader >= 0);
  if (reader == 0) {
    close(f.ends[1]);
    struct buf seen = {0};
    bool all = read_until(f.ends[0], &seen, " - info  here\n", PATIENCE_MS) && seen.len == filled + 12 + strlen(" - info  here\n");
    _exit(all ? 0 : 1);
  }
  host_log_write(&f.log, LOG_INFO, SLICE("here"));
  int status;
  assert_int_equal(waitpid(reader, &status, 0), reader);
  assert_int_equal(status, 0);
  close(f.ends[0]);
  close(f.ends[1]);
}

static void test_level_names(void **state)
{
  (void)state;
  for (int level = LOG_DEBUG; level <= LOG_ERROR; level++) {
    assert_int_equal(host_log_level_from_name(host_log_level_name((enum log_level)level)), level);
  }
  assert_int_equal(host_log_level_from_name("warn"), LOG_WARN);
  assert_int_equal(host_log_level_from_name("loud"), -1);
  assert_int_equal(host_log_level_from_name(""), -1);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_entry_for_a_person),
      cmocka_unit_test(test_further_lines_are_indented),
      cmocka_unit_test(test_control_characters_are_shown),
      cmocka_unit_test(test_entries_below_the_level_are_dropped),
      cmocka_unit_test(test_entry_as_json),
      cmocka_unit_test(test_bad_utf8_is_repaired_in_json),
      cmocka_unit_test(test_long_names_are_cut),
      cmocka_unit_test(test_full_pipe_is_waited_for),
      cmocka_unit_test(test_level_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
