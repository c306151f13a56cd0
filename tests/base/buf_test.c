#include "base/buf.h"

#include "base/prng.h"
#include "cmocka_all.h"

static void is_empty_at_first(void **state)
{
  (void)state;
  struct buf b;
  buf_init(&b);
  struct buf zero = {0};
  assert_memory_equal(&b, &zero, sizeof b);
  assert_int_equal(buf_slice(&b).len, 0);
  buf_append(&b, NULL, 0);
  buf_consume(&b, 0);
  assert_null(b.data);
  buf_free(&b);
}

static void appends_in_order(void **state)
{
  (void)state;
  struct buf b = {0};
  buf_append_str(&b, "one ");
  buf_append_slice(&b, SLICE("two "));
  buf_append_char(&b, '3');
  buf_printf(&b, " %d %s", 4, "five");
  assert_true(slice_equal(buf_slice(&b), SLICE("one two 3 4 five")));
  buf_clear(&b);
  assert_int_equal(b.len, 0);
  assert_true(b.cap > 0);
  buf_free(&b);
  assert_int_equal(b.cap, 0);
  buf_append_str(&b, "again");
  assert_true(slice_equal(buf_slice(&b), SLICE("again")));
  buf_free(&b);
}

static void printf_fits_whatever_is_left(void **state)
{
  (void)state;
  for (int width = 0; width < 200; width++) {
    struct buf b = {0};
    buf_append_str(&b, "<");
    buf_printf(&b, "%*s", width, "");
    buf_append_str(&b, ">");
    assert_int_equal(b.len, width + 2);
    assert_int_equal(b.data[width + 1], '>');
    for (int i = 1; i <= width; i++) {
      assert_int_equal(b.data[i], ' ');
    }
    buf_free(&b);
  }
}

static void consumes_from_the_front(void **state)
{
  (void)state;
  struct buf b = {0};
  buf_append_str(&b, "abcdef");
  buf_consume(&b, 2);
  assert_true(slice_equal(buf_slice(&b), SLICE("cdef")));
  buf_append_str(&b, "g");
  buf_consume(&b, 5);
  assert_int_equal(b.len, 0);
  buf_free(&b);
}

static void reserve_keeps_what_is_there(void **state)
{
  (void)state;
  struct buf b = {0};
  for (size_t i = 0; i < 20; i++) {
    size_t room = (size_t)1 << i;
    char *at = buf_reserve(&b, room);
    assert_ptr_equal(at, b.data + b.len);
    assert_true(b.cap - b.len >= room);
    at[0] = (char)i;
    at[room - 1] = (char)i;
    b.len++;
  }
  for (size_t i = 0; i < 20; i++) {
    assert_int_equal(b.data[i], i);
  }
  buf_free(&b);
}

static void random_operations_agree_with_a_fixed_array(void **state)
{
  (void)state;
  static char model[1 << 16];
  size_t len = 0;
  struct prng p;
  prng_init(&p, 11);
  struct buf b = {0};
  for (int step = 0; step < 20000; step++) {
    if (prng_below(&p, 3) < 2) {
      char bytes[64];
      size_t n = prng_below(&p, sizeof bytes + 1);
      memset(bytes, (int)prng_below(&p, 256), sizeof bytes);
      if (len + n <= sizeof model) {
        memcpy(model + len, bytes, n);
        len += n;
        buf_append(&b, bytes, n);
      }
    } else {
      size_t n = prng_below(&p, len < 128 ? len + 1 : 128);
      memmove(model, model + n, len - n);
      len -= n;
      buf_consume(&b, n);
    }
    assert_int_equal(b.len, len);
    if (len > 0) {
      assert_memory_equal(b.data, model, len);
    }
  }
  buf_free(&b);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(is_empty_at_first),
      cmocka_unit_test(appends_in_order),
      cmocka_unit_test(printf_fits_whatever_is_left),
      cmocka_unit_test(consumes_from_the_front),
      cmocka_unit_test(reserve_keeps_what_is_there),
      cmocka_unit_test(random_operations_agree_with_a_fixed_array),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
