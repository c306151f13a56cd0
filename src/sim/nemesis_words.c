/* A fault in words, as reports, logs and histories show it. */
#include "sim/nemesis_state.h"

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

static void say_disk(struct schedule *s)
{
  switch (s->disk) {
  case DISK_FAILING:
    buf_printf(&s->what, ", %u %% fail", s->strength / 10000);
    break;
  case DISK_SLOW:
    buf_printf(&s->what, ", %u times as slow", s->strength);
    break;
  case DISK_FULL:
    buf_append_str(&s->what, ", full");
    break;
  default:
    buf_append_str(&s->what, ", power lost");
  }
}

void nemesis_say(struct schedule *s)
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
  if (s->spec.fault == SIM_FAULT_DISK) {
    say_disk(s);
  } else if (s->spec.fault == SIM_FAULT_SLOW) {
    buf_printf(&s->what, ", %u times", s->strength);
  } else if (s->spec.fault == SIM_FAULT_LOSS || s->spec.fault == SIM_FAULT_DUPLICATE) {
    buf_printf(&s->what, ", %u %%", s->strength / 10000);
  }
  buf_append_char(&s->what, '\0');
}
