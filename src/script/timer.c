/* after and every: a function that runs in a task of its own when its time has come.
 *
 * A repeating timer is armed anew when its function has ended, for one period after it fell due (at once if that has passed), so it never
 * overlaps itself and never catches up after a pause. Periods are jittered by a tenth, so that the nodes of a cluster do not march in step.
 */
#include "script/guard.h"
#include "script/internal.h"

#define JITTER_DIVISOR 10

struct script_timer {
  struct waiter waiter; /* first, so that a tag is its timer */
  uint64_t delay_ns;
  bool repeats;
  bool cancelled;
  bool armed;
  bool running;
  uint64_t due_ns;
  uint64_t token;
  int pin; /* a reference to itself while it is pending, armed or running; LUA_NOREF = none */
  struct script_timer *next_pending;
};

static uint64_t jittered(struct script *s, uint64_t delay_ns)
{
  uint64_t spread = delay_ns / JITTER_DIVISOR;
  return spread == 0 ? delay_ns : delay_ns - spread + node_random(s->node) % (2 * spread + 1);
}

static void unpin(struct script *s, struct script_timer *timer)
{
  luaL_unref(s->L, LUA_REGISTRYINDEX, timer->pin);
  timer->pin = LUA_NOREF;
}

static void arm(struct script *s, struct script_timer *timer)
{
  uint64_t now = node_now(s->node);
  uint64_t from = timer->due_ns != 0 ? timer->due_ns : now;
  timer->due_ns = from + (timer->repeats ? jittered(s, timer->delay_ns) : timer->delay_ns);
  if (timer->due_ns < now) {
    timer->due_ns = now;
  }
  timer->armed = true;
  timer->token = node_timer(s->node, timer->due_ns - now, &timer->waiter);
}

void timer_complete(struct script *s, struct script_timer *timer)
{
  timer->armed = false;
  struct task *t = node_state(s->node) == NODE_RUNNING ? task_new(s, ROLE_TIMER) : NULL;
  if (t == NULL) {
    if (node_state(s->node) == NODE_RUNNING) {
      node_log(s->node, LOG_ERROR, "a timer did not run: %d tasks are waiting already", SCRIPT_TASKS_MAX);
    }
    timer_finish(s, timer);
    return;
  }
  timer->running = true;
  t->subject = timer;
  lua_settop(t->co, 0);
  lua_rawgeti(t->co, LUA_REGISTRYINDEX, timer->pin);
  lua_getiuservalue(t->co, 1, 1);
  task_start(s, t, 0);
}

void timer_finish(struct script *s, struct script_timer *timer)
{
  timer->running = false;
  if (timer->repeats && !timer->cancelled && node_state(s->node) == NODE_RUNNING) {
    arm(s, timer);
  } else {
    unpin(s, timer);
  }
}

void timer_arm_pending(struct script *s)
{
  struct script_timer *timer = s->pending_timers;
  s->pending_timers = NULL;
  while (timer != NULL) {
    struct script_timer *next = timer->next_pending;
    timer->next_pending = NULL;
    if (timer->cancelled) {
      unpin(s, timer);
    } else {
      arm(s, timer);
    }
    timer = next;
  }
}

static int timer_new(lua_State *L, bool repeats)
{
  struct script *s = script_of(L);
  uint64_t delay_ns = script_check_seconds(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  if (repeats && delay_ns == 0) {
    return luaL_argerror(L, 1, "a period must be above 0");
  }
  struct script_timer *timer = lua_newuserdatauv(L, sizeof *timer, 1);
  *timer = (struct script_timer){.waiter = {WAITER_TIMER}, .delay_ns = delay_ns, .repeats = repeats};
  luaL_setmetatable(L, TIMER_MT);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, -2, 1);
  lua_pushvalue(L, -1);
  timer->pin = luaL_ref(L, LUA_REGISTRYINDEX);
  if (s->started) {
    arm(s, timer);
  } else {
    struct script_timer **last = &s->pending_timers;
    while (*last != NULL) {
      last = &(*last)->next_pending;
    }
    *last = timer;
  }
  return 1;
}

int timer_after(lua_State *L)
{
  return timer_new(L, false);
}

int timer_every(lua_State *L)
{
  return timer_new(L, true);
}

/* Lua: timer:cancel(). The function does not run any more; if it is running, it ends as usual. */
static int timer_cancel(lua_State *L)
{
  struct script *s = script_of(L);
  struct script_timer *timer = luaL_checkudata(L, 1, TIMER_MT);
  timer->cancelled = true;
  if (timer->armed) {
    timer->armed = false;
    node_cancel(s->node, timer->token);
    unpin(s, timer);
  }
  return 0;
}

static int timer_tostring(lua_State *L)
{
  struct script_timer *timer = luaL_checkudata(L, 1, TIMER_MT);
  lua_pushfstring(L, "%s timer (%s)", timer->repeats ? "repeating" : "one-time",
                  timer->cancelled          ? "cancelled"
                  : timer->running          ? "running"
                  : timer->pin != LUA_NOREF ? "waiting"
                                            : "done");
  return 1;
}

static const luaL_Reg timer_methods[] = {{"cancel", timer_cancel}, {NULL, NULL}};
static const luaL_Reg timer_meta[] = {{"__tostring", timer_tostring}, {"__close", timer_cancel}, {NULL, NULL}};

void timer_open(lua_State *L)
{
  luaL_newmetatable(L, TIMER_MT);
  luaL_setfuncs(L, timer_meta, 0);
  luaL_newlib(L, timer_methods);
  guard_timer(L);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
