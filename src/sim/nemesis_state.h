/* What the files of the nemesis share. Private to sim.
 *
 *   nemesis.c         schedules: what is drawn, when it begins and ends
 *   nemesis_effect.c  what a fault does to the world, given the others
 *   nemesis_life.c    who is down, who is stopped, who starts again
 *   nemesis_words.c   what is said of it */
#ifndef VORTEX_SIM_NEMESIS_STATE_H
#define VORTEX_SIM_NEMESIS_STATE_H

#include "base/buf.h"
#include "sim/nemesis.h"
#include "sim/shape.h"

enum disk_kind {
  DISK_FAILING,
  DISK_FULL,
  DISK_SLOW,
  DISK_LOST, /* the machine loses its power */
  DISK_KINDS,
};

struct schedule {
  struct sim_nemesis *nemesis;
  struct sim_fault_spec spec;
  uint64_t index;
  uint64_t round; /* how many stretches have begun, or been healed */
  struct sim_event *event;
  bool active; /* what follows is of the fault that is going on */
  struct shape shape;
  bool reversed;       /* one-way partitions: the targets do not hear the others */
  enum disk_kind disk; /* of disk */
  uint32_t strength;   /* a factor, or ppm */
  unsigned *held;      /* by node: if it keeps nodes down, the incarnation it has ended; of pause, the one it has stopped; else 0 */
  int64_t *drift_ppm;  /* by node */
  struct buf what;     /* in words, terminated */
};

/* A node that ended because its disk failed, and will be started again. */
struct supervised {
  struct sim_nemesis *nemesis;
  unsigned node;
  struct sim_event *event; /* NULL = no start is posted */
};

struct sim_nemesis {
  struct sim *sim;
  struct sim_nemesis_config config;
  struct schedule *schedules;
  struct supervised *supervised; /* by node */
  uint64_t counts[SIM_FAULTS];
};

/* Whether faults of this schedule keep their targets down. */
static inline bool schedule_kills(const struct schedule *s)
{
  return s->spec.fault == SIM_FAULT_KILL || (s->spec.fault == SIM_FAULT_DISK && s->disk == DISK_LOST);
}

/* nemesis_effect.c */

/* Carries out a fault that has just begun, or ended (s->active). What clocks do is drawn from the key. */
void nemesis_carry_out(struct schedule *s, uint64_t clock_key);

/* nemesis_life.c */

void nemesis_supervise(struct sim_nemesis *n); /* from now on, starts again what ends because of its disk */
void nemesis_leave(struct sim_nemesis *n);

/* A fault that kills, or pauses, begins or ends on one of its targets. */
void nemesis_kill_or_revive(struct schedule *s, unsigned node);
void nemesis_pause_or_resume(struct schedule *s, unsigned node);

/* A disk fails no more: if the node has ended because of it, it will be started again. */
void nemesis_disk_is_well(struct sim_nemesis *n, unsigned node);

/* Starts at once what waits for it. */
void nemesis_start_all(struct sim_nemesis *n);

/* nemesis_words.c */

void nemesis_say(struct schedule *s); /* into s->what */

#endif
