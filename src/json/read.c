#include "json/read.h"

#include <float.h>
#include <locale.h>
#include <stdlib.h>

#include "base/assert.h"
#include "json/inline.h"

/* What a token spells: mantissa * 10^exponent, if `exact`; else it has more digits than fit, or an absurd exponent. */
struct decimal {
  uint64_t mantissa;
  int exponent;
  bool negative;
  bool integral; /* neither fraction nor exponent */
  bool exact;
};

enum {
  DIGITS_MAX = 19,         /* any number of 19 digits fits 64 bits */
  EXPONENT_LIMIT = 100000, /* far beyond any double, far below INT_MAX */
};

/* Adds digits to the mantissa; leading zeros do not count. Returns the end of the digits. */
static const char *take_digits(struct decimal *d, int *significant, const char *at, const char *end)
{
  while (at < end && json_is_digit(*at)) {
    if (*significant < DIGITS_MAX) {
      d->mantissa = d->mantissa * 10 + (uint64_t)(*at - '0');
      *significant += d->mantissa != 0;
    } else {
      d->exact = false;
    }
    at++;
  }
  return at;
}

static struct decimal parse(struct slice token)
{
  struct decimal d = {.integral = true, .exact = true};
  int significant = 0;
  const char *at = token.ptr;
  const char *end = token.ptr + token.len;
  if (at < end && *at == '-') {
    d.negative = true;
    at++;
  }
  at = take_digits(&d, &significant, at, end);
  if (at == end) {
    return d;
  }
  d.integral = false;
  long exponent = 0;
  if (*at == '.') {
    const char *fraction = at + 1;
    at = take_digits(&d, &significant, fraction, end);
    d.exact = d.exact && at - fraction < EXPONENT_LIMIT;
    exponent = d.exact ? -(long)(at - fraction) : 0;
  }
  if (at < end) {
    at++; /* e or E */
    bool minus = *at == '-';
    if (*at == '-' || *at == '+') {
      at++;
    }
    long written = 0;
    for (; at < end && written < EXPONENT_LIMIT; at++) {
      written = written * 10 + (*at - '0');
    }
    exponent += minus ? -written : written;
  }
  d.exponent = (int)exponent;
  return d;
}

/* The general case, by the C library. It wants the locale's decimal point and a terminator, hence the copy. */
static double read_slowly(struct slice token)
{
  char small[128];
  struct buf large = {0};
  const char *point = localeconv()->decimal_point;
  size_t point_len = strlen(point);
  char *copy = token.len + point_len < sizeof small ? small : buf_reserve(&large, token.len + point_len + 1);
  assert(copy != NULL);
  char *to = copy;
  for (size_t i = 0; i < token.len; i++) {
    if (token.ptr[i] == '.') {
      memcpy(to, point, point_len);
      to += point_len;
    } else {
      *to++ = token.ptr[i];
    }
  }
  *to = '\0';
  char *stop;
  double value = strtod(copy, &stop);
  assert(stop == to);
  buf_free(&large);
  return value;
}

/* Both factors are exact and IEEE 754 rounds their product or quotient once, so the result is the nearest double (Clinger 1990). */
static bool read_quickly(const struct decimal *d, double *value)
{
#if FLT_EVAL_METHOD == 0
  static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                  1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  if (!d->exact || d->mantissa > (UINT64_C(1) << 53) || d->exponent < -22 || d->exponent > 22) {
    return false;
  }
  double m = (double)d->mantissa;
  m = d->exponent < 0 ? m / powers[-d->exponent] : m * powers[d->exponent];
  *value = d->negative ? -m : m;
  return true;
#else
  (void)d;
  (void)value;
  return false; /* wider intermediate results would be rounded twice */
#endif
}

enum json_number_kind json_read_number(struct slice token, int64_t *integer, double *real)
{
  struct decimal d = parse(token);
  if (d.integral && d.exact && d.mantissa <= (uint64_t)INT64_MAX + d.negative) {
    *integer = (int64_t)(d.negative ? 0 - d.mantissa : d.mantissa);
    return JSON_INTEGER;
  }
  if (!read_quickly(&d, real)) {
    *real = read_slowly(token);
  }
  return JSON_DOUBLE;
}

const char *json_string_end(const char *at, bool *plain)
{
  *plain = true;
  while (*at != '"') {
    if (*at == '\\') {
      *plain = false;
      at++;
    }
    at++;
  }
  return at;
}

const char *json_string_end_within(const char *at, const char *end, bool *plain)
{
  while (end - at >= 8) {
    uint64_t word = json_load_word(at);
    /* Text beyond ASCII may be marked too, falsely; it is looked at byte by byte. */
    uint64_t marks =
        (((word ^ (JSON_EACH_BYTE * '"')) - JSON_EACH_BYTE) | ((word ^ (JSON_EACH_BYTE * '\\')) - JSON_EACH_BYTE)) & JSON_HIGH_BITS;
    if (marks != 0) {
      at += json_first_mark(marks);
      break;
    }
    at += 8;
  }
  return json_string_end(at, plain);
}

static unsigned read_hex4(const char *at)
{
  unsigned value = 0;
  for (int i = 0; i < 4; i++) {
    unsigned char c = (unsigned char)at[i];
    value = value << 4 | (c <= '9' ? c - 0x30u : (c | 0x20u) - 0x61u + 10u);
  }
  return value;
}

static char *put_utf8(char *to, unsigned c)
{
  if (c < 0x80) {
    *to++ = (char)c;
  } else if (c < 0x800) {
    *to++ = (char)(0xC0 | c >> 6);
    *to++ = (char)(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    *to++ = (char)(0xE0 | c >> 12);
    *to++ = (char)(0x80 | (c >> 6 & 0x3F));
    *to++ = (char)(0x80 | (c & 0x3F));
  } else {
    *to++ = (char)(0xF0 | c >> 18);
    *to++ = (char)(0x80 | (c >> 12 & 0x3F));
    *to++ = (char)(0x80 | (c >> 6 & 0x3F));
    *to++ = (char)(0x80 | (c & 0x3F));
  }
  return to;
}

/* Reads behind \u; advances *at behind the escape, or behind both of a pair. */
static unsigned read_unicode_escape(const char **at, const char *end, int *unpaired)
{
  unsigned c = read_hex4(*at);
  *at += 4;
  if (c < 0xD800 || c > 0xDFFF) {
    return c;
  }
  if (c < 0xDC00 && end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u') {
    unsigned low = read_hex4(*at + 2);
    if (low >= 0xDC00 && low <= 0xDFFF) {
      *at += 6;
      return 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
    }
  }
  ++*unpaired;
  return 0xFFFD;
}

static char short_escape(char c)
{
  switch (c) {
  case 'b':
    return '\b';
  case 'f':
    return '\f';
  case 'n':
    return '\n';
  case 'r':
    return '\r';
  case 't':
    return '\t';
  default:
    return c; /* quote, backslash, slash */
  }
}

int json_read_string(struct slice raw, struct buf *out)
{
  if (raw.len == 0) {
    return 0;
  }
  const char *at = raw.ptr;
  const char *end = raw.ptr + raw.len;
  char *begin = buf_reserve(out, raw.len); /* no escape is shorter than what it spells */
  char *to = begin;
  int unpaired = 0;
  while (at < end) {
    const char *backslash = memchr(at, '\\', (size_t)(end - at));
    size_t run = (size_t)((backslash ? backslash : end) - at);
    memcpy(to, at, run);
    to += run;
    if (backslash == NULL) {
      break;
    }
    at = backslash + 2;
    if (backslash[1] == 'u') {
      to = put_utf8(to, read_unicode_escape(&at, end, &unpaired));
    } else {
      *to++ = short_escape(backslash[1]);
    }
  }
  out->len += (size_t)(to - begin);
  assert(out->len <= out->cap);
  return unpaired;
}
