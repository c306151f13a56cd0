/* The kept entries of a group, against the plainest list there is. */
#include "wal/ring.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/mix.h"
#include "base/prng.h"
#include "cmocka_all.h"

enum {
  LIST_MAX = 4000
};

struct plain {
  uint64_t start;
  size_t count;
  struct {
    uint64_t term;
    uint64_t seed;
    uint32_t size;
    uint8_t type;
  } at[LIST_MAX];
};

static void assert_item(const struct plain *p, const struct wal_ring *r, size_t i)
{
  const struct wal_item *item = wal_ring_at(r, p->start + i);
  assert_non_null(item);
  assert_true(item->term == p->at[i].term && item->type == p->at[i].type && item->size == p->at[i].size);
  for (uint32_t k = 0; k < item->size; k += 1 + item->size / 50) {
    assert_true(item->bytes[k] == (char)mix_pair(p->at[i].seed, k));
  }
}

static void assert_same(const struct plain *p, const struct wal_ring *r)
{
  assert_true(r->start == p->start && r->count == p->count);
  size_t bytes = 0;
  for (size_t i = 0; i < p->count; i++) {
    assert_item(p, r, i);
    bytes += p->at[i].size;
  }
  assert_int_equal(bytes, r->bytes);
  assert_null(wal_ring_at(r, p->start - 1));
  assert_null(wal_ring_at(r, p->start + p->count));
}

static void append_random(struct plain *p, struct wal_ring *r, struct wal_pool *pool, struct prng *random)
{
  static char room[200000];
  uint64_t kind = prng_below(random, 100);
  uint32_t size = (uint32_t)(kind < 30   ? 0
                             : kind < 90 ? prng_below(random, 60)
                             : kind < 98 ? prng_below(random, 5000)
                                         : prng_below(random, sizeof room));
  uint64_t seed = prng_next(random);
  for (uint32_t k = 0; k < size; k++) {
    room[k] = (char)mix_pair(seed, k);
  }
  size_t i = p->count++;
  p->at[i].seed = seed;
  p->at[i].size = size;
  p->at[i].term = prng_next(random);
  p->at[i].type = (uint8_t)seed;
  wal_ring_append(r, pool, p->at[i].term, p->at[i].type, slice_of(room, size));
}

static void it_is_what_a_list_would_be(void **state)
{
  (void)state;
  struct plain *p = memory_zeroed(1, sizeof *p);
  for (uint64_t seed = 1; seed <= 20; seed++) {
    struct prng random;
    prng_init(&random, seed);
    struct wal_pool pool = {0};
    struct wal_ring r;
    p->start = 1 + prng_below(&random, 1000);
    p->count = 0;
    wal_ring_init(&r, p->start);
    for (int round = 0; round < 200; round++) {
      for (uint64_t n = prng_below(&random, 30); n > 0 && p->count < LIST_MAX; n--) {
        append_random(p, &r, &pool, &random);
      }
      uint64_t n = prng_below(&random, p->count / (1 + prng_below(&random, 4)) + 1);
      if (prng_below(&random, 2) == 0) {
        wal_ring_drop(&r, &pool, p->start + n);
        memmove(p->at, p->at + n, (p->count - n) * sizeof *p->at);
        p->start += n;
        p->count -= n;
      } else {
        wal_ring_truncate(&r, &pool, p->start + p->count - n);
        p->count -= n;
      }
      assert_same(p, &r);
    }
    wal_ring_reset(&r, &pool, 77);
    assert_true(r.start == 77 && r.count == 0 && r.bytes == 0 && wal_ring_at(&r, 77) == NULL);
    wal_ring_free(&r);
    wal_pool_free(&pool);
  }
  free(p);
}

static void a_ring_that_has_drained_gives_memory_back(void **state)
{
  (void)state;
  struct wal_pool pool = {0};
  struct wal_ring r;
  wal_ring_init(&r, 1);
  for (int i = 0; i < 1000000; i++) {
    wal_ring_append(&r, &pool, 1, 1, SLICE("0123456789abcdef"));
  }
  assert_true(r.cap >= 1000000);
  for (uint64_t first = 1; first < 1000001; first += 100000) {
    wal_ring_drop(&r, &pool, first);
  }
  wal_ring_drop(&r, &pool, 1000001);
  assert_true(r.cap <= 64 << 10);
  assert_true(r.chunk_end == r.chunk_at);
  wal_ring_free(&r);
  wal_pool_free(&pool);
}

static void a_little_takes_little(void **state)
{
  (void)state;
  struct wal_pool pool = {0};
  struct wal_ring r;
  wal_ring_init(&r, 1);
  wal_ring_append(&r, &pool, 1, 1, SLICE("x"));
  assert_int_equal(r.chunks[0].cap, 4096);
  assert_int_equal(r.cap, 64);
  wal_ring_free(&r);
}

static void bytes_never_move(void **state)
{
  (void)state;
  struct wal_pool pool = {0};
  struct wal_ring r;
  wal_ring_init(&r, 1);
  const char *at[1000];
  for (uint64_t i = 0; i < 1000; i++) {
    wal_ring_append(&r, &pool, 1, 1, SLICE("some bytes of an entry that is kept, and some more"));
    at[i] = wal_ring_at(&r, i + 1)->bytes;
  }
  for (int i = 0; i < 100000; i++) {
    wal_ring_append(&r, &pool, 1, 1, SLICE("more"));
  }
  for (uint64_t i = 0; i < 1000; i++) {
    assert_ptr_equal(wal_ring_at(&r, i + 1)->bytes, at[i]);
  }
  wal_ring_free(&r);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(it_is_what_a_list_would_be),
      cmocka_unit_test(a_ring_that_has_drained_gives_memory_back),
      cmocka_unit_test(a_little_takes_little),
      cmocka_unit_test(bytes_never_move),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
