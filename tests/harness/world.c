#include "harness/world.h"

#include <stdlib.h>

#include "base/assert.h"

struct event {
  struct heap_entry entry; /* first, so that an entry is its event */
  event_fn fn;
  event_fn drop;
  void *arg;
};

void world_init(struct world *w, uint64_t seed)
{
  heap_init(&w->events);
  prng_init(&w->prng, seed);
  w->now_ns = WORLD_S;
}

void world_free(struct world *w)
{
  while (heap_min(&w->events) != NULL) {
    world_cancel(w, (struct event *)heap_min(&w->events));
  }
  heap_free(&w->events);
}

struct event *world_post(struct world *w, uint64_t at_ns, event_fn fn, void *arg, event_fn drop)
{
  struct event *e = calloc(1, sizeof *e);
  if (e == NULL) {
    abort();
  }
  e->entry.deadline = at_ns > w->now_ns ? at_ns : w->now_ns;
  e->fn = fn;
  e->drop = drop;
  e->arg = arg;
  heap_push(&w->events, &e->entry);
  return e;
}

void world_cancel(struct world *w, struct event *e)
{
  heap_remove(&w->events, &e->entry);
  if (e->drop != NULL) {
    e->drop(e->arg);
  }
  free(e);
}

void world_run(struct world *w, uint64_t until_ns)
{
  assert(until_ns >= w->now_ns);
  struct event *e;
  while ((e = (struct event *)heap_min(&w->events)) != NULL && e->entry.deadline <= until_ns) {
    heap_remove(&w->events, &e->entry);
    w->now_ns = e->entry.deadline;
    e->fn(e->arg);
    free(e);
  }
  w->now_ns = until_ns;
}

double world_random(struct world *w)
{
  return (double)(prng_next(&w->prng) >> 11) / 9007199254740992.0;
}

unsigned world_below(struct world *w, unsigned bound)
{
  return (unsigned)prng_below(&w->prng, bound);
}
