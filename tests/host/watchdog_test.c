#include "host/watchdog.h"

#include <pthread.h>

#include "host/support.h"

#define LIMIT_NS UINT64_C(40000000)

static atomic_int reports;
static atomic_bool on_this_thread;
static pthread_t this_thread;

static void count(void *arg)
{
  atomic_fetch_add((atomic_int *)arg, 1);
  atomic_store(&on_this_thread, pthread_equal(pthread_self(), this_thread) != 0);
}

static void hold_until_reported(int how_many)
{
  uint64_t give_up = now_ms() + PATIENCE_MS;
  while (atomic_load(&reports) < how_many && now_ms() < give_up) {
    poll(NULL, 0, 1); /* a sanitizer delivers signals at calls */
  }
  assert_int_equal(atomic_load(&reports), how_many);
}

static void hold_for(uint64_t ns)
{
  uint64_t until = uv_hrtime() + ns;
  while (uv_hrtime() < until) {
    poll(NULL, 0, 1);
  }
}

static void test_long_work_is_reported_once(void **state)
{
  (void)state;
  struct watchdog w = {0};
  this_thread = pthread_self();
  atomic_store(&reports, 0);
  assert_int_equal(watchdog_start(&w, LIMIT_NS, count, &reports), 0);
  uint64_t begin = uv_hrtime();
  watchdog_work(&w);
  hold_until_reported(1);
  assert_true(uv_hrtime() - begin >= LIMIT_NS);
  assert_true(atomic_load(&on_this_thread));
  hold_for(4 * LIMIT_NS);
  assert_int_equal(atomic_load(&reports), 1);
  watchdog_work(&w); /* the next piece is another matter */
  hold_until_reported(2);
  watchdog_stop(&w);
}

static void test_short_work_and_waiting_are_not_reported(void **state)
{
  (void)state;
  struct watchdog w = {0};
  atomic_store(&reports, 0);
  assert_int_equal(watchdog_start(&w, LIMIT_NS, count, &reports), 0);
  uint64_t until = uv_hrtime() + 5 * LIMIT_NS;
  while (uv_hrtime() < until) {
    watchdog_work(&w);
    poll(NULL, 0, 1);
  }
  watchdog_idle(&w);
  hold_for(5 * LIMIT_NS);
  assert_int_equal(atomic_load(&reports), 0);
  watchdog_stop(&w);
}

static void test_stopping_twice_and_unstarted_is_fine(void **state)
{
  (void)state;
  struct watchdog w = {0};
  watchdog_stop(&w);
  assert_int_equal(watchdog_start(&w, LIMIT_NS, count, &reports), 0);
  watchdog_stop(&w);
  watchdog_stop(&w);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_long_work_is_reported_once),
      cmocka_unit_test(test_short_work_and_waiting_are_not_reported),
      cmocka_unit_test(test_stopping_twice_and_unstarted_is_fine),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
