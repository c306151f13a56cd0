#include "base/heap.h"

#include "base/prng.h"
#include "cmocka_all.h"

enum {
  ENTRIES = 300
};

/* The reference: the smallest (deadline, sequence) by looking at all. */
static struct heap_entry *naive_min(struct heap_entry *entries)
{
  struct heap_entry *min = NULL;
  for (int i = 0; i < ENTRIES; i++) {
    struct heap_entry *e = &entries[i];
    if (heap_contains(e) && (min == NULL || e->deadline < min->deadline || (e->deadline == min->deadline && e->sequence < min->sequence))) {
      min = e;
    }
  }
  return min;
}

static void random_operations_agree_with_a_search(void **state)
{
  (void)state;
  for (uint64_t seed = 0; seed < 20; seed++) {
    struct prng p;
    prng_init(&p, seed);
    struct heap_entry entries[ENTRIES] = {0};
    struct heap h;
    heap_init(&h);
    size_t len = 0;
    for (int step = 0; step < 4000; step++) {
      struct heap_entry *e = &entries[prng_below(&p, ENTRIES)];
      if (heap_contains(e)) {
        heap_remove(&h, e);
        assert_false(heap_contains(e));
        len--;
      } else {
        e->deadline = prng_below(&p, seed % 2 == 0 ? 10 : 1000);
        heap_push(&h, e);
        assert_true(heap_contains(e));
        len++;
      }
      assert_int_equal(h.len, len);
      assert_ptr_equal(heap_min(&h), naive_min(entries));
    }
    while (h.len > 0) {
      assert_ptr_equal(heap_min(&h), naive_min(entries));
      heap_remove(&h, heap_min(&h));
    }
    assert_null(heap_min(&h));
    heap_free(&h);
  }
}

static void equal_deadlines_come_out_in_order_of_arrival(void **state)
{
  (void)state;
  struct heap_entry entries[ENTRIES] = {0};
  struct heap h;
  heap_init(&h);
  for (int i = 0; i < ENTRIES; i++) {
    entries[i].deadline = 7;
    heap_push(&h, &entries[i]);
  }
  for (int i = 0; i < ENTRIES; i++) {
    assert_ptr_equal(heap_min(&h), &entries[i]);
    heap_remove(&h, &entries[i]);
  }
  heap_free(&h);
}

static void an_entry_that_comes_back_goes_to_the_end_of_its_deadline(void **state)
{
  (void)state;
  struct heap_entry a = {.deadline = 1};
  struct heap_entry b = {.deadline = 1};
  struct heap h;
  heap_init(&h);
  heap_push(&h, &a);
  heap_push(&h, &b);
  heap_remove(&h, &a);
  heap_push(&h, &a);
  assert_ptr_equal(heap_min(&h), &b);
  heap_free(&h);
}

static void deadlines_use_all_64_bits(void **state)
{
  (void)state;
  struct heap_entry late = {.deadline = UINT64_MAX};
  struct heap_entry soon = {.deadline = (uint64_t)INT64_MAX + 1};
  struct heap h;
  heap_init(&h);
  heap_push(&h, &late);
  heap_push(&h, &soon);
  assert_ptr_equal(heap_min(&h), &soon);
  heap_free(&h);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(random_operations_agree_with_a_search),
      cmocka_unit_test(equal_deadlines_come_out_in_order_of_arrival),
      cmocka_unit_test(an_entry_that_comes_back_goes_to_the_end_of_its_deadline),
      cmocka_unit_test(deadlines_use_all_64_bits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
