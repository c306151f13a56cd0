/* What became of the elements that clients added to a set, by what reads showed: Jepsen's set-full checker.
 *
 * An element is known once its addition was acknowledged, or a read showed it. It is stable from the moment when the last read began that
 * did not show it; the stable latency is the time between the two, 0 if no read missed it. Here every read at the end must show every
 * known element, on every node. */
#ifndef VORTEX_EXAMPLES_ELEMENT_SET_H
#define VORTEX_EXAMPLES_ELEMENT_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct element {
  uint64_t known_ns;       /* 0 = not (yet) */
  uint64_t last_absent_ns; /* when the last read began that did not show it; 0 = none */
  bool lost;               /* known, and missing at the end */
};

struct element_set {
  struct element *elements; /* elements are 0, 1, 2 … */
  size_t len;
  uint64_t duplicates; /* shown twice by one read */
};

void element_set_free(struct element_set *s);

/* The next element, about to be added. */
int64_t element_set_next(struct element_set *s);

/* Its addition was acknowledged now. */
void element_set_known(struct element_set *s, int64_t element, uint64_t now_ns);

/* A read that began at `invoked_ns` gives this JSON array now. `final`: it may miss nothing. */
void element_set_read(struct element_set *s, struct slice array, uint64_t invoked_ns, uint64_t now_ns, bool final);

struct element_verdict {
  size_t known;
  size_t lost;
  uint64_t duplicates;
  double median_ms; /* of stable latencies */
  double max_ms;
};
struct element_verdict element_set_verdict(const struct element_set *s);

#endif
