/* Carrying out the records of a log that is recovered. */
#ifndef VORTEX_WAL_REPLAY_H
#define VORTEX_WAL_REPLAY_H

#include "wal/internal.h"

struct wal_replay {
  struct wal *w;
  unsigned file;   /* of the segment */
  bool checkpoint; /* in its first flush */
  size_t groups;   /* that have had their checkpoint: all must, in the order of their numbers */
  bool oldest;     /* in the oldest segment there is: what it refers to may be gone */
};

/* A wal_record_fn; arg: a struct wal_replay. */
bool wal_replay_record(void *arg, const struct wal_record *r, struct slice body);

#endif
