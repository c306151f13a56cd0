/* Error objects: tables {code, name, text, definite} with a metatable of their own. `remote` marks those that came from an RPC: uncaught,
 * they say nothing definite about the request that made it. */
#include "script/internal.h"
#include "json/write.h"

static int error_tostring(lua_State *L)
{
  lua_getfield(L, 1, "name");
  lua_getfield(L, 1, "code");
  lua_getfield(L, 1, "text");
  const char *name = luaL_optstring(L, -3, "error");
  const char *text = luaL_optstring(L, -1, "");
  lua_pushfstring(L, "%s (%s): %s", name, luaL_tolstring(L, -2, NULL), text);
  return 1;
}

void errors_open(struct script *s)
{
  lua_State *L = s->L;
  lua_newtable(L);
  lua_pushliteral(L, "vortex.error");
  lua_setfield(L, -2, "__name");
  lua_pushcfunction(L, error_tostring);
  lua_setfield(L, -2, "__tostring");
  s->error_mt = lua_topointer(L, -1);
  s->error_mt_ref = luaL_ref(L, LUA_REGISTRYINDEX);
}

void errors_push(lua_State *L, long long code, const char *name, struct slice text, bool remote)
{
  struct script *s = script_of(L);
  int known = error_from_protocol_code(code);
  luaL_checkstack(L, 6, "error");
  lua_createtable(L, 0, 5);
  lua_pushinteger(L, code);
  lua_setfield(L, -2, "code");
  if (name != NULL || known != 0) {
    lua_pushstring(L, name != NULL ? name : error_name(known));
  } else {
    lua_pushfstring(L, "error-%I", (LUAI_UACINT)code);
  }
  lua_setfield(L, -2, "name");
  if (text.len > 0) {
    lua_pushlstring(L, text.ptr, text.len);
  } else {
    lua_pushstring(L, known != 0 ? error_text(known) : "");
  }
  lua_setfield(L, -2, "text");
  lua_pushboolean(L, known != 0 && error_is_definite(known));
  lua_setfield(L, -2, "definite");
  if (remote) {
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, "remote");
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->error_mt_ref);
  lua_setmetatable(L, -2);
}

void errors_push_code(lua_State *L, int error, bool remote)
{
  const char *text = error_text(error);
  errors_push(L, error_protocol_code(error), error_name(error), slice_of(text, strlen(text)), remote);
}

static bool is_error(lua_State *L, int index)
{
  if (!lua_istable(L, index) || !lua_getmetatable(L, index)) {
    return false;
  }
  bool same = lua_topointer(L, -1) == script_of(L)->error_mt;
  lua_pop(L, 1);
  return same;
}

bool errors_get(lua_State *L, int index, long long *code, bool *remote, struct slice *text)
{
  index = lua_absindex(L, index);
  if (!is_error(L, index)) {
    return false;
  }
  lua_pushliteral(L, "code");
  lua_rawget(L, index);
  *code = lua_isinteger(L, -1) ? (long long)lua_tointeger(L, -1) : error_protocol_code(ERROR_CRASH);
  lua_pushliteral(L, "remote");
  lua_rawget(L, index);
  *remote = lua_toboolean(L, -1);
  lua_pushliteral(L, "text");
  *text = (struct slice){0};
  if (lua_rawget(L, index) == LUA_TSTRING) {
    text->ptr = lua_tolstring(L, -1, &text->len);
  }
  lua_pop(L, 3);
  return true;
}

/* Pushes the error that argument 1 (a code or a name) and argument 2 (a text) name. */
static void push_named(lua_State *L)
{
  size_t len = 0;
  const char *text = luaL_optlstring(L, 2, NULL, &len);
  if (lua_isinteger(L, 1)) {
    errors_push(L, lua_tointeger(L, 1), NULL, slice_of(text, len), false);
    return;
  }
  const char *name = luaL_checkstring(L, 1);
  int error = error_from_name(name);
  if (error == 0) {
    luaL_error(L, "\"%s\" is not the name of an error (a code, or a name such as \"key-does-not-exist\")", name);
  }
  errors_push(L, error_protocol_code(error), name, slice_of(text, len), false);
}

/* Pushes a copy of the error at 1 as the script's own, with another text if there is one at 2. */
static void push_own(lua_State *L)
{
  lua_newtable(L);
  for (lua_pushnil(L); lua_next(L, 1) != 0;) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, -4);
  }
  lua_pushnil(L);
  lua_setfield(L, -2, "remote");
  if (!lua_isnoneornil(L, 2)) {
    luaL_checkstring(L, 2);
    lua_pushvalue(L, 2);
    lua_setfield(L, -2, "text");
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, script_of(L)->error_mt_ref);
  lua_setmetatable(L, -2);
}

int errors_raise(lua_State *L)
{
  lua_settop(L, 2);
  if (is_error(L, 1)) {
    push_own(L);
  } else {
    push_named(L);
  }
  return lua_error(L);
}

int errors_new(lua_State *L)
{
  lua_settop(L, 3);
  push_named(L);
  if (lua_istable(L, 3)) {
    for (lua_pushnil(L); lua_next(L, 3) != 0;) {
      lua_pushvalue(L, -2);
      lua_insert(L, -2);
      lua_rawset(L, -4);
    }
  }
  return 1;
}

int errors_is(lua_State *L)
{
  lua_pushboolean(L, is_error(L, 1));
  return 1;
}
