/* Stored histories: text in, a sequence of events out.
 *
 * Three notations are read:
 *   EDN         what Jepsen stores: one vector of maps, or maps one after the other
 *   Jepsen log  lines of a log, of which those that name an operation are read: "INFO  jepsen.util - 3<tab>:ok<tab>:read<tab>7"
 *   JSON        one object per line, or one array of objects
 *
 * A history is a Lua sequence of events in the order of the text, each a table:
 *   index    integer; its 0-based position unless the text says otherwise
 *   time     integer, ns; without one, that of the event before; while none has had one, HISTORY_STEP_NS after it, so that order shows
 *   process  integer, 0 or more, or "nemesis"
 *   type     "invoke", "ok", "fail" or "info"
 *   f        string
 *   value    any; the light userdata NULL where the text has nil, null, or nothing
 *   error    any; absent where the text has nil, null, or nothing
 *   final    true or absent; in EDN :final? too
 * Other members are kept as they are. Arrays are tagged as the codec tags them (script/codec.h). */
#ifndef VORTEX_LAB_HISTORY_H
#define VORTEX_LAB_HISTORY_H

#include <lua.h>

#include "base/buf.h"
#include "base/slice.h"

#define HISTORY_SIZE_MAX_BYTES (1u << 30)
#define HISTORY_STEP_NS        1000000 /* between events that have no time */

enum history_format {
  HISTORY_EDN,
  HISTORY_LOG,
  HISTORY_JSON,
};

/* "edn", "log" or "json". Static. Cannot fail. */
const char *history_format_name(enum history_format format);

/* Reads a text and pushes the history. `name` is what messages call it, and its ending (.edn, .log, .json, .jsonl) says the notation; of
 * another name, the first bytes do. `text` is borrowed for the call; one byte behind it must be readable. L belongs to a script.
 * 0 with *format set, or -1 with "NAME:LINE:COLUMN: what is wrong" appended to *message and nothing pushed: the text is malformed, longer
 * than HISTORY_SIZE_MAX_BYTES, or holds no operation at all (an EDN or JSON array without elements is an empty history). */
int history_read(lua_State *L, struct slice text, const char *name, enum history_format *format, struct buf *message);

/* A lua_CFunction: the module vortex.history.core.
 *
 *   read(text, name) -> history, { format = "edn"|"log"|"json", failed_cas = "observed"|"dropped" }   or nil, message
 *     failed_cas: what a failed compare-and-set means there. In a log it is an observation (the register did not hold the value), in the
 *     other notations a failed operation did not happen.
 *   keyed(history) -> boolean
 *     Whether the operations read, write and cas name a key, as Jepsen's independent tuples do. Invocations of processes with a number are
 *     looked at: a read or a write has a key if its value is an array of two, a cas if its value is an array of two whose second
 *     is an array of two. False if there is no such operation; raises if some have a key and some have not. */
int history_open(lua_State *L);

#endif
