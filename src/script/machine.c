/* State machines: apply, snapshot and restore, as the node asks for them.
 *
 * Their functions run on a thread of their own, whose stack is empty each time, so that how deep they may recurse does not depend on what
 * else the node does. While one runs, script.machine says which, and guard.c keeps it from what differs between replicas. */
#include "script/image.h"
#include "script/raft.h"

/* Lua: (error) -> what an error becomes: objects pass, anything else is logged with its traceback and goes on as text. */
static int on_error(lua_State *L)
{
  struct script *s = script_of(L);
  long long code;
  bool remote;
  struct slice text;
  if (errors_get(L, 1, &code, &remote, &text)) {
    return 1;
  }
  size_t len;
  const char *message = script_tostring(L, 1, &len);
  if (!s->turn_over) { /* that was logged where it was stopped */
    lua_pushfstring(L, "error in %s: %s", s->machine, message);
    luaL_traceback(L, L, lua_tostring(L, -1), 1);
    const char *traceback = lua_tolstring(L, -1, &len);
    script_log(s, LOG_ERROR, slice_of(traceback, len));
    lua_pop(L, 2);
  }
  return 1;
}

void machine_open(struct script *s)
{
  if (s->machines == NULL) {
    s->machines = lua_newthread(s->L);
    s->machines_ref = luaL_ref(s->L, LUA_REGISTRYINDEX);
    limits_watch(s, s->machines);
    lua_pushcfunction(s->machines, on_error);
  }
}

/* Calls fn with arg, a light userdata, as the function `what` of a machine. Lua's status; an error is on top of the machines' stack. */
static int run(struct script *s, const char *what, lua_CFunction fn, void *arg)
{
  lua_State *L = s->machines;
  const char *outer = s->machine;
  assert(outer == NULL);
  s->machine = what;
  limits_begin_machine(s);
  lua_settop(L, 1);
  lua_pushcfunction(L, fn);
  lua_pushlightuserdata(L, arg);
  int status = lua_pcall(L, 1, 0, 1);
  limits_end_machine(s);
  s->machine = outer;
  return status;
}

/* Whether what a machine did is not what the other replicas do: it ran out of memory, even if it caught that, or was stopped. */
static bool is_lost(const struct script *s, int status)
{
  return status == LUA_ERRMEM || s->starved || s->turn_over;
}

/* Logs why a machine has failed; the error is on top of its stack. */
static void log_failure(struct script *s, const struct raft_group *g, const char *what, int status, const char *so)
{
  lua_State *L = s->machines;
  struct buf text = {0};
  buf_printf(&text, "raft group \"%s\": %s: ", g->name, what);
  if (status == LUA_ERRMEM || s->starved) {
    buf_append_str(&text, "not enough memory");
  } else {
    size_t len;
    const char *message = script_tostring(L, -1, &len);
    buf_append(&text, message, len);
    lua_pop(L, 1);
  }
  buf_append_str(&text, so);
  script_log(s, LOG_ERROR, buf_slice(&text));
  buf_free(&text);
}

void machine_decode(struct script *s, lua_State *L, struct slice text)
{
  /* A number ends at what lies behind it, and need not have anything there. */
  if (text.len > 0 && text.ptr[text.len - 1] >= '0' && text.ptr[text.len - 1] <= '9') {
    buf_clear(&s->encoded);
    buf_append_slice(&s->encoded, text);
    buf_append_char(&s->encoded, '\n');
    text.ptr = s->encoded.data;
  }
  codec_decode(s, L, text);
}

/* A turn whose end the node waits for. */
static void ask(struct script *s, void (*work)(struct script *, const void *), const void *arg)
{
  s->asked = true;
  script_turn(s, work, arg);
  s->asked = false;
}

/* ---- the state ---- */

/* Pops the state. */
static void set_state(lua_State *L, struct raft_group *g, const char *what)
{
  if (lua_isnil(L, -1)) {
    luaL_error(L, "%s returned no state", what);
  }
  lua_rawseti(L, LUA_REGISTRYINDEX, g->state_ref);
  g->has_state = true;
}

/* Lua: (group): makes the first state. */
static int make_state(lua_State *L)
{
  struct raft_group *g = lua_touserdata(L, 1);
  if (g->init_ref == LUA_NOREF) {
    lua_newtable(L);
  } else {
    lua_rawgeti(L, LUA_REGISTRYINDEX, g->init_ref);
    lua_call(L, 0, 1);
  }
  set_state(L, g, "init");
  return 0;
}

/* Pushes the state, for a machine's function. */
static inline void push_state(struct script *s, lua_State *L, struct raft_group *g)
{
  if (!g->has_state) {
    const char *outer = s->machine;
    s->machine = "init";
    lua_pushcfunction(L, make_state);
    lua_pushlightuserdata(L, g);
    lua_call(L, 1, 0);
    s->machine = outer;
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, g->state_ref);
}

void machine_push_state(lua_State *L, struct raft_group *g)
{
  struct script *s = g->script;
  if (!g->has_state && run(s, "init", make_state, g) != LUA_OK) {
    lua_xmove(s->machines, L, 1);
    lua_error(L);
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, g->state_ref);
}

/* ---- applying ---- */

struct application {
  struct raft_group *group;
  uint64_t index;
  struct slice command;
  struct node_outcome *outcome;
  int result;
};

/* Lua: (application) */
static int apply_command(lua_State *L)
{
  struct script *s = script_of(L);
  struct application *a = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, a->group->apply_ref);
  push_state(s, L, a->group);
  machine_decode(s, L, a->command);
  lua_pushinteger(L, (lua_Integer)a->index);
  lua_call(L, 3, 1);
  if (lua_isnil(L, -1)) {
    buf_append_str(a->outcome->value, "{}");
    return 0;
  }
  struct codec_error error;
  codec_error_init(&error);
  size_t begin = a->outcome->value->len;
  if (codec_encode(s, L, -1, a->outcome->value, &error) != 0) {
    a->outcome->value->len = begin;
    a->outcome->code = error_protocol_code(ERROR_CRASH);
    buf_printf(a->outcome->value, "what apply returned cannot be encoded: result%s: %s", error.path, error.reason);
    script_log(s, LOG_ERROR, slice_of(a->outcome->value->data + begin, a->outcome->value->len - begin));
  }
  return 0;
}

/* The command ended with the error on top of the stack: that is its result, on every replica. */
static void keep_error(lua_State *L, struct node_outcome *outcome, size_t begin)
{
  bool remote;
  struct slice text;
  outcome->value->len = begin;
  if (!errors_get(L, -1, &outcome->code, &remote, &text)) {
    outcome->code = error_protocol_code(ERROR_CRASH);
    text.ptr = script_tostring(L, -1, &text.len);
  } else if (outcome->code == 0) { /* "perhaps" is no result */
    outcome->code = error_protocol_code(ERROR_CRASH);
  }
  buf_append_slice(outcome->value, text);
}

static void apply(struct script *s, const void *arg)
{
  struct application *a = *(struct application *const *)arg;
  size_t begin = a->outcome->value->len;
  script_count_call(s);
  int status = run(s, "apply", apply_command, a);
  if (is_lost(s, status)) {
    log_failure(s, a->group, "apply", status, "; this replica does not know what the others do, and stops");
    return;
  }
  if (status != LUA_OK) {
    keep_error(s->machines, a->outcome, begin);
  }
  a->result = 0;
}

int machine_apply(void *self, void *group, uint64_t index, struct slice command, struct node_outcome *outcome)
{
  struct application a = {group, index, command, outcome, ERROR_CRASH};
  struct application *at = &a;
  outcome->code = 0;
  ask(self, apply, &at);
  return a.result;
}

/* ---- snapshots ---- */

struct preservation {
  struct raft_group *group;
  struct buf *out;   /* to */
  struct slice text; /* from */
  struct image_error error;
  int result;
};

/* Lua: (preservation): appends the state. */
static int take_snapshot(lua_State *L)
{
  struct script *s = script_of(L);
  struct preservation *p = lua_touserdata(L, 1);
  bool custom = p->group->snapshot_ref != LUA_NOREF;
  if (custom) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, p->group->snapshot_ref);
    push_state(s, L, p->group);
    lua_call(L, 1, 1);
  } else {
    push_state(s, L, p->group);
  }
  if (image_encode(s, L, -1, custom ? "snapshot" : "state", p->out, &p->error) != 0) {
    lua_pushstring(L, p->error.text);
    return lua_error(L);
  }
  return 0;
}

static void preserve(struct script *s, const void *arg)
{
  struct preservation *p = *(struct preservation *const *)arg;
  size_t begin = p->out->len;
  int status = run(s, "snapshot", take_snapshot, p);
  if (status == LUA_OK && !is_lost(s, status)) {
    p->group->snapshot_failed = false;
    p->result = 0;
    return;
  }
  p->out->len = begin;
  if (!p->group->snapshot_failed) {
    p->group->snapshot_failed = true;
    log_failure(s, p->group, "no snapshot", status, "");
  }
}

int machine_snapshot(void *self, void *group, struct buf *out)
{
  struct preservation p = {.group = group, .out = out, .result = ERROR_CRASH};
  struct preservation *at = &p;
  ask(self, preserve, &at);
  return p.result;
}

/* Lua: (preservation): replaces the state. */
static int take_back(lua_State *L)
{
  struct script *s = script_of(L);
  struct preservation *p = lua_touserdata(L, 1);
  struct raft_group *g = p->group;
  bool custom = g->restore_ref != LUA_NOREF;
  g->has_state = false;
  if (p->text.len == 0) {
    push_state(s, L, g);
    return 0;
  }
  if (custom) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, g->restore_ref);
  }
  if (image_decode(s, L, p->text, &p->error) != 0) {
    return luaL_error(L, "the snapshot is damaged: %s", p->error.text);
  }
  if (custom) {
    lua_call(L, 1, 1);
  }
  set_state(L, g, "restore");
  return 0;
}

static void restore(struct script *s, const void *arg)
{
  struct preservation *p = *(struct preservation *const *)arg;
  int status = run(s, "restore", take_back, p);
  if (status != LUA_OK || is_lost(s, status)) {
    log_failure(s, p->group, p->text.len == 0 ? "init" : "restore", status, "; this replica has no state, and stops");
    return;
  }
  p->result = 0;
}

int machine_restore(void *self, void *group, struct slice state)
{
  struct preservation p = {.group = group, .text = state, .result = ERROR_CRASH};
  struct preservation *at = &p;
  ask(self, restore, &at);
  return p.result;
}
