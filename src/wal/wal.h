/* The format of a durable log, and the log in memory: what to write where, what is durable, what is there after a crash.
 *
 * One append-only stream of typed records, shared by all Raft groups of a node, in preallocated segment files: group names, entries, term
 * and vote, truncations, snapshot marks. One stream means one order: a term that is appended before an entry is durable before it.
 * Snapshots are files of their own; the mark that makes one the beginning of a log is a record. docs/disk-format.md has the bytes.
 *
 * No I/O: an append gives the log bytes to write; the caller carries out the operations that wal_next() hands out and reports each with
 * wal_done(). At most one operation is under way. Everything that is appended meanwhile becomes the next flush (group commit, no timers).
 * Every flush starts on a fresh block and never rewrites one that may be durable. Only recovery reads, synchronously.
 *
 * Any failed write or sync poisons the log: nothing is tried again, wal_failed() says so for good, and the node has to stop. A full disk is
 * met when the next segment is allocated, before any append needs it: then wal_full() holds and appends of entries should not be asked
 * for, but what is asked for still finds room for a while (terms and votes, truncations, snapshot marks: a reserve in the segment).
 *
 * All entries that are kept are in memory, in the bytes that were appended. */
#ifndef VORTEX_WAL_WAL_H
#define VORTEX_WAL_WAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

#define WAL_GROUPS_MAX      1024
#define WAL_NAME_MAX_BYTES  255
#define WAL_ENTRY_MAX_BYTES (16u << 20)

struct wal_config {
  uint64_t node;        /* who the log belongs to: one of another node is refused */
  uint64_t salt;        /* random: makes what a recycled or torn block holds of earlier writes invalid */
  size_t segment_bytes; /* 0 = 64 MiB; a multiple of block_bytes, at least 16 blocks. An entry that does not fit gets a larger segment. */
  size_t block_bytes;   /* 0 = 4,096; a power of two, 512 to 1 MiB */
  bool sync;            /* false: a completed write counts as durable (the page cache outlives the process) */
};

struct wal;

/* Copies config. A log that is not recovered into and has no disk behind it (wal_next is never called, wal_set_volatile) keeps everything
 * in memory. Returns owned. Aborts when out of memory. */
struct wal *wal_new(const struct wal_config *config);
void wal_free(struct wal *w);

/* From now on what is appended counts as durable at once, and wal_next() gives nothing. Before the first append. */
void wal_set_volatile(struct wal *w);

/* ---- recovery ---- */

/* Reads the files of a disk. What it gives counts as durable: where only the process may have died, and not the machine, a file is synced
 * before it is read. Files are given in ascending order. */
struct wal_reader {
  void *self;
  unsigned (*next)(void *self, unsigned file); /* the number of the next file after this one; 0 = no more */
  uint64_t (*size)(void *self, unsigned file);
  int (*read)(void *self, unsigned file, uint64_t offset, void *to, size_t len); /* 0 or ERROR_IO */
};

/* Fills a new log from a disk; nothing is written before wal_next() is asked. A tail that was never durable is dropped; what that was, and
 * all else that was unusual, is told in *report, lines for a person (may stay empty). An empty disk is an empty log.
 *
 * ERROR_CORRUPT: something that was durable is damaged; *report says which file, offset, group, index and term. ERROR_IO. ERROR_MALFORMED:
 * the log of another node, or of a version that is not known. The log is unusable then. */
int wal_recover(struct wal *w, const struct wal_reader *reader, struct buf *report);

/* ---- groups ---- */

/* The number of a group, from 1: the one it has had, or a new one. 0: WAL_GROUPS_MAX, or the name is empty or too long. */
unsigned wal_group(struct wal *w, struct slice name);

struct wal_group_state {
  uint64_t term;
  uint64_t vote;
  uint64_t first;           /* index of the first kept entry; last + 1 if none is kept */
  uint64_t last;            /* index of the last one; snapshot_index if there is none */
  uint64_t first_prev_term; /* term of the entry before first, if it is known; else 0 */
  uint64_t snapshot_index;  /* of the snapshot that the log begins with; 0 = none */
  uint64_t snapshot_term;
  struct slice snapshot_meta; /* borrowed until the next snapshot of this group takes its place */
  struct slice snapshot_data;
  uint64_t appended; /* the group's newest sequence */
  uint64_t durable;  /* the group's newest durable sequence */
  size_t bytes;      /* of the kept entries */
};
void wal_state(const struct wal *w, unsigned group, struct wal_group_state *out);

struct wal_entry {
  uint64_t term;
  uint8_t type;
  struct slice bytes;
};

/* An entry that is kept. False: it is not. Borrowed until the next append to, or compaction of, the group. */
bool wal_entry(const struct wal *w, unsigned group, uint64_t index, struct wal_entry *out);

/* ---- appending ---- */

/* One unit; the parts take effect in this order. */
struct wal_batch {
  uint64_t sequence;      /* the group's own: greater than the last one */
  uint64_t truncate_from; /* 0 = nothing */
  bool hard;
  uint64_t term;
  uint64_t vote;

  /* The snapshot handed to wal_snapshot() last, durable by now, has become the beginning of the log: entries before first_kept go, all of
   * them if `reset`. Or, with the index of the present snapshot: only more entries go. first_kept <= snapshot_index + 1. */
  bool snapshot;
  bool reset;
  uint64_t snapshot_index;
  uint64_t first_kept;

  uint64_t first; /* of the entries: last + 1 by now */
  size_t count;
  const struct wal_entry *entries; /* copied */
};

/* Appends to the log in memory, at once, and to what is to be written. Cannot fail: indices and sizes are the caller's responsibility. */
void wal_append(struct wal *w, unsigned group, const struct wal_batch *batch);

/* A snapshot of a group's state is to be kept: its file is written in pieces, which take turns with flushes, and synced. index > 0. Copies
 * meta; takes data's memory (data is empty then). It replaces one that has not been marked yet. */
void wal_snapshot(struct wal *w, unsigned group, uint64_t index, uint64_t term, struct slice meta, struct buf *data);

/* Whether a snapshot that wal_snapshot() was given at this index is durable: its mark may be appended. */
bool wal_snapshot_durable(const struct wal *w, unsigned group, uint64_t index);

/* The snapshot with this index, if it is there: marked, or waiting to be. Borrowed until another takes its place. */
bool wal_snapshot_get(const struct wal *w, unsigned group, uint64_t index, struct slice *meta, struct slice *data);

/* ---- the disk ---- */

enum wal_op_kind {
  WAL_ALLOCATE, /* a new file of `size` zeroes, durably; ERROR_DISK_FULL is no failure of the log */
  WAL_WRITE,
  WAL_SYNC,   /* the file, and everything that was written to it */
  WAL_REMOVE, /* the file, which may be missing */
};

struct wal_op {
  enum wal_op_kind kind;
  unsigned file; /* number, from 1; of WAL_ALLOCATE, one that no file has, nor had since the log was recovered */
  uint64_t offset;
  struct slice bytes; /* of a write: borrowed until wal_done() */
  uint64_t size;
};

/* What to do next. False: nothing for now, or an operation is under way. */
bool wal_next(struct wal *w, struct wal_op *out);

/* The operation that was handed out is over. */
void wal_done(struct wal *w, int error);

/* Whether a file, the next segment or a snapshot, could not be allocated. It is tried again when wal_retry() is called, and by itself
 * once a file has been removed. Until then the log has room for at least a quarter of a segment; when that is used up, it fails
 * (ERROR_DISK_FULL). Without a segment at all, as at the first start, it waits. */
bool wal_full(const struct wal *w);
void wal_retry(struct wal *w);

/* The error that poisoned the log; 0 = none. */
int wal_failed(const struct wal *w);

/* ---- looking at bytes (for tests, fuzzers and tools) ---- */

/* Bytes written so far, records, flushes. */
struct wal_stats {
  uint64_t bytes;
  uint64_t records;
  uint64_t flushes;
  uint64_t syncs;
  uint64_t segments; /* files that hold the log now */
};
const struct wal_stats *wal_stats(const struct wal *w);

#endif
