#include "json/write.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "json/inline.h"

enum {
  DIGITS_MAX = 17,     /* digits that tell any two doubles apart */
  DIGITS_SAFE = 15,    /* digits that survive a round trip through a normal double */
  POSITIONAL_MIN = -4, /* decimal exponents that are written without an exponent, as %g does it */
  POSITIONAL_MAX = 15,
  NUMBER_SIZE_MAX = 32, /* of any number written here */
};

static const char HEX[] = "0123456789abcdef";

static char *put_escape(char *to, unsigned char c)
{
  *to++ = '\\';
  switch (c) {
  case '"':
  case '\\':
    *to++ = (char)c;
    break;
  case '\b':
    *to++ = 'b';
    break;
  case '\f':
    *to++ = 'f';
    break;
  case '\n':
    *to++ = 'n';
    break;
  case '\r':
    *to++ = 'r';
    break;
  case '\t':
    *to++ = 't';
    break;
  default:
    memcpy(to, "u00", 3);
    to[3] = HEX[c >> 4];
    to[4] = HEX[c & 15];
    to += 5;
  }
  return to;
}

/* Behind the plain beginning of a string: one special byte or character and the plain run behind it, at a time. */
static bool write_rest(struct buf *out, const char *at, const char *end)
{
  while (at < end) {
    const char *next = at + 1;
    if ((unsigned char)*at >= 0x80) {
      const char *bad = NULL;
      next = json_utf8_character(at, end, &bad);
      if (next == NULL) {
        return false;
      }
      buf_append(out, at, (size_t)(next - at));
    } else {
      char *to = buf_reserve(out, 6);
      out->len += (size_t)(put_escape(to, (unsigned char)*at) - to);
    }
    at = json_plain_end(next, end);
    buf_append(out, next, (size_t)(at - next));
  }
  return true;
}

int json_write_string(struct buf *out, struct slice text)
{
  size_t before = out->len;
  const char *begin = text.len > 0 ? text.ptr : "";
  const char *end = begin + text.len;
  const char *at = json_plain_end(begin, end);
  size_t plain = (size_t)(at - begin);
  char *to = buf_reserve(out, text.len + 2);
  *to = '"';
  memcpy(to + 1, begin, plain);
  out->len += plain + 1;
  if (at < end && !write_rest(out, at, end)) {
    out->len = before;
    return ERROR_JSON;
  }
  buf_append_char(out, '"');
  return 0;
}

/* Writes the digits of `value` so that they end at `end`; returns where they begin. */
static char *put_digits_before(char *end, uint64_t value)
{
  static const char pairs[] = "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
                              "5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";
  while (value >= 100) {
    end -= 2;
    memcpy(end, pairs + value % 100 * 2, 2);
    value /= 100;
  }
  if (value >= 10) {
    end -= 2;
    memcpy(end, pairs + value * 2, 2);
  } else {
    *--end = (char)('0' + value);
  }
  return end;
}

void json_write_integer(struct buf *out, int64_t value)
{
  if (value >= 0 && value < 10) {
    buf_append_char(out, (char)('0' + value));
    return;
  }
  char text[NUMBER_SIZE_MAX];
  char *end = text + sizeof text;
  char *begin = put_digits_before(end, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
  if (value < 0) {
    *--begin = '-';
  }
  buf_append(out, begin, (size_t)(end - begin));
}

/* A positive decimal number: 0.d1d2d3… * 10^(exponent + 1), that is, d1.d2d3… * 10^exponent. No trailing zeros. */
struct digits {
  char digit[DIGITS_MAX + 1];
  int count;
  int exponent;
};

static void trim(struct digits *d)
{
  while (d->count > 1 && d->digit[d->count - 1] == '0') {
    d->count--;
  }
}

/* Finds the digits without the C library where that can be done exactly: m / 10^k with both exact, the smallest k first. IEEE 754
 * division then rounds to the double that the decimal number denotes, and up to 15 digits a decimal that does so is the only one of
 * its length. */
static bool find_digits_quickly(double value, struct digits *d)
{
  if (value < 1e-4 || value >= 1e15) {
    return false;
  }
  double power = 1;
  for (;;) {
    double scaled = value * power;
    if (scaled >= 1e15 || power >= 1e19) {
      return false;
    }
    uint64_t m = (uint64_t)(scaled + 0.5);
    if ((double)m / power == value) {
      char text[NUMBER_SIZE_MAX];
      char *end = text + sizeof text;
      char *begin = put_digits_before(end, m);
      d->count = (int)(end - begin);
      memcpy(d->digit, begin, (size_t)d->count);
      d->exponent = d->count - 1;
      for (double p = power; p >= 10; p /= 10) {
        d->exponent--;
      }
      trim(d);
      return true;
    }
    power *= 10;
  }
}

/* Rounds to so many digits; says whether they read back as the same double. The text that printf makes goes back through strtod, so
 * the locale's decimal point, whatever it is, only has to be skipped. */
static bool find_digits(double value, int precision, struct digits *d)
{
  char text[64];
  int n = snprintf(text, sizeof text, "%.*e", precision - 1, value);
  assert(n > 0 && n < (int)sizeof text);
  const char *at = text;
  for (d->count = 0; *at != 'e'; at++) {
    if (json_is_digit(*at)) {
      assert(d->count < DIGITS_MAX);
      d->digit[d->count++] = *at;
    }
  }
  d->exponent = (int)strtol(at + 1, NULL, 10);
  trim(d);
  return strtod(text, NULL) == value;
}

/* One more in the last of 16 digits, where the nearest 16 did not do. At a power of two the doubles below lie closer than those above:
 * the nearest decimal may be below and miss, and the next one above, farther away, still hit. */
static bool find_digits_above(double value, struct digits *d)
{
  const int precision = DIGITS_MAX - 1;
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  bool power_of_two = (bits & ((UINT64_C(1) << (DBL_MANT_DIG - 1)) - 1)) == 0;
  if (!power_of_two) {
    return false;
  }
  uint64_t mantissa = 0;
  for (int i = 0; i < precision; i++) {
    mantissa = mantissa * 10 + (i < d->count ? (uint64_t)(d->digit[i] - '0') : 0);
  }
  mantissa++;
  char text[NUMBER_SIZE_MAX];
  snprintf(text, sizeof text, "%" PRIu64 "e%d", mantissa, d->exponent - precision + 1);
  if (strtod(text, NULL) != value) {
    return false;
  }
  d->count = (int)(strchr(text, 'e') - text);
  memcpy(d->digit, text, (size_t)d->count);
  d->exponent += d->count - precision; /* 9.99… became 10.00… */
  trim(d);
  return true;
}

static struct digits shortest_digits(double value)
{
  struct digits d;
  if (find_digits_quickly(value, &d)) {
    return d;
  }
  bool subnormal = value < 0x1p-1022;
  for (int precision = subnormal ? 1 : DIGITS_SAFE; precision < DIGITS_MAX; precision++) {
    if (find_digits(value, precision, &d)) {
      return d;
    }
  }
  if (!find_digits_above(value, &d)) {
    bool same = find_digits(value, DIGITS_MAX, &d);
    assert(same);
    (void)same;
  }
  return d;
}

static char *put_zeros(char *to, int n)
{
  memset(to, '0', (size_t)n);
  return to + n;
}

static char *put_bytes(char *to, const char *from, int n)
{
  memcpy(to, from, (size_t)n);
  return to + n;
}

/* Lays digits out with a point or an exponent, so that they always read as a number that is not an integer. */
static char *put_real(char *to, const struct digits *d)
{
  if (d->exponent >= POSITIONAL_MIN && d->exponent < 0) {
    to = put_bytes(to, "0.", 2);
    to = put_zeros(to, -1 - d->exponent);
    return put_bytes(to, d->digit, d->count);
  }
  if (d->exponent >= 0 && d->exponent <= POSITIONAL_MAX && d->count > d->exponent + 1) {
    to = put_bytes(to, d->digit, d->exponent + 1);
    *to++ = '.';
    return put_bytes(to, d->digit + d->exponent + 1, d->count - d->exponent - 1);
  }
  *to++ = d->digit[0];
  if (d->count > 1) {
    *to++ = '.';
    to = put_bytes(to, d->digit + 1, d->count - 1);
  }
  *to++ = 'e';
  if (d->exponent < 0) {
    *to++ = '-';
  }
  char text[8];
  char *begin = put_digits_before(text + sizeof text, (uint64_t)abs(d->exponent));
  return put_bytes(to, begin, (int)(text + sizeof text - begin));
}

int json_write_double(struct buf *out, double value)
{
  if (!isfinite(value)) {
    return ERROR_JSON;
  }
  if (value >= -0x1p53 && value <= 0x1p53 && value == (double)(int64_t)value) {
    json_write_integer(out, (int64_t)value);
    return 0;
  }
  char *begin = buf_reserve(out, NUMBER_SIZE_MAX);
  char *to = begin;
  if (value < 0) {
    *to++ = '-';
    value = -value;
  }
  struct digits d = shortest_digits(value);
  to = put_real(to, &d);
  assert(to - begin <= NUMBER_SIZE_MAX);
  out->len += (size_t)(to - begin);
  return 0;
}
