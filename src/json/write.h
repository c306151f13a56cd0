/* Writers of scalar values into a buffer. Output is pure JSON (RFC 8259), independent of the locale; strings are UTF-8, with `"`, `\`
 * and control characters escaped and nothing else (`/` and DEL stay as they are). */
#ifndef VORTEX_JSON_WRITE_H
#define VORTEX_JSON_WRITE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

/* Appends a quoted string. ERROR_JSON if the bytes are not UTF-8 (RFC 3629); the buffer is then as it was before. */
int json_write_string(struct buf *out, struct slice text);

/* Appends a quoted string of bytes that may be anything: what is not UTF-8 becomes U+FFFD. Cannot fail. */
void json_write_text(struct buf *out, struct slice bytes);

/* Appends an integer. Cannot fail. */
void json_write_integer(struct buf *out, int64_t value);

/* Appends a double in the fewest digits that read back as the same double. Integral values within +-2^53 are written as integers
 * (-0.0 as 0). ERROR_JSON for NaN and infinities; nothing is appended then. */
int json_write_double(struct buf *out, double value);

#endif
