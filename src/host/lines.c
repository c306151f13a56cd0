#include "host/lines.h"

#include "base/assert.h"

void lines_init(struct lines *l, size_t max)
{
  *l = (struct lines){.max = max};
}

void lines_free(struct lines *l)
{
  buf_free(&l->bytes);
  l->begin = l->scanned = 0;
}

/* Gives memory back once a long line is over: what is left needs only a small part of it. */
static void shrink(struct lines *l, size_t n)
{
  if (l->bytes.cap > 8 * n && l->bytes.len < n) {
    struct buf small = {0};
    buf_append(&small, l->bytes.data, l->bytes.len);
    buf_free(&l->bytes);
    l->bytes = small;
  }
}

char *lines_space(struct lines *l, size_t n)
{
  if (l->begin > 0) {
    if (l->begin == l->bytes.len) {
      buf_clear(&l->bytes);
    } else {
      buf_consume(&l->bytes, l->begin);
    }
    l->scanned -= l->begin;
    l->begin = 0;
    shrink(l, n);
  }
  return buf_reserve(&l->bytes, n + 1); /* one more than is filled, so that the last line too has a readable byte behind it */
}

void lines_added(struct lines *l, size_t n)
{
  assert(n < l->bytes.cap - l->bytes.len);
  l->bytes.len += n;
}

static struct slice head_of(struct slice line)
{
  return slice_of(line.ptr, line.len < LINES_HEAD_BYTES ? line.len : LINES_HEAD_BYTES);
}

static enum lines_result hand_out(const struct lines *l, struct slice found, struct slice *line)
{
  bool too_long = found.len > l->max;
  *line = too_long ? head_of(found) : found;
  return too_long ? LINES_TOO_LONG : LINES_LINE;
}

/* Where the newline is, or NULL; remembers what has been looked at. */
static const char *find_newline(struct lines *l)
{
  size_t rest = l->bytes.len - l->scanned;
  const char *newline = rest == 0 ? NULL : memchr(l->bytes.data + l->scanned, '\n', rest);
  l->scanned = newline == NULL ? l->bytes.len : (size_t)(newline - l->bytes.data) + 1;
  return newline;
}

enum lines_result lines_next(struct lines *l, struct slice *line)
{
  if (l->bytes.data == NULL) {
    return LINES_NONE;
  }
  const char *newline = find_newline(l);
  if (l->skipping) {
    l->begin = l->scanned;
    if (newline == NULL) {
      return LINES_NONE;
    }
    l->skipping = false;
    newline = find_newline(l);
  }
  struct slice found = slice_of(l->bytes.data + l->begin, l->scanned - l->begin);
  if (newline != NULL) {
    found.len--;
    l->begin = l->scanned;
    return hand_out(l, found, line);
  }
  if (found.len > l->max) {
    l->skipping = true;
    l->begin = l->scanned;
    return hand_out(l, found, line);
  }
  return LINES_NONE;
}

enum lines_result lines_last(struct lines *l, struct slice *line)
{
  assert(l->scanned == l->bytes.len);
  struct slice found = slice_of(l->bytes.data + l->begin, l->bytes.len - l->begin);
  l->begin = l->scanned;
  if (l->skipping || found.len == 0) {
    return LINES_NONE;
  }
  l->bytes.data[l->bytes.len] = '\n';
  return hand_out(l, found, line);
}
