/* The codec: JSON text to Lua values and back (design of values: docs/api.md, "Values").
 *
 *   JSON                      Lua
 *   null                      the light userdata NULL (vortex.null, cjson.null)
 *   integer within int64      integer
 *   other number              float
 *   array                     table with the array metatable, so that an empty one stays an array
 *   object                    table
 *
 * Back: a tagged table is what its tag says; an untagged table whose keys are exactly 1..n, n > 0, is an array; a table with only string
 * keys, or an empty one, is an object; anything else cannot be encoded. Keys come out sorted by their bytes, whatever the process. */
#ifndef VORTEX_SCRIPT_CODEC_H
#define VORTEX_SCRIPT_CODEC_H

#include <lua.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/slice.h"

struct script;

/* Why a value could not be encoded, and where: "messages[3].x" and "NaN". */
struct codec_error {
  char path[240];
  const char *reason;
};

static inline void codec_error_init(struct codec_error *error)
{
  error->path[0] = '\0';
  error->reason = "";
}

/* Creates the array and object metatables. */
void codec_open(struct script *s);

/* Pushes the value of a JSON text that the scanner has accepted. One byte behind it must be readable. */
void codec_decode(struct script *s, lua_State *L, struct slice text);

/* Appends the value at `index` as JSON. 0, or -1 with *error filled in; out may then hold a part, which the caller drops. */
int codec_encode(struct script *s, lua_State *L, int index, struct buf *out, struct codec_error *error);

/* What a message body is for: the ids that belong to the node are left out of it, since the node writes them. */
enum codec_body {
  CODEC_MESSAGE, /* msg_id and in_reply_to are the script's, if it gives them */
  CODEC_RPC,     /* msg_id is the node's */
  CODEC_REPLY,   /* in_reply_to is the node's */
};

/* Appends the members of a message body (the table at `index`): "type" first, then the others, sorted, each with a leading comma. `type` is
 * JSON for the type member if the table has none; empty = the table must have one. Ids that the script gives must be integers. Errors as
 * codec_encode; the path begins with "body". */
int codec_encode_body(struct script *s, lua_State *L, int index, struct slice type, enum codec_body kind, struct buf *out,
                      struct codec_error *error);

#endif
