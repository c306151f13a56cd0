/* What a script may not do for ever: run, and allocate. */
#include "script/limits.h"

#include "script/internal.h"

/* ---- instructions ---- */

/* How often they are counted. Each thread has a count of its own, so this is also how much a coroutine may run uncounted. */
static int count_every(const struct script *s)
{
  return s->config.turn_instructions < 1000 ? 1 : 1000;
}

/* Who has run too long. */
static const char *culprit(const struct task *t)
{
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
  lua_pushfstring(L, "stopped: %s has run %s instructions without a pause", culprit(t), at);
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
  limits_push(L, t);
  lua_error(L);
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

static void lose(struct script *s)
{
  s->lost = true;
  s->current = NULL;
  script_log(s, LOG_ERROR, SLICE("not enough memory: the service cannot go on"));
  if (s->node != NULL) {
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
