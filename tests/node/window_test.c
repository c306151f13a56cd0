/* The window against a plain list of all numbers that were taken. */
#include "node/window.h"

#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "cmocka_all.h"

static void test_each_number_once(void **state)
{
  (void)state;
  static bool taken[40000];
  memset(taken, 0, sizeof taken);
  struct window w = {0};
  struct prng prng;
  prng_init(&prng, 1);
  int64_t highest = 0;
  for (int i = 0; i < 60000; i++) {
    int64_t base = 1 + i / 2;
    int64_t number = base + (int64_t)prng_below(&prng, 6000);
    highest = number > highest ? number : highest;
    bool expected = !taken[number] && highest - number < WINDOW_NUMBERS;
    assert_int_equal(window_take(&w, 7, number), expected);
    taken[number] = true;
  }
}

static void test_far_leaps(void **state)
{
  (void)state;
  struct window w = {0};
  assert_true(window_take(&w, 1, 5));
  assert_true(window_take(&w, 1, INT64_MAX - 3));
  assert_true(window_take(&w, 1, INT64_MAX));
  assert_false(window_take(&w, 1, INT64_MAX));
  assert_false(window_take(&w, 1, INT64_MAX - 3));
  assert_false(window_take(&w, 1, 5));
  assert_true(window_take(&w, 1, INT64_MAX - WINDOW_NUMBERS + 1));
  assert_false(window_take(&w, 1, INT64_MAX - WINDOW_NUMBERS));
}

static void test_starts(void **state)
{
  (void)state;
  struct window w = {0};
  assert_true(window_take(&w, 1, 9));
  assert_true(window_take(&w, 2, 9));
  assert_false(window_take(&w, 1, 10));
  assert_true(window_take(&w, 3, 9));
  assert_false(window_take(&w, 2, 10));
  assert_false(window_take(&w, 3, 9));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_each_number_once),
      cmocka_unit_test(test_far_leaps),
      cmocka_unit_test(test_starts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
