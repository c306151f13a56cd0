/* The canonical form of a JSON text: equal values have equal bytes, whoever printed them.
 *
 * No white space; keys of objects sorted by their UTF-8 bytes, of duplicates the last; strings with the escapes that json/write.h makes;
 * numbers as json/write.h writes them (integers that fit int64 as such, 1.0 as 1, other doubles in the fewest digits). Numbers beyond the
 * range of doubles keep their text. */
#ifndef VORTEX_JSON_CANONICAL_H
#define VORTEX_JSON_CANONICAL_H

#include "base/buf.h"
#include "base/slice.h"

/* Appends the canonical form of a value that the scanner accepted. Text that is canonical already is recognised on the way and copied as it
 * is. Cannot fail. */
void json_canonical(struct slice value, struct buf *out);

/* The same for the value that begins at `at` (no white space) in accepted text that ends at `end`; returns the position behind it. Saves
 * looking for its end first. Cannot fail. */
const char *json_canonical_at(const char *at, const char *end, struct buf *out);

#endif
