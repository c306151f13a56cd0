/* What the files of the log share: its state.
 *
 * The log in memory is always ahead of what is written: `pending` holds the records of what is not. A flush takes all of it, so after a
 * flush has been built the stream and the memory agree. One flush is under way at a time; what it changes takes effect once it is durable.
 * A segment begins with a checkpoint, which is the memory itself, so that what is pending then need not be written in its own records. */
#ifndef VORTEX_WAL_INTERNAL_H
#define VORTEX_WAL_INTERNAL_H

#include "base/map.h"
#include "wal/format.h"
#include "wal/ring.h"
#include "wal/wal.h"

/* A snapshot, in memory and as a file. */
enum wal_image_state {
  WAL_IMAGE_NEW, /* its file is to be allocated */
  WAL_IMAGE_WRITING,
  WAL_IMAGE_WRITTEN, /* to be synced */
  WAL_IMAGE_DURABLE,
};

struct wal_image {
  enum wal_image_state state;
  const struct wal_group *group;
  unsigned file; /* 0 = none yet */
  uint64_t index;
  uint64_t term;
  struct buf head; /* the header of the file, and meta behind it */
  struct buf data;
  uint64_t written; /* bytes of head and data */
};

/* From which entry on a group's entries are in which segment. */
struct wal_run {
  unsigned file;
  uint64_t first;
};

struct wal_group {
  unsigned number;
  struct slice name; /* owned */
  bool announced;    /* the stream, or what is pending, has its name */
  bool dirty;        /* has something pending */
  bool hard_dirty;   /* its term or vote */
  bool carried;      /* the checkpoint under construction has all its entries */
  uint64_t term;
  uint64_t vote;
  uint64_t first;           /* ring.start, but for entries that recovery misses */
  uint64_t first_prev_term; /* 0 = not known */
  struct wal_ring ring;
  struct wal_image *snapshot; /* what the log begins with; NULL = nothing */
  struct wal_image *waiting;  /* to be marked; NULL = none */
  uint64_t appended;
  uint64_t flying; /* newest sequence in the flush under way */
  uint64_t durable;
  uint64_t written; /* entries up to here are in the stream as they are in memory */
  struct wal_run *runs;
  size_t run_count;
  size_t run_cap;
};

struct wal_segment {
  unsigned file;
  uint64_t ordinal;
  uint64_t size;
  uint64_t end; /* of its last durable flush */
  size_t block_bytes;
  uint32_t seed;
  uint32_t flush; /* the last durable one */
};

/* What the operation that was handed out is for. */
enum wal_doing {
  WAL_IDLE,
  WAL_ALLOCATING,
  WAL_WRITING,
  WAL_SYNCING,
  WAL_REMOVING,
  WAL_IMAGE_ALLOCATING,
  WAL_IMAGE_SAVING,
  WAL_IMAGE_SYNCING,
};

struct wal_removal {
  unsigned file;
  bool frees; /* space, so that what did not fit may fit now */
};

/* Numbers of files; zeroes are an empty list. */
struct wal_files {
  unsigned *at;
  size_t count;
  size_t cap;
};

struct wal {
  struct wal_config config;
  bool in_memory; /* wal_set_volatile */
  bool full;
  int failed;

  struct wal_group **groups; /* number n at n - 1 */
  size_t group_count;
  size_t group_cap;
  size_t announced; /* groups 1 … announced have been named */
  struct dict names;
  struct wal_pool pool;

  struct buf pending; /* records, not sealed */
  size_t pending_records;
  size_t hard_count;         /* groups that are hard_dirty */
  struct wal_group **dirty;  /* room for all groups */
  struct wal_group **flying; /* those in the flush under way */
  size_t dirty_count;
  size_t flying_count;

  struct buf writing; /* the flush under way */
  size_t writing_records;
  bool sync_due; /* it is written */

  struct wal_segment *segments; /* oldest first */
  size_t segment_count;
  size_t segment_cap;
  bool open;       /* the last one takes more flushes */
  unsigned needed; /* oldest segment that is needed once the flush under way is durable */
  unsigned spare;  /* file of the next segment; 0 = none */
  uint64_t spare_size;
  unsigned next_file;
  unsigned allocating_file;
  uint64_t allocating_size;

  struct wal_removal *removals;
  size_t removal_at;
  size_t removal_count;
  size_t removal_cap;
  struct wal_files dead;   /* files of snapshots that a pending mark supersedes */
  struct wal_files buried; /* … that one in the flush under way does */

  enum wal_doing doing;
  unsigned doing_file;
  struct wal_image *doing_image;
  bool image_orphaned; /* doing_image was replaced meanwhile */
  size_t images_open;  /* snapshots that wait and are not durable */
  bool image_turn;
  struct wal_stats stats;
};

/* ---- groups (group.c) ---- */

static inline struct wal_group *wal_group_at(const struct wal *w, unsigned number)
{
  return number >= 1 && number <= w->group_count ? w->groups[number - 1] : NULL;
}

/* A new group with the next number. */
struct wal_group *wal_group_add(struct wal *w, struct slice name);
void wal_group_free(struct wal_group *g);

/* Changes to the log in memory; what they demand has been checked. */
void wal_group_truncate(struct wal *w, struct wal_group *g, uint64_t from);

/* Entries before first_kept go, or all of them. prev_term: of the entry before first_kept, if it is known. */
void wal_group_compact(struct wal *w, struct wal_group *g, uint64_t first_kept, uint64_t prev_term);
void wal_group_reset(struct wal *w, struct wal_group *g, uint64_t index, uint64_t term);

/* Entries from `first` on are in that segment. */
void wal_group_run(struct wal_group *g, unsigned file, uint64_t first);

/* ---- snapshots (image.c) ---- */

void wal_image_free(struct wal_image *image);

/* The next operation for a snapshot's file, and its end. */
bool wal_image_next(struct wal *w, struct wal_op *out);
void wal_image_done(struct wal *w, int error);

/* The snapshot that waits takes the place of the current one. */
void wal_image_mark(struct wal *w, struct wal_group *g);

/* ---- flushes (flush.c) ---- */

/* Bytes of the flush that would take all that is pending, in the open segment, and at the beginning of a new one. */
size_t wal_flush_size(const struct wal *w);
size_t wal_flush_roll_size(struct wal *w);

/* Builds it in w->writing. */
void wal_flush_build(struct wal *w);
void wal_flush_roll(struct wal *w);

/* It is durable. */
void wal_flush_durable(struct wal *w);

/* ---- files (disk.c) ---- */

void wal_files_add(struct wal_files *files, unsigned file);
void wal_remove_file(struct wal *w, unsigned file, bool frees);
void wal_poison(struct wal *w, int error);

/* A segment behind the others, empty. */
struct wal_segment *wal_segment_add(struct wal *w, const struct wal_segment *segment);

#endif
