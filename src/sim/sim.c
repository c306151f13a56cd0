#include "sim/sim.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "sim/internal.h"

struct sim *sim_new(const struct sim_config *config)
{
  assert(config->nodes >= 1 && config->nodes <= SIM_NODES_MAX);
  assert(config->service_min_ns <= config->service_max_ns);
  struct sim *sim = memory_must(calloc(1, sizeof *sim));
  sim->config = *config;
  sim->now_ns = SIM_S;
  sim->cause = mix_word(config->seed);
  sim->trace = sim->cause;
  heap_init(&sim->events);
  net_open(sim);
  return sim;
}

static void recycle(struct sim *sim, struct sim_event *e)
{
  if (!e->owned) {
    e->next = sim->pool;
    sim->pool = e;
  }
}

static void forget(struct sim *sim, struct sim_event *e)
{
  sim_fn drop = e->drop;
  void *arg = e->arg;
  recycle(sim, e);
  if (drop != NULL) {
    drop(arg);
  }
}

void sim_free(struct sim *sim)
{
  while (heap_min(&sim->events) != NULL) {
    struct sim_event *e = (struct sim_event *)heap_min(&sim->events);
    heap_remove(&sim->events, &e->entry);
    forget(sim, e);
  }
  while (sim->pool != NULL) {
    struct sim_event *e = sim->pool;
    sim->pool = e->next;
    free(e);
  }
  heap_free(&sim->events);
  net_close(sim);
  free(sim);
}

uint64_t sim_now(const struct sim *sim)
{
  return sim->now_ns;
}

/* ---- events ---- */

void sim_push(struct sim *sim, struct sim_event *e, uint64_t at_ns, uint64_t key)
{
  e->key = key;
  e->entry.deadline = at_ns > sim->now_ns ? at_ns : sim->now_ns;
  heap_push(&sim->events, &e->entry);
}

struct sim_event *sim_post_key(struct sim *sim, uint64_t at_ns, uint64_t key, sim_fn fn, void *arg, sim_fn drop)
{
  struct sim_event *e = sim->pool;
  if (e != NULL) {
    sim->pool = e->next;
  } else {
    e = memory_must(malloc(sizeof *e));
  }
  *e = (struct sim_event){.fn = fn, .arg = arg, .drop = drop};
  sim_push(sim, e, at_ns, key);
  return e;
}

struct sim_event *sim_post(struct sim *sim, uint64_t at_ns, sim_fn fn, void *arg, sim_fn drop)
{
  return sim_post_key(sim, at_ns, sim_child(sim), fn, arg, drop);
}

void sim_cancel(struct sim *sim, struct sim_event *e)
{
  heap_remove(&sim->events, &e->entry);
  forget(sim, e);
}

static void run_one(struct sim *sim, struct sim_event *e)
{
  heap_remove(&sim->events, &e->entry);
  sim->now_ns = e->entry.deadline;
  sim->cause = e->key;
  sim->children = 0;
  sim->progress++;
  sim->stats.events++;
  sim_mix(sim, e->key ^ sim->now_ns);
  sim_fn fn = e->fn;
  void *arg = e->arg;
  recycle(sim, e);
  fn(arg);
}

void sim_run(struct sim *sim, uint64_t until_ns)
{
  sim->stopping = false;
  for (;;) {
    struct sim_event *e = (struct sim_event *)heap_min(&sim->events);
    if (e == NULL || e->entry.deadline > until_ns) {
      break;
    }
    run_one(sim, e);
    if (sim->stopping) {
      return;
    }
  }
  sim->now_ns = until_ns > sim->now_ns ? until_ns : sim->now_ns;
}

void sim_stop(struct sim *sim)
{
  sim->stopping = true;
}

/* ---- causes ---- */

uint64_t sim_random_of(const struct sim *sim, uint64_t kind, uint64_t a, uint64_t b)
{
  return mix_pair(mix_pair(mix_pair(mix_word(sim->config.seed), kind), a), b);
}

void sim_cause(struct sim *sim, uint64_t kind, uint64_t a, uint64_t b)
{
  sim->cause = sim_random_of(sim, kind, a, b);
  sim->children = 0;
}

uint64_t sim_random(struct sim *sim)
{
  return mix_word(sim_child(sim));
}

/* ---- watching ---- */

uint64_t sim_trace(const struct sim *sim)
{
  return mix_word(sim->trace);
}

void sim_trace_mix(struct sim *sim, uint64_t value)
{
  sim_mix(sim, value);
}

const volatile uint64_t *sim_progress(const struct sim *sim)
{
  return &sim->progress;
}

void sim_note_progress(struct sim *sim)
{
  sim->progress++;
}

const struct sim_stats *sim_stats(const struct sim *sim)
{
  return &sim->stats;
}

const struct sim_observer *sim_observer(const struct sim *sim)
{
  return sim->config.observer;
}
