/* The nemesis: faults that come and go, several kinds at once, on a schedule that is a function of the seed.
 *
 * Each kind named in the configuration has a schedule of its own: a quiet time, a fault, a quiet time, … Each stretch lasts between half
 * and one and a half times the interval, so that the cluster has time to react both to the fault and to its end.
 *
 * Faults that overlap add up, and the end of one leaves the others as they are: a pair of nodes is cut as long as one partition cuts it,
 * the largest loss, slowness and duplication count, drifts are summed (within 3 %), a node is down as long as one kill holds it. A kill
 * of a paused node ends its pause, for it starts as another process.
 *
 * A node that ends because its disk failed (sim_node_broken) is started again within a second after the fault's end, as by a supervisor,
 * or at the end of a kill. */
#ifndef VORTEX_SIM_NEMESIS_H
#define VORTEX_SIM_NEMESIS_H

#include <limits.h>

#include "sim/node.h"

enum sim_fault {
  SIM_FAULT_PARTITION,        /* both ways, but for rings of an even majority */
  SIM_FAULT_PARTITION_ONEWAY, /* the targets are not heard by the others, or do not hear them (drawn) */
  SIM_FAULT_KILL,
  SIM_FAULT_PAUSE,
  SIM_FAULT_SLOW,
  SIM_FAULT_LOSS,
  SIM_FAULT_DUPLICATE,
  SIM_FAULT_CLOCK,
  SIM_FAULT_DISK, /* it fails, is full, is slow, or the machine loses its power (drawn) */
  SIM_FAULTS,
};

enum sim_target {
  SIM_TARGET_ANY, /* drawn anew for each fault among those that fit its kind */
  SIM_TARGET_ONE,
  SIM_TARGET_MINORITY, /* a third of them, at least one */
  SIM_TARGET_MAJORITY, /* the smallest majority, drawn */
  SIM_TARGET_ALL,
  SIM_TARGET_HALVES, /* partitions: two sides, as equal as can be */
  SIM_TARGET_RING,   /* partitions: each node sees a majority, and no two nodes the same one */
  SIM_TARGET_BRIDGE, /* partitions: two sides, and one node that sees both */
  SIM_TARGET_LEADER, /* who leads when the fault begins; one if nobody does */
  SIM_TARGETS,
};

#define SIM_NOBODY UINT_MAX

struct sim_fault_spec {
  enum sim_fault fault;
  enum sim_target target;
};

/* Whether faults of a kind can have these targets: halves are for partitions, rings and bridges for those that cut both ways. Any fits. */
bool sim_fault_fits(enum sim_fault fault, enum sim_target target);

/* Parses "kind" or "kind:target" ("partition:halves", "kill:minority"; minority-third and majorities-ring, as Jepsen says, too). False if
 * it is neither, or they do not fit; then what is wrong, and what there is, is appended to *why: one line without a newline. */
bool sim_fault_parse(struct slice text, struct sim_fault_spec *out, struct buf *why);

/* "partition-oneway", "minority"; "any" for SIM_TARGET_ANY. Static. */
const char *sim_fault_name(enum sim_fault fault);
const char *sim_target_name(enum sim_target target);

struct sim_nemesis_config {
  const struct sim_fault_spec *specs; /* borrowed for the nemesis's life */
  size_t count;
  uint64_t interval_ns;         /* mean length of a stretch */
  unsigned nodes;               /* as many as the world has */
  struct sim_node *const *node; /* all of them, by their indices; borrowed */

  /* A node that was killed, or ended because of its disk, has been started again and needs its init. NULL = nobody wants to know. */
  void (*restarted)(void *arg, unsigned node);

  /* Who leads now, by index; SIM_NOBODY = nobody. If several do, each in something of its own, the word says which one is meant. NULL =
   * nothing here has a leader: then faults without a target never draw this one. */
  unsigned (*leader)(void *arg, uint64_t word);
  void *arg;
};

struct sim_nemesis;

/* Starts the schedules: the first fault comes after a quiet stretch. Copies config. Returns owned; freed before the nodes and the world.
 * It and sim_nemesis_heal name causes of their own (sim_cause). A kind that a world of this size cannot have (a bridge of two) never
 * comes. */
struct sim_nemesis *sim_nemesis_new(struct sim *sim, const struct sim_nemesis_config *config);
void sim_nemesis_free(struct sim_nemesis *n);

/* Ends the schedules and all faults: heals the network and disks, restarts the dead, resumes the paused, sets clocks going right again (the
 * offset of a wall clock stays). A node that learns only then that its disk had failed ends after this, and is started again. */
void sim_nemesis_heal(struct sim_nemesis *n);

/* How many faults of a kind have begun. */
uint64_t sim_nemesis_count(const struct sim_nemesis *n, enum sim_fault fault);

#endif
