/* Each spec has a schedule: an event that begins or ends its fault and posts the next. What a node or a link suffers is always worked
 * out from all faults that are going on, so that the end of one leaves the others as they are. */
#include "sim/nemesis.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "base/mix.h"
#include "sim/nemesis_state.h"
#include "sim/random.h"

#define CAUSE_STRETCH UINT64_C(0x73747265746368)

static void tell(const struct schedule *s)
{
  struct sim *sim = s->nemesis->sim;
  const struct sim_observer *o = sim_observer(sim);
  sim_trace_mix(sim, mix_bytes(s->active, buf_slice(&s->what)));
  if (o != NULL && o->fault != NULL) {
    o->fault(o->self, s->active, s->what.data);
  }
}

/* ---- begin and end ---- */

/* Of partitions only those that Jepsen has: a majority cut off is two halves, and all cut off is the end of every service. */
static bool may_be_drawn(enum sim_fault fault, enum sim_target target, unsigned nodes)
{
  bool both_ways = fault == SIM_FAULT_PARTITION;
  return target != SIM_TARGET_ANY && sim_fault_fits(fault, target) && shape_exists(fault, target, nodes) &&
         !(both_ways && (target == SIM_TARGET_MAJORITY || target == SIM_TARGET_ALL));
}

/* SIM_TARGET_ANY if a world of this size can have none. */
static enum sim_target draw_target(const struct schedule *s, uint64_t word)
{
  const struct sim_fault_spec *spec = &s->spec;
  unsigned nodes = s->shape.nodes;
  enum sim_target candidates[SIM_TARGETS];
  unsigned count = 0;
  if (spec->target != SIM_TARGET_ANY) {
    return shape_exists(spec->fault, spec->target, nodes) ? spec->target : SIM_TARGET_ANY;
  }
  int last = s->nemesis->config.leader != NULL ? SIM_TARGET_LEADER : SIM_TARGET_BRIDGE;
  for (int target = SIM_TARGET_ONE; target <= last; target++) {
    if (may_be_drawn(spec->fault, (enum sim_target)target, nodes)) {
      candidates[count++] = (enum sim_target)target;
    }
  }
  return count == 0 ? SIM_TARGET_ANY : candidates[random_below(word, count)];
}

static uint32_t draw_strength(const struct schedule *s, uint64_t word)
{
  switch (s->spec.fault) {
  case SIM_FAULT_SLOW:
    return (uint32_t)random_between(word, 5, 20);
  case SIM_FAULT_LOSS:
    return (uint32_t)random_between(word, 5, 50) * 10000;
  case SIM_FAULT_DUPLICATE:
    return (uint32_t)random_between(word, 10, 50) * 10000;
  case SIM_FAULT_DISK:
    return s->disk == DISK_SLOW ? (uint32_t)random_between(word, 10, 100) : (uint32_t)random_between(word, 1, 30) * 10000;
  default:
    return 0;
  }
}

/* Whom a fault hits: nobody leads = one, drawn. */
static void draw_shape(struct schedule *s, enum sim_target target, uint64_t key)
{
  const struct sim_nemesis_config *config = &s->nemesis->config;
  unsigned leader = SIM_NOBODY;
  if (target == SIM_TARGET_LEADER && config->leader != NULL) {
    leader = config->leader(config->arg, mix_pair(key, UINT64_MAX));
  }
  if (target == SIM_TARGET_LEADER && leader == SIM_NOBODY) {
    target = SIM_TARGET_ONE;
  }
  shape_draw(&s->shape, target, key);
  if (leader != SIM_NOBODY) {
    shape_put_first(&s->shape, leader);
  }
}

static void begin(struct schedule *s)
{
  struct sim_nemesis *n = s->nemesis;
  uint64_t key = sim_random(n->sim);
  enum sim_target target = draw_target(s, mix_pair(key, 0));
  if (target == SIM_TARGET_ANY) {
    return;
  }
  draw_shape(s, target, mix_pair(key, 1));
  s->reversed = random_below(mix_pair(key, 2), 2) == 1;
  s->disk = (enum disk_kind)random_below(mix_pair(key, 5), DISK_KINDS);
  s->strength = draw_strength(s, mix_pair(key, 3));
  memset(s->held, 0, s->shape.nodes * sizeof s->held[0]);
  memset(s->drift_ppm, 0, s->shape.nodes * sizeof s->drift_ppm[0]);
  s->active = true;
  n->counts[s->spec.fault]++;
  nemesis_say(s);
  tell(s);
  nemesis_carry_out(s, mix_pair(key, 4));
}

static void end(struct schedule *s)
{
  s->active = false;
  tell(s);
  nemesis_carry_out(s, 0);
}

static void step(void *arg);

/* Opens the next stretch: whatever is drawn in it descends from its number. */
static void post_step(struct schedule *s)
{
  struct sim_nemesis *n = s->nemesis;
  uint64_t interval = n->config.interval_ns;
  sim_cause(n->sim, CAUSE_STRETCH, s->index, s->round++);
  uint64_t length = random_between(sim_random(n->sim), (interval + 1) / 2, interval + interval / 2);
  s->event = sim_post(n->sim, sim_now(n->sim) + length, step, s, NULL);
}

static void step(void *arg)
{
  struct schedule *s = arg;
  post_step(s);
  if (s->active) {
    end(s);
  } else {
    begin(s);
  }
}

/* ---- the whole ---- */

struct sim_nemesis *sim_nemesis_new(struct sim *sim, const struct sim_nemesis_config *config)
{
  assert(config->interval_ns > 0 && config->nodes > 0);
  struct sim_nemesis *n = memory_must(calloc(1, sizeof *n));
  n->sim = sim;
  n->config = *config;
  n->schedules = memory_must(calloc(config->count + 1, sizeof *n->schedules)); /* of none, calloc may return NULL */
  nemesis_supervise(n);
  for (size_t i = 0; i < config->count; i++) {
    struct schedule *s = &n->schedules[i];
    assert(sim_fault_fits(config->specs[i].fault, config->specs[i].target));
    s->nemesis = n;
    s->spec = config->specs[i];
    s->index =
        (uint64_t)s->spec.fault << 8 | (uint64_t)s->spec.target; /* not its place: leaving a fault out leaves the others as they were */
    shape_init(&s->shape, config->nodes);
    s->held = memory_must(calloc(config->nodes, sizeof *s->held));
    s->drift_ppm = memory_must(calloc(config->nodes, sizeof *s->drift_ppm));
    post_step(s);
  }
  return n;
}

void sim_nemesis_heal(struct sim_nemesis *n)
{
  for (size_t i = 0; i < n->config.count; i++) {
    struct schedule *s = &n->schedules[i];
    if (s->event != NULL) {
      sim_cancel(n->sim, s->event);
      s->event = NULL;
    }
    if (s->active) {
      s->round++;
      end(s);
    }
  }
  nemesis_start_all(n);
}

void sim_nemesis_free(struct sim_nemesis *n)
{
  if (n == NULL) {
    return;
  }
  for (size_t i = 0; i < n->config.count; i++) {
    struct schedule *s = &n->schedules[i];
    if (s->event != NULL) {
      sim_cancel(n->sim, s->event);
    }
    shape_free(&s->shape);
    free(s->held);
    free(s->drift_ppm);
    buf_free(&s->what);
  }
  nemesis_leave(n);
  free(n->schedules);
  free(n);
}

uint64_t sim_nemesis_count(const struct sim_nemesis *n, enum sim_fault fault)
{
  return n->counts[fault];
}
