#include "sim/random.h"

#include <math.h>

#include "cmocka_all.h"

enum {
  STRATA = 1 << 20,
  NODES = 256, /* of the table of logarithms */
};

#define MEAN (UINT64_C(1) << 40)

/* The middle of the i-th of STRATA equal parts of all words: what a uniform sample is like, without its noise. */
static uint64_t stratum(uint64_t i)
{
  return (i << 44) + (UINT64_C(1) << 43);
}

static double uniform(uint64_t word)
{
  return ((double)word + 1) / 18446744073709551616.0;
}

static void assert_near(double value, double expected, double tolerance)
{
  if (!(fabs(value - expected) <= tolerance)) {
    fail_msg("%.12g is not within %.3g of %.12g", value, tolerance, expected);
  }
}

static void below_and_between_cover_their_range_evenly(void **state)
{
  (void)state;
  for (uint64_t bound = 1; bound <= 12; bound++) {
    unsigned below[12] = {0};
    unsigned between[12] = {0};
    for (uint64_t i = 0; i < 4096; i++) {
      uint64_t word = i << 52;
      below[random_below(word, bound)]++;
      between[random_between(word, 1000, 999 + bound) - 1000]++;
    }
    for (uint64_t i = 0; i < bound; i++) {
      assert_in_range(below[i], 4096 / bound, 4096 / bound + 1);
      assert_int_equal(between[i], below[i]);
    }
  }
}

static void ranges_end_where_they_say(void **state)
{
  (void)state;
  assert_true(random_below(0, UINT64_MAX) == 0);
  assert_true(random_below(UINT64_MAX, UINT64_MAX) == UINT64_MAX - 1);
  assert_true(random_below(UINT64_MAX, 1) == 0);
  assert_true(random_between(0, 5, 9) == 5);
  assert_true(random_between(UINT64_MAX, 5, 9) == 9);
  assert_true(random_between(UINT64_MAX, 7, 7) == 7);
  assert_true(random_between(0, 0, UINT64_MAX) == 0);
  assert_true(random_between(UINT64_MAX, 0, UINT64_MAX) == UINT64_MAX);
  assert_true(random_between(UINT64_MAX, 3, UINT64_MAX) == UINT64_MAX);
}

static void chances_come_as_often_as_they_say(void **state)
{
  (void)state;
  static const uint32_t ppm[] = {0, 1, 500, 250000, 999999, 1000000};
  for (size_t k = 0; k < sizeof ppm / sizeof ppm[0]; k++) {
    uint32_t hits = 0;
    for (uint64_t i = 0; i < STRATA; i++) {
      hits += random_chance(stratum(i), ppm[k]);
    }
    assert_near(hits, ppm[k] * (STRATA / 1e6), 1);
  }
  assert_false(random_chance(0, 0));
  assert_true(random_chance(UINT64_MAX, 1000000));
}

static void exponential_follows_the_logarithm(void **state)
{
  (void)state;
  /* At the nodes of the table, for every power of two (until the distribution is cut), and half way between them. */
  uint64_t mean = UINT64_C(1) << 52;
  for (int power = 7; power < 64; power++) {
    for (uint64_t i = 0; i < NODES; i++) {
      uint64_t node = (UINT64_C(1) << power) + (i << power >> 8);
      uint64_t half = node + (UINT64_C(1) << power >> 9);
      if (power >= 8) {
        assert_near((double)random_exponential(node - 1, mean) / (double)mean, fmin(40, -log(uniform(node - 1))), 2e-13);
      }
      assert_near((double)random_exponential(half - 1, mean) / (double)mean, fmin(40, -log(uniform(half - 1))), 2e-6);
    }
  }
}

static void exponential_has_its_mean_and_quantiles(void **state)
{
  (void)state;
  double sum = 0;
  double squares = 0;
  for (uint64_t i = 0; i < STRATA; i++) {
    double x = (double)random_exponential(stratum(i), MEAN) / (double)MEAN;
    sum += x;
    squares += x * x;
  }
  assert_near(sum / STRATA, 1, 1e-5);
  assert_near(squares / STRATA, 2, 1e-3);
  static const double quantiles[] = {0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.999999};
  for (size_t k = 0; k < sizeof quantiles / sizeof quantiles[0]; k++) {
    uint64_t word = (uint64_t)((1 - quantiles[k]) * 18446744073709551616.0);
    assert_near((double)random_exponential(word, MEAN) / (double)MEAN, -log1p(-quantiles[k]), 3e-6);
  }
}

static double pareto(double u)
{
  /* The least value is such that the mean is 1 although the tail is cut at 1000. */
  double low = 0.33746622683718290;
  assert_near(3 * low - 2 * pow(low, 1.5) / sqrt(1000), 1, 1e-15);
  return fmin(1000, low * pow(u, -1 / 1.5));
}

static void heavy_follows_the_power(void **state)
{
  (void)state;
  uint64_t mean = UINT64_C(1) << 52;
  for (int power = 40; power < 64; power++) {
    for (uint64_t i = 0; i < UINT64_C(4) * NODES; i++) {
      uint64_t word = (UINT64_C(1) << power) + (i << power >> 10) - 1;
      double expected = pareto(uniform(word));
      assert_near((double)random_heavy(word, mean) / (double)mean / expected, 1, 3e-6);
    }
  }
}

static void heavy_has_its_mean_and_quantiles(void **state)
{
  (void)state;
  double sum = 0;
  unsigned below_mean = 0;
  for (uint64_t i = 0; i < STRATA; i++) {
    double x = (double)random_heavy(stratum(i), MEAN) / (double)MEAN;
    sum += x;
    below_mean += x < 1;
  }
  assert_near(sum / STRATA, 1, 2e-3);
  assert_near((double)below_mean / STRATA, 1 - pow(0.33746622683718290, 1.5), 1e-5);
  static const double quantiles[] = {0.001, 0.1, 0.5, 0.9, 0.99, 0.9999};
  for (size_t k = 0; k < sizeof quantiles / sizeof quantiles[0]; k++) {
    uint64_t word = (uint64_t)((1 - quantiles[k]) * 18446744073709551616.0);
    double expected = pareto(1 - quantiles[k]);
    assert_near((double)random_heavy(word, MEAN) / (double)MEAN / expected, 1, 5e-6);
  }
}

static void larger_words_are_never_later(void **state)
{
  (void)state;
  uint64_t exponential = UINT64_MAX;
  uint64_t heavy = UINT64_MAX;
  for (int power = 0; power < 64; power++) {
    for (uint64_t i = 0; i < UINT64_C(3) * NODES; i++) {
      uint64_t word = (UINT64_C(1) << power) + (uint64_t)(((long double)i / (3 * NODES)) * (UINT64_C(1) << power)) - 1;
      uint64_t e = random_exponential(word, MEAN);
      uint64_t h = random_heavy(word, MEAN);
      assert_true(e <= exponential && h <= heavy);
      exponential = e;
      heavy = h;
    }
  }
}

static void the_ends_of_both_are_bounded(void **state)
{
  (void)state;
  static const uint64_t means[] = {0, 1, 1000, SIZE_MAX >> 11};
  for (size_t i = 0; i < sizeof means / sizeof means[0]; i++) {
    uint64_t mean = means[i];
    assert_true(random_exponential(0, mean) == 40 * mean);
    assert_true(random_exponential(UINT64_MAX, mean) == 0);
    assert_true(random_heavy(0, mean) == 1000 * mean);
    assert_near((double)random_heavy(UINT64_MAX, mean), 0.33746622683718290 * (double)mean, 1);
  }
}

/* Fixed for ever: a seed that reproduces a failure must go on meaning the same. */
static void words_keep_their_meaning(void **state)
{
  (void)state;
  static const struct {
    uint64_t word;
    uint64_t below; /* of 1,000,003 */
    uint64_t exponential;
    uint64_t heavy; /* both of a mean of 5 ms */
  } vectors[] = {
      {UINT64_C(0x0000000000000000), 0, 200000000, 5000000000}, {UINT64_C(0x0000000000000001), 0, 200000000, 5000000000},
      {UINT64_C(0x0123456789abcdef), 4444, 27080507, 62419812}, {UINT64_C(0xe220a8397b1dcdaf), 883313, 620393, 1832841},
      {UINT64_C(0x6e789e6aa1b965f4), 431529, 4202115, 2954799}, {UINT64_C(0x06c45d188009454f), 26433, 18165565, 19014928},
      {UINT64_C(0xf88bb8a8724c81ec), 970884, 147752, 1720902},  {UINT64_C(0x1b39896a51a8749b), 106347, 11205257, 7517119},
      {UINT64_C(0x53cb9f0c747ea2ea), 327326, 5584000, 3552612}, {UINT64_C(0x0000001000000000), 0, 97040605, 5000000000},
      {UINT64_C(0x7fffffffffffffff), 500001, 3465735, 2678473}, {UINT64_C(0x8000000000000000), 500001, 3465735, 2678473},
      {UINT64_C(0xffffffffffff0000), 1000002, 0, 1687331},      {UINT64_C(0xffffffffffffffff), 1000002, 0, 1687331},
  };
  for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
    uint64_t word = vectors[i].word;
    assert_int_equal(random_below(word, 1000003), vectors[i].below);
    assert_int_equal(random_exponential(word, 5000000), vectors[i].exponential);
    assert_int_equal(random_heavy(word, 5000000), vectors[i].heavy);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(below_and_between_cover_their_range_evenly),
      cmocka_unit_test(ranges_end_where_they_say),
      cmocka_unit_test(chances_come_as_often_as_they_say),
      cmocka_unit_test(exponential_follows_the_logarithm),
      cmocka_unit_test(exponential_has_its_mean_and_quantiles),
      cmocka_unit_test(heavy_follows_the_power),
      cmocka_unit_test(heavy_has_its_mean_and_quantiles),
      cmocka_unit_test(larger_words_are_never_later),
      cmocka_unit_test(the_ends_of_both_are_bounded),
      cmocka_unit_test(words_keep_their_meaning),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
