#include "lab/checkers_walk.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "script/codec.h"
#include "script/script.h"

#define WALK_MT "vortex.check.walk"

enum {
  SMALL_MAX = 1 << 20, /* integers below have their numbers in an array */
};

static const char *const field_names[] = {"process", "type", "f", "value", "time", "index", "final"};

void checkers_end(struct checkers_walk *w)
{
  map_free(&w->open);
  free(w->small_ids);
  w->small_ids = NULL;
  w->small_cap = 0;
  buf_free(&w->text);
  free(w->pending);
  w->pending = NULL;
  free(w->ops);
  w->ops = NULL;
  linear_result_free(&w->linear);
  free(w->elements);
  w->elements = NULL;
  set_full_free(&w->set);
  set_full_result_free(&w->set_result);
  free(w->ranks);
  w->ranks = NULL;
  counter_free(&w->counter);
}

static int l_gc(lua_State *L)
{
  checkers_end(lua_touserdata(L, 1));
  return 0;
}

struct checkers_walk *checkers_begin(lua_State *L)
{
  luaL_checktype(L, CHECKERS_HISTORY, LUA_TTABLE);
  if (lua_isnoneornil(L, CHECKERS_OPTIONS)) {
    lua_settop(L, CHECKERS_HISTORY);
    lua_newtable(L);
  }
  luaL_checktype(L, CHECKERS_OPTIONS, LUA_TTABLE);
  lua_settop(L, CHECKERS_OPTIONS);
  luaL_checkstack(L, CHECKERS_TOP + LUA_MINSTACK, NULL);
  struct checkers_walk *w = lua_newuserdatauv(L, sizeof *w, 0);
  memset(w, 0, sizeof *w);
  w->L = L;
  if (luaL_newmetatable(L, WALK_MT)) {
    lua_pushcfunction(L, l_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, CHECKERS_WALK);
  lua_pushnil(L); /* the event */
  lua_newtable(L);
  lua_newtable(L);
  lua_newtable(L);
  for (size_t i = 0; i < sizeof field_names / sizeof *field_names; i++) {
    lua_pushstring(L, field_names[i]);
  }
  assert(lua_gettop(L) == CHECKERS_TOP);
  w->length = lua_rawlen(L, CHECKERS_HISTORY);
  return w;
}

void checkers_fail(struct checkers_walk *w, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  const char *what = lua_pushvfstring(w->L, format, args);
  va_end(args);
  luaL_error(w->L, "history[%d]: %s", (int)w->place, what);
  abort(); /* luaL_error does not return */
}

const char *checkers_text(struct checkers_walk *w)
{
  lua_State *L = w->L;
  switch (lua_type(L, -1)) {
  case LUA_TNIL:
  case LUA_TBOOLEAN:
  case LUA_TNUMBER:
  case LUA_TSTRING:
    return luaL_tolstring(L, -1, NULL);
  case LUA_TLIGHTUSERDATA:
    return lua_touserdata(L, -1) == NULL ? "null" : "a userdata";
  default:
    return lua_pushfstring(L, "a %s", luaL_typename(L, -1)); /* never its address: texts are the same in every process */
  }
}

void checkers_push(struct checkers_walk *w, enum checkers_slot name)
{
  lua_pushvalue(w->L, name);
  lua_rawget(w->L, CHECKERS_EVENT);
}

/* The integer on top of the stack, popped; of a float, the integer that it equals. */
static int64_t pop_integer(struct checkers_walk *w, enum checkers_slot name)
{
  int is_integer = 0;
  lua_Integer n = lua_type(w->L, -1) == LUA_TNUMBER ? lua_tointegerx(w->L, -1, &is_integer) : 0;
  if (!is_integer) {
    checkers_fail(w, "%s is %s, not an integer", lua_tostring(w->L, name), checkers_text(w));
  }
  lua_pop(w->L, 1);
  return n;
}

int64_t checkers_integer(struct checkers_walk *w, enum checkers_slot name)
{
  checkers_push(w, name);
  return pop_integer(w, name);
}

int64_t checkers_integer_or(struct checkers_walk *w, enum checkers_slot name, int64_t fallback)
{
  checkers_push(w, name);
  if (lua_isnil(w->L, -1)) {
    lua_pop(w->L, 1);
    return fallback;
  }
  return pop_integer(w, name);
}

const char *checkers_f(struct checkers_walk *w)
{
  checkers_push(w, CHECKERS_F);
  if (lua_type(w->L, -1) != LUA_TSTRING) {
    checkers_fail(w, "f is a %s, not a string", luaL_typename(w->L, -1));
  }
  const char *f = lua_tostring(w->L, -1);
  lua_pop(w->L, 1); /* the event holds it */
  return f;
}

static enum checkers_type read_type(struct checkers_walk *w)
{
  static const char *const names[] = {"invoke", "ok", "fail", "info"};
  checkers_push(w, CHECKERS_TYPE);
  const char *type = lua_type(w->L, -1) == LUA_TSTRING ? lua_tostring(w->L, -1) : "";
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (strcmp(type, names[i]) == 0) {
      lua_pop(w->L, 1);
      return (enum checkers_type)i;
    }
  }
  checkers_fail(w, "type is %s, not invoke, ok, fail or info", checkers_text(w));
}

/* Finds or begins the operation of the present event. */
static void find_op(struct checkers_walk *w)
{
  uint64_t process = (uint64_t)w->process;
  size_t found = (size_t)(uintptr_t)map_get(&w->open, process);
  if (w->type == CHECKERS_INVOKE) {
    if (found != 0) {
      checkers_fail(w, "process %I invokes an operation while another one of its is open", (LUAI_UACINT)w->process);
    }
    w->op = w->op_count++;
    map_put(&w->open, process, (void *)(uintptr_t)w->op_count);
    return;
  }
  if (found == 0) {
    checkers_fail(w, "process %I completes an operation, but has none open", (LUAI_UACINT)w->process);
  }
  map_remove(&w->open, process);
  w->op = found - 1;
}

bool checkers_next(struct checkers_walk *w)
{
  lua_State *L = w->L;
  while (w->place < w->length) {
    w->place++;
    lua_rawgeti(L, CHECKERS_HISTORY, (lua_Integer)w->place);
    lua_replace(L, CHECKERS_EVENT);
    if (!lua_istable(L, CHECKERS_EVENT)) {
      checkers_fail(w, "a %s, not an event", luaL_typename(L, CHECKERS_EVENT));
    }
    checkers_push(w, CHECKERS_PROCESS);
    if (lua_type(L, -1) == LUA_TSTRING) {
      lua_pop(L, 1);
      continue;
    }
    if (!lua_isinteger(L, -1)) {
      checkers_fail(w, "process is %s, neither an integer nor a name", checkers_text(w));
    }
    w->process = lua_tointeger(L, -1);
    lua_pop(L, 1);
    w->type = read_type(w);
    find_op(w);
    return true;
  }
  return false;
}

struct checkers_pending *checkers_pending_of(struct checkers_walk *w)
{
  w->pending = memory_grow(w->pending, &w->pending_cap, w->op_count, sizeof *w->pending);
  struct checkers_pending *p = &w->pending[w->op];
  if (w->type == CHECKERS_INVOKE) {
    *p = (struct checkers_pending){.place = w->place, .process = w->process};
  }
  return p;
}

/* ---- values ---- */

static uint32_t new_id(struct checkers_walk *w, int index)
{
  lua_pushvalue(w->L, index);
  lua_rawseti(w->L, CHECKERS_VALUES, (lua_Integer)w->id_count + 1);
  return w->id_count++;
}

static uint32_t *small_id(struct checkers_walk *w, lua_Integer n)
{
  size_t want = (size_t)n + 1;
  if (want > w->small_cap) {
    size_t old = w->small_cap;
    w->small_ids = memory_grow(w->small_ids, &w->small_cap, want, sizeof *w->small_ids);
    memset(w->small_ids + old, 0, (w->small_cap - old) * sizeof *w->small_ids);
  }
  return &w->small_ids[n];
}

/* Pops the key on top of the stack; its number in `table`, a new one if it has none. */
static uint32_t id_in(struct checkers_walk *w, int table, int index)
{
  lua_State *L = w->L;
  lua_pushvalue(L, -1);
  if (lua_rawget(L, table) == LUA_TNUMBER) {
    uint32_t id = (uint32_t)lua_tointeger(L, -1);
    lua_pop(L, 2);
    return id;
  }
  lua_pop(L, 1);
  uint32_t id = new_id(w, index);
  lua_pushinteger(L, id);
  lua_rawset(L, table);
  return id;
}

static bool is_null(lua_State *L, int index)
{
  return lua_islightuserdata(L, index) && lua_touserdata(L, index) == NULL;
}

uint32_t checkers_intern(struct checkers_walk *w, int index)
{
  lua_State *L = w->L;
  index = lua_absindex(L, index);
  if (lua_isinteger(L, index)) {
    lua_Integer n = lua_tointeger(L, index);
    if (n >= 0 && n < SMALL_MAX) {
      uint32_t *id = small_id(w, n);
      *id = *id == 0 ? new_id(w, index) + 1 : *id;
      return *id - 1;
    }
  }
  if (lua_isnil(L, index)) {
    lua_pushlightuserdata(L, NULL);
    lua_replace(L, index);
  }
  /* A float is no key: 1.0 would be taken for 1. */
  if (lua_isinteger(L, index) || lua_isboolean(L, index) || lua_type(L, index) == LUA_TSTRING || is_null(L, index)) {
    lua_pushvalue(L, index);
    return id_in(w, CHECKERS_IDS, index);
  }
  struct codec_error error;
  codec_error_init(&error);
  buf_clear(&w->text);
  if (codec_encode(script_of(L), L, index, &w->text, &error) != 0) {
    checkers_fail(w, "value%s: %s", error.path, error.reason);
  }
  lua_pushlstring(L, w->text.data, w->text.len);
  return id_in(w, CHECKERS_TEXTS, index);
}

void checkers_push_value(struct checkers_walk *w, uint64_t id)
{
  assert(id < w->id_count);
  lua_rawgeti(w->L, CHECKERS_VALUES, (lua_Integer)id + 1);
}

void checkers_set_integer(lua_State *L, const char *name, lua_Integer value)
{
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}
