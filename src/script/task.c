/* Tasks: coroutines that are started by a message, a timer or a script, and that yield only in our own waiting calls.
 *
 * A task's coroutine goes back to a pool when it ends. Slot 1 of its stack holds the subject (the msg or the timer it runs for), below the
 * function that runs, so that the collector sees it and it needs no reference of its own. */
#include <stdio.h>
#include <stdlib.h>

#include "script/codec.h"
#include "script/internal.h"

struct task *task_new(struct script *s, enum task_role role)
{
  if (s->live >= SCRIPT_TASKS_MAX) {
    return NULL;
  }
  struct task *t = s->pool;
  if (t != NULL) {
    s->pool = t->next;
  } else {
    t = calloc(1, sizeof *t);
    if (t == NULL) {
      abort();
    }
    t->waiter.kind = WAITER_TASK;
    t->co = lua_newthread(s->L);
    t->ref = luaL_ref(s->L, LUA_REGISTRYINDEX);
    map_put(&s->by_thread, (uint64_t)(uintptr_t)t->co, t);
    limits_watch(s, t->co);
    t->all = s->tasks;
    s->tasks = t;
  }
  assert(t->state == TASK_FREE);
  assert(lua_gettop(t->co) == 0);
  t->state = TASK_READY;
  t->wait = WAIT_NONE;
  t->role = role;
  t->raise = false;
  t->starved = false;
  t->subject = NULL;
  t->origin[0] = '\0';
  t->next = NULL;
  s->live++;
  lua_pushnil(t->co);
  return t;
}

static void release(struct script *s, struct task *t)
{
  if (t->id != 0) {
    map_remove(&s->by_id, t->id);
    t->id = 0;
  }
  lua_settop(t->co, 0);
  t->state = TASK_FREE;
  t->next = s->pool;
  s->pool = t;
  s->live--;
}

/* Gives a task a new coroutine. One that was stopped by an error out of its count hook never has a hook called again: Lua takes it to be in
 * the hook still. */
static void renew(struct script *s, struct task *t)
{
  map_remove(&s->by_thread, (uint64_t)(uintptr_t)t->co);
  luaL_unref(s->L, LUA_REGISTRYINDEX, t->ref);
  t->co = lua_newthread(s->L);
  t->ref = luaL_ref(s->L, LUA_REGISTRYINDEX);
  map_put(&s->by_thread, (uint64_t)(uintptr_t)t->co, t);
  limits_watch(s, t->co);
}

void task_free_all(struct script *s)
{
  while (s->tasks != NULL) {
    struct task *t = s->tasks;
    s->tasks = t->all;
    free(t);
  }
}

void task_log_error(struct script *s, struct task *t, const char *what)
{
  lua_State *L = s->L;
  if (s->turn_over) { /* that was logged where it was stopped */
    return;
  }
  const char *message = script_tostring(L, -1, NULL);
  struct buf text = {0};
  if (t->starved) {
    lua_pushnil(L);
    buf_printf(&text, "error in %s: %s", what, message);
    limits_trace(t->co, &text);
  } else {
    luaL_traceback(L, t->co, NULL, 0);
    buf_printf(&text, "error in %s: %s", what, message);
    if (strchr(lua_tostring(L, -1), '\n') != NULL) { /* not only its heading: the task has not returned already */
      buf_printf(&text, "\n%s", lua_tostring(L, -1));
    }
  }
  if (t->origin[0] != '\0') {
    buf_printf(&text, "\n\t(spawned at %s)", t->origin);
  }
  node_log_text(s->node, LOG_ERROR, buf_slice(&text));
  buf_free(&text);
  lua_pop(L, 2);
}

static void init_ended(struct script *s, bool failed)
{
  if (failed) {
    s->init_failed = true;
    if (s->init_yielded) {
      node_fail(s->node);
    }
    return;
  }
  s->started = true;
  timer_arm_pending(s);
  if (s->init_yielded) {
    node_ready(s->node);
  }
}

/* The task's function has returned. */
static void returned(struct script *s, struct task *t)
{
  switch (t->role) {
  case ROLE_HANDLER:
    message_finish(s, t);
    break;
  case ROLE_TIMER:
    timer_finish(s, t->subject);
    break;
  case ROLE_INIT:
    init_ended(s, false);
    break;
  case ROLE_SPAWNED:
    break;
  }
  release(s, t);
}

/* Closes what is to be closed in a task that raised, and makes its coroutine usable again. The error is on top of the main stack. */
static void reset(struct script *s, struct task *t)
{
  lua_State *L = s->L;
  if (lua_resetthread(t->co) != LUA_OK) { /* also for the error it had before */
    lua_xmove(t->co, L, 1);
    if (!lua_rawequal(L, -1, -2) && !s->turn_over) {
      node_log(s->node, LOG_ERROR, "error in a __close metamethod: %s", script_tostring(L, -1, NULL));
      lua_pop(L, 1);
    }
    lua_pop(L, 1);
  }
}

/* Whether the error on top of the main stack only says that the node ends, which failed what the task waited for: no failure of its own. */
static bool cut_short(struct script *s)
{
  long long code;
  bool remote;
  struct slice text;
  if (node_state(s->node) == NODE_RUNNING || !errors_get(s->L, -1, &code, &remote, &text)) {
    return false;
  }
  lua_getfield(s->L, -1, "name");
  bool stopped = lua_type(s->L, -1) == LUA_TSTRING && strcmp(lua_tostring(s->L, -1), error_name(ERROR_STOPPED)) == 0;
  lua_pop(s->L, 1);
  return stopped;
}

/* The task has raised; the error is on top of the main stack (its own may be full), which is popped. */
static void raised(struct script *s, struct task *t)
{
  luaL_checkstack(s->L, 16, "error");
  switch (t->role) {
  case ROLE_HANDLER:
    message_fail(s, t);
    break;
  case ROLE_TIMER:
    task_log_error(s, t, "a timer");
    timer_finish(s, t->subject);
    break;
  case ROLE_INIT:
    if (cut_short(s)) {
      node_log(s->node, LOG_INFO, "on_init did not end before the node");
    } else {
      task_log_error(s, t, "on_init");
      init_ended(s, true);
    }
    break;
  case ROLE_SPAWNED:
    task_log_error(s, t, "a spawned task");
    break;
  }
  reset(s, t);
  lua_pop(s->L, 1);
  release(s, t);
  if (s->turn_over) {
    renew(s, t);
  }
}

/* Runs a task until it yields or ends. */
static void run(struct script *s, struct task *t, int nargs)
{
  assert(s->current == NULL);
  t->state = TASK_RUNNING;
  t->wait = WAIT_NONE;
  s->current = t;
  int nres;
  int status = lua_resume(t->co, s->L, nargs, &nres);
  s->current = NULL;
  if (status == LUA_OK) {
    returned(s, t);
  } else if (status != LUA_YIELD) {
    t->starved = status == LUA_ERRMEM;
    lua_xmove(t->co, s->L, 1);
    raised(s, t);
  } else if (t->wait == WAIT_NONE && s->turn_over) {
    limits_push(s->L, t);
    raised(s, t);
  } else if (t->wait == WAIT_NONE) {
    lua_pushliteral(s->L, "coroutine.yield in a task: nothing would resume it (only vortex's own waiting calls yield a task)");
    raised(s, t);
  } else {
    t->state = t->wait == WAIT_PARK ? TASK_PARKED : TASK_WAITING;
  }
}

void task_enqueue(struct script *s, struct task *t, int nargs)
{
  t->state = TASK_READY;
  t->nargs = nargs;
  t->next = NULL;
  *s->queue_last = t;
  s->queue_last = &t->next;
}

void task_run_ready(struct script *s)
{
  if (s->running_queue || s->current != NULL || !s->initialized || s->init_failed) {
    return;
  }
  s->running_queue = true;
  while (s->queue_first != NULL) {
    struct task *t = s->queue_first;
    s->queue_first = t->next;
    if (s->queue_first == NULL) {
      s->queue_last = &s->queue_first;
    }
    run(s, t, t->nargs);
  }
  s->running_queue = false;
}

void task_start(struct script *s, struct task *t, int nargs)
{
  run(s, t, nargs);
  task_run_ready(s);
}

void task_resume(struct script *s, struct task *t, int nargs)
{
  assert(t->state == TASK_WAITING || t->state == TASK_PARKED);
  run(s, t, nargs);
  task_run_ready(s);
}

/* Pushes what a reply means to the task that waits for it; returns how many values that is, or -1 for an error object. Built on the main
 * stack, which is short: the task's own may be nearly full. */
static int push_reply(struct script *s, struct task *t, const struct node_message *reply)
{
  lua_State *L = s->L;
  codec_decode(s, L, reply->body);
  bool is_error = slice_equal(reply->type, SLICE("error"));
  if (is_error) {
    lua_pushliteral(L, "code");
    lua_rawget(L, -2);
    lua_pushliteral(L, "text");
    lua_rawget(L, -3);
    long long code = lua_isinteger(L, -2) ? (long long)lua_tointeger(L, -2) : error_protocol_code(ERROR_CRASH);
    size_t len = 0;
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &len) : NULL;
    errors_push(L, code, NULL, slice_of(text, len), true);
    lua_replace(L, -4);
    lua_pop(L, 2);
  }
  lua_xmove(L, t->co, 1);
  return is_error ? -1 : 1;
}

void task_complete(struct script *s, struct task *t, int status, const struct node_message *reply)
{
  assert(t->state == TASK_WAITING || t->state == TASK_PARKED);
  enum task_wait wait = t->wait;
  int pushed = 0; /* -1: an error object */
  if (reply != NULL) {
    pushed = push_reply(s, t, reply);
  } else if (status != 0 || wait == WAIT_PARK) {
    errors_push_code(s->L, status != 0 ? status : ERROR_TIMEOUT, true);
    lua_xmove(s->L, t->co, 1);
    pushed = -1;
  }
  if (pushed < 0 && wait != WAIT_RPC) { /* nil, err */
    lua_pushnil(t->co);
    lua_insert(t->co, -2);
    pushed = 2;
  }
  t->raise = pushed < 0;
  task_resume(s, t, pushed < 0 ? 1 : pushed);
}

/* Raises "<what> <why>" with the place of the caller `level` levels up. */
static int cannot_wait(lua_State *L, int level, const char *what, const char *why)
{
  luaL_where(L, level);
  lua_pushfstring(L, "%s %s", what, why);
  lua_concat(L, 2);
  return lua_error(L);
}

struct task *task_check_yield(lua_State *L, const char *what, int level)
{
  struct script *s = script_of(L);
  struct task *t = s->current;
  if (t == NULL && s->machine != NULL) {
    what = lua_pushfstring(L, "%s: %s", s->machine, what);
    cannot_wait(L, level, what, "cannot wait: a state machine's functions run to their end at once");
  } else if (t == NULL) {
    cannot_wait(L, level, what, "waits, so it must be called in a handler, a timer, on_init or a spawned task (use vortex.spawn)");
  } else if (t->co != L) {
    cannot_wait(L, level, what, "cannot wait inside a coroutine of the script's own (use vortex.spawn instead of coroutine.wrap)");
  } else if (!lua_isyieldable(L)) {
    cannot_wait(L, level, what, "cannot wait here: below raft:read, table.sort, string.gsub, a metamethod, require or another C function");
  }
  return t;
}

/* After a wait: what the task was resumed with is on top of the stack. */
static int resumed(lua_State *L, int status, lua_KContext ctx)
{
  (void)status;
  struct task *t = script_of(L)->current;
  if (t->raise) {
    t->raise = false;
    return lua_error(L);
  }
  return lua_gettop(L) - (int)ctx;
}

int task_wait(lua_State *L, struct task *t, enum task_wait wait)
{
  lua_settop(L, 0);
  return task_wait_then(L, t, wait, resumed);
}

int task_wait_then(lua_State *L, struct task *t, enum task_wait wait, lua_KFunction then)
{
  t->wait = wait;
  return lua_yieldk(L, 0, 0, then);
}
