#include "host/signals.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

static _Atomic(uv_async_t *) loop_wake;
static atomic_int stop_signal;
static _Atomic uint64_t stop_ns;
static atomic_bool continued;

static void wake_loop(void)
{
  uv_async_t *wake = atomic_load(&loop_wake);
  if (wake != NULL) {
    int saved = errno;
    uv_async_send(wake);
    errno = saved;
  }
}

static uint64_t now_ns(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static void on_stop(int signal)
{
  int none = 0;
  uint64_t now = now_ns();
  if (atomic_compare_exchange_strong(&stop_signal, &none, signal)) {
    atomic_store(&stop_ns, now);
    wake_loop();
  } else if (now - atomic_load(&stop_ns) > SIGNALS_SAME_NS) {
    _exit(128 + signal);
  }
}

static void on_continue(int signal)
{
  (void)signal;
  atomic_store(&continued, true);
  wake_loop();
}

static void on_pipe(int signal)
{
  (void)signal;
}

static const struct {
  int signal;
  void (*handler)(int signal);
} handlers[] = {
    {.signal = SIGINT, .handler = on_stop},
    {.signal = SIGTERM, .handler = on_stop},
    {.signal = SIGCONT, .handler = on_continue},
    {.signal = SIGPIPE, .handler = on_pipe},
};

enum {
  HANDLER_COUNT = sizeof handlers / sizeof *handlers
};

void signals_start(uv_async_t *wake)
{
  atomic_store(&loop_wake, wake);
  atomic_store(&stop_signal, 0);
  atomic_store(&continued, false);
  for (int i = 0; i < HANDLER_COUNT; i++) {
    struct sigaction action = {.sa_handler = handlers[i].handler, .sa_flags = SA_RESTART};
    sigfillset(&action.sa_mask);
    sigaction(handlers[i].signal, &action, NULL);
  }
}

void signals_end(void)
{
  atomic_store(&loop_wake, NULL);
}

int signals_stop_asked(void)
{
  return atomic_load(&stop_signal);
}

bool signals_continued(void)
{
  return atomic_load_explicit(&continued, memory_order_relaxed);
}

bool signals_take_continued(void)
{
  return signals_continued() && atomic_exchange(&continued, false);
}
