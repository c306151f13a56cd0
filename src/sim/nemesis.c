/* Each spec has a schedule: an event that begins or ends its fault and posts the next. What a node or a link suffers is always worked
 * out from all faults that are going on, so that the end of one leaves the others as they are. */
#include "sim/nemesis.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "base/mix.h"
#include "sim/random.h"
#include "sim/shape.h"

#define CAUSE_STRETCH UINT64_C(0x73747265746368)
#define CAUSE_EFFECT  UINT64_C(0x656666656374)

#define DRIFT_MAX_PPM INT64_C(30000) /* a timer of 4.5 s still ends well within 5 */
#define JUMP_MAX_MS   UINT64_C(60000)

struct schedule {
  struct sim_nemesis *nemesis;
  struct sim_fault_spec spec;
  uint64_t index;
  uint64_t round; /* how many stretches have begun, or been healed */
  struct sim_event *event;
  bool active; /* what follows is of the fault that is going on */
  struct shape shape;
  bool reversed;      /* one-way partitions: the targets do not hear the others */
  uint32_t strength;  /* a factor, or ppm */
  unsigned *held;     /* by node: of kill, whether it keeps it down; of pause, the incarnation it has stopped; else 0 */
  int64_t *drift_ppm; /* by node */
  struct buf what;    /* in words, terminated */
};

struct sim_nemesis {
  struct sim *sim;
  struct sim_nemesis_config config;
  struct schedule *schedules;
  uint64_t counts[SIM_FAULTS];
};

/* ---- what a fault does, given the others ---- */

static bool cuts(const struct schedule *s, unsigned from, unsigned to)
{
  if (s->spec.fault == SIM_FAULT_PARTITION_ONEWAY) {
    return shape_has(&s->shape, s->reversed ? to : from) && !shape_has(&s->shape, s->reversed ? from : to);
  }
  return s->spec.fault == SIM_FAULT_PARTITION && shape_cuts(&s->shape, from, to);
}

static bool any_cuts(const struct sim_nemesis *n, unsigned from, unsigned to)
{
  for (size_t i = 0; i < n->config.count; i++) {
    if (n->schedules[i].active && cuts(&n->schedules[i], from, to)) {
      return true;
    }
  }
  return false;
}

static void update_cuts(const struct schedule *s)
{
  const struct sim_nemesis *n = s->nemesis;
  for (unsigned from = 0; from < n->config.nodes; from++) {
    for (unsigned to = 0; to < n->config.nodes; to++) {
      if (cuts(s, from, to)) {
        sim_net_cut(n->sim, from, to, s->active || any_cuts(n, from, to));
      }
    }
  }
}

/* The largest strength among faults of a kind that concern a node; 0 = none does. */
static uint32_t strongest(const struct sim_nemesis *n, enum sim_fault fault, unsigned node)
{
  uint32_t most = 0;
  for (size_t i = 0; i < n->config.count; i++) {
    const struct schedule *s = &n->schedules[i];
    if (s->active && s->spec.fault == fault && shape_has(&s->shape, node) && s->strength > most) {
      most = s->strength;
    }
  }
  return most;
}

static void update_link(struct sim_nemesis *n, enum sim_fault fault, unsigned node)
{
  uint32_t strength = strongest(n, fault, node);
  switch (fault) {
  case SIM_FAULT_SLOW:
    sim_net_slow(n->sim, node, strength == 0 ? 1 : strength);
    break;
  case SIM_FAULT_LOSS:
    sim_net_lose(n->sim, node, strength);
    break;
  default:
    assert(fault == SIM_FAULT_DUPLICATE);
    sim_net_duplicate(n->sim, node, strength);
  }
}

static int64_t clamp(int64_t x, int64_t limit)
{
  return x > limit ? limit : x < -limit ? -limit : x;
}

static void update_clock(const struct sim_nemesis *n, unsigned node, int64_t jump_ns)
{
  int64_t drift = 0;
  for (size_t i = 0; i < n->config.count; i++) {
    const struct schedule *s = &n->schedules[i];
    if (s->active && s->spec.fault == SIM_FAULT_CLOCK && shape_has(&s->shape, node)) {
      drift += s->drift_ppm[node];
    }
  }
  sim_node_set_clock(n->config.node[node], clamp(drift, DRIFT_MAX_PPM), jump_ns);
}

/* Whether a fault that is going on holds a node: keeps it down, or has stopped the process it is now. */
static bool is_held(const struct sim_nemesis *n, enum sim_fault fault, unsigned node)
{
  unsigned incarnation = sim_node_incarnation(n->config.node[node]);
  for (size_t i = 0; i < n->config.count; i++) {
    const struct schedule *s = &n->schedules[i];
    if (s->active && s->spec.fault == fault && s->held[node] == incarnation && incarnation != 0) {
      return true;
    }
  }
  return false;
}

/* A node that is dead for another reason (it has exited, it could not start) stays so. */
static void kill_node(struct schedule *s, unsigned node)
{
  struct sim_nemesis *n = s->nemesis;
  struct sim_node *sn = n->config.node[node];
  if (sim_node_alive(sn) || is_held(n, SIM_FAULT_KILL, node)) {
    s->held[node] = sim_node_incarnation(sn);
    sim_node_kill(sn);
  }
}

static void revive_node(struct schedule *s, unsigned node)
{
  struct sim_nemesis *n = s->nemesis;
  struct sim_node *sn = n->config.node[node];
  if (sim_node_alive(sn) || is_held(n, SIM_FAULT_KILL, node)) {
    return;
  }
  sim_node_start(sn);
  if (sim_node_alive(sn) && n->config.restarted != NULL) {
    n->config.restarted(n->config.arg, node);
  }
}

static void pause_node(struct schedule *s, unsigned node)
{
  struct sim_node *sn = s->nemesis->config.node[node];
  if (sim_node_alive(sn)) {
    s->held[node] = sim_node_incarnation(sn);
    sim_node_pause(sn);
  }
}

static void resume_node(struct schedule *s, unsigned node)
{
  struct sim_nemesis *n = s->nemesis;
  if (!is_held(n, SIM_FAULT_PAUSE, node)) {
    sim_node_resume(n->config.node[node]);
  }
}

/* Carries a fault's begin or end out on one of its targets. */
static void update_node(struct schedule *s, unsigned node, int64_t jump_ns)
{
  struct sim_nemesis *n = s->nemesis;
  bool held = s->held[node] != 0 && s->held[node] == sim_node_incarnation(n->config.node[node]);
  switch (s->spec.fault) {
  case SIM_FAULT_KILL:
    if (s->active) {
      kill_node(s, node);
    } else if (held) {
      revive_node(s, node);
    }
    break;
  case SIM_FAULT_PAUSE:
    if (s->active) {
      pause_node(s, node);
    } else if (held) {
      resume_node(s, node);
    }
    break;
  case SIM_FAULT_CLOCK:
    update_clock(n, node, jump_ns);
    break;
  default:
    update_link(n, s->spec.fault, node);
  }
}

/* What happens to a node descends from the node, not from who else is concerned. */
static void name_effect(const struct schedule *s, unsigned node)
{
  sim_cause(s->nemesis->sim, mix_pair(CAUSE_EFFECT, s->index), s->round, node);
}

/* ---- words ---- */

enum side {
  TARGETS,
  OTHERS,
};

static void say_nodes(struct schedule *s, enum side side)
{
  for (unsigned i = 0; i < s->shape.nodes; i++) {
    if (shape_has(&s->shape, i) == (side == TARGETS)) {
      buf_printf(&s->what, " %s", sim_node_name(s->nemesis->config.node[i]));
    }
  }
}

static void say_places(struct schedule *s, unsigned from, unsigned to)
{
  for (unsigned i = from; i < to; i++) {
    buf_printf(&s->what, " %s", sim_node_name(s->nemesis->config.node[s->shape.order[i]]));
  }
}

static void say_partition(struct schedule *s)
{
  unsigned middle = shape_middle(&s->shape);
  switch (s->shape.target) {
  case SIM_TARGET_RING:
    say_places(s, 0, s->shape.nodes);
    buf_printf(&s->what, ", each hears %u", shape_heard(&s->shape));
    break;
  case SIM_TARGET_BRIDGE:
    say_places(s, 0, middle);
    buf_append_str(&s->what, " |");
    say_places(s, middle + 1, s->shape.nodes);
    buf_append_str(&s->what, ", between them");
    say_places(s, middle, middle + 1);
    break;
  case SIM_TARGET_ALL:
    say_nodes(s, TARGETS);
    buf_append_str(&s->what, ", each alone");
    break;
  default:
    say_nodes(s, TARGETS);
    buf_append_str(&s->what, " |");
    say_nodes(s, OTHERS);
  }
}

static void say_what(struct schedule *s)
{
  buf_clear(&s->what);
  buf_printf(&s->what, "%s %s:", sim_fault_name(s->spec.fault), sim_target_name(s->shape.target));
  switch (s->spec.fault) {
  case SIM_FAULT_PARTITION:
    say_partition(s);
    break;
  case SIM_FAULT_PARTITION_ONEWAY:
    say_nodes(s, TARGETS);
    buf_append_str(&s->what, s->reversed ? " deaf to" : " not heard by");
    say_nodes(s, OTHERS);
    break;
  default:
    say_nodes(s, TARGETS);
  }
  if (s->spec.fault == SIM_FAULT_SLOW) {
    buf_printf(&s->what, ", %u times", s->strength);
  } else if (s->spec.fault == SIM_FAULT_LOSS || s->spec.fault == SIM_FAULT_DUPLICATE) {
    buf_printf(&s->what, ", %u %%", s->strength / 10000);
  }
  buf_append_char(&s->what, '\0');
}

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
static enum sim_target draw_target(const struct sim_fault_spec *spec, unsigned nodes, uint64_t word)
{
  enum sim_target candidates[SIM_TARGET_BRIDGE + 1];
  unsigned count = 0;
  if (spec->target != SIM_TARGET_ANY) {
    return shape_exists(spec->fault, spec->target, nodes) ? spec->target : SIM_TARGET_ANY;
  }
  for (int target = SIM_TARGET_ONE; target <= SIM_TARGET_BRIDGE; target++) {
    if (may_be_drawn(spec->fault, (enum sim_target)target, nodes)) {
      candidates[count++] = (enum sim_target)target;
    }
  }
  return count == 0 ? SIM_TARGET_ANY : candidates[random_below(word, count)];
}

static uint32_t draw_strength(enum sim_fault fault, uint64_t word)
{
  switch (fault) {
  case SIM_FAULT_SLOW:
    return (uint32_t)random_between(word, 5, 20);
  case SIM_FAULT_LOSS:
    return (uint32_t)random_between(word, 5, 50) * 10000;
  case SIM_FAULT_DUPLICATE:
    return (uint32_t)random_between(word, 10, 50) * 10000;
  default:
    return 0;
  }
}

/* A clock jumps, drifts, or does both. */
static int64_t draw_clock(int64_t *drift_ppm, uint64_t key)
{
  uint64_t mode = random_below(mix_pair(key, 0), 3);
  *drift_ppm = mode == 0 ? 0 : (int64_t)random_below(mix_pair(key, 1), 2 * DRIFT_MAX_PPM + 1) - DRIFT_MAX_PPM;
  int64_t jump_ms = mode == 1 ? 0 : (int64_t)random_below(mix_pair(key, 2), 2 * JUMP_MAX_MS + 1) - (int64_t)JUMP_MAX_MS;
  return jump_ms * (int64_t)SIM_MS;
}

static void carry_out(struct schedule *s, uint64_t clock_key)
{
  if (s->spec.fault == SIM_FAULT_PARTITION || s->spec.fault == SIM_FAULT_PARTITION_ONEWAY) {
    update_cuts(s);
    return;
  }
  for (unsigned i = 0; i < s->shape.nodes; i++) {
    if (shape_has(&s->shape, i)) {
      int64_t jump_ns = 0;
      if (s->active && s->spec.fault == SIM_FAULT_CLOCK) {
        jump_ns = draw_clock(&s->drift_ppm[i], mix_pair(clock_key, i));
      }
      name_effect(s, i);
      update_node(s, i, jump_ns);
    }
  }
}

static void begin(struct schedule *s)
{
  struct sim_nemesis *n = s->nemesis;
  uint64_t key = sim_random(n->sim);
  enum sim_target target = draw_target(&s->spec, s->shape.nodes, mix_pair(key, 0));
  if (target == SIM_TARGET_ANY) {
    return;
  }
  shape_draw(&s->shape, target, mix_pair(key, 1));
  s->reversed = random_below(mix_pair(key, 2), 2) == 1;
  s->strength = draw_strength(s->spec.fault, mix_pair(key, 3));
  memset(s->held, 0, s->shape.nodes * sizeof s->held[0]);
  memset(s->drift_ppm, 0, s->shape.nodes * sizeof s->drift_ppm[0]);
  s->active = true;
  n->counts[s->spec.fault]++;
  say_what(s);
  tell(s);
  carry_out(s, mix_pair(key, 4));
}

static void end(struct schedule *s)
{
  s->active = false;
  tell(s);
  carry_out(s, 0);
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
  free(n->schedules);
  free(n);
}

uint64_t sim_nemesis_count(const struct sim_nemesis *n, enum sim_fault fault)
{
  return n->counts[fault];
}
