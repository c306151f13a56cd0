/* Watches a run: what was refused, how many errors scripts logged; on demand the nodes' logs and the messages on stderr, or in the files of
 * a folder (--keep):
 *
 *   messages.jsonl     every fate of every message, one object a line
 *   events.jsonl       starts, kills, pauses, clocks, faults, and what was logged
 *   node-logs/nK.log   what the nodes logged
 */
#ifndef VORTEX_LAB_RECORD_H
#define VORTEX_LAB_RECORD_H

#include <stdio.h>

#include "base/buf.h"
#include "lab/config.h"
#include "sim/sim.h"

#define RECORD_REFUSED_MAX 8

/* A line that Maelstrom would not have accepted: its sender is mute from there on. */
struct record_refused {
  uint64_t at_ns;
  struct buf from;
  struct buf line; /* cut */
  const char *why;
};

struct record {
  const struct lab_config *config;
  struct sim *sim;
  uint64_t start_ns; /* the zero of the times that are shown */
  struct sim_observer observer;

  /* Who is told as well; NULL = nobody. */
  void (*fault)(void *arg, bool begins, const char *what);
  void (*error)(void *arg, unsigned node); /* an entry of level error, when it has been noted */
  void *arg;

  struct record_refused refused[RECORD_REFUSED_MAX];
  size_t refused_count;
  uint64_t errors;        /* log entries of level error */
  struct buf first_error; /* of all nodes */
  struct buf *node_error; /* per node: its first one */
  FILE *messages;         /* NULL = not kept */
  FILE *events;
  FILE **logs; /* one per node */
  struct buf line;
};

/* Begins; the world is made with r->observer and then named by record_attach. Opens the files. 0, or -1 with a message. */
int record_open(struct record *r, const struct lab_config *config, struct buf *why);
void record_attach(struct record *r, struct sim *sim);

/* Notes something that happened, as the world's own events are noted. */
void record_event(struct record *r, const char *kind, const char *who, struct slice what);

/* Writes a text into a file of the folder, if there is one. */
void record_write(struct record *r, const char *name, struct slice text);

void record_close(struct record *r);

#endif
