/* The same JSON value in another spelling: members in another order and twice (the last counts), white space, escapes that need not be,
 * 1.0 and 10e-1 for 1. What Maelstrom or anybody else on the way may do to a line, and more. */
#ifndef VORTEX_TESTS_RESPELL_H
#define VORTEX_TESTS_RESPELL_H

#include "base/buf.h"
#include "base/prng.h"
#include "json/iter.h"
#include "json/read.h"

enum {
  RESPELL_MEMBERS_MAX = 64
};

static inline void respell_space(struct prng *p, struct buf *out)
{
  while (prng_below(p, 4) == 0) {
    buf_append_char(out, " \t\r "[prng_below(p, 4)]);
  }
}

static inline void respell_number(struct slice token, struct prng *p, struct buf *out)
{
  bool integral = memchr(token.ptr, '.', token.len) == NULL && memchr(token.ptr, 'e', token.len) == NULL;
  const char *e = memchr(token.ptr, 'e', token.len);
  if (integral && token.len <= 15) {
    static const char *const behind[] = {"", ".0", "e0", ".00E+0", "0e-1"};
    size_t which = prng_below(p, 5);
    bool zero = slice_equal(token, SLICE("0"));
    buf_append_str(out, zero && prng_below(p, 2) == 0 ? "-" : "");
    buf_append_slice(out, token);
    buf_append_str(out, zero && which == 4 ? "" : behind[which]);
  } else if (e != NULL) {
    buf_append(out, token.ptr, (size_t)(e - token.ptr));
    buf_append_str(out, e[1] == '-' ? "E" : "E+0");
    buf_append(out, e + 1, token.len - (size_t)(e + 1 - token.ptr));
  } else {
    buf_append_slice(out, token);
    buf_append_str(out, integral ? "" : prng_below(p, 2) == 0 ? "00" : "e0");
  }
}

/* One character of valid UTF-8; returns its length. */
static inline size_t respell_code(const char *at, unsigned *code)
{
  unsigned char c = (unsigned char)*at;
  size_t len = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
  *code = len == 1 ? c : c & (0xFFu >> (len + 1));
  for (size_t i = 1; i < len; i++) {
    *code = *code << 6 | ((unsigned char)at[i] & 0x3F);
  }
  return len;
}

static inline void respell_string(struct slice raw, struct prng *p, struct buf *out)
{
  struct buf text = {0};
  json_read_string(raw, &text);
  buf_append_char(out, '"');
  for (size_t i = 0; i < text.len;) {
    unsigned code;
    size_t len = respell_code(text.data + i, &code);
    const char *format = prng_below(p, 2) == 0 ? "\\u%04x" : "\\u%04X";
    if (code == '/' && prng_below(p, 2) == 0) {
      buf_append_str(out, "\\/");
    } else if (code == '\n' && prng_below(p, 2) == 0) {
      buf_append_str(out, "\\n");
    } else if (code >= 0x10000 && prng_below(p, 2) == 0) {
      buf_printf(out, format, 0xD800 + ((code - 0x10000) >> 10));
      buf_printf(out, format, 0xDC00 + ((code - 0x10000) & 0x3FF));
    } else if (code < 0x20 || code == '"' || code == '\\' || (code < 0x10000 && prng_below(p, 4) == 0)) {
      buf_printf(out, format, code);
    } else {
      buf_append(out, text.data + i, len);
    }
    i += len;
  }
  buf_append_char(out, '"');
  buf_free(&text);
}

static inline void respell(struct slice value, struct prng *p, struct buf *out);

static inline void respell_member(struct slice key, struct slice value, struct prng *p, struct buf *out)
{
  respell_space(p, out);
  respell_string(key, p, out);
  respell_space(p, out);
  buf_append_char(out, ':');
  respell_space(p, out);
  respell(value, p, out);
  respell_space(p, out);
}

/* Objects of more members than RESPELL_MEMBERS_MAX keep the order of the others. */
static inline void respell_object(struct slice value, struct prng *p, struct buf *out)
{
  struct slice keys[RESPELL_MEMBERS_MAX];
  struct slice values[RESPELL_MEMBERS_MAX];
  size_t count = 0;
  struct json_iter it;
  json_iter_init(&it, value);
  while (count < RESPELL_MEMBERS_MAX && json_iter_member(&it, &keys[count], &values[count])) {
    size_t j = prng_below(p, count + 1);
    struct slice key = keys[count];
    struct slice v = values[count];
    keys[count] = keys[j];
    values[count] = values[j];
    keys[j] = key;
    values[j] = v;
    count++;
  }
  buf_append_char(out, '{');
  bool any = false;
  for (size_t i = 0; i < count; i++) {
    if (prng_below(p, 8) == 0) { /* an earlier one that does not count */
      buf_append_str(out, any ? "," : "");
      any = true;
      respell_member(keys[i + prng_below(p, count - i)], SLICE("[{\"z\":1,\"a\":[{}]},2]"), p, out);
    }
    buf_append_str(out, any ? "," : "");
    any = true;
    respell_member(keys[i], values[i], p, out);
  }
  struct slice key;
  struct slice v;
  while (count == RESPELL_MEMBERS_MAX && json_iter_member(&it, &key, &v)) {
    buf_append_char(out, ',');
    respell_member(key, v, p, out);
  }
  respell_space(p, out);
  buf_append_char(out, '}');
}

static inline void respell_array(struct slice value, struct prng *p, struct buf *out)
{
  struct json_iter it;
  struct slice element;
  bool any = false;
  buf_append_char(out, '[');
  json_iter_init(&it, value);
  while (json_iter_element(&it, &element)) {
    buf_append_str(out, any ? "," : "");
    any = true;
    respell_space(p, out);
    respell(element, p, out);
    respell_space(p, out);
  }
  respell_space(p, out);
  buf_append_char(out, ']');
}

/* Appends a value that the scanner accepted (no white space around it). */
static inline void respell(struct slice value, struct prng *p, struct buf *out)
{
  switch (value.ptr[0]) {
  case '{':
    respell_object(value, p, out);
    break;
  case '[':
    respell_array(value, p, out);
    break;
  case '"':
    respell_string(slice_of(value.ptr + 1, value.len - 2), p, out);
    break;
  case 't':
  case 'f':
  case 'n':
    buf_append_slice(out, value);
    break;
  default:
    respell_number(value, p, out);
  }
}

#endif
