#include "lab/checkers.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "check/quantile.h"
#include "lab/checkers_walk.h"

/* ---- counter ---- */

static void tell_add(struct checkers_walk *w, int64_t delta, bool is_sure)
{
  if (counter_add(&w->counter, delta, is_sure) != 0) {
    checkers_fail(w, "the sum of the adds does not fit into 64 bits");
  }
}

static void read_add(struct checkers_walk *w, struct checkers_pending *p)
{
  if (w->type == CHECKERS_INVOKE) {
    p->number = checkers_integer(w, CHECKERS_VALUE);
    p->is_open_add = true;
    return;
  }
  p->is_open_add = w->type == CHECKERS_INFO;
  if (w->type == CHECKERS_OK) {
    tell_add(w, p->number, true);
  }
}

static void read_read(struct checkers_walk *w, struct checkers_pending *p)
{
  checkers_push(w, CHECKERS_FINAL);
  p->is_final = p->is_final || lua_toboolean(w->L, -1);
  lua_pop(w->L, 1);
  if (w->type == CHECKERS_OK && p->is_final) {
    p->is_final_read = true;
    p->number = checkers_integer(w, CHECKERS_VALUE);
    p->index = checkers_integer_or(w, CHECKERS_INDEX, (int64_t)w->place - 1);
  }
}

static void read_history(struct checkers_walk *w)
{
  counter_init(&w->counter);
  while (checkers_next(w)) {
    const char *f = checkers_f(w);
    struct checkers_pending *p = checkers_pending_of(w);
    if (strcmp(f, "add") == 0) {
      read_add(w, p);
    } else if (strcmp(f, "read") == 0) {
      read_read(w, p);
    }
  }
  for (size_t i = 0; i < w->op_count; i++) {
    if (w->pending[i].is_open_add) {
      tell_add(w, w->pending[i].number, false);
    }
  }
}

/* Sets fields `valid`, `reads` and `wrong` of the table on top of the stack. */
static void set_reads(struct checkers_walk *w)
{
  lua_State *L = w->L;
  lua_Integer read_count = 0;
  lua_Integer wrong_count = 0;
  bool is_certain = true;
  lua_newtable(L);
  lua_newtable(L);
  for (size_t i = 0; i < w->op_count; i++) {
    const struct checkers_pending *p = &w->pending[i];
    if (!p->is_final_read) {
      continue;
    }
    lua_pushinteger(L, p->number);
    lua_rawseti(L, -3, ++read_count);
    enum counter_answer answer = counter_allows(&w->counter, p->number);
    is_certain = is_certain && answer != COUNTER_UNKNOWN;
    if (answer == COUNTER_IMPOSSIBLE) {
      lua_createtable(L, 0, 3);
      checkers_set_integer(L, "process", p->process);
      checkers_set_integer(L, "value", p->number);
      checkers_set_integer(L, "index", p->index);
      lua_rawseti(L, -2, ++wrong_count);
    }
  }
  lua_setfield(L, -3, "wrong");
  lua_setfield(L, -2, "reads");
  if (wrong_count == 0 && !is_certain) {
    lua_pushliteral(L, "unknown");
  } else {
    lua_pushboolean(L, wrong_count == 0);
  }
  lua_setfield(L, -2, "valid");
}

static int l_counter(lua_State *L)
{
  lua_settop(L, 1);
  struct checkers_walk *w = checkers_begin(L);
  read_history(w);
  lua_createtable(L, 0, 4);
  set_reads(w);
  lua_createtable(L, (int)w->counter.range_count, 0);
  for (size_t i = 0; i < w->counter.range_count; i++) {
    struct counter_range r = counter_range(&w->counter, i);
    lua_createtable(L, 2, 0);
    lua_pushinteger(L, r.low);
    lua_rawseti(L, -2, 1);
    lua_pushinteger(L, r.high);
    lua_rawseti(L, -2, 2);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_setfield(L, -2, "ranges");
  checkers_end(w);
  return 1;
}

/* ---- quantiles ---- */

/* A number and where it was in the list. */
struct sample {
  lua_Number number;
  lua_Integer place;
};

static int compare_samples(const void *a, const void *b)
{
  const struct sample *x = a;
  const struct sample *y = b;
  if (x->number != y->number) {
    return x->number < y->number ? -1 : 1;
  }
  return (x->place > y->place) - (x->place < y->place);
}

static lua_Number number_at(lua_State *L, int list, lua_Integer i)
{
  lua_rawgeti(L, list, i);
  lua_Number n = lua_tonumber(L, -1);
  if (lua_type(L, -1) != LUA_TNUMBER || n != n) {
    luaL_error(L, "quantiles: element %I is %s, not a number", (LUAI_UACINT)i, luaL_tolstring(L, -1, NULL));
  }
  lua_pop(L, 1);
  return n;
}

static int l_quantiles(lua_State *L)
{
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  size_t count = lua_rawlen(L, 1);
  size_t wanted = lua_rawlen(L, 2);
  struct sample *samples = lua_newuserdatauv(L, (count + 1) * sizeof *samples, 0);
  for (size_t i = 0; i < count; i++) {
    samples[i] = (struct sample){.number = number_at(L, 1, (lua_Integer)i + 1), .place = (lua_Integer)i + 1};
  }
  qsort(samples, count, sizeof *samples, compare_samples);
  lua_createtable(L, (int)wanted, 0);
  for (size_t i = 0; i < wanted && count > 0; i++) {
    lua_Number q = number_at(L, 2, (lua_Integer)i + 1);
    if (q < 0 || q > 1) {
      return luaL_error(L, "quantiles: %f is not between 0 and 1", q);
    }
    lua_rawgeti(L, 1, samples[quantile_place(count, q)].place);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

int checkers_open(lua_State *L)
{
  static const luaL_Reg functions[] = {
      {"linearizable", checkers_linearizable},
      {"set_full", checkers_set_full},
      {"counter", l_counter},
      {"quantiles", l_quantiles},
      {NULL, NULL},
  };
  luaL_newlib(L, functions);
  return 1;
}
