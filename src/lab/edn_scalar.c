/* Strings, characters and numbers. */
#include "lab/edn_scalar.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include "json/read.h"

bool edn_fail(struct edn_reader *r, const char *at, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  vsnprintf(r->reason, sizeof r->reason, format, args);
  va_end(args);
  r->wrong = at;
  return false;
}

const char *edn_name_byte(const char *at, char out[16])
{
  unsigned char c = (unsigned char)*at;
  snprintf(out, 16, c > ' ' && c < 0x7f ? "'%c'" : "byte 0x%02x", c);
  return out;
}

bool edn_is_constituent(char c)
{
  return edn_is_letter(c) || edn_is_digit(c) || (unsigned char)c >= 0x80 || (c != '\0' && strchr(".*+!-_?$%&=<>/:#'|", c) != NULL);
}

const char *edn_token_end(const struct edn_reader *r, const char *at)
{
  while (at < r->end && edn_is_constituent(*at)) {
    at++;
  }
  return at;
}

/* ---- strings and characters ---- */

static void append_utf8(struct buf *out, uint32_t c)
{
  if (c >= 0xd800 && c <= 0xdfff) { /* half of a pair, alone */
    c = 0xfffd;
  }
  if (c < 0x80) {
    buf_append_char(out, (char)c);
    return;
  }
  if (c < 0x800) {
    buf_append_char(out, (char)(0xc0 | c >> 6));
  } else {
    if (c < 0x10000) {
      buf_append_char(out, (char)(0xe0 | c >> 12));
    } else {
      buf_append_char(out, (char)(0xf0 | c >> 18));
      buf_append_char(out, (char)(0x80 | (c >> 12 & 0x3f)));
    }
    buf_append_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
  }
  buf_append_char(out, (char)(0x80 | (c & 0x3f)));
}

/* Reads exactly `n` digits of base 8 or 16 at `at`. False if they are not there. */
static bool digits(const struct edn_reader *r, const char *at, int n, unsigned base, uint32_t *out)
{
  *out = 0;
  if (r->end - at < n) {
    return false;
  }
  for (int i = 0; i < n; i++) {
    char lower = (char)(at[i] | 0x20);
    unsigned digit = edn_is_digit(at[i]) ? (unsigned)(at[i] - '0') : lower >= 'a' && lower <= 'f' ? (unsigned)(lower - 'a' + 10) : base;
    if (digit >= base) {
      return false;
    }
    *out = *out * base + digit;
  }
  return true;
}

/* At the backslash of a \uXXXX. A pair of them may be one character, as in Java. */
static bool unicode_escape(struct edn_reader *r)
{
  uint32_t high;
  uint32_t low;
  if (!digits(r, r->at + 2, 4, 16, &high)) {
    return edn_fail(r, r->at, "four hexadecimal digits expected behind \\u");
  }
  r->at += 6;
  bool pair = high >= 0xd800 && high <= 0xdbff && r->end - r->at >= 6 && r->at[0] == '\\' && r->at[1] == 'u' &&
              digits(r, r->at + 2, 4, 16, &low) && low >= 0xdc00 && low <= 0xdfff;
  if (pair) {
    r->at += 6;
    high = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
  }
  append_utf8(&r->text, high);
  return true;
}

static bool escape(struct edn_reader *r)
{
  static const char from[] = "tnrbf\"\\";
  static const char to[] = "\t\n\r\b\f\"\\";
  if (r->end - r->at < 2) {
    r->at = r->end;
    return true; /* string() says that it does not end */
  }
  char c = r->at[1];
  const char *known = c != '\0' ? strchr(from, c) : NULL;
  if (known != NULL) {
    buf_append_char(&r->text, to[known - from]);
    r->at += 2;
    return true;
  }
  if (c == 'u') {
    return unicode_escape(r);
  }
  char found[16];
  return edn_fail(r, r->at, "a backslash in a string, followed by %s", edn_name_byte(r->at + 1, found));
}

/* At the opening quote. */
bool edn_string(struct edn_reader *r)
{
  const char *begin = r->at++;
  buf_clear(&r->text);
  while (r->at < r->end && *r->at != '"') {
    const char *plain = r->at;
    while (r->at < r->end && *r->at != '"' && *r->at != '\\') {
      r->at++;
    }
    buf_append(&r->text, plain, (size_t)(r->at - plain));
    if (r->at < r->end && *r->at == '\\' && !escape(r)) {
      return false;
    }
  }
  if (r->at == r->end) {
    return edn_fail(r, begin, "a string begins here and does not end");
  }
  r->at++;
  lua_pushlstring(r->L, r->text.data, r->text.len);
  return true;
}

static bool push_character(struct edn_reader *r, const char *end, uint32_t c)
{
  r->at = end;
  buf_clear(&r->text);
  append_utf8(&r->text, c);
  lua_pushlstring(r->L, r->text.data, r->text.len);
  return true;
}

/* At the backslash of \a, \newline or \u0061. */
bool edn_character(struct edn_reader *r)
{
  static const struct {
    const char *name;
    char c;
  } names[] = {{"newline", '\n'}, {"space", ' '}, {"tab", '\t'}, {"return", '\r'}, {"backspace", '\b'}, {"formfeed", '\f'}};
  const char *begin = r->at + 1;
  if (begin == r->end || edn_is_space(*begin)) {
    return edn_fail(r, r->at, "a character expected behind the backslash");
  }
  const char *one = begin + 1; /* behind the first character */
  while (one < r->end && ((unsigned char)*begin >= 0xc0) && ((unsigned char)*one & 0xc0) == 0x80) {
    one++;
  }
  const char *end = edn_is_constituent(*begin) ? edn_token_end(r, begin) : one;
  if (end == one) {
    lua_pushlstring(r->L, begin, (size_t)(end - begin));
    r->at = end;
    return true;
  }
  struct slice name = slice_of(begin, (size_t)(end - begin));
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (slice_equal(name, slice_of(names[i].name, strlen(names[i].name)))) {
      return push_character(r, end, (unsigned char)names[i].c);
    }
  }
  uint32_t c;
  bool coded = (*begin == 'u' && name.len == 5 && digits(r, one, 4, 16, &c)) ||
               (*begin == 'o' && name.len <= 4 && digits(r, one, (int)name.len - 1, 8, &c));
  return coded ? push_character(r, end, c)
               : edn_fail(r, r->at, "no character has the name \\%.*s", name.len > 40 ? 40 : (int)name.len, name.ptr);
}

/* ---- numbers ---- */

static const char *digits_end(const char *at, const char *end)
{
  while (at < end && edn_is_digit(*at)) {
    at++;
  }
  return at;
}

/* `token` is a number without its sign '+' and its suffix: a JSON number. */
static bool push_number(struct edn_reader *r, const char *begin, struct slice token, bool whole)
{
  int64_t integer;
  double real;
  if (json_read_number(token, &integer, &real) == JSON_INTEGER) {
    if (whole) {
      lua_pushinteger(r->L, integer);
    } else {
      lua_pushnumber(r->L, (lua_Number)integer);
    }
    return true;
  }
  if (whole) {
    return edn_fail(r, begin, "an integer that does not fit 64 bits");
  }
  lua_pushnumber(r->L, real);
  return true;
}

bool edn_number(struct edn_reader *r)
{
  const char *begin = r->at;
  const char *end = edn_token_end(r, begin);
  const char *first = begin + (*begin == '+');
  const char *at = first + (*first == '-');
  const char *digit = at;
  at = digits_end(at, end);
  if (*digit == '0' && at - digit > 1) {
    return edn_fail(r, begin, "a number with a leading zero");
  }
  if (at < end && *at == '/') {
    return edn_fail(r, begin, "a ratio: only integers and decimal numbers can be read");
  }
  bool whole = true;
  if (at < end && *at == '.') {
    whole = false;
    const char *fraction = at + 1;
    at = digits_end(fraction, end);
    if (at == fraction) {
      return edn_fail(r, begin, "a digit expected behind the decimal point of a number");
    }
  }
  if (at < end && (*at == 'e' || *at == 'E')) {
    whole = false;
    at++;
    at += at < end && (*at == '+' || *at == '-');
    const char *exponent = at;
    at = digits_end(at, end);
    if (at == exponent) {
      return edn_fail(r, begin, "a digit expected in the exponent of a number");
    }
  }
  struct slice token = slice_of(first, (size_t)(at - first));
  bool decimal = at < end && *at == 'M';
  at += decimal || (at < end && *at == 'N' && whole);
  if (at != end) {
    return edn_fail(r, begin, "not a number: %.*s", end - begin > 40 ? 40 : (int)(end - begin), begin);
  }
  r->at = end;
  return push_number(r, begin, token, whole && !decimal);
}
