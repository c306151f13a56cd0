/* Raft groups of a script: vortex.raft{…} and what its methods ask of the node. */
#include "script/raft.h"

#include <stdlib.h>

#include "base/memory.h"
#include "script/guard.h"

#define GROUP_MT           "vortex.raft"
#define PROPOSE_TIMEOUT_NS (900 * NODE_MS_NS) /* a Maelstrom client of lin-kv waits for a second: it is to hear from us first */
#define CHANGE_TIMEOUT_NS  (5 * NODE_S_NS)

/* ---- operations ---- */

static struct raft_group *check_group(lua_State *L)
{
  struct raft_group **handle = lua_touserdata(L, 1);
  if (handle != NULL && lua_getmetatable(L, 1)) {
    bool same = lua_topointer(L, -1) == script_of(L)->group_mt;
    lua_pop(L, 1);
    if (same) {
      return *handle;
    }
  }
  luaL_typeerror(L, 1, GROUP_MT);
  return NULL;
}

static uint64_t check_timeout(lua_State *L, int arg, uint64_t otherwise)
{
  if (lua_isnoneornil(L, arg)) {
    return otherwise;
  }
  luaL_checktype(L, arg, LUA_TTABLE);
  if (lua_getfield(L, arg, "timeout") == LUA_TNIL) {
    lua_pop(L, 1);
    return otherwise;
  }
  lua_Number seconds = lua_tonumber(L, -1);
  if (!lua_isnumber(L, -1) || !(seconds >= 0)) {
    luaL_argerror(L, arg, "timeout: a time in seconds, 0 or more, expected");
  }
  lua_pop(L, 1);
  return script_seconds_ns(seconds);
}

/* The task that is to wait for the group at argument 1. */
static struct task *check_task(lua_State *L, struct raft_group *g, const char *what)
{
  struct task *t = task_check_yield(L, what, 1);
  if (g->group == NULL) {
    luaL_error(L, "%s: this script is not run as a node", what);
  }
  return t;
}

static int propose(lua_State *L, const char *what, enum task_wait wait)
{
  struct script *s = script_of(L);
  struct raft_group *g = check_group(L);
  luaL_checkany(L, 2);
  uint64_t timeout_ns = check_timeout(L, 3, PROPOSE_TIMEOUT_NS);
  struct task *t = check_task(L, g, what);
  struct codec_error error;
  codec_error_init(&error);
  buf_clear(&s->encoded);
  if (codec_encode(s, L, 2, &s->encoded, &error) != 0) {
    return luaL_error(L, "%s: command%s: %s", what, error.path, error.reason);
  }
  t->reads = false;
  t->token = node_group_propose(g->group, buf_slice(&s->encoded), timeout_ns, &t->waiter);
  return task_wait(L, t, wait);
}

/* Lua: group:propose(command, {timeout =}) -> what apply returned, or raises */
static int l_propose(lua_State *L)
{
  return propose(L, "raft:propose", WAIT_RAFT);
}

/* Lua: group:try_propose(command, {timeout =}) -> what apply returned, or nil, err */
static int l_try_propose(lua_State *L)
{
  return propose(L, "raft:try_propose", WAIT_TRY_RAFT);
}

/* The moment to read has come, or an error: the stack holds group and function, and behind them nil and the error, if there is one. */
static int read_now(lua_State *L, int status, lua_KContext ctx)
{
  (void)status;
  (void)ctx;
  struct script *s = script_of(L);
  if (s->current->raise) {
    s->current->raise = false;
    return lua_error(L);
  }
  if (lua_gettop(L) > 2) {
    return 2;
  }
  machine_push_state(L, check_group(L));
  lua_call(L, 1, LUA_MULTRET);
  return lua_gettop(L) - 1;
}

static int read(lua_State *L, const char *what, enum task_wait wait)
{
  struct raft_group *g = check_group(L);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  uint64_t timeout_ns = check_timeout(L, 3, PROPOSE_TIMEOUT_NS);
  struct task *t = check_task(L, g, what);
  t->reads = true;
  t->token = node_group_read(g->group, timeout_ns, &t->waiter);
  lua_settop(L, 2);
  return task_wait_then(L, t, wait, read_now);
}

/* Lua: group:read(fn, {timeout =}) -> what fn(state) returns, or raises */
static int l_read(lua_State *L)
{
  return read(L, "raft:read", WAIT_RAFT);
}

/* Lua: group:try_read(fn, {timeout =}) -> what fn(state) returns, or nil, err */
static int l_try_read(lua_State *L)
{
  return read(L, "raft:try_read", WAIT_TRY_RAFT);
}

/* The names in the array in field `field` of the table at `index`, pushed as a userdata that lives as long as it is on the stack; NULL and
 * nil pushed if there is none. They belong to the strings in the array. */
static const struct slice *push_names(lua_State *L, int index, const char *field, size_t *count)
{
  *count = 0;
  if (lua_getfield(L, index, field) == LUA_TNIL) {
    return NULL;
  }
  if (!lua_istable(L, -1)) {
    luaL_error(L, "%s: an array of node ids expected, not a %s", field, luaL_typename(L, -1));
  }
  int array = lua_gettop(L);
  size_t n = lua_rawlen(L, array);
  struct slice *names = lua_newuserdatauv(L, (n + 1) * sizeof *names, 0);
  for (size_t i = 0; i < n; i++) {
    if (lua_rawgeti(L, array, (lua_Integer)i + 1) != LUA_TSTRING) {
      luaL_error(L, "%s: element %d is a %s, not a node id", field, (int)i + 1, luaL_typename(L, -1));
    }
    names[i].ptr = lua_tolstring(L, -1, &names[i].len);
    lua_pop(L, 1);
  }
  lua_remove(L, array);
  *count = n;
  return names;
}

static int change(lua_State *L, const char *what, enum task_wait wait)
{
  struct raft_group *g = check_group(L);
  size_t voters;
  size_t learners;
  luaL_checktype(L, 2, LUA_TTABLE);
  uint64_t timeout_ns = check_timeout(L, 3, CHANGE_TIMEOUT_NS);
  struct task *t = check_task(L, g, what);
  const struct slice *voter = push_names(L, 2, "voters", &voters);
  const struct slice *learner = push_names(L, 2, "learners", &learners);
  if (voters == 0) {
    return luaL_error(L, "%s: no voters (say who they are to be, all of them)", what);
  }
  t->reads = false;
  t->token = node_group_change(g->group, voter, voters, learner, learners, timeout_ns, &t->waiter);
  return task_wait(L, t, wait);
}

/* Lua: group:change({voters =, learners =}, {timeout =}) -> true, or raises */
static int l_change(lua_State *L)
{
  return change(L, "raft:change", WAIT_RAFT);
}

/* Lua: group:try_change({voters =, learners =}, {timeout =}) -> true, or nil, err */
static int l_try_change(lua_State *L)
{
  return change(L, "raft:try_change", WAIT_TRY_RAFT);
}

static int transfer(lua_State *L, const char *what, enum task_wait wait)
{
  struct raft_group *g = check_group(L);
  struct slice to;
  to.ptr = luaL_optlstring(L, 2, "", &to.len);
  uint64_t timeout_ns = check_timeout(L, 3, CHANGE_TIMEOUT_NS);
  struct task *t = check_task(L, g, what);
  t->reads = false;
  t->token = node_group_transfer(g->group, to, timeout_ns, &t->waiter);
  return task_wait(L, t, wait);
}

/* Lua: group:transfer(id | nil, {timeout =}) -> true, or raises */
static int l_transfer(lua_State *L)
{
  return transfer(L, "raft:transfer", WAIT_RAFT);
}

/* Lua: group:try_transfer(id | nil, {timeout =}) -> true, or nil, err */
static int l_try_transfer(lua_State *L)
{
  return transfer(L, "raft:try_transfer", WAIT_TRY_RAFT);
}

/* Pushes what a failed operation is to its task. One that certainly had no effect is answered with 11 whatever stopped it. */
static void push_failure(lua_State *L, int status, bool reads)
{
  if (reads || status == ERROR_STOPPED) {
    const char *text = error_text(status);
    errors_push(L, error_protocol_code(ERROR_UNAVAILABLE), error_name(status), slice_of(text, strlen(text)), false);
  } else {
    errors_push_code(L, status, false);
  }
}

void raft_answer(struct script *s, struct task *t, int status, const struct node_answer *answer)
{
  lua_State *L = s->L; /* the task's own stack may be nearly full */
  int pushed = 1;      /* -1: an error object */
  assert(t->state == TASK_WAITING);
  if (status != 0) {
    push_failure(L, status, t->reads);
    pushed = -1;
  } else if (t->reads) {
    pushed = 0;
  } else if (answer == NULL) {
    lua_pushboolean(L, 1);
  } else if (answer->code != 0) {
    errors_push(L, answer->code, NULL, answer->value, false);
    pushed = -1;
  } else {
    machine_decode(s, L, answer->value);
  }
  t->raise = pushed < 0 && t->wait == WAIT_RAFT;
  if (pushed < 0 && !t->raise) {
    lua_pushnil(L);
    lua_insert(L, -2);
    pushed = 2;
  }
  pushed = pushed < 0 ? 1 : pushed;
  lua_xmove(L, t->co, pushed);
  task_resume(s, t, pushed);
}

/* ---- looks ---- */

static struct raft_group *check_open(lua_State *L, const char *what)
{
  struct raft_group *g = check_group(L);
  if (g->group == NULL) {
    luaL_error(L, "%s: this script is not run as a node", what);
  }
  return g;
}

static void push_status(struct script *s, lua_State *L, struct raft_group *g)
{
  buf_clear(&s->encoded);
  node_group_status(g->group, &s->encoded);
  size_t len = s->encoded.len;
  buf_append_char(&s->encoded, '\n');
  codec_decode(s, L, slice_of(s->encoded.data, len));
}

/* Lua: group:status() -> table */
static int l_status(lua_State *L)
{
  struct raft_group *g = check_open(L, "raft:status");
  push_status(script_of(L), L, g);
  return 1;
}

/* Lua: group:leader() -> id | nil */
static int l_leader(lua_State *L)
{
  struct slice leader = node_group_leader(check_open(L, "raft:leader")->group);
  if (leader.len > 0) {
    lua_pushlstring(L, leader.ptr, leader.len);
  } else {
    lua_pushnil(L);
  }
  return 1;
}

/* Lua: group:is_leader() -> boolean */
static int l_is_leader(lua_State *L)
{
  lua_pushboolean(L, node_group_leads(check_open(L, "raft:is_leader")->group));
  return 1;
}

/* Lua: group:on_change(fn(status)) */
static int l_on_change(lua_State *L)
{
  struct raft_group *g = check_group(L);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  lua_rawgeti(L, LUA_REGISTRYINDEX, g->watchers_ref);
  lua_insert(L, 2);
  lua_rawseti(L, 2, (lua_Integer)lua_rawlen(L, 2) + 1);
  return 0;
}

void raft_changed(void *self, void *group)
{
  struct script *s = self;
  struct raft_group *g = group;
  if (!g->change_due && !s->lost) {
    g->change_due = true;
    node_timer(s->node, 0, &g->waiter);
  }
}

void raft_tell(struct script *s, struct raft_group *g)
{
  lua_State *L = s->L;
  g->change_due = false;
  lua_rawgeti(L, LUA_REGISTRYINDEX, g->watchers_ref);
  lua_Integer n = node_state(s->node) == NODE_RUNNING ? (lua_Integer)lua_rawlen(L, -1) : 0;
  for (lua_Integer i = 1; i <= n; i++) {
    struct task *t = task_new(s, ROLE_SPAWNED);
    if (t == NULL) {
      node_log(s->node, LOG_ERROR, "on_change did not run: %d tasks are waiting already", SCRIPT_TASKS_MAX);
      break;
    }
    lua_rawgeti(L, -1, i);
    lua_xmove(L, t->co, 1);
    push_status(s, t->co, g);
    task_enqueue(s, t, 1);
  }
  lua_pop(L, 1);
  task_run_ready(s);
}

/* ---- declaring ---- */

/* Lua: tostring(group) */
static int l_tostring(lua_State *L)
{
  lua_pushfstring(L, "raft group \"%s\"", check_group(L)->name);
  return 1;
}

static const luaL_Reg methods[] = {
    {"propose", l_propose},
    {"try_propose", l_try_propose},
    {"read", l_read},
    {"try_read", l_try_read},
    {"change", l_change},
    {"try_change", l_try_change},
    {"transfer", l_transfer},
    {"try_transfer", l_try_transfer},
    {"on_change", l_on_change},
    {"status", l_status},
    {"leader", l_leader},
    {"is_leader", l_is_leader},
    {NULL, NULL},
};

static const luaL_Reg meta[] = {{"__tostring", l_tostring}, {NULL, NULL}};

/* Pushes the metatable of groups. */
static void push_meta(lua_State *L)
{
  if (luaL_newmetatable(L, GROUP_MT)) {
    luaL_setfuncs(L, meta, 0);
    luaL_newlib(L, methods);
    guard_raft(L);
    lua_setfield(L, -2, "__index");
    script_of(L)->group_mt = lua_topointer(L, -1);
  }
}

/* A reference to the function in a field of the options at 1; LUA_NOREF = there is none. */
static int function_ref(lua_State *L, const char *field)
{
  if (lua_getfield(L, 1, field) == LUA_TNIL) {
    lua_pop(L, 1);
    return LUA_NOREF;
  }
  if (!lua_isfunction(L, -1)) {
    luaL_error(L, "raft: %s: a function expected, not a %s", field, luaL_typename(L, -1));
  }
  return luaL_ref(L, LUA_REGISTRYINDEX);
}

static lua_Number number_field(lua_State *L, const char *field)
{
  lua_getfield(L, 1, field);
  lua_Number number = lua_tonumber(L, -1);
  lua_pop(L, 1);
  return number;
}

/* Declares the group to the node. The options are at 1. */
static void declare(lua_State *L, struct raft_group *g)
{
  int error;
  struct node_group_config config = {.name = slice_of(g->name, strlen(g->name)), .tag = g};
  config.election_timeout_ns = script_seconds_ns(number_field(L, "election_timeout"));
  config.heartbeat_ns = script_seconds_ns(number_field(L, "heartbeat"));
  config.snapshot_bytes = (uint64_t)number_field(L, "snapshot_bytes");
  config.tail_entries = (uint64_t)number_field(L, "tail_entries");
  config.voters = push_names(L, 1, "voters", &config.voter_count);
  config.learners = push_names(L, 1, "learners", &config.learner_count);
  g->group = node_group_open(g->script->node, &config, &error);
  if (g->group == NULL) {
    luaL_where(L, 2); /* behind vortex/raft.lua */
    lua_pushfstring(L, "raft: group \"%s\": %s", g->name,
                    error == ERROR_TOO_LARGE ? "there are too many groups"
                                             : "its name is taken, or does not fit, or its heartbeat is too slow");
    lua_concat(L, 2);
    lua_error(L);
  }
  lua_pop(L, 2);
}

int raft_declare(lua_State *L)
{
  struct script *s = script_of(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_getfield(L, 1, "name");
  size_t len;
  const char *name = luaL_optlstring(L, -1, "main", &len);
  struct raft_group **handle = lua_newuserdatauv(L, sizeof(struct raft_group *), 0);
  struct raft_group *g = memory_zeroed(1, sizeof *g);
  *handle = g;
  g->next = s->groups;
  s->groups = g;
  g->waiter.kind = WAITER_GROUP;
  g->script = s;
  g->name = memory_must(malloc(len + 1));
  memcpy(g->name, name, len + 1);
  g->init_ref = function_ref(L, "init");
  g->apply_ref = function_ref(L, "apply");
  g->snapshot_ref = function_ref(L, "snapshot");
  g->restore_ref = function_ref(L, "restore");
  lua_pushboolean(L, 0);
  g->state_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_newtable(L);
  g->watchers_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  push_meta(L);
  lua_setmetatable(L, -2);
  machine_open(s);
  if (s->node != NULL) {
    declare(L, g);
  }
  return 1;
}

void raft_close(struct script *s)
{
  while (s->groups != NULL) {
    struct raft_group *g = s->groups;
    s->groups = g->next;
    free(g->name);
    free(g);
  }
}
