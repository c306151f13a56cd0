/* The typed encoding of a state: what a Raft group's snapshot is made of. Private to script.
 *
 *   nil  true  false  null  42  0.5  3.0  -0.0  inf  -inf  nan:7ff8000000000000  "text, as in JSON"  'bytes, not UTF-8: \xff'
 *   {1,2,3,"key":"value",0.5:true}     a table: its elements 1..n, then its other keys with their values
 *   ["a","b"]                          the same, marked by vortex.array
 *   object{"a":1}                      the same, marked by vortex.object
 *
 * Integers stay integers and floats floats, to the last bit. Keys come in one order (booleans, null, integers, floats, strings; each by
 * value), and there is one text for each value: equal states have equal bytes on every replica, in whatever order their tables were filled.
 * The reader accepts nothing but what the writer writes.
 *
 * What no replica could get back as it is has no encoding: functions, coroutines, userdata, tables with a metatable of somebody else,
 * tables as keys, tables that are reached twice (a restored state would have two), more than IMAGE_DEPTH_MAX levels. */
#ifndef VORTEX_SCRIPT_IMAGE_H
#define VORTEX_SCRIPT_IMAGE_H

#include <lua.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/slice.h"

#define IMAGE_DEPTH_MAX 200

struct script;

/* One line for a person: "state.users[3].fn: a function", "byte 17: unexpected end". */
struct image_error {
  char text[640];
};

/* Appends the value at `index`, which errors call `name`. 0, or -1 with *error filled in; out may then hold a part, which the caller drops.
 * Raises nothing and runs no Lua code. */
int image_encode(struct script *s, lua_State *L, int index, const char *name, struct buf *out, struct image_error *error);

/* Pushes the value of a text. 0, or -1 with *error filled in and nothing pushed. Raises when out of memory. */
int image_decode(struct script *s, lua_State *L, struct slice text, struct image_error *error);

/* ---- shared by both directions ---- */

/* In the order of keys. */
enum image_kind {
  IMAGE_NIL,
  IMAGE_BOOLEAN,
  IMAGE_NULL,
  IMAGE_INTEGER,
  IMAGE_FLOAT,
  IMAGE_STRING,
  IMAGE_TABLE,
  IMAGE_OTHER, /* has no encoding */
};

struct image_value {
  enum image_kind kind;
  union {
    int boolean;
    lua_Integer integer;
    lua_Number real;
    struct slice string; /* borrowed from Lua */
    int slot;            /* of a table on the stack */
  } as;
};

/* Reads what lies at `index`, an absolute one. Cannot fail. */
void image_look(lua_State *L, int index, struct image_value *out);

/* Negative, 0 or positive: the order of two keys. */
int image_compare(const struct image_value *a, const struct image_value *b);

/* Appends a value that is no table. Cannot fail. */
void image_write(const struct image_value *v, struct buf *out);

#endif
