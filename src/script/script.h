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
  lua_Alloc alloc;         /* NULL = the script's own, which aborts when out of memory; another one may fail */
  void *alloc_arg;

  /* Memory counts for more than speed: whenever what is in use has grown by an eighth, the script collects its garbage between two pieces
   * of work and calls this, which may give free memory back. Not if the script has chosen a pace of its own for the collector. May be NULL.
   */
  void (*trim)(void *alloc_arg);

  lua_State *(*newstate)(lua_Alloc f, void *ud); /* NULL = lua_newstate */
  struct script_cache *cache;                    /* borrowed for the script's life; NULL = none */
  uint64_t turn_instructions; /* VM instructions that a piece of work may run, from the node's call until it returns; 0 = no limit */
  bool no_environment;        /* LUA_PATH, LUA_CPATH and LUA_INIT are not looked at */

  /* Gets what is logged while there is no node. NULL = it is dropped. */
  void (*log)(void *arg, enum log_level level, struct slice text);
  void *log_arg;

  /* Called once the standard libraries are open, with the main thread: opens what the world adds. May be NULL. */
  void (*open)(lua_State *L, void *arg);
  void *open_arg;

  /* Called by os.exit before the process ends. May be NULL. */
  void (*flush)(void *arg);
  void *flush_arg;
};

/* The library's modules and the main scripts of many states, compiled once. What `require` finds by package.path is not kept. */
struct script_cache;
struct script_cache *script_cache_new(void); /* returns owned */
void script_cache_free(struct script_cache *c);

/* From now on time() and clock(), as Lua's libraries see them, return this value: the seed of the next lua_newstate, and what table.sort
 * picks pivots by. For the whole process; Linux only. */
void script_freeze_clock(uint32_t value);

/* Creates the Lua state; runs nothing. Copies config. Returns owned, or NULL if there is no memory for it. */
struct script *script_new(const struct script_config *config);

/* Closes the Lua state and frees the script. */
void script_free(struct script *s);

/* Frees the script but not what lies in the Lua state, whose memory (config.alloc) the caller drops: no finaliser runs, nothing is closed.
 */
void script_abandon(struct script *s);

/* The behavior to create the node with, and the node it was created for: to be set before script_load. A script that is never
 * attached can do all that needs no node: compute, encode and decode, print. */
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

/* The node it is attached to; NULL = none. */
struct node *script_node(const struct script *s);

/* Whether a piece of work has been stopped for running more than turn_instructions. Its traceback is in the log. */
bool script_ran_away(const struct script *s);

/* The script that a Lua state belongs to. */
struct script *script_of(lua_State *L);

/* Asks the running task to log its traceback at its next instruction: for a watchdog. Async-signal-safe. Cannot fail. */
void script_interrupt(struct script *s);

#endif
