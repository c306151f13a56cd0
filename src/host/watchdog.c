#include "host/watchdog.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/assert.h"

enum {
  LOOKS_PER_LIMIT = 4,
  STACK_BYTES = 64 << 10,
};

static _Atomic(struct watchdog *) active;

static void on_signal(int signal)
{
  (void)signal;
  struct watchdog *w = atomic_load(&active);
  /* The work may have ended on the signal's way here. */
  if (w != NULL && atomic_load(&w->work) == atomic_load(&w->reported)) {
    int saved = errno;
    w->on_busy(w->arg);
    errno = saved;
  }
}

/* Waits for the next look; false when there is to be none. Call with the mutex held. */
static bool next_look(struct watchdog *w)
{
  while (!w->stop) {
    if (uv_cond_timedwait(&w->stopped, &w->mutex, w->look_ns) == UV_ETIMEDOUT) {
      return !w->stop;
    }
  }
  return false;
}

static void watch(void *arg)
{
  struct watchdog *w = arg;
  unsigned seen = 0;
  int looks = 0;
  uv_mutex_lock(&w->mutex);
  while (next_look(w)) {
    unsigned work = atomic_load_explicit(&w->work, memory_order_relaxed);
    looks = work == seen ? looks + 1 : 0;
    seen = work;
    if (work % 2 == 1 && looks == LOOKS_PER_LIMIT) {
      atomic_store(&w->reported, work);
      pthread_kill(w->loop_thread, SIGURG);
    }
    looks = looks > LOOKS_PER_LIMIT ? LOOKS_PER_LIMIT + 1 : looks;
  }
  uv_mutex_unlock(&w->mutex);
}

int watchdog_start(struct watchdog *w, uint64_t limit_ns, void (*on_busy)(void *arg), void *arg)
{
  assert(atomic_load(&active) == NULL);
  memset(w, 0, sizeof *w);
  w->look_ns = limit_ns / LOOKS_PER_LIMIT;
  w->on_busy = on_busy;
  w->arg = arg;
  w->loop_thread = uv_thread_self();
  int error = uv_mutex_init(&w->mutex);
  if (error != 0) {
    return error;
  }
  if ((error = uv_cond_init(&w->stopped)) != 0) {
    goto err_mutex;
  }
  /* The thread inherits the mask: signals of the process are for the loop's thread. */
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  uv_thread_options_t options = {.flags = UV_THREAD_HAS_STACK_SIZE, .stack_size = STACK_BYTES};
  error = uv_thread_create_ex(&w->thread, &options, watch, w);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (error != 0) {
    goto err_cond;
  }
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  sigemptyset(&action.sa_mask);
  sigaction(SIGURG, &action, &w->former);
  atomic_store(&active, w);
  w->running = true;
  return 0;

err_cond:
  uv_cond_destroy(&w->stopped);
err_mutex:
  uv_mutex_destroy(&w->mutex);
  return error;
}

void watchdog_stop(struct watchdog *w)
{
  if (!w->running) {
    return;
  }
  uv_mutex_lock(&w->mutex);
  w->stop = true;
  uv_cond_signal(&w->stopped);
  uv_mutex_unlock(&w->mutex);
  uv_thread_join(&w->thread);
  uv_cond_destroy(&w->stopped);
  uv_mutex_destroy(&w->mutex);
  atomic_store(&active, NULL);
  sigaction(SIGURG, &w->former, NULL);
  w->running = false;
}
