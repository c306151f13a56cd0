/* The kept entries of one group, in memory: a ring of what is known of each, over chunks of bytes that never move.
 *
 * A chunk is released when the last entry in it goes. Small entries cost 24 bytes each beyond their own; nothing is allocated per entry,
 * and in steady state nothing at all: rings keep their size, and chunks are taken from, and given back to, a pool. */
#ifndef VORTEX_WAL_RING_H
#define VORTEX_WAL_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

/* Chunks of the usual size, for all rings of a log. A pool of zeroes is empty. */
struct wal_pool {
  char *chunks[64];
  size_t count;
};
void wal_pool_free(struct wal_pool *p);

struct wal_item {
  uint64_t term;
  const char *bytes;
  uint32_t size;
  uint8_t type;
};

struct wal_chunk {
  char *data;
  size_t cap;
  size_t used;
  uint64_t first; /* index of the first entry in it */
};

struct wal_ring {
  uint64_t start; /* index of the first entry */
  size_t count;
  size_t bytes; /* of all entries */
  struct wal_item *items;
  size_t cap; /* a power of two, or 0 */
  struct wal_chunk *chunks;
  size_t chunk_at; /* those before it have been released */
  size_t chunk_end;
  size_t chunk_cap;
  bool grown; /* has had a chunk of the usual size: the first one is small */
};

/* Empty, next index `start`. */
void wal_ring_init(struct wal_ring *r, uint64_t start);
void wal_ring_free(struct wal_ring *r);

/* Copies bytes. */
void wal_ring_append(struct wal_ring *r, struct wal_pool *pool, uint64_t term, uint8_t type, struct slice bytes);

/* Entries from index on go. start <= from <= start + count. */
void wal_ring_truncate(struct wal_ring *r, struct wal_pool *pool, uint64_t from);

/* Entries before index go. start <= first <= start + count. */
void wal_ring_drop(struct wal_ring *r, struct wal_pool *pool, uint64_t first);

/* All entries go; the next index is start. */
void wal_ring_reset(struct wal_ring *r, struct wal_pool *pool, uint64_t start);

/* Index of the last entry; start - 1 if there is none. */
static inline uint64_t wal_ring_last(const struct wal_ring *r)
{
  return r->start + r->count - 1;
}

/* NULL: not there. Holds until the ring changes. */
static inline const struct wal_item *wal_ring_at(const struct wal_ring *r, uint64_t index)
{
  return index - r->start < r->count ? &r->items[index & (r->cap - 1)] : NULL;
}

#endif
