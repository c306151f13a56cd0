#include "json/iter.h"

#include "base/assert.h"
#include "json/read.h"
#include "json/scan.h"

void json_iter_init(struct json_iter *it, struct slice container)
{
  assert(container.len >= 2);
  assert(container.ptr[0] == '{' || container.ptr[0] == '[');
  it->at = container.ptr + 1;
  it->end = container.ptr + container.len;
}

/* Moves to the next value and says whether there is one; the text is known to be valid, so a separator can only be where it belongs. */
static bool next(struct json_iter *it, struct json_scanner *s)
{
  *s = (struct json_scanner){.begin = it->at, .end = it->end};
  it->at = json_scan_space(s, it->at);
  if (it->at < it->end && *it->at == ',') {
    it->at = json_scan_space(s, it->at + 1);
  }
  return it->at < it->end && *it->at != '}' && *it->at != ']';
}

static struct slice value_at(struct json_iter *it, struct json_scanner *s)
{
  const char *begin = it->at;
  const char *end = json_scan_value(s, begin, 0);
  assert(end != NULL);
  it->at = end;
  return slice_of(begin, (size_t)(end - begin));
}

bool json_iter_member(struct json_iter *it, struct slice *raw_key, struct slice *value)
{
  struct json_scanner s;
  if (!next(it, &s)) {
    return false;
  }
  bool plain;
  const char *quote = json_string_end(it->at + 1, &plain);
  *raw_key = slice_of(it->at + 1, (size_t)(quote - it->at - 1));
  it->at = json_scan_space(&s, quote + 1);
  assert(*it->at == ':');
  it->at = json_scan_space(&s, it->at + 1);
  *value = value_at(it, &s);
  return true;
}

bool json_iter_element(struct json_iter *it, struct slice *value)
{
  struct json_scanner s;
  if (!next(it, &s)) {
    return false;
  }
  *value = value_at(it, &s);
  return true;
}

bool json_key_is(struct slice raw_key, struct slice name)
{
  if (raw_key.len == 0 || memchr(raw_key.ptr, '\\', raw_key.len) == NULL) {
    return slice_equal(raw_key, name);
  }
  struct buf spelled = {0};
  json_read_string(raw_key, &spelled);
  bool equal = slice_equal(buf_slice(&spelled), name);
  buf_free(&spelled);
  return equal;
}

bool json_value_string(struct slice value, struct buf *out)
{
  buf_clear(out);
  if (value.len < 2 || value.ptr[0] != '"') {
    return false;
  }
  json_read_string(slice_of(value.ptr + 1, value.len - 2), out);
  return true;
}
