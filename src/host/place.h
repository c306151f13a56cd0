/* Where a node keeps its files, and when what lies there is of an earlier cluster. Private to host.
 *
 * Without a folder that the user names, the files of a node that a test harness starts, kills and starts again must be found by its next
 * start, and by no other: they lie in TMPDIR/vortex-lua-UID/PID-START-ID, where PID and START are the parent's process id and start time,
 * and ID is the node's id. They are forgotten if the `id` of init's envelope is absent or below the one that was noted: the parent has
 * begun anew. Folders of parents that are gone are removed. */
#ifndef VORTEX_HOST_PLACE_H
#define VORTEX_HOST_PLACE_H

#include "base/buf.h"
#include "base/slice.h"

/* The parent process: taken at start-up, since it may end before init comes. */
struct place_parent {
  long pid;
  unsigned long long start; /* clock ticks after boot; 0 where the system does not tell */
};

struct place_parent place_parent(void);

/* Appends the path of the folder of `node` to *path (no terminator is counted, but one lies behind it) and makes it. `root`: a folder that
 * the user names, made if its parent is there; NULL = the temporary directory, as above. 0 or an errno, with the path that it is about in
 * *path. */
int place_open(struct buf *path, const char *root, const struct place_parent *parent, struct slice node);

/* Compares the token of init's id with the one noted in the folder, and notes the new one. *stale: what lies there is of an earlier
 * cluster. 0 or an errno. */
int place_note_start(const char *path, struct slice start, bool *stale);

#endif
