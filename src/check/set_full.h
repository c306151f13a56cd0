/* A set that grows: which of the elements that were added stay in it, which are lost. The rules are those of Jepsen's set-full checker.
 *
 * Use: tell the events in the order of the history, then judge. An element is a small number, given by the caller without gaps.
 *
 * For each element: it is *known* from the first completion of its add, or of a read that shows it. Reads are ordered by invocation; only
 * those that complete after the invocation of the element's add count. It is
 *   stable      if the last read that shows it began after the last one that does not,
 *   lost        if it is known, the last read that does not show it began after that, and after the last one that shows it,
 *   never read  otherwise.
 * An add of an element that has been added before starts its story anew. */
#ifndef VORTEX_CHECK_SET_FULL_H
#define VORTEX_CHECK_SET_FULL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One event of the history. */
struct set_full_moment {
  size_t place; /* in the history; no two events have the same */
  int64_t time; /* ns */
};

enum set_full_verdict {
  SET_FULL_VALID,
  SET_FULL_INVALID, /* an element is lost */
  SET_FULL_UNKNOWN, /* no element is stable, none is lost */
};

enum set_full_outcome {
  SET_FULL_NOT_ADDED, /* it was read, but no add of it was invoked */
  SET_FULL_STABLE,
  SET_FULL_LOST,
  SET_FULL_NEVER_READ,
};

/* What was found about one element. A latency is in ms, rounded down, and -1 where it does not apply. */
struct set_full_element {
  enum set_full_outcome outcome;
  int64_t stable_latency_ms; /* from when it is known to the beginning of the last read that does not show it; 0 if there is none */
  int64_t lost_latency_ms;   /* from when it is known to the beginning of the last read that shows it; 0 if there is none */
  bool acknowledged;         /* an add of it succeeded */
  bool is_stale;             /* it is stable, but its latency is not 0 */
  bool is_phantom;           /* a read showed it before an add of it was invoked. No part of the verdict. */
  uint32_t copies;           /* the most that one read showed. More than one is no part of the verdict either. */
};

struct set_full_result {
  enum set_full_verdict verdict;
  struct set_full_element *elements; /* by number. Owned. */
  size_t element_count;
  size_t attempt_count; /* elements that were added, whatever came of it: stable, lost and never read together */
  size_t acknowledged_count;
  size_t stable_count;
  size_t lost_count;
  size_t never_read_count;
  size_t stale_count;
  size_t phantom_count;
  size_t duplicate_count; /* elements that some read showed more than once */
};

struct set_full {
  struct set_full_track *tracks; /* by element. Owned. */
  size_t len;
  size_t cap;
  uint32_t read_count;
};

/* All zeroes is initialised, too. */
void set_full_init(struct set_full *s);
void set_full_free(struct set_full *s);

/* An add of the element is invoked; it succeeds. The other outcomes of an add say nothing. */
void set_full_add(struct set_full *s, uint32_t element);
void set_full_added(struct set_full *s, uint32_t element, struct set_full_moment completed);

/* A read that succeeded, at its completion: what it showed, in any order. Takes time in proportion to all elements. */
void set_full_read(struct set_full *s, struct set_full_moment invoked, struct set_full_moment completed, const uint32_t *elements,
                   size_t element_count);

/* Judges what has been told. *result is owned by the caller (set_full_result_free). */
void set_full_judge(const struct set_full *s, struct set_full_result *result);
void set_full_result_free(struct set_full_result *result);

#endif
