#include "json/write.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/prng.h"
#include "cmocka_all.h"
#include "guarded.h"
#include "json/locales.h"
#include "json/read.h"
#include "json/scan.h"

static void expect_double(double value, const char *expected)
{
  struct buf out = {0};
  assert_int_equal(json_write_double(&out, value), 0);
  if (!slice_equal(buf_slice(&out), slice_of(expected, strlen(expected)))) {
    fail_msg("%a is written as %.*s, not %s", value, (int)out.len, out.data, expected);
  }
  buf_free(&out);
}

static void integers_are_written(void **state)
{
  (void)state;
  static const int64_t values[] = {0, 1, -1, 9, 10, 99, 100, 101, 12345, -99999, 1000000, INT32_MIN, INT64_MAX, INT64_MIN};
  struct prng p;
  prng_init(&p, 1);
  for (int i = 0; i < 100000; i++) {
    int64_t value = i < (int)(sizeof values / sizeof values[0]) ? values[i] : (int64_t)prng_next(&p) >> prng_below(&p, 64);
    char expected[32];
    int n = snprintf(expected, sizeof expected, "%lld", (long long)value);
    struct buf out = {0};
    json_write_integer(&out, value);
    assert_int_equal(out.len, n);
    assert_memory_equal(out.data, expected, (size_t)n);
    buf_free(&out);
  }
}

static void doubles_have_one_form(void **state)
{
  (void)state;
  expect_double(0.0, "0");
  expect_double(-0.0, "0");
  expect_double(3.0, "3");
  expect_double(-1e15, "-1000000000000000");
  expect_double(0x1p53, "9007199254740992");
  expect_double(-0x1p53, "-9007199254740992");
  expect_double(0x1p53 + 2, "9.007199254740994e15");
  expect_double(0x1p53 - 1, "9007199254740991");
  expect_double(1e16, "1e16");
  expect_double(1e20, "1e20");
  expect_double(1.5e300, "1.5e300");
  expect_double(0.1, "0.1");
  expect_double(-0.5, "-0.5");
  expect_double(1234.5678, "1234.5678");
  expect_double(0.001, "0.001");
  expect_double(0.0001, "0.0001");
  expect_double(0.00001, "1e-5");
  expect_double(1.5e-7, "1.5e-7");
  expect_double(0.1 + 0.2, "0.30000000000000004");
  expect_double(1.0 / 3, "0.3333333333333333");
  expect_double(100.0 / 3, "33.333333333333336");
  expect_double(999999999999999.9, "999999999999999.9");
  expect_double(2251799813685249.5, "2251799813685249.5");
  expect_double(0x1p-44, "5.684341886080802e-14");
  expect_double(5e-324, "5e-324");
  expect_double(1e-310, "1e-310");
  expect_double(DBL_MIN, "2.2250738585072014e-308");
  expect_double(DBL_MAX, "1.7976931348623157e308");
}

static void what_is_not_a_number_is_refused(void **state)
{
  (void)state;
  static const double values[] = {INFINITY, -INFINITY, NAN};
  for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
    struct buf out = {0};
    buf_append_str(&out, "before");
    assert_int_equal(json_write_double(&out, values[i]), ERROR_JSON);
    assert_true(slice_equal(buf_slice(&out), SLICE("before")));
    buf_free(&out);
  }
}

/* The double so many representations above a positive one. */
static double neighbour_of(double value, int64_t steps)
{
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  bits += (uint64_t)steps;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static int digit_count(struct slice text)
{
  int count = 0;
  int trailing = 0;
  for (size_t i = 0; i < text.len && text.ptr[i] != 'e'; i++) {
    char c = text.ptr[i];
    if (c >= '0' && c <= '9' && (count > 0 || c != '0')) {
      count++;
      trailing = c == '0' ? trailing + 1 : 0;
    }
  }
  return count - trailing;
}

/* Whether some decimal number of so many digits reads as this value: the two next to it are the only candidates. */
static bool has_form_of(double value, int digits)
{
  char text[40];
  snprintf(text, sizeof text, "%.*e", digits - 1, value);
  if (strtod(text, NULL) == value) {
    return true;
  }
  /* At powers of two the doubles below lie closer than those above, so the neighbour above may do where the nearest does not. */
  for (int step = -1; step <= 1; step += 2) {
    char *e = strchr(text, 'e');
    long long mantissa = 0;
    for (char *at = text; at < e; at++) {
      if (*at != '.') {
        mantissa = mantissa * 10 + (*at - '0');
      }
    }
    char neighbour[64];
    snprintf(neighbour, sizeof neighbour, "%llde%d", mantissa + step, atoi(e + 1) - digits + 1);
    if (strtod(neighbour, NULL) == value) {
      return true;
    }
  }
  return false;
}

static void expect_round_trip(double value)
{
  struct buf out = {0};
  assert_int_equal(json_write_double(&out, value), 0);
  struct slice text = buf_slice(&out);
  struct json_error error;
  assert_int_equal(json_scan(text, &error), 0);
  int64_t integer;
  double real;
  if (json_read_number(text, &integer, &real) == JSON_INTEGER) {
    assert_true(fabs(value) <= 0x1p53);
    real = (double)integer;
  } else {
    assert_true(fabs(value) > 0x1p53 || value != (double)(int64_t)value);
  }
  if (real != value) {
    fail_msg("%a is written as %.*s and read as %a", value, (int)text.len, text.ptr, real);
  }
  int digits = digit_count(text);
  if (digits > 1 && has_form_of(fabs(value), digits - 1)) {
    fail_msg("%a is written as %.*s, not in the fewest digits", value, (int)text.len, text.ptr);
  }
  buf_free(&out);
}

static void every_double_round_trips_in_the_fewest_digits(void **state)
{
  (void)state;
  struct prng p;
  prng_init(&p, 3);
  for (int i = 0; i < 200000; i++) {
    uint64_t bits = prng_next(&p);
    if (i % 4 == 1) {
      bits &= UINT64_C(0x800FFFFFFFFFFFFF); /* subnormal */
    } else if (i % 4 == 2) {
      bits = (bits & UINT64_C(0x803FFFFFFFFFFFFF)) | UINT64_C(0x3FC0000000000000); /* around one */
    }
    double value;
    memcpy(&value, &bits, sizeof value);
    if (isfinite(value)) {
      expect_round_trip(value);
    }
  }
  for (int e = -1074; e < 1024; e++) {
    expect_round_trip(ldexp(1, e));
    expect_round_trip(neighbour_of(ldexp(1, e), -1));
    expect_round_trip(neighbour_of(ldexp(1, e), 1));
  }
  for (int e = -323; e <= 308; e++) {
    char text[16];
    snprintf(text, sizeof text, "1e%d", e);
    double value = strtod(text, NULL);
    expect_round_trip(value);
    expect_round_trip(-neighbour_of(value, -1));
    expect_round_trip(neighbour_of(value, 1));
  }
  for (int64_t d = -4; d <= 4; d++) {
    expect_round_trip((double)((INT64_C(1) << 53) + d));
    expect_round_trip((double)(-(INT64_C(1) << 53) + d));
  }
}

static void short_decimals_come_back_as_they_were(void **state)
{
  (void)state;
  struct prng p;
  prng_init(&p, 4);
  for (int i = 0; i < 200000; i++) {
    char text[40];
    uint64_t fraction = prng_below(&p, 9999) + 1;
    snprintf(text, sizeof text, "%llu.%04llu", (unsigned long long)prng_below(&p, UINT64_C(100000000000)), (unsigned long long)fraction);
    size_t len = strlen(text);
    while (text[len - 1] == '0') {
      text[--len] = '\0';
    }
    double value = strtod(text, NULL);
    if (value >= 1) {
      expect_double(value, text);
    }
  }
}

static void doubles_do_not_depend_on_the_locale(void **state)
{
  (void)state;
  if (!enter_comma_locale()) {
    print_message("skipped: no locale with a decimal comma is installed\n");
    skip();
  }
  expect_double(0.1, "0.1");
  expect_double(1.5e-7, "1.5e-7");
  expect_double(1.0 / 3, "0.3333333333333333");
  expect_double(1.25e300, "1.25e300");
  for (int i = 0; i < 1000; i++) {
    expect_round_trip(i / 7.0 * 1e30);
  }
  setlocale(LC_ALL, "C");
}

static void expect_quoted(struct slice text, struct slice expected)
{
  struct buf out = {0};
  assert_int_equal(json_write_string(&out, text), 0);
  if (!slice_equal(buf_slice(&out), expected)) {
    fail_msg("written as %.*s, not %.*s", (int)out.len, out.data, (int)expected.len, expected.ptr);
  }
  buf_free(&out);
}

static void strings_are_escaped_no_more_than_needed(void **state)
{
  (void)state;
  expect_quoted(slice_of(NULL, 0), SLICE("\"\""));
  expect_quoted(SLICE("plain"), SLICE("\"plain\""));
  expect_quoted(SLICE("a/b\x7F"), SLICE("\"a/b\x7F\""));
  expect_quoted(SLICE("\"\\"), SLICE("\"\\\"\\\\\""));
  expect_quoted(SLICE("\b\f\n\r\t"), SLICE("\"\\b\\f\\n\\r\\t\""));
  expect_quoted(SLICE("\0\x01\x1F"), SLICE("\"\\u0000\\u0001\\u001f\""));
  expect_quoted(SLICE("\xC3\xA4\xE2\x82\xAC\xF0\x9F\x8C\x80"), SLICE("\"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x8C\x80\""));
  expect_quoted(SLICE("12345678\n12345678\"1234567\\x"), SLICE("\"12345678\\n12345678\\\"1234567\\\\x\""));
}

static void what_is_not_utf8_is_refused_and_leaves_no_trace(void **state)
{
  (void)state;
  static const struct slice bad[] = {
      {"\xFF", 1},
      {"abc\x80", 4},
      {"a\xC3", 2},
      {"\xC0\xAF", 2},
      {"\xED\xA0\x80", 3},
      {"\xF4\x90\x80\x80", 4},
      {"12345678\n\xE2\x82", 11},
      {"\xF0\x8F\xBF\xBF", 4},
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    struct buf out = {0};
    buf_append_str(&out, "before");
    assert_int_equal(json_write_string(&out, bad[i]), ERROR_JSON);
    assert_true(slice_equal(buf_slice(&out), SLICE("before")));
    json_write_text(&out, bad[i]);
    struct json_error error;
    assert_int_equal(json_scan(slice_of(out.data + 6, out.len - 6), &error), 0);
    buf_free(&out);
  }
}

static void text_of_unknown_origin_is_repaired(void **state)
{
  (void)state;
  struct buf out = {0};
  json_write_text(&out, SLICE("a\xFF\xC3\xA4\xE2\x82z"));
  assert_true(slice_equal(buf_slice(&out), SLICE("\"a\xEF\xBF\xBD\xC3\xA4\xEF\xBF\xBD\xEF\xBF\xBDz\"")));
  buf_free(&out);
}

/* Random bytes: written if and only if the scanner accepts them between quotes (where no escape is needed), and read back the same. */
static void strings_round_trip(void **state)
{
  (void)state;
  static const char *const pieces[] = {
      "a", "bcdefgh", "\n", "\"", "\\", "\x01", "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x8C\x80", "\xED\xA0\x80", "\x80"};
  struct guarded guard;
  guarded_init(&guard, 4096);
  struct prng p;
  prng_init(&p, 6);
  int refused = 0;
  for (int i = 0; i < 100000; i++) {
    struct buf text = {0};
    bool good = true;
    for (uint64_t n = prng_below(&p, 12); n > 0; n--) {
      uint64_t k = prng_below(&p, i % 8 == 0 ? 11 : 9);
      good = good && k < 9;
      buf_append_str(&text, pieces[k]);
    }
    struct slice placed = guarded_place(&guard, buf_slice(&text));
    struct buf out = {0};
    int result = json_write_string(&out, placed);
    assert_int_equal(result, good ? 0 : ERROR_JSON);
    refused += !good;
    if (good) {
      struct json_error error;
      struct buf back = {0};
      assert_int_equal(json_scan(buf_slice(&out), &error), 0);
      assert_int_equal(json_read_string(slice_of(out.data + 1, out.len - 2), &back), 0);
      assert_true(slice_equal(buf_slice(&back), buf_slice(&text)));
      buf_free(&back);
    }
    buf_free(&out);
    buf_free(&text);
  }
  assert_true(refused > 1000);
  guarded_free(&guard);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(integers_are_written),
      cmocka_unit_test(doubles_have_one_form),
      cmocka_unit_test(what_is_not_a_number_is_refused),
      cmocka_unit_test(every_double_round_trips_in_the_fewest_digits),
      cmocka_unit_test(short_decimals_come_back_as_they_were),
      cmocka_unit_test(doubles_do_not_depend_on_the_locale),
      cmocka_unit_test(strings_are_escaped_no_more_than_needed),
      cmocka_unit_test(what_is_not_utf8_is_refused_and_leaves_no_trace),
      cmocka_unit_test(text_of_unknown_origin_is_repaired),
      cmocka_unit_test(strings_round_trip),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
