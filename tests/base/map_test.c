#include "base/map.h"

#include <stdio.h>

#include "base/prng.h"
#include "cmocka_all.h"

enum {
  KEYS = 400
};

static char values[KEYS];

static void map_agrees_with_an_array(void **state)
{
  (void)state;
  for (uint64_t seed = 0; seed < 20; seed++) {
    struct prng p;
    prng_init(&p, seed);
    uint64_t keys[KEYS];
    void *model[KEYS] = {0};
    for (int i = 0; i < KEYS; i++) {
      /* Dense keys, keys that differ in high bits only, and random ones; 0 is among them. */
      keys[i] = seed % 3 == 0 ? (uint64_t)i : seed % 3 == 1 ? (uint64_t)i << 48 : prng_next(&p);
    }
    struct map m;
    map_init(&m);
    size_t len = 0;
    for (int step = 0; step < 20000; step++) {
      size_t k = prng_below(&p, seed % 2 == 0 ? KEYS : 20);
      void *value = &values[prng_below(&p, KEYS)];
      if (prng_below(&p, 2) == 0) {
        len += model[k] == NULL;
        assert_ptr_equal(map_put(&m, keys[k], value), model[k]);
        model[k] = value;
      } else {
        len -= model[k] != NULL;
        assert_ptr_equal(map_remove(&m, keys[k]), model[k]);
        model[k] = NULL;
      }
      assert_int_equal(m.len, len);
      assert_true(m.len * 2 <= m.cap || m.cap == 0);
      size_t probe = prng_below(&p, KEYS);
      assert_ptr_equal(map_get(&m, keys[probe]), model[probe]);
    }
    for (int i = 0; i < KEYS; i++) {
      assert_ptr_equal(map_get(&m, keys[i]), model[i]);
    }
    map_free(&m);
  }
}

/* Keys of every length from 0 on, with zero bytes and common prefixes. */
static struct slice dict_key(char *room, int i)
{
  memset(room, 'k', 64);
  if (i < 40) {
    room[i] = '\0';
    return slice_of(room, (size_t)i);
  }
  int n = snprintf(room + i % 20, 40, "%d", i);
  return slice_of(room, (size_t)(i % 20 + n));
}

static void dict_agrees_with_an_array(void **state)
{
  (void)state;
  for (uint64_t seed = 0; seed < 20; seed++) {
    struct prng p;
    prng_init(&p, seed);
    void *model[KEYS] = {0};
    struct dict d;
    dict_init(&d);
    size_t len = 0;
    char room[64];
    for (int step = 0; step < 20000; step++) {
      int k = (int)prng_below(&p, seed % 2 == 0 ? KEYS : 50);
      void *value = &values[prng_below(&p, KEYS)];
      struct slice key = dict_key(room, k);
      if (prng_below(&p, 2) == 0) {
        len += model[k] == NULL;
        assert_ptr_equal(dict_put(&d, key, value), model[k]);
        model[k] = value;
      } else {
        len -= model[k] != NULL;
        assert_ptr_equal(dict_remove(&d, key), model[k]);
        model[k] = NULL;
      }
      assert_int_equal(d.len, len);
      int probe = (int)prng_below(&p, KEYS);
      assert_ptr_equal(dict_get(&d, dict_key(room, probe)), model[probe]);
    }
    size_t seen = 0;
    for (size_t i = dict_next(&d, 0); i < d.cap; i = dict_next(&d, i + 1)) {
      assert_ptr_equal(dict_get(&d, slice_of(d.slots[i].key, d.slots[i].key_len)), d.slots[i].value);
      seen++;
    }
    assert_int_equal(seen, len);
    dict_free(&d);
  }
}

static void dict_copies_its_keys(void **state)
{
  (void)state;
  struct dict d;
  dict_init(&d);
  char key[] = "n1";
  dict_put(&d, slice_of(key, 2), &values[0]);
  key[1] = '2';
  assert_null(dict_get(&d, slice_of(key, 2)));
  assert_ptr_equal(dict_get(&d, SLICE("n1")), &values[0]);
  dict_free(&d);
}

static void empty_tables_answer(void **state)
{
  (void)state;
  struct map m;
  map_init(&m);
  assert_null(map_get(&m, 0));
  assert_null(map_remove(&m, 0));
  map_free(&m);
  struct dict d;
  dict_init(&d);
  assert_null(dict_get(&d, SLICE("x")));
  assert_null(dict_remove(&d, slice_of(NULL, 0)));
  assert_int_equal(dict_next(&d, 0), 0);
  assert_null(dict_put(&d, slice_of(NULL, 0), &values[1]));
  assert_ptr_equal(dict_get(&d, SLICE("")), &values[1]);
  dict_free(&d);
}

static void the_order_of_iteration_repeats(void **state)
{
  (void)state;
  struct dict a;
  struct dict b;
  dict_init(&a);
  dict_init(&b);
  char room[64];
  for (int i = 0; i < 200; i++) {
    dict_put(&a, dict_key(room, i), &values[i]);
    dict_put(&b, dict_key(room, i), &values[i]);
  }
  assert_int_equal(a.cap, b.cap);
  for (size_t i = 0; i < a.cap; i++) {
    assert_ptr_equal(a.slots[i].value, b.slots[i].value);
  }
  dict_free(&a);
  dict_free(&b);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(map_agrees_with_an_array), cmocka_unit_test(dict_agrees_with_an_array),      cmocka_unit_test(dict_copies_its_keys),
      cmocka_unit_test(empty_tables_answer),      cmocka_unit_test(the_order_of_iteration_repeats),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
