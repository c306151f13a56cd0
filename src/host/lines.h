/* Cuts a stream of bytes into lines, whatever the chunks it comes in. No I/O. Private to host.
 *
 *   char *at = lines_space(&l, n);  read up to n bytes to `at`;  lines_added(&l, how_many);
 *   while ((r = lines_next(&l, &line)) != LINES_NONE) …
 *
 * Lines are handed out as slices of the read buffer, without a copy: only what follows the last newline of a chunk is moved to the front
 * when the next chunk comes. A line longer than the limit is reported once, by its head, and never kept: memory stays below twice the
 * limit plus a few chunks. */
#ifndef VORTEX_HOST_LINES_H
#define VORTEX_HOST_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/slice.h"

#define LINES_HEAD_BYTES 200 /* of an over-long line that are shown */

struct lines {
  struct buf bytes;
  size_t begin;   /* of the first line not handed out */
  size_t scanned; /* there is no newline in [begin, scanned) */
  size_t max;     /* longest line allowed, without its newline */
  bool skipping;  /* inside an over-long line */
};

enum lines_result {
  LINES_NONE,     /* no whole line is left */
  LINES_LINE,     /* a line, without its newline */
  LINES_TOO_LONG, /* the head of a line that is longer than the limit */
};

void lines_init(struct lines *l, size_t max);
void lines_free(struct lines *l);

/* Where the next `n` bytes of the stream may be put. Takes back the slices that were handed out. Aborts when out of memory. */
char *lines_space(struct lines *l, size_t n);

/* `n` bytes have been put there. */
void lines_added(struct lines *l, size_t n);

/* The next line. The byte behind the slice is readable. The slice holds until lines_space(). */
enum lines_result lines_next(struct lines *l, struct slice *line);

/* The stream has ended: what is left behind the last newline counts as a line. Call when lines_next() has nothing more. */
enum lines_result lines_last(struct lines *l, struct slice *line);

#endif
