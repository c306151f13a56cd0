#include "json/scan.h"

#include "base/error.h"
#include "json/inline.h"

static const char UNEXPECTED[] = "unexpected character";

static bool is_hex(char c)
{
  return json_is_digit(c) || ((unsigned char)((c | 0x20) - 'a') < 6);
}

const char *json_utf8_character(const char *at, const char *end, const char **bad)
{
  unsigned char lead = (unsigned char)*at;
  int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
  if (lead < 0xC2 || lead > 0xF4) {
    *bad = at;
    return NULL;
  }
  /* Overlong forms, surrogates and what lies beyond U+10FFFF all show in the second byte. */
  unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  for (at++; more > 0; more--, at++) {
    if (at >= end || (unsigned char)*at < low || (unsigned char)*at > high) {
      *bad = at;
      return NULL;
    }
    low = 0x80;
    high = 0xBF;
  }
  return at;
}

/* Scans behind a backslash. Surrogates need no care: any \uXXXX is accepted, paired or not. */
static const char *scan_escape(struct json_scanner *s, const char *at)
{
  if (at >= s->end) {
    return json_fail(s, at, UNEXPECTED);
  }
  switch (*at) {
  case '"':
  case '\\':
  case '/':
  case 'b':
  case 'f':
  case 'n':
  case 'r':
  case 't':
    return at + 1;
  case 'u':
    at++;
    for (int i = 0; i < 4; i++, at++) {
      if (at >= s->end || !is_hex(*at)) {
        return json_fail(s, at, "not a hexadecimal digit in an escape");
      }
    }
    return at;
  default:
    return json_fail(s, at, "unknown escape in a string");
  }
}

const char *json_scan_string_rest(struct json_scanner *s, const char *at, bool *escaped)
{
  while (at < s->end) {
    unsigned char c = (unsigned char)*at;
    if (c == '"') {
      return at + 1;
    }
    if (c == '\\') {
      *escaped = true;
      at = scan_escape(s, at + 1);
      if (at == NULL) {
        return NULL;
      }
    } else if (c >= 0x80) {
      const char *bad = NULL;
      at = json_utf8_character(at, s->end, &bad);
      if (at == NULL) {
        return json_fail(s, bad, "not UTF-8 in a string");
      }
      continue; /* text beyond ASCII comes in runs */
    } else if (c < 0x20) {
      return json_fail(s, at, "control character in a string");
    }
    at = json_plain_end(at, s->end);
  }
  return json_fail(s, at, UNEXPECTED);
}

const char *json_scan_string(struct json_scanner *s, const char *at)
{
  bool escaped;
  return json_scan_string_escaped(s, at, &escaped);
}

static const char *skip_digits(const char *at, const char *end)
{
  while (at < end && json_is_digit(*at)) {
    at++;
  }
  return at;
}

static const char *scan_digits(struct json_scanner *s, const char *at)
{
  if (at >= s->end || !json_is_digit(*at)) {
    return json_fail(s, at, "missing digit in a number");
  }
  return skip_digits(at + 1, s->end);
}

static const char *scan_fraction_exponent(struct json_scanner *s, const char *at)
{
  if (*at == '.') {
    at = scan_digits(s, at + 1);
    if (at == NULL) {
      return NULL;
    }
  }
  if (at < s->end && (*at | 0x20) == 'e') {
    at++;
    if (at < s->end && (*at == '+' || *at == '-')) {
      at++;
    }
    at = scan_digits(s, at);
  }
  return at;
}

const char *json_scan_number(struct json_scanner *s, const char *at)
{
  const char *digits = *at == '-' ? at + 1 : at;
  at = skip_digits(digits, s->end);
  if (at == digits) {
    return json_fail(s, at, "missing digit in a number");
  }
  if (*digits == '0' && at - digits > 1) {
    return json_fail(s, digits + 1, "leading zero in a number");
  }
  if (at < s->end && (*at == '.' || (*at | 0x20) == 'e')) {
    return scan_fraction_exponent(s, at);
  }
  return at;
}

static const char *scan_word(struct json_scanner *s, const char *at, const char *word)
{
  for (; *word != '\0'; word++, at++) {
    if (at >= s->end || *at != *word) {
      return json_fail(s, at, UNEXPECTED);
    }
  }
  return at;
}

static const char *scan_object(struct json_scanner *s, const char *at, int depth)
{
  at = json_skip_space(at + 1, s->end);
  if (at < s->end && *at == '}') {
    return at + 1;
  }
  for (;;) {
    if (at >= s->end || *at != '"') {
      return json_fail(s, at, "expected a key");
    }
    bool escaped;
    at = json_scan_string_escaped(s, at, &escaped);
    if (at == NULL) {
      return NULL;
    }
    at = json_skip_space(at, s->end);
    if (at >= s->end || *at != ':') {
      return json_fail(s, at, "expected ':'");
    }
    at = json_scan_value(s, json_skip_space(at + 1, s->end), depth);
    if (at == NULL) {
      return NULL;
    }
    at = json_skip_space(at, s->end);
    if (at < s->end && *at == '}') {
      return at + 1;
    }
    if (at >= s->end || *at != ',') {
      return json_fail(s, at, "expected ',' or '}'");
    }
    at = json_skip_space(at + 1, s->end);
  }
}

static const char *scan_array(struct json_scanner *s, const char *at, int depth)
{
  at = json_skip_space(at + 1, s->end);
  if (at < s->end && *at == ']') {
    return at + 1;
  }
  for (;;) {
    at = json_scan_value(s, at, depth);
    if (at == NULL) {
      return NULL;
    }
    at = json_skip_space(at, s->end);
    if (at < s->end && *at == ']') {
      return at + 1;
    }
    if (at >= s->end || *at != ',') {
      return json_fail(s, at, "expected ',' or ']'");
    }
    at = json_skip_space(at + 1, s->end);
  }
}

const char *json_scan_value(struct json_scanner *s, const char *at, int depth)
{
  if (at >= s->end) {
    return json_fail(s, at, UNEXPECTED);
  }
  switch (*at) {
  case '"':
    return json_scan_string(s, at);
  case '{':
    return depth < JSON_DEPTH_MAX ? scan_object(s, at, depth + 1) : json_fail(s, at, "nested too deeply");
  case '[':
    return depth < JSON_DEPTH_MAX ? scan_array(s, at, depth + 1) : json_fail(s, at, "nested too deeply");
  case 't':
    return scan_word(s, at, "true");
  case 'f':
    return scan_word(s, at, "false");
  case 'n':
    return scan_word(s, at, "null");
  default:
    if (*at == '-' || json_is_digit(*at)) {
      return json_scan_number(s, at);
    }
    return json_fail(s, at, "expected a value");
  }
}

const char *json_scan_space(struct json_scanner *s, const char *at)
{
  return json_skip_space(at, s->end);
}

int json_scan(struct slice text, struct json_error *error)
{
  const char *begin = text.len > 0 ? text.ptr : "";
  struct json_scanner s = {.begin = begin, .end = begin + text.len};
  const char *at = json_scan_value(&s, json_skip_space(begin, s.end), 0);
  if (at != NULL) {
    at = json_skip_space(at, s.end);
    if (at == s.end) {
      return 0;
    }
    json_fail(&s, at, "text behind the value");
  }
  *error = s.error;
  return ERROR_JSON;
}
