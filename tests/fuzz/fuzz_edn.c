/* Stored histories in each notation: whatever the bytes, reading ends, leaves the stack as it was, and either gives a sequence of complete
 * events or says why not, at a place in the text. */
#include <lauxlib.h>
#include <string.h>

#include "check.h"
#include "lab/history.h"
#include "script/script.h"

static struct script *script(void)
{
  static struct script *s;
  if (s == NULL) {
    s = script_new(&(struct script_config){.path = "fuzz"});
  }
  return s;
}

static void check_event(lua_State *L)
{
  lua_getfield(L, -1, "index");
  lua_getfield(L, -2, "time");
  CHECK(lua_isinteger(L, -1) && lua_isinteger(L, -2));
  lua_getfield(L, -3, "process");
  CHECK(lua_isinteger(L, -1) || strcmp(lua_tostring(L, -1), "nemesis") == 0);
  lua_getfield(L, -4, "type");
  lua_getfield(L, -5, "f");
  CHECK(lua_type(L, -1) == LUA_TSTRING && lua_type(L, -2) == LUA_TSTRING);
  lua_getfield(L, -6, "value");
  CHECK(!lua_isnil(L, -1));
  lua_pop(L, 6);
}

static void read_as(const char *name, struct slice text)
{
  lua_State *L = script_lua(script());
  struct buf message = {0};
  enum history_format format;
  if (history_read(L, text, name, &format, &message) == 0) {
    CHECK(lua_gettop(L) == 1 && message.len == 0);
    for (lua_Integer i = 1; lua_rawgeti(L, 1, i) != LUA_TNIL; i++) {
      check_event(L);
      lua_pop(L, 1);
    }
    lua_pushcfunction(L, history_open);
    CHECK(lua_pcall(L, 0, 1, 0) == LUA_OK);
    lua_getfield(L, -1, "keyed");
    lua_pushvalue(L, 1);
    CHECK(lua_pcall(L, 1, 1, 0) == LUA_OK || strstr(lua_tostring(L, -1), "either all reads") != NULL);
  } else {
    CHECK(lua_gettop(L) == 0);
    CHECK(message.len > strlen(name) && memcmp(message.data, name, strlen(name)) == 0);
    CHECK(memchr(message.data, '\n', message.len) == NULL);
  }
  lua_settop(L, 0);
  buf_free(&message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static const char *const names[] = {"x.edn", "x.log", "x.jsonl", "x"};
  char *copy = malloc(size + 1); /* the byte behind the text that reading wants, and no more */
  if (size > 0) {
    memcpy(copy, data, size);
  }
  copy[size] = '\0';
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    read_as(names[i], slice_of(copy, size));
  }
  free(copy);
  return 0;
}
