/* One run: a cluster in the simulated world, a workload's clients, the verdict. A function of its configuration: no clock, no environment.
 *
 * The phases: every node gets its init; the workload's set-up; clients work for the time limit while the nemesis does; everything heals;
 * ten seconds of rest and final operations, if the workload has some or there was a nemesis; the verdict. */
#ifndef VORTEX_LAB_TRIAL_H
#define VORTEX_LAB_TRIAL_H

#include "base/buf.h"
#include "lab/config.h"

enum lab_verdict {
  LAB_VALID,
  LAB_INVALID, /* what the cluster did is wrong, or it did not get on after everything had healed */
  LAB_UNKNOWN,
  LAB_BROKEN, /* the test itself could not run: the script does not load, the workload does not exist */
};

struct lab_result {
  enum lab_verdict verdict;
  uint64_t trace;
  uint64_t virtual_ns;
  uint64_t operations; /* that clients began */
  uint64_t messages;   /* delivered */
  uint64_t faults;     /* begun */
  struct buf text;     /* for a person: explanation and summary, several lines */
  struct buf reason;   /* one line: why it is not valid. Empty if it is. */
};

struct script_cache;

/* Runs it. `cache` keeps compiled Lua from run to run; NULL = nothing is kept. *result is owned by the caller (lab_result_free). */
void lab_trial(const struct lab_config *config, struct script_cache *cache, struct lab_result *result);
void lab_result_free(struct lab_result *result);

/* Grows while the cluster of a run gets on; 0 while there is none (between runs, and while a history is judged): for a watchdog. May be
 * read by a signal handler. */
uint64_t lab_progress(void);

#endif
