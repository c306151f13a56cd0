/* The Lua environment of a simulated node: what the standard libraries have of time, randomness and the outside is replaced. */
#include "lab/sandbox.h"

#include <lauxlib.h>
#include <limits.h>
#include <lua-cjson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "node/node.h"
#include "script/script.h"

int luaopen_cjson_safe(lua_State *L); /* exported by lua-cjson, missing in its header */

/* What the replaced functions share: their first upvalue. */
struct sandbox {
  struct sim_node *sn; /* NULL = the workload's own state */
  bool seeded;         /* math.random follows a seed that the script gave */
};

static struct sandbox *sandbox_of(lua_State *L)
{
  return lua_touserdata(L, lua_upvalueindex(1));
}

/* Calls the function in upvalue 2, which this one replaces, with all arguments, and returns what it returns. */
static int call_original(lua_State *L)
{
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

/* ---- what there is not ---- */

struct refusal {
  const char *library; /* NULL = a global function */
  const char *name;
  const char *why;
};

#define FILES     "files differ from run to run"
#define PROCESSES "other programs do not keep virtual time"
#define LOCALE    "the locale belongs to the whole process"
#define STDIN     "there is nothing to read from: stdin is the simulator's"
#define C_CODE    "C code could do what cannot be repeated"

static const struct refusal refusals[] = {
    {"io", "open", FILES},        {"io", "lines", FILES},
    {"io", "input", FILES},       {"io", "output", FILES},
    {"io", "tmpfile", FILES},     {"io", "close", FILES},
    {"io", "read", STDIN},        {"io", "popen", PROCESSES},
    {"os", "execute", PROCESSES}, {"os", "remove", FILES},
    {"os", "rename", FILES},      {"os", "tmpname", FILES},
    {"os", "setlocale", LOCALE},  {"package", "loadlib", C_CODE},
    {"debug", "debug", STDIN},    {"debug", "sethook", "the hook belongs to the simulator, which stops runaway handlers by it"},
};

/* Upvalues: what was called, and why it is refused. */
static int refused(lua_State *L)
{
  return luaL_error(L, "%s: not in the simulator: %s", lua_tostring(L, lua_upvalueindex(1)), lua_tostring(L, lua_upvalueindex(2)));
}

static void push_refusal(lua_State *L, const char *what, const char *why)
{
  lua_pushstring(L, what);
  lua_pushstring(L, why);
  lua_pushcclosure(L, refused, 2);
}

static void refuse_functions(lua_State *L)
{
  for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
    const struct refusal *r = &refusals[i];
    lua_getglobal(L, r->library);
    lua_pushfstring(L, "%s.%s", r->library, r->name);
    push_refusal(L, lua_tostring(L, -1), r->why);
    lua_setfield(L, -3, r->name);
    lua_pop(L, 2);
  }
}

/* Lua: dofile(path), loadfile(path): files of the program itself, as with require. Without a path they would read stdin. */
static int load_file(lua_State *L)
{
  if (lua_isnoneornil(L, 1)) {
    return luaL_error(L, "loadfile: not in the simulator: %s", STDIN);
  }
  return call_original(L);
}

/* ---- the standard streams ---- */

/* Lua: file:write(…): everything goes to the log, as io.write does. Upvalue 2: io.write. */
static int file_write(lua_State *L)
{
  luaL_checkudata(L, 1, LUA_FILEHANDLE);
  lua_settop(L, lua_gettop(L));
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_insert(L, 2);
  lua_call(L, lua_gettop(L) - 2, 0);
  return 1;
}

/* Lua: file:flush(), io.flush(), file:setvbuf(…): there is nothing to do, the log is not buffered. */
static int do_nothing(lua_State *L)
{
  lua_settop(L, 1);
  return 1;
}

/* Lua: tostring(file), without the address that it has in this process. */
static int file_tostring(lua_State *L)
{
  luaL_checkudata(L, 1, LUA_FILEHANDLE);
  lua_pushliteral(L, "file (a standard stream)");
  return 1;
}

/* ---- time ---- */

static int64_t wall_seconds(const struct sandbox *b)
{
  if (b->sn == NULL) {
    return SIM_EPOCH_S;
  }
  int64_t ns = sim_node_wall_ns(b->sn);
  int64_t s = ns / (int64_t)NODE_S_NS;
  return ns % (int64_t)NODE_S_NS < 0 ? s - 1 : s;
}

/* Lua: os.clock(): the node's monotonic time, since a node that computes is busy all the time. */
static int os_clock(lua_State *L)
{
  struct node *n = script_node(script_of(L));
  lua_pushnumber(L, n != NULL ? (lua_Number)node_now(n) / 1e9 : 0);
  return 1;
}

/* Reads a field of a date as stock Lua does. `fallback` < 0: it must be there. `delta` is what struct tm leaves out. */
static int date_field(lua_State *L, const char *key, int fallback, int delta)
{
  int type = lua_getfield(L, -1, key);
  int is_integer;
  lua_Integer value = lua_tointegerx(L, -1, &is_integer);
  if (!is_integer) {
    if (type != LUA_TNIL) {
      return luaL_error(L, "field '%s' is not an integer", key);
    }
    if (fallback < 0) {
      return luaL_error(L, "field '%s' missing in date table", key);
    }
    value = fallback + delta;
  }
  if (value < (lua_Integer)INT_MIN + delta || value - delta > (lua_Integer)INT_MAX) {
    return luaL_error(L, "field '%s' is out-of-bound", key);
  }
  lua_pop(L, 1);
  return (int)(value - delta);
}

static void set_date_field(lua_State *L, const char *key, int value, int delta)
{
  lua_pushinteger(L, (lua_Integer)value + delta);
  lua_setfield(L, -2, key);
}

/* Lua: os.time([table]): in a world whose local time is UTC. Brings the table in order, as stock Lua does. */
static int os_time(lua_State *L)
{
  if (lua_isnoneornil(L, 1)) {
    lua_pushinteger(L, (lua_Integer)wall_seconds(sandbox_of(L)));
    return 1;
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  struct tm tm = {0};
  tm.tm_year = date_field(L, "year", -1, 1900);
  tm.tm_mon = date_field(L, "month", -1, 1);
  tm.tm_mday = date_field(L, "day", -1, 0);
  tm.tm_hour = date_field(L, "hour", 12, 0);
  tm.tm_min = date_field(L, "min", 0, 0);
  tm.tm_sec = date_field(L, "sec", 0, 0);
  time_t t = timegm(&tm);
  struct tm back;
  if (gmtime_r(&t, &back) == NULL) {
    return luaL_error(L, "time result cannot be represented in this installation");
  }
  set_date_field(L, "year", tm.tm_year, 1900);
  set_date_field(L, "month", tm.tm_mon, 1);
  set_date_field(L, "day", tm.tm_mday, 0);
  set_date_field(L, "hour", tm.tm_hour, 0);
  set_date_field(L, "min", tm.tm_min, 0);
  set_date_field(L, "sec", tm.tm_sec, 0);
  set_date_field(L, "yday", tm.tm_yday, 1);
  set_date_field(L, "wday", tm.tm_wday, 1);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "isdst");
  lua_pushinteger(L, (lua_Integer)t);
  return 1;
}

/* Lua: os.date([format [, time]]). Upvalue 2: the original, which is always asked for UTC and always told the time. */
static int os_date(lua_State *L)
{
  const char *format = luaL_optstring(L, 1, "%c");
  lua_Integer when = luaL_opt(L, luaL_checkinteger, 2, (lua_Integer)wall_seconds(sandbox_of(L)));
  size_t len = lua_isnoneornil(L, 1) ? 2 : lua_rawlen(L, 1);
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_pushliteral(L, "!");
  lua_pushlstring(L, format, len);
  if (format[0] == '!') {
    lua_remove(L, -2);
  } else {
    lua_concat(L, 2);
  }
  lua_pushinteger(L, when);
  lua_call(L, 2, 1);
  return 1;
}

/* ---- randomness ---- */

/* Uniform in [0, limit], drawn anew until it fits. */
static uint64_t draw_to(struct node *n, uint64_t limit)
{
  uint64_t mask = limit;
  for (unsigned shift = 1; shift < 64; shift *= 2) {
    mask |= mask >> shift;
  }
  uint64_t value;
  do {
    value = node_random(n) & mask;
  } while (value > limit);
  return value;
}

/* Lua: math.random([m [, n]]). Upvalue 2: the original. */
static int math_random(lua_State *L)
{
  struct node *n = script_node(script_of(L));
  if (sandbox_of(L)->seeded || n == NULL) {
    return call_original(L);
  }
  lua_Integer low = 1;
  lua_Integer high;
  switch (lua_gettop(L)) {
  case 0:
    lua_pushnumber(L, (lua_Number)(node_random(n) >> 11) * (0.5 / ((uint64_t)1 << 52))); /* 53 bits, in [0, 1) */
    return 1;
  case 1:
    high = luaL_checkinteger(L, 1);
    if (high == 0) { /* all bits */
      lua_pushinteger(L, (lua_Integer)node_random(n));
      return 1;
    }
    break;
  case 2:
    low = luaL_checkinteger(L, 1);
    high = luaL_checkinteger(L, 2);
    break;
  default:
    return luaL_error(L, "wrong number of arguments");
  }
  luaL_argcheck(L, low <= high, 1, "interval is empty");
  lua_pushinteger(L, (lua_Integer)(draw_to(n, (uint64_t)high - (uint64_t)low) + (uint64_t)low));
  return 1;
}

/* Lua: math.randomseed([x [, y]]). Upvalue 2: the original. */
static int math_randomseed(lua_State *L)
{
  struct node *n = script_node(script_of(L));
  struct sandbox *b = sandbox_of(L);
  b->seeded = !lua_isnone(L, 1);
  if (!b->seeded && n != NULL) {
    lua_pushinteger(L, (lua_Integer)node_random(n));
    lua_pushinteger(L, (lua_Integer)node_random(n));
  }
  return call_original(L);
}

/* ---- others ---- */

static int os_getenv(lua_State *L)
{
  luaL_checkstring(L, 1);
  lua_pushnil(L);
  return 1;
}

/* Lua: os.exit(…): the node's process ends, not ours. */
static int os_exit(lua_State *L)
{
  struct sandbox *b = sandbox_of(L);
  if (b->sn != NULL) {
    sim_node_exit(b->sn);
  }
  return luaL_error(L, "os.exit: the node has ended itself");
}

/* ---- modules ---- */

/* A searcher: modules that are found by LUA_PATH in the environment. It is not part of package.path, so that runs that do not need it do
 * not depend on it. Upvalue 2: package.searchpath. */
static int search_environment(lua_State *L)
{
  const char *path = getenv("LUA_PATH_5_4");
  path = path != NULL ? path : getenv("LUA_PATH");
  if (path == NULL) {
    return 0;
  }
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_pushvalue(L, 1);
  lua_pushlstring(L, path, strlen(path));
  lua_call(L, 2, 2);
  if (lua_isnil(L, -2)) {
    return 1;
  }
  lua_pop(L, 1);
  if (luaL_loadfilex(L, lua_tostring(L, -1), "t") != LUA_OK) {
    return luaL_error(L, "error loading module '%s' from file '%s':\n\t%s", lua_tostring(L, 1), lua_tostring(L, -2), lua_tostring(L, -1));
  }
  lua_insert(L, -2);
  return 2;
}

/* A searcher, the last one: says of a C module that it is one. Upvalue 2: package.searchpath. */
static int search_c(lua_State *L)
{
  lua_getglobal(L, "package");
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_pushvalue(L, 1);
  lua_getfield(L, -3, "cpath");
  lua_call(L, 2, 1);
  if (lua_isnil(L, -1)) {
    return 0;
  }
  return luaL_error(L, "%s: not in the simulator: it is a module in C (%s), and %s", lua_tostring(L, 1), lua_tostring(L, -1), C_CODE);
}

/* Lua: cjson.encode_keep_buffer([keep]) -> keep: as the original, but no memory outside the Lua state is kept. Upvalue: what was set. */
static int keep_buffer(lua_State *L)
{
  if (!lua_isnoneornil(L, 1)) {
    luaL_checktype(L, 1, LUA_TBOOLEAN);
    lua_pushvalue(L, 1);
    lua_replace(L, lua_upvalueindex(1));
  }
  lua_pushvalue(L, lua_upvalueindex(1));
  return 1;
}

/* Opens a cjson module by the function in upvalue 1, without the buffer that it would keep outside the Lua state: a node's state is dropped
 * without a finaliser having run. Lua: (…) -> module; also its new(). */
static int open_cjson(lua_State *L)
{
  lua_CFunction open = lua_tocfunction(L, lua_upvalueindex(1));
  lua_settop(L, 0);
  lua_pushcfunction(L, open);
  lua_call(L, 0, 1);
  lua_getfield(L, 1, "encode_keep_buffer");
  lua_pushboolean(L, 0);
  lua_call(L, 1, 0);
  lua_pushboolean(L, 1);
  lua_pushcclosure(L, keep_buffer, 1);
  lua_setfield(L, 1, "encode_keep_buffer");
  lua_getfield(L, 1, "new");
  lua_pushcclosure(L, open_cjson, 1);
  lua_setfield(L, 1, "new");
  return 1;
}

static void open_modules(lua_State *L)
{
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_cjson);
  lua_pushcclosure(L, open_cjson, 1);
  lua_setfield(L, -2, "cjson");
  lua_pushcfunction(L, luaopen_cjson_safe);
  lua_pushcclosure(L, open_cjson, 1);
  lua_setfield(L, -2, "cjson.safe");
  push_refusal(L, "luv", "its loop keeps real time");
  lua_setfield(L, -2, "luv");
  lua_pop(L, 1);
}

/* Puts our searchers in the place of the two for C modules, which are the last. The sandbox is at `shared`. */
static void open_searchers(lua_State *L, int shared)
{
  static const lua_CFunction last[] = {search_environment, search_c};
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "searchers");
  lua_Integer n = luaL_len(L, -1);
  for (int i = 0; i < 2; i++) {
    lua_pushvalue(L, shared);
    lua_getfield(L, -3, "searchpath");
    lua_pushcclosure(L, last[i], 2);
    lua_seti(L, -2, n - 1 + i);
  }
  lua_pop(L, 2);
}

/* ---- opening ---- */

static const struct {
  const char *library;
  const char *name;
  lua_CFunction function;
  int upvalues; /* 1: what all share; 2: the original as well, if it is called: else a script could get at it (debug.getupvalue) */
} replacements[] = {
    {"os", "time", os_time, 1},
    {"os", "date", os_date, 2},
    {"os", "clock", os_clock, 1},
    {"os", "getenv", os_getenv, 1},
    {"os", "exit", os_exit, 1},
    {"math", "random", math_random, 2},
    {"math", "randomseed", math_randomseed, 2},
    {"io", "flush", do_nothing, 1},
    {LUA_GNAME, "dofile", load_file, 2},
    {LUA_GNAME, "loadfile", load_file, 2},
};

static void replace_functions(lua_State *L, int shared)
{
  for (size_t i = 0; i < sizeof replacements / sizeof *replacements; i++) {
    lua_getglobal(L, replacements[i].library);
    lua_pushvalue(L, shared);
    if (replacements[i].upvalues == 2) {
      lua_getfield(L, -2, replacements[i].name);
    }
    lua_pushcclosure(L, replacements[i].function, replacements[i].upvalues);
    lua_setfield(L, -2, replacements[i].name);
    lua_pop(L, 1);
  }
}

static void replace_streams(lua_State *L, int shared)
{
  static const char *const reading[] = {"read", "lines", "seek", "close"};
  luaL_getmetatable(L, LUA_FILEHANDLE);
  lua_pushcfunction(L, file_tostring);
  lua_setfield(L, -2, "__tostring");
  lua_getfield(L, -1, "__index");
  for (size_t i = 0; i < sizeof reading / sizeof *reading; i++) {
    lua_pushfstring(L, "file:%s", reading[i]);
    push_refusal(L, lua_tostring(L, -1), FILES);
    lua_setfield(L, -3, reading[i]);
    lua_pop(L, 1);
  }
  lua_pushvalue(L, shared);
  lua_getglobal(L, "io");
  lua_getfield(L, -1, "write");
  lua_remove(L, -2);
  lua_pushcclosure(L, file_write, 2);
  lua_setfield(L, -2, "write");
  lua_pushcfunction(L, do_nothing);
  lua_setfield(L, -2, "flush");
  lua_pushcfunction(L, do_nothing);
  lua_setfield(L, -2, "setvbuf");
  lua_pop(L, 2);
}

void sandbox_open(lua_State *L, void *sn)
{
  struct sandbox *b = lua_newuserdatauv(L, sizeof *b, 0);
  *b = (struct sandbox){.sn = sn};
  int shared = lua_gettop(L);
  replace_functions(L, shared);
  replace_streams(L, shared);
  refuse_functions(L);
  open_modules(L);
  open_searchers(L, shared);
  lua_settop(L, shared - 1);
}
