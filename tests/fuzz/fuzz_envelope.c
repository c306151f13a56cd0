/* The envelope scanner against a second one that takes no short cuts: it looks at one object at a time, spells every key out and takes
 * the last that matches. */
#include <string.h>

#include "base/error.h"
#include "check.h"
#include "json/envelope.h"
#include "json/read.h"

/* The text of the last value under this key of an object; an empty slice if there is none. */
static struct slice find(struct slice object, const char *name)
{
  struct json_scanner s = {.begin = object.ptr, .end = object.ptr + object.len};
  struct slice found = slice_of(NULL, 0);
  const char *at = json_scan_space(&s, object.ptr + 1);
  while (*at != '}') {
    if (*at == ',') {
      at = json_scan_space(&s, at + 1);
    }
    const char *behind = json_scan_string(&s, at);
    struct buf key = {0};
    json_read_string(slice_of(at + 1, (size_t)(behind - at) - 2), &key);
    at = json_scan_space(&s, behind);
    at = json_scan_space(&s, at + 1);
    behind = json_scan_value(&s, at, 0);
    if (slice_equal(buf_slice(&key), slice_of(name, strlen(name)))) {
      found = slice_of(at, (size_t)(behind - at));
    }
    buf_free(&key);
    at = json_scan_space(&s, behind);
  }
  return found;
}

static bool begins_with(struct slice value, const char *any_of)
{
  return value.len > 0 && strchr(any_of, value.ptr[0]) != NULL;
}

static bool is_name(struct slice value)
{
  return begins_with(value, "\"") && value.len > 2;
}

static bool is_number(struct slice value)
{
  return begins_with(value, "-0123456789");
}

static bool is_id(struct slice value)
{
  return value.len == 0 || is_number(value) || begins_with(value, "n");
}

static void check_name(struct slice got, struct slice value)
{
  struct buf expected = {0};
  json_read_string(slice_of(value.ptr + 1, value.len - 2), &expected);
  CHECK(slice_equal(got, buf_slice(&expected)));
  buf_free(&expected);
}

static void check_number(struct slice got, struct slice value)
{
  CHECK(slice_equal(got, is_number(value) ? value : slice_of(NULL, 0)));
}

static bool is_body(struct slice body)
{
  return begins_with(body, "{") && is_name(find(body, "type")) && is_id(find(body, "msg_id")) && is_id(find(body, "in_reply_to"));
}

static void check_body_fields(const struct json_envelope *got, struct slice body)
{
  check_name(got->type, find(body, "type"));
  check_number(got->msg_id, find(body, "msg_id"));
  check_number(got->in_reply_to, find(body, "in_reply_to"));
}

/* A valid text without the white space around it. */
static struct slice trimmed(struct slice text)
{
  struct json_scanner s = {.begin = text.ptr, .end = text.ptr + text.len};
  const char *at = json_scan_space(&s, text.ptr);
  return slice_of(at, (size_t)(json_scan_value(&s, at, 0) - at));
}

static void check_body(struct slice line, int json, struct buf *scratch)
{
  struct json_envelope got;
  struct json_error error;
  int result = json_body_scan(line, scratch, &got, &error);
  if (json != 0) {
    CHECK(result == ERROR_JSON);
    return;
  }
  CHECK(result == (is_body(trimmed(line)) ? 0 : ERROR_ENVELOPE));
  if (result == 0) {
    check_body_fields(&got, trimmed(line));
    CHECK(got.src.len == 0 && got.dest.len == 0 && got.body.len == 0 && got.id.len == 0);
  }
}

static void check_message(struct slice line, int json, const struct json_error *json_error, struct buf *scratch)
{
  struct json_envelope got;
  struct json_error error = {.offset = SIZE_MAX};
  int result = json_envelope_scan(line, scratch, &got, &error);
  if (json != 0) {
    CHECK(result == ERROR_JSON);
    CHECK(error.offset == json_error->offset && strcmp(error.reason, json_error->reason) == 0);
    return;
  }
  struct slice message = trimmed(line);
  bool envelope =
      begins_with(message, "{") && is_name(find(message, "src")) && is_name(find(message, "dest")) && is_body(find(message, "body"));
  CHECK(result == (envelope ? 0 : ERROR_ENVELOPE));
  if (!envelope) {
    CHECK(error.offset <= line.len && error.reason != NULL);
    return;
  }
  check_name(got.src, find(message, "src"));
  check_name(got.dest, find(message, "dest"));
  check_number(got.id, find(message, "id"));
  CHECK(got.body.ptr == find(message, "body").ptr && got.body.len == find(message, "body").len);
  check_body_fields(&got, got.body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  char *copy = malloc(size);
  if (size > 0) {
    memcpy(copy, data, size);
  }
  struct slice line = slice_of(copy, size);
  struct json_error error;
  struct buf scratch = {0};
  int json = json_scan(line, &error);
  check_message(line, json, &error, &scratch);
  check_body(line, json, &scratch);
  buf_free(&scratch);
  free(copy);
  return 0;
}
