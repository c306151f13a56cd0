#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

enum {
  CAP_MIN = 64
};

void buf_init(struct buf *b)
{
  *b = (struct buf){0};
}

void buf_free(struct buf *b)
{
  free(b->data);
  *b = (struct buf){0};
}

void buf_grow(struct buf *b, size_t n)
{
  assert(b->len <= b->cap);
  if (n > SIZE_MAX / 4 - b->len) {
    abort(); /* a size that overflowed on its way here; doubling must not wrap around */
  }
  size_t cap = b->cap < CAP_MIN ? CAP_MIN : b->cap;
  while (cap - b->len < n) {
    cap *= 2;
  }
  if (cap == b->cap) {
    return;
  }
  char *data = realloc(b->data, cap);
  if (data == NULL) {
    abort();
  }
  b->data = data;
  b->cap = cap;
}

void buf_printf(struct buf *b, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  buf_vprintf(b, format, args);
  va_end(args);
}

void buf_vprintf(struct buf *b, const char *format, va_list args)
{
  va_list again;
  va_copy(again, args);
  buf_reserve(b, 1); /* vsnprintf wants room for its terminator even if nothing else fits */
  int n = vsnprintf(b->data + b->len, b->cap - b->len, format, args);
  assert(n >= 0);
  if ((size_t)n >= b->cap - b->len) {
    buf_reserve(b, (size_t)n + 1);
    n = vsnprintf(b->data + b->len, b->cap - b->len, format, again);
    assert(n >= 0 && (size_t)n < b->cap - b->len);
  }
  b->len += (size_t)n;
  va_end(again);
}

void buf_consume(struct buf *b, size_t n)
{
  assert(n <= b->len);
  if (n == 0) {
    return;
  }
  if (n < b->len) {
    memmove(b->data, b->data + n, b->len - n);
  }
  b->len -= n;
}
