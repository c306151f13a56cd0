/* Memory for a Lua state: free lists for small objects, malloc for the others. Faster than malloc alone, since Lua tells us sizes.
 *
 * Under AddressSanitizer everything goes to malloc, so that each object is watched. Out of memory aborts. */
#ifndef VORTEX_SCRIPT_ALLOC_H
#define VORTEX_SCRIPT_ALLOC_H

#include <stddef.h>

#define ALLOC_GRAIN_BYTES 16
#define ALLOC_SMALL_BYTES 256
#define ALLOC_CLASSES     (ALLOC_SMALL_BYTES / ALLOC_GRAIN_BYTES)

struct alloc_chunk;

struct script_alloc {
  void *free_lists[ALLOC_CLASSES]; /* class i: objects of (i + 1) * ALLOC_GRAIN_BYTES */
  char *fresh;                     /* unused rest of the newest chunk */
  size_t fresh_bytes;
  struct alloc_chunk *chunks;
};

void script_alloc_init(struct script_alloc *a);

/* Frees all chunks; larger objects must have been freed through script_alloc_realloc. */
void script_alloc_free(struct script_alloc *a);

/* A lua_Alloc; `arg` is a struct script_alloc. */
void *script_alloc_realloc(void *arg, void *ptr, size_t old_size, size_t new_size);

#endif
