#include "check/counter.h"

#include "base/error.h"
#include "base/prng.h"
#include "cmocka_all.h"

static void sure_adds_leave_one_value(void **state)
{
  (void)state;
  struct counter c;
  counter_init(&c);
  assert_int_equal(counter_allows(&c, 0), COUNTER_POSSIBLE);
  assert_int_equal(counter_allows(&c, 1), COUNTER_IMPOSSIBLE);
  assert_int_equal(counter_add(&c, 5, true), 0);
  assert_int_equal(counter_add(&c, -2, true), 0);
  assert_int_equal(counter_allows(&c, 3), COUNTER_POSSIBLE);
  assert_int_equal(counter_allows(&c, 2), COUNTER_IMPOSSIBLE);
  assert_int_equal(counter_allows(&c, 4), COUNTER_IMPOSSIBLE);
  assert_int_equal(c.range_count, 1);
  counter_free(&c);
  counter_free(&c); /* harmless */
}

static void an_add_of_unknown_outcome_may_count_or_not(void **state)
{
  (void)state;
  struct counter c;
  counter_init(&c);
  assert_int_equal(counter_add(&c, 10, true), 0);
  assert_int_equal(counter_add(&c, 4, false), 0);
  assert_int_equal(counter_add(&c, 1, false), 0);
  assert_int_equal(counter_add(&c, 0, false), 0);
  assert_int_equal(c.range_count, 2); /* 10 to 11 and 14 to 15 */
  assert_int_equal(counter_range(&c, 0).low, 10);
  assert_int_equal(counter_range(&c, 0).high, 11);
  assert_int_equal(counter_range(&c, 1).low, 14);
  assert_int_equal(counter_range(&c, 1).high, 15);
  assert_int_equal(counter_allows(&c, 12), COUNTER_IMPOSSIBLE);
  assert_int_equal(counter_allows(&c, 15), COUNTER_POSSIBLE);
  counter_free(&c);
}

static void agrees_with_all_subsets(void **state)
{
  (void)state;
  struct prng p;
  prng_init(&p, 99);
  size_t impossible = 0;
  for (int run = 0; run < 2000; run++) {
    struct counter c;
    counter_init(&c);
    int64_t sure = 0;
    int64_t maybe[10];
    size_t maybe_len = 0;
    int64_t size = run % 2 == 0 ? 10 : 60;
    size_t adds = prng_below(&p, 14);
    for (size_t i = 0; i < adds; i++) {
      int64_t delta = (int64_t)prng_below(&p, (uint64_t)size) - size / 2;
      bool is_sure = maybe_len == 10 || prng_below(&p, 3) == 0;
      assert_int_equal(counter_add(&c, delta, is_sure), 0);
      if (is_sure) {
        sure += delta;
      } else {
        maybe[maybe_len++] = delta;
      }
    }
    bool possible[2001] = {false}; /* -1000 to 1000 */
    for (uint32_t subset = 0; subset < UINT32_C(1) << maybe_len; subset++) {
      int64_t sum = sure;
      for (size_t i = 0; i < maybe_len; i++) {
        sum += subset >> i & 1 ? maybe[i] : 0;
      }
      possible[sum + 1000] = true;
    }
    size_t ranges = 0;
    for (int64_t value = -1000; value <= 1000; value++) {
      bool expected = possible[value + 1000];
      assert_int_equal(counter_allows(&c, value), expected ? COUNTER_POSSIBLE : COUNTER_IMPOSSIBLE);
      ranges += expected && !possible[value + 999];
      impossible += !expected;
    }
    assert_int_equal(c.range_count, ranges);
    counter_free(&c);
  }
  assert_true(impossible > 100000);
}

static void many_small_adds_take_few_ranges(void **state)
{
  (void)state;
  struct counter c;
  counter_init(&c);
  for (int i = 0; i < 20000; i++) {
    assert_int_equal(counter_add(&c, i % 10 - 5, false), 0);
    assert_true(c.range_count <= 4);
  }
  assert_false(c.is_inexact);
  assert_int_equal(c.range_count, 1);
  assert_int_equal(counter_range(&c, 0).low, -15 * 2000);
  assert_int_equal(counter_range(&c, 0).high, 10 * 2000);
  counter_free(&c);
}

static void too_many_ranges_are_not_certain(void **state)
{
  (void)state;
  struct counter c;
  counter_init(&c);
  int64_t delta = 2;
  int64_t sum = 0;
  for (int i = 0; i < 20; i++, delta *= 3) { /* all sums differ: 2^20 of them */
    assert_int_equal(counter_add(&c, delta, false), 0);
    assert_true(c.range_count <= COUNTER_RANGES_MAX);
    sum += delta;
  }
  assert_true(c.is_inexact);
  assert_int_equal(counter_allows(&c, sum), COUNTER_UNKNOWN);
  assert_int_equal(counter_allows(&c, sum + 1), COUNTER_IMPOSSIBLE);
  assert_int_equal(counter_allows(&c, -1), COUNTER_IMPOSSIBLE);
  counter_free(&c);
}

static void sums_beyond_64_bits_are_refused(void **state)
{
  (void)state;
  struct counter c;
  counter_init(&c);
  assert_int_equal(counter_add(&c, INT64_MIN, true), ERROR_TOO_LARGE);
  assert_int_equal(counter_add(&c, INT64_MAX, false), ERROR_TOO_LARGE);
  assert_int_equal(counter_add(&c, INT64_MAX - 1, false), 0);
  assert_int_equal(counter_add(&c, -1, true), ERROR_TOO_LARGE);
  assert_int_equal(counter_allows(&c, INT64_MAX - 1), COUNTER_POSSIBLE);
  assert_int_equal(counter_allows(&c, 0), COUNTER_POSSIBLE);
  assert_int_equal(counter_allows(&c, -1), COUNTER_IMPOSSIBLE);
  counter_free(&c);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sure_adds_leave_one_value),       cmocka_unit_test(an_add_of_unknown_outcome_may_count_or_not),
      cmocka_unit_test(agrees_with_all_subsets),         cmocka_unit_test(many_small_adds_take_few_ranges),
      cmocka_unit_test(too_many_ranges_are_not_certain), cmocka_unit_test(sums_beyond_64_bits_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
