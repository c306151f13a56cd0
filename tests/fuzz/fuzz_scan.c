/* Whatever the scanner accepts can be read and written again, value by value, and what was written is accepted and reads the same. */
#include <math.h>
#include <string.h>

#include "check.h"
#include "json/read.h"
#include "json/scan.h"
#include "json/write.h"

static const char *rewrite(struct json_scanner *s, const char *at, struct buf *out);

static const char *rewrite_string(struct json_scanner *s, const char *at, struct buf *out)
{
  const char *behind = json_scan_string(s, at);
  CHECK(behind != NULL && behind - at >= 2 && behind[-1] == '"');
  struct slice raw = slice_of(at + 1, (size_t)(behind - at) - 2);

  bool plain;
  bool plain_within;
  CHECK(json_string_end(at + 1, &plain) == behind - 1);
  CHECK(json_string_end_within(at + 1, s->end, &plain_within) == behind - 1);
  CHECK(plain == plain_within);

  struct buf text = {0};
  int unpaired = json_read_string(raw, &text);
  CHECK(unpaired == 0 || !plain);
  CHECK(!plain || slice_equal(buf_slice(&text), raw));

  size_t before = out->len;
  CHECK(json_write_string(out, buf_slice(&text)) == 0);
  struct buf again = {0};
  CHECK(json_read_string(slice_of(out->data + before + 1, out->len - before - 2), &again) == 0);
  CHECK(slice_equal(buf_slice(&again), buf_slice(&text)));
  buf_free(&again);
  buf_free(&text);
  return behind;
}

static const char *rewrite_number(struct json_scanner *s, const char *at, struct buf *out)
{
  const char *behind = json_scan_number(s, at);
  CHECK(behind != NULL);
  int64_t integer = 0;
  double real = 0;
  if (json_read_number(slice_of(at, (size_t)(behind - at)), &integer, &real) == JSON_INTEGER) {
    json_write_integer(out, integer);
  } else if (json_write_double(out, real) != 0) {
    CHECK(isinf(real));
    buf_append_str(out, "null");
  }
  return behind;
}

static const char *rewrite_members(struct json_scanner *s, const char *at, struct buf *out)
{
  char close = *at == '{' ? '}' : ']';
  bool object = *at == '{';
  buf_append_char(out, *at);
  at = json_scan_space(s, at + 1);
  while (*at != close) {
    if (*at == ',') {
      buf_append_char(out, ',');
      at = json_scan_space(s, at + 1);
    }
    if (object) {
      at = json_scan_space(s, rewrite_string(s, at, out));
      CHECK(*at == ':');
      buf_append_char(out, ':');
      at = json_scan_space(s, at + 1);
    }
    at = json_scan_space(s, rewrite(s, at, out));
  }
  buf_append_char(out, close);
  return at + 1;
}

static const char *rewrite(struct json_scanner *s, const char *at, struct buf *out)
{
  if (*at == '{' || *at == '[') {
    return rewrite_members(s, at, out);
  }
  if (*at == '"') {
    return rewrite_string(s, at, out);
  }
  if (*at == '-' || (*at >= '0' && *at <= '9')) {
    return rewrite_number(s, at, out);
  }
  size_t len = *at == 'f' ? 5 : 4;
  buf_append(out, at, len);
  return at + len;
}

/* The whole text once more, from values. */
static void rewrite_text(struct slice text, struct buf *out)
{
  struct json_scanner s = {.begin = text.ptr, .end = text.ptr + text.len};
  const char *at = rewrite(&s, json_scan_space(&s, text.ptr), out);
  CHECK(json_scan_space(&s, at) == s.end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  /* A copy of exactly this size, so that the address sanitizer sees a byte too far. */
  char *copy = malloc(size);
  if (size > 0) {
    memcpy(copy, data, size);
  }
  struct slice text = slice_of(copy, size);
  struct json_error error = {.offset = SIZE_MAX};
  if (json_scan(text, &error) != 0) {
    CHECK(error.offset <= size && error.reason != NULL);
  } else {
    struct buf once = {0};
    struct buf twice = {0};
    rewrite_text(text, &once);
    CHECK(json_scan(buf_slice(&once), &error) == 0);
    rewrite_text(buf_slice(&once), &twice);
    CHECK(slice_equal(buf_slice(&once), buf_slice(&twice)));
    buf_free(&once);
    buf_free(&twice);
  }
  free(copy);
  return 0;
}
