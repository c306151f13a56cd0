/* A pool of worker processes: tasks in, outcomes out, whatever happens to a worker.
 *
 * Tasks are asked for when a worker is free for them and outcomes are handed over as they come, both in the calling thread, within
 * pool_run. A worker that dies gives its task the outcome LAB_DIED and is replaced. A run that its watchdog has stopped is done again with
 * LAB_TASK_EXACT; one that takes too long by the clock is killed. No process, no descriptor and no signal handler outlives pool_run. */
#ifndef VORTEX_LAB_POOL_H
#define VORTEX_LAB_POOL_H

#include "lab/worker.h"

enum lab_outcome_kind {
  LAB_RAN,   /* `result` is what the run said */
  LAB_DIED,  /* the process ended within the run */
  LAB_STUCK, /* it was killed: no result in time */
};

struct lab_outcome {
  enum lab_outcome_kind kind;
  struct lab_result result; /* of LAB_RAN, otherwise empty; freed by the pool after `done` */
  int signal;               /* that ended it, or 0 */
  int status;               /* or its exit status */
  struct slice stderr_tail; /* the last of what it wrote to stderr during the run, if that is captured */
};

struct lab_pool_config {
  unsigned workers; /* forked ones, at least 1 */
  unsigned fresh;   /* processes for LAB_TASK_FRESH, beside the others; 0 = there are no such tasks */
  lab_run_fn run;   /* in the worker */
  void *run_arg;
  uint64_t (*progress)(void);
  bool show_stderr;       /* the workers' stderr is ours, instead of captured */
  uint64_t wall_limit_ns; /* for one run; 0 = 120 s */

  /* Starts a fresh worker in this process, just forked: executes the program anew, which is to serve these descriptors. `number` counts
   * them. Returns only on failure. NULL = fresh workers are forks too (for tests). */
  void (*exec)(void *arg, int tasks_fd, int results_fd, unsigned number);

  /* The next task for a forked (fresh = false) or a fresh worker. False = there is none now; asked again after every outcome. */
  bool (*next)(void *arg, bool fresh, struct lab_task *out);
  void (*done)(void *arg, const struct lab_task *task, const struct lab_outcome *outcome);

  /* Called several times a second. False = stop: what still runs is killed. NULL = never stop. */
  bool (*tick)(void *arg);
  void *arg;
};

enum lab_pool_end {
  LAB_POOL_DONE,        /* no tasks were left */
  LAB_POOL_STOPPED,     /* by tick */
  LAB_POOL_INTERRUPTED, /* by SIGINT or SIGTERM */
  LAB_POOL_FAILED,      /* processes cannot be made: errno says why */
};

enum lab_pool_end lab_pool_run(const struct lab_pool_config *config);

/* "SIGSEGV", or "signal 42". Static or thread-local storage. */
const char *lab_signal_name(int signal);

#endif
