/* Raft groups of a script: what raft.c and machine.c share. Private to script. */
#ifndef VORTEX_SCRIPT_RAFT_H
#define VORTEX_SCRIPT_RAFT_H

#include "script/internal.h"

struct raft_group {
  struct waiter waiter; /* first, so that a tag is its group */
  struct script *script;
  struct raft_group *next;
  struct node_group *group; /* NULL: there is no node */
  char *name;
  int init_ref; /* LUA_NOREF = none, here and below */
  int apply_ref;
  int snapshot_ref;
  int restore_ref;
  int state_ref;
  int watchers_ref; /* a sequence of functions */
  bool has_state;
  bool change_due;      /* watchers will be told */
  bool snapshot_failed; /* that has been said */
};

/* Makes the thread that state machines run on, if there is none yet. */
void machine_open(struct script *s);

/* Pushes the state of a group for a task on L that reads it; makes the first one if there is none yet. Raises what init raised. */
void machine_push_state(lua_State *L, struct raft_group *g);

/* Pushes the value of a text that the node gives. */
void machine_decode(struct script *s, lua_State *L, struct slice text);

#endif
