/* A reader of EDN (github.com/edn-format/edn): the notation that Jepsen writes histories in. Text to Lua values, one form at a time.
 *
 *   EDN                              Lua
 *   nil                              the light userdata NULL
 *   keyword, symbol, string, char    string; a keyword without its colon
 *   integer, also 12N                integer; what does not fit 64 bits is refused
 *   other number, also 1.5M          float
 *   vector, list, set                table with the array metatable
 *   map                              table; the same key twice is refused, and so is NaN as a key
 *   #tag form                        the form alone
 *
 * A keyword and a string of the same letters come out equal. `#_ form`, comments and commas are white space. Ratios are refused, since no
 * Lua number is one. Clojure's own extensions (metadata, quotes, regular expressions, hexadecimal) are not EDN and are refused. */
#ifndef VORTEX_LAB_EDN_H
#define VORTEX_LAB_EDN_H

#include <lua.h>

#include "base/buf.h"
#include "base/slice.h"

#define EDN_DEPTH_MAX 512 /* forms within forms; tags and discards count */

struct edn_reader {
  const char *at; /* what is read next */
  const char *end;
  lua_State *L;
  int array_mt;      /* stack index of the metatable that arrays get */
  const char *wrong; /* after a failure: where, */
  char reason[160];  /* and why: "']' expected, not '}'" */
  struct buf text;   /* scratch: a string with escapes */
};

/* Begins at the first byte of `text`, which is borrowed for the reader's life. */
void edn_init(struct edn_reader *r, lua_State *L, struct slice text, int array_mt);
void edn_close(struct edn_reader *r);

/* Skips white space, comments and discarded forms. 1 = something follows, 0 = the text has ended, -1 = failed (wrong, reason). */
int edn_skip(struct edn_reader *r);

/* Pushes the next form. 0, or -1 (wrong, reason) with the stack as it was. The end of the text is a failure. */
int edn_read(struct edn_reader *r);

#endif
