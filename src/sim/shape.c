#include "sim/shape.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/mix.h"
#include "sim/random.h"

void shape_init(struct shape *s, unsigned nodes)
{
  *s = (struct shape){.nodes = nodes};
  s->order = malloc(nodes * sizeof *s->order);
  s->place = malloc(nodes * sizeof *s->place);
  if (s->order == NULL || s->place == NULL) {
    abort();
  }
}

void shape_free(struct shape *s)
{
  free(s->order);
  free(s->place);
}

static bool is_partition(enum sim_fault fault)
{
  return fault == SIM_FAULT_PARTITION || fault == SIM_FAULT_PARTITION_ONEWAY;
}

bool shape_exists(enum sim_fault fault, enum sim_target target, unsigned nodes)
{
  if (!is_partition(fault)) {
    return true;
  }
  switch (target) {
  case SIM_TARGET_MAJORITY: /* of two it is both */
  case SIM_TARGET_RING:
  case SIM_TARGET_BRIDGE:
    return nodes >= 3;
  default:
    return nodes >= 2;
  }
}

static unsigned target_count(enum sim_target target, unsigned nodes)
{
  switch (target) {
  case SIM_TARGET_ONE:
  case SIM_TARGET_LEADER:
    return 1;
  case SIM_TARGET_MINORITY:
    return nodes >= 3 ? nodes / 3 : 1;
  case SIM_TARGET_MAJORITY:
    return nodes / 2 + 1;
  case SIM_TARGET_HALVES:
    return nodes / 2;
  default:
    return nodes;
  }
}

void shape_draw(struct shape *s, enum sim_target target, uint64_t key)
{
  assert(target != SIM_TARGET_ANY);
  s->target = target;
  s->size = target_count(target, s->nodes);
  for (unsigned i = 0; i < s->nodes; i++) {
    s->order[i] = i;
  }
  for (unsigned i = s->nodes; i > 1; i--) {
    unsigned j = (unsigned)random_below(mix_pair(key, i), i);
    unsigned node = s->order[j];
    s->order[j] = s->order[i - 1];
    s->order[i - 1] = node;
  }
  for (unsigned i = 0; i < s->nodes; i++) {
    s->place[s->order[i]] = i;
  }
}

void shape_put_first(struct shape *s, unsigned node)
{
  unsigned place = s->place[node];
  s->order[place] = s->order[0];
  s->place[s->order[0]] = place;
  s->order[0] = node;
  s->place[node] = 0;
}

bool shape_cuts(const struct shape *s, unsigned from, unsigned to)
{
  unsigned a = s->place[from];
  unsigned b = s->place[to];
  switch (s->target) {
  case SIM_TARGET_ALL:
    return a != b;
  case SIM_TARGET_BRIDGE: {
    unsigned middle = shape_middle(s);
    return a != middle && b != middle && (a < middle) != (b < middle);
  }
  case SIM_TARGET_RING: {
    /* It hears the majority of consecutive places that has it in its middle. */
    unsigned heard = shape_heard(s);
    return (a + s->nodes - b + heard / 2) % s->nodes >= heard;
  }
  default:
    return (a < s->size) != (b < s->size);
  }
}
