/* One event: what a text says of an operation, checked and completed. */
#include <lauxlib.h>
#include <stdarg.h>
#include <stdio.h>

#include "lab/edn.h"
#include "lab/history.h"
#include "lab/history_reader.h"

bool history_fail(struct history_reader *r, const char *at, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  vsnprintf(r->reason, sizeof r->reason, format, args);
  va_end(args);
  r->wrong = at;
  return false;
}

bool history_fail_edn(struct history_reader *r, const struct edn_reader *edn)
{
  return history_fail(r, edn->wrong, "%s", edn->reason);
}

/* nil, null, or absent */
static bool is_null(lua_State *L, int index)
{
  return lua_isnil(L, index) || (lua_islightuserdata(L, index) && lua_touserdata(L, index) == NULL);
}

/* What a member is, for a message: a short scalar's text, or the name of its type. */
static const char *describe(lua_State *L, int index, char out[64])
{
  if (is_null(L, index)) {
    return "nil";
  }
  int type = lua_type(L, index);
  if (type == LUA_TSTRING) {
    const char *text = lua_tostring(L, index);
    snprintf(out, 64, strlen(text) > 40 ? "\"%.40s…\"" : "\"%.40s\"", text);
    return out;
  }
  if (type == LUA_TNUMBER) {
    if (lua_isinteger(L, index)) {
      snprintf(out, 64, "%lld", (long long)lua_tointeger(L, index));
    } else {
      snprintf(out, 64, "%.17g", lua_tonumber(L, index));
    }
    return out;
  }
  return type == LUA_TTABLE ? "a collection" : luaL_typename(L, index);
}

/* The event is on top of the stack. */
static bool check_type(struct history_reader *r, const char *at)
{
  static const char *const types[] = {"invoke", "ok", "fail", "info"};
  char found[64];
  bool known = false;
  if (lua_getfield(r->L, -1, "type") == LUA_TSTRING) {
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
      known = known || strcmp(lua_tostring(r->L, -1), types[i]) == 0;
    }
  }
  if (!known) {
    return history_fail(r, at, "an operation of type invoke, ok, fail or info expected, not %s", describe(r->L, -1, found));
  }
  lua_pop(r->L, 1);
  return true;
}

static bool check_process(struct history_reader *r, const char *at)
{
  lua_State *L = r->L;
  char found[64];
  lua_getfield(L, -1, "process");
  bool client = lua_isinteger(L, -1) && lua_tointeger(L, -1) >= 0;
  bool nemesis = lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), "nemesis") == 0;
  if (!client && !nemesis) {
    return history_fail(r, at, "an operation whose process is an integer from 0 on, or nemesis, expected, not %s", describe(L, -1, found));
  }
  lua_pop(L, 1);
  return true;
}

static bool check_f(struct history_reader *r, const char *at)
{
  char found[64];
  if (lua_getfield(r->L, -1, "f") != LUA_TSTRING) {
    return history_fail(r, at, "an operation whose f is a name expected, not %s", describe(r->L, -1, found));
  }
  lua_pop(r->L, 1);
  return true;
}

/* Reads an integer member, or puts `otherwise` there if it is absent. */
static bool take_integer(struct history_reader *r, const char *at, const char *field, lua_Integer otherwise, lua_Integer *out)
{
  lua_State *L = r->L;
  char found[64];
  lua_getfield(L, -1, field);
  int exact = 1;
  *out = is_null(L, -1) ? otherwise : lua_type(L, -1) == LUA_TNUMBER ? lua_tointegerx(L, -1, &exact) : (exact = 0);
  if (!exact) {
    return history_fail(r, at, "an operation whose %s is an integer expected, not %s", field, describe(L, -1, found));
  }
  lua_pop(L, 1);
  lua_pushinteger(L, *out);
  lua_setfield(L, -2, field);
  return true;
}

static bool take_time(struct history_reader *r, const char *at)
{
  lua_getfield(r->L, -1, "time");
  r->timed = r->timed || !is_null(r->L, -1);
  lua_pop(r->L, 1);
  return take_integer(r, at, "time", r->timed ? r->last_time : r->count * HISTORY_STEP_NS, &r->last_time);
}

static void set_absent(lua_State *L, const char *field)
{
  lua_pushnil(L);
  lua_setfield(L, -2, field);
}

static void complete_optional(lua_State *L)
{
  if (lua_getfield(L, -1, "value") == LUA_TNIL) {
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -3, "value");
  }
  lua_pop(L, 1);
  lua_getfield(L, -1, "error");
  bool no_error = is_null(L, -1);
  lua_pop(L, 1);
  if (no_error) {
    set_absent(L, "error");
  }
  lua_getfield(L, -1, "final");
  lua_getfield(L, -2, "final?");
  bool final = (lua_toboolean(L, -1) && !is_null(L, -1)) || (lua_toboolean(L, -2) && !is_null(L, -2));
  lua_pop(L, 2);
  set_absent(L, "final?");
  set_absent(L, "final");
  if (final) {
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, "final");
  }
}

bool history_add(struct history_reader *r, const char *at)
{
  lua_State *L = r->L;
  lua_Integer index;
  if (!check_type(r, at) || !check_process(r, at) || !check_f(r, at) || !take_integer(r, at, "index", r->count, &index) ||
      !take_time(r, at)) {
    return false;
  }
  complete_optional(L);
  lua_rawseti(L, r->history, ++r->count);
  return true;
}
