/* One run, or a campaign of many: which seeds, in which processes, what is said about them, and the exit status.
 *
 * A campaign runs every twentieth of its seeds a second time in a process that was started anew, elsewhere in memory and with another
 * environment: different traces are a failure of their own, NONDETERMINISM, and the seed is run once more in both kinds of process with
 * its messages written to files, so that the first line that differs can be shown. */
#ifndef VORTEX_LAB_CAMPAIGN_H
#define VORTEX_LAB_CAMPAIGN_H

#include <stdio.h>

#include "lab/swarm.h"
#include "lab/worker.h"

#define LAB_KEPT_MAX 20 /* failing seeds of a campaign whose files are kept */

struct lab_campaign {
  const struct lab_options *options;
  bool swarm;     /* parameters that were not given are drawn */
  uint64_t first; /* seeds, both included */
  uint64_t last;
  uint64_t budget_ns; /* no run begins after this much time; 0 = no limit */
  unsigned jobs;      /* processes at a time */
  const char *keep;   /* folder for the files of failing seeds (of a single run: always); NULL = none */
  FILE *out;

  /* The command line that is to be given again to reproduce something, without any option that chooses seeds. Such an option is put in
   * after the second word (`vortex-lua test`). */
  const char *const *command;
  size_t command_count;

  lab_run_fn run; /* makes and carries out the run of a task, in a worker */
  void *run_arg;
  uint64_t (*progress)(void);
  void (*exec)(void *arg, int tasks_fd, int results_fd, unsigned number); /* lab/pool.h; arg is run_arg */
};

/* Exit statuses. */
enum {
  LAB_EXIT_VALID = 0,
  LAB_EXIT_INVALID = 1,
  LAB_EXIT_UNKNOWN = 2,
  LAB_EXIT_BROKEN = 3,
};

/* Runs it and reports. Returns the exit status. */
int lab_campaign_run(const struct lab_campaign *c);

/* The command that runs this seed again, quoted for a shell, appended to *out. `twice`: in two processes, and compares. */
void lab_campaign_command(const struct lab_campaign *c, uint64_t seed, bool twice, struct buf *out);

#endif
