/* All that a node may ask of its world.
 *
 * A node has no clock, no randomness, no network and no log of its own: whoever runs it gives it this. The implementations are the real
 * world (src/host), the simulated one (src/sim) and the harness of the unit tests; nothing in node or above can tell which one it is in.
 * No function may call back into the node before it returns. (The operations on files come with the durable log.) */
#ifndef VORTEX_NODE_ENV_H
#define VORTEX_NODE_ENV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum log_level {
  LOG_DEBUG,
  LOG_INFO,
  LOG_WARN,
  LOG_ERROR,
};

struct node_env {
  void *self; /* given back as first argument of each function */

  /* Monotonic time in nanoseconds, read afresh. Its zero is arbitrary. */
  uint64_t (*now)(void *self);

  /* 64 random bits. */
  uint64_t (*random)(void *self);

  /* Sends a line, newline included, to a destination: best effort, unordered. Borrows both. `originated` is false for an answer to a
   * request. A world whose queue is full drops originated lines (and says so in its log), never answers. Cannot fail. */
  void (*send)(void *self, struct slice dest, struct slice line, bool originated);

  /* Asks for one call of node_wake at or after `deadline_ns`. A later call replaces an earlier one. A wake-up that comes early or twice
   * does no harm. Cannot fail. */
  void (*wake_at)(void *self, uint64_t deadline_ns);

  /* Writes one entry of the node's log. `text` may have several lines. Borrows text. Cannot fail. */
  void (*log)(void *self, enum log_level level, struct slice text);
};

#endif
