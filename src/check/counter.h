/* A counter: which values its final reads may show. That is the sum of all adds that succeeded, and of any of those whose outcome is
 * unknown.
 *
 * Use: tell the adds, in any order, then ask. The possible values are kept as ranges of integers without gaps, so that many small adds of
 * unknown outcome take little memory. Where they would be too many, ranges are joined, and what lies in one is no longer certain. */
#ifndef VORTEX_CHECK_COUNTER_H
#define VORTEX_CHECK_COUNTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COUNTER_RANGES_MAX 16384

struct counter_range {
  int64_t low, high; /* both included */
};

struct counter {
  int64_t sure;                 /* the sum of the adds that succeeded */
  uint64_t magnitude;           /* the sum of the sizes of all adds */
  bool is_inexact;              /* ranges were joined that are not next to each other */
  struct counter_range *ranges; /* sums of adds with unknown outcome: ascending, with gaps between them. Owned. */
  size_t range_count;
};

enum counter_answer {
  COUNTER_IMPOSSIBLE,
  COUNTER_POSSIBLE,
  COUNTER_UNKNOWN,
};

void counter_init(struct counter *c);
void counter_free(struct counter *c);

/* An add; `is_sure`: it succeeded, else its outcome is unknown. ERROR_TOO_LARGE, and nothing is changed, if a sum might not fit into 64
 * bits. */
int counter_add(struct counter *c, int64_t delta, bool is_sure);

/* Whether the counter may hold this value. Cannot fail. */
enum counter_answer counter_allows(const struct counter *c, int64_t value);

/* The i-th range of possible values, i < range_count. Cannot fail. */
struct counter_range counter_range(const struct counter *c, size_t i);

#endif
