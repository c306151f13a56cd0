#include "check/seen.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"

enum {
  CAP_MIN = 64,
  CAP_KEPT = 4096,          /* slots worth clearing; a larger table is given back */
  WORDS_PER_ENTRY_MAX = 16, /* on average */
  LOOKED_AT = 32,           /* of a group */
};

/* An entry is words: these, then the first set's, then the second set's. */
enum {
  HASH,   /* of all of it */
  GROUP,  /* hash of the state and the first set */
  LINK,   /* upper half: how many bits of the second set are set; lower half: the next of the group, plus one; 0 = none */
  STATE,  /* from here on an entry is compared */
  EXTENT, /* upper half: the first word of the first set that is kept; lower half: how many are */
  HEADER,
};

/* Beyond, a place no longer fits into its half of a slot. */
#define WORDS_MAX ((size_t)UINT32_MAX - ((size_t)1 << 24))
#define UPPER     (~(uint64_t)UINT32_MAX)

void seen_init(struct seen *s)
{
  *s = (struct seen){0};
}

void seen_free(struct seen *s)
{
  free(s->slots);
  free(s->groups);
  free(s->words);
  *s = (struct seen){0};
}

static void clear_table(uint64_t **slots, size_t *cap)
{
  if (*cap > CAP_KEPT) {
    free(*slots);
    *slots = NULL;
    *cap = 0;
  } else if (*cap > 0) {
    memset(*slots, 0, *cap * sizeof **slots);
  }
}

void seen_clear(struct seen *s)
{
  clear_table(&s->slots, &s->cap);
  clear_table(&s->groups, &s->group_cap);
  s->len = 0;
  s->group_len = 0;
  s->words_len = 0;
}

static uint64_t *entry_of(const struct seen *s, uint64_t slot)
{
  return s->words + ((uint32_t)slot - 1);
}

/* Doubles a table whose entries are found by the hash in their word `which`. */
static void grow_table(const struct seen *s, uint64_t **table, size_t *table_cap, int which)
{
  size_t cap = *table_cap == 0 ? CAP_MIN : *table_cap * 2;
  uint64_t *slots = memory_zeroed(cap, sizeof *slots);
  for (size_t i = 0; i < *table_cap; i++) {
    uint64_t slot = (*table)[i];
    if (slot != 0) {
      size_t at = entry_of(s, slot)[which] & (cap - 1);
      while (slots[at] != 0) {
        at = (at + 1) & (cap - 1);
      }
      slots[at] = slot;
    }
  }
  free(*table);
  *table = slots;
  *table_cap = cap;
}

/* Writes the configuration behind the last one. Returns how many words it takes. */
static size_t write_entry(struct seen *s, const struct seen_configuration *c)
{
  size_t sure_len = c->to - c->from;
  size_t n = HEADER + sure_len + c->maybe_len;
  s->words = memory_grow(s->words, &s->words_cap, s->words_len + n, sizeof *s->words);
  uint64_t *entry = s->words + s->words_len;
  entry[HASH] = c->hash;
  entry[GROUP] = c->group;
  entry[STATE] = c->state;
  entry[EXTENT] = (uint64_t)c->from << 32 | sure_len;
  for (size_t i = 0; i < sure_len; i++) {
    entry[HEADER + i] = c->sure[c->from + i];
  }
  uint64_t bits = 0;
  for (size_t i = 0; i < c->maybe_len; i++) {
    entry[HEADER + sure_len + i] = c->maybe[i];
    bits += (uint64_t)__builtin_popcountll(c->maybe[i]);
  }
  entry[LINK] = bits << 32;
  return n;
}

/* Whether two entries agree in the state, the first set and `more` words of the second one. The extent is compared before what it measures,
 * so an entry of another length is not read beyond its end. */
static bool is_same(const uint64_t *x, const uint64_t *y, size_t more)
{
  if (x[STATE] != y[STATE] || x[EXTENT] != y[EXTENT]) {
    return false;
  }
  size_t n = (uint32_t)x[EXTENT] + more;
  return memcmp(x + HEADER, y + HEADER, n * sizeof *x) == 0;
}

static bool is_subset(const uint64_t *x, const uint64_t *y, size_t maybe_len)
{
  size_t first = HEADER + (size_t)(uint32_t)x[EXTENT];
  for (size_t i = first; i < first + maybe_len; i++) {
    if (x[i] & ~y[i]) {
      return false;
    }
  }
  return true;
}

/* Puts the entry, which is the one behind the last, into its group; false if that has one that makes it needless. */
static bool join_group(struct seen *s, uint64_t *entry, size_t maybe_len)
{
  if (s->group_len + 1 > s->group_cap / 2) {
    grow_table(s, &s->groups, &s->group_cap, GROUP);
  }
  uint64_t place = s->words_len + 1;
  uint64_t half = entry[GROUP] & UPPER;
  size_t at = entry[GROUP] & (s->group_cap - 1);
  while (s->groups[at] != 0 && ((s->groups[at] & UPPER) != half || !is_same(entry_of(s, s->groups[at]), entry, 0))) {
    at = (at + 1) & (s->group_cap - 1);
  }
  uint64_t *before = NULL; /* the last one looked at that is no larger */
  uint64_t slot = s->groups[at];
  for (int i = 0; i < LOOKED_AT && (uint32_t)slot != 0; i++) {
    uint64_t *other = entry_of(s, slot);
    if ((other[LINK] & UPPER) > (entry[LINK] & UPPER)) {
      break;
    }
    if (is_subset(other, entry, maybe_len)) {
      return false;
    }
    before = other;
    slot = other[LINK];
  }
  entry[LINK] |= (uint32_t)slot;
  if (before != NULL) {
    before[LINK] = (before[LINK] & UPPER) | place;
  } else {
    s->group_len += s->groups[at] == 0;
    s->groups[at] = half | place;
  }
  return true;
}

bool seen_add(struct seen *s, const struct seen_configuration *c)
{
  assert(c->from <= c->to);
  if (s->len + 1 > s->cap / 2) {
    grow_table(s, &s->slots, &s->cap, HASH);
  }
  size_t n = write_entry(s, c);
  uint64_t *entry = s->words + s->words_len;
  uint64_t half = c->hash & UPPER;
  size_t at = c->hash & (s->cap - 1);
  for (; s->slots[at] != 0; at = (at + 1) & (s->cap - 1)) {
    if ((s->slots[at] & UPPER) == half && is_same(entry_of(s, s->slots[at]), entry, c->maybe_len)) {
      return false;
    }
  }
  if (c->maybe_len > 0 && !join_group(s, entry, c->maybe_len)) {
    return false;
  }
  assert(s->words_len < UINT32_MAX);
  s->slots[at] = half | (uint64_t)(s->words_len + 1);
  s->words_len += n;
  s->len++;
  return true;
}

bool seen_is_full(const struct seen *s, uint64_t limit)
{
  return s->len >= limit || s->words_len / WORDS_PER_ENTRY_MAX >= limit || s->words_len >= WORDS_MAX;
}
