/* Hash maps: `struct map` from 64-bit integers to pointers, `struct dict` from byte strings to pointers.
 *
 * Open addressing, linear probing, load factor at most 1/2, back-shift deletion (no tombstones). Values are not NULL and not owned.
 * The order of iteration is a function of the operations done, never of addresses. Running out of memory aborts. */
#ifndef VORTEX_BASE_MAP_H
#define VORTEX_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct map_slot {
  uint64_t key;
  void *value; /* NULL = free */
};

struct map {
  struct map_slot *slots;
  size_t len;
  size_t cap; /* a power of two, or 0 */
};

void map_init(struct map *m);
void map_free(struct map *m);

/* The value of a key, or NULL. Cannot fail. */
void *map_get(const struct map *m, uint64_t key);

/* Sets the value of a key; returns the value it replaces, or NULL. value != NULL. */
void *map_put(struct map *m, uint64_t key, void *value);

/* Removes a key; returns its value, or NULL if it was not there. */
void *map_remove(struct map *m, uint64_t key);

struct dict_slot {
  uint64_t hash;
  char *key; /* owned copy; NULL = free */
  size_t key_len;
  void *value;
};

struct dict {
  struct dict_slot *slots;
  size_t len;
  size_t cap;
};

void dict_init(struct dict *d);
void dict_free(struct dict *d);

/* The value of a key, or NULL. Cannot fail. */
void *dict_get(const struct dict *d, struct slice key);

/* Sets the value of a key (copied); returns the value it replaces, or NULL. value != NULL. */
void *dict_put(struct dict *d, struct slice key, void *value);

/* Removes a key; returns its value, or NULL if it was not there. */
void *dict_remove(struct dict *d, struct slice key);

/* Iteration: for (size_t i = dict_next(d, 0); i < d->cap; i = dict_next(d, i + 1)) d->slots[i]. Do not change the dict meanwhile. */
size_t dict_next(const struct dict *d, size_t from);

#endif
