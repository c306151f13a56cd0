/* A file of a simulated disk: what is durable, what the page cache shows, and the writes that lie between the two. Private to sim. */
#ifndef VORTEX_SIM_DISK_FILE_H
#define VORTEX_SIM_DISK_FILE_H

#include "sim/disk.h"

#define PAGE_SECTORS 128

struct page {
  char *sectors[PAGE_SECTORS]; /* NULL = zeroes */
};

/* Bytes that a file has. Sectors of zeroes take no memory: most of a log's segment is padding, or not written yet. */
struct image {
  struct page **pages; /* NULL = zeroes; so is what lies behind them */
  size_t page_count;
  uint64_t size;
};

enum op_kind {
  OP_ALLOCATE,
  OP_WRITE,
  OP_SYNC,
  OP_REMOVE,
};

/* An operation under way; as a write that has completed it goes on as one of the file's unsynced. */
struct op {
  struct op *next;
  struct file *file;
  struct sim_event *event; /* NULL once it has completed */
  enum op_kind kind;
  uint64_t number; /* on this disk, from 1 */
  node_disk_fn done;
  void *arg;
  int error;        /* of one that has completed */
  uint64_t covered; /* by a sync: writes up to this number */
  uint64_t size;    /* of an allocation */
  uint64_t offset;
  const char *lent; /* the caller's bytes, which must not change until completion */
  size_t len;
  size_t kept; /* bytes of it; the rest is zeroes */
  char bytes[];
};

struct ops {
  struct op *first;
  struct op **last;
};

/* There is such a file if it has a size. */
struct file {
  struct file *next;
  struct sim_disk *disk;
  unsigned number;
  uint64_t free_ns;    /* when the last of its operations completes */
  uint64_t last_write; /* number of the last write that has completed */
  struct image durable;
  struct image cache;
  struct ops under_way;
  struct ops unsynced;
};

void ops_init(struct ops *l);
void ops_append(struct ops *l, struct op *op);
struct op *ops_take(struct ops *l); /* NULL = empty */
void ops_drop(struct ops *l);       /* frees them */

void image_copy(struct image *to, const struct image *from);
void image_zero(struct image *image, uint64_t size); /* nothing but zeroes from now on */
void image_read(const struct image *image, uint64_t offset, void *to, size_t len);

/* Puts the first `len` bytes of a write where they belong; a gap before them reads as zeroes. Memory grows with how far that is. */
void image_put(struct image *image, const struct op *write, size_t len);

void file_init(struct file *f, struct sim_disk *d, unsigned number);
void file_free(struct file *f); /* with the memory; nothing may be under way */
void file_empty(struct file *f);

/* What decides how a set of operations fares: one key, how likely each is kept whole, and if not, in part. All kept, all torn and all lost
 * are as likely as any mixture. */
struct fates {
  uint64_t key;
  uint64_t kept_percent;
  uint64_t torn_percent;
};

struct fates fates_draw(uint64_t key);

/* How many bytes of a write (or of the zeroes of an allocation) reach the disk: all, none, or up to a boundary of sectors within it. */
uint64_t fates_surviving(const struct fates *fates, const struct op *op);

#endif
