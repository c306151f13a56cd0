/* Recursive descent over EDN: names, collections, tags. A failure is noted once and handed up; the outermost call puts the stack back. */
#include "lab/edn.h"

#include <lauxlib.h>
#include <math.h>
#include <stdbool.h>

#include "lab/edn_scalar.h"

static bool value(struct edn_reader *r, int depth);

static bool unexpected(struct edn_reader *r, const char *expected)
{
  char found[16];
  return r->at == r->end ? edn_fail(r, r->at, "%s expected, but the text ends", expected)
                         : edn_fail(r, r->at, "%s expected, not %s", expected, edn_name_byte(r->at, found));
}

/* Skips white space, comments and discarded forms. */
static bool skip(struct edn_reader *r, int depth)
{
  while (r->at < r->end) {
    if (edn_is_space(*r->at)) {
      r->at++;
    } else if (*r->at == ';') {
      const char *newline = memchr(r->at, '\n', (size_t)(r->end - r->at));
      r->at = newline != NULL ? newline : r->end;
    } else if (*r->at == '#' && r->end - r->at > 1 && r->at[1] == '_') {
      r->at += 2;
      if (!value(r, depth + 1)) {
        return false;
      }
      lua_pop(r->L, 1);
    } else {
      break;
    }
  }
  return true;
}

/* ---- names ---- */

static bool keyword(struct edn_reader *r)
{
  const char *begin = r->at + 1;
  const char *end = edn_token_end(r, begin);
  if (begin == end) {
    return edn_fail(r, r->at, "a keyword without a name");
  }
  lua_pushlstring(r->L, begin, (size_t)(end - begin));
  r->at = end;
  return true;
}

static bool symbol(struct edn_reader *r)
{
  struct slice name = slice_of(r->at, (size_t)(edn_token_end(r, r->at) - r->at));
  r->at += name.len;
  if (slice_equal(name, SLICE("nil"))) {
    lua_pushlightuserdata(r->L, NULL);
  } else if (slice_equal(name, SLICE("true")) || slice_equal(name, SLICE("false"))) {
    lua_pushboolean(r->L, name.len == 4);
  } else {
    lua_pushlstring(r->L, name.ptr, name.len);
  }
  return true;
}

/* ---- containers ---- */

/* At a position where an element or `close` must stand. 1 = an element, 0 = close (skipped), -1 = failed. */
static int element(struct edn_reader *r, const char *open, char close, int depth)
{
  char found[16];
  if (!skip(r, depth)) {
    return -1;
  }
  if (r->at == r->end) {
    edn_fail(r, open, "%s is never closed", edn_name_byte(open, found));
    return -1;
  }
  if (*r->at == close) {
    r->at++;
    return 0;
  }
  if (*r->at == ')' || *r->at == ']' || *r->at == '}') {
    edn_fail(r, r->at, "'%c' expected, not %s", close, edn_name_byte(r->at, found));
    return -1;
  }
  return 1;
}

/* `open` is the bracket, behind which reading begins. */
static bool sequence(struct edn_reader *r, const char *open, char close, int depth)
{
  lua_State *L = r->L;
  int more;
  lua_newtable(L);
  for (lua_Integer i = 1; (more = element(r, open, close, depth)) > 0; i++) {
    if (!value(r, depth)) {
      return false;
    }
    lua_rawseti(L, -2, i);
  }
  lua_pushvalue(L, r->array_mt);
  lua_setmetatable(L, -2);
  return more == 0;
}

static bool is_nan(lua_State *L, int index)
{
  return lua_type(L, index) == LUA_TNUMBER && isnan(lua_tonumber(L, index));
}

static bool map(struct edn_reader *r, int depth)
{
  lua_State *L = r->L;
  const char *open = r->at++;
  int more;
  lua_createtable(L, 0, 8); /* an operation has about so many members */
  while ((more = element(r, open, '}', depth)) > 0) {
    const char *key = r->at;
    if (!value(r, depth)) {
      return false;
    }
    if (is_nan(L, -1)) {
      return edn_fail(r, key, "NaN as the key of a map");
    }
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) != LUA_TNIL) {
      return edn_fail(r, key, "the same key twice in one map");
    }
    lua_pop(L, 1);
    int has_value = element(r, open, '}', depth);
    if (has_value <= 0) {
      return has_value == 0 ? edn_fail(r, key, "a key without a value") : false;
    }
    if (!value(r, depth)) {
      return false;
    }
    lua_rawset(L, -3);
  }
  return more == 0;
}

/* ##Inf, ##-Inf, ##NaN: at the first '#'. */
static bool symbolic(struct edn_reader *r)
{
  const char *begin = r->at + 2;
  struct slice name = slice_of(begin, (size_t)(edn_token_end(r, begin) - begin));
  bool minus = slice_equal(name, SLICE("-Inf"));
  if (minus || slice_equal(name, SLICE("Inf"))) {
    lua_pushnumber(r->L, minus ? -HUGE_VAL : HUGE_VAL);
  } else if (slice_equal(name, SLICE("NaN"))) {
    lua_pushnumber(r->L, (lua_Number)NAN);
  } else {
    return edn_fail(r, r->at, "##Inf, ##-Inf or ##NaN expected");
  }
  r->at += 2 + name.len;
  return true;
}

/* At a '#' that discards nothing. */
static bool dispatch(struct edn_reader *r, int depth)
{
  const char *begin = r->at++;
  if (r->at < r->end && *r->at == '{') {
    r->at++;
    return sequence(r, begin, '}', depth);
  }
  if (r->at < r->end && *r->at == '#') {
    r->at--;
    return symbolic(r);
  }
  if (r->at == r->end || !(edn_is_letter(*r->at) || *r->at == ':' || (unsigned char)*r->at >= 0x80)) {
    return unexpected(r, "a tag, '{' or '_' behind '#'");
  }
  r->at = edn_token_end(r, r->at);
  return value(r, depth);
}

/* Pushes the next form; `depth` is the number of forms around it. On failure the stack may hold parts of it. */
static bool value(struct edn_reader *r, int depth)
{
  if (!skip(r, depth)) {
    return false;
  }
  if (r->at == r->end) {
    return unexpected(r, "a value");
  }
  if (depth >= EDN_DEPTH_MAX) {
    return edn_fail(r, r->at, "nested deeper than %d", EDN_DEPTH_MAX);
  }
  luaL_checkstack(r->L, 8, "EDN");
  char c = *r->at;
  char next = r->end - r->at > 1 ? r->at[1] : '\0';
  switch (c) {
  case '{':
    return map(r, depth + 1);
  case '[':
  case '(':
    r->at++;
    return sequence(r, r->at - 1, c == '[' ? ']' : ')', depth + 1);
  case '"':
    return edn_string(r);
  case ':':
    return keyword(r);
  case '\\':
    return edn_character(r);
  case '#':
    return dispatch(r, depth + 1);
  default:
    if (edn_is_digit(c) || ((c == '-' || c == '+') && edn_is_digit(next))) {
      return edn_number(r);
    }
    return edn_is_constituent(c) && c != '\'' ? symbol(r) : unexpected(r, "a value");
  }
}

/* ---- the outside ---- */

void edn_init(struct edn_reader *r, lua_State *L, struct slice text, int array_mt)
{
  *r = (struct edn_reader){.at = text.ptr, .end = text.ptr + text.len, .L = L, .array_mt = lua_absindex(L, array_mt)};
}

void edn_close(struct edn_reader *r)
{
  buf_free(&r->text);
}

int edn_skip(struct edn_reader *r)
{
  int top = lua_gettop(r->L);
  bool ok = skip(r, 0);
  lua_settop(r->L, top);
  return !ok ? -1 : r->at < r->end;
}

int edn_read(struct edn_reader *r)
{
  int top = lua_gettop(r->L);
  bool ok = value(r, 0);
  if (!ok) {
    lua_settop(r->L, top);
  }
  return ok ? 0 : -1;
}
