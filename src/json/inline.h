/* The innermost loops, shared by scanner, envelope, reader and writer. Private to src/json.
 *
 * Strings are looked at eight bytes at a time: a word is loaded only where all eight bytes lie inside the range, and a bit trick marks
 * the bytes that end a plain run. */
#ifndef VORTEX_JSON_INLINE_H
#define VORTEX_JSON_INLINE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "json/scan.h"

#define JSON_EACH_BYTE UINT64_C(0x0101010101010101)
#define JSON_HIGH_BITS UINT64_C(0x8080808080808080)

/* Eight bytes with the first in the lowest place. */
static inline uint64_t json_load_word(const char *at)
{
  uint64_t word;
  memcpy(&word, at, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  word = __builtin_bswap64(word);
#endif
  return word;
}

/* Four bytes in the lower half of a word, with blanks above them. */
static inline uint64_t json_half_word(uint32_t half)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  half = __builtin_bswap32(half);
#endif
  return half | UINT64_C(0x2020202000000000);
}

/* Marks (high bit) the bytes that may not simply be copied: quote, backslash, control characters, and everything beyond ASCII.
 *
 * Subtracting from a byte sets its high bit if the byte was smaller, or had the bit already; those that had it are marked anyway. A
 * borrow can reach only bytes above the one that caused it, which is marked, so the lowest mark is always right. */
static inline uint64_t json_special_bytes(uint64_t word)
{
  uint64_t quote = (word ^ (JSON_EACH_BYTE * '"')) - JSON_EACH_BYTE;
  uint64_t backslash = (word ^ (JSON_EACH_BYTE * '\\')) - JSON_EACH_BYTE;
  uint64_t control = word - JSON_EACH_BYTE * 0x20;
  return (quote | backslash | control | word) & JSON_HIGH_BITS;
}

static inline size_t json_first_mark(uint64_t marks)
{
  return (size_t)__builtin_ctzll(marks) / 8;
}

static inline bool json_is_special(unsigned char c)
{
  return c < 0x20 || c >= 0x80 || c == '"' || c == '\\';
}

/* The first special byte at or behind `at`, or end. */
static inline const char *json_plain_end(const char *at, const char *end)
{
  while (end - at >= 8) {
    uint64_t marks = json_special_bytes(json_load_word(at));
    if (marks != 0) {
      return at + json_first_mark(marks);
    }
    at += 8;
  }
  if (end - at >= 4) { /* four bytes as a word whose other half is plain */
    uint32_t half;
    memcpy(&half, at, sizeof half);
    uint64_t marks = json_special_bytes(json_half_word(half));
    if (marks != 0) {
      return at + json_first_mark(marks);
    }
    at += 4;
  }
  while (at < end && !json_is_special((unsigned char)*at)) {
    at++;
  }
  return at;
}

/* Almost always there is none: one comparison says so. */
static inline const char *json_skip_space(const char *at, const char *end)
{
  while (at < end && (unsigned char)*at <= ' ') {
    if (*at != ' ' && *at != '\n' && *at != '\r' && *at != '\t') {
      break;
    }
    at++;
  }
  return at;
}

static inline bool json_is_digit(char c)
{
  return (unsigned char)(c - '0') < 10;
}

/* Records the first error; returns NULL. */
static inline const char *json_fail(struct json_scanner *s, const char *at, const char *reason)
{
  s->error.offset = (size_t)(at - s->begin);
  s->error.reason = at < s->end ? reason : "unexpected end of text";
  return NULL;
}

/* Checks one character beyond ASCII (RFC 3629) at `at` < end. Returns the position behind it, or NULL with *bad at the first byte that
 * cannot continue it (perhaps end). */
const char *json_utf8_character(const char *at, const char *end, const char **bad);

/* Scans the rest of a string from a special byte (or the end) on; as json_scan_string. Sets *escaped at an escape. */
const char *json_scan_string_rest(struct json_scanner *s, const char *at, bool *escaped);

/* As json_scan_string, and says whether there were escapes. */
static inline const char *json_scan_string_escaped(struct json_scanner *s, const char *at, bool *escaped)
{
  *escaped = false;
  at = json_plain_end(at + 1, s->end);
  if (at < s->end && *at == '"') {
    return at + 1;
  }
  return json_scan_string_rest(s, at, escaped);
}

#endif
