/* Text to states. The text may come from a disk or from another node, so everything about it is checked. */
#include <math.h>
#include <stdio.h>

#include "script/image.h"
#include "script/internal.h"
#include "json/read.h"
#include "json/scan.h"

struct reader {
  struct script *script;
  lua_State *L;
  const char *begin;
  const char *at;
  const char *end;
  struct image_error *error;
  int depth;
};

static int value(struct reader *r);

static int fail(struct reader *r, const char *reason)
{
  snprintf(r->error->text, sizeof r->error->text, "byte %zu: %s", (size_t)(r->at - r->begin), reason);
  return -1;
}

static bool next_is(const struct reader *r, char c)
{
  return r->at < r->end && *r->at == c;
}

static bool skip_word(struct reader *r, const char *word)
{
  size_t len = strlen(word);
  if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0) {
    return false;
  }
  r->at += len;
  return true;
}

/* Whether the value on top of the stack, once written, is the text from `from` to here: else the text is not the writer's. */
static int check_form(struct reader *r, const char *from)
{
  struct image_value v;
  struct buf *text = &r->script->text;
  image_look(r->L, lua_gettop(r->L), &v);
  buf_clear(text);
  image_write(&v, text);
  if (!slice_equal(buf_slice(text), slice_of(from, (size_t)(r->at - from)))) {
    r->at = from;
    return fail(r, "not the form in which values are written");
  }
  return 0;
}

/* ---- scalars ---- */

static int text_string(struct reader *r)
{
  const char *from = r->at;
  struct json_scanner scanner = {.begin = r->begin, .end = r->end};
  const char *behind = json_scan_string(&scanner, from);
  if (behind == NULL) {
    r->at = r->begin + scanner.error.offset;
    return fail(r, scanner.error.reason);
  }
  r->at = behind;
  struct slice raw = slice_of(from + 1, (size_t)(behind - from) - 2);
  if (memchr(raw.ptr, '\\', raw.len) == NULL) {
    lua_pushlstring(r->L, raw.ptr, raw.len);
    return 0;
  }
  struct buf *text = &r->script->text;
  buf_clear(text);
  json_read_string(raw, text);
  lua_pushlstring(r->L, text->data, text->len);
  return check_form(r, from);
}

static int digit_of(char c)
{
  return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int byte_string(struct reader *r)
{
  const char *from = r->at++;
  struct buf *text = &r->script->text;
  buf_clear(text);
  while (r->at < r->end && *r->at != '\'') {
    char c = *r->at++;
    if (c == '\\') {
      if (r->end - r->at < 3 || *r->at != 'x' || digit_of(r->at[1]) < 0 || digit_of(r->at[2]) < 0) {
        return fail(r, "an escape that is not \\x and two digits");
      }
      c = (char)(digit_of(r->at[1]) * 16 + digit_of(r->at[2]));
      r->at += 3;
    }
    buf_append_char(text, c);
  }
  if (r->at == r->end) {
    return fail(r, "unexpected end");
  }
  r->at++;
  lua_pushlstring(r->L, text->data, text->len);
  return check_form(r, from);
}

static int nan_bits(struct reader *r, const char *from)
{
  uint64_t bits = 0;
  lua_Number real;
  for (int i = 0; i < 16; i++) {
    int digit = r->at < r->end ? digit_of(*r->at) : -1;
    if (digit < 0) {
      return fail(r, "a NaN has 16 digits");
    }
    bits = bits << 4 | (uint64_t)digit;
    r->at++;
  }
  memcpy(&real, &bits, sizeof real);
  lua_pushnumber(r->L, real);
  return real == real ? fail(r, "not a NaN") : check_form(r, from);
}

static int number(struct reader *r)
{
  const char *from = r->at;
  struct json_scanner scanner = {.begin = r->begin, .end = r->end};
  const char *behind = json_scan_number(&scanner, from);
  if (behind == NULL) {
    r->at = r->begin + scanner.error.offset;
    return fail(r, scanner.error.reason);
  }
  struct slice token = slice_of(from, (size_t)(behind - from));
  int64_t integer;
  double real;
  if (json_read_number(token, &integer, &real) == JSON_INTEGER) {
    if (integer == 0 && *from == '-') {
      return fail(r, "the integer -0");
    }
    lua_pushinteger(r->L, integer);
    r->at = behind;
    return 0;
  }
  lua_pushnumber(r->L, real);
  r->at = behind;
  return check_form(r, from);
}

static int word(struct reader *r)
{
  const char *from = r->at;
  if (skip_word(r, "true")) {
    lua_pushboolean(r->L, 1);
  } else if (skip_word(r, "false")) {
    lua_pushboolean(r->L, 0);
  } else if (skip_word(r, "null")) {
    lua_pushlightuserdata(r->L, NULL);
  } else if (skip_word(r, "nil")) {
    lua_pushnil(r->L);
  } else if (skip_word(r, "inf")) {
    lua_pushnumber(r->L, (lua_Number)INFINITY);
  } else if (skip_word(r, "-inf")) {
    lua_pushnumber(r->L, -(lua_Number)INFINITY);
  } else if (skip_word(r, "nan:")) {
    return nan_bits(r, from);
  } else {
    return fail(r, "not a value");
  }
  return 0;
}

/* ---- tables ---- */

/* Whether the key on top of the stack may follow `last` in a table with n elements. */
static int check_key(struct reader *r, const struct image_value *key, const struct image_value *last, lua_Integer n)
{
  if (key->kind == IMAGE_NIL || key->kind >= IMAGE_TABLE) {
    return fail(r, "a key that is nil or a table");
  }
  if (key->kind == IMAGE_INTEGER && key->as.integer >= 1 && key->as.integer <= n + 1) {
    return fail(r, "a key that is one of the elements");
  }
  if (key->kind == IMAGE_FLOAT) {
    lua_Number real = key->as.real;
    if (real != real || (real == floor(real) && real >= -0x1p63 && real < 0x1p63)) {
      return fail(r, "a key that is NaN or an integral float");
    }
  }
  return last->kind == IMAGE_NIL || image_compare(last, key) < 0 ? 0 : fail(r, "a key that is out of order");
}

/* The key on top of the stack has been read, and the colon behind it is next; sets it in the table below. */
static int member(struct reader *r, int table, struct image_value *last, lua_Integer n)
{
  struct image_value key;
  image_look(r->L, lua_gettop(r->L), &key);
  if (check_key(r, &key, last, n) != 0) {
    return -1;
  }
  r->at++;
  if (value(r) != 0) {
    return -1;
  }
  if (lua_isnil(r->L, -1)) {
    return fail(r, "a key whose value is nil");
  }
  lua_rawset(r->L, table);
  *last = key; /* its string belongs to the table now */
  return 0;
}

static int table(struct reader *r, char closing, int mt_ref)
{
  lua_State *L = r->L;
  struct image_value last = {.kind = IMAGE_NIL};
  lua_Integer n = 0;
  if (r->depth == IMAGE_DEPTH_MAX || !lua_checkstack(L, 8)) {
    return fail(r, "nested deeper than 200 levels");
  }
  r->depth++;
  lua_newtable(L);
  int index = lua_gettop(L);
  for (bool first = true; !next_is(r, closing); first = false) {
    if (!first && !next_is(r, ',')) {
      return fail(r, r->at < r->end ? "a comma or the end of the table expected" : "unexpected end");
    }
    r->at += !first;
    if (value(r) != 0) {
      return -1;
    }
    if (next_is(r, ':')) {
      if (member(r, index, &last, n) != 0) {
        return -1;
      }
    } else if (last.kind != IMAGE_NIL || lua_isnil(L, -1)) {
      return fail(r, last.kind != IMAGE_NIL ? "an element behind the keys" : "an element that is nil");
    } else {
      lua_rawseti(L, index, ++n);
    }
  }
  r->at++;
  r->depth--;
  if (mt_ref != LUA_NOREF) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, mt_ref);
    lua_setmetatable(L, index);
  }
  return 0;
}

static int value(struct reader *r)
{
  if (r->at == r->end) {
    return fail(r, "unexpected end");
  }
  switch (*r->at) {
  case '{':
    r->at++;
    return table(r, '}', LUA_NOREF);
  case '[':
    r->at++;
    return table(r, ']', r->script->array_mt_ref);
  case 'o':
    return skip_word(r, "object{") ? table(r, '}', r->script->object_mt_ref) : fail(r, "not a value");
  case '"':
    return text_string(r);
  case '\'':
    return byte_string(r);
  case '-':
    if (r->end - r->at >= 2 && r->at[1] == 'i') {
      return word(r);
    }
    return number(r);
  default:
    return *r->at >= '0' && *r->at <= '9' ? number(r) : word(r);
  }
}

int image_decode(struct script *s, lua_State *L, struct slice text, struct image_error *error)
{
  struct reader r = {.script = s, .L = L, .begin = text.ptr, .at = text.ptr, .end = text.ptr + text.len, .error = error};
  int top = lua_gettop(L);
  int result = lua_checkstack(L, 8) ? value(&r) : fail(&r, "the Lua stack is full");
  if (result == 0 && r.at != r.end) {
    result = fail(&r, "something behind the value");
  }
  if (result != 0) {
    lua_settop(L, top);
  }
  return result;
}
