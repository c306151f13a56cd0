/* Allocation that aborts when there is no memory, and arrays that double. */
#ifndef VORTEX_BASE_MEMORY_H
#define VORTEX_BASE_MEMORY_H

#include <stddef.h>
#include <stdlib.h>

/* What malloc or calloc returned; aborts if that is NULL. */
static inline void *memory_must(void *memory)
{
  if (memory == NULL) {
    abort();
  }
  return memory;
}

/* `n` zeroed elements, owned. Never NULL, so that sorting and copying no elements needs no special case. */
static inline void *memory_zeroed(size_t n, size_t size)
{
  return memory_must(calloc(n == 0 ? 1 : n, size));
}

/* An array of `*cap` elements made large enough for `want`; the new part is not initialised. Returns where it is now. */
static inline void *memory_grow(void *array, size_t *cap, size_t want, size_t size)
{
  if (want <= *cap) {
    return array;
  }
  size_t room = *cap < 16 ? 16 : *cap;
  while (room < want) {
    room *= 2;
  }
  void *p = memory_must(room > (size_t)-1 / size ? NULL : realloc(array, room * size));
  *cap = room;
  return p;
}

#endif
