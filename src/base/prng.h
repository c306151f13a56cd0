/* Pseudo-random numbers: xoshiro256** (Blackman and Vigna), seeded by splitmix64. Same seed, same numbers, on every machine.
 * Not for secrets. */
#ifndef VORTEX_BASE_PRNG_H
#define VORTEX_BASE_PRNG_H

#include <stdint.h>

struct prng {
  uint64_t s[4];
};

void prng_init(struct prng *p, uint64_t seed);

/* 64 random bits. Cannot fail. */
uint64_t prng_next(struct prng *p);

/* Uniform in [0, bound), without modulo bias. bound > 0. */
uint64_t prng_below(struct prng *p, uint64_t bound);

#endif
