/* A service written in Lua: one lua_State, the `vortex` module, and the tasks (coroutines) that run its handlers.
 *
 * A script implements node/behavior.h. Every handler, timer and spawned function runs in a task; a task runs until it yields in one of
 * vortex's own waiting calls, and goes on when the node completes the operation it waits for. Tasks that become runnable while another
 * runs wait in a queue, in order. Nothing that a script raises leaves this room: it is logged with its traceback, and answered as an error
 * where a request was being handled. */
#ifndef VORTEX_SCRIPT_SCRIPT_H
#define VORTEX_SCRIPT_SCRIPT_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "node/behavior.h"
#include "node/node.h"

#define SCRIPT_TASKS_MAX 10000 /* live tasks; beyond, requests are answered with error 11 and spawn raises */

struct script_config {
  const char *path;        /* the script; also sets package.path and arg[0]. Borrowed for the script's life. */
  const char *name;        /* what tracebacks call it; NULL = path */
  const char *const *argv; /* the script's arguments */
  int argc;
  uint64_t rpc_timeout_ns; /* default timeout of an RPC. 0 = 1 s */
  const char *check;       /* workload whose reply schemas are enforced; "" = infer it; NULL = no check */
  const char *library;     /* folder searched before the embedded library; NULL = none */
  lua_Alloc alloc;         /* NULL = the script's own */
  void *alloc_arg;

  /* Called once the standard libraries are open, with the main thread: opens what the world adds. May be NULL. */
  void (*open)(lua_State *L, void *arg);
  void *open_arg;

  /* Called by os.exit before the process ends. May be NULL. */
  void (*flush)(void *arg);
  void *flush_arg;
};

/* Creates the Lua state; runs nothing. Copies config. Returns owned, or NULL if there is no memory for it. */
struct script *script_new(const struct script_config *config);

/* Closes the Lua state and frees the script. */
void script_free(struct script *s);

/* The behavior to create the node with, and the node it was created for: to be set before script_load. */
struct node_behavior script_behavior(struct script *s);
void script_attach(struct script *s, struct node *n);

/* Compiles and runs the main chunk. 0, or -1 with a message for a person in *message: file, line, traceback; of a file that cannot be
 * opened, its path and the reason. */
int script_load(struct script *s, struct buf *message);

/* To be called when Lua code has run outside the node's calls (a callback of a library on the shared loop): runs the tasks that became
 * runnable by it. */
void script_settle(struct script *s);

/* Writes an error that a callback raised (on top of L's stack, popped) to the node's log. */
void script_report(struct script *s, lua_State *L, const char *where);

/* The main thread of the Lua state. */
lua_State *script_lua(struct script *s);

/* The script that a Lua state belongs to. */
struct script *script_of(lua_State *L);

/* Asks the running task to log its traceback at its next instruction: for a watchdog. Async-signal-safe. Cannot fail. */
void script_interrupt(struct script *s);

#endif
