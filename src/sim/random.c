#include "sim/random.h"

#include <stddef.h>

#include "base/assert.h"

__extension__ typedef unsigned __int128 u128;

/* Fixed point: 48 bits behind the point. */
enum {
  POINT = 48,
  SEGMENTS = 256, /* of the table of logarithms */
};

#define ONE             (UINT64_C(1) << POINT)
#define LN_2            UINT64_C(195103586505167) /* ln 2 */
#define PARETO_LOW      UINT64_C(94988298339629)  /* the least value, of a mean of 1: solves 3r - 2r^(3/2) / 1000^(1/2) = 1 */
#define EXPONENTIAL_MAX 40
#define PARETO_MAX      1000

/* log2(1 + i/256). Between them the curve is taken as straight, which is at most 2.8e-6 below it. */
static const uint64_t logarithms[SEGMENTS + 1] = {
    // clang-format off
    0x000000000000, 0x01709c46d7ab, 0x02dfca16dde1, 0x044d8c45ea5f, 0x05b9e5a170b5, 0x0724d8eea144, 0x088e68ea899a,
    0x09f6984a342d, 0x0b5d69bac77f, 0x0cc2dfe1a4a9, 0x0e26fd5c8556, 0x0f89c4c1992a, 0x10eb389fa2a0, 0x124b5b7e135a,
    0x13aa2fdd27f2, 0x1507b836033c, 0x1663f6fac913, 0x17beee96b8a3, 0x1918a16e4633, 0x1a7111df3485, 0x1bc84240adac,
    0x1d1e34e35b83, 0x1e72ec117fa6, 0x1fc66a0f0b01, 0x2118b119b4f4, 0x2269c369120c, 0x23b9a32eaa57, 0x250852960f4c,
    0x2655d3c4f15c, 0x27a228db3515, 0x28ed53f307ef, 0x2a375720f4b9, 0x2b803473f7ad, 0x2cc7edf59226, 0x2e0e85a9de05,
    0x2f53fd8fa0bc, 0x309857a05e07, 0x31db95d06a57, 0x331dba0efce2, 0x345ec6464171, 0x359ebc5b69d9, 0x36dd9e2ebf2c,
    0x381b6d9bb29c, 0x39582c78ee1c, 0x3a93dc9864b3, 0x3bce7fc76290, 0x3d0817ce9cd5, 0x3e40a672411e, 0x3f782d7204d0,
    0x40aeae89341a, 0x41e42b6ec0c0, 0x4318a5d550aa, 0x444c1f6b4c2e, 0x457e99daec24, 0x46b016ca47c2, 0x47e097db6238,
    0x49101eac381d, 0x4a3eacd6cc9a, 0x4b6c43f1366b, 0x4c98e58daca1, 0x4dc4933a9338, 0x4eef4e828774, 0x501918ec6c11,
    0x5141f3fb753f, 0x5269e12f346e, 0x5390e203a3ee, 0x54b6f7f1325b, 0x55dc246ccde3, 0x570068e7ef5a, 0x5823c6d0a523,
    0x59463f919def, 0x5a67d4923353, 0x5b8887367433, 0x5ca858df2f06, 0x5dc74ae9fbed, 0x5ee55eb146ab, 0x6002958c5871,
    0x611ef0cf6186, 0x623a71cb82c9, 0x635519ced70e, 0x646eea247c5c, 0x6587e4149d02, 0x66a008e4788d, 0x67b759d66c97,
    0x68cdd829fd81, 0x69e3851bdefc, 0x6af861e5fc7d, 0x6c0c6fbf8191, 0x6d1fafdce20b, 0x6e32236fe21a, 0x6f43cba79e41,
    0x7054a9b0932c, 0x7164beb4a56d, 0x72740bdb291f, 0x73829248e962, 0x749053202fca, 0x759d4f80cba8, 0x76a98888193f,
    0x77b4ff5108d9, 0x78bfb4f425ca, 0x79c9aa879d53, 0x7ad2e11f456f, 0x7bdb59cca389, 0x7ce3159ef315, 0x7dea15a32c1b,
    0x7ef05ae409a0, 0x7ff5e66a0ffe, 0x80fab93b9327, 0x81fed45cbccc, 0x830238cf9276, 0x8404e793fb82, 0x8506e1a7c710,
    0x86082806b1d5, 0x8708bbaa6be1, 0x88089d8a9e47, 0x8907ce9cf0c0, 0x8a064fd50f2a, 0x8b042224af00, 0x8c01467b94bb,
    0x8cfdbdc79921, 0x8df988f4ae80, 0x8ef4a8ece5dd, 0x8fef1e987409, 0x90e8eaddb6ad, 0x91e20ea1393e, 0x92da8ac5b9e8,
    0x93d2602c2e60, 0x94c98fb3c8ab, 0x95c01a39fbd7, 0x96b6009a809c, 0x97ab43af59f9, 0x989fe450d9b8, 0x9993e355a4e5,
    0x9a874192b83f, 0x9b79ffdb6c8b, 0x9c6c1f017ae8, 0x9d5d9fd5010b, 0x9e4e83248571, 0x9f3ec9bcfb81, 0xa02e7469c7a6,
    0xa11d83f4c355, 0xa20bf926410b, 0xa2f9d4c5103a, 0xa3e71796812c, 0xa4d3c25e68dc, 0xa5bfd5df24bd, 0xa6ab52d99e76,
    0xa7963a0d4f9a, 0xa8808c384548, 0xa96a4a1723c8, 0xaa5374652a1c, 0xab3c0bdc3581, 0xac241134c4ea, 0xad0b8525fc6b,
    0xadf26865a8a2, 0xaed8bba8420a, 0xafbe7fa0f04d, 0xb0a3b5018d88, 0xb1885c7aa982, 0xb26c76bb8cdf, 0xb35004723c46,
    0xb433064b7b7c, 0xb5157cf2d078, 0xb5f76912866d, 0xb6d8cb53b0ca, 0xb7b9a45e2e31, 0xb899f4d8ab64, 0xb979bd68a62d,
    0xba58feb2703b, 0xbb37b95931ef, 0xbc15edfeed33, 0xbcf39d448031, 0xbdd0c7c9a817, 0xbead6e2d03c5, 0xbf89910c1679,
    0xc06531034a70, 0xc1404eadf384, 0xc21aeaa651bc, 0xc2f5058593d9, 0xc3ce9fe3d9dc, 0xc4a7ba58377c, 0xc5805578b6a5,
    0xc65871da59de, 0xc73010111eb3, 0xc80730b00016, 0xc8ddd448f8b8, 0xc9b3fb6d0559, 0xca89a6ac2717, 0xcb5ed69565b0,
    0xcc338bb6d1c1, 0xcd07c69d8702, 0xcddb87d5ae72, 0xceaecfea8086, 0xcf819f66474b, 0xd053f6d26089, 0xd125d6b73fdc,
    0xd1f73f9c70c1, 0xd2c8320898ab, 0xd398ae817906, 0xd468b58bf13a, 0xd53847ac00a7, 0xd6076564c89a, 0xd6d60f388e42,
    0xd7a445a8bc97, 0xd8720935e643, 0xd93f5a5fc784, 0xda0c39a54804, 0xdad8a7847cb3, 0xdba4a47aa997, 0xdc7031044398,
    0xdd3b4d9cf24b, 0xde05fabf91b0, 0xded038e633f3, 0xdf9a088a2325, 0xe0636a23e2ef, 0xe12c5e2b3241, 0xe1f4e5170d03,
    0xe2bcff5dadb3, 0xe384ad748f0e, 0xe44befd06dac, 0xe512c6e54999, 0xe5d9332667e8, 0xe69f35065448, 0xe764ccf6e290,
    0xe829fb693045, 0xe8eec0cda620, 0xe9b31d93f98f, 0xea77122b2e31, 0xeb3a9f019750, 0xebfdc484d953, 0xecc08321eb31,
    0xed82db4517db, 0xee44cd59ffab, 0xef0659cb99c5, 0xefc781043579, 0xf088436d7ba5, 0xf148a170700a, 0xf2089b7572aa,
    0xf2c831e44116, 0xf3876523f7c3, 0xf446359b1354, 0xf504a3af71e2, 0xf5c2afc65448, 0xf6805a445f61, 0xf73da38d9d4b,
    0xf7fa8c057e9f, 0xf8b7140edbb2, 0xf9733c0bf5c2, 0xfa2f045e7833, 0xfaea6d6779b6, 0xfba577877d7d, 0xfc60231e7463,
    0xfd1a708bbe12, 0xfdd4602e2a27, 0xfe8df263f958, 0xff47278ade8d, 0x1000000000000,
    // clang-format on
};

uint64_t random_below(uint64_t word, uint64_t bound)
{
  assert(bound > 0);
  return (uint64_t)(((u128)word * bound) >> 64);
}

uint64_t random_between(uint64_t word, uint64_t low, uint64_t high)
{
  assert(low <= high);
  uint64_t span = high - low;
  return span == UINT64_MAX ? word : low + random_below(word, span + 1);
}

bool random_chance(uint64_t word, uint32_t ppm)
{
  return random_below(word, 1000000) < ppm;
}

/* -log2(u) of the uniform u = (word + 1) / 2^64: from 0 to 64, in fixed point. */
static uint64_t minus_log2(uint64_t word)
{
  if (word == UINT64_MAX) {
    return 0;
  }
  uint64_t x = word + 1;
  int zeroes = __builtin_clzll(x);
  uint64_t fraction = x << zeroes << 1; /* x = 2^(63 - zeroes) * (1 + fraction / 2^64) */
  size_t i = fraction >> 56;
  uint64_t rest = fraction << 8;
  uint64_t step = logarithms[i + 1] - logarithms[i];
  uint64_t log = logarithms[i] + (uint64_t)(((u128)rest * step) >> 64);
  return ((uint64_t)zeroes + 1) * ONE - log;
}

/* 2^x for x below 12: the inverse of the table and its straight lines. */
static uint64_t power_of_2(uint64_t x)
{
  unsigned whole = (unsigned)(x >> POINT);
  uint64_t log = x & (ONE - 1);
  assert(whole < 12);
  size_t low = 0;
  size_t high = SEGMENTS;
  while (high - low > 1) { /* logarithms[low] <= log < logarithms[high] */
    size_t middle = (low + high) / 2;
    if (logarithms[middle] <= log) {
      low = middle;
    } else {
      high = middle;
    }
  }
  uint64_t step = logarithms[high] - logarithms[low];
  uint64_t rest = (uint64_t)((u128)(log - logarithms[low]) * (ONE / SEGMENTS) / step);
  return (ONE + low * (ONE / SEGMENTS) + rest) << whole;
}

static uint64_t times(uint64_t mean, uint64_t factor)
{
  return (uint64_t)(((u128)mean * factor) >> POINT);
}

uint64_t random_exponential(uint64_t word, uint64_t mean)
{
  assert(mean < UINT64_C(1) << 53);
  uint64_t factor = (uint64_t)(((u128)minus_log2(word) * LN_2) >> POINT);
  return times(mean, factor < EXPONENTIAL_MAX * ONE ? factor : EXPONENTIAL_MAX * ONE);
}

uint64_t random_heavy(uint64_t word, uint64_t mean)
{
  assert(mean < UINT64_C(1) << 53);
  uint64_t exponent = minus_log2(word) / 3 * 2; /* of u^(-1 / 1.5) */
  if (exponent >= 12 * ONE) {                   /* 2^12 times the least value is beyond the end */
    return mean * PARETO_MAX;
  }
  uint64_t factor = (uint64_t)(((u128)power_of_2(exponent) * PARETO_LOW) >> POINT);
  return times(mean, factor < PARETO_MAX * ONE ? factor : PARETO_MAX * ONE);
}
