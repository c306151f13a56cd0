/* The typed encoding of states: one text per value, both ways, and a reader that trusts nothing. */
#include "script/image.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmocka_all.h"
#include "script/codec.h"
#include "script/script.h"

struct world {
  struct script *script;
  lua_State *L;
  struct buf text;
};

static int setup(void **state)
{
  struct world *w = calloc(1, sizeof *w);
  assert_non_null(w);
  w->script = script_new(&(struct script_config){.path = "image"});
  w->L = script_lua(w->script);
  lua_settop(w->L, 0);
  *state = w;
  return 0;
}

static int teardown(void **state)
{
  struct world *w = *state;
  script_free(w->script);
  buf_free(&w->text);
  free(w);
  return 0;
}

/* Pushes the value of a Lua expression; `v` in it is the vortex module. */
static void push(struct world *w, const char *expression)
{
  char source[2000];
  snprintf(source, sizeof source, "local v = require 'vortex'\n%s%s", strstr(expression, "return") != NULL ? "" : "return ", expression);
  lua_settop(w->L, 0);
  if (luaL_dostring(w->L, source) != LUA_OK) {
    fail_msg("%s: %s", expression, lua_tostring(w->L, -1));
  }
  lua_settop(w->L, 1);
}

/* The text of the value on top of the stack, which is popped. */
static const char *encode(struct world *w)
{
  struct image_error error;
  buf_clear(&w->text);
  int top = lua_gettop(w->L);
  if (image_encode(w->script, w->L, -1, "state", &w->text, &error) != 0) {
    fail_msg("%s", error.text);
  }
  assert_int_equal(lua_gettop(w->L), top);
  lua_pop(w->L, 1);
  buf_append_char(&w->text, '\0');
  w->text.len--;
  return w->text.data;
}

/* Pushes the value of a text that lies at the end of its memory. */
static int decode(struct world *w, const char *text, size_t len, struct image_error *error)
{
  char *exact = malloc(len + (len == 0));
  assert_non_null(exact);
  memcpy(exact, text, len);
  int top = lua_gettop(w->L);
  int result = image_decode(w->script, w->L, slice_of(exact, len), error);
  assert_int_equal(lua_gettop(w->L), top + (result == 0));
  free(exact);
  return result;
}

static void test_values_and_their_texts(void **state)
{
  static const struct {
    const char *expression, *text;
  } cases[] = {
      {"nil", "nil"},
      {"true", "true"},
      {"false", "false"},
      {"v.null", "null"},
      {"0", "0"},
      {"-7", "-7"},
      {"math.mininteger", "-9223372036854775808"},
      {"math.maxinteger", "9223372036854775807"},
      {"0.0", "0.0"},
      {"-0.0", "-0.0"},
      {"3.0", "3.0"},
      {"-3.5", "-3.5"},
      {"0.1", "0.1"},
      {"2^53", "9007199254740992.0"},
      {"2^63", "9.223372036854776e18"},
      {"math.pi", "3.141592653589793"},
      {"5e-324", "5e-324"},
      {"1/0", "inf"},
      {"-1/0", "-inf"},
      {"''", "\"\""},
      {"'a\"b\\\\c\\n\\0\\127'", "\"a\\\"b\\\\c\\n\\u0000\x7f\""},
      {"'g\\u{f6}\\u{1F600}'", "\"g\xc3\xb6\xf0\x9f\x98\x80\""},
      {"'\\xff\\'\\\\\\n'", "'\\xff\\x27\\x5c\\x0a'"},
      {"{}", "{}"},
      {"v.array {}", "[]"},
      {"v.object {}", "object{}"},
      {"{ 1, 'two', { 3.0 } }", "{1,\"two\",{3.0}}"},
      {"v.array { v.array { 1 }, v.object { a = 1 } }", "[[1],object{\"a\":1}]"},
      {"{ b = 1, a = 2, B = 3, [''] = 4, aa = 5 }", "{\"\":4,\"B\":3,\"a\":2,\"aa\":5,\"b\":1}"},
      {"{ 1, 2, nil, 4, x = 5 }", "{1,2,4:4,\"x\":5}"},
      {"{ [0] = 'z', 'a', 'b', [-1] = 'y' }", "{\"a\",\"b\",-1:\"y\",0:\"z\"}"},
      {"{ [true] = 1, [false] = 2, [v.null] = 3, [7] = 4, [0.5] = 5, [-1/0] = 6, s = 7, ['\\xfe'] = 8 }",
       "{false:2,true:1,null:3,7:4,-inf:6,0.5:5,\"s\":7,'\\xfe':8}"},
      {"{ [2.0] = 'two', [1] = 'one' }", "{\"one\",\"two\"}"},
      {"local t = v.array {} t.n = 0 return t", "[\"n\":0]"},
  };
  struct world *w = *state;
  struct image_error error;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    push(w, cases[i].expression);
    assert_string_equal(encode(w), cases[i].text);
    if (decode(w, cases[i].text, strlen(cases[i].text), &error) != 0) {
      fail_msg("%s: %s", cases[i].text, error.text);
    }
    assert_string_equal(encode(w), cases[i].text);
  }
}

static void test_types_survive(void **state)
{
  struct world *w = *state;
  struct image_error error;
  push(w, "{ 1, 1.0, -0.0, v.array { v.null }, v.object {}, '\\xff\\0', k = { [1.5] = true, [false] = 'x' } }");
  encode(w);
  assert_int_equal(decode(w, w->text.data, w->text.len, &error), 0);
  lua_setglobal(w->L, "got");
  push(w, "return math.type(got[1]) == 'integer' and math.type(got[2]) == 'float' and 1 / got[3] == -math.huge and got[4][1] == v.null\n"
          "and require 'vortex.core'.is_array(got[4]) and getmetatable(got[5]) == getmetatable(v.object {}) and got[6] == '\\xff\\0'\n"
          "and got.k[1.5] == true and got.k[false] == 'x' and #got == 6");
  assert_true(lua_toboolean(w->L, 1));
}

static void test_every_bit_of_a_nan_survives(void **state)
{
  static const uint64_t nans[] = {0x7ff8000000000000, 0xfff8000000000000, 0x7ff0000000000001, 0xfff8000000abcdef};
  struct world *w = *state;
  struct image_error error;
  for (size_t i = 0; i < sizeof nans / sizeof *nans; i++) {
    double real;
    memcpy(&real, &nans[i], sizeof real);
    lua_pushnumber(w->L, real);
    encode(w);
    assert_int_equal(decode(w, w->text.data, w->text.len, &error), 0);
    real = lua_tonumber(w->L, -1);
    assert_memory_equal(&real, &nans[i], sizeof real);
    lua_settop(w->L, 0);
  }
}

/* Tables that were filled in other orders, had other keys meanwhile, and keep their elements elsewhere. */
static void test_equal_states_have_equal_bytes(void **state)
{
  static const char *const same[] = {
      "local t = {} for i = 1, 100 do t[i] = i t['k' .. i] = i end return t",
      "local t = {} for i = 100, 1, -1 do t['k' .. i] = i t[i] = i end return t",
      "local t = {} for i = 1, 100 do t['k' .. i] = i end for i = 1, 999 do t[i + 0.5] = 1 end\n"
      "for i = 2, 100, 2 do t[i] = i end for i = 1, 99, 2 do t[i] = i end for i = 1, 999 do t[i + 0.5] = nil end return t",
      "local t = {} for i = -50, 200 do t[i] = i end for i = 1, 100 do t['k' .. i] = i end\n"
      "for i = -50, 0 do t[i] = nil end for i = 101, 200 do t[i] = nil end return t",
  };
  struct world *w = *state;
  push(w, same[0]);
  char *first = strdup(encode(w));
  for (size_t i = 1; i < sizeof same / sizeof *same; i++) {
    push(w, same[i]);
    assert_string_equal(encode(w), first);
  }
  free(first);
}

static void test_large_states(void **state)
{
  struct world *w = *state;
  struct image_error error;
  push(w, "local t = { list = {}, map = {} } for i = 1, 200000 do t.list[i] = { i } t.map['k' .. i] = { v = i, w = i / 2 } end return t");
  char *first = strdup(encode(w));
  assert_int_equal(decode(w, first, strlen(first), &error), 0);
  assert_string_equal(encode(w), first);
  free(first);
}

static void test_what_cannot_be_kept_is_named(void **state)
{
  static const struct {
    const char *expression, *message;
  } cases[] = {
      {"print", "state: a function cannot be kept"},
      {"{ users = { {}, { fn = print } } }", "state.users[2].fn: a function cannot be kept"},
      {"{ ['two words'] = { [0.5] = { [true] = coroutine.create(print) } } }",
       "state[\"two words\"][0.5][true]: a coroutine cannot be kept"},
      {"{ [2] = { [-1] = io.stdout } }", "state[2][-1]: a userdata cannot be kept"},
      {"{ a = setmetatable({}, {}) }", "state.a: a table with a metatable"},
      {"{ seen = v.set { 1 } }", "state.seen: a table with a metatable cannot be kept (of a vortex.set, keep what its array() gives)"},
      {"{ { [{}] = 1 } }", "state[1]: a key that is a table"},
      {"{ a = { [print] = 1 } }", "state.a: a key that is a function, a coroutine or a userdata"},
      {"local t = {} t.a = { t } return t", "state.a[1]: a table that contains itself"},
      {"local x = {} return { a = { x }, b = { c = x } }",
       "state.b.c: a table that is part of the state already, as state.a[1] (a copy can be kept)"},
      {"local x = {} return { x, x }", "state[2]: a table that is part of the state already, as state[1]"},
      {"local t = {} for _ = 1, 200 do t = { t } end return t", "nested deeper than 200 levels"},
  };
  struct world *w = *state;
  struct image_error error;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    push(w, cases[i].expression);
    buf_clear(&w->text);
    assert_int_equal(image_encode(w->script, w->L, 1, "state", &w->text, &error), -1);
    assert_int_equal(lua_gettop(w->L), 1);
    if (strstr(error.text, cases[i].message) == NULL) {
      fail_msg("%s: %s", cases[i].expression, error.text);
    }
  }
}

static void test_long_paths_are_cut(void **state)
{
  struct world *w = *state;
  struct image_error error;
  push(w, "local t = { fn = print } for i = 1, 150 do t = { ['a_rather_long_name_' .. i] = t } end return t");
  assert_int_equal(image_encode(w->script, w->L, 1, "state", &w->text, &error), -1);
  assert_memory_equal(error.text, "state.a_rather_long_name_150.a", 30);
  assert_string_equal(error.text + strlen(error.text) - 3, "...");
}

static void test_other_texts_are_refused(void **state)
{
  static const char *const bad[] = {
      "",
      " 1",
      "1 ",
      "1,2",
      "+1",
      "01",
      "-0",
      "1.00",
      "1e2",
      "1E400",
      "0x10",
      "99999999999999999999",
      "9223372036854775808",
      "NaN",
      "nan",
      "nan:7ff800000000000",
      "nan:3ff0000000000000",
      "nan:7FF8000000000000",
      "infinity",
      "--inf",
      "-",
      "tru",
      "\"a",
      "\"\n\"",
      "\"\xff\"",
      "\"\\u0061\"",
      "\"\\ud800\"",
      "\"\\/\"",
      "'a",
      "'a'",
      "'\\xff",
      "'\\xfF'",
      "'\\x4'",
      "'\\n\\xff'",
      "'\xff'",
      "{",
      "{1",
      "{1,",
      "{1,}",
      "{,1}",
      "{1 2}",
      "{1]",
      "[1}",
      "object",
      "object[]",
      "object{",
      "{nil}",
      "{1,nil,3}",
      "{\"a\":nil}",
      "{nil:1}",
      "{{}:1}",
      "{nan:7ff8000000000000:1}",
      "{2.0:1}",
      "{1:1}",
      "{1,1:1}",
      "{1,2:1}",
      "{\"a\"1}",
      "{\"a\":}",
      "{\"a\":1,2}",
      "{\"b\":1,\"a\":1}",
      "{\"a\":1,\"a\":1}",
      "{\"a\":1,5:1}",
      "{0.5:1,3:1}",
      "{'\\xff':1,\"a\":1}",
      "{\"a\":1:2}",
  };
  struct world *w = *state;
  struct image_error error;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    if (decode(w, bad[i], strlen(bad[i]), &error) == 0) {
      fail_msg("accepted: %s", bad[i]);
    }
    assert_memory_equal(error.text, "byte ", 5);
  }
}

static void test_the_depth_of_texts_is_limited(void **state)
{
  struct world *w = *state;
  struct image_error error;
  struct buf text = {0};
  for (int depth = IMAGE_DEPTH_MAX - 1; depth <= IMAGE_DEPTH_MAX + 1; depth++) {
    buf_clear(&text);
    for (int i = 0; i < depth; i++) {
      buf_append_char(&text, '{');
    }
    for (int i = 0; i < depth; i++) {
      buf_append_char(&text, '}');
    }
    assert_int_equal(decode(w, text.data, text.len, &error), depth <= IMAGE_DEPTH_MAX ? 0 : -1);
    lua_settop(w->L, 0);
  }
  buf_free(&text);
}

/* Every beginning of a text is refused, and every change of one byte is refused or is the text of another value. */
static void test_damaged_texts(void **state)
{
  struct world *w = *state;
  struct image_error error;
  push(w, "{ 1, 2.5, 'x', v.array { true, v.null, -0.0 }, name = 'g\\u{f6}', ['\\xff'] = v.object { a = -1 }, [0.5] = 1/0 }");
  char *whole = strdup(encode(w));
  size_t len = strlen(whole);
  for (size_t n = 0; n < len; n++) {
    assert_int_equal(decode(w, whole, n, &error), -1);
  }
  for (size_t i = 0; i < len; i++) {
    char was = whole[i];
    for (int c = 0; c < 256; c++) {
      whole[i] = (char)c;
      if (decode(w, whole, len, &error) == 0) {
        encode(w);
        assert_int_equal(w->text.len, len);
        assert_memory_equal(w->text.data, whole, len);
      }
    }
    whole[i] = was;
  }
  free(whole);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      T(test_values_and_their_texts),
      T(test_types_survive),
      T(test_every_bit_of_a_nan_survives),
      T(test_equal_states_have_equal_bytes),
      T(test_large_states),
      T(test_what_cannot_be_kept_is_named),
      T(test_long_paths_are_cut),
      T(test_other_texts_are_refused),
      T(test_the_depth_of_texts_is_limited),
      T(test_damaged_texts),
  };
  return cmocka_run_group_tests_name("script.image", tests, NULL, NULL);
}
