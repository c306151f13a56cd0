#include "app/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/test_options.h"
#include "lab/campaign.h"
#include "script/script.h"

#define PADDING_MAX 8191 /* of the environment of a fresh process */

struct test {
  const struct test_options *options;
  int argc;
  char **argv;
  struct script_cache *cache; /* of this process; NULL until its first run */
};

/* In a worker. */
static void run(void *arg, const struct lab_task *task, struct lab_result *result)
{
  struct test *t = arg;
  struct lab_config config;
  lab_draw(&t->options->lab, task->seed, t->options->swarm, &config);
  config.exact = task->flags & LAB_TASK_EXACT;
  config.keep = task->keep;
  if (t->cache == NULL) {
    t->cache = script_cache_new();
  }
  lab_trial(&config, t->cache, result);
}

/* Starts this program anew as a worker, with an environment of another size: what depends on where things lie in memory shows. */
static void start_again(void *arg, int tasks_fd, int results_fd, unsigned number)
{
  struct test *t = arg;
  char option[64];
  snprintf(option, sizeof option, TEST_WORKER_OPTION "%d,%d", tasks_fd, results_fd);
  char padding[PADDING_MAX + 1];
  size_t len = 1 + (size_t)number * 1009 % PADDING_MAX;
  memset(padding, 'x', len);
  padding[len] = '\0';
  char **argv = calloc((size_t)t->argc + 2, sizeof *argv);
  if (argv == NULL) {
    return;
  }
  setenv("VORTEX_TEST_PADDING", padding, 1);
  argv[0] = t->argv[0];
  argv[1] = t->argv[1];
  argv[2] = option;
  memcpy(argv + 3, t->argv + 2, (size_t)(t->argc - 2) * sizeof *argv);
#ifdef __linux__
  execv("/proc/self/exe", argv);
#endif
  execvp(argv[0], argv);
  free(argv); /* it could not be started */
}

int app_test(int argc, char **argv)
{
  struct test_options o;
  enum options_result parsed = test_options_parse(&o, argc, argv);
  int status = parsed == OPTIONS_DONE ? 0 : LAB_EXIT_BROKEN;
  struct test t = {.options = &o, .argc = argc, .argv = argv};
  if (parsed == OPTIONS_RUN && o.tasks_fd >= 0) {
    lab_worker_serve(
        &(struct lab_worker){.tasks_fd = o.tasks_fd, .results_fd = o.results_fd, .run = run, .arg = &t, .progress = lab_progress});
  }
  if (parsed == OPTIONS_RUN && o.idle != NULL) {
    fprintf(stderr, "vortex-lua: %s is for transactions and logs, and of no effect on the workloads that there are\n", o.idle);
  }
  if (parsed == OPTIONS_RUN) {
    status = lab_campaign_run(&(struct lab_campaign){
        .options = &o.lab,
        .swarm = o.swarm,
        .first = o.first,
        .last = o.last,
        .budget_ns = o.budget_ns,
        .jobs = o.jobs,
        .keep = o.keep,
        .out = stdout,
        .command = o.command,
        .command_count = o.command_count,
        .run = run,
        .run_arg = &t,
        .progress = lab_progress,
        .exec = start_again,
    });
  }
  test_options_free(&o);
  return status;
}
