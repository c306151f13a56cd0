#include "app/luv.h"

#include <lauxlib.h>
#include <luv/luv.h>

#include "script/script.h"

static const char host_key; /* its address: where the registry keeps the host */

static int traceback(lua_State *L)
{
  luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
  return 1;
}

/* How luv calls back: errors are logged, and tasks that the callback made runnable run. */
static int protected_call(lua_State *L, int nargs, int nresults, int flags)
{
  (void)flags;
  struct script *s = script_of(L);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &host_key);
  host_work(lua_touserdata(L, -1));
  lua_pop(L, 1);
  int base = lua_gettop(L) - nargs;
  lua_pushcfunction(L, traceback);
  lua_insert(L, base);
  int status = lua_pcall(L, nargs, nresults, base);
  lua_remove(L, base);
  if (status != LUA_OK) {
    script_report(s, L, "a luv callback");
  }
  script_settle(s);
  if (status != LUA_OK) {
    return -status;
  }
  return nresults == LUA_MULTRET ? lua_gettop(L) - base + 1 : nresults;
}

/* Upvalue: the function's name. */
static int refused(lua_State *L)
{
  return luaL_error(L, "luv.%s: the loop belongs to the node and runs already", lua_tostring(L, lua_upvalueindex(1)));
}

/* Lua: the loader. Upvalue: the host. */
static int open_luv(lua_State *L)
{
  static const char *const names[] = {"run", "stop", "walk", "loop_close"};
  lua_State *main = script_lua(script_of(L)); /* callbacks run there, whichever coroutine asks for luv first */
  struct host *host = lua_touserdata(L, lua_upvalueindex(1));
  lua_pushlightuserdata(L, host);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &host_key);
  luv_set_loop(main, host_loop(host));
  luv_set_callback(main, protected_call);
  luaopen_luv(L);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    lua_pushstring(L, names[i]);
    lua_pushcclosure(L, refused, 1);
    lua_setfield(L, -2, names[i]);
  }
  return 1;
}

void app_luv_preload(lua_State *L, struct host *host)
{
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushlightuserdata(L, host);
  lua_pushcclosure(L, open_luv, 1);
  lua_setfield(L, -2, "luv");
  lua_pop(L, 1);
}
