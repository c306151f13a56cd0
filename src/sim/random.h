/* Draws from a key: what a 64-bit random word means as a number of some distribution. Integers and tables only, no libm, so that a seed
 * means the same on every machine. All of it is pure. */
#ifndef VORTEX_SIM_RANDOM_H
#define VORTEX_SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

/* Uniform in [0, bound). bound > 0. */
uint64_t random_below(uint64_t word, uint64_t bound);

/* Uniform in [low, high]. low <= high. */
uint64_t random_between(uint64_t word, uint64_t low, uint64_t high);

/* True in `ppm` of a million cases. */
bool random_chance(uint64_t word, uint32_t ppm);

/* Exponential with this mean, at most 40 times it. mean < 2^53. */
uint64_t random_exponential(uint64_t word, uint64_t mean);

/* Heavy-tailed: Pareto with shape 1.5 and this mean, at most 1000 times it: most draws are a third of the mean, a few are huge. */
uint64_t random_heavy(uint64_t word, uint64_t mean);

#endif
