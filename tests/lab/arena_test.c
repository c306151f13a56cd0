/* Arenas: addresses that repeat, objects that do not overlap, and an end that Lua can live with. */
#include "lab/arena.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "cmocka_all.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WATCHED 1
#endif
#if __has_feature(thread_sanitizer)
#define SHADOWED 1 /* by far more memory than the arena's own */
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define WATCHED 1
#endif
#ifdef WATCHED
#include <sanitizer/asan_interface.h>
#endif

#define OBJECTS 500

struct object {
  unsigned char *at;
  size_t size;
  unsigned char mark;
};

static void check(const struct object *o)
{
  for (size_t i = 0; i < o->size; i++) {
    if (o->at[i] != o->mark) {
      fail_msg("byte %zu of an object of %zu bytes was overwritten", i, o->size);
    }
  }
}

static size_t draw_size(struct prng *random)
{
  uint64_t r = prng_next(random);
  switch (r % 10) {
  case 0:
    return 0;
  case 1:
    return 1 + (r >> 8) % 100000;
  case 2:
    return 1 + (r >> 8) % 5000;
  default:
    return 1 + (r >> 8) % 300;
  }
}

/* Allocates, resizes and frees at random, and trims now and then if it is to; returns a hash over all addresses. */
static uint64_t churn(struct arena *a, uint64_t seed, bool trims)
{
  static struct object objects[OBJECTS];
  struct prng random;
  prng_init(&random, seed);
  memset(objects, 0, sizeof objects);
  uint64_t hash = 0;
  for (int i = 0; i < 30000; i++) {
    struct object *o = &objects[prng_next(&random) % OBJECTS];
    if (trims && i % 100 == 0) {
      size_t used = arena_used(a);
      arena_trim(a);
      assert_int_equal(arena_used(a), used);
    }
    size_t size = draw_size(&random);
    check(o);
    unsigned char *at = arena_realloc(a, o->at, o->size, size);
    size_t kept = size < o->size ? size : o->size;
    for (size_t k = 0; k < kept; k++) {
      assert_int_equal(at[k], o->mark);
    }
    assert_int_equal((uintptr_t)at % 16, 0);
    assert_true((at == NULL) == (size == 0));
    *o = (struct object){at, size, (unsigned char)i};
    if (size > 0) {
      memset(at, o->mark, size);
    }
    hash = (hash ^ (uintptr_t)at) * UINT64_C(0x9e3779b97f4a7c15);
  }
  for (int i = 0; i < OBJECTS; i++) {
    check(&objects[i]);
    arena_realloc(a, objects[i].at, objects[i].size, 0);
  }
  assert_int_equal(arena_used(a), 0);
  return hash;
}

static void test_objects_keep_their_bytes_and_addresses_repeat(void **state)
{
  (void)state;
  struct arena *a = arena_open(3);
  uint64_t first = churn(a, 1, false);
  arena_reset(a);
  assert_true(churn(a, 1, false) == first);
  arena_reset(a);
  assert_true(churn(a, 2, false) != first);
  assert_ptr_equal(arena_open(3), a);
  assert_true(churn(a, 1, false) == first);
}

static void test_arenas_lie_side_by_side(void **state)
{
  (void)state;
  char *first = (char *)arena_open(0);
  char *later = (char *)arena_open(200);
  assert_int_equal(later - first, 200 * ARENA_BYTES);
}

static void test_the_last_object_grows_where_it_is(void **state)
{
  (void)state;
  struct arena *a = arena_open(1);
  void *p = arena_realloc(a, NULL, 0, 100);
  assert_ptr_equal(arena_realloc(a, p, 100, 200000), p);
  assert_ptr_equal(arena_realloc(a, p, 200000, 3000), p);
  void *q = arena_realloc(a, NULL, 0, 16);
  assert_true((char *)q - (char *)p < 4000);
  assert_ptr_not_equal(arena_realloc(a, p, 3000, 5000), p);
}

static void test_full_is_no_memory_and_shrinking_still_works(void **state)
{
  (void)state;
  struct arena *a = arena_open(1);
  assert_null(arena_realloc(a, NULL, 0, ARENA_BYTES));
  assert_null(arena_realloc(a, NULL, 0, ARENA_BYTES + 1));
  assert_null(arena_realloc(a, NULL, 0, SIZE_MAX));
  static char *blocks[2000];
  size_t n = 0;
  while (n < 2000 && (blocks[n] = arena_realloc(a, NULL, 0, 1 << 20)) != NULL) {
    n++;
  }
  assert_int_equal(n, 1023);
  while (arena_realloc(a, NULL, 0, 16) != NULL) {
  }
  assert_null(arena_realloc(a, blocks[0], 1 << 20, 2 << 20));
  strcpy(blocks[0], "kept");
  char *shrunk = arena_realloc(a, blocks[0], 1 << 20, 40);
  assert_non_null(shrunk);
  assert_string_equal(shrunk, "kept");
  arena_realloc(a, shrunk, 40, 0);
  assert_non_null(arena_realloc(a, NULL, 0, 40));
  arena_reset(a);
  assert_int_equal(arena_used(a), 0);
}

static long resident_kb(void)
{
  FILE *f = fopen("/proc/self/statm", "r");
  long total = 0;
  long resident = 0;
  assert_non_null(f);
  assert_int_equal(fscanf(f, "%ld %ld", &total, &resident), 2);
  fclose(f);
  return resident * 4;
}

static void test_a_reset_gives_memory_back(void **state)
{
  (void)state;
#if defined(__SANITIZE_THREAD__) || defined(SHADOWED)
  skip();
#endif
  struct arena *a = arena_open(1);
  long before = resident_kb();
  size_t size = 64u << 20;
  char *p = arena_realloc(a, NULL, 0, size);
  memset(p, 1, size);
  assert_true(resident_kb() - before > 60000);
  arena_reset(a);
  assert_true(resident_kb() - before < 20000); /* a sanitizer's shadow stays */
}

static void test_trimmed_or_not_objects_keep_their_bytes(void **state)
{
  (void)state;
  struct arena *a = arena_open(3);
  uint64_t first = churn(a, 1, true);
  arena_reset(a);
  assert_true(churn(a, 1, true) == first);
  arena_reset(a);
  assert_true(churn(a, 1, false) != first); /* holes are used: objects lie elsewhere */
  arena_trim(a);                            /* nothing is in use: the next object lies where the first one lay */
  void *p = arena_realloc(a, NULL, 0, 16);
  arena_reset(a);
  assert_ptr_equal(arena_realloc(a, NULL, 0, 16), p);
}

static void test_trimming_gives_memory_back_and_uses_it_again(void **state)
{
  (void)state;
#if defined(__SANITIZE_THREAD__) || defined(SHADOWED)
  skip();
#endif
  enum {
    COUNT = 2000,
    SIZE = 10000
  };
  static char *objects[COUNT];
  struct arena *a = arena_open(1);
  arena_reset(a);
  for (int i = 0; i < COUNT; i++) {
    objects[i] = arena_realloc(a, NULL, 0, SIZE);
    memset(objects[i], i, SIZE);
  }
  for (int i = 0; i < COUNT; i++) {
    if (i % 100 != 99) { /* the last one stays: the arena does not become shorter */
      arena_realloc(a, objects[i], SIZE, 0);
    }
  }
  long before = resident_kb();
  arena_trim(a);
  assert_true(before - resident_kb() > 15000);
  for (int i = 99; i < COUNT; i += 100) {
    assert_int_equal((unsigned char)objects[i][SIZE - 1], i % 256);
  }
  char *again = arena_realloc(a, NULL, 0, 500000); /* of another size than what lay there */
  assert_true(again < objects[COUNT - 1]);
  memset(again, 1, 500000);
}

#ifdef WATCHED
static void test_what_is_freed_is_watched(void **state)
{
  (void)state;
  struct arena *a = arena_open(1);
  static const size_t sizes[] = {8, 16, 100, 256, 257, 5000, 100000};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    char *p = arena_realloc(a, NULL, 0, sizes[i]);
    char *behind = arena_realloc(a, NULL, 0, sizes[i]);
    assert_false(__asan_address_is_poisoned(p + sizes[i] - 1));
    if (sizes[i] % 16 != 0) {
      assert_true(__asan_address_is_poisoned(p + sizes[i]));
    }
    arena_realloc(a, p, sizes[i], 0);
    assert_true(__asan_address_is_poisoned(p));
    assert_true(__asan_address_is_poisoned(p + sizes[i] - 1));
    assert_false(__asan_address_is_poisoned(behind));
    arena_reset(a);
    assert_true(__asan_address_is_poisoned(behind));
  }
}
#endif

/* ---- with Lua ---- */

static const char program[] = "local t = {} for i = 1, 3000 do t[i % 700] = { ('x'):rep(i % 90) .. i } end\n"
                              "local keys = {} for i = 1, 50 do keys[{}] = i end\n"
                              "local order = {} for _, i in pairs(keys) do order[#order + 1] = i end\n"
                              "return table.concat(order, ' ') .. tostring({}) .. tostring(coroutine.create(print))";

/* Runs the program in a state of its own; returns its text, owned. */
static char *run(unsigned number)
{
  struct arena *a = arena_open(number);
  lua_State *L = arena_newstate(arena_realloc, a);
  assert_non_null(L);
  luaL_openlibs(L);
  assert_int_equal(luaL_dostring(L, program), LUA_OK);
  char *text = strdup(lua_tostring(L, -1));
  lua_close(L);
  assert_int_equal(arena_used(a), 0);
  return text;
}

static void test_a_state_finds_the_same_addresses_again(void **state)
{
  (void)state;
  char *first = run(5);
  char *again = run(5);
  char *other = run(6);
  assert_string_equal(first, again);
  assert_string_not_equal(first, other);
  free(first);
  free(again);
  free(other);
}

static void test_lua_without_memory_raises(void **state)
{
  (void)state;
  struct arena *a = arena_open(7);
  lua_State *L = arena_newstate(arena_realloc, a);
  luaL_openlibs(L);
  assert_int_equal(luaL_loadstring(L, "local s = ('x'):rep(1 << 20) while true do s = s .. s end"), LUA_OK);
  assert_int_equal(lua_pcall(L, 0, 0, 0), LUA_ERRMEM);
  assert_string_equal(lua_tostring(L, -1), "not enough memory");
  assert_int_equal(luaL_dostring(L, "return 1 + 1"), LUA_OK);
  lua_close(L);
}

static void note_place(void *arg)
{
  char here;
  *(uintptr_t *)arg = (uintptr_t)&here;
}

static void test_the_stack_lies_where_it_lay(void **state)
{
  (void)state;
  uintptr_t first = 0;
  uintptr_t again = 0;
  arena_call(note_place, &first);
  arena_call(note_place, &again);
  assert_int_equal(first, again);
#ifdef __linux__
  uintptr_t base = (uintptr_t)arena_open(0);
  assert_true(first < base && base - first < UINT64_C(1) << 30);
#endif
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_objects_keep_their_bytes_and_addresses_repeat),
      cmocka_unit_test(test_arenas_lie_side_by_side),
      cmocka_unit_test(test_the_last_object_grows_where_it_is),
      cmocka_unit_test(test_full_is_no_memory_and_shrinking_still_works),
      cmocka_unit_test(test_a_reset_gives_memory_back),
      cmocka_unit_test(test_trimmed_or_not_objects_keep_their_bytes),
      cmocka_unit_test(test_trimming_gives_memory_back_and_uses_it_again),
#ifdef WATCHED
      cmocka_unit_test(test_what_is_freed_is_watched),
#endif
      cmocka_unit_test(test_a_state_finds_the_same_addresses_again),
      cmocka_unit_test(test_lua_without_memory_raises),
      cmocka_unit_test(test_the_stack_lies_where_it_lay),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
