/* A guarded function is a closure with the upvalues of the original, so that it can call it without a frame of its own; behind them come
 * the original and the guard. */
#include "script/guard.h"

#include "script/internal.h"

struct guard {
  const char *name;    /* the field */
  const char *instead; /* what is wrong with it here, and what to do */
};

#define CLOCK "differs between replicas: put the time into the command"
#define DRAW  "differs between replicas: draw before proposing, and put what was drawn into the command"
#define OUTSIDE                                                                                                                            \
  "differs between replicas, as all that is outside of the state: look before proposing, and put what is needed into the command"
#define EFFECT  "would happen on every replica: do it in the task that proposes, with what propose returns"
#define WAITING "cannot be used: a state machine's functions run to their end at once; do it in the task that proposes"
#define LATER   "is for the main chunk and for tasks"

static const struct guard in_os[] = {
    {"time", CLOCK},
    {"clock", CLOCK},
    {"date", "differs between replicas, by clock, time zone and locale: put what is needed into the command"},
    {"getenv", OUTSIDE},
    {"tmpname", OUTSIDE},
    {"execute", EFFECT},
    {"remove", EFFECT},
    {"rename", EFFECT},
    {"setlocale", EFFECT},
    {"exit", EFFECT},
};

static const struct guard in_io[] = {
    {"open", OUTSIDE},    {"lines", OUTSIDE},
    {"read", OUTSIDE},    {"input", OUTSIDE},
    {"output", OUTSIDE},  {"popen", OUTSIDE},
    {"tmpfile", OUTSIDE}, {"close", OUTSIDE},
    {"flush", EFFECT},    {"write", "may write to a file: use print or vortex.log"},
};

static const struct guard in_math[] = {{"random", DRAW}, {"randomseed", DRAW}};

static const struct guard in_globals[] = {
    {"collectgarbage", "differs between replicas, and belongs to the whole node"},
    {"dofile", OUTSIDE},
    {"loadfile", OUTSIDE},
};

static const struct guard in_files[] = {
    {"read", OUTSIDE}, {"lines", OUTSIDE}, {"seek", OUTSIDE}, {"write", EFFECT}, {"close", EFFECT}, {"flush", EFFECT}, {"setvbuf", EFFECT},
};

static const struct guard in_core[] = {
    {"now", CLOCK},     {"random", DRAW},   {"send", EFFECT},     {"broadcast", EFFECT}, {"spawn", EFFECT},
    {"after", EFFECT},  {"every", EFFECT},  {"unpark", EFFECT},   {"rpc", WAITING},      {"try_rpc", WAITING},
    {"sleep", WAITING}, {"park", WAITING},  {"task", WAITING},    {"on", LATER},         {"on_default", LATER},
    {"on_init", LATER}, {"on_exit", LATER}, {"set_check", LATER}, {"raft_open", LATER},
};

static const struct guard in_messages[] = {{"reply", EFFECT}, {"forward", EFFECT}};

static const struct guard in_timers[] = {{"cancel", EFFECT}};

static const struct guard in_groups[] = {
    {"propose", WAITING}, {"try_propose", WAITING}, {"read", WAITING},     {"try_read", WAITING},
    {"change", WAITING},  {"try_change", WAITING},  {"transfer", WAITING}, {"try_transfer", WAITING},
    {"on_change", LATER}, {"status", OUTSIDE},      {"leader", OUTSIDE},   {"is_leader", OUTSIDE},
};

/* A table with functions that are guarded. */
struct place {
  const char *prefix; /* what errors write in front of a function's name */
  const struct guard *guards;
  size_t count;
};

#define PLACE(prefix, guards)                                                                                                              \
  {                                                                                                                                        \
    prefix, guards, sizeof(guards) / sizeof *(guards)                                                                                      \
  }

enum {
  IN_OS,
  IN_IO,
  IN_MATH,
  IN_GLOBALS,
  IN_FILES,
  IN_CORE,
  IN_MESSAGES,
  IN_TIMERS,
  IN_GROUPS,
  PLACES,
};

static const struct place places[PLACES] = {
    [IN_OS] = PLACE("os.", in_os),
    [IN_IO] = PLACE("io.", in_io),
    [IN_MATH] = PLACE("math.", in_math),
    [IN_GLOBALS] = PLACE("", in_globals),
    [IN_FILES] = PLACE("file:", in_files),
    [IN_CORE] = PLACE("vortex.", in_core),
    [IN_MESSAGES] = PLACE("msg:", in_messages),
    [IN_TIMERS] = PLACE("timer:", in_timers),
    [IN_GROUPS] = PLACE("raft:", in_groups),
};

/* ---- the closures ---- */

#define UPVALUES_MAX 3

static int refuse(lua_State *L, const struct guard *g)
{
  const struct place *p = places;
  while (g < p->guards || g >= p->guards + p->count) {
    p++;
  }
  return luaL_error(L, "%s: %s%s %s", script_of(L)->machine, p->prefix, g->name, g->instead);
}

static inline int guarded(lua_State *L, int upvalues)
{
  if (script_of(L)->machine != NULL) {
    return refuse(L, lua_touserdata(L, lua_upvalueindex(upvalues + 2)));
  }
  return lua_tocfunction(L, lua_upvalueindex(upvalues + 1))(L);
}

static int guarded_0(lua_State *L)
{
  return guarded(L, 0);
}

static int guarded_1(lua_State *L)
{
  return guarded(L, 1);
}

static int guarded_2(lua_State *L)
{
  return guarded(L, 2);
}

static int guarded_3(lua_State *L)
{
  return guarded(L, 3);
}

/* Replaces the function on top of the stack by its guarded form. */
static void guard(lua_State *L, const struct guard *g)
{
  static const lua_CFunction closures[UPVALUES_MAX + 1] = {guarded_0, guarded_1, guarded_2, guarded_3};
  int function = lua_gettop(L);
  int n = 0;
  assert(lua_iscfunction(L, function));
  while (lua_getupvalue(L, function, n + 1) != NULL) {
    n++;
  }
  assert(n <= UPVALUES_MAX);
  lua_pushvalue(L, function);
  lua_pushlightuserdata(L, (void *)(uintptr_t)g);
  lua_pushcclosure(L, closures[n], n + 2);
  lua_replace(L, function);
}

/* Guards what there is of a place in the table on top of the stack. */
static void guard_place(lua_State *L, int place)
{
  for (size_t i = 0; i < places[place].count; i++) {
    const struct guard *g = &places[place].guards[i];
    if (lua_getfield(L, -1, g->name) == LUA_TFUNCTION) {
      guard(L, g);
      lua_setfield(L, -2, g->name);
    } else {
      lua_pop(L, 1);
    }
  }
}

void guard_libraries(struct script *s)
{
  static const struct {
    const char *name;
    int place;
  } libraries[] = {{"os", IN_OS}, {"io", IN_IO}, {"math", IN_MATH}, {LUA_GNAME, IN_GLOBALS}};
  lua_State *L = s->L;
  for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
    lua_getglobal(L, libraries[i].name);
    guard_place(L, libraries[i].place);
    lua_pop(L, 1);
  }
  luaL_getmetatable(L, LUA_FILEHANDLE);
  lua_getfield(L, -1, "__index");
  guard_place(L, IN_FILES);
  lua_pop(L, 2);
}

void guard_core(lua_State *L)
{
  guard_place(L, IN_CORE);
}

void guard_message(lua_State *L)
{
  guard_place(L, IN_MESSAGES);
}

void guard_timer(lua_State *L)
{
  guard_place(L, IN_TIMERS);
}

void guard_raft(lua_State *L)
{
  guard_place(L, IN_GROUPS);
}
