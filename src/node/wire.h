/* Numbers as wire forms have them, for the files that read and write those. Private to node. */
#ifndef VORTEX_NODE_WIRE_H
#define VORTEX_NODE_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "json/read.h"
#include "json/write.h"

/* All 64 bits of the core's numbers survive: they are written as the signed integer of the same bits. */
static inline void wire_write_number(struct buf *out, uint64_t value)
{
  json_write_integer(out, (int64_t)value);
}

/* The same behind what leads up to it: `,"term":`. */
static inline void wire_write_field(struct buf *out, const char *before, uint64_t value)
{
  buf_append_str(out, before);
  wire_write_number(out, value);
}

/* Reads the digits of a small plain integer; returns the position behind them, `at` itself if there are none, or too many. */
static inline const char *wire_read_digits(const char *at, const char *end, uint64_t *out)
{
  uint64_t value = 0;
  const char *digit = at;
  for (; digit < end && (unsigned char)(*digit - '0') < 10; digit++) {
    value = value * 10 + (uint64_t)(*digit - '0');
  }
  *out = value;
  return digit - at <= 18 ? digit : at;
}

/* Reads a value that should be an integer, in any spelling (others print 1 as 1.0). False if it is none. */
static inline bool wire_read_number(struct slice value, uint64_t *out)
{
  const char *end = value.ptr + value.len;
  if (value.len > 0 && wire_read_digits(value.ptr, end, out) == end) {
    return true;
  }
  if (value.len == 0 || (value.ptr[0] != '-' && (unsigned char)(value.ptr[0] - '0') >= 10)) {
    return false;
  }
  int64_t integer = 0;
  double real = 0;
  if (json_read_number(value, &integer, &real) == JSON_DOUBLE) {
    if (!(real >= -0x1p53 && real <= 0x1p53) || (double)(int64_t)real != real) {
      return false;
    }
    integer = (int64_t)real;
  }
  *out = (uint64_t)integer;
  return true;
}

#endif
