/* Memory for a Lua state: contents survive, sizes change, and what is given back is used again. */
#include "script/alloc.h"

#include <stdint.h>
#include <string.h>

#include "base/prng.h"
#include "cmocka_all.h"

#define OBJECTS 500

struct object {
  unsigned char *at;
  size_t size;
  unsigned char mark;
};

static void check(const struct object *o)
{
  for (size_t i = 0; i < o->size; i++) {
    assert_int_equal(o->at[i], o->mark);
  }
}

static void test_random_resizing_keeps_contents(void **state)
{
  (void)state;
  struct script_alloc a;
  struct object objects[OBJECTS] = {{0}};
  struct prng p;
  script_alloc_init(&a);
  prng_init(&p, 1);
  for (int round = 0; round < 100000; round++) {
    struct object *o = &objects[prng_below(&p, OBJECTS)];
    size_t size = prng_below(&p, 4) == 0 ? 0 : prng_below(&p, 2) == 0 ? 1 + prng_below(&p, 64) : 1 + prng_below(&p, 1000);
    check(o);
    unsigned char *moved = script_alloc_realloc(&a, o->at, o->at == NULL ? 4 : o->size, size);
    assert_true((size == 0) == (moved == NULL));
    assert_int_equal((uintptr_t)moved % 8, 0);
    for (size_t i = 0; i < size && i < o->size; i++) {
      assert_int_equal(moved[i], o->mark);
    }
    *o = (struct object){moved, size, (unsigned char)prng_next(&p)};
    if (size > 0) {
      memset(moved, o->mark, size);
    }
  }
  for (int i = 0; i < OBJECTS; i++) {
    check(&objects[i]);
    script_alloc_realloc(&a, objects[i].at, objects[i].size, 0);
  }
  script_alloc_free(&a);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_random_resizing_keeps_contents),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
