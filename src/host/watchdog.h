/* A thread that notices when a handler holds the loop. Private to host; one at a time per process.
 *
 * The loop's thread says when a piece of work begins and when it is about to wait: one relaxed store each, no clock. The watchdog
 * looks several times per limit; a piece of work that it has seen that often is over the limit, and the loop's thread gets one
 * signal (SIGURG: nobody sends it for anything but out-of-band data, and by default it is ignored), whose handler reports it. Time
 * in which the whole process was stopped does not count: it has no looks in it. */
#ifndef VORTEX_HOST_WATCHDOG_H
#define VORTEX_HOST_WATCHDOG_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct watchdog {
  bool running;
  unsigned now;         /* the loop's own copy of `work` */
  atomic_uint work;     /* odd: number of the piece of work that runs; even: the loop waits */
  atomic_uint reported; /* the piece of work that has been reported */
  uint64_t look_ns;
  void (*on_busy)(void *arg);
  void *arg;
  struct sigaction former;
  uv_thread_t loop_thread;
  uv_thread_t thread;
  uv_mutex_t mutex; /* guards stop */
  uv_cond_t stopped;
  bool stop;
};

/* Begins to watch the calling thread. `on_busy(arg)` is called on it, in a signal handler, once per piece of work that lasts longer than
 * limit_ns (noticed up to a quarter later). 0, or a libuv error. */
int watchdog_start(struct watchdog *w, uint64_t limit_ns, void (*on_busy)(void *arg), void *arg);

/* Ends it; a watchdog that is all zeroes may be stopped too. */
void watchdog_stop(struct watchdog *w);

/* A piece of work begins, and ends the one before. */
static inline void watchdog_work(struct watchdog *w)
{
  w->now = (w->now + 1) | 1;
  atomic_store_explicit(&w->work, w->now, memory_order_relaxed);
}

/* The loop is about to wait. */
static inline void watchdog_idle(struct watchdog *w)
{
  w->now = (w->now | 1) + 1;
  atomic_store_explicit(&w->work, w->now, memory_order_relaxed);
}

#endif
