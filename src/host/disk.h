/* The files of a node in the real world under Maelstrom: node/env.h's disk on a folder (host/place.h). Private to host.
 *
 * A node that Maelstrom kills loses its process, not the machine: what was written is in the page cache and outlives it. So nothing is
 * synced here, writes are plain, and each completes in the next turn of the loop. A lock keeps two processes from one folder. */
#ifndef VORTEX_HOST_DISK_H
#define VORTEX_HOST_DISK_H

#include <uv.h>

#include "host/log.h"
#include "host/place.h"
#include "node/env.h"

struct disk;

struct disk_config {
  const char *root;        /* the folder that nodes' folders lie in; NULL = by the parent process, in the temporary directory. Borrowed. */
  void (*work)(void *arg); /* called before completions are reported: they are a piece of work of their own */
  void *work_arg;
};

/* Copies config; borrows loop and log. Opens nothing yet. Returns owned. */
struct disk *disk_new(uv_loop_t *loop, struct host_log *log, const struct disk_config *config);

/* Closes its handle on the loop, which must run once more; completions that are due are dropped. */
void disk_close(struct disk *d);
void disk_free(struct disk *d); /* after the loop has closed the handle */

const struct node_disk *disk_ops(const struct disk *d);

#endif
