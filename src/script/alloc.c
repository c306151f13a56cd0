#include "script/alloc.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES (16u << 10)

#if defined(__SANITIZE_ADDRESS__)
#define WATCHED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WATCHED 1
#endif
#endif

struct alloc_chunk {
  struct alloc_chunk *next;
  size_t padding; /* keeps what follows aligned to ALLOC_GRAIN_BYTES */
};

void script_alloc_init(struct script_alloc *a)
{
  memset(a, 0, sizeof *a);
}

void script_alloc_free(struct script_alloc *a)
{
  while (a->chunks != NULL) {
    struct alloc_chunk *chunk = a->chunks;
    a->chunks = chunk->next;
    free(chunk);
  }
  script_alloc_init(a);
}

#ifdef WATCHED

void *script_alloc_realloc(void *arg, void *ptr, size_t old_size, size_t new_size)
{
  (void)arg;
  (void)old_size;
  if (new_size == 0) {
    free(ptr);
    return NULL;
  }
  void *grown = realloc(ptr, new_size);
  if (grown == NULL) {
    abort();
  }
  return grown;
}

#else

static void *large(void *ptr, size_t size)
{
  void *grown = realloc(ptr, size);
  if (grown == NULL) {
    abort();
  }
  return grown;
}

static void *refill(struct script_alloc *a, size_t size)
{
  if (a->fresh_bytes < size) {
    struct alloc_chunk *chunk = large(NULL, sizeof *chunk + CHUNK_BYTES);
    chunk->next = a->chunks;
    a->chunks = chunk;
    a->fresh = (char *)(chunk + 1);
    a->fresh_bytes = CHUNK_BYTES;
  }
  void *object = a->fresh;
  a->fresh += size;
  a->fresh_bytes -= size;
  return object;
}

static inline size_t class_of(size_t size)
{
  return (size - 1) / ALLOC_GRAIN_BYTES;
}

static inline void *small_alloc(struct script_alloc *a, size_t size)
{
  size_t class = class_of(size);
  void *object = a->free_lists[class];
  if (object == NULL) {
    return refill(a, (class + 1) * ALLOC_GRAIN_BYTES);
  }
  memcpy(&a->free_lists[class], object, sizeof(void *));
  return object;
}

static inline void small_free(struct script_alloc *a, void *object, size_t size)
{
  size_t class = class_of(size);
  memcpy(object, &a->free_lists[class], sizeof(void *));
  a->free_lists[class] = object;
}

void *script_alloc_realloc(void *arg, void *ptr, size_t old_size, size_t new_size)
{
  struct script_alloc *a = arg;
  if (ptr == NULL) { /* old_size is then the type of the object, not a size */
    if (new_size == 0) {
      return NULL;
    }
    return new_size <= ALLOC_SMALL_BYTES ? small_alloc(a, new_size) : large(NULL, new_size);
  }
  if (new_size == 0) {
    if (old_size <= ALLOC_SMALL_BYTES) {
      small_free(a, ptr, old_size);
    } else {
      free(ptr);
    }
    return NULL;
  }
  if (old_size > ALLOC_SMALL_BYTES && new_size > ALLOC_SMALL_BYTES) {
    return large(ptr, new_size);
  }
  if (old_size <= ALLOC_SMALL_BYTES && new_size <= ALLOC_SMALL_BYTES && class_of(old_size) == class_of(new_size)) {
    return ptr;
  }
  void *moved = new_size <= ALLOC_SMALL_BYTES ? small_alloc(a, new_size) : large(NULL, new_size);
  memcpy(moved, ptr, old_size < new_size ? old_size : new_size);
  if (old_size <= ALLOC_SMALL_BYTES) {
    small_free(a, ptr, old_size);
  } else {
    free(ptr);
  }
  return moved;
}

#endif
