/* What the readers of stored histories share. Private to history*.c. */
#ifndef VORTEX_LAB_HISTORY_READER_H
#define VORTEX_LAB_HISTORY_READER_H

#include <lua.h>
#include <stdbool.h>

#include "base/slice.h"

struct edn_reader;

struct history_reader {
  lua_State *L;
  struct slice text;
  int history;  /* stack index of the sequence of events */
  int array_mt; /* stack index of the metatable of arrays */
  lua_Integer count;
  bool timed;            /* an event's text has had a time */
  lua_Integer last_time; /* of the event before */
  const char *wrong;     /* after a failure: where, NULL = nowhere in particular, */
  char reason[240];      /* and why */
};

/* Each reads the whole text. False with wrong and reason set; the stack may then hold parts. */
bool history_read_edn(struct history_reader *r);
bool history_read_log(struct history_reader *r);
bool history_read_json(struct history_reader *r);

/* Makes the table on top of the stack the next event, and pops it. `at` is where it stands in the text. */
bool history_add(struct history_reader *r, const char *at);

/* Notes a failure; returns false. */
__attribute__((format(printf, 3, 4))) bool history_fail(struct history_reader *r, const char *at, const char *format, ...);

/* Hands a failure of the EDN reader on; returns false. */
bool history_fail_edn(struct history_reader *r, const struct edn_reader *edn);

#endif
