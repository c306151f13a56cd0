/* Both tables are the same algorithm over different slots: a run of occupied slots starts at each key's home (its hash modulo the
 * capacity) and no gap lies between a key and its home. Removal keeps that by moving later keys of the run into the gap. */
#include "base/map.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/assert.h"

enum {
  CAP_MIN = 16
};

static void *allocate(size_t n, size_t size)
{
  void *memory = calloc(n, size);
  if (memory == NULL) {
    abort();
  }
  return memory;
}

/* Spreads every input bit over the low bits, which choose the slot (the finaliser of MurmurHash3). */
static uint64_t mix(uint64_t x)
{
  x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdu;
  x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53u;
  return x ^ (x >> 33);
}

static uint64_t hash_bytes(struct slice key)
{
  uint64_t h = 0x9e3779b97f4a7c15u ^ key.len;
  const char *at = key.ptr;
  size_t left = key.len;
  for (; left >= 8; at += 8, left -= 8) {
    uint64_t word;
    memcpy(&word, at, 8);
    h = mix(h ^ word);
  }
  if (left > 0) {
    uint64_t word = 0;
    memcpy(&word, at, left);
    h = mix(h ^ word);
  }
  return h;
}

/* Whether the key at `at` with home `home` may move back into the gap: its home does not lie between the two (cyclically). */
static bool may_fill(size_t gap, size_t home, size_t at, size_t mask)
{
  return ((at - home) & mask) >= ((at - gap) & mask);
}

void map_init(struct map *m)
{
  *m = (struct map){0};
}

void map_free(struct map *m)
{
  free(m->slots);
  *m = (struct map){0};
}

/* The slot that holds the key, or the free one where it belongs. */
static size_t map_find(const struct map *m, uint64_t key)
{
  size_t mask = m->cap - 1;
  size_t i = mix(key) & mask;
  while (m->slots[i].value != NULL && m->slots[i].key != key) {
    i = (i + 1) & mask;
  }
  return i;
}

static void map_grow(struct map *m)
{
  struct map old = *m;
  m->cap = old.cap == 0 ? CAP_MIN : old.cap * 2;
  m->slots = allocate(m->cap, sizeof m->slots[0]);
  for (size_t i = 0; i < old.cap; i++) {
    if (old.slots[i].value != NULL) {
      m->slots[map_find(m, old.slots[i].key)] = old.slots[i];
    }
  }
  free(old.slots);
}

void *map_get(const struct map *m, uint64_t key)
{
  return m->len == 0 ? NULL : m->slots[map_find(m, key)].value;
}

void *map_put(struct map *m, uint64_t key, void *value)
{
  assert(value != NULL);
  if ((m->len + 1) * 2 > m->cap) {
    map_grow(m);
  }
  struct map_slot *slot = &m->slots[map_find(m, key)];
  void *replaced = slot->value;
  *slot = (struct map_slot){.key = key, .value = value};
  m->len += replaced == NULL;
  return replaced;
}

void *map_remove(struct map *m, uint64_t key)
{
  if (m->len == 0) {
    return NULL;
  }
  size_t mask = m->cap - 1;
  size_t gap = map_find(m, key);
  void *removed = m->slots[gap].value;
  if (removed == NULL) {
    return NULL;
  }
  for (size_t i = (gap + 1) & mask; m->slots[i].value != NULL; i = (i + 1) & mask) {
    if (may_fill(gap, mix(m->slots[i].key) & mask, i, mask)) {
      m->slots[gap] = m->slots[i];
      gap = i;
    }
  }
  m->slots[gap] = (struct map_slot){0};
  m->len--;
  return removed;
}

void dict_init(struct dict *d)
{
  *d = (struct dict){0};
}

void dict_free(struct dict *d)
{
  for (size_t i = 0; i < d->cap; i++) {
    free(d->slots[i].key);
  }
  free(d->slots);
  *d = (struct dict){0};
}

static size_t dict_find(const struct dict *d, struct slice key, uint64_t hash)
{
  size_t mask = d->cap - 1;
  size_t i = hash & mask;
  while (d->slots[i].key != NULL && !(d->slots[i].hash == hash && slice_equal(slice_of(d->slots[i].key, d->slots[i].key_len), key))) {
    i = (i + 1) & mask;
  }
  return i;
}

static void dict_grow(struct dict *d)
{
  struct dict old = *d;
  d->cap = old.cap == 0 ? CAP_MIN : old.cap * 2;
  d->slots = allocate(d->cap, sizeof d->slots[0]);
  for (size_t i = 0; i < old.cap; i++) {
    struct dict_slot *slot = &old.slots[i];
    if (slot->key != NULL) {
      d->slots[dict_find(d, slice_of(slot->key, slot->key_len), slot->hash)] = *slot;
    }
  }
  free(old.slots);
}

void *dict_get(const struct dict *d, struct slice key)
{
  return d->len == 0 ? NULL : d->slots[dict_find(d, key, hash_bytes(key))].value;
}

void *dict_put(struct dict *d, struct slice key, void *value)
{
  assert(value != NULL);
  if ((d->len + 1) * 2 > d->cap) {
    dict_grow(d);
  }
  uint64_t hash = hash_bytes(key);
  struct dict_slot *slot = &d->slots[dict_find(d, key, hash)];
  void *replaced = slot->value;
  if (replaced == NULL) {
    char *copy = allocate(key.len + 1, 1); /* at least one byte: a NULL key means a free slot */
    if (key.len > 0) {
      memcpy(copy, key.ptr, key.len);
    }
    *slot = (struct dict_slot){.hash = hash, .key = copy, .key_len = key.len};
    d->len++;
  }
  slot->value = value;
  return replaced;
}

void *dict_remove(struct dict *d, struct slice key)
{
  if (d->len == 0) {
    return NULL;
  }
  size_t mask = d->cap - 1;
  size_t gap = dict_find(d, key, hash_bytes(key));
  void *removed = d->slots[gap].value;
  if (removed == NULL) {
    return NULL;
  }
  free(d->slots[gap].key);
  for (size_t i = (gap + 1) & mask; d->slots[i].key != NULL; i = (i + 1) & mask) {
    if (may_fill(gap, d->slots[i].hash & mask, i, mask)) {
      d->slots[gap] = d->slots[i];
      gap = i;
    }
  }
  d->slots[gap] = (struct dict_slot){0};
  d->len--;
  return removed;
}

size_t dict_next(const struct dict *d, size_t from)
{
  while (from < d->cap && d->slots[from].key == NULL) {
    from++;
  }
  return from;
}
