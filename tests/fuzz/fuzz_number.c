/* Numbers two ways: the input as the text of a number, against the C library; and its first eight bytes as a double and as an integer,
 * written and read back. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "check.h"
#include "json/envelope.h"
#include "json/read.h"
#include "json/scan.h"
#include "json/write.h"

static bool same_bits(double a, double b)
{
  uint64_t bits_a;
  uint64_t bits_b;
  memcpy(&bits_a, &a, sizeof a);
  memcpy(&bits_b, &b, sizeof b);
  return bits_a == bits_b;
}

static void check_text(const uint8_t *data, size_t size)
{
  char *text = malloc(size + 1);
  memcpy(text, data, size);
  text[size] = '\0';
  struct json_scanner s = {.begin = text, .end = text + size};
  const char *behind = json_scan_number(&s, text);
  if (behind != NULL) {
    struct slice token = slice_of(text, (size_t)(behind - text));
    text[token.len] = '\0';
    int64_t integer = 0;
    double real = 0;
    errno = 0;
    long long expected = strtoll(text, NULL, 10);
    bool fits = errno == 0 && strpbrk(text, ".eE") == NULL;
    enum json_number_kind kind = json_read_number(token, &integer, &real);
    CHECK(kind == (fits ? JSON_INTEGER : JSON_DOUBLE));
    CHECK(kind == JSON_INTEGER ? integer == expected : same_bits(real, strtod(text, NULL)));
    if (fits && expected >= 0) {
      CHECK(json_token_is(token, (uint64_t)expected) == (text[0] != '-'));
      CHECK(!json_token_is(token, (uint64_t)expected + 1));
    }
  }
  free(text);
}

static void check_double(double value)
{
  struct buf out = {0};
  if (!isfinite(value)) {
    CHECK(json_write_double(&out, value) == ERROR_JSON && out.len == 0);
    return;
  }
  CHECK(json_write_double(&out, value) == 0);
  struct json_error error;
  CHECK(json_scan(buf_slice(&out), &error) == 0);
  int64_t integer;
  double real;
  if (json_read_number(buf_slice(&out), &integer, &real) == JSON_INTEGER) {
    CHECK(fabs(value) <= 0x1p53);
    real = (double)integer;
  }
  CHECK(real == value);
  buf_free(&out);
}

static void check_integer(int64_t value)
{
  struct buf out = {0};
  json_write_integer(&out, value);
  int64_t integer = 0;
  double real;
  CHECK(json_read_number(buf_slice(&out), &integer, &real) == JSON_INTEGER);
  CHECK(integer == value);
  if (value >= 0) {
    CHECK(json_token_is(buf_slice(&out), (uint64_t)value));
  }
  buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size > 0) {
    check_text(data, size);
  }
  if (size >= sizeof(double)) {
    double value;
    int64_t integer;
    memcpy(&value, data, sizeof value);
    memcpy(&integer, data, sizeof integer);
    check_double(value);
    check_integer(integer);
  }
  return 0;
}
