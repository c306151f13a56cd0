/* A simulated disk: files that a node writes, syncs, and finds again after it was killed, as far as they were durable.
 *
 * A write takes time and completes as an event. Until a sync that began after it has completed, it is only in the page cache: a kill keeps
 * all of each such write, or a prefix that ends between two sectors of the file, or nothing, drawn by the running event's key, each write
 * by itself; so the last one may be torn and an earlier one missing. Likewise the writes that are under way. Reads see the page cache. A
 * sync can be made to fail: then what it would have made durable meets the same fate at once, though the page cache, and so the node,
 * cannot tell until a kill. The disk can be made to be full, slow, and to fail writes. A new file's zeroes take no memory. A file without
 * a byte is none. */
#ifndef VORTEX_SIM_DISK_H
#define VORTEX_SIM_DISK_H

#include "node/env.h"
#include "sim/sim.h"

struct sim_disk_config {
  uint64_t write_min_ns; /* what a write takes, uniform */
  uint64_t write_max_ns;
  uint64_t sync_min_ns;
  uint64_t sync_max_ns;
  uint64_t capacity_bytes;   /* of all files together; what would go beyond it fails with ERROR_DISK_FULL and writes nothing. 0 = no end */
  uint32_t sync_failure_ppm; /* of syncs: ERROR_DISK_SYNC, and what they would have made durable may be lost for good */
  bool keeps_cache;          /* a kill is that of a process, not of the machine: nothing that was written is lost */
};

#define SIM_SECTOR_BYTES 512

/* What goes wrong with a disk for a time. All zero = nothing. */
struct sim_disk_trouble {
  uint32_t failure_ppm; /* of writes (a part of one may be written) and allocations: ERROR_IO; and of syncs, as sync_failure_ppm */
  unsigned slow;        /* operations that begin take this many times as long; 0 or 1 = as ever */
  bool full;            /* nothing more than what is in use when this begins (and a smaller capacity still counts) */
};

struct sim_disk;

/* Copies config. Returns owned; freed before the world. */
struct sim_disk *sim_disk_new(struct sim *sim, const struct sim_disk_config *config);
void sim_disk_free(struct sim_disk *d);

/* The operations, for node/env.h. `d` must outlive what uses them. */
struct node_disk sim_disk_ops(struct sim_disk *d);

/* The node that used it was killed: its operations under way never complete, and what was not durable is lost or torn. Ends a hold. */
void sim_disk_crash(struct sim_disk *d);

/* The node that uses it is stopped, or goes on: while held, operations take their course, but nobody is told; at the end of the hold all
 * that have completed are reported at once, in order. */
void sim_disk_hold(struct sim_disk *d, bool held);

/* Changes what it does from now on. */
void sim_disk_configure(struct sim_disk *d, const struct sim_disk_config *config);
void sim_disk_disturb(struct sim_disk *d, const struct sim_disk_trouble *trouble);

/* Has fn(arg) called after each completion that was reported: whoever was told has had its turn. NULL = no more. */
void sim_disk_on_report(struct sim_disk *d, sim_fn fn, void *arg);

/* How many operations have been reported as failed, those that there was no space for among them: a node can live with a full disk for a
 * while, and not for ever. */
uint64_t sim_disk_failures(const struct sim_disk *d);

#endif
