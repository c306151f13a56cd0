/* All that a node may ask of its world.
 *
 * A node has no clock, no randomness, no network and no log of its own: whoever runs it gives it this. The implementations are the real
 * world (src/host), the simulated one (src/sim) and the harness of the unit tests; nothing in node or above can tell which one it is in.
 * No function may call back into the node before it returns. */
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

/* A file operation is over: 0, or ERROR_DISK_FULL, ERROR_IO, ERROR_DISK_SYNC. */
typedef void (*node_disk_fn)(void *arg, int error);

/* Files, named by numbers, that outlive the node. Operations on one file complete in the order they were asked for; `done` is called in a
 * later turn, never from within the call, and not at all if the node ends before. */
struct node_disk {
  void *self; /* given back as first argument of each function */

  /* Makes the files of this node ready, once, at init, before all else. `start` is the token of the `id` of init's envelope; empty = it has
   * none. A world may take it as a sign that files are those of an earlier cluster, and give empty ones. 0, or an error that has been
   * logged: the node cannot start. NULL = there is nothing to do. */
  int (*open)(void *self, struct slice node, struct slice start);

  /* Creates a file of `size` zeroes, durably. ERROR_DISK_FULL: there is no such file then. */
  void (*allocate)(void *self, unsigned file, uint64_t size, node_disk_fn done, void *arg);

  /* Writes bytes at an offset (a gap before it reads as zeroes). They need not be durable when it completes. Borrows bytes until then. */
  void (*write)(void *self, unsigned file, uint64_t offset, struct slice bytes, node_disk_fn done, void *arg);

  /* Makes everything durable that was written to the file by operations that have completed. After a failure nobody knows what is. */
  void (*sync)(void *self, unsigned file, node_disk_fn done, void *arg);

  /* For recovery, before the first write: the number of the next file after this one (0 = no more; numbers begin at 1), the size of a file
   * (0 if there is none), and `len` bytes of it. 0, or ERROR_IO, also for bytes behind its end. */
  unsigned (*next)(void *self, unsigned file);
  uint64_t (*size)(void *self, unsigned file);
  int (*read)(void *self, unsigned file, uint64_t offset, void *to, size_t len);

  /* Removes a file, durably, when the operations on it that are under way have completed. */
  void (*remove)(void *self, unsigned file);

  bool keeps_cache; /* what was written outlives the node even without a sync: the machine does not fail, only the process */
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

  /* Where what must outlive the node is kept. NULL = nowhere: the world has no disk. Borrowed for the node's life. */
  const struct node_disk *disk;
};

#endif
