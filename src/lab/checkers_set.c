/* vortex.check.core: set_full. */
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "check/quantile.h"
#include "lab/checkers_walk.h"

enum {
  LISTED_MAX = 48, /* elements of a list */
  WORST_MAX = 8,
};

static const double points[] = {0, 0.5, 0.95, 0.99, 1};
static const char *const point_names[] = {"0", "0.5", "0.95", "0.99", "1"};

/* An element's place in the order of the elements: integers ascending, then the others as they were first seen. */
struct checkers_rank {
  uint32_t id;
  bool is_integer;
  int64_t integer;
  int64_t latency_ms; /* stable, for the worst */
};

static int compare_ranks(const void *a, const void *b)
{
  const struct checkers_rank *x = a;
  const struct checkers_rank *y = b;
  if (x->is_integer != y->is_integer) {
    return x->is_integer ? -1 : 1;
  }
  if (x->is_integer) {
    return (x->integer > y->integer) - (x->integer < y->integer);
  }
  return (x->id > y->id) - (x->id < y->id);
}

/* The greatest latency first; of equal ones, the greatest element. */
static int compare_worst(const void *a, const void *b)
{
  const struct checkers_rank *x = a;
  const struct checkers_rank *y = b;
  if (x->latency_ms != y->latency_ms) {
    return x->latency_ms > y->latency_ms ? -1 : 1;
  }
  return compare_ranks(b, a);
}

static int compare_latencies(const void *a, const void *b)
{
  int64_t x = *(const int64_t *)a;
  int64_t y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

/* ---- the history ---- */

static void read_elements(struct checkers_walk *w, const struct checkers_pending *invocation, struct set_full_moment completed)
{
  lua_State *L = w->L;
  checkers_push(w, CHECKERS_VALUE);
  if (!lua_istable(L, -1)) {
    checkers_fail(w, "the value of a read is %s, not a list", checkers_text(w));
  }
  int list = lua_gettop(L);
  size_t count = lua_rawlen(L, list);
  w->elements = memory_grow(w->elements, &w->elements_cap, count, sizeof *w->elements);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, list, (lua_Integer)i + 1);
    w->elements[i] = checkers_intern(w, -1);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  struct set_full_moment invoked = {.place = invocation->place, .time = invocation->time};
  set_full_read(&w->set, invoked, completed, w->elements, count);
}

static void read_add(struct checkers_walk *w, struct checkers_pending *p)
{
  if (w->type == CHECKERS_INVOKE) {
    checkers_push(w, CHECKERS_VALUE);
    p->number = checkers_intern(w, -1);
    lua_pop(w->L, 1);
    set_full_add(&w->set, (uint32_t)p->number);
  } else if (w->type == CHECKERS_OK) {
    set_full_added(&w->set, (uint32_t)p->number,
                   (struct set_full_moment){.place = w->place, .time = checkers_integer_or(w, CHECKERS_TIME, 0)});
  }
}

static void read_history(struct checkers_walk *w, const char *add, const char *read)
{
  while (checkers_next(w)) {
    const char *f = checkers_f(w);
    struct checkers_pending *p = checkers_pending_of(w);
    if (strcmp(f, add) == 0) {
      read_add(w, p);
    } else if (strcmp(f, read) == 0 && w->type == CHECKERS_INVOKE) {
      p->time = checkers_integer_or(w, CHECKERS_TIME, 0);
    } else if (strcmp(f, read) == 0 && w->type == CHECKERS_OK) {
      read_elements(w, p, (struct set_full_moment){.place = w->place, .time = checkers_integer_or(w, CHECKERS_TIME, 0)});
    }
  }
}

/* ---- the result ---- */

static void rank_elements(struct checkers_walk *w)
{
  size_t n = w->set_result.element_count;
  w->ranks = memory_zeroed(n, sizeof *w->ranks);
  for (size_t i = 0; i < n; i++) {
    checkers_push_value(w, i);
    w->ranks[i].id = (uint32_t)i;
    w->ranks[i].is_integer = lua_isinteger(w->L, -1);
    w->ranks[i].integer = lua_tointeger(w->L, -1);
    w->ranks[i].latency_ms = w->set_result.elements[i].stable_latency_ms;
    lua_pop(w->L, 1);
  }
  qsort(w->ranks, n, sizeof *w->ranks, compare_ranks);
}

static bool is_lost(const struct set_full_element *e)
{
  return e->outcome == SET_FULL_LOST;
}

static bool is_never_read(const struct set_full_element *e)
{
  return e->outcome == SET_FULL_NEVER_READ;
}

static bool is_stale(const struct set_full_element *e)
{
  return e->is_stale;
}

static bool is_phantom(const struct set_full_element *e)
{
  return e->is_phantom;
}

static bool is_duplicate(const struct set_full_element *e)
{
  return e->copies > 1;
}

/* Sets a field of the table on top of the stack to the first elements that are so. */
static void set_list(struct checkers_walk *w, const char *name, bool (*is_so)(const struct set_full_element *e))
{
  lua_newtable(w->L);
  lua_Integer count = 0;
  for (size_t i = 0; i < w->set_result.element_count && count < LISTED_MAX; i++) {
    if (is_so(&w->set_result.elements[w->ranks[i].id])) {
      checkers_push_value(w, w->ranks[i].id);
      lua_rawseti(w->L, -2, ++count);
    }
  }
  lua_setfield(w->L, -2, name);
}

/* Reorders the ranks. */
static void set_worst(struct checkers_walk *w)
{
  lua_State *L = w->L;
  size_t n = w->set_result.element_count;
  qsort(w->ranks, n, sizeof *w->ranks, compare_worst);
  lua_newtable(L);
  for (size_t i = 0; i < n && i < WORST_MAX && w->ranks[i].latency_ms > 0; i++) {
    lua_createtable(L, 0, 3);
    checkers_push_value(w, w->ranks[i].id);
    lua_setfield(L, -2, "element");
    lua_pushliteral(L, "stable");
    lua_setfield(L, -2, "outcome");
    checkers_set_integer(L, "stable_latency_ms", w->ranks[i].latency_ms);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_setfield(L, -2, "worst_stale");
}

/* Sets a field to the quantiles of the latencies that are not negative; leaves it nil if there is none. */
static void set_quantiles(lua_State *L, const char *name, int64_t *latencies, size_t count)
{
  if (count == 0) {
    return;
  }
  qsort(latencies, count, sizeof *latencies, compare_latencies);
  lua_createtable(L, 0, (int)(sizeof points / sizeof *points));
  for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
    checkers_set_integer(L, point_names[i], latencies[quantile_place(count, points[i])]);
  }
  lua_setfield(L, -2, name);
}

static void set_latencies(struct checkers_walk *w)
{
  const struct set_full_result *r = &w->set_result;
  int64_t *latencies = lua_newuserdatauv(w->L, (r->element_count + 1) * sizeof *latencies, 0);
  lua_insert(w->L, -2);
  size_t count = 0;
  for (size_t i = 0; i < r->element_count; i++) {
    if (r->elements[i].stable_latency_ms >= 0) {
      latencies[count++] = r->elements[i].stable_latency_ms;
    }
  }
  set_quantiles(w->L, "stable_latencies", latencies, count);
  count = 0;
  for (size_t i = 0; i < r->element_count; i++) {
    if (r->elements[i].lost_latency_ms >= 0) {
      latencies[count++] = r->elements[i].lost_latency_ms;
    }
  }
  set_quantiles(w->L, "lost_latencies", latencies, count);
  lua_remove(w->L, -2);
}

static void push_result(struct checkers_walk *w)
{
  lua_State *L = w->L;
  const struct set_full_result *r = &w->set_result;
  lua_createtable(L, 0, 20);
  if (r->verdict == SET_FULL_UNKNOWN) {
    lua_pushliteral(L, "unknown");
  } else {
    lua_pushboolean(L, r->verdict == SET_FULL_VALID);
  }
  lua_setfield(L, -2, "valid");
  checkers_set_integer(L, "attempt_count", (lua_Integer)r->attempt_count);
  checkers_set_integer(L, "acknowledged_count", (lua_Integer)r->acknowledged_count);
  checkers_set_integer(L, "stable_count", (lua_Integer)r->stable_count);
  checkers_set_integer(L, "lost_count", (lua_Integer)r->lost_count);
  checkers_set_integer(L, "never_read_count", (lua_Integer)r->never_read_count);
  checkers_set_integer(L, "stale_count", (lua_Integer)r->stale_count);
  checkers_set_integer(L, "phantom_count", (lua_Integer)r->phantom_count);
  checkers_set_integer(L, "duplicate_count", (lua_Integer)r->duplicate_count);
  rank_elements(w);
  set_list(w, "lost", is_lost);
  set_list(w, "never_read", is_never_read);
  set_list(w, "stale", is_stale);
  set_list(w, "phantoms", is_phantom);
  set_list(w, "duplicates", is_duplicate);
  set_worst(w);
  set_latencies(w);
}

/* The name of an operation, from the options; it stays valid, since they hold it. */
static const char *option(lua_State *L, const char *name)
{
  if (lua_getfield(L, CHECKERS_OPTIONS, name) == LUA_TNIL) {
    lua_pop(L, 1);
    return name;
  }
  if (lua_type(L, -1) != LUA_TSTRING) {
    luaL_error(L, "%s must be the name of an operation, not a %s", name, luaL_typename(L, -1));
  }
  const char *f = lua_tostring(L, -1);
  lua_pop(L, 1);
  return f;
}

int checkers_set_full(lua_State *L)
{
  struct checkers_walk *w = checkers_begin(L);
  const char *add = option(L, "add");
  const char *read = option(L, "read");
  read_history(w, add, read);
  set_full_judge(&w->set, &w->set_result);
  push_result(w);
  checkers_end(w);
  return 1;
}
