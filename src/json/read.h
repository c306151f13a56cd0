/* Readers of scalar values, over text that the scanner accepted (json/scan.h). They trust it: give them nothing else. */
#ifndef VORTEX_JSON_READ_H
#define VORTEX_JSON_READ_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

enum json_number_kind {
  JSON_INTEGER, /* no fraction, no exponent, fits int64 */
  JSON_DOUBLE,  /* everything else: the nearest double; beyond its range, infinity */
};

/* Reads a number token. Sets *integer or *real. "-0" is the integer 0. Independent of the locale. Cannot fail. */
enum json_number_kind json_read_number(struct slice token, int64_t *integer, double *real);

/* Finds the end of a string. `at` is just behind the opening quote; returns the closing quote. *plain: no escapes in between. */
const char *json_string_end(const char *at, bool *plain);

/* The same, eight bytes at a time; `end` is the end of the text that the string lies in, and nothing behind it is read. */
const char *json_string_end_within(const char *at, const char *end, bool *plain);

/* Appends the characters of a string to `out` as UTF-8. `raw` is what lies between the quotes. An unpaired surrogate escape becomes
 * U+FFFD; returns how many there were. */
int json_read_string(struct slice raw, struct buf *out);

#endif
