/* vortex.id, vortex.ids and vortex.peers.
 *
 * The two lists are made when they are first asked for: most scripts need one of them or none, and in a thousand nodes that know of a
 * thousand they are many. Until then the module's metatable stands in for them. A script that has given the module a metatable of its own
 * gets them at init. */
#include "script/internal.h"

/* Pushes an array of all members, or of all but this node. */
static void push_members(lua_State *L, struct script *s, bool all)
{
  struct slice self = node_id(s->node);
  int count = (int)node_member_count(s->node);
  lua_createtable(L, all ? count : count - 1, 0);
  lua_Integer n = 0;
  for (int i = 0; i < count; i++) {
    struct slice member = node_member(s->node, (size_t)i);
    if (all || !slice_equal(member, self)) {
      lua_pushlstring(L, member.ptr, member.len);
      lua_rawseti(L, -2, ++n);
    }
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->array_mt_ref);
  lua_setmetatable(L, -2);
}

/* Lua: __index(module, key) */
static int index_module(lua_State *L)
{
  struct script *s = script_of(L);
  const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  bool all = strcmp(key, "ids") == 0;
  if (!s->initialized || !(all || strcmp(key, "peers") == 0)) {
    return 0;
  }
  push_members(L, s, all);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, -2);
  lua_rawset(L, 1);
  return 1;
}

/* Lua: next */
static int next_field(lua_State *L)
{
  lua_settop(L, 2);
  return lua_next(L, 1) ? 2 : 0;
}

/* Lua: __pairs(module) */
static int pairs_of_module(lua_State *L)
{
  lua_getfield(L, 1, "ids");
  lua_getfield(L, 1, "peers");
  lua_pushcfunction(L, next_field);
  lua_pushvalue(L, 1);
  return 2;
}

int identity_set_module(lua_State *L)
{
  static const luaL_Reg events[] = {{"__index", index_module}, {"__pairs", pairs_of_module}, {NULL, NULL}};
  struct script *s = script_of(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  luaL_newlib(L, events);
  s->module_mt = lua_topointer(L, -1);
  lua_setmetatable(L, 1);
  luaL_unref(L, LUA_REGISTRYINDEX, s->module_ref);
  s->module_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

/* Pops a value into a field of the module below it, whatever the module's metatable. */
static void set_raw(lua_State *L, const char *field)
{
  lua_pushstring(L, field);
  lua_insert(L, -2);
  lua_rawset(L, -3);
}

void identity_publish(struct script *s)
{
  static const char *const lists[] = {"peers", "ids"};
  lua_State *L = s->L;
  if (s->module_ref == LUA_NOREF) {
    return;
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->module_ref);
  bool later = false;
  if (lua_getmetatable(L, -1)) {
    later = lua_topointer(L, -1) == s->module_mt;
    lua_pop(L, 1);
  }
  for (int all = 0; all < 2; all++) {
    if (later) {
      lua_pushnil(L); /* what a script has put there before init is gone, one way or the other */
    } else {
      push_members(L, s, all);
    }
    set_raw(L, lists[all]);
  }
  struct slice self = node_id(s->node);
  lua_pushlstring(L, self.ptr, self.len);
  set_raw(L, "id");
  lua_pop(L, 1);
}
