/* The canonical form: cases by hand, JSONTestSuite's, and random values in random spellings, whose canonical form is known from how they
 * were made. */
#include "json/canonical.h"

#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "cmocka_all.h"
#include "guarded.h"
#include "json/json_cases.h"
#include "json/respell.h"
#include "json/scan.h"
#include "json/write.h"

static struct slice text_of(const char *text)
{
  return slice_of(text, strlen(text));
}

static void expect_canonical(struct slice text, struct slice expected)
{
  struct json_error error;
  struct buf out = {0};
  assert_int_equal(json_scan(text, &error), 0);
  buf_append_str(&out, "before");
  json_canonical(text, &out);
  struct slice found = slice_of(out.data + 6, out.len - 6);
  if (!slice_equal(found, expected)) {
    fail_msg("%.*s became %.*s, not %.*s", (int)text.len, text.ptr, (int)found.len, found.ptr, (int)expected.len, expected.ptr);
  }
  buf_free(&out);
}

/* Cases: a text, its canonical form. A text that is its own is given once, with NULL. */
static const char *const cases[][2] = {
    /* scalars */
    {"null", NULL},
    {" true ", "true"},
    {"\n\tfalse\r\n", "false"},
    {"0", NULL},
    {"-0", "0"},
    {"-0.0", "0"},
    {"-0e7", "0"},
    {"1.0", "1"},
    {"-1.0", "-1"},
    {"1e3", "1000"},
    {"1E+3", "1000"},
    {"10e-1", "1"},
    {"-17", NULL},
    {"999999999999999999", NULL},
    {"9223372036854775807", NULL},
    {"-9223372036854775808", NULL},
    {"9223372036854775808", "9.223372036854776e18"},
    {"-9223372036854775809", "-9.223372036854776e18"},
    {"9007199254740993", NULL},
    {"9007199254740992.0", "9007199254740992"},
    {"9007199254740994.0", "9.007199254740994e15"},
    {"9.007199254740994e15", NULL},
    {"1.5", NULL},
    {"1.50", "1.5"},
    {"15e-1", "1.5"},
    {"0.1", NULL},
    {"0.1000000000000000055511151231257827", "0.1"},
    {"1e300", NULL},
    {"1E300", "1e300"},
    {"1e+300", "1e300"},
    {"1e-7", NULL},
    {"0.0000001", "1e-7"},
    {"5e-324", NULL},
    {"1e-999", "0"},
    {"1e999", NULL},
    {"-1E+999", NULL},
    {"2.00000000000000000000000000000000000000000000000000000000000000000001", "2"},
    {"0.00000000000000000000000000000000000000000000000000000000000000000000000000001", "1e-77"},
    /* strings */
    {"\"\"", NULL},
    {"\"plain / \x7f text\"", NULL},
    {"\"\\/\"", "\"/\""},
    {"\"\\u0041\\u007f\\u00e9\\u20ac\\ud83d\\ude00\"", "\"A\x7f\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
    {"\"\\u0022\\u005c\\u0008\\u000c\\u000a\\u000d\\u0009\"", "\"\\\"\\\\\\b\\f\\n\\r\\t\""},
    {"\"\\\"\\\\\\b\\f\\n\\r\\t\"", NULL},
    {"\"\\u0008\"", "\"\\b\""},
    {"\"\\u0009\"", "\"\\t\""},
    {"\"\\u000a\"", "\"\\n\""},
    {"\"\\u000c\"", "\"\\f\""},
    {"\"\\u000d\"", "\"\\r\""},
    {"\"\\u0000\\u000b\\u000e\\u001f\"", NULL},
    {"\"\\u000B\\u001F\"", "\"\\u000b\\u001f\""},
    {"\"\\ud800\"", "\"\xef\xbf\xbd\""},
    {"\"\\ude00\\ud83d\"", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
    {"\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"", NULL},
    /* containers */
    {"[]", NULL},
    {"{}", NULL},
    {"[ ]", "[]"},
    {"{ }", "{}"},
    {"[1,[],{},\"x\",null]", NULL},
    {"[ 1 , [ ] , { } ]", "[1,[],{}]"},
    {"{\"key\":1,\"type\":\"write\",\"value\":2}", NULL},
    {"{\"type\":\"write\",\"value\":2,\"key\":1}", "{\"key\":1,\"type\":\"write\",\"value\":2}"},
    {"{\"a\":1,\"aa\":2,\"b\":3}", NULL},
    {"{\"aa\":2,\"a\":1}", "{\"a\":1,\"aa\":2}"},
    {"{\"\":1,\"a\":2}", NULL},
    {"{\"a\":2,\"\":1}", "{\"\":1,\"a\":2}"},
    {"{\"b\":{\"d\":1,\"c\":[{\"z\":1,\"y\":2}]},\"a\":0}", "{\"a\":0,\"b\":{\"c\":[{\"y\":2,\"z\":1}],\"d\":1}}"},
    /* keys are sorted by what they spell, in the bytes of UTF-8, not by their escapes */
    {"{\"A\":1,\"\\n\":2}", "{\"\\n\":2,\"A\":1}"},
    {"{\"\\n\":2,\"A\":1}", NULL},
    {"{\"\\u0062\":1,\"a\":2}", "{\"a\":2,\"b\":1}"},
    {"{\"\xf0\x9f\x98\x80\":1,\"\xef\xbf\xbf\":2}", "{\"\xef\xbf\xbf\":2,\"\xf0\x9f\x98\x80\":1}"},
    {"{\"z\":1,\"\xc3\xa9\":2}", NULL},
    /* of duplicates the last */
    {"{\"a\":1,\"a\":2}", "{\"a\":2}"},
    {"{\"a\":[{\"x\":1}],\"b\":{\"y\":[]},\"\\u0061\":{\"c\":1}}", "{\"a\":{\"c\":1},\"b\":{\"y\":[]}}"},
    {"[{\"a\":[[1]],\"a\":[[2]]},{\"b\":{},\"a\":{}}]", "[{\"a\":[[2]]},{\"a\":{},\"b\":{}}]"},
    /* an object that comes first in the text and has escaped keys, listed after its parent's */
    {"{\"\\u0062\":{\"\\u0064\":1,\"\\u0063\":2},\"\\u0061\":{\"\\u0066\":1,\"\\u0065\":2}}",
     "{\"a\":{\"e\":2,\"f\":1},\"b\":{\"c\":2,\"d\":1}}"},
};

static void test_cases(void **state)
{
  (void)state;
  struct guarded memory;
  guarded_init(&memory, 4096);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct slice expected = text_of(cases[i][1] != NULL ? cases[i][1] : cases[i][0]);
    expect_canonical(text_of(cases[i][0]), expected);
    expect_canonical(guarded_place(&memory, text_of(cases[i][0])), expected); /* nothing behind the text is read */
    expect_canonical(guarded_place(&memory, expected), expected);
  }
  guarded_free(&memory);
}

/* Whatever the scanner accepts has a canonical form that it accepts too, and that is its own. */
static void test_suite(void **state)
{
  (void)state;
  static const struct slice suite[] = {
#define CASE(verdict, name, text) {text, sizeof(text) - 1},
      JSON_CASES(CASE)
#undef CASE
  };
  size_t accepted = 0;
  for (size_t i = 0; i < sizeof suite / sizeof *suite; i++) {
    struct json_error error;
    if (json_scan(suite[i], &error) != 0) {
      continue;
    }
    struct buf once = {0};
    json_canonical(suite[i], &once);
    expect_canonical(buf_slice(&once), buf_slice(&once));
    buf_free(&once);
    accepted++;
  }
  assert_true(accepted > 90);
}

/* ---- random values ---- */

/* Ascending in the order of their bytes. */
static const char *const keys[] = {"",
                                   "\x01",
                                   "\n",
                                   "\"",
                                   "/",
                                   "A",
                                   "\\",
                                   "a",
                                   "a\nb",
                                   "aa",
                                   "b",
                                   "key",
                                   "key that is longer than a word",
                                   "type",
                                   "z",
                                   "\x7f",
                                   "\xc3\xa9",
                                   "\xe2\x82\xac",
                                   "\xef\xbf\xbf",
                                   "\xf0\x9f\x98\x80"};
enum {
  KEYS = sizeof keys / sizeof *keys
};

static double any_double(struct prng *p)
{
  for (;;) {
    uint64_t bits = prng_next(p);
    double value;
    memcpy(&value, &bits, sizeof value);
    if (value - value == 0) {
      return value;
    }
  }
}

static void write_scalar(struct prng *p, struct buf *out)
{
  switch (prng_below(p, 6)) {
  case 0:
    buf_append_str(out, prng_below(p, 2) == 0 ? "null" : "true");
    break;
  case 1:
    json_write_integer(out, (int64_t)prng_below(p, 2000) - 1000);
    break;
  case 2:
    json_write_integer(out, (int64_t)(prng_next(p) >> prng_below(p, 64)));
    break;
  case 3:
    assert_int_equal(json_write_double(out, any_double(p)), 0);
    break;
  case 4:
    assert_int_equal(json_write_double(out, (double)prng_below(p, 100000) / 64), 0);
    break;
  default:
    assert_int_equal(json_write_string(out, text_of(keys[prng_below(p, KEYS)])), 0);
  }
}

/* Appends a random value in canonical form, made by the rules: members in the order of the list, each at most once. */
static void write_value(struct prng *p, unsigned depth, struct buf *out)
{
  unsigned kind = (unsigned)prng_below(p, 4);
  if (depth == 0 || kind >= 2) {
    write_scalar(p, out);
    return;
  }
  buf_append_char(out, kind == 0 ? '{' : '[');
  bool any = false;
  for (size_t i = 0; i < KEYS; i++) {
    if (prng_below(p, 4) != 0) {
      continue;
    }
    buf_append_str(out, any ? "," : "");
    any = true;
    if (kind == 0) {
      assert_int_equal(json_write_string(out, text_of(keys[i])), 0);
      buf_append_char(out, ':');
    }
    write_value(p, depth - 1, out);
  }
  buf_append_char(out, kind == 0 ? '}' : ']');
}

static void test_random(void **state)
{
  (void)state;
  struct prng p;
  struct buf value = {0};
  struct buf other = {0};
  prng_init(&p, 1);
  for (int i = 0; i < 5000; i++) {
    buf_clear(&value);
    write_value(&p, 4, &value);
    expect_canonical(buf_slice(&value), buf_slice(&value));
    for (int j = 0; j < 3; j++) {
      buf_clear(&other);
      respell_space(&p, &other);
      respell(buf_slice(&value), &p, &other);
      respell_space(&p, &other);
      expect_canonical(buf_slice(&other), buf_slice(&value));
    }
  }
  buf_free(&value);
  buf_free(&other);
}

/* As deep as the scanner allows, out of order on every level, around something large: time would be their product if levels were copied or
 * looked into again and again. */
static void test_deep(void **state)
{
  (void)state;
  enum {
    LARGE = 1 << 20
  };
  struct buf text = {0};
  struct buf expected = {0};
  struct buf middle = {0};
  buf_append_char(&middle, '"');
  memset(buf_reserve(&middle, LARGE), 'x', LARGE);
  middle.len += LARGE;
  buf_append_char(&middle, '"');
  for (int i = 1; i <= JSON_DEPTH_MAX; i++) { /* a list in the innermost object would be too deep */
    buf_append_str(&text, "{\"b\":");
    buf_append_str(&expected, i < JSON_DEPTH_MAX ? "{\"a\":[],\"b\":" : "{\"a\":7,\"b\":");
  }
  buf_append_slice(&text, buf_slice(&middle));
  buf_append_slice(&expected, buf_slice(&middle));
  for (int i = JSON_DEPTH_MAX; i >= 1; i--) {
    buf_append_str(&text, i < JSON_DEPTH_MAX ? ",\"a\":[]}" : ",\"a\":7}");
    buf_append_char(&expected, '}');
  }
  expect_canonical(buf_slice(&text), buf_slice(&expected));
  buf_free(&text);
  buf_free(&expected);
  buf_free(&middle);
}

/* The value ends where it ends, whatever follows. */
static void test_inside(void **state)
{
  (void)state;
  static const char *const texts[] = {"[12,3]", "[{\"b\":1,\"a\":2},3]", "[\"x\" ,3]", "[1.0,3]", "[true,3]", "[[ ],3]"};
  static const char *const first[] = {"12", "{\"a\":2,\"b\":1}", "\"x\"", "1", "true", "[]"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    struct slice text = text_of(texts[i]);
    struct buf out = {0};
    const char *behind = json_canonical_at(text.ptr + 1, text.ptr + text.len, &out);
    assert_true(slice_equal(buf_slice(&out), text_of(first[i])));
    assert_true(*behind == ',' || *behind == ' ');
    buf_free(&out);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_cases), cmocka_unit_test(test_suite),  cmocka_unit_test(test_random),
      cmocka_unit_test(test_deep),  cmocka_unit_test(test_inside),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
