#include "json/read.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/prng.h"
#include "cmocka_all.h"
#include "guarded.h"
#include "json/locales.h"

static struct guarded guard;

static void expect_integer(const char *token, int64_t expected)
{
  int64_t integer = 0;
  double real = 0;
  assert_int_equal(json_read_number(guarded_place(&guard, slice_of(token, strlen(token))), &integer, &real), JSON_INTEGER);
  assert_true(integer == expected);
}

static void expect_real(const char *token, double expected)
{
  int64_t integer = 0;
  double real = 0;
  assert_int_equal(json_read_number(guarded_place(&guard, slice_of(token, strlen(token))), &integer, &real), JSON_DOUBLE);
  if (real != expected || signbit(real) != signbit(expected)) {
    fail_msg("%s reads as %a, not %a", token, real, expected);
  }
}

static void integers_are_exact(void **state)
{
  (void)state;
  expect_integer("0", 0);
  expect_integer("-0", 0);
  expect_integer("7", 7);
  expect_integer("-120", -120);
  expect_integer("9007199254740993", 9007199254740993);
  expect_integer("9223372036854775807", INT64_MAX);
  expect_integer("-9223372036854775807", -INT64_MAX);
  expect_integer("-9223372036854775808", INT64_MIN);
}

static void integers_beyond_64_bits_are_doubles(void **state)
{
  (void)state;
  expect_real("9223372036854775808", 0x1p63);
  expect_real("-9223372036854775809", -0x1p63);
  expect_real("18446744073709551615", 0x1p64);
  expect_real("18446744073709551616", 0x1p64);
  expect_real("100000000000000000000", 1e20);
  expect_real("99999999999999999999999999999999999999999", 1e41);
}

static void random_integers_are_exact(void **state)
{
  (void)state;
  struct prng p;
  prng_init(&p, 1);
  for (int i = 0; i < 100000; i++) {
    int64_t value = (int64_t)(prng_next(&p) >> prng_below(&p, 64));
    value = prng_below(&p, 2) == 0 ? value : -value;
    char token[32];
    snprintf(token, sizeof token, "%lld", (long long)value);
    expect_integer(token, value);
  }
}

static void fractions_and_exponents_make_doubles(void **state)
{
  (void)state;
  expect_real("0.0", 0.0);
  expect_real("-0.0", -0.0);
  expect_real("-0e5", -0.0);
  expect_real("1.0", 1.0);
  expect_real("1e0", 1.0);
  expect_real("1E+2", 100.0);
  expect_real("25e-1", 2.5);
  expect_real("0.1", 0.1);
  expect_real("123.456e-7", 123.456e-7);
  expect_real("1e22", 1e22);
  expect_real("1e23", 1e23);
  expect_real("1e-22", 1e-22);
  expect_real("1e-23", 1e-23);
  expect_real("9007199254740993.0", 9007199254740992.0);
  expect_real("9007199254740992.0", 0x1p53);
  expect_real("9007199254740992e22", 9007199254740992e22);
  expect_real("0.00000000000000000000000000000000000001", 1e-38);
  expect_real("123456789012345678901234567890.123456789", 123456789012345678901234567890.123456789);
}

static void the_edges_of_the_range(void **state)
{
  (void)state;
  expect_real("1.7976931348623157e308", 0x1.fffffffffffffp1023);
  expect_real("1.7976931348623159e308", INFINITY);
  expect_real("-1e309", -INFINITY);
  expect_real("1e999999999999999999999999", INFINITY);
  expect_real("-1e999999999999999999999999", -INFINITY);
  expect_real("1e-999999999999999999999999", 0.0);
  expect_real("-1e-999999999999999999999999", -0.0);
  expect_real("0e999999999999999999999999", 0.0);
  expect_real("0.0e-999999999999999999999999", 0.0);
  expect_real("5e-324", 0x1p-1074);
  expect_real("2e-324", 0.0);
  expect_real("2.2250738585072014e-308", 0x1p-1022);
  expect_real("2.2250738585072011e-308", 2.2250738585072011e-308);
}

static void very_long_tokens_are_read(void **state)
{
  (void)state;
  struct buf b = {0};
  buf_append_str(&b, "0.");
  for (int i = 0; i < 200000; i++) {
    buf_append_char(&b, '0');
  }
  buf_append_str(&b, "1e200001");
  buf_append_char(&b, ' ');
  int64_t integer;
  double real;
  assert_int_equal(json_read_number(slice_of(b.data, b.len - 1), &integer, &real), JSON_DOUBLE);
  assert_true(real == 1.0);
  buf_free(&b);
}

/* Against the C library, which rounds correctly: random digits, points and exponents around every switch between the two ways. */
static void random_decimals_agree_with_strtod(void **state)
{
  (void)state;
  struct prng p;
  prng_init(&p, 2);
  for (int i = 0; i < 300000; i++) {
    char token[64];
    int n = 0;
    token[n++] = (char)('1' + prng_below(&p, 9));
    for (uint64_t k = prng_below(&p, 19); k > 0; k--) {
      token[n++] = (char)('0' + prng_below(&p, 10));
    }
    token[n++] = '.';
    for (uint64_t k = prng_below(&p, 8) + 1; k > 0; k--) {
      token[n++] = (char)('0' + prng_below(&p, 10));
    }
    if (prng_below(&p, 2) == 0) {
      n += snprintf(token + n, sizeof token - (size_t)n, "e%d", (int)prng_below(&p, 90) - 45);
    }
    token[n] = '\0';
    expect_real(token, strtod(token, NULL));
  }
}

static void numbers_do_not_depend_on_the_locale(void **state)
{
  (void)state;
  if (!enter_comma_locale()) {
    print_message("skipped: no locale with a decimal comma is installed\n");
    skip();
  }
  expect_real("0.1", 0x1.999999999999ap-4);
  expect_real("1.7976931348623157e308", 0x1.fffffffffffffp1023);
  expect_real("100000000000000000000", 0x1.5af1d78b58c4p66);
  /* In a list, the comma behind a number is not its decimal point. */
  int64_t integer;
  double real;
  json_read_number(slice_of("100000000000000000000,5", 21), &integer, &real);
  setlocale(LC_ALL, "C");
  assert_true(real == 1e20);
}

static void expect_reading(struct slice raw, struct slice expected, int unpaired)
{
  struct buf out = {0};
  buf_append_str(&out, "before:");
  assert_int_equal(json_read_string(guarded_place(&guard, raw), &out), unpaired);
  buf_consume(&out, 7);
  if (!slice_equal(buf_slice(&out), expected)) {
    fail_msg("%.*s reads as %.*s", (int)raw.len, raw.ptr, (int)out.len, out.data);
  }
  buf_free(&out);
}

static void strings_are_unescaped(void **state)
{
  (void)state;
  expect_reading(SLICE(""), SLICE(""), 0);
  expect_reading(SLICE("plain \xC3\xA4"), SLICE("plain \xC3\xA4"), 0);
  expect_reading(SLICE("\\\"\\\\\\/\\b\\f\\n\\r\\t"), SLICE("\"\\/\b\f\n\r\t"), 0);
  expect_reading(SLICE("a\\u0000b"), SLICE("a\0b"), 0);
  expect_reading(SLICE("\\u0041\\u00e9\\u00E9\\u20AC\\uFFFF"), SLICE("A\xC3\xA9\xC3\xA9\xE2\x82\xAC\xEF\xBF\xBF"), 0);
  expect_reading(SLICE("\\u007F\\u0080\\u07ff\\u0800"), SLICE("\x7F\xC2\x80\xDF\xBF\xE0\xA0\x80"), 0);
  expect_reading(SLICE("\\\\u0041"), SLICE("\\u0041"), 0);
}

static void surrogates_pair_up_or_are_replaced(void **state)
{
  (void)state;
  expect_reading(SLICE("\\ud83d\\ude39"), SLICE("\xF0\x9F\x98\xB9"), 0);
  expect_reading(SLICE("\\uD800\\uDC00\\uDBFF\\uDFFF"), SLICE("\xF0\x90\x80\x80\xF4\x8F\xBF\xBF"), 0);
#define GONE "\xEF\xBF\xBD"
  expect_reading(SLICE("\\ud800"), SLICE(GONE), 1);
  expect_reading(SLICE("\\udc00"), SLICE(GONE), 1);
  expect_reading(SLICE("\\ud800abc"), SLICE(GONE "abc"), 1);
  expect_reading(SLICE("\\ud800\\n"), SLICE(GONE "\n"), 1);
  expect_reading(SLICE("\\udc00\\ud800"), SLICE(GONE GONE), 2);
  expect_reading(SLICE("\\ud800\\ud800\\udc00"), SLICE(GONE "\xF0\x90\x80\x80"), 1);
  expect_reading(SLICE("\\ud888\\u1234"), SLICE(GONE "\xE1\x88\xB4"), 1);
  expect_reading(SLICE("\\udc00\\udc01"), SLICE(GONE GONE), 2);
  expect_reading(SLICE("\\ud800\\ue000"), SLICE(GONE "\xEE\x80\x80"), 1);
  expect_reading(SLICE("\\ud800\\udbff"), SLICE(GONE GONE), 2);
  expect_reading(SLICE("\\ud800\\\\udc00"), SLICE(GONE "\\udc00"), 1);
#undef GONE
}

static void every_code_unit_is_read(void **state)
{
  (void)state;
  for (unsigned c = 0; c < 0x10000; c++) {
    char raw[8];
    snprintf(raw, sizeof raw, "\\u%04x", c);
    struct buf out = {0};
    int unpaired = json_read_string(slice_of(raw, 6), &out);
    if (c >= 0xD800 && c <= 0xDFFF) {
      assert_int_equal(unpaired, 1);
    } else {
      const unsigned char *b = (const unsigned char *)out.data;
      unsigned got = out.len == 1   ? b[0]
                     : out.len == 2 ? (b[0] & 0x1Fu) << 6 | (b[1] & 0x3Fu)
                                    : (b[0] & 0x0Fu) << 12 | (b[1] & 0x3Fu) << 6 | (b[2] & 0x3Fu);
      assert_int_equal(got, c);
      assert_int_equal(out.len, c < 0x80 ? 1 : c < 0x800 ? 2 : 3);
    }
    buf_free(&out);
  }
}

static void the_end_of_a_string_is_found(void **state)
{
  (void)state;
  static const struct {
    const char *text;
    size_t end;
    bool plain;
  } expected[] = {
      {"\"", 0, true},
      {"a\"", 1, true},
      {"\\\"\"", 2, false},
      {"\\\\\"", 2, false},
      {"\\\\\\\"\"", 4, false},
      {"12345678\"9", 8, true},
      {"1234567\\\"9\"", 10, false},
      {"\xC3\xA4\"", 2, true},
      {"123456789012345\\n78901234567890\"\"", 31, false},
      {"\xA2\xA2\xDC\xDC\xA2\xA2\xDC\xDC\xA2\"", 9, true},
  };
  for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
    struct slice text = guarded_place(&guard, slice_of(expected[i].text, strlen(expected[i].text)));
    bool plain = !expected[i].plain;
    assert_ptr_equal(json_string_end(text.ptr, &plain), text.ptr + expected[i].end);
    assert_int_equal(plain, expected[i].plain);
    plain = !expected[i].plain;
    assert_ptr_equal(json_string_end_within(text.ptr, text.ptr + text.len, &plain), text.ptr + expected[i].end);
    assert_int_equal(plain, expected[i].plain);
  }
}

static int set_up(void **state)
{
  (void)state;
  guarded_init(&guard, 4096);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  guarded_free(&guard);
  return 0;
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(integers_are_exact),
      cmocka_unit_test(integers_beyond_64_bits_are_doubles),
      cmocka_unit_test(random_integers_are_exact),
      cmocka_unit_test(fractions_and_exponents_make_doubles),
      cmocka_unit_test(the_edges_of_the_range),
      cmocka_unit_test(very_long_tokens_are_read),
      cmocka_unit_test(random_decimals_agree_with_strtod),
      cmocka_unit_test(numbers_do_not_depend_on_the_locale),
      cmocka_unit_test(strings_are_unescaped),
      cmocka_unit_test(surrogates_pair_up_or_are_replaced),
      cmocka_unit_test(every_code_unit_is_read),
      cmocka_unit_test(the_end_of_a_string_is_found),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
