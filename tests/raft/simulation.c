#include "simulation.h"

#include <stdarg.h>
#include <string.h>

#include "base/memory.h"
#include "simulation_world.h"

/* ---- failures ---- */

void simulation_fail(struct world *w, const char *format, ...)
{
  if (w->result->failure[0] != '\0') {
    return;
  }
  w->result->ok = false;
  va_list args;
  va_start(args, format);
  vsnprintf(w->result->failure, sizeof w->result->failure, format, args);
  va_end(args);
}

bool simulation_failed(const struct world *w)
{
  return !w->result->ok || raft_watch_failure(w->watch) != NULL;
}

/* ---- what is going to happen ---- */

uint64_t simulation_between(struct world *w, uint64_t lo, uint64_t hi)
{
  return hi <= lo ? lo : lo + prng_next(&w->random) % (hi - lo + 1);
}

struct happening *simulation_happening(struct world *w, enum happening_type type, const struct person *p)
{
  struct happening *h = w->pool;
  if (h == NULL) {
    h = memory_zeroed(1, sizeof *h);
    w->all = memory_grow(w->all, &w->all_cap, w->all_count + 1, sizeof *w->all);
    w->all[w->all_count++] = h;
  } else {
    w->pool = h->next;
  }
  h->type = type;
  h->who = p == NULL ? 0 : p->place;
  h->life = p == NULL ? 0 : p->life;
  h->sequence = 0;
  h->blob = NULL;
  h->next = NULL;
  return h;
}

void simulation_at(struct world *w, struct happening *h, uint64_t time)
{
  h->entry.deadline = time;
  heap_push(&w->heap, &h->entry);
}

void simulation_drop(struct world *w, struct happening *h)
{
  h->next = w->pool;
  w->pool = h;
}

const struct raft_configuration *simulation_keep(struct world *w, const struct raft_configuration *c)
{
  for (size_t i = w->configuration_count; i-- > 0;) {
    const struct raft_configuration *known = w->configurations[i];
    if (known->count == c->count && memcmp(known->members, c->members, c->count * sizeof c->members[0]) == 0) {
      return known;
    }
  }
  struct raft_configuration *kept = memory_zeroed(1, sizeof *kept);
  kept->count = c->count;
  for (size_t i = 0; i < c->count; i++) {
    kept->members[i].id = c->members[i].id; /* field by field: members are compared and hashed as bytes */
    kept->members[i].voice = c->members[i].voice;
  }
  w->configurations = memory_grow(w->configurations, &w->configuration_cap, w->configuration_count + 1, sizeof *w->configurations);
  w->configurations[w->configuration_count++] = kept;
  return kept;
}

/* ---- the loop ---- */

static void happen(struct world *w, struct happening *h)
{
  struct person *p = &w->people[h->who];
  switch (h->type) {
  case TROUBLE:
    simulation_trouble(w);
    return;
  case ERRAND:
    simulation_errand(w);
    return;
  case LOAD:
    simulation_load(w);
    return;
  case RESTART:
    if (p->raft == NULL && h->life == p->life && !p->stays_down) {
      simulation_start(w, p);
    }
    return;
  default:
    if (p->raft != NULL && (h->type == DELIVER || h->life == p->life)) {
      simulation_happen(w, p, h);
    }
  }
}

void simulation_until(struct world *w, uint64_t time)
{
  while (!simulation_failed(w) && time > w->now) {
    struct heap_entry *entry = heap_min(&w->heap);
    if (entry == NULL || entry->deadline > time) {
      w->now = time;
      return;
    }
    struct happening *h = (struct happening *)((char *)entry - offsetof(struct happening, entry));
    heap_remove(&w->heap, entry);
    w->now = entry->deadline;
    const struct person *p = &w->people[h->who];
    if (h->type < RESTART && p->raft != NULL && p->paused_until > w->now) {
      struct person *sleeper = &w->people[h->who];
      if (h->type == WAKE && h->life == p->life && h->entry.deadline == p->wake_at) {
        sleeper->wake_at = p->paused_until;
      }
      simulation_at(w, h, p->paused_until);
      continue;
    }
    happen(w, h);
    simulation_drop(w, h);
  }
}

static void open_world(struct world *w)
{
  prng_init(&w->random, w->options->seed);
  heap_init(&w->heap);
  w->watch = raft_watch_new();
  if (w->options->trace_lines > 0) {
    w->trace = memory_zeroed(w->options->trace_lines, sizeof *w->trace);
  }
  simulation_choose(w);
  for (size_t i = 0; i < w->knobs.initial; i++) {
    raft_configuration_set(&w->first, i + 1, RAFT_VOTER);
  }
  for (size_t i = 0; i < w->knobs.people; i++) {
    struct person *p = &w->people[i];
    p->place = i;
    p->id = i + 1;
    p->founder = i < w->knobs.initial;
    p->disk_first = p->disk_floor = 1;
    p->held_end = &p->held;
    p->disk_ns = w->knobs.disk_ns;
    p->clock_rate = 1024;
    p->clock_base = simulation_between(w, 1000 * MS, 9000 * MS);
  }
  for (size_t i = 0; i < w->knobs.people && !simulation_failed(w); i++) {
    simulation_start(w, &w->people[i]);
  }
  simulation_at(w, simulation_happening(w, LOAD, NULL), w->knobs.load_ns);
  simulation_at(w, simulation_happening(w, TROUBLE, NULL), w->knobs.trouble_ns);
  simulation_at(w, simulation_happening(w, ERRAND, NULL), w->knobs.errand_ns);
}

static void close_world(struct world *w)
{
  for (size_t i = 0; i < PEOPLE_MAX; i++) {
    struct person *p = &w->people[i];
    raft_free(p->raft);
    free(p->log);
    free(p->disk);
    free(p->units);
    free(p->unit_items);
    free(p->reads);
    free(p->proposals);
  }
  for (size_t i = 0; i < w->all_count; i++) {
    free(w->all[i]->entries);
    free(w->all[i]->tokens);
    free(w->all[i]);
  }
  for (size_t i = 0; i < w->configuration_count; i++) {
    free(w->configurations[i]);
  }
  for (size_t i = 0; i < w->blob_count; i++) {
    free(w->blobs[i]);
  }
  free(w->all);
  free(w->configurations);
  free(w->blobs);
  free(w->acknowledged);
  free(w->trace);
  heap_free(&w->heap);
  raft_watch_free(w->watch);
}

void simulation_run(const struct simulation_options *options, struct simulation_result *result, FILE *trace)
{
  *result = (struct simulation_result){.ok = true};
  struct world *w = memory_zeroed(1, sizeof *w);
  w->options = options;
  w->result = result;
  open_world(w);
  while (result->steps < options->steps && !simulation_failed(w)) {
    uint64_t end = result->steps + w->knobs.round_steps;
    w->turmoil = w->load = true;
    simulation_trace(w, "---- turmoil");
    while (result->steps < end && !simulation_failed(w)) {
      simulation_until(w, w->now + w->knobs.trouble_ns);
    }
    simulation_prove_life(w);
    result->rounds++;
  }
  const char *wrong = raft_watch_failure(w->watch);
  if (wrong != NULL) {
    result->ok = true; /* so that it counts as the first */
    result->failure[0] = '\0';
    simulation_fail(w, "%s", wrong);
  }
  const struct raft_watch_stats *stats = raft_watch_stats(w->watch);
  result->leaders = stats->leaders;
  result->committed = stats->committed;
  result->applied = stats->applied;
  result->restored = stats->restored;
  result->starts = stats->starts;
  result->virtual_ns = w->now;
  if (!result->ok && trace != NULL) {
    simulation_trace_print(w, trace);
  }
  close_world(w);
  free(w);
}

void simulation_add(struct simulation_result *sum, const struct simulation_result *one)
{
#define X(name) sum->name += one->name;
  SIMULATION_COUNTS(X)
#undef X
  sum->virtual_ns += one->virtual_ns;
}
