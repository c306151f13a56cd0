#include "host/lines.h"

#include "host/support.h"

/* Feeds `text` in chunks of `chunk` bytes; what comes out is written as "<line>" and "!head!" into `out`. */
static void cut(struct lines *l, const char *text, size_t size, size_t chunk, struct buf *out)
{
  struct slice line;
  enum lines_result r;
  for (size_t at = 0; at < size; at += chunk) {
    size_t n = size - at < chunk ? size - at : chunk;
    memcpy(lines_space(l, chunk), text + at, n);
    lines_added(l, n);
    while ((r = lines_next(l, &line)) != LINES_NONE) {
      buf_printf(out, r == LINES_LINE ? "<%.*s>" : "!%.*s!", (int)line.len, line.ptr);
      assert_true(r == LINES_TOO_LONG || line.ptr[line.len] == '\n');
    }
  }
  if ((r = lines_last(l, &line)) != LINES_NONE) {
    buf_printf(out, r == LINES_LINE ? "<%.*s>" : "!%.*s!", (int)line.len, line.ptr);
    assert_true(r == LINES_TOO_LONG || line.ptr[line.len] == '\n');
  }
}

static void assert_cut(const char *text, size_t max, const char *expected)
{
  for (size_t chunk = 1; chunk <= strlen(text) + 1; chunk++) {
    struct lines l;
    lines_init(&l, max);
    struct buf out = {0};
    cut(&l, text, strlen(text), chunk, &out);
    buf_append_char(&out, '\0');
    assert_string_equal(out.data, expected);
    buf_free(&out);
    lines_free(&l);
  }
}

static void test_any_chunking_gives_the_same_lines(void **state)
{
  (void)state;
  assert_cut("one\ntwo\n\nfour\r\nfive\n", 100, "<one><two><><four\r><five>");
}

static void test_unterminated_last_line_is_a_line(void **state)
{
  (void)state;
  assert_cut("one\ntwo", 100, "<one><two>");
  assert_cut("x", 100, "<x>");
  assert_cut("\n", 100, "<>");
}

static void test_limit_is_exact(void **state)
{
  (void)state;
  assert_cut("12345\n123456\n1234\n", 5, "<12345>!123456!<1234>");
  assert_cut("12345", 5, "<12345>");
  assert_cut("123456", 5, "!123456!");
}

static void test_long_line_is_reported_once_by_its_head(void **state)
{
  (void)state;
  enum {
    LONG = 100000,
    MAX = 5000,
    CHUNK = 1000
  };
  struct buf text = {0};
  buf_append_str(&text, "a\n");
  memset(buf_reserve(&text, LONG), 'x', LONG);
  text.len += LONG;
  buf_append_str(&text, "\nb\n");
  struct lines l;
  lines_init(&l, MAX);
  struct buf out = {0};
  cut(&l, text.data, text.len, CHUNK, &out);
  assert_int_equal(out.len, strlen("<a>!!<b>") + LINES_HEAD_BYTES);
  assert_memory_equal(out.data, "<a>!xxx", 7);
  assert_memory_equal(out.data + out.len - 5, "x!<b>", 5);
  assert_true(l.bytes.cap < 4 * (MAX + CHUNK));
  buf_free(&out);
  buf_free(&text);
  lines_free(&l);
}

static void test_whole_lines_are_not_copied(void **state)
{
  (void)state;
  struct lines l;
  lines_init(&l, 100);
  char *at = lines_space(&l, 64);
  memcpy(at, "one\ntwo\nth", 10);
  lines_added(&l, 10);
  struct slice line;
  assert_int_equal(lines_next(&l, &line), LINES_LINE);
  assert_ptr_equal(line.ptr, at);
  assert_int_equal(lines_next(&l, &line), LINES_LINE);
  assert_ptr_equal(line.ptr, at + 4);
  assert_int_equal(lines_next(&l, &line), LINES_NONE);
  lines_free(&l);
}

static void test_memory_is_given_back_after_a_long_line(void **state)
{
  (void)state;
  enum {
    CHUNK = 1024,
    CHUNKS = 1000
  };
  struct lines l;
  lines_init(&l, CHUNK * CHUNKS);
  struct slice line;
  for (int i = 0; i < CHUNKS; i++) {
    memset(lines_space(&l, CHUNK), 'x', CHUNK);
    lines_added(&l, CHUNK);
    assert_int_equal(lines_next(&l, &line), LINES_NONE);
  }
  assert_true(l.bytes.cap >= CHUNK * CHUNKS);
  memcpy(lines_space(&l, CHUNK), "\ntail", 5);
  lines_added(&l, 5);
  assert_int_equal(lines_next(&l, &line), LINES_LINE);
  assert_int_equal(line.len, CHUNK * CHUNKS);
  memcpy(lines_space(&l, CHUNK), "\n", 1);
  lines_added(&l, 1);
  assert_true(l.bytes.cap <= 8 * CHUNK);
  assert_int_equal(lines_next(&l, &line), LINES_LINE);
  assert_true(slice_equal(line, SLICE("tail")));
  lines_free(&l);
}

static void test_nothing_comes_of_nothing(void **state)
{
  (void)state;
  struct lines l;
  struct slice line;
  lines_init(&l, 10);
  assert_int_equal(lines_next(&l, &line), LINES_NONE);
  lines_space(&l, 10);
  assert_int_equal(lines_next(&l, &line), LINES_NONE);
  assert_int_equal(lines_last(&l, &line), LINES_NONE);
  lines_free(&l);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_any_chunking_gives_the_same_lines),
      cmocka_unit_test(test_unterminated_last_line_is_a_line),
      cmocka_unit_test(test_limit_is_exact),
      cmocka_unit_test(test_long_line_is_reported_once_by_its_head),
      cmocka_unit_test(test_whole_lines_are_not_copied),
      cmocka_unit_test(test_memory_is_given_back_after_a_long_line),
      cmocka_unit_test(test_nothing_comes_of_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
