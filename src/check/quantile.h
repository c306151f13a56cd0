/* Quantiles as Jepsen takes them: an element of the sorted numbers, never one between two. */
#ifndef VORTEX_CHECK_QUANTILE_H
#define VORTEX_CHECK_QUANTILE_H

#include <stddef.h>

/* Which of n sorted numbers is the quantile q: the one at floor(n * q), counted from 0, within the list. n > 0, q in [0, 1]. Cannot
 * fail. */
static inline size_t quantile_place(size_t n, double q)
{
  size_t at = (size_t)((double)n * q);
  return at < n ? at : n - 1;
}

#endif
