#include "check/seen.h"

#include "base/prng.h"
#include "cmocka_all.h"

static void equal_hashes_are_not_equal_configurations(void **state)
{
  (void)state;
  struct seen s;
  seen_init(&s);
  const uint64_t sure[] = {~UINT64_C(0), 5, 6};
  const uint64_t maybe[][2] = {{1, 0}, {2, 0}, {4, 1}};
  struct seen_configuration c = {.hash = 77, .state = 1, .sure = sure, .from = 1, .to = 2, .maybe = maybe[0], .maybe_len = 2};
  assert_true(seen_add(&s, &c));
  assert_false(seen_add(&s, &c));
  struct seen_configuration other = c;
  other.state = 2;
  assert_true(seen_add(&s, &other));
  other = c;
  other.to = 3;
  assert_true(seen_add(&s, &other));
  other = c;
  other.from = 2;
  other.to = 3;
  assert_true(seen_add(&s, &other));
  for (size_t i = 1; i < 3; i++) {
    other = c;
    other.maybe = maybe[i];
    assert_true(seen_add(&s, &other));
    assert_false(seen_add(&s, &other));
  }
  assert_int_equal(s.len, 6);
  assert_false(seen_add(&s, &c));
  seen_clear(&s);
  assert_int_equal(s.len, 0);
  assert_true(seen_add(&s, &c));
  seen_free(&s);
}

static void what_another_configuration_makes_needless_is_left_out(void **state)
{
  (void)state;
  struct seen s;
  seen_init(&s);
  const uint64_t sure[] = {1, 2};
  const uint64_t maybe[][2] = {{3, 0}, {7, 4}, {4, 0}, {1, 0}, {1, 4}, {6, 0}};
  const bool is_new[] = {true, false, true, true, false, false};
  for (size_t i = 0; i < sizeof is_new / sizeof *is_new; i++) {
    struct seen_configuration c = {.group = 5, .hash = i, .state = 1, .sure = sure, .to = 2, .maybe = maybe[i], .maybe_len = 2};
    assert_int_equal(seen_add(&s, &c), is_new[i]);
  }
  /* Another state, or another first set, is another group, even under the same hash. */
  struct seen_configuration c = {.group = 5, .hash = 9, .state = 2, .sure = sure, .to = 2, .maybe = maybe[1], .maybe_len = 2};
  assert_true(seen_add(&s, &c));
  c = (struct seen_configuration){.group = 5, .hash = 10, .state = 1, .sure = sure, .from = 1, .to = 2, .maybe = maybe[1], .maybe_len = 2};
  assert_true(seen_add(&s, &c));
  seen_free(&s);
}

static void of_many_in_a_group_none_is_added_twice(void **state)
{
  (void)state;
  struct prng p;
  prng_init(&p, 4);
  struct seen s;
  seen_init(&s);
  static bool added[4096];
  for (int i = 0; i < 20000; i++) {
    uint64_t bits = prng_below(&p, 4096);
    struct seen_configuration c = {.group = bits % 2, .hash = bits * 31, .state = bits % 2, .maybe = &bits, .maybe_len = 1};
    bool is_added = seen_add(&s, &c);
    assert_false(is_added && added[bits]);
    if (!is_added && !added[bits]) {
      bool has_subset = false;
      for (uint64_t other = 0; other < 4096 && !has_subset; other++) {
        has_subset = added[other] && other % 2 == bits % 2 && (other & ~bits) == 0;
      }
      assert_true(has_subset);
    }
    added[bits] = added[bits] || is_added;
  }
  assert_true(s.len > 10);
  seen_free(&s);
}

static void agrees_with_a_list_while_it_grows(void **state)
{
  (void)state;
  static bool added[1 << 16];
  struct prng p;
  prng_init(&p, 1);
  struct seen s;
  seen_init(&s);
  for (int round = 0; round < 3; round++) {
    size_t len = 0;
    for (size_t i = 0; i < sizeof added; i++) {
      added[i] = false;
    }
    for (int i = 0; i < 60000; i++) {
      uint64_t bits = prng_below(&p, sizeof added);
      /* Bad hashes: a few buckets, so that most lookups pass over others. */
      struct seen_configuration c = {.hash = bits / 8 * 0x9e3779b97f4a7c15u, .state = bits % 3, .sure = &bits, .from = 0, .to = 1};
      assert_int_equal(seen_add(&s, &c), !added[bits]);
      len += !added[bits];
      added[bits] = true;
      assert_int_equal(s.len, len);
    }
    seen_clear(&s);
  }
  seen_free(&s);
}

static void is_full_by_number_or_by_memory(void **state)
{
  (void)state;
  struct seen s;
  seen_init(&s);
  uint64_t bits[400] = {0};
  struct seen_configuration c = {.hash = 1, .sure = bits, .from = 0, .to = 1};
  for (uint64_t i = 0; i < 10; i++) {
    assert_false(seen_is_full(&s, 10));
    c.state = i;
    seen_add(&s, &c);
  }
  assert_true(seen_is_full(&s, 10));
  assert_false(seen_is_full(&s, 11));
  seen_clear(&s);
  c.to = 400;
  seen_add(&s, &c);
  assert_true(seen_is_full(&s, 10));
  seen_free(&s);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(equal_hashes_are_not_equal_configurations),
      cmocka_unit_test(what_another_configuration_makes_needless_is_left_out),
      cmocka_unit_test(of_many_in_a_group_none_is_added_twice),
      cmocka_unit_test(agrees_with_a_list_while_it_grows),
      cmocka_unit_test(is_full_by_number_or_by_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
