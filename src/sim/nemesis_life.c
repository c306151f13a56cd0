#include "base/memory.h"
#include "base/mix.h"
#include "sim/internal.h"
#include "sim/nemesis_state.h"
#include "sim/random.h"

#define CAUSE_SUPERVISOR UINT64_C(0x737570657276)

#define SUPERVISOR_MAX_NS SIM_S /* from when a node can be started again until it is */

/* Whether a fault that is going on holds a node: keeps it down, or has stopped the process it is now. */
static bool is_held(const struct sim_nemesis *n, bool down, unsigned node)
{
  unsigned incarnation = sim_node_incarnation(n->config.node[node]);
  for (size_t i = 0; i < n->config.count; i++) {
    const struct schedule *s = &n->schedules[i];
    if (s->active && schedule_kills(s) == down && s->held[node] == incarnation && incarnation != 0) {
      return true;
    }
  }
  return false;
}

static bool disk_fails(const struct sim_nemesis *n, unsigned node)
{
  for (size_t i = 0; i < n->config.count; i++) {
    const struct schedule *s = &n->schedules[i];
    if (s->active && s->spec.fault == SIM_FAULT_DISK && s->disk == DISK_FAILING && shape_has(&s->shape, node)) {
      return true;
    }
  }
  return false;
}

static void cancel_start(struct supervised *w)
{
  if (w->event != NULL) {
    sim_cancel(w->nemesis->sim, w->event);
    w->event = NULL;
  }
}

static void start_node(struct sim_nemesis *n, unsigned node)
{
  struct sim_node *sn = n->config.node[node];
  cancel_start(&n->supervised[node]);
  if (sim_node_alive(sn) || is_held(n, true, node)) {
    return;
  }
  sim_node_start(sn);
  if (sim_node_alive(sn) && n->config.restarted != NULL) {
    n->config.restarted(n->config.arg, node);
  }
}

/* ---- kill and pause ---- */

/* A node that is dead for another reason (it has exited, it could not start) stays so. */
static void kill_node(struct schedule *s, unsigned node)
{
  struct sim_nemesis *n = s->nemesis;
  struct sim_node *sn = n->config.node[node];
  if (sim_node_alive(sn) || sim_node_broken(sn) || is_held(n, true, node)) {
    s->held[node] = sim_node_incarnation(sn);
    sim_node_kill(sn);
  }
}

void nemesis_kill_or_revive(struct schedule *s, unsigned node)
{
  if (s->active) {
    kill_node(s, node);
  } else if (s->held[node] != 0 && s->held[node] == sim_node_incarnation(s->nemesis->config.node[node])) {
    start_node(s->nemesis, node);
  }
}

void nemesis_pause_or_resume(struct schedule *s, unsigned node)
{
  struct sim_node *sn = s->nemesis->config.node[node];
  unsigned incarnation = sim_node_incarnation(sn);
  if (s->active && sim_node_alive(sn)) {
    s->held[node] = incarnation;
    sim_node_pause(sn);
  } else if (!s->active && s->held[node] != 0 && s->held[node] == incarnation && !is_held(s->nemesis, false, node)) {
    sim_node_resume(sn);
  }
}

/* ---- the supervisor ---- */

static void start_again(void *arg)
{
  struct supervised *w = arg;
  w->event = NULL;
  start_node(w->nemesis, w->node);
}

void nemesis_disk_is_well(struct sim_nemesis *n, unsigned node)
{
  struct sim_node *sn = n->config.node[node];
  struct supervised *w = &n->supervised[node];
  if (!sim_node_broken(sn) || w->event != NULL || disk_fails(n, node) || is_held(n, true, node)) {
    return;
  }
  uint64_t key = sim_random_of(n->sim, CAUSE_SUPERVISOR, node, sim_node_incarnation(sn));
  uint64_t at = sim_now(n->sim) + random_below(mix_word(key), SUPERVISOR_MAX_NS);
  w->event = sim_post_key(n->sim, at, key, start_again, w, NULL);
}

static void on_broken(void *arg, unsigned node)
{
  nemesis_disk_is_well(arg, node);
}

void nemesis_supervise(struct sim_nemesis *n)
{
  n->supervised = memory_must(calloc(n->config.nodes, sizeof *n->supervised));
  for (unsigned i = 0; i < n->config.nodes; i++) {
    n->supervised[i] = (struct supervised){.nemesis = n, .node = i};
    sim_node_on_broken(n->config.node[i], on_broken, n);
  }
}

void nemesis_start_all(struct sim_nemesis *n)
{
  for (unsigned i = 0; i < n->config.nodes; i++) {
    if (sim_node_broken(n->config.node[i])) {
      sim_cause(n->sim, CAUSE_SUPERVISOR, i, sim_node_incarnation(n->config.node[i]));
      start_node(n, i);
    }
  }
}

void nemesis_leave(struct sim_nemesis *n)
{
  for (unsigned i = 0; i < n->config.nodes; i++) {
    cancel_start(&n->supervised[i]);
    sim_node_on_broken(n->config.node[i], NULL, NULL);
  }
  free(n->supervised);
}
