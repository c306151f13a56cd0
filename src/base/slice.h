/* A borrowed range of bytes. Not terminated. A slice of length 0 may have a NULL pointer. */
#ifndef VORTEX_BASE_SLICE_H
#define VORTEX_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
  const char *ptr;
  size_t len;
};

/* The slice of a string literal. */
#define SLICE(literal) ((struct slice){.ptr = (literal), .len = sizeof(literal) - 1})

static inline struct slice slice_of(const char *ptr, size_t len)
{
  return (struct slice){.ptr = ptr, .len = len};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
  return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

#endif
