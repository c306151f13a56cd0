#include "base/prng.h"

#include "base/assert.h"

static uint64_t rotate_left(uint64_t x, int k)
{
  return (x << k) | (x >> (64 - k));
}

static uint64_t splitmix64(uint64_t *state)
{
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

void prng_init(struct prng *p, uint64_t seed)
{
  /* Never all zeroes, the one state xoshiro cannot leave: splitmix64 is a permutation of a counter, so four in a row differ. */
  for (int i = 0; i < 4; i++) {
    p->s[i] = splitmix64(&seed);
  }
}

uint64_t prng_next(struct prng *p)
{
  uint64_t *s = p->s;
  uint64_t result = rotate_left(s[1] * 5, 7) * 9;
  uint64_t t = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = rotate_left(s[3], 45);
  return result;
}

uint64_t prng_below(struct prng *p, uint64_t bound)
{
  assert(bound > 0);
  /* 2^64 mod bound: numbers below it belong to the incomplete last round, and would come up once more often than the others. */
  uint64_t incomplete = (0 - bound) % bound;
  for (;;) {
    uint64_t x = prng_next(p);
    if (x >= incomplete) {
      return x % bound;
    }
  }
}
