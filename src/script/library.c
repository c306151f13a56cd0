/* require: first below a folder (for working on the library without building), then embedded. */
#include "script/library.h"

#include <lauxlib.h>
#include <string.h>

#include "script/internal.h"

/* A searcher of package.searchers: the embedded modules. */
static int search_embedded(lua_State *L)
{
  const char *module = luaL_checkstring(L, 1);
  if (strcmp(module, "vortex.core") == 0) {
    lua_pushcfunction(L, api_open);
    lua_pushliteral(L, "built in");
    return 2;
  }
  for (const struct script_library_file *f = script_library; f->module != NULL; f++) {
    if (strcmp(f->module, module) == 0) {
      if (script_load_text(L, slice_of(f->source, f->len), f->chunk) != LUA_OK) {
        return lua_error(L);
      }
      lua_pushstring(L, f->chunk + 1);
      return 2;
    }
  }
  if (strncmp(module, "vortex", 6) == 0) {
    lua_pushfstring(L, "no module '%s' in vortex-lua's own library", module);
    return 1;
  }
  return 0;
}

/* A searcher: files below the folder in upvalue 1. */
static int search_folder(lua_State *L)
{
  const char *folder = lua_tostring(L, lua_upvalueindex(1));
  const char *module = luaL_checkstring(L, 1);
  static const char *const endings[] = {".lua", "/init.lua"};
  const char *name = luaL_gsub(L, module, ".", "/");
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
    const char *path = lua_pushfstring(L, "%s/%s%s", folder, name, endings[i]);
    int status = script_load_file(L, path);
    if (status == LUA_OK) {
      lua_pushstring(L, path);
      return 2;
    }
    if (status != LUA_ERRFILE) {
      return lua_error(L);
    }
    lua_pop(L, 2);
  }
  return 0;
}

static void insert_searcher(lua_State *L, lua_Integer at)
{
  /* stack: searchers, searcher */
  for (lua_Integer i = luaL_len(L, -2); i >= at; i--) {
    lua_geti(L, -2, i);
    lua_seti(L, -3, i + 1);
  }
  lua_seti(L, -2, at);
}

void script_library_open(lua_State *L, const char *folder)
{
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "searchers");
  lua_pushcfunction(L, search_embedded);
  insert_searcher(L, 2); /* behind package.preload */
  if (folder != NULL) {
    lua_pushlstring(L, folder, strlen(folder));
    lua_pushcclosure(L, search_folder, 1);
    insert_searcher(L, 2);
  }
  lua_pop(L, 2);
}
