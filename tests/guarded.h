/* Memory whose last byte lies right before a page that nobody may touch: a read past the end of what was placed there faults. */
#ifndef VORTEX_TESTS_GUARDED_H
#define VORTEX_TESTS_GUARDED_H

#include <assert.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/slice.h"

struct guarded {
  char *memory;
  size_t size; /* without the forbidden page */
};

static inline void guarded_init(struct guarded *g, size_t size)
{
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  g->size = (size + page - 1) / page * page;
  g->memory = mmap(NULL, g->size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert(g->memory != MAP_FAILED);
  int error = mprotect(g->memory + g->size, page, PROT_NONE);
  assert(error == 0);
  (void)error;
}

static inline void guarded_free(struct guarded *g)
{
  munmap(g->memory, g->size + (size_t)sysconf(_SC_PAGESIZE));
}

/* Copies the bytes to the very end. The slice holds until the next call. */
static inline struct slice guarded_place(struct guarded *g, struct slice bytes)
{
  assert(bytes.len <= g->size);
  char *at = g->memory + g->size - bytes.len;
  if (bytes.len > 0) {
    memcpy(at, bytes.ptr, bytes.len);
  }
  return slice_of(at, bytes.len);
}

#endif
