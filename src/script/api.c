/* The module vortex.core: what scripts and the Lua half of the library call. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "script/codec.h"
#include "script/guard.h"
#include "script/internal.h"
#include "json/scan.h"

uint64_t script_seconds_ns(lua_Number seconds)
{
  return seconds >= 1e9 ? NODE_RPC_TIMEOUT_MAX_NS : (uint64_t)(seconds * 1e9);
}

uint64_t script_check_seconds(lua_State *L, int arg)
{
  lua_Number seconds = luaL_checknumber(L, arg);
  luaL_argcheck(L, seconds >= 0, arg, "a time in seconds, 0 or more, expected");
  return script_seconds_ns(seconds);
}

/* The script's node; raises where there is none. */
static struct node *check_node(lua_State *L, const char *what)
{
  struct node *n = script_of(L)->node;
  if (n == NULL) {
    luaL_error(L, "%s: this script is not run as a node", what);
  }
  return n;
}

/* ---- handlers and hooks ---- */

static void add_handler(lua_State *L, struct script *s, int type_index)
{
  size_t len = 0;
  const char *type = lua_type(L, type_index) == LUA_TSTRING ? lua_tolstring(L, type_index, &len) : NULL;
  if (type == NULL || len == 0) {
    luaL_error(L, "on: a message type (a string that is not empty) expected");
    return;
  }
  if (len == 4 && memcmp(type, "init", 4) == 0) {
    luaL_error(L, "on: \"init\" is answered by the node itself (use vortex.on_init)");
  }
  if (dict_get(&s->handlers, slice_of(type, len)) != NULL) {
    luaL_error(L, "on: there is a handler for \"%s\" already", type);
  }
  struct handler *h = calloc(1, sizeof *h);
  char *name = malloc(len + 1);
  if (h == NULL || name == NULL) {
    abort();
  }
  memcpy(name, type, len + 1);
  h->name = name;
  lua_pushvalue(L, 2);
  h->ref = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pushlstring(L, type, len);
  lua_pushliteral(L, "_ok");
  lua_concat(L, 2);
  struct codec_error error;
  buf_append_str(&h->ok, "\"type\":");
  int bad = codec_encode(s, L, -1, &h->ok, &error);
  lua_pop(L, 1);
  dict_put(&s->handlers, slice_of(type, len), h);
  if (bad) {
    luaL_error(L, "on: the message type is not UTF-8");
  }
}

/* Lua: on(type | {types}, fn) */
static int l_on(lua_State *L)
{
  struct script *s = script_of(L);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  if (!lua_istable(L, 1)) {
    add_handler(L, s, 1);
    return 0;
  }
  lua_Integer n = luaL_len(L, 1);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_geti(L, 1, i);
    add_handler(L, s, 3);
    lua_pop(L, 1);
  }
  return 0;
}

/* Lua: on_default(fn): what no handler is registered for */
static int l_on_default(lua_State *L)
{
  struct script *s = script_of(L);
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  luaL_unref(L, LUA_REGISTRYINDEX, s->default_handler);
  s->default_handler = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

static int append_hook(lua_State *L, int list_ref)
{
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_rawgeti(L, LUA_REGISTRYINDEX, list_ref);
  lua_pushvalue(L, 1);
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  return 0;
}

static int l_on_init(lua_State *L)
{
  struct script *s = script_of(L);
  if (s->initialized) {
    return luaL_error(L, "on_init: init has been received already");
  }
  return append_hook(L, s->inits_ref);
}

static int l_on_exit(lua_State *L)
{
  return append_hook(L, script_of(L)->exits_ref);
}

/* ---- sending ---- */

static int refuse_body(lua_State *L, const char *what, const struct codec_error *error)
{
  return luaL_error(L, "%s: %s: %s", what, error->path, error->reason);
}

/* Begins a line to the destination at argument 1 with the body at argument 2, or raises. */
static void begin_line(lua_State *L, struct script *s, const char *what, enum codec_body kind)
{
  size_t len;
  luaL_checktype(L, 1, LUA_TSTRING);
  const char *dest = lua_tolstring(L, 1, &len);
  luaL_checktype(L, 2, LUA_TTABLE);
  check_node(L, what);
  struct codec_error error;
  codec_error_init(&error);
  struct buf *body = script_encode_body(s, L, 2, (struct slice){0}, kind, &error);
  if (body == NULL) {
    refuse_body(L, what, &error);
    return;
  }
  int refused;
  struct buf *line = node_line_begin(s->node, slice_of(dest, len), &refused);
  if (line == NULL) {
    luaL_error(L,
               refused == ERROR_NOT_INITIALIZED ? "%s: nothing can be sent before init (use vortex.on_init); the destination was \"%s\""
                                                : "%s: \"%s\" is not a member, a known service or a client that has been heard from",
               what, dest);
    return;
  }
  buf_append_slice(line, buf_slice(body));
}

/* Lua: send(dest, body) */
static int l_send(lua_State *L)
{
  struct script *s = script_of(L);
  begin_line(L, s, "send", CODEC_MESSAGE);
  node_line_send(s->node);
  return 0;
}

/* Lua: broadcast(body): to all other members; the body is encoded once */
static int l_broadcast(lua_State *L)
{
  struct script *s = script_of(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  if (!s->initialized) {
    return luaL_error(L, "broadcast: nothing can be sent before init (use vortex.on_init)");
  }
  struct codec_error error;
  codec_error_init(&error);
  struct buf *body = script_encode_body(s, L, 1, (struct slice){0}, CODEC_MESSAGE, &error);
  if (body == NULL) {
    return refuse_body(L, "broadcast", &error);
  }
  struct slice self = node_id(s->node);
  for (size_t i = 0; i < node_member_count(s->node); i++) {
    struct slice member = node_member(s->node, i);
    int refused;
    if (!slice_equal(member, self)) {
      struct buf *line = node_line_begin(s->node, member, &refused);
      assert(line != NULL);
      buf_append_slice(line, buf_slice(body));
      node_line_send(s->node);
    }
  }
  return 0;
}

/* The timeout of an options table at `arg`, which may be absent. */
static uint64_t check_timeout(lua_State *L, struct script *s, int arg)
{
  if (lua_isnoneornil(L, arg)) {
    return s->config.rpc_timeout_ns;
  }
  luaL_checktype(L, arg, LUA_TTABLE);
  if (lua_getfield(L, arg, "timeout") == LUA_TNIL) {
    lua_pop(L, 1);
    return s->config.rpc_timeout_ns;
  }
  lua_Number seconds = lua_tonumber(L, -1);
  if (!lua_isnumber(L, -1) || !(seconds >= 0)) {
    luaL_argerror(L, arg, "timeout: a time in seconds, 0 or more, expected");
  }
  lua_pop(L, 1);
  return script_seconds_ns(seconds);
}

static int call(lua_State *L, const char *what, enum task_wait wait)
{
  struct script *s = script_of(L);
  struct task *t = task_check_yield(L, what, 1);
  uint64_t timeout_ns = check_timeout(L, s, 3);
  begin_line(L, s, what, CODEC_RPC);
  t->token = node_line_rpc(s->node, timeout_ns, &t->waiter);
  return task_wait(L, t, wait);
}

/* Lua: rpc(dest, body, {timeout =}) -> reply body, or raises */
static int l_rpc(lua_State *L)
{
  return call(L, "rpc", WAIT_RPC);
}

/* Lua: try_rpc(dest, body, {timeout =}) -> reply body, or nil, err */
static int l_try_rpc(lua_State *L)
{
  return call(L, "try_rpc", WAIT_TRY_RPC);
}

/* ---- tasks ---- */

#define SPAWN_ARGUMENTS_MAX 1000

static struct task *new_spawned(lua_State *L, struct script *s, const char *what)
{
  struct task *t = task_new(s, ROLE_SPAWNED);
  if (t == NULL) {
    luaL_error(L, "%s: %d tasks are waiting already", what, SCRIPT_TASKS_MAX);
  }
  return t;
}

/* Moves `n` values from L to the task, which is started or resumed with the last `nargs` of them when its turn comes. */
static void move_and_enqueue(lua_State *L, struct script *s, struct task *t, int n, int nargs)
{
  lua_xmove(L, t->co, n);
  task_enqueue(s, t, nargs);
  if (s->current == NULL && s->initialized) {
    node_timer(s->node, 0, &s->run_waiter); /* called from outside the node's calls: run it soon */
  }
}

/* Lua: spawn(fn, …) */
static int l_spawn(lua_State *L)
{
  struct script *s = script_of(L);
  luaL_checktype(L, 1, LUA_TFUNCTION);
  int n = lua_gettop(L);
  if (n > SPAWN_ARGUMENTS_MAX) {
    return luaL_error(L, "spawn: more than %d arguments", SPAWN_ARGUMENTS_MAX);
  }
  struct task *t = new_spawned(L, s, "spawn");
  lua_Debug where;
  if (lua_getstack(L, 1, &where) && lua_getinfo(L, "Sl", &where)) {
    snprintf(t->origin, sizeof t->origin, "%s:%d", where.short_src, where.currentline);
  }
  int room = lua_checkstack(t->co, n + 1); /* a fresh stack has it */
  assert(room);
  (void)room;
  move_and_enqueue(L, s, t, n, n - 1);
  return 0;
}

/* Lua: defer(fn): for the Lua half; allowed in a state machine */
static int l_defer(lua_State *L)
{
  struct script *s = script_of(L);
  luaL_checktype(L, 1, LUA_TFUNCTION);
  check_node(L, "defer");
  struct task *t = new_spawned(L, s, "defer");
  lua_settop(L, 1);
  move_and_enqueue(L, s, t, 1, 0);
  return 0;
}

/* Lua: sleep(seconds) */
static int l_sleep(lua_State *L)
{
  struct script *s = script_of(L);
  uint64_t delay_ns = script_check_seconds(L, 1);
  struct task *t = task_check_yield(L, "sleep", 1);
  t->token = node_timer(s->node, delay_ns, &t->waiter);
  return task_wait(L, t, WAIT_SLEEP);
}

/* Lua: task() -> the current task's number */
static int l_task(lua_State *L)
{
  struct script *s = script_of(L);
  struct task *t = s->current;
  if (t == NULL || t->co != L) {
    return luaL_error(L, "task: not in a task");
  }
  if (t->id == 0) {
    t->id = ++s->next_task_id;
    map_put(&s->by_id, t->id, t);
  }
  lua_pushinteger(L, (lua_Integer)t->id);
  return 1;
}

/* Lua: check_wait(what): raises, and says why, where `what` could not wait. For functions of the library: names their caller's line. */
static int l_check_wait(lua_State *L)
{
  task_check_yield(L, luaL_checkstring(L, 1), 2);
  return 0;
}

/* Lua: park(seconds | nil) -> what unpark passes, or nil, err */
static int l_park(lua_State *L)
{
  struct script *s = script_of(L);
  struct task *t = task_check_yield(L, "park", 1);
  t->token = 0;
  if (!lua_isnoneornil(L, 1)) {
    t->token = node_timer(s->node, script_check_seconds(L, 1), &t->waiter);
  }
  return task_wait(L, t, WAIT_PARK);
}

/* Lua: unpark(task, …) -> whether that task was parked */
static int l_unpark(lua_State *L)
{
  struct script *s = script_of(L);
  struct task *t = map_get(&s->by_id, (uint64_t)luaL_checkinteger(L, 1));
  if (t == NULL || t->state != TASK_PARKED) {
    lua_pushboolean(L, 0);
    return 1;
  }
  int n = lua_gettop(L) - 1;
  if (!lua_checkstack(t->co, n)) {
    return luaL_error(L, "unpark: too many values");
  }
  if (t->token != 0) {
    node_cancel(s->node, t->token);
  }
  move_and_enqueue(L, s, t, n, n);
  lua_pushboolean(L, 1);
  return 1;
}

/* ---- the world ---- */

static int l_now(lua_State *L)
{
  lua_pushnumber(L, (lua_Number)node_now(check_node(L, "now")) / 1e9);
  return 1;
}

static int l_random(lua_State *L)
{
  lua_pushinteger(L, (lua_Integer)node_random(check_node(L, "random")));
  return 1;
}

/* Lua: log(level, text) */
static int l_log(lua_State *L)
{
  static const char *const levels[] = {"debug", "info", "warn", "error", NULL};
  int level = luaL_checkoption(L, 1, NULL, levels);
  size_t len;
  const char *text = luaL_checklstring(L, 2, &len);
  script_log(script_of(L), (enum log_level)level, slice_of(text, len));
  return 0;
}

static int l_rpc_timeout(lua_State *L)
{
  lua_pushnumber(L, (lua_Number)script_of(L)->config.rpc_timeout_ns / 1e9);
  return 1;
}

/* ---- values ---- */

/* Lua: encode(value) -> text */
static int l_encode(lua_State *L)
{
  struct script *s = script_of(L);
  luaL_checkany(L, 1);
  struct codec_error error;
  codec_error_init(&error);
  buf_clear(&s->encoded);
  if (codec_encode(s, L, 1, &s->encoded, &error) != 0) {
    return luaL_error(L, "encode: value%s: %s", error.path, error.reason);
  }
  lua_pushlstring(L, s->encoded.data, s->encoded.len);
  return 1;
}

/* Lua: decode(text) -> value */
static int l_decode(lua_State *L)
{
  struct slice text;
  text.ptr = luaL_checklstring(L, 1, &text.len);
  struct json_error error;
  if (json_scan(text, &error) != 0) {
    return luaL_error(L, "decode: %s at byte %I", error.reason, (LUAI_UACINT)(error.offset + 1));
  }
  codec_decode(script_of(L), L, text); /* Lua strings are terminated: a byte behind the text is readable */
  return 1;
}

static int set_tag(lua_State *L, int mt_ref)
{
  if (lua_isnoneornil(L, 1)) {
    lua_settop(L, 0);
    lua_newtable(L);
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, mt_ref);
  lua_setmetatable(L, 1);
  return 1;
}

static int l_array(lua_State *L)
{
  return set_tag(L, script_of(L)->array_mt_ref);
}

static int l_object(lua_State *L)
{
  return set_tag(L, script_of(L)->object_mt_ref);
}

static int l_is_array(lua_State *L)
{
  bool same = lua_istable(L, 1) && lua_getmetatable(L, 1) && lua_topointer(L, -1) == script_of(L)->array_mt;
  lua_pushboolean(L, same);
  return 1;
}

/* ---- for the Lua half ---- */

/* Lua: set_check(fn(request_type, request_body, reply_body) -> nil | complaint) */
static int l_set_check(lua_State *L)
{
  struct script *s = script_of(L);
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  luaL_unref(L, LUA_REGISTRYINDEX, s->check_ref);
  s->check_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

static const luaL_Reg core[] = {
    {"on", l_on},
    {"on_default", l_on_default},
    {"on_init", l_on_init},
    {"on_exit", l_on_exit},
    {"send", l_send},
    {"broadcast", l_broadcast},
    {"rpc", l_rpc},
    {"try_rpc", l_try_rpc},
    {"spawn", l_spawn},
    {"defer", l_defer},
    {"sleep", l_sleep},
    {"after", timer_after},
    {"every", timer_every},
    {"task", l_task},
    {"check_wait", l_check_wait},
    {"park", l_park},
    {"unpark", l_unpark},
    {"now", l_now},
    {"random", l_random},
    {"log", l_log},
    {"service_timeout", l_rpc_timeout},
    {"error", errors_raise},
    {"error_new", errors_new},
    {"is_error", errors_is},
    {"encode", l_encode},
    {"decode", l_decode},
    {"array", l_array},
    {"object", l_object},
    {"is_array", l_is_array},
    {"set_module", identity_set_module},
    {"set_check", l_set_check},
    {"raft_open", raft_declare},
    {NULL, NULL},
};

int api_open(lua_State *L)
{
  struct script *s = script_of(L);
  luaL_newlib(L, core);
  guard_core(L);
  lua_pushlightuserdata(L, NULL);
  lua_setfield(L, -2, "null");
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->error_mt_ref);
  lua_setfield(L, -2, "error_meta");
  if (s->config.check != NULL) {
    lua_pushlstring(L, s->config.check, strlen(s->config.check)); /* not lua_pushstring: its cache goes by addresses */
    lua_setfield(L, -2, "check");
  }
  return 1;
}
