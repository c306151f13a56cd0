/* The command line of `vortex-lua test`. */
#ifndef VORTEX_APP_TEST_OPTIONS_H
#define VORTEX_APP_TEST_OPTIONS_H

#include "app/options.h"
#include "lab/swarm.h"

#define TEST_WORKER_OPTION "--worker-fds=" /* then "TASKS,RESULTS": the first option of a process started by a campaign */

struct test_options {
  struct lab_options lab;
  bool swarm; /* a campaign: of seeds `first` to `last`, both included */
  uint64_t first;
  uint64_t last;
  uint64_t budget_ns; /* 0 = none */
  unsigned jobs;
  const char *keep; /* or NULL */
  const char *idle; /* an option that was given and that no workload knows yet, or NULL */

  const char **command; /* owned: the command line without the options that choose seeds. The words are borrowed from argv */
  size_t command_count;

  int tasks_fd, results_fd; /* this process is a worker of another one; -1 = it is not */
};

/* argv[1] is "test". Everything borrowed lives as long as argv. *o is freed by test_options_free, whatever the result. */
enum options_result test_options_parse(struct test_options *o, int argc, char **argv);
void test_options_free(struct test_options *o);

#endif
