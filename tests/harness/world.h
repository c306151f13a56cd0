/* A virtual world: a clock that jumps from event to event, and seeded randomness. No threads, no real time.
 *
 * Events run in the order of (time, posting). The same seed and the same posts give the same run. */
#ifndef VORTEX_HARNESS_WORLD_H
#define VORTEX_HARNESS_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/heap.h"
#include "base/prng.h"

#define WORLD_MS UINT64_C(1000000)
#define WORLD_S  UINT64_C(1000000000)

struct world {
  struct heap events;
  uint64_t now_ns; /* never 0, so that 0 can mean "not yet" */
  struct prng prng;
};

struct event;
typedef void (*event_fn)(void *arg);

void world_init(struct world *w, uint64_t seed);

/* Forgets the events that have not run; see world_post for what becomes of their arguments. */
void world_free(struct world *w);

/* Has fn(arg) called at `at_ns`, or now if that is past. An event that is cancelled or forgotten calls drop(arg) instead (drop may be
 * NULL). The handle is valid until the event has run. */
struct event *world_post(struct world *w, uint64_t at_ns, event_fn fn, void *arg, event_fn drop);
void world_cancel(struct world *w, struct event *e);

/* Runs all events up to and including `until_ns`; the clock then stands there. */
void world_run(struct world *w, uint64_t until_ns);

/* Uniform in [0, 1). */
double world_random(struct world *w);

/* Uniform in [0, bound). */
unsigned world_below(struct world *w, unsigned bound);

#endif
