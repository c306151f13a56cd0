#include "wal/ring.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"

enum {
  CHUNK_BYTES = 64 << 10,
  CHUNK_SMALL_BYTES = 4 << 10, /* the first chunk of a ring: a thousand groups that do little take little */
  ITEMS_MIN = 64,
  ITEMS_KEPT = 64 << 10, /* rings up to this many are never made smaller */
};

void wal_pool_free(struct wal_pool *p)
{
  for (size_t i = 0; i < p->count; i++) {
    free(p->chunks[i]);
  }
  p->count = 0;
}

static char *take_chunk(struct wal_pool *pool, size_t size)
{
  if (size == CHUNK_BYTES && pool->count > 0) {
    return pool->chunks[--pool->count];
  }
  return memory_must(malloc(size));
}

static void give_chunk(struct wal_pool *pool, struct wal_chunk *c)
{
  if (c->cap == CHUNK_BYTES && pool->count < sizeof pool->chunks / sizeof *pool->chunks) {
    pool->chunks[pool->count++] = c->data;
  } else {
    free(c->data);
  }
}

void wal_ring_init(struct wal_ring *r, uint64_t start)
{
  *r = (struct wal_ring){.start = start};
}

void wal_ring_free(struct wal_ring *r)
{
  for (size_t i = r->chunk_at; i < r->chunk_end; i++) {
    free(r->chunks[i].data);
  }
  free(r->chunks);
  free(r->items);
  *r = (struct wal_ring){0};
}

/* Gives the ring another size, with room for what is in it. */
static void resize(struct wal_ring *r, size_t cap)
{
  struct wal_item *items = memory_must(malloc(cap * sizeof *items));
  for (uint64_t i = r->start; i < r->start + r->count; i++) {
    items[i & (cap - 1)] = r->items[i & (r->cap - 1)];
  }
  free(r->items);
  r->items = items;
  r->cap = cap;
}

static char *place(struct wal_ring *r, struct wal_pool *pool, uint64_t index, size_t size)
{
  struct wal_chunk *c = r->chunk_at < r->chunk_end ? &r->chunks[r->chunk_end - 1] : NULL;
  if (c == NULL || c->cap - c->used < size) {
    if (r->chunks != NULL && r->chunk_end == r->chunk_cap && r->chunk_at > r->chunk_cap / 2) {
      memmove(r->chunks, r->chunks + r->chunk_at, (r->chunk_end - r->chunk_at) * sizeof *r->chunks);
      r->chunk_end -= r->chunk_at;
      r->chunk_at = 0;
    }
    r->chunks = memory_grow(r->chunks, &r->chunk_cap, r->chunk_end + 1, sizeof *r->chunks);
    bool small = c == NULL && !r->grown && size <= CHUNK_SMALL_BYTES;
    size_t cap = small ? CHUNK_SMALL_BYTES : size > CHUNK_BYTES ? size : CHUNK_BYTES;
    r->grown = r->grown || !small;
    c = &r->chunks[r->chunk_end++];
    *c = (struct wal_chunk){.data = take_chunk(pool, cap), .cap = cap, .first = index};
  }
  char *at = c->data + c->used;
  c->used += size;
  return at;
}

void wal_ring_append(struct wal_ring *r, struct wal_pool *pool, uint64_t term, uint8_t type, struct slice bytes)
{
  uint64_t index = r->start + r->count;
  if (r->count == r->cap) {
    resize(r, r->cap == 0 ? ITEMS_MIN : r->cap * 2);
  }
  char *at = NULL;
  if (bytes.len > 0) {
    at = place(r, pool, index, bytes.len);
    memcpy(at, bytes.ptr, bytes.len);
  }
  r->items[index & (r->cap - 1)] = (struct wal_item){.term = term, .bytes = at, .size = (uint32_t)bytes.len, .type = type};
  r->count++;
  r->bytes += bytes.len;
}

void wal_ring_truncate(struct wal_ring *r, struct wal_pool *pool, uint64_t from)
{
  uint64_t end = r->start + r->count;
  assert(from >= r->start && from <= end);
  if (from == r->start) {
    wal_ring_reset(r, pool, from);
    return;
  }
  uint64_t cut = end; /* the first one to go that has bytes */
  for (uint64_t i = end; i-- > from;) {
    size_t size = wal_ring_at(r, i)->size;
    r->bytes -= size;
    cut = size > 0 ? i : cut;
  }
  const char *freed = cut < end ? wal_ring_at(r, cut)->bytes : NULL;
  r->count = (size_t)(from - r->start);
  while (r->chunk_at < r->chunk_end && r->chunks[r->chunk_end - 1].first >= from) {
    struct wal_chunk *c = &r->chunks[--r->chunk_end];
    freed = c->first == cut ? NULL : freed; /* then the chunk before it keeps all that it holds */
    give_chunk(pool, c);
  }
  if (freed != NULL) {
    struct wal_chunk *c = &r->chunks[r->chunk_end - 1];
    c->used = (size_t)(freed - c->data);
  }
}

void wal_ring_drop(struct wal_ring *r, struct wal_pool *pool, uint64_t first)
{
  assert(first >= r->start && first <= r->start + r->count);
  if (first == r->start + r->count) {
    wal_ring_reset(r, pool, first);
    return;
  }
  for (uint64_t i = r->start; i < first; i++) {
    r->bytes -= wal_ring_at(r, i)->size;
  }
  r->count -= (size_t)(first - r->start);
  r->start = first;
  while (r->chunk_end - r->chunk_at > 1 && r->chunks[r->chunk_at + 1].first <= first) {
    give_chunk(pool, &r->chunks[r->chunk_at++]);
  }
  if (r->cap > ITEMS_KEPT && r->count < r->cap / 8) {
    resize(r, r->cap / 4);
  }
}

void wal_ring_reset(struct wal_ring *r, struct wal_pool *pool, uint64_t start)
{
  for (size_t i = r->chunk_at; i < r->chunk_end; i++) {
    give_chunk(pool, &r->chunks[i]);
  }
  r->chunk_at = 0;
  r->chunk_end = 0;
  r->start = start;
  r->count = 0;
  r->bytes = 0;
  if (r->cap > ITEMS_KEPT) {
    resize(r, ITEMS_KEPT);
  }
}
