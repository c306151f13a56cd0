/* vortex.check.core: linearizable. */
#include <lauxlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "check/cas_register.h"
#include "lab/checkers_walk.h"

enum {
  DROPPED = -1, /* an operation that did not happen, or says nothing */
};

struct linear_options {
  bool is_keyed;
  bool observes_failed_cas;
  uint64_t budget;
};

static void read_options(lua_State *L, struct linear_options *o)
{
  lua_getfield(L, CHECKERS_OPTIONS, "keyed");
  o->is_keyed = lua_toboolean(L, -1);
  lua_getfield(L, CHECKERS_OPTIONS, "failed_cas");
  const char *failed = lua_isnil(L, -1) ? "dropped" : lua_tostring(L, -1);
  o->observes_failed_cas = failed != NULL && strcmp(failed, "observed") == 0;
  if (!o->observes_failed_cas && (failed == NULL || strcmp(failed, "dropped") != 0)) {
    luaL_error(L, "failed_cas must be \"dropped\" or \"observed\", not %s", luaL_tolstring(L, -1, NULL));
  }
  lua_getfield(L, CHECKERS_OPTIONS, "budget");
  lua_Integer budget = lua_isnil(L, -1) ? LINEAR_BUDGET_DEFAULT : lua_tointeger(L, -1);
  if (budget < 1) {
    luaL_error(L, "budget must be an integer of at least 1, not %s", luaL_tolstring(L, -1, NULL));
  }
  o->budget = (uint64_t)budget;
  lua_pop(L, 3);
}

/* Pushes the event's value without its key, which is stored; 0 if the history is not keyed. */
static void push_value(struct checkers_walk *w, bool is_keyed, uint64_t *key)
{
  lua_State *L = w->L;
  *key = 0;
  checkers_push(w, CHECKERS_VALUE);
  if (!is_keyed) {
    return;
  }
  if (!lua_istable(L, -1)) {
    checkers_fail(w, "value is %s, not an array of a key and a value", checkers_text(w));
  }
  if (lua_rawgeti(L, -1, 1) == LUA_TNIL) {
    checkers_fail(w, "value has no key");
  }
  *key = checkers_intern(w, -1);
  lua_pop(L, 1);
  lua_rawgeti(L, -1, 2);
  lua_remove(L, -2);
}

static void read_invocation(struct checkers_walk *w, bool is_keyed, struct linear_op *op)
{
  lua_State *L = w->L;
  const char *f = checkers_f(w);
  *op = (struct linear_op){.invoke = w->place, .complete = LINEAR_NEVER};
  push_value(w, is_keyed, &op->key);
  if (strcmp(f, "read") == 0) {
    op->f = CAS_REGISTER_READ;
  } else if (strcmp(f, "write") == 0) {
    op->f = CAS_REGISTER_WRITE;
    op->a = checkers_intern(w, -1);
  } else if (strcmp(f, "cas") == 0) {
    if (!lua_istable(L, -1) || lua_rawlen(L, -1) != 2) {
      checkers_fail(w, "the value of a cas is %s, not an array of two", checkers_text(w));
    }
    op->f = CAS_REGISTER_CAS;
    lua_rawgeti(L, -1, 1);
    op->a = checkers_intern(w, -1);
    lua_rawgeti(L, -2, 2);
    op->b = checkers_intern(w, -1);
    lua_pop(L, 2);
  } else {
    checkers_fail(w, "f is %s, not read, write or cas", f);
  }
  lua_pop(L, 1);
}

static void read_completion(struct checkers_walk *w, const struct linear_options *o, struct linear_op *op)
{
  if (w->type == CHECKERS_OK) {
    op->complete = w->place;
  }
  if (w->type == CHECKERS_OK && op->f == CAS_REGISTER_READ) {
    uint64_t key;
    push_value(w, o->is_keyed, &key);
    if (key != op->key) {
      checkers_fail(w, "the read is of another key than its invocation at history[%d]", (int)op->invoke);
    }
    op->a = checkers_intern(w, -1);
    lua_pop(w->L, 1);
  } else if (w->type == CHECKERS_FAIL && op->f == CAS_REGISTER_CAS && o->observes_failed_cas) {
    op->complete = w->place;
    op->f = CAS_REGISTER_FAILED_CAS;
    op->b = 0;
  } else if (w->type == CHECKERS_FAIL) {
    op->f = DROPPED;
  }
}

/* Leaves out what says nothing. Returns how many are left. */
static size_t compact(struct linear_op *ops, size_t count)
{
  size_t kept = 0;
  for (size_t i = 0; i < count; i++) {
    bool is_crashed_read = ops[i].f == CAS_REGISTER_READ && ops[i].complete == LINEAR_NEVER;
    if (ops[i].f != DROPPED && !is_crashed_read) {
      ops[kept++] = ops[i];
    }
  }
  return kept;
}

static void push_places(struct checkers_walk *w, const size_t *ops, size_t count)
{
  lua_createtable(w->L, (int)count, 0);
  for (size_t i = 0; i < count; i++) {
    lua_pushinteger(w->L, (lua_Integer)w->ops[ops[i]].invoke);
    lua_rawseti(w->L, -2, (lua_Integer)i + 1);
  }
}

static void push_key(struct checkers_walk *w, bool is_keyed, uint64_t key)
{
  if (is_keyed) {
    checkers_push_value(w, key);
  } else {
    lua_pushlightuserdata(w->L, NULL);
  }
}

static void push_failure(struct checkers_walk *w, bool is_keyed, const struct linear_failure *f)
{
  lua_State *L = w->L;
  lua_createtable(L, 0, 7);
  push_key(w, is_keyed, f->key);
  lua_setfield(L, -2, "key");
  checkers_set_integer(L, "op", (lua_Integer)w->ops[f->op].invoke);
  checkers_set_integer(L, "done", (lua_Integer)f->done);
  push_places(w, f->window, f->window_len);
  lua_setfield(L, -2, "ops");
  push_places(w, f->order, f->order_len);
  lua_setfield(L, -2, "order");
  lua_createtable(L, (int)f->state_count, 0);
  for (size_t i = 0; i < f->state_count; i++) {
    checkers_push_value(w, f->states[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_setfield(L, -2, "states");
  lua_pushboolean(L, f->states_cut);
  lua_setfield(L, -2, "states_cut");
}

static void push_result(struct checkers_walk *w, bool is_keyed, size_t op_count)
{
  lua_State *L = w->L;
  const struct linear_result *r = &w->linear;
  lua_createtable(L, 0, 6);
  if (r->verdict == LINEAR_UNKNOWN) {
    lua_pushliteral(L, "unknown");
  } else {
    lua_pushboolean(L, r->verdict == LINEAR_VALID);
  }
  lua_setfield(L, -2, "valid");
  checkers_set_integer(L, "key_count", (lua_Integer)r->key_count);
  checkers_set_integer(L, "op_count", (lua_Integer)op_count);
  checkers_set_integer(L, "configurations", (lua_Integer)r->configurations);
  lua_createtable(L, (int)r->failure_count, 0);
  for (size_t i = 0; i < r->failure_count; i++) {
    push_failure(w, is_keyed, &r->failures[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_setfield(L, -2, "failures");
  lua_createtable(L, (int)r->unknown_count, 0);
  for (size_t i = 0; i < r->unknown_count; i++) {
    push_key(w, is_keyed, r->unknown[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_setfield(L, -2, "unknown");
}

int checkers_linearizable(lua_State *L)
{
  struct checkers_walk *w = checkers_begin(L);
  struct linear_options o;
  read_options(L, &o);
  lua_getfield(L, CHECKERS_OPTIONS, "initial");
  struct cas_register initial = {.initial = checkers_intern(w, -1)};
  lua_pop(L, 1);
  while (checkers_next(w)) {
    w->ops = memory_grow(w->ops, &w->ops_cap, w->op_count, sizeof *w->ops);
    if (w->type == CHECKERS_INVOKE) {
      read_invocation(w, o.is_keyed, &w->ops[w->op]);
    } else {
      read_completion(w, &o, &w->ops[w->op]);
    }
  }
  size_t op_count = compact(w->ops, w->op_count);
  struct linear_model model = cas_register_model(&initial, o.is_keyed);
  linear_check(&model, w->ops, op_count, o.budget, &w->linear);
  push_result(w, o.is_keyed, op_count);
  checkers_end(w);
  return 1;
}
