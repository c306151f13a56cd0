#include "lab/workload.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "lab/arena.h"
#include "lab/checkers.h"
#include "lab/sandbox.h"
#include "script/codec.h"
#include "script/script.h"

struct workload {
  const struct lab_config *config;
  struct workload_hooks hooks;
  struct arena *arena;
  struct script *script;
  lua_State *L;
  int trial_ref; /* require "vortex.lab.trial" */
  struct buf error;
  struct buf body;
  uint64_t reply_timeout_ns;
  bool has_final;
};

static struct workload *workload_of(lua_State *L)
{
  lua_getfield(L, LUA_REGISTRYINDEX, "vortex.workload");
  struct workload *w = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return w;
}

/* ---- vortex.lab.core ---- */

static unsigned check_client(lua_State *L, const struct workload *w)
{
  lua_Integer client = luaL_checkinteger(L, 1);
  luaL_argcheck(L, client >= 0 && client < (lua_Integer)w->config->clients, 1, "no such client");
  return (unsigned)client;
}

/* Lua: request(client, body) */
static int l_request(lua_State *L)
{
  struct workload *w = workload_of(L);
  unsigned client = check_client(L, w);
  struct codec_error error;
  codec_error_init(&error);
  buf_clear(&w->body);
  luaL_checktype(L, 2, LUA_TTABLE);
  if (codec_encode_body(w->script, L, 2, (struct slice){0}, CODEC_RPC, &w->body, &error) != 0) {
    return luaL_error(L, "the workload's request cannot be encoded: %s: %s", error.path, error.reason);
  }
  w->hooks.request(w->hooks.self, client, buf_slice(&w->body));
  return 0;
}

/* Lua: leave(client) */
static int l_leave(lua_State *L)
{
  struct workload *w = workload_of(L);
  w->hooks.leave(w->hooks.self, check_client(L, w));
  return 0;
}

/* Lua: now() -> ns */
static int l_now(lua_State *L)
{
  struct workload *w = workload_of(L);
  lua_pushinteger(L, (lua_Integer)w->hooks.now(w->hooks.self));
  return 1;
}

/* Lua: random(a, b) -> integer */
static int l_random(lua_State *L)
{
  struct workload *w = workload_of(L);
  uint64_t a = (uint64_t)luaL_checkinteger(L, 1);
  uint64_t b = (uint64_t)luaL_checkinteger(L, 2);
  lua_pushinteger(L, (lua_Integer)w->hooks.random(w->hooks.self, a, b));
  return 1;
}

static int open_core(lua_State *L)
{
  static const luaL_Reg functions[] = {{"request", l_request}, {"leave", l_leave}, {"now", l_now}, {"random", l_random}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}

static void open_state(lua_State *L, void *arg)
{
  lua_pushlightuserdata(L, arg);
  lua_setfield(L, LUA_REGISTRYINDEX, "vortex.workload");
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, open_core);
  lua_setfield(L, -2, "vortex.lab.core");
  lua_pushcfunction(L, checkers_open);
  lua_setfield(L, -2, "vortex.check.core");
  lua_pop(L, 1);
  sandbox_open(L, NULL);
}

/* ---- calls ---- */

static int traceback(lua_State *L)
{
  if (lua_type(L, 1) != LUA_TSTRING) {
    luaL_tolstring(L, 1, NULL);
  }
  luaL_traceback(L, L, lua_tostring(L, -1), 1);
  return 1;
}

/* Calls trial.<name> with the nargs values on top of the stack. False if it raised: the error is kept, and nothing is left on the stack. */
static bool call(struct workload *w, const char *name, int nargs, int nresults, bool plain)
{
  lua_State *L = w->L;
  int base = lua_gettop(L) - nargs;
  lua_rawgeti(L, LUA_REGISTRYINDEX, w->trial_ref);
  lua_getfield(L, -1, name);
  lua_remove(L, -2);
  lua_insert(L, base + 1);
  if (!plain) {
    lua_pushcfunction(L, traceback);
    lua_insert(L, base + 1);
  }
  int status = lua_pcall(L, nargs, nresults, plain ? 0 : base + 1);
  if (!plain) {
    lua_remove(L, base + 1);
  }
  if (status != LUA_OK) {
    size_t len;
    const char *text = luaL_tolstring(L, -1, &len);
    if (w->error.len == 0) {
      buf_append(&w->error, text, len);
    }
    lua_settop(L, base);
    return false;
  }
  return true;
}

static void set_int(lua_State *L, const char *key, lua_Integer value)
{
  lua_pushinteger(L, value);
  lua_setfield(L, -2, key);
}

static void set_text(lua_State *L, const char *key, const char *value)
{
  if (value != NULL) {
    lua_pushstring(L, value);
    lua_setfield(L, -2, key);
  }
}

static void push_config(lua_State *L, const struct lab_config *c, const char *const *names)
{
  lua_createtable(L, 0, 24);
  set_text(L, "workload", c->workload);
  set_text(L, "topology", c->topology);
  set_text(L, "availability", c->availability);
  set_text(L, "consistency_models", c->consistency_models);
  set_int(L, "clients", (lua_Integer)c->clients);
  set_int(L, "time_limit", (lua_Integer)c->time_limit_ns);
  set_int(L, "latency_mean", (lua_Integer)c->latency.mean_ns);
  set_int(L, "max_txn_length", (lua_Integer)c->max_txn_length);
  set_int(L, "max_writes_per_key", (lua_Integer)c->max_writes_per_key);
  set_int(L, "seed", (lua_Integer)c->seed);
  if (c->key_count != 0) {
    set_int(L, "key_count", (lua_Integer)c->key_count);
  }
  lua_pushnumber(L, c->rate);
  lua_setfield(L, -2, "rate");
  lua_pushboolean(L, c->strict);
  lua_setfield(L, -2, "strict");
  lua_pushboolean(L, c->fault_count > 0);
  lua_setfield(L, -2, "nemesis");
  lua_createtable(L, (int)c->nodes, 0);
  for (unsigned i = 0; i < c->nodes; i++) {
    lua_pushstring(L, names[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_setfield(L, -2, "nodes");
  lua_createtable(L, (int)c->fault_count, 0);
  for (size_t i = 0; i < c->fault_count; i++) {
    lua_pushstring(L, sim_fault_name(c->faults[i].fault));
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_setfield(L, -2, "faults");
}

static bool require_trial(struct workload *w)
{
  lua_State *L = w->L;
  lua_pushcfunction(L, traceback);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "vortex.lab.trial");
  bool ok = lua_pcall(L, 1, 1, -3) == LUA_OK;
  if (ok) {
    w->trial_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  } else {
    buf_append_str(&w->error, lua_tostring(L, -1));
  }
  lua_settop(L, 0);
  return ok;
}

struct workload *workload_new(const struct lab_config *config, const struct workload_hooks *hooks, const char *const *names,
                              struct script_cache *cache)
{
  struct workload *w = calloc(1, sizeof *w);
  if (w == NULL) {
    abort();
  }
  w->config = config;
  w->hooks = *hooks;
  w->arena = arena_open(0);
  script_freeze_clock(0);
  w->script = script_new(&(struct script_config){
      .path = "vortex-lua",
      .library = config->library,
      .alloc = arena_realloc,
      .alloc_arg = w->arena,
      .newstate = arena_newstate,
      .cache = cache,
      .no_environment = true,
      .open = open_state,
      .open_arg = w,
  });
  assert(w->script != NULL);
  w->L = script_lua(w->script);
  if (!require_trial(w)) {
    return w;
  }
  push_config(w->L, config, names);
  if (call(w, "open", 1, 1, true)) {
    lua_getfield(w->L, -1, "reply_timeout");
    w->reply_timeout_ns = (uint64_t)lua_tointeger(w->L, -1);
    lua_getfield(w->L, -2, "final");
    w->has_final = lua_toboolean(w->L, -1);
    lua_settop(w->L, 0);
  }
  return w;
}

void workload_free(struct workload *w)
{
  script_abandon(w->script);
  arena_reset(w->arena);
  buf_free(&w->error);
  buf_free(&w->body);
  free(w);
}

struct slice workload_error(const struct workload *w)
{
  return buf_slice(&w->error);
}

uint64_t workload_reply_timeout_ns(const struct workload *w)
{
  return w->reply_timeout_ns;
}

bool workload_has_final(const struct workload *w)
{
  return w->has_final;
}

bool workload_setup(struct workload *w, unsigned index, struct buf *out)
{
  lua_State *L = w->L;
  bool some = false;
  if (w->error.len > 0) {
    return false;
  }
  lua_pushinteger(L, (lua_Integer)index);
  if (call(w, "setup", 1, 1, false) && lua_istable(L, -1)) {
    struct codec_error error;
    codec_error_init(&error);
    some = codec_encode_body(w->script, L, -1, (struct slice){0}, CODEC_RPC, out, &error) == 0;
    if (!some) {
      buf_printf(&w->error, "the workload's set-up request cannot be encoded: %s: %s", error.path, error.reason);
    }
  }
  lua_settop(L, 0);
  return some;
}

void workload_setup_done(struct workload *w, unsigned index, const struct slice *body)
{
  if (w->error.len > 0) {
    return;
  }
  lua_pushinteger(w->L, (lua_Integer)index);
  if (body != NULL) {
    codec_decode(w->script, w->L, *body);
  } else {
    lua_pushnil(w->L);
  }
  call(w, "setup_done", 2, 0, false);
  lua_settop(w->L, 0);
}

void workload_nemesis(struct workload *w, bool begins, const char *what)
{
  if (w->error.len > 0) {
    return;
  }
  lua_pushfstring(w->L, "%s-", begins ? "start" : "stop");
  lua_pushlstring(w->L, what, strcspn(what, " :"));
  lua_concat(w->L, 2);
  lua_pushlstring(w->L, what, strlen(what));
  call(w, "nemesis", 2, 0, false);
  lua_settop(w->L, 0);
}

/* Calls trial.<name>(client); its result as a boolean. */
static bool turn(struct workload *w, const char *name, unsigned client)
{
  if (w->error.len > 0) {
    return false;
  }
  lua_pushinteger(w->L, (lua_Integer)client);
  bool result = call(w, name, 1, 1, false) && lua_toboolean(w->L, -1);
  lua_settop(w->L, 0);
  return result;
}

bool workload_next(struct workload *w, unsigned client)
{
  return turn(w, "next", client);
}

bool workload_final(struct workload *w, unsigned client)
{
  return turn(w, "final", client);
}

void workload_timeout(struct workload *w, unsigned client)
{
  turn(w, "timeout", client);
}

bool workload_reply(struct workload *w, unsigned client, struct slice body)
{
  if (w->error.len > 0) {
    return false;
  }
  lua_pushinteger(w->L, (lua_Integer)client);
  codec_decode(w->script, w->L, body);
  bool result = call(w, "reply", 2, 1, false) && lua_toboolean(w->L, -1);
  lua_settop(w->L, 0);
  return result;
}

static void append_field(lua_State *L, const char *key, struct buf *out)
{
  lua_getfield(L, -1, key);
  size_t len;
  const char *text = lua_tolstring(L, -1, &len);
  if (text != NULL) {
    buf_append(out, text, len);
  }
  lua_pop(L, 1);
}

enum lab_verdict workload_verdict(struct workload *w, void (*facts)(void *L, void *arg), void *arg, struct buf *text, struct buf *reason)
{
  lua_State *L = w->L;
  enum lab_verdict verdict = LAB_BROKEN;
  if (w->error.len > 0) {
    return verdict;
  }
  facts(L, arg);
  if (call(w, "verdict", 1, 1, false)) {
    int type = lua_getfield(L, -1, "valid");
    verdict = type == LUA_TSTRING ? LAB_UNKNOWN : lua_toboolean(L, -1) ? LAB_VALID : LAB_INVALID;
    lua_pop(L, 1);
    append_field(L, "text", text);
    append_field(L, "reason", reason);
  }
  lua_settop(L, 0);
  return verdict;
}

void workload_history(struct workload *w, const char *form, struct buf *out)
{
  if (w->error.len == 0 && call(w, form, 0, 1, false)) {
    size_t len;
    const char *text = lua_tolstring(w->L, -1, &len);
    if (text != NULL) {
      buf_append(out, text, len);
    }
  }
  lua_settop(w->L, 0);
}
