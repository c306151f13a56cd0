/* The configurations that a search has been in: a hash set with its elements in one array of words.
 *
 * A configuration is a state and two sets of bits. In the first, the operations with a known outcome, nearly all bits before some place are
 * set and none behind another, so only the words between are kept. The second, the operations that may not have happened, is short and kept
 * whole. Equal hashes are never taken for equal configurations.
 *
 * Nothing is lost by leaving out a configuration if another one differs from it only in that fewer of the second kind have happened: what
 * can be done from the one can be done from the other. So the configurations that are equal but for the second set form a group, a list
 * with the smallest sets in front, some of which are looked at. */
#ifndef VORTEX_CHECK_SEEN_H
#define VORTEX_CHECK_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct seen {
  uint64_t *slots;  /* upper half: of the hash; lower half: where in `words` plus one; 0 = free */
  size_t cap;       /* a power of two, or 0 */
  uint64_t *groups; /* the same, of the first of each group. Only if there is a second set. */
  size_t group_cap;
  size_t group_len;
  size_t len; /* configurations */
  uint64_t *words;
  size_t words_len;
  size_t words_cap;
};

struct seen_configuration {
  uint64_t group; /* hash of the state and the first set */
  uint64_t hash;  /* of all of it */
  uint64_t state;
  const uint64_t *sure; /* words `from` to `to` of the first set */
  uint32_t from, to;
  const uint64_t *maybe; /* the second set; its length is the same until seen_clear */
  size_t maybe_len;
};

void seen_init(struct seen *s);
void seen_free(struct seen *s);

/* Forgets everything. */
void seen_clear(struct seen *s);

/* Adds a configuration; false if it, or one that makes it needless, was there. Aborts when out of memory. */
bool seen_add(struct seen *s, const struct seen_configuration *c);

/* Whether a set that may hold `limit` configurations is full: it holds so many, or has taken the memory that so many may take. */
bool seen_is_full(const struct seen *s, uint64_t limit);

#endif
