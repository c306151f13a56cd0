/* Writing bytes that may be anything. */
#include "cmocka_all.h"
#include "json/scan.h"
#include "json/write.h"

#define REPLACED "\xEF\xBF\xBD"

static void expect(struct slice bytes, const char *text)
{
  struct buf out = {0};
  struct json_error error;
  json_write_text(&out, bytes);
  assert_int_equal(json_scan(buf_slice(&out), &error), 0);
  buf_append_char(&out, '\0');
  assert_string_equal(out.data, text);
  buf_free(&out);
}

static void test_text(void **state)
{
  (void)state;
  expect(SLICE(""), "\"\"");
  expect(SLICE("plain \"quoted\"\n"), "\"plain \\\"quoted\\\"\\n\"");
  expect(SLICE("\xC3\xA9\xF0\x9F\x98\x80"), "\"\xC3\xA9\xF0\x9F\x98\x80\"");
}

static void test_what_is_not_utf8_is_replaced(void **state)
{
  (void)state;
  expect(SLICE("a\xFF"
               "b"),
         "\"a" REPLACED "b\"");
  expect(SLICE("\xC3"), "\"" REPLACED "\"");
  expect(SLICE("\xE2\x82"), "\"" REPLACED REPLACED "\"");
  expect(SLICE("\xED\xA0\x80\xC3\xA9"), "\"" REPLACED REPLACED REPLACED "\xC3\xA9\"");
  expect(SLICE("\x80\x80x"), "\"" REPLACED REPLACED "x\"");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_text),
      cmocka_unit_test(test_what_is_not_utf8_is_replaced),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
