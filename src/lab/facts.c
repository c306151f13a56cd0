/* What the verdict rests on beside the history. */
#include <inttypes.h>
#include <lua.h>
#include <stdlib.h>
#include <string.h>

#include "lab/trial_state.h"

struct crash *facts_add_crash(struct trial *t, unsigned node, const char *what)
{
  if (t->crash_count == CRASHES_MAX) {
    buf_clear(&t->overflow.text);
    return &t->overflow;
  }
  struct crash *c = &t->crashes[t->crash_count++];
  *c = (struct crash){.node = node, .what = what};
  return c;
}

static void set_count(lua_State *L, const char *key, uint64_t value)
{
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, key);
}

static void set_slice(lua_State *L, const char *key, struct slice text)
{
  lua_pushlstring(L, text.ptr, text.len);
  lua_setfield(L, -2, key);
}

static void push_refused(lua_State *L, const struct record *r)
{
  lua_createtable(L, (int)r->refused_count, 0);
  for (size_t i = 0; i < r->refused_count; i++) {
    const struct record_refused *refused = &r->refused[i];
    lua_createtable(L, 0, 4);
    set_count(L, "time", refused->at_ns);
    set_slice(L, "node", buf_slice(&refused->from));
    set_slice(L, "line", buf_slice(&refused->line));
    set_slice(L, "why", slice_of(refused->why, strlen(refused->why)));
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

static void push_named(lua_State *L, struct trial *t, unsigned node)
{
  const char *name = trial_node_name(t, node);
  lua_createtable(L, 0, 3);
  set_slice(L, "node", slice_of(name, strlen(name)));
}

static void push_crashes(lua_State *L, struct trial *t)
{
  lua_createtable(L, (int)t->crash_count, 0);
  for (size_t i = 0; i < t->crash_count; i++) {
    push_named(L, t, t->crashes[i].node);
    set_slice(L, "what", slice_of(t->crashes[i].what, strlen(t->crashes[i].what)));
    set_slice(L, "text", buf_slice(&t->crashes[i].text));
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

static void push_faults(lua_State *L, const struct trial *t)
{
  lua_createtable(L, 0, SIM_FAULTS);
  for (int f = 0; t->nemesis != NULL && f < SIM_FAULTS; f++) {
    uint64_t n = sim_nemesis_count(t->nemesis, (enum sim_fault)f);
    if (n > 0) {
      set_count(L, sim_fault_name((enum sim_fault)f), n);
    }
  }
}

/* The nodes whose clients got nothing useful after everything had healed. */
static void push_liveness(lua_State *L, struct trial *t)
{
  lua_Integer n = 0;
  lua_newtable(L);
  for (unsigned i = 0; i < t->config->nodes && i < t->config->clients; i++) {
    if (!t->served[i]) {
      push_named(L, t, i);
      lua_rawseti(L, -2, ++n);
    }
  }
}

/* What consensus came to; nothing if no script uses it. */
static void push_raft(lua_State *L, const struct trial *t)
{
  struct raft_watch_stats stats;
  watcher_stats(t->watcher, &stats);
  lua_createtable(L, 0, 9);
  set_count(L, "groups", watcher_groups(t->watcher));
  set_count(L, "steps", stats.steps);
  set_count(L, "leaders", stats.leaders);
  set_count(L, "committed", stats.committed);
  set_count(L, "applied", stats.applied);
  set_count(L, "restored", stats.restored);
  set_count(L, "starts", stats.starts);
  if (watcher_failure(t->watcher).len > 0) {
    set_slice(L, "failure", watcher_failure(t->watcher));
    if (watcher_advice(t->watcher) != NULL) {
      set_slice(L, "advice", slice_of(watcher_advice(t->watcher), strlen(watcher_advice(t->watcher))));
    }
  }
}

void facts_push(void *lua, void *arg)
{
  lua_State *L = lua;
  struct trial *t = arg;
  const struct sim_stats *stats = sim_stats(t->sim);
  char trace[20];
  lua_createtable(L, 0, 20);
  set_count(L, "sent", stats->sent);
  set_count(L, "delivered", stats->delivered);
  set_count(L, "server_messages", stats->server_messages);
  set_count(L, "lost", stats->lost);
  set_count(L, "cut", stats->cut);
  set_count(L, "gone", stats->gone);
  set_count(L, "duplicated", stats->duplicated);
  set_count(L, "virtual_ns", sim_now(t->sim) - t->start_ns);
  set_count(L, "errors_logged", t->record.errors);
  if (t->record.errors > 0) {
    set_slice(L, "first_error", buf_slice(&t->record.first_error));
  }
  snprintf(trace, sizeof trace, "%016" PRIx64, sim_trace(t->sim));
  set_slice(L, "trace", slice_of(trace, strlen(trace)));
  push_refused(L, &t->record);
  lua_setfield(L, -2, "refused");
  push_crashes(L, t);
  lua_setfield(L, -2, "crashes");
  push_faults(L, t);
  lua_setfield(L, -2, "faults");
  if (watcher_groups(t->watcher) > 0) {
    push_raft(L, t);
    lua_setfield(L, -2, "raft");
  }
  if (t->phase == PHASE_FINAL && t->config->fault_count > 0 && !t->over) {
    push_liveness(L, t);
    lua_setfield(L, -2, "liveness");
  }
}

static void add_first_error(const struct trial *t, unsigned node, struct buf *text)
{
  const struct buf *error = &t->record.node_error[node];
  if (error->len > 0) {
    buf_printf(text, "; the first error in its log, %.*s", (int)error->len, error->data);
  }
}

/* Nodes that ended by themselves, or were stopped. */
void facts_collect_crashes(struct trial *t)
{
  for (unsigned i = 0; i < t->config->nodes; i++) {
    if (members_ran_away(t->members, i)) {
      struct crash *c = facts_add_crash(t, i, "ran away");
      buf_append_str(&c->text, "a handler ran more than " LAB_TURN_INSTRUCTIONS_TEXT " instructions without a pause");
      add_first_error(t, i, &c->text);
    }
    if (sim_node_exited(members_node(t->members, i))) {
      struct crash *c = facts_add_crash(t, i, "ended");
      buf_append_str(&c->text, "its process ended; Maelstrom ends the whole run then");
      add_first_error(t, i, &c->text);
    }
  }
}
