/* Walks the members of an object or the elements of an array, over text that the scanner accepted (json/scan.h). Builds nothing.
 *
 *   struct json_iter it;
 *   json_iter_init(&it, body);
 *   while (json_iter_member(&it, &key, &value)) …
 */
#ifndef VORTEX_JSON_ITER_H
#define VORTEX_JSON_ITER_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/slice.h"

struct json_iter {
  const char *at;
  const char *end;
};

/* Begins at a container: text from brace to brace (or bracket). Borrows it for the walk. */
void json_iter_init(struct json_iter *it, struct slice container);

/* The next member of an object: its key as it stands between the quotes, and the text of its value. False at the end. */
bool json_iter_member(struct json_iter *it, struct slice *raw_key, struct slice *value);

/* The next element of an array: the text of its value. False at the end. */
bool json_iter_element(struct json_iter *it, struct slice *value);

/* Whether a key as it stands between the quotes spells `name`. Cannot fail. */
bool json_key_is(struct slice raw_key, struct slice name);

/* Reads a value that should be a string into `out` (cleared first). False if it is of another type. */
bool json_value_string(struct slice value, struct buf *out);

#endif
