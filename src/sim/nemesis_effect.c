#include <string.h>

#include "base/assert.h"
#include "base/mix.h"
#include "sim/nemesis_state.h"
#include "sim/random.h"

#define CAUSE_EFFECT UINT64_C(0x656666656374)

#define DRIFT_MAX_PPM INT64_C(30000) /* a timer of 4.5 s still ends well within 5 */
#define JUMP_MAX_MS   UINT64_C(60000)

/* ---- the network ---- */

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

/* ---- clocks ---- */

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

/* A clock jumps, drifts, or does both. */
static int64_t draw_clock(int64_t *drift_ppm, uint64_t key)
{
  uint64_t mode = random_below(mix_pair(key, 0), 3);
  *drift_ppm = mode == 0 ? 0 : (int64_t)random_below(mix_pair(key, 1), 2 * DRIFT_MAX_PPM + 1) - DRIFT_MAX_PPM;
  int64_t jump_ms = mode == 1 ? 0 : (int64_t)random_below(mix_pair(key, 2), 2 * JUMP_MAX_MS + 1) - (int64_t)JUMP_MAX_MS;
  return jump_ms * (int64_t)SIM_MS;
}

/* ---- disks ---- */

static void worsen(struct sim_disk_trouble *trouble, const struct schedule *s)
{
  switch (s->disk) {
  case DISK_FAILING:
    trouble->failure_ppm = s->strength > trouble->failure_ppm ? s->strength : trouble->failure_ppm;
    break;
  case DISK_SLOW:
    trouble->slow = s->strength > trouble->slow ? s->strength : trouble->slow;
    break;
  case DISK_FULL:
    trouble->full = true;
    break;
  default:
    break;
  }
}

static void update_disk(struct schedule *s, unsigned node)
{
  struct sim_nemesis *n = s->nemesis;
  struct sim_disk_trouble trouble = {0};
  for (size_t i = 0; i < n->config.count; i++) {
    const struct schedule *other = &n->schedules[i];
    if (other->active && other->spec.fault == SIM_FAULT_DISK && shape_has(&other->shape, node)) {
      worsen(&trouble, other);
    }
  }
  sim_disk_disturb(sim_node_disk(n->config.node[node]), &trouble);
  if (s->disk == DISK_LOST) {
    nemesis_kill_or_revive(s, node);
  } else if (s->disk == DISK_FAILING && !s->active) {
    nemesis_disk_is_well(n, node);
  }
}

/* ---- all of them ---- */

static void update_node(struct schedule *s, unsigned node, int64_t jump_ns)
{
  switch (s->spec.fault) {
  case SIM_FAULT_KILL:
    nemesis_kill_or_revive(s, node);
    break;
  case SIM_FAULT_PAUSE:
    nemesis_pause_or_resume(s, node);
    break;
  case SIM_FAULT_CLOCK:
    update_clock(s->nemesis, node, jump_ns);
    break;
  case SIM_FAULT_DISK:
    update_disk(s, node);
    break;
  default:
    update_link(s->nemesis, s->spec.fault, node);
  }
}

/* What happens to a node descends from the node, not from who else is concerned. */
static void name_effect(const struct schedule *s, unsigned node)
{
  sim_cause(s->nemesis->sim, mix_pair(CAUSE_EFFECT, s->index), s->round, node);
}

void nemesis_carry_out(struct schedule *s, uint64_t clock_key)
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
