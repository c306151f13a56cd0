/* Histories in JSON: an object per line, or one array of objects. */
#include "lab/history_reader.h"
#include "script/codec.h"
#include "script/script.h"
#include "json/iter.h"
#include "json/scan.h"

static bool add_object(struct history_reader *r, struct slice text)
{
  if (text.len == 0 || *text.ptr != '{') {
    return history_fail(r, text.ptr, "an operation (an object) expected");
  }
  codec_decode(script_of(r->L), r->L, text);
  return history_add(r, text.ptr);
}

static bool scan(struct history_reader *r, struct slice text)
{
  struct json_error error;
  return json_scan(text, &error) == 0 || history_fail(r, text.ptr + error.offset, "%s", error.reason);
}

static bool is_space(char c)
{
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Without the white space around it. */
static struct slice trim(struct slice text)
{
  while (text.len > 0 && is_space(*text.ptr)) {
    text.ptr++;
    text.len--;
  }
  while (text.len > 0 && is_space(text.ptr[text.len - 1])) {
    text.len--;
  }
  return text;
}

static bool read_array(struct history_reader *r, struct slice array)
{
  struct json_iter it;
  struct slice element;
  if (!scan(r, array)) {
    return false;
  }
  json_iter_init(&it, array);
  while (json_iter_element(&it, &element)) {
    if (!add_object(r, element)) {
      return false;
    }
  }
  return true;
}

bool history_read_json(struct history_reader *r)
{
  struct slice whole = trim(r->text);
  if (whole.len > 0 && *whole.ptr == '[') {
    return read_array(r, whole);
  }
  const char *at = whole.ptr;
  const char *end = at + whole.len;
  while (at < end) {
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    const char *behind = newline != NULL ? newline : end;
    struct slice line = trim(slice_of(at, (size_t)(behind - at)));
    if (line.len > 0 && (!scan(r, line) || !add_object(r, line))) {
      return false;
    }
    at = behind + 1;
  }
  return r->count > 0 || history_fail(r, NULL, "no operation in it");
}
