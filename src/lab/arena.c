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

#define STEP_BYTES       (UINT64_C(64) << 10) /* made accessible at least */
#define POPULATED_ARENAS 64
#define HOT_BYTES        (UINT64_C(512) << 10) /* kept by a reset */

#define PAGE_BYTES 4096
#define HOLE_BYTES 1024 /* a free range of that size is worth being used for objects of all sizes */

/* A range that nothing is in; this lies at its beginning. */
struct hole {
  struct hole *next; /* at a higher address */
  char *end;
};

struct arena {
  char *fresh; /* behind the last object */
  char *open;  /* the end of what is accessible */
  size_t used; /* bytes of all objects, rounded up to their classes */
  void *free_lists[CLASSES];
  struct hole *holes; /* made by arena_trim; what lies in them is in no list */
};

static struct arena *arenas[FIXED_MAX + 1]; /* opened once, they stay */

/* ---- address ranges ---- */

/* Has the next pages made in one go: one by one, as they are touched, they cost several times as much. Where there are many arenas, memory
 * counts for more. */
static void populate(struct arena *a, size_t bytes)
{
#ifdef MADV_POPULATE_WRITE
  if ((uintptr_t)a < FIXED_ARENAS + POPULATED_ARENAS * ARENA_BYTES) {
    madvise(a->open, bytes, MADV_POPULATE_WRITE);
  }
#else
  (void)a;
  (void)bytes;
#endif
}

/* Makes the arena accessible up to `end` at least. False if it is too small for that, or the system has no memory. */
static bool extend(struct arena *a, size_t end)
{
  size_t open = (size_t)(a->open - (char *)a);
  size_t want = end + open / 4; /* few calls, and little too much */
  want = (want + STEP_BYTES - 1) / STEP_BYTES * STEP_BYTES;
  want = want > ARENA_BYTES ? ARENA_BYTES : want;
  if (mprotect(a->open, want - open, PROT_READ | PROT_WRITE) != 0) {
    return false;
  }
  populate(a, want - open);
  HIDE(a->open, want - open);
  a->open = (char *)a + want;
  return true;
}

static void clear(struct arena *a)
{
  a->fresh = (char *)a + (sizeof *a + GRAIN_BYTES - 1) / GRAIN_BYTES * GRAIN_BYTES;
  a->used = 0;
  memset(a->free_lists, 0, sizeof a->free_lists);
  a->holes = NULL;
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

/* From the beginning of the first hole that is large enough, or NULL. */
static void *take_from_hole(struct arena *a, size_t bytes)
{
  for (struct hole **at = &a->holes; *at != NULL; at = &(*at)->next) {
    char *object = (char *)*at;
    struct hole rest = **at;
    if ((size_t)(rest.end - object) >= bytes) {
      if (object + bytes == rest.end) {
        *at = rest.next;
      } else {
        *at = (struct hole *)(void *)(object + bytes);
        SHOW(*at, sizeof **at);
        **at = rest;
      }
      HIDE(object, bytes);
      return object;
    }
  }
  return NULL;
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
  } else if (a->holes != NULL && (object = take_from_hole(a, class_size(class))) != NULL) {
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

/* ---- giving memory back ---- */

enum {
  GRAIN_USED = 0,
  GRAIN_LISTED = 1, /* in an object of a free list */
  GRAIN_HOLE = 2,
};

/* What the grains between an arena's first byte and its `fresh` are, a byte for each. */
struct grains {
  char *base;
  size_t count;
  unsigned char *map;
};

/* Free grains that lie side by side: from, up to but not including end. */
struct run {
  size_t from;
  size_t end;
};

static size_t grain_of(const struct grains *g, const void *address)
{
  return (size_t)((const char *)address - g->base) / GRAIN_BYTES;
}

static char *address_of(const struct grains *g, size_t grain)
{
  return g->base + grain * GRAIN_BYTES;
}

static void *next_in_list(const void *object)
{
  void *next;
  SHOW(object, sizeof next);
  memcpy(&next, object, sizeof next);
  HIDE(object, sizeof next);
  return next;
}

static void mark_free(const struct arena *a, struct grains *g)
{
  for (unsigned c = 0; c < CLASSES; c++) {
    for (const void *object = a->free_lists[c]; object != NULL; object = next_in_list(object)) {
      memset(g->map + grain_of(g, object), GRAIN_LISTED, class_size(c) / GRAIN_BYTES);
    }
  }
  for (const struct hole *h = a->holes; h != NULL; h = h->next) {
    memset(g->map + grain_of(g, h), GRAIN_HOLE, (size_t)(h->end - (const char *)h) / GRAIN_BYTES);
  }
}

/* The next run behind this one; false if there is none. */
static bool next_run(const struct grains *g, struct run *run)
{
  run->from = run->end;
  while (run->from < g->count && g->map[run->from] == GRAIN_USED) {
    run->from++;
  }
  run->end = run->from;
  while (run->end < g->count && g->map[run->end] != GRAIN_USED) {
    run->end++;
  }
  return run->from < g->count;
}

/* The whole pages of a run, but for its first bytes, which a hole needs. */
static size_t whole_pages(const struct grains *g, const struct run *run, char **first)
{
  uintptr_t from = (uintptr_t)address_of(g, run->from) + sizeof(struct hole);
  from = (from + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
  uintptr_t end = (uintptr_t)address_of(g, run->end) / PAGE_BYTES * PAGE_BYTES;
  *first = (char *)from;
  return end > from ? end - from : 0;
}

/* Decides, in the map, which runs become holes. The small ones, which the lists had better keep, pass for used from here on. */
static void choose_holes(struct grains *g)
{
  struct run run = {0};
  while (next_run(g, &run)) {
    unsigned char *map = g->map + run.from;
    size_t count = run.end - run.from;
    bool worth = count * GRAIN_BYTES >= HOLE_BYTES || memchr(map, GRAIN_HOLE, count) != NULL;
    memset(map, worth ? GRAIN_HOLE : GRAIN_USED, count);
  }
}

/* Takes what will lie in holes out of the lists. */
static void sift_lists(struct arena *a, const struct grains *g)
{
  for (unsigned c = 0; c < CLASSES; c++) {
    void *object = a->free_lists[c];
    a->free_lists[c] = NULL;
    while (object != NULL) {
      void *next = next_in_list(object);
      if (g->map[grain_of(g, object)] == GRAIN_USED) {
        SHOW(object, sizeof(void *));
        memcpy(object, &a->free_lists[c], sizeof(void *));
        HIDE(object, sizeof(void *));
        a->free_lists[c] = object;
      }
      object = next;
    }
  }
}

static void dig_holes(struct arena *a, const struct grains *g)
{
  struct hole **last = &a->holes;
  struct run run = {0};
  while (next_run(g, &run)) {
    char *first;
    size_t bytes = whole_pages(g, &run, &first);
    if (bytes > 0) {
      madvise(first, bytes, MADV_DONTNEED);
    }
    struct hole *h = (struct hole *)(void *)address_of(g, run.from);
    if (run.end == g->count) {
      a->fresh = (char *)h;
    } else {
      SHOW(h, sizeof *h);
      h->end = address_of(g, run.end);
      *last = h;
      last = &h->next;
    }
  }
  *last = NULL;
}

void arena_trim(struct arena *a)
{
  struct grains g = {.base = (char *)a, .count = (size_t)(a->fresh - (char *)a) / GRAIN_BYTES};
  g.map = calloc(g.count, 1);
  if (g.map == NULL) {
    return;
  }
  mark_free(a, &g);
  choose_holes(&g);
  sift_lists(a, &g);
  dig_holes(a, &g);
  free(g.map);
}
