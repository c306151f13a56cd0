/* The scanner: does a byte range hold exactly one JSON text (RFC 8259), and where do its parts lie?
 *
 * The scanner is the only judge of validity. Everything behind it (json/read.h, the Lua decoder) runs over text that the scanner accepted
 * and trusts it, so there is one grammar in this program and the two cannot disagree. Nothing is built and nothing is allocated.
 *
 * Accepted: RFC 8259 to the letter, white space around the text included. Beyond the letter: unpaired surrogate escapes are accepted
 * (readers give U+FFFD), numbers of any size are accepted (readers say what they can hold). Refused: bytes that are not UTF-8 (RFC 3629),
 * control characters in strings, a byte order mark, nesting deeper than JSON_DEPTH_MAX, anything after the text. */
#ifndef VORTEX_JSON_SCAN_H
#define VORTEX_JSON_SCAN_H

#include <stddef.h>

#include "base/slice.h"

#define JSON_DEPTH_MAX 512

/* Where and why a text was refused. */
struct json_error {
  size_t offset;      /* of the first byte that cannot continue a valid text */
  const char *reason; /* static, e.g. "unexpected end of text", "leading zero in a number" */
};

/* 0 if `text` is one valid JSON text, else ERROR_JSON with *error filled in. Borrows text. */
int json_scan(struct slice text, struct json_error *error);

/* The pieces the envelope scanner is made of. Each takes the position of a value's first byte (no white space) and the end of the
 * range, and returns the position behind the value, or NULL with *error filled in (offset relative to `begin`). `depth` is the number of
 * containers around the value: 0 for a text of its own. json_scan_number wants '-' or a digit at `at`. */
struct json_scanner {
  const char *begin;
  const char *end;
  struct json_error error;
};
const char *json_scan_value(struct json_scanner *s, const char *at, int depth);
const char *json_scan_string(struct json_scanner *s, const char *at); /* `at` is the opening quote */
const char *json_scan_number(struct json_scanner *s, const char *at);
const char *json_scan_space(struct json_scanner *s, const char *at); /* skips white space; may return end. Cannot fail. */

#endif
