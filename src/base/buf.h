/* A growable byte buffer.
 *
 * Use: buf_init, append, read data/len, buf_free. A buffer that is all zeroes is initialised and empty. Running out of memory aborts.
 * Pointers into data hold until the next call that appends. */
#ifndef VORTEX_BASE_BUF_H
#define VORTEX_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include "base/slice.h"

struct buf {
  char *data; /* owned; NULL while cap is 0 */
  size_t len; /* bytes in use */
  size_t cap; /* bytes allocated */
};

void buf_init(struct buf *b);

/* Frees the memory; the buffer is empty and usable again. */
void buf_free(struct buf *b);

/* Makes room for at least `n` more bytes (slow path of buf_reserve). Aborts when out of memory. */
void buf_grow(struct buf *b, size_t n);

/* Returns where the next `n` bytes may be written; the caller adds what it wrote to len. Cannot fail. */
static inline char *buf_reserve(struct buf *b, size_t n)
{
  if (b->cap - b->len < n) {
    buf_grow(b, n);
  }
  return b->data + b->len;
}

/* Appends a copy of `n` bytes. */
static inline void buf_append(struct buf *b, const void *bytes, size_t n)
{
  if (n > 0) {
    memcpy(buf_reserve(b, n), bytes, n);
    b->len += n;
  }
}

static inline void buf_append_slice(struct buf *b, struct slice s)
{
  buf_append(b, s.ptr, s.len);
}

static inline void buf_append_str(struct buf *b, const char *text)
{
  buf_append(b, text, strlen(text));
}

static inline void buf_append_char(struct buf *b, char c)
{
  *buf_reserve(b, 1) = c;
  b->len++;
}

/* Appends formatted text, without the terminator. */
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

/* Drops the first `n` bytes; the rest moves to the front. n <= len. */
void buf_consume(struct buf *b, size_t n);

/* Forgets the content and keeps the memory. */
static inline void buf_clear(struct buf *b)
{
  b->len = 0;
}

/* What is in the buffer, borrowed until the next append. */
static inline struct slice buf_slice(const struct buf *b)
{
  return slice_of(b->data, b->len);
}

#endif
