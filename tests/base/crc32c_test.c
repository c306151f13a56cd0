#include "base/crc32c.h"

#include <string.h>

#include "base/prng.h"
#include "cmocka_all.h"
#include "guarded.h"

static uint32_t bit_by_bit(uint32_t crc, const unsigned char *bytes, size_t len)
{
  crc = ~crc;
  for (size_t i = 0; i < len; i++) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; bit++) {
      crc = crc >> 1 ^ (0x82f63b78u & -(crc & 1));
    }
  }
  return ~crc;
}

static void published_values(void **state)
{
  (void)state;
  /* RFC 3720, B.4, and the check value of the catalogues. */
  unsigned char bytes[32];
  assert_int_equal(crc32c_extend(0, "123456789", 9), 0xe3069283);
  memset(bytes, 0, 32);
  assert_int_equal(crc32c_extend(0, bytes, 32), 0x8a9136aa);
  memset(bytes, 0xff, 32);
  assert_int_equal(crc32c_extend(0, bytes, 32), 0x62a8ab43);
  for (int i = 0; i < 32; i++) {
    bytes[i] = (unsigned char)i;
  }
  assert_int_equal(crc32c_extend(0, bytes, 32), 0x46dd794e);
  for (int i = 0; i < 32; i++) {
    bytes[i] = (unsigned char)(31 - i);
  }
  assert_int_equal(crc32c_extend(0, bytes, 32), 0x113fdb5c);
  assert_int_equal(crc32c_extend(0, NULL, 0), 0);
}

static void every_length_agrees_and_reads_no_further(void **state)
{
  (void)state;
  struct guarded g;
  guarded_init(&g, 300);
  struct prng p;
  prng_init(&p, 1);
  char bytes[300];
  for (size_t len = 0; len <= sizeof bytes; len++) {
    for (size_t i = 0; i < len; i++) {
      bytes[i] = (char)prng_next(&p);
    }
    uint32_t before = (uint32_t)prng_next(&p);
    struct slice s = guarded_place(&g, slice_of(bytes, len));
    uint32_t expected = bit_by_bit(before, (const unsigned char *)bytes, len);
    assert_int_equal(crc32c_extend(before, s.ptr, s.len), expected);
    assert_int_equal(crc32c_portable(before, s.ptr, s.len), expected);
  }
  guarded_free(&g);
}

static void parts_make_the_whole(void **state)
{
  (void)state;
  static const char text[] = "a log is a sequence of records, each with a checksum";
  size_t len = sizeof text - 1;
  for (size_t cut = 0; cut <= len; cut++) {
    assert_int_equal(crc32c_extend(crc32c_extend(0, text, cut), text + cut, len - cut), crc32c_extend(0, text, len));
    assert_int_equal(crc32c_portable(crc32c_portable(0, text, cut), text + cut, len - cut), crc32c_extend(0, text, len));
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(published_values),
      cmocka_unit_test(every_length_agrees_and_reads_no_further),
      cmocka_unit_test(parts_make_the_whole),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
