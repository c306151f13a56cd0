/* What a script may not do for ever: run, and allocate. */
#include "script/limits.h"

#include <time.h>

#include "script/internal.h"

#define HELD_MAX_NS (3 * NODE_S_NS) /* processor time of a state machine's function, from when the watchdog saw it */
#define HELD_EVERY  10000           /* instructions between two looks at that */

/* ---- instructions ---- */

/* How often they are counted. Each thread has a count of its own, so this is also how much a coroutine may run uncounted. */
static int count_every(const struct script *s)
{
  return s->config.turn_instructions < 1000 ? 1 : 1000;
}

/* Who has run too long. */
static const char *culprit(const struct script *s, const struct task *t)
{
  if (s->machine != NULL) {
    return s->machine;
  }
  if (t == NULL) {
    return "this script";
  }
  switch (t->role) {
  case ROLE_HANDLER:
    return "this handler";
  case ROLE_TIMER:
    return "this timer";
  case ROLE_INIT:
    return "on_init";
  default:
    return "this task";
  }
}

void limits_push(lua_State *L, const struct task *t)
{
  char digits[32];
  char *at = digits + sizeof digits;
  int written = 0;
  *--at = '\0';
  for (uint64_t n = script_of(L)->config.turn_instructions; n > 0; n /= 10) {
    if (written > 0 && written % 3 == 0) {
      *--at = ',';
    }
    *--at = (char)('0' + n % 10);
    written++;
  }
  lua_pushfstring(L, "stopped: %s has run %s instructions without a pause", culprit(script_of(L), t), at);
}

static void log_where(lua_State *L, struct script *s)
{
  size_t len;
  struct task *t = s->current;
  limits_push(L, t);
  luaL_traceback(L, L, lua_tostring(L, -1), 0);
  if (t != NULL && t->co != L) { /* in a coroutine of the script's own */
    luaL_traceback(L, t->co, NULL, 0);
    lua_pushliteral(L, "\n(in a coroutine) ");
    lua_insert(L, -2);
    lua_concat(L, 3);
  }
  const char *text = lua_tolstring(L, -1, &len);
  script_log(s, LOG_ERROR, slice_of(text, len));
  lua_pop(L, 2);
}

/* The count hook of every thread. Once the piece of work is over its limit, its task is made to yield, which nothing can catch: it will not
 * be resumed. Where that cannot be (below a C function, in a coroutine of the script's own, while loading) an error is raised, and again at
 * every instruction that follows, so that whoever catches it gets no further than out of its pcall. */
static void count(lua_State *L, lua_Debug *ar)
{
  (void)ar;
  struct script *s = script_of(L);
  int every = lua_gethookcount(L);
  s->turn_used += (uint64_t)every;
  if (!s->turn_over && s->turn_used <= s->config.turn_instructions) {
    if (every != count_every(s)) { /* left over from a piece of work that was stopped */
      lua_sethook(L, count, LUA_MASKCOUNT, count_every(s));
    }
    return;
  }
  lua_sethook(L, count, LUA_MASKCOUNT, 1);
  if (!s->turn_over) {
    s->turn_over = true;
    s->ran_away = true;
    log_where(L, s);
  }
  struct task *t = s->current;
  if (t != NULL && t->co == L && lua_isyieldable(L)) {
    lua_yield(L, 0);
    return;
  }
  if (t != NULL && t->co != L) {
    lua_sethook(t->co, count, LUA_MASKCOUNT, 1);
  }
  if (s->machine != NULL && s->machines != L) {
    lua_sethook(s->machines, count, LUA_MASKCOUNT, 1);
  }
  limits_push(L, t);
  lua_error(L);
}

static uint64_t processor_ns(void)
{
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (uint64_t)t.tv_sec * NODE_S_NS + (uint64_t)t.tv_nsec;
}

/* The count hook of a state machine that holds the loop. */
static void hold(lua_State *L, lua_Debug *ar)
{
  (void)ar;
  struct script *s = script_of(L);
  if (!s->turn_over && processor_ns() - s->held_ns < HELD_MAX_NS) {
    return;
  }
  if (!s->turn_over) {
    s->turn_over = true;
    s->ran_away = true;
    lua_sethook(L, hold, LUA_MASKCOUNT, 1);
    luaL_traceback(L, L, "stopped: it does not end; it is here now:", 0);
    size_t len;
    const char *text = lua_tolstring(L, -1, &len);
    script_log(s, LOG_ERROR, slice_of(text, len));
    lua_pop(L, 1);
  }
  luaL_error(L, "stopped: %s does not end", s->machine);
}

void limits_hold(struct script *s, lua_State *L)
{
  s->held_ns = processor_ns();
  lua_sethook(L, hold, LUA_MASKCOUNT, HELD_EVERY);
}

void limits_open(struct script *s)
{
  if (s->config.turn_instructions > 0) {
    lua_sethook(s->L, count, LUA_MASKCOUNT, count_every(s)); /* new threads inherit it */
  }
}

void limits_watch(struct script *s, lua_State *co)
{
  if (s->turn_over) {
    lua_sethook(co, count, LUA_MASKCOUNT, 1);
  }
}

bool script_ran_away(const struct script *s)
{
  return s->ran_away;
}

/* ---- memory ---- */

/* The allocator while a state machine runs. What it refuses, Lua asks for again at once when it has collected its garbage; a refusal that
 * is followed by anything else became an error. */
static void *note_refusal(void *arg, void *ptr, size_t old_size, size_t new_size)
{
  struct script *s = arg;
  void *memory = s->config.alloc(s->config.alloc_arg, ptr, old_size, new_size);
  if (new_size > (ptr != NULL ? old_size : 0)) { /* else it is the collector that shrinks or frees, in between */
    bool again = s->refused_want == new_size && s->refused_ptr == ptr;
    s->starved |= s->refused_want != 0 && (memory == NULL || !again);
    s->refused_want = memory == NULL ? new_size : 0;
    s->refused_ptr = ptr;
  }
  return memory;
}

void limits_begin_machine(struct script *s)
{
  s->starved = false;
  s->refused_want = 0;
  script_hold_clock(true);
  if (s->config.alloc != NULL) {
    lua_setallocf(s->L, note_refusal, s);
  }
}

void limits_end_machine(struct script *s)
{
  script_hold_clock(false);
  if (s->config.alloc != NULL) {
    lua_setallocf(s->L, s->config.alloc, s->config.alloc_arg);
  }
  s->starved |= s->refused_want != 0;
  s->refused_want = 0;
  if (s->held_ns != 0) {
    s->held_ns = 0;
    lua_sethook(s->machines, NULL, 0, 0);
  }
}

static void lose(struct script *s)
{
  s->lost = true;
  s->current = NULL;
  if (s->machine != NULL) {
    s->machine = NULL;
    limits_end_machine(s);
  }
  script_log(s, LOG_ERROR, SLICE("not enough memory: the service cannot go on"));
  if (s->node != NULL && !s->asked) {
    node_fail(s->node);
  }
}

void limits_guard(struct script *s, void (*work)(struct script *, const void *), const void *arg)
{
  struct rescue here = {.outer = s->rescue};
  s->rescue = &here;
  if (setjmp(here.env) == 0) {
    work(s, arg);
  } else {
    lose(s);
  }
  s->rescue = here.outer;
}

void limits_rescue(struct script *s)
{
  if (s->rescue != NULL) {
    longjmp(s->rescue->env, 1);
  }
}

void limits_trace(lua_State *co, struct buf *out)
{
  lua_Debug where;
  for (int level = 0; level < 20 && lua_getstack(co, level, &where) && lua_getinfo(co, "Sln", &where); level++) {
    buf_printf(out, "\n\t%s:", where.short_src);
    if (where.currentline > 0) {
      buf_printf(out, "%d:", where.currentline);
    }
    buf_printf(out, " in %s", where.name != NULL ? where.name : *where.what == 'm' ? "main chunk" : "a function");
  }
}
