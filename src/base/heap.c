#include "base/heap.h"

#include <stdlib.h>

#include "base/assert.h"

enum {
  CAP_MIN = 16
};

void heap_init(struct heap *h)
{
  *h = (struct heap){0};
}

void heap_free(struct heap *h)
{
  free(h->entries);
  *h = (struct heap){0};
}

static bool before(const struct heap_entry *a, const struct heap_entry *b)
{
  return a->deadline != b->deadline ? a->deadline < b->deadline : a->sequence < b->sequence;
}

static void put(struct heap *h, size_t at, struct heap_entry *e)
{
  h->entries[at] = e;
  e->place = at + 1;
}

static void sift_up(struct heap *h, size_t at, struct heap_entry *e)
{
  while (at > 0) {
    size_t parent = (at - 1) / 2;
    if (!before(e, h->entries[parent])) {
      break;
    }
    put(h, at, h->entries[parent]);
    at = parent;
  }
  put(h, at, e);
}

static void sift_down(struct heap *h, size_t at, struct heap_entry *e)
{
  for (;;) {
    size_t child = 2 * at + 1;
    if (child >= h->len) {
      break;
    }
    if (child + 1 < h->len && before(h->entries[child + 1], h->entries[child])) {
      child++;
    }
    if (!before(h->entries[child], e)) {
      break;
    }
    put(h, at, h->entries[child]);
    at = child;
  }
  put(h, at, e);
}

void heap_push(struct heap *h, struct heap_entry *e)
{
  assert(e->place == 0);
  if (h->len == h->cap) {
    size_t cap = h->cap == 0 ? CAP_MIN : h->cap * 2;
    struct heap_entry **entries = realloc(h->entries, cap * sizeof entries[0]);
    if (entries == NULL) {
      abort();
    }
    h->entries = entries;
    h->cap = cap;
  }
  e->sequence = h->next_sequence++;
  h->len++;
  sift_up(h, h->len - 1, e);
}

void heap_remove(struct heap *h, struct heap_entry *e)
{
  assert(e->place != 0 && e->place <= h->len);
  size_t at = e->place - 1;
  assert(h->entries[at] == e);
  e->place = 0;
  struct heap_entry *last = h->entries[--h->len];
  if (last == e) {
    return;
  }
  /* The last leaf takes the gap. It may come from another branch, so it can belong above the gap as well as below it. */
  if (at > 0 && before(last, h->entries[(at - 1) / 2])) {
    sift_up(h, at, last);
  } else {
    sift_down(h, at, last);
  }
}
