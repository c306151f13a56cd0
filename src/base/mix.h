/* Mixing of 64-bit values: keys of causally keyed randomness, hashes of traces. Not for secrets.
 *
 * mix_word is the finaliser of splitmix64 (Steele, Lea, Flood 2014). Same input, same output, on every machine of the same byte order. */
#ifndef VORTEX_BASE_MIX_H
#define VORTEX_BASE_MIX_H

#include <stdint.h>
#include <string.h>

#include "base/slice.h"

static inline uint64_t mix_word(uint64_t x)
{
  x += UINT64_C(0x9e3779b97f4a7c15);
  x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
  return x ^ (x >> 31);
}

/* The key of the child number `b` of `a`: order matters. */
static inline uint64_t mix_pair(uint64_t a, uint64_t b)
{
  return mix_word(a ^ mix_word(b));
}

/* Mixes bytes into a hash, eight at a time. */
static inline uint64_t mix_bytes(uint64_t hash, struct slice bytes)
{
  const char *p = bytes.ptr;
  size_t n = bytes.len;
  uint64_t word;
  for (; n >= 8; p += 8, n -= 8) {
    memcpy(&word, p, 8);
    hash = (hash ^ word) * UINT64_C(0x9fb21c651e98df25);
    hash ^= hash >> 32;
  }
  word = 0;
  if (n > 0) {
    memcpy(&word, p, n);
  }
  return mix_word(hash ^ word ^ (uint64_t)bytes.len << 56);
}

#endif
