#include "json/scan.h"

#include "base/buf.h"
#include "base/error.h"
#include "base/prng.h"
#include "cmocka_all.h"
#include "guarded.h"
#include "json/json_cases.h"

enum verdict {
  ACCEPT = 0,
  REFUSE = ERROR_JSON
};

struct json_case {
  const char *name;
  struct slice text;
  int verdict;
};

#define CASE(verdict, name, text) {name, {text, sizeof(text) - 1}, verdict},
static const struct json_case cases[] = {JSON_CASES(CASE)};
enum {
  CASE_COUNT = sizeof cases / sizeof cases[0]
};

static struct guarded guard;

/* Scans the text where every byte read behind it faults. */
static int scan(struct slice text, struct json_error *error)
{
  *error = (struct json_error){.offset = SIZE_MAX};
  int result = json_scan(guarded_place(&guard, text), error);
  if (result != 0) {
    assert_int_equal(result, ERROR_JSON);
    assert_true(error->offset <= text.len);
    assert_non_null(error->reason);
  }
  return result;
}

static int verdict(struct slice text)
{
  struct json_error error;
  return scan(text, &error);
}

static void the_catalogue_is_judged_as_promised(void **state)
{
  (void)state;
  for (int i = 0; i < CASE_COUNT; i++) {
    if (verdict(cases[i].text) != cases[i].verdict) {
      fail_msg("%s is %s", cases[i].name, cases[i].verdict == ACCEPT ? "refused" : "accepted");
    }
  }
}

/* White space around and containers around change no verdict (of a text that is not refused for what follows it). */
static void the_verdict_does_not_depend_on_the_surroundings(void **state)
{
  (void)state;
  for (int i = 0; i < CASE_COUNT; i++) {
    if (cases[i].verdict != ACCEPT) {
      continue;
    }
    static const char *const around[][2] = {
        {" \t\r\n", " \t\r\n"}, {"[", "]"}, {"[0,", ",0]"}, {"{\"k\":", "}"}, {"{\"k\" : ", " , \"l\" : {}}"}};
    for (size_t j = 0; j < sizeof around / sizeof around[0]; j++) {
      struct buf b = {0};
      buf_append_str(&b, around[j][0]);
      buf_append_slice(&b, cases[i].text);
      buf_append_str(&b, around[j][1]);
      assert_int_equal(verdict(buf_slice(&b)), ACCEPT);
      buf_append_str(&b, " 1");
      assert_int_equal(verdict(buf_slice(&b)), REFUSE);
      buf_free(&b);
    }
  }
}

/* A text is refused at the first byte that cannot continue it: cut behind that byte it is refused just so, and cut before it, it is
 * either whole or ends unexpectedly. */
static void the_offset_names_the_first_impossible_byte(void **state)
{
  (void)state;
  for (int i = 0; i < CASE_COUNT; i++) {
    struct json_error error;
    struct json_error cut;
    if (scan(cases[i].text, &error) == 0) {
      continue;
    }
    if (error.offset == cases[i].text.len) {
      assert_string_equal(error.reason, "unexpected end of text");
      continue;
    }
    assert_int_equal(scan(slice_of(cases[i].text.ptr, error.offset + 1), &cut), ERROR_JSON);
    assert_int_equal(cut.offset, error.offset);
    assert_string_equal(cut.reason, error.reason);
    if (scan(slice_of(cases[i].text.ptr, error.offset), &cut) != 0) {
      assert_int_equal(cut.offset, error.offset);
      assert_string_equal(cut.reason, "unexpected end of text");
    }
  }
}

static void every_prefix_ends_unexpectedly(void **state)
{
  (void)state;
  struct slice text = SLICE("{\"src\":\"c1\",\"b\xC3\xA4\\u00e4\\n\":[1,-2.5e+3,true,false,null,{\"\xF0\x9F\x8C\x80\":[]}]}");
  for (size_t n = 0; n < text.len; n++) {
    struct json_error error;
    assert_int_equal(scan(slice_of(text.ptr, n), &error), ERROR_JSON);
    assert_int_equal(error.offset, n);
    assert_string_equal(error.reason, "unexpected end of text");
  }
  assert_int_equal(verdict(text), ACCEPT);
}

/* "[[[…]]]" or "[{"":[{"":…": `depth` openers, then the closers unless open. */
static int nested(const char *opener, const char *closer, size_t depth, int open)
{
  struct buf b = {0};
  for (size_t i = 0; i < depth; i++) {
    buf_append_str(&b, opener);
  }
  if (!open) {
    buf_append_char(&b, '0');
  }
  for (size_t i = 0; i < depth && !open; i++) {
    buf_append_str(&b, closer);
  }
  struct json_error error;
  int result = json_scan(buf_slice(&b), &error);
  if (result != 0 && depth > JSON_DEPTH_MAX) {
    assert_string_equal(error.reason, "nested too deeply");
  }
  buf_free(&b);
  return result;
}

static void nesting_has_a_limit(void **state)
{
  (void)state;
  assert_int_equal(nested("[", "]", 500, 0), ACCEPT); /* i_structure_500_nested_arrays */
  assert_int_equal(nested("[", "]", JSON_DEPTH_MAX, 0), ACCEPT);
  assert_int_equal(nested("[", "]", JSON_DEPTH_MAX + 1, 0), REFUSE);
  assert_int_equal(nested("{\"a\":", "}", JSON_DEPTH_MAX, 0), ACCEPT);
  assert_int_equal(nested("{\"a\":", "}", JSON_DEPTH_MAX + 1, 0), REFUSE);
  assert_int_equal(nested("[{\"\":", "}]", JSON_DEPTH_MAX / 2, 0), ACCEPT);
  assert_int_equal(nested("[", "]", 100000, 0), REFUSE);
  assert_int_equal(nested("[", "]", 100000, 1), REFUSE);       /* n_structure_100000_opening_arrays */
  assert_int_equal(nested("[{\"\":", "}]", 50000, 1), REFUSE); /* n_structure_open_array_object */
}

/* RFC 3629 by its definition: decode, and look whether encoding what came out gives the same bytes. */
static int is_utf8_character(const unsigned char *at, size_t len)
{
  static const unsigned min[] = {0, 0, 0x80, 0x800, 0x10000};
  static const unsigned char lead_mask[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
  static const unsigned char lead[] = {0, 0x00, 0xC0, 0xE0, 0xF0};
  if ((at[0] & (unsigned char)~lead_mask[len]) != lead[len]) {
    return 0;
  }
  unsigned c = at[0] & lead_mask[len];
  for (size_t i = 1; i < len; i++) {
    if ((at[i] & 0xC0) != 0x80) {
      return 0;
    }
    c = c << 6 | (at[i] & 0x3F);
  }
  return c >= min[len] && c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
}

static int is_utf8(const unsigned char *at, size_t len)
{
  while (len > 0) {
    size_t n = 1;
    while (n <= 4 && n <= len && !is_utf8_character(at, n)) {
      n++;
    }
    if (n > 4 || n > len) {
      return 0;
    }
    at += n;
    len -= n;
  }
  return 1;
}

static void strings_are_utf8_exactly(void **state)
{
  (void)state;
  /* All pairs of bytes, then the corners of three and four, each at several places relative to the words of eight. */
  static const unsigned char corners[] = {0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0,
                                          0xC2, 0xE0, 0xED, 0xEF, 0xF0, 0xF4, 0xF5, 0xFF};
  enum {
    CORNERS = sizeof corners
  };
  char text[32];
  for (int a = 0x20; a < 256; a++) {
    for (int k = 0; k < CORNERS * CORNERS * CORNERS; k++) {
      unsigned char bytes[4] = {(unsigned char)a, corners[k % CORNERS], corners[k / CORNERS % CORNERS], corners[k / CORNERS / CORNERS]};
      if (a == '"' || a == '\\') {
        continue;
      }
      size_t pad = (size_t)(a + k) % 9;
      memset(text, 'x', sizeof text);
      text[0] = '"';
      memcpy(text + 1 + pad, bytes, 4);
      text[1 + pad + 4] = '"';
      struct json_error error;
      int result = json_scan(slice_of(text, 6 + pad), &error);
      assert_int_equal(result == 0, is_utf8(bytes, 4));
    }
  }
}

static void control_characters_are_refused_wherever_they_stand(void **state)
{
  (void)state;
  char text[40];
  for (size_t len = 1; len < 36; len++) {
    for (size_t at = 0; at < len; at++) {
      for (int c = 0; c < 256; c++) {
        memset(text, 'x', sizeof text);
        text[0] = '"';
        text[1 + at] = (char)c;
        text[1 + len] = '"';
        int expected = c < 0x20 || c >= 0x80 || c == '"' || c == '\\' ? REFUSE : ACCEPT;
        struct json_error error;
        int result = json_scan(slice_of(text, len + 2), &error);
        if (c == '\\' || c == '"') {
          assert_true(result == REFUSE); /* \x is no escape, \" leaves the string open, a bare quote leaves text behind */
        } else {
          assert_int_equal(result, expected);
        }
      }
    }
  }
}

/* Random mutations of valid texts, each scanned flush against forbidden memory: whatever comes in, nothing behind it is read. */
static void nothing_behind_the_text_is_read(void **state)
{
  (void)state;
  static const char alphabet[] = "{}[]\":,\\u09-+.eEtrfalsn \n\xC3\xA4\xF0\x9F\x8C\x80\xED\xA0";
  struct prng p;
  prng_init(&p, 5);
  char text[256];
  for (int round = 0; round < 200000; round++) {
    const struct json_case *c = &cases[prng_below(&p, CASE_COUNT)];
    size_t len = c->text.len < sizeof text ? c->text.len : sizeof text;
    if (len == 0) {
      continue;
    }
    memcpy(text, c->text.ptr, len);
    for (uint64_t n = prng_below(&p, 3); n > 0; n--) {
      text[prng_below(&p, len)] = alphabet[prng_below(&p, sizeof alphabet)];
    }
    size_t cut = prng_below(&p, len) + 1;
    verdict(slice_of(text, prng_below(&p, 2) == 0 ? cut : len));
  }
}

static void reasons_say_what_is_wrong(void **state)
{
  (void)state;
  static const struct {
    const char *text;
    size_t offset;
    const char *reason;
  } expected[] = {
      {"", 0, "unexpected end of text"},
      {"{\"a\":01}", 6, "leading zero in a number"},
      {"[-]", 2, "missing digit in a number"},
      {"[1.]", 3, "missing digit in a number"},
      {"[1e+]", 4, "missing digit in a number"},
      {"[\"\\x\"]", 3, "unknown escape in a string"},
      {"[\"\\u00g0\"]", 6, "not a hexadecimal digit in an escape"},
      {"[\"a\tb\"]", 3, "control character in a string"},
      {"[\"a\xC3(\"]", 4, "not UTF-8 in a string"},
      {"[\"a\xFF\"]", 3, "not UTF-8 in a string"},
      {"[\"\xED\xA0\x80\"]", 3, "not UTF-8 in a string"},
      {"{\"a\" 1}", 5, "expected ':'"},
      {"{a:1}", 1, "expected a key"},
      {"{\"a\":1,}", 7, "expected a key"},
      {"{\"a\":1]", 6, "expected ',' or '}'"},
      {"[1 2]", 3, "expected ',' or ']'"},
      {"[nope]", 2, "unexpected character"},
      {"[*]", 1, "expected a value"},
      {"[1] x", 4, "text behind the value"},
  };
  for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
    struct json_error error;
    assert_int_equal(scan(slice_of(expected[i].text, strlen(expected[i].text)), &error), ERROR_JSON);
    assert_string_equal(error.reason, expected[i].reason);
    assert_int_equal(error.offset, expected[i].offset);
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
      cmocka_unit_test(the_catalogue_is_judged_as_promised),
      cmocka_unit_test(the_verdict_does_not_depend_on_the_surroundings),
      cmocka_unit_test(the_offset_names_the_first_impossible_byte),
      cmocka_unit_test(every_prefix_ends_unexpectedly),
      cmocka_unit_test(nesting_has_a_limit),
      cmocka_unit_test(strings_are_utf8_exactly),
      cmocka_unit_test(control_characters_are_refused_wherever_they_stand),
      cmocka_unit_test(nothing_behind_the_text_is_read),
      cmocka_unit_test(reasons_say_what_is_wrong),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
