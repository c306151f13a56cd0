/* A binary min-heap of timers, ordered by (deadline, sequence): equal deadlines come out in the order they went in.
 *
 * Intrusive: an entry lives in its owner's structure and knows its place, so removal is O(log n). The heap owns only its array. */
#ifndef VORTEX_BASE_HEAP_H
#define VORTEX_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_entry {
  uint64_t deadline; /* set by the caller before heap_push */
  uint64_t sequence; /* set by heap_push */
  size_t place;      /* index in the array plus one; 0 = not in a heap. Zero it before first use. */
};

struct heap {
  struct heap_entry **entries;
  size_t len;
  size_t cap;
  uint64_t next_sequence;
};

void heap_init(struct heap *h);

/* Frees the array; the entries belong to their owners and are not touched. */
void heap_free(struct heap *h);

/* Adds an entry that is in no heap. O(log n). Aborts when out of memory. */
void heap_push(struct heap *h, struct heap_entry *e);

/* Takes an entry out, wherever it is. It must be in this heap. O(log n). Cannot fail. */
void heap_remove(struct heap *h, struct heap_entry *e);

/* The entry that is due first, or NULL. Cannot fail. */
static inline struct heap_entry *heap_min(const struct heap *h)
{
  return h->len == 0 ? NULL : h->entries[0];
}

static inline bool heap_contains(const struct heap_entry *e)
{
  return e->place != 0;
}

#endif
