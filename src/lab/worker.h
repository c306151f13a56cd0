/* A worker: a process that runs one task after another and sends each result to its parent (lab/pool.h), over two pipes.
 *
 * Both ends are the same binary, so numbers travel as they lie in memory. A worker ends when its tasks' pipe does. */
#ifndef VORTEX_LAB_WORKER_H
#define VORTEX_LAB_WORKER_H

#include "lab/trial.h"

/* How a task is to be run. */
enum {
  LAB_TASK_EXACT = 1 << 0, /* count instructions (config.exact); set by the pool */
  LAB_TASK_FRESH = 1 << 1, /* in a process that was started anew, not forked: elsewhere in memory, with another environment */
};

struct lab_task {
  uint64_t seed;
  unsigned flags;
  const char *keep; /* folder for its files (config.keep), or NULL. Borrowed until its outcome is there. */
  unsigned purpose; /* the caller's */
};

/* Runs one task. *result is zeroed before. */
typedef void (*lab_run_fn)(void *arg, const struct lab_task *task, struct lab_result *result);

struct lab_worker {
  int tasks_fd;   /* read */
  int results_fd; /* written */
  lab_run_fn run;
  void *arg;
  uint64_t (*progress)(void); /* lab_progress; NULL = no watchdog */
};

/* The exit status of a worker whose run has burnt processor time without getting on. */
#define LAB_EXIT_STUCK 94

/* The exit status of one that counted instructions, and did not get on either for ten seconds of processor time: what ran cannot be counted
 * (a finaliser, a function of C). */
#define LAB_EXIT_ENDLESS 95

/* Serves until there are no more tasks, then ends the process (without flushing stdio or running atexit functions: it may be a fork). */
_Noreturn void lab_worker_serve(const struct lab_worker *w);

/* The parent's side. Sends a task; false if the worker is gone (SIGPIPE must be ignored). */
bool lab_worker_send(int tasks_fd, const struct lab_task *task);

/* Takes a whole result out of *in: 1 = done, *result is the caller's (lab_result_free); 0 = more bytes are needed; -1 = no result at all.
 */
int lab_worker_receive(struct buf *in, struct lab_result *result);

#endif
