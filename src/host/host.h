/* The real world under Maelstrom: one node on stdin and stdout, on a libuv loop.
 *
 * The host owns the loop, the two protocol descriptors, the clock, the signals and the watchdog. It reads lines and gives them to the
 * node; the lines that the node sends go to an output queue that is written when the loop is about to wait, or at 64 KiB.
 *
 * At start-up descriptors 0 and 1 are moved away: 0 becomes /dev/null and 1 becomes stderr, so nothing but the host touches the protocol.
 *
 * Back-pressure: while more than HOST_OUTPUT_HIGH bytes wait for a slow reader, input is not read; while more than HOST_OUTPUT_MAX wait,
 * lines that the node originates are dropped with a warning, answers are kept.
 *
 * End: EOF on input, SIGINT or SIGTERM stop the node in order (node_stop); a second signal (more than 5 ms later: some senders send
 * twice) ends the process at once, with status 128 + signal, whatever it is doing. When the reader is gone (EPIPE) the node is stopped in
 * order and its output is discarded. After SIGCONT, what the first drain of the input yields counts as having arrived at the loop's last
 * turn before, and is handled before the timers that fell due meanwhile. */
#ifndef VORTEX_HOST_HOST_H
#define VORTEX_HOST_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "host/log.h"
#include "node/env.h"
#include "node/node.h"

#define HOST_READ_BYTES    (64u << 10)
#define HOST_WRITE_BYTES   (64u << 10)
#define HOST_OUTPUT_HIGH   (1u << 20)
#define HOST_OUTPUT_MAX    (64u << 20)
#define HOST_BUSY_LIMIT_NS NODE_S_NS /* a handler that takes longer than this is reported through on_busy */

struct host_config {
  size_t line_max_bytes;
  enum log_level log_level;
  bool log_json;

  /* Where the files of the node lie: a folder with one folder per node; NULL = one in the temporary directory that belongs to the parent
   * process and is forgotten when that begins anew (host/place.h). no_disk: nowhere, there are no files. Borrowed. */
  const char *data;
  bool no_disk;

  /* A handler has held the loop for longer than HOST_BUSY_LIMIT_NS. Called once per turn, in a signal handler on the loop's thread: it
   * may only do what is async-signal-safe. NULL = no watchdog. */
  void (*on_busy)(void *arg);
  void *on_busy_arg;
};

/* Takes over stdin, stdout, the signals and the log. One per process; call it before anything else opens a file. Returns owned, or NULL
 * with a reason on stderr: stdin or stdout is closed, or cannot be used. */
struct host *host_new(const struct host_config *config);

/* Closes everything that is left on the loop, whoever put it there. To be called while those who share the loop (a script and its
 * libraries) are still alive: what they left on it may call them back for the last time. host_run() ends with it; a second call does
 * nothing. Requests that a thread still works on are waited for only shortly. */
void host_close(struct host *h);

/* host_close(), and frees the host. The node must be gone. False if a thread of libuv still works on something: then the process must end
 * by _exit(), for exit() would tear down what that thread uses. */
bool host_free(struct host *h);

/* The node's view of this world. */
struct node_env host_env(struct host *h);

/* The loop: for libraries that share it. */
uv_loop_t *host_loop(struct host *h);

/* A library that shares the loop is about to run a piece of work of its own (a callback): the watchdog judges it by itself. Cheap. */
void host_work(struct host *h);

struct host_log *host_log(struct host *h);

/* Runs the node until it has stopped and its output is written (or cannot be: a reader that takes nothing for five seconds is given up).
 * Returns the process's exit status: 0, or 1 if the node failed or input or output did. Borrows n. Once per host. */
int host_run(struct host *h, struct node *n);

/* Writes what is queued, waiting at most `timeout_ms` for a slow reader: for a script that calls os.exit. */
void host_flush(struct host *h, int timeout_ms);

#endif
