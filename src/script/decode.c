/* JSON text to Lua values. The scanner has accepted the text, so nothing is checked here. */
#include "script/codec.h"
#include "script/internal.h"
#include "json/read.h"
#include "json/scan.h"

#define BATCH 32 /* values gathered on the stack before a table is made for them */

struct decoder {
  struct script *script;
  lua_State *L;
  const char *end;
  int replaced; /* unpaired surrogates */
};

static const char *value(struct decoder *d, const char *at);

static inline const char *skip_space(const char *at)
{
  while (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t') {
    at++;
  }
  return at;
}

/* Pushes a string; `at` is behind its opening quote. */
static const char *string(struct decoder *d, const char *at)
{
  bool plain;
  const char *end = json_string_end_within(at, d->end, &plain);
  if (plain) {
    lua_pushlstring(d->L, at, (size_t)(end - at));
    return end + 1;
  }
  struct buf *text = &d->script->text;
  buf_clear(text);
  int replaced = json_read_string(slice_of(at, (size_t)(end - at)), text);
  lua_pushlstring(d->L, text->data, text->len);
  d->replaced += replaced;
  return end + 1;
}

static const char *number(struct decoder *d, const char *at)
{
  const char *p = at + (*at == '-');
  uint64_t small = 0;
  while (*p >= '0' && *p <= '9') {
    small = small * 10 + (uint64_t)(*p++ - '0');
  }
  bool whole = *p != '.' && *p != 'e' && *p != 'E';
  if (whole && p - at <= 18) { /* cannot overflow */
    lua_pushinteger(d->L, *at == '-' ? -(lua_Integer)small : (lua_Integer)small);
    return p;
  }
  while ((*p >= '0' && *p <= '9') || *p == '.' || *p == 'e' || *p == 'E' || *p == '+' || *p == '-') {
    p++;
  }
  int64_t integer;
  double real;
  if (json_read_number(slice_of(at, (size_t)(p - at)), &integer, &real) == JSON_INTEGER) {
    lua_pushinteger(d->L, integer);
  } else {
    lua_pushnumber(d->L, real);
  }
  return p;
}

/* Moves the `n` values behind slot `base` into the sequence there, as its elements first, first + 1, …; makes it if `first` is 1. */
static void flush_elements(lua_State *L, int base, int first, int n, bool last)
{
  if (first == 1) {
    lua_createtable(L, last ? n : 2 * n, 0);
    lua_replace(L, base);
  }
  for (int i = 0; i < n; i++) {
    lua_pushvalue(L, base + 1 + i);
    lua_rawseti(L, base, first + i);
  }
  lua_settop(L, base);
}

static const char *array(struct decoder *d, const char *at)
{
  lua_State *L = d->L;
  luaL_checkstack(L, BATCH + 8, "JSON");
  lua_pushnil(L);
  int base = lua_gettop(L);
  int first = 1;
  int n = 0;
  at = skip_space(at);
  while (*at != ']') {
    if (n == BATCH) {
      flush_elements(L, base, first, n, false);
      first += n;
      n = 0;
    }
    at = skip_space(value(d, at));
    n++;
    if (*at == ',') {
      at = skip_space(at + 1);
    }
  }
  if (n > 0 || first == 1) {
    flush_elements(L, base, first, n, true);
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, d->script->array_mt_ref);
  lua_setmetatable(L, base);
  return at + 1;
}

static void flush_members(lua_State *L, int base, bool first, int n)
{
  if (first) {
    lua_createtable(L, 0, n);
    lua_replace(L, base);
  }
  for (int i = 0; i < n; i++) { /* in order: the last of duplicate keys counts */
    lua_pushvalue(L, base + 1 + 2 * i);
    lua_pushvalue(L, base + 2 + 2 * i);
    lua_rawset(L, base);
  }
  lua_settop(L, base);
}

static const char *object(struct decoder *d, const char *at)
{
  lua_State *L = d->L;
  luaL_checkstack(L, 2 * BATCH + 8, "JSON");
  lua_pushnil(L);
  int base = lua_gettop(L);
  bool first = true;
  int n = 0;
  at = skip_space(at);
  while (*at != '}') {
    if (n == BATCH) {
      flush_members(L, base, first, n);
      first = false;
      n = 0;
    }
    at = skip_space(string(d, at + 1));
    at = skip_space(value(d, skip_space(at + 1)));
    n++;
    if (*at == ',') {
      at = skip_space(at + 1);
    }
  }
  if (n > 0 || first) {
    flush_members(L, base, first, n);
  }
  return at + 1;
}

static const char *value(struct decoder *d, const char *at)
{
  switch (*at) {
  case '{':
    return object(d, at + 1);
  case '[':
    return array(d, at + 1);
  case '"':
    return string(d, at + 1);
  case 't':
    lua_pushboolean(d->L, 1);
    return at + 4;
  case 'f':
    lua_pushboolean(d->L, 0);
    return at + 5;
  case 'n':
    lua_pushlightuserdata(d->L, NULL);
    return at + 4;
  default:
    return number(d, at);
  }
}

void codec_decode(struct script *s, lua_State *L, struct slice text)
{
  struct decoder d = {.script = s, .L = L, .end = text.ptr + text.len};
  luaL_checkstack(L, 8, "JSON");
  value(&d, skip_space(text.ptr));
  if (d.replaced > 0 && s->node != NULL && node_may_warn(s->node)) {
    node_log(s->node, LOG_WARN, "replaced %d unpaired surrogate(s) in strings by U+FFFD", d.replaced);
  }
}
