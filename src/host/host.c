#include "host/host.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/prng.h"
#include "host/disk.h"
#include "host/fds.h"
#include "host/input.h"
#include "host/output.h"
#include "host/signals.h"
#include "host/watchdog.h"

#define NEVER           UINT64_MAX
#define READER_GRACE_MS 5000               /* without progress, at the end, before a reader is given up */
#define DROP_WARNING_MS 1000               /* between two warnings about dropped lines */
#define CLOSE_GRACE_NS  (200 * NODE_MS_NS) /* for requests that a script has left in libuv's thread pool */

struct host {
  struct host_config config;
  uv_loop_t loop;
  uv_prepare_t prepare;
  uv_check_t check;
  uv_async_t noted;   /* a signal has been noted */
  uv_timer_t wake;    /* the node's wake-up */
  uv_idle_t wake_now; /* the same, for a deadline that has passed */
  uv_timer_t end;     /* the reader's time is up */

  struct host_log log;
  struct input input;
  struct output output;
  struct watchdog watchdog;
  struct prng prng;
  struct disk *disk; /* NULL = none */

  struct node *node; /* while host_run() runs */
  bool named;        /* the log shows the node's id */
  bool stopping;     /* the node has been asked to stop */
  bool output_failed;
  bool done;
  bool closed; /* nothing happens on the loop any more */
  int status;

  uint64_t wake_ms; /* loop time of the wake-up that is armed, or NEVER */
  uint64_t turn_ns; /* when the loop last went to wait */
  uint64_t written; /* when `end` was armed */
  uint64_t dropped; /* lines, since the last warning */
  uint64_t drop_warned_ms;
};

/* ---- the node's view ---- */

static uint64_t env_now(void *self)
{
  (void)self;
  return uv_hrtime();
}

static uint64_t env_random(void *self)
{
  struct host *h = self;
  return prng_next(&h->prng);
}

static void learn_name(struct host *h)
{
  if (!h->named && h->node != NULL && node_state(h->node) == NODE_RUNNING) {
    host_log_name(&h->log, node_id(h->node));
    h->named = true;
  }
}

static void env_log(void *self, enum log_level level, struct slice text)
{
  struct host *h = self;
  learn_name(h);
  host_log_write(&h->log, level, text);
}

static void drop(struct host *h)
{
  h->dropped++;
  uint64_t now_ms = uv_now(&h->loop);
  if (h->drop_warned_ms == NEVER || now_ms - h->drop_warned_ms >= DROP_WARNING_MS) {
    host_log_printf(&h->log, LOG_WARN, "dropped %llu of our own lines: the reader of stdout is %zu MiB behind",
                    (unsigned long long)h->dropped, output_pending(&h->output) >> 20);
    h->drop_warned_ms = now_ms;
    h->dropped = 0;
  }
}

static void env_send(void *self, struct slice dest, struct slice line, bool originated)
{
  (void)dest; /* Maelstrom routes */
  struct host *h = self;
  if (originated && output_pending(&h->output) > HOST_OUTPUT_MAX) {
    drop(h);
    return;
  }
  output_append(&h->output, line);
  if (output_pending(&h->output) >= HOST_WRITE_BYTES) {
    output_write(&h->output);
    if (output_pending(&h->output) > HOST_OUTPUT_HIGH) {
      input_pause(&h->input);
    }
  }
}

static void on_wake_timer(uv_timer_t *timer);
static void on_wake_now(uv_idle_t *idle);

/* The loop's time is in milliseconds and on the same clock as env_now(): a deadline becomes the millisecond that ends at or behind it. */
static void env_wake_at(void *self, uint64_t deadline_ns)
{
  struct host *h = self;
  uint64_t wanted_ms = deadline_ns / NODE_MS_NS + (deadline_ns % NODE_MS_NS != 0);
  if (h->closed || h->wake_ms <= wanted_ms) {
    return; /* that wake-up comes early enough, and the node will ask again */
  }
  uint64_t now_ms = uv_now(&h->loop);
  h->wake_ms = wanted_ms;
  if (wanted_ms > now_ms) {
    uv_timer_start(&h->wake, on_wake_timer, wanted_ms - now_ms, 0);
  } else {
    uv_idle_start(&h->wake_now, on_wake_now); /* not a timer: it could fire again and again before the loop sees any input */
  }
}

struct node_env host_env(struct host *h)
{
  return (struct node_env){
      .self = h,
      .now = env_now,
      .random = env_random,
      .send = env_send,
      .wake_at = env_wake_at,
      .log = env_log,
      .disk = h->disk == NULL ? NULL : disk_ops(h->disk),
  };
}

/* ---- what happens on the loop ---- */

static void stop_node(struct host *h)
{
  if (!h->stopping) {
    h->stopping = true;
    node_stop(h->node);
  }
}

/* After SIGCONT, what has been waiting in the input comes before everything else. Whether there was such a drain. */
static bool drain_after_stop(struct host *h)
{
  if (!signals_take_continued()) {
    return false;
  }
  watchdog_work(&h->watchdog);
  input_drain_aged(&h->input, h->turn_ns);
  return true;
}

static void run_due(struct host *h)
{
  h->wake_ms = NEVER;
  uv_timer_stop(&h->wake);
  uv_idle_stop(&h->wake_now);
  if (h->node == NULL) {
    return; /* host_run() wakes the node first thing */
  }
  drain_after_stop(h);
  watchdog_work(&h->watchdog);
  node_wake(h->node);
}

static void on_wake_timer(uv_timer_t *timer)
{
  run_due(timer->data);
}

static void on_wake_now(uv_idle_t *idle)
{
  run_due(idle->data);
}

static void on_noted(uv_async_t *async)
{
  struct host *h = async->data;
  if (h->node == NULL) {
    return;
  }
  drain_after_stop(h);
  if (signals_stop_asked() != 0 && !h->stopping) {
    watchdog_work(&h->watchdog);
    host_log_printf(&h->log, LOG_INFO, "%s: stopping", strsignal(signals_stop_asked()));
    stop_node(h);
  }
}

static bool on_input_turn(void *self)
{
  struct host *h = self;
  watchdog_work(&h->watchdog);
  return !drain_after_stop(h);
}

static void on_line(void *self, struct slice line, uint64_t arrival_ns)
{
  struct host *h = self;
  watchdog_work(&h->watchdog);
  node_receive(h->node, line, arrival_ns);
}

static void on_line_too_long(void *self, struct slice head)
{
  struct host *h = self;
  node_receive_too_long(h->node, head);
}

static void on_input_end(void *self, int error)
{
  struct host *h = self;
  if (error != 0) {
    host_log_printf(&h->log, LOG_ERROR, "reading stdin failed: %s", strerror(error));
    h->status = 1;
  }
  stop_node(h);
}

static void note_output_failure(struct host *h)
{
  if (h->output.error != 0 && !h->output_failed) {
    h->output_failed = true;
    h->status = 1;
    host_log_printf(&h->log, LOG_WARN, "writing stdout failed: %s; stopping", strerror(h->output.error));
    stop_node(h);
  }
}

static void finish(struct host *h)
{
  h->done = true;
  uv_stop(&h->loop);
}

static void on_reader_grace_over(uv_timer_t *timer)
{
  struct host *h = timer->data;
  if (h->output.written != h->written) {
    h->written = h->output.written;
    return;
  }
  host_log_printf(&h->log, LOG_ERROR, "nobody reads stdout: %zu bytes were not written", output_pending(&h->output));
  h->status = 1;
  finish(h);
}

static void finish_if_stopped(struct host *h)
{
  if (h->done || node_state(h->node) != NODE_STOPPED) {
    return;
  }
  input_stop(&h->input);
  if (output_pending(&h->output) == 0) {
    finish(h);
  } else if (!uv_is_active((uv_handle_t *)&h->end)) {
    h->written = h->output.written;
    uv_timer_start(&h->end, on_reader_grace_over, READER_GRACE_MS, READER_GRACE_MS);
  }
}

/* The loop is about to wait: everything that piled up in this turn leaves. Started first, so it runs behind the prepare callbacks of
 * scripts. */
static void on_prepare(uv_prepare_t *prepare)
{
  struct host *h = prepare->data;
  if (h->node == NULL) {
    return; /* a script runs the loop before the node does */
  }
  learn_name(h);
  output_write(&h->output);
  note_output_failure(h);
  finish_if_stopped(h);
  if (output_pending(&h->output) <= HOST_OUTPUT_HIGH / 2) {
    input_resume(&h->input);
  }
  uv_update_time(&h->loop); /* or a long turn would make the wait as much too long */
  if (!signals_continued()) {
    h->turn_ns = uv_now(&h->loop) * NODE_MS_NS;
  }
  watchdog_idle(&h->watchdog);
}

static void on_check(uv_check_t *check)
{
  struct host *h = check->data;
  watchdog_work(&h->watchdog);
  if (h->node != NULL) {
    drain_after_stop(h);
  }
}

static void on_disk(void *arg)
{
  struct host *h = arg;
  watchdog_work(&h->watchdog);
}

static void finish_line(void *arg)
{
  output_finish_line(arg);
}

/* ---- life ---- */

static int init_loop(struct host *h)
{
  int error = uv_loop_init(&h->loop);
  if (error != 0) {
    return error;
  }
  uv_prepare_init(&h->loop, &h->prepare);
  uv_check_init(&h->loop, &h->check);
  uv_timer_init(&h->loop, &h->wake);
  uv_timer_init(&h->loop, &h->end);
  uv_idle_init(&h->loop, &h->wake_now);
  h->prepare.data = h->check.data = h->wake.data = h->end.data = h->wake_now.data = h->noted.data = h;
  uv_prepare_start(&h->prepare, on_prepare);
  uv_check_start(&h->check, on_check);
  error = uv_async_init(&h->loop, &h->noted, on_noted);
  return error;
}

static void close_left(uv_handle_t *handle, void *arg)
{
  (void)arg;
  if (!uv_is_closing(handle)) {
    uv_close(handle, NULL);
  }
}

struct host *host_new(const struct host_config *config)
{
  int in, out;
  if (fds_take(&in, &out) != 0) {
    return NULL;
  }
  struct host *h = calloc(1, sizeof *h);
  if (h == NULL) {
    abort();
  }
  h->config = *config;
  h->wake_ms = h->drop_warned_ms = NEVER;
  host_log_init(&h->log, STDERR_FILENO, config->log_level, config->log_json);

  uint64_t seed = uv_hrtime() ^ (uint64_t)getpid() << 32;
  uv_random(NULL, NULL, &seed, sizeof seed, 0, NULL);
  prng_init(&h->prng, seed);

  struct input_sink sink = {
      .self = h,
      .turn = on_input_turn,
      .line = on_line,
      .too_long = on_line_too_long,
      .end = on_input_end,
  };
  const char *what = "the event loop";
  int error = init_loop(h);
  if (error == 0) {
    what = "stdin";
    error = input_init(&h->input, &h->loop, in, config->line_max_bytes, &sink);
  }
  if (error == 0) {
    what = "stdout";
    error = output_init(&h->output, &h->loop, out, STDERR_FILENO);
  }
  if (error != 0) {
    dprintf(STDERR_FILENO, "vortex-lua: cannot use %s: %s\n", what, uv_strerror(error));
    close(in);
    close(out);
    free(h);
    return NULL; /* the process ends here: what the loop holds goes with it */
  }
  if (h->output.shared) {
    h->log.before_write = finish_line;
    h->log.before_write_arg = &h->output;
  }
  if (!config->no_disk) {
    h->disk = disk_new(&h->loop, &h->log, &(struct disk_config){.root = config->data, .work = on_disk, .work_arg = h});
  }
  signals_start(&h->noted);
  return h;
}

void host_close(struct host *h)
{
  if (h->closed) {
    return;
  }
  h->closed = true;
  h->output.pollable = false;
  signals_end();
  if (h->disk != NULL) {
    disk_close(h->disk);
  }
  uint64_t give_up = uv_hrtime() + CLOSE_GRACE_NS;
  for (;;) {
    uv_walk(&h->loop, close_left, NULL);
    if (uv_run(&h->loop, UV_RUN_NOWAIT) == 0 || uv_hrtime() >= give_up) {
      return;
    }
    struct pollfd p = {.fd = uv_backend_fd(&h->loop), .events = POLLIN};
    poll(&p, 1, 1);
  }
}

bool host_free(struct host *h)
{
  assert(h->node == NULL);
  host_close(h);
  input_close(&h->input);
  output_close(&h->output);
  if (uv_loop_close(&h->loop) != 0) {
    return false; /* the thread keeps the loop's memory */
  }
  if (h->disk != NULL) {
    disk_free(h->disk);
  }
  free(h);
  return true;
}

void host_work(struct host *h)
{
  watchdog_work(&h->watchdog);
}

uv_loop_t *host_loop(struct host *h)
{
  return &h->loop;
}

struct host_log *host_log(struct host *h)
{
  return &h->log;
}

int host_run(struct host *h, struct node *n)
{
  assert(h->node == NULL && !h->done);
  h->node = n;
  if (h->config.on_busy != NULL) {
    int error = watchdog_start(&h->watchdog, HOST_BUSY_LIMIT_NS, h->config.on_busy, h->config.on_busy_arg);
    if (error != 0) {
      host_log_printf(&h->log, LOG_WARN, "no watchdog over slow handlers: %s", uv_strerror(error));
    }
  }
  input_start(&h->input);
  env_wake_at(h, 0);        /* timers that were started, and came due, so far */
  uv_async_send(&h->noted); /* signals noted so far */
  while (!h->done) {
    uv_run(&h->loop, UV_RUN_DEFAULT);
  }
  watchdog_stop(&h->watchdog);
  host_close(h);
  h->node = NULL;
  return node_failed(n) ? 1 : h->status;
}

void host_flush(struct host *h, int timeout_ms)
{
  output_flush(&h->output, timeout_ms);
}
