/* Arenas. An arena's first bytes are its own bookkeeping, so that everything about it lies at addresses that depend on
 * its number alone.
 *
 *   base                         fresh               open                        base + ARENA_BYTES
 *   | struct arena | objects ... | not yet used ...  | reserved, not accessible ... |
 */
#include "lab/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "lab/fixed.h"

#ifdef FIXED_ASAN
#include <sanitizer/asan_interface.h>
#define HIDE(address, size) ASAN_POISON_MEMORY_REGION(address, size)
#define SHOW(address, size) ASAN_UNPOISON_MEMORY_REGION(address, size)
#else
#define HIDE(address, size) ((void)(address), (void)(size))
#define SHOW(address, size) ((void)(address), (void)(size))
#endif

#define GRAIN_BYTES 16
#define SMALL_BYTES 256 /* up to here, a class for each multiple of the grain; beyond, four for each doubling */
#define SMALL_LOG2  8
#define CLASSES     (SMALL_BYTES / GRAIN_BYTES + 4 * (30 - SMALL_LOG2)) /* the last one: objects of 1 GiB */

#define STEP_BYTES (UINT64_C(64) << 10)  /* made accessible at least */
#define HOT_BYTES  (UINT64_C(512) << 10) /* kept by a reset */

struct arena {
  char *fresh; /* behind the last object */
  char *open;  /* the end of what is accessible */
  size_t used; /* bytes of all objects, rounded up to their classes */
  void *free_lists[CLASSES];
};

static struct arena *arenas[FIXED_MAX + 1]; /* opened once, they stay */

/* ---- address ranges ---- */

/* Makes the arena accessible up to `end` at least. False if it is too small for that, or the system has no memory. */
static bool extend(struct arena *a, size_t end)
{
  size_t open = (size_t)(a->open - (char *)a);
  size_t want = end + open / 2; /* few calls, and little too much */
  want = (want + STEP_BYTES - 1) / STEP_BYTES * STEP_BYTES;
  want = want > ARENA_BYTES ? ARENA_BYTES : want;
  if (mprotect(a->open, want - open, PROT_READ | PROT_WRITE) != 0) {
    return false;
  }
  HIDE(a->open, want - open);
  a->open = (char *)a + want;
  return true;
}

static void clear(struct arena *a)
{
  a->fresh = (char *)a + (sizeof *a + GRAIN_BYTES - 1) / GRAIN_BYTES * GRAIN_BYTES;
  a->used = 0;
  memset(a->free_lists, 0, sizeof a->free_lists);
}

struct arena *arena_open(unsigned number)
{
  if (number > FIXED_MAX) {
    fprintf(stderr, "vortex-lua: there is no room for %u Lua states: %d at most in this build\n", number + 1, FIXED_MAX + 1);
    abort();
  }
  struct arena *a = arenas[number];
  if (a == NULL) {
    a = fixed_reserve(FIXED_ARENAS + number * ARENA_BYTES, ARENA_BYTES);
    if (mprotect(a, STEP_BYTES, PROT_READ | PROT_WRITE) != 0) {
      abort();
    }
    a->open = (char *)a + STEP_BYTES;
    clear(a);
    HIDE(a->fresh, (size_t)(a->open - a->fresh));
    arenas[number] = a;
  }
  arena_reset(a);
  return a;
}

void arena_reset(struct arena *a)
{
  char *hot = (char *)a + HOT_BYTES;
  if (a->open > hot) {
    /* Gives back the pages, but not the access to them: they read as zero and cost nothing. */
    madvise(hot, (size_t)(a->open - hot), MADV_DONTNEED);
  }
  char *end = a->fresh;
  clear(a);
  HIDE(a->fresh, (size_t)(end - a->fresh));
}

size_t arena_used(const struct arena *a)
{
  return a->used;
}

/* ---- objects ---- */

static inline unsigned class_of(size_t size)
{
  if (size <= SMALL_BYTES) {
    return (unsigned)((size - 1) / GRAIN_BYTES);
  }
  unsigned log2 = 63 - (unsigned)__builtin_clzll(size - 1);    /* 2^log2 < size <= 2^(log2 + 1), log2 >= SMALL_LOG2 */
  unsigned quarter = (unsigned)((size - 1) >> (log2 - 2)) & 3; /* which quarter of that range it is in */
  return SMALL_BYTES / GRAIN_BYTES + 4 * (log2 - SMALL_LOG2) + quarter;
}

static inline size_t class_size(unsigned class)
{
  if (class < SMALL_BYTES / GRAIN_BYTES) {
    return (class + 1) * (size_t)GRAIN_BYTES;
  }
  unsigned i = class - SMALL_BYTES / GRAIN_BYTES;
  return (size_t)(5 + i % 4) << (i / 4 + SMALL_LOG2 - 2);
}

/* Whether `bytes` more fit behind the last object; makes them accessible. */
static inline bool has_fresh(struct arena *a, size_t bytes)
{
  size_t end = (size_t)(a->fresh - (char *)a) + bytes;
  return a->fresh + bytes <= a->open || (end <= ARENA_BYTES && extend(a, end));
}

static void *allocate(struct arena *a, size_t size)
{
  if (size > ARENA_BYTES) {
    return NULL;
  }
  unsigned class = class_of(size);
  void *object = a->free_lists[class];
  if (object != NULL) {
    SHOW(object, sizeof(void *));
    memcpy(&a->free_lists[class], object, sizeof(void *));
    HIDE(object, sizeof(void *)); /* it may be smaller than that */
    SHOW(object, size);
  } else if (has_fresh(a, class_size(class))) {
    object = a->fresh;
    a->fresh += class_size(class);
    SHOW(object, size);
  } else {
    return NULL;
  }
  a->used += class_size(class);
  return object;
}

static void release(struct arena *a, void *object, size_t size)
{
  unsigned class = class_of(size);
  a->used -= class_size(class);
  if ((char *)object + class_size(class) == a->fresh) {
    a->fresh = object;
  } else {
    SHOW(object, sizeof(void *));
    memcpy(object, &a->free_lists[class], sizeof(void *));
    a->free_lists[class] = object;
  }
  HIDE(object, class_size(class));
}

/* Another size where it is: within its class, or at the end of what is used. */
static bool resize_in_place(struct arena *a, char *object, size_t old_size, size_t new_size)
{
  size_t old_bytes = class_size(class_of(old_size));
  size_t new_bytes = class_size(class_of(new_size));
  if (new_bytes != old_bytes) {
    if (object + old_bytes != a->fresh || (new_bytes > old_bytes && !has_fresh(a, new_bytes - old_bytes))) {
      return false;
    }
    a->fresh = object + new_bytes;
    a->used += new_bytes - old_bytes;
  }
  if (new_size < old_size) {
    HIDE(object, old_bytes);
  }
  SHOW(object, new_size);
  return true;
}

void *arena_realloc(void *arg, void *ptr, size_t old_size, size_t new_size)
{
  struct arena *a = arg;
  if (ptr == NULL) { /* old_size is then the type of the object, not a size */
    return new_size == 0 ? NULL : allocate(a, new_size);
  }
  if (new_size == 0) {
    release(a, ptr, old_size);
    return NULL;
  }
  if (new_size <= ARENA_BYTES && resize_in_place(a, ptr, old_size, new_size)) {
    return ptr;
  }
  void *moved = allocate(a, new_size);
  if (moved == NULL) {
    if (new_size > old_size) {
      return NULL;
    }
    /* Lua relies on it that shrinking works. The object stays where it is, and passes for one of its new class from now on. */
    a->used -= class_size(class_of(old_size)) - class_size(class_of(new_size));
    return ptr;
  }
  memcpy(moved, ptr, old_size < new_size ? old_size : new_size);
  release(a, ptr, old_size);
  return moved;
}
