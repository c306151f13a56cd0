/* Walks the events of a Lua history and gives its values numbers (internal to the checkers' bindings).
 *
 * Whatever is allocated meanwhile belongs to a userdata, since every step may raise. */
#ifndef VORTEX_LAB_CHECKERS_WALK_H
#define VORTEX_LAB_CHECKERS_WALK_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/map.h"
#include "check/counter.h"
#include "check/linear.h"
#include "check/set_full.h"

enum checkers_type {
  CHECKERS_INVOKE,
  CHECKERS_OK,
  CHECKERS_FAIL,
  CHECKERS_INFO,
};

/* Stack slots of a function that walks. */
enum checkers_slot {
  CHECKERS_HISTORY = 1,
  CHECKERS_OPTIONS,
  CHECKERS_WALK,
  CHECKERS_EVENT,   /* the present one */
  CHECKERS_IDS,     /* value -> number */
  CHECKERS_TEXTS,   /* JSON text -> number, for floats and tables */
  CHECKERS_VALUES,  /* number + 1 -> value */
  CHECKERS_PROCESS, /* names of fields, from here on */
  CHECKERS_TYPE,
  CHECKERS_F,
  CHECKERS_VALUE,
  CHECKERS_TIME,
  CHECKERS_INDEX,
  CHECKERS_FINAL,
  CHECKERS_TOP = CHECKERS_FINAL,
};

/* What the checkers of sets and counters keep about an operation. */
struct checkers_pending {
  size_t place;   /* of its invocation */
  int64_t time;   /* of its invocation */
  int64_t number; /* an element's; a delta; what a read found */
  int64_t process;
  int64_t index; /* of its completion */
  bool is_final;
  bool is_open_add;
  bool is_final_read;
};

struct checkers_walk {
  lua_State *L;
  size_t place;  /* of the present event, from 1 */
  size_t length; /* of the history */
  int64_t process;
  enum checkers_type type;
  size_t op;       /* the operation the event belongs to: its invocation's number, from 0 */
  size_t op_count; /* invocations so far */

  struct map open;     /* process -> op + 1 */
  uint32_t *small_ids; /* of small integers, plus one; 0 = none yet */
  size_t small_cap;
  uint32_t id_count;
  struct buf text;

  /* What one checker or another needs; freed with the walk. */
  struct checkers_pending *pending; /* by op */
  size_t pending_cap;
  struct linear_op *ops;
  size_t ops_cap;
  struct linear_result linear;
  uint32_t *elements;
  size_t elements_cap;
  struct set_full set;
  struct set_full_result set_result;
  struct checkers_rank *ranks;
  struct counter counter;
};

/* Sets up the stack of a function that was called with (history, options). Options may be absent: then the slot holds an empty table.
 * Raises if they are no tables. */
struct checkers_walk *checkers_begin(lua_State *L);

/* Frees what the walk holds; collecting the userdata does, too. */
void checkers_end(struct checkers_walk *w);

/* Goes to the next event of a client; false at the end. Raises if it is malformed, completes nothing, or begins an operation on a process
 * that has one. */
bool checkers_next(struct checkers_walk *w);

/* The present event's f. Valid until the next event. Raises if it is no string. */
const char *checkers_f(struct checkers_walk *w);

/* Pushes a field of the present event. */
void checkers_push(struct checkers_walk *w, enum checkers_slot name);

/* An integer field of the present event. Raises if it is something else. */
int64_t checkers_integer(struct checkers_walk *w, enum checkers_slot name);

/* The same, or `fallback` if the field is nil. */
int64_t checkers_integer_or(struct checkers_walk *w, enum checkers_slot name, int64_t fallback);

/* What is kept of the present event's operation; zeroes but for place and process at the
 * invocation. */
struct checkers_pending *checkers_pending_of(struct checkers_walk *w);

/* The number of the value at `index`; nil counts as null. Raises if it cannot be JSON. */
uint32_t checkers_intern(struct checkers_walk *w, int index);

/* Pushes the value of a number. */
void checkers_push_value(struct checkers_walk *w, uint64_t id);

/* The value on top of the stack for a message: itself if it is a scalar, else its type. May push; for use right before raising. */
const char *checkers_text(struct checkers_walk *w);

/* Raises "history[17]: …" about the present event. The format is lua_pushfstring's. */
#if defined(__GNUC__)
__attribute__((noreturn))
#endif
void checkers_fail(struct checkers_walk *w, const char *format, ...);

/* Sets field `name` of the table on top of the stack. */
void checkers_set_integer(lua_State *L, const char *name, lua_Integer value);

/* The functions of the module that have files of their own. */
int checkers_linearizable(lua_State *L);
int checkers_set_full(lua_State *L);

#endif
