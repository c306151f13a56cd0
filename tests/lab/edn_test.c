/* EDN, form by form: what comes out (as JSON), and of malformed text where and why it was refused. */
#include "lab/edn.h"

#include <stdlib.h>

#include "cmocka_all.h"
#include "guarded.h"
#include "script/codec.h"
#include "script/script.h"

static struct script *script;
static struct guarded memory;

static int set_up(void **state)
{
  (void)state;
  script = script_new(&(struct script_config){.path = "edn_test"});
  guarded_init(&memory, 64 << 10);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  script_free(script);
  guarded_free(&memory);
  return 0;
}

/* Reads one form, whose text ends at a page that may not be read. Leaves it on the stack of a state whose slot 1 is the metatable. */
static int read_form(struct edn_reader *r, struct slice text)
{
  lua_State *L = script_lua(script);
  lua_settop(L, 0);
  codec_decode(script, L, SLICE("[]"));
  lua_getmetatable(L, 1);
  lua_remove(L, 1);
  edn_init(r, L, guarded_place(&memory, text), 1);
  int status = edn_read(r);
  assert_int_equal(lua_gettop(L), status == 0 ? 2 : 1);
  return status;
}

static void assert_json(struct slice text, const char *json)
{
  lua_State *L = script_lua(script);
  struct edn_reader r;
  struct buf out = {0};
  struct codec_error error;
  if (read_form(&r, text) != 0) {
    fail_msg("%.*s: %s", (int)text.len, text.ptr, r.reason);
  }
  codec_error_init(&error);
  assert_int_equal(codec_encode(script, L, 2, &out, &error), 0);
  buf_append_char(&out, '\0');
  assert_string_equal(out.data, json);
  assert_int_equal(edn_skip(&r), 0);
  buf_free(&out);
  edn_close(&r);
}

/* The text is refused at byte `offset` for that reason. */
static void assert_refused(struct slice text, ptrdiff_t offset, const char *reason)
{
  struct edn_reader r;
  const char *begin = memory.memory + memory.size - text.len;
  if (read_form(&r, text) == 0) {
    fail_msg("%.*s: was read", (int)text.len, text.ptr);
  }
  assert_string_equal(r.reason, reason);
  assert_int_equal(r.wrong - begin, offset);
  edn_close(&r);
}

#define JSON(text, json)           assert_json(SLICE(text), json)
#define REFUSED(text, offset, why) assert_refused(SLICE(text), offset, why)

static void test_scalars(void **state)
{
  (void)state;
  JSON("nil", "null");
  JSON("true", "true");
  JSON("false", "false");
  JSON("nilly", "\"nilly\"");
  JSON(":a", "\"a\"");
  JSON(":jepsen/op-1", "\"jepsen/op-1\"");
  JSON(":final?", "\"final?\"");
  JSON("sym.bol/x", "\"sym.bol/x\"");
  JSON("-", "\"-\"");
  JSON("+x", "\"+x\"");
  JSON(" ,,\t\r\n7,", "7");
  JSON("; a comment\n7 ; another", "7");
  JSON(":\xc3\xa9", "\"\xc3\xa9\"");
}

static void test_numbers(void **state)
{
  (void)state;
  JSON("0", "0");
  JSON("-0", "0");
  JSON("+12", "12");
  JSON("12N", "12");
  JSON("-12N", "-12");
  JSON("9223372036854775807", "9223372036854775807");
  JSON("-9223372036854775808N", "-9223372036854775808");
  JSON("0.5", "0.5");
  JSON("+1.5e3", "1500");
  JSON("1.25E-2", "0.0125");
  JSON("1.5M", "1.5");
  JSON("3M", "3");
  lua_State *L = script_lua(script);
  struct edn_reader r;
  assert_int_equal(read_form(&r, SLICE("12N")), 0);
  assert_true(lua_isinteger(L, 2));
  edn_close(&r);
  assert_int_equal(read_form(&r, SLICE("3M")), 0);
  assert_false(lua_isinteger(L, 2));
  edn_close(&r);
  assert_int_equal(read_form(&r, SLICE("2e3")), 0);
  assert_false(lua_isinteger(L, 2));
  edn_close(&r);
  assert_int_equal(read_form(&r, SLICE("##-Inf")), 0);
  assert_true(lua_tonumber(L, 2) < -1e308);
  edn_close(&r);
  assert_int_equal(read_form(&r, SLICE("##Inf")), 0);
  assert_true(lua_tonumber(L, 2) > 1e308);
  edn_close(&r);
  assert_int_equal(read_form(&r, SLICE("##NaN")), 0);
  assert_true(lua_tonumber(L, 2) != lua_tonumber(L, 2));
  edn_close(&r);
}

static void test_malformed_numbers(void **state)
{
  (void)state;
  REFUSED("1/2", 0, "a ratio: only integers and decimal numbers can be read");
  REFUSED("[1 -3/4]", 3, "a ratio: only integers and decimal numbers can be read");
  REFUSED("9223372036854775808", 0, "an integer that does not fit 64 bits");
  REFUSED("-9223372036854775809N", 0, "an integer that does not fit 64 bits");
  REFUSED("007", 0, "a number with a leading zero");
  REFUSED("1.", 0, "a digit expected behind the decimal point of a number");
  REFUSED("1.x", 0, "a digit expected behind the decimal point of a number");
  REFUSED("1e", 0, "a digit expected in the exponent of a number");
  REFUSED("1e+", 0, "a digit expected in the exponent of a number");
  REFUSED("0x1F", 0, "not a number: 0x1F");
  REFUSED("1.5N", 0, "not a number: 1.5N");
  REFUSED("12ab", 0, "not a number: 12ab");
  REFUSED("1-2", 0, "not a number: 1-2");
  REFUSED("##Infinity", 0, "##Inf, ##-Inf or ##NaN expected");
}

static void test_strings_and_characters(void **state)
{
  (void)state;
  JSON("\"\"", "\"\"");
  JSON("\"plain\"", "\"plain\"");
  JSON("\"a\\tb\\nc\\rd\\\"e\\\\f\\bg\\fh\"", "\"a\\tb\\nc\\rd\\\"e\\\\f\\bg\\fh\"");
  JSON("\"two\nlines\"", "\"two\\nlines\"");
  JSON("\"\\u0041\\u00e9\\u20AC\"", "\"A\xc3\xa9\xe2\x82\xac\"");
  JSON("\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\"");
  JSON("\"\\ud83d.\"", "\"\xef\xbf\xbd.\"");
  JSON("\"\\ud83d\\u0041\"", "\"\xef\xbf\xbd"
                             "A\"");
  JSON("\\a", "\"a\"");
  JSON("\\\xc3\xa9", "\"\xc3\xa9\"");
  JSON("[\\( \\] \\\" \\;]", "[\"(\",\"]\",\"\\\"\",\";\"]");
  JSON("[\\newline \\space \\tab \\return \\backspace \\formfeed]", "[\"\\n\",\" \",\"\\t\",\"\\r\",\"\\b\",\"\\f\"]");
  JSON("[\\u0041 \\u \\o101 \\o]", "[\"A\",\"u\",\"A\",\"o\"]");
  REFUSED("\"abc", 0, "a string begins here and does not end");
  REFUSED("[\"abc\\", 1, "a string begins here and does not end");
  REFUSED("\"a\\q\"", 2, "a backslash in a string, followed by 'q'");
  REFUSED("\"a\\\001\"", 2, "a backslash in a string, followed by byte 0x01");
  REFUSED("\"\\u12\"", 1, "four hexadecimal digits expected behind \\u");
  REFUSED("\"\\u12", 1, "four hexadecimal digits expected behind \\u");
  REFUSED("\\", 0, "a character expected behind the backslash");
  REFUSED("\\ ", 0, "a character expected behind the backslash");
  REFUSED("\\newlin", 0, "no character has the name \\newlin");
  REFUSED("\\u00zz", 0, "no character has the name \\u00zz");
  REFUSED("\\o8", 0, "no character has the name \\o8");
}

static void test_collections(void **state)
{
  (void)state;
  JSON("[]", "[]");
  JSON("()", "[]");
  JSON("#{}", "[]");
  JSON("{}", "{}");
  JSON("[1 [2 (3) #{4}] {:a 5}]", "[1,[2,[3],[4]],{\"a\":5}]");
  JSON("[1,2,,3]", "[1,2,3]");
  JSON("[1]", "[1]");
  JSON("[:a:b\"c\"[]]", "[\"a:b\",\"c\",[]]");
  JSON("{:a 1 \"b\" nil, c {:d []}}", "{\"a\":1,\"b\":null,\"c\":{\"d\":[]}}");
  lua_State *L = script_lua(script);
  struct edn_reader r;
  assert_int_equal(read_form(&r, SLICE("{1 2, [3] 4, nil 5, true 6, 0.5 7}")), 0); /* any key will do, but JSON cannot say it */
  assert_int_equal(lua_rawgeti(L, 2, 1), LUA_TNUMBER);
  edn_close(&r);
  REFUSED("[1 2", 0, "'[' is never closed");
  REFUSED("[1 (2]", 5, "')' expected, not ']'");
  REFUSED("{:a 1)", 5, "'}' expected, not ')'");
  REFUSED("{:a}", 1, "a key without a value");
  REFUSED("{:a 1 :b", 0, "'{' is never closed");
  REFUSED("{:a 1 \"a\" 2}", 6, "the same key twice in one map");
  REFUSED("{##NaN 1}", 1, "NaN as the key of a map");
  REFUSED("#{1", 0, "'#' is never closed");
  REFUSED("]", 0, "a value expected, not ']'");
  REFUSED("", 0, "a value expected, but the text ends");
  REFUSED(" ; all comment", 14, "a value expected, but the text ends");
}

static void test_tags_and_discards(void **state)
{
  (void)state;
  JSON("#inst \"2026-11-24\"", "\"2026-11-24\"");
  JSON("#jepsen.history.Op{:index 0, :f :read}", "{\"f\":\"read\",\"index\":0}");
  JSON("#:ns{:a 1}", "{\"a\":1}");
  JSON("#a #b [1]", "[1]");
  JSON("#_ 1 2", "2");
  JSON("#_#_ 1 2 3", "3");
  JSON("[1 #_ {:a [2]} 3 #_4]", "[1,3]");
  JSON("{:a #_ 1 2 #_ :b}", "{\"a\":2}");
  JSON("[#_(1 2) #tag 5]", "[5]");
  REFUSED("#", 1, "a tag, '{' or '_' behind '#' expected, but the text ends");
  REFUSED("#\"regex\"", 1, "a tag, '{' or '_' behind '#' expected, not '\"'");
  REFUSED("#tag", 4, "a value expected, but the text ends");
  REFUSED("[#tag]", 5, "a value expected, not ']'");
  REFUSED("[1 #_]", 5, "a value expected, not ']'");
  REFUSED("#_", 2, "a value expected, but the text ends");
}

static void test_what_is_not_edn(void **state)
{
  (void)state;
  REFUSED("^{:a 1} [2]", 0, "a value expected, not '^'");
  REFUSED("'a", 0, "a value expected, not '''");
  REFUSED("`a", 0, "a value expected, not '`'");
  REFUSED("@a", 0, "a value expected, not '@'");
  REFUSED(":", 0, "a keyword without a name");
  REFUSED("\001", 0, "a value expected, not byte 0x01");
  assert_refused(slice_of("\0", 1), 0, "a value expected, not byte 0x00");
  assert_refused(slice_of("[1\0]", 4), 2, "a value expected, not byte 0x00");
}

/* `n` times `open`, then 1, then `n` times `close`. */
static struct slice nest(struct buf *out, const char *open, const char *close, int n)
{
  buf_clear(out);
  for (int i = 0; i < n; i++) {
    buf_append_str(out, open);
  }
  buf_append_char(out, '1');
  for (int i = 0; i < n; i++) {
    buf_append_str(out, close);
  }
  return buf_slice(out);
}

static void test_depth_has_a_limit(void **state)
{
  (void)state;
  static const char *const pairs[][2] = {{"[", "]"}, {"(", ")"}, {"{:a ", "}"}, {"#{", "}"}, {"#t ", ""}, {"#_", " 1"}};
  struct buf text = {0};
  struct edn_reader r;
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    assert_int_equal(read_form(&r, nest(&text, pairs[i][0], pairs[i][1], 400)), 0);
    edn_close(&r);
    for (int n = 513; n < 3000; n += 800) {
      assert_int_equal(read_form(&r, nest(&text, pairs[i][0], pairs[i][1], n)), -1);
      assert_string_equal(r.reason, "nested deeper than 512");
      edn_close(&r);
    }
  }
  assert_int_equal(read_form(&r, nest(&text, "[", "]", 511)), 0);
  edn_close(&r);
  assert_int_equal(read_form(&r, nest(&text, "[", "]", 512)), -1);
  edn_close(&r);
  buf_free(&text);
}

static void test_one_form_after_the_other(void **state)
{
  (void)state;
  lua_State *L = script_lua(script);
  struct edn_reader r;
  assert_int_equal(read_form(&r, SLICE(":a{:b 1}\n#_:c [2] ; end")), 0);
  assert_string_equal(lua_tostring(L, 2), "a");
  assert_int_equal(edn_skip(&r), 1);
  assert_int_equal(edn_read(&r), 0);
  assert_int_equal(edn_skip(&r), 1);
  assert_int_equal(edn_read(&r), 0);
  assert_int_equal(lua_rawlen(L, 4), 1);
  assert_int_equal(edn_skip(&r), 0);
  edn_close(&r);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_scalars),
      cmocka_unit_test(test_numbers),
      cmocka_unit_test(test_malformed_numbers),
      cmocka_unit_test(test_strings_and_characters),
      cmocka_unit_test(test_collections),
      cmocka_unit_test(test_tags_and_discards),
      cmocka_unit_test(test_what_is_not_edn),
      cmocka_unit_test(test_depth_has_a_limit),
      cmocka_unit_test(test_one_form_after_the_other),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
