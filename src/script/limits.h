/* Limits on what a script does with its time and its memory. Private to script. */
#ifndef VORTEX_SCRIPT_LIMITS_H
#define VORTEX_SCRIPT_LIMITS_H

#include <lua.h>
#include <setjmp.h>
#include <stdbool.h>

#include "base/buf.h"

struct script;
struct task;

/* Where an error that nothing in Lua protects against comes back to. */
struct rescue {
  jmp_buf env;
  struct rescue *outer;
};

/* Sets the hook that counts instructions, if they are limited. Before any other thread is made. */
void limits_open(struct script *s);

/* For a thread that is made while a piece of work is being stopped: it is stopped at its first instruction. */
void limits_watch(struct script *s, lua_State *co);

/* Pushes the error of a task that ran too long, "stopped: this handler has run 100,000,000 instructions without a pause". */
void limits_push(lua_State *L, const struct task *t);

/* The watchdog has found a function of a state machine to hold the loop, on thread L. It goes on, but not for long: after some seconds more
 * of processor time it is stopped, as by the limit of instructions. */
void limits_hold(struct script *s, lua_State *L);

/* Before and after a function of a state machine. In between, memory that the allocator refuses is noted (script.starved), even if the
 * function catches the error: a replica that had more memory would do something else. */
void limits_begin_machine(struct script *s);
void limits_end_machine(struct script *s);

/* Calls work(s, arg). Lua out of memory outside of every protected call ends it early: the script is lost, and the node fails. Only an
 * allocator that can fail needs this. */
void limits_guard(struct script *s, void (*work)(struct script *, const void *), const void *arg);

/* For lua_atpanic: does not return if there is a limits_guard above. */
void limits_rescue(struct script *s);

/* Appends the traceback of a thread without asking Lua for memory. */
void limits_trace(lua_State *co, struct buf *out);

#endif
