/* The node's log on stderr: one entry a call, as a line for a person or as a JSON object.
 *
 *   12:34:56.789 n1 warn  skipped a line at byte 17: unexpected character
 *   {"time":"2026-11-24T12:34:56.789Z","node":"n1","level":"warn","text":"..."}
 *
 * Times are UTC. An entry is one write(2), so entries of several processes do not mix. In the first form further lines of a text are
 * indented and control characters are shown as \xNN. Text that is not UTF-8 is repaired in the second. */
#ifndef VORTEX_HOST_LOG_H
#define VORTEX_HOST_LOG_H

#include <stdbool.h>
#include <time.h>

#include "base/slice.h"
#include "node/env.h"

struct host_log {
  int fd;               /* where to write; not owned */
  enum log_level least; /* entries below are dropped */
  bool json;
  char node[32]; /* id shown; "-" until host_log_name() */

  /* Called before an entry is written, NULL = nothing: lets a protocol line that is half written to the same pipe be finished first. */
  void (*before_write)(void *arg);
  void *before_write_arg;

  time_t second; /* that `date` spells; -1 = none yet */
  char date[24]; /* "2026-11-24T12:34:56" */
};

void host_log_init(struct host_log *log, int fd, enum log_level least, bool json);

/* Sets the id that entries show; cut to fit. */
void host_log_name(struct host_log *log, struct slice id);

/* Writes an entry; trailing newlines of the text are dropped. A full pipe is waited for. A failing write is ignored: there is nowhere to
 * report it. Cannot fail. */
void host_log_write(struct host_log *log, enum log_level level, struct slice text);
void host_log_printf(struct host_log *log, enum log_level level, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The level of a name ("debug", "info", "warn", "error"); -1 if there is none. And back. */
int host_log_level_from_name(const char *name);
const char *host_log_level_name(enum log_level level);

#endif
