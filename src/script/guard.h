/* What the functions of a replicated state machine (apply, init, snapshot, restore) may not use: what differs between replicas, and what
 * has an effect outside of the state. The functions of the libraries that do either look at struct script's `machine` first. Private to
 * script.
 */
#ifndef VORTEX_SCRIPT_GUARD_H
#define VORTEX_SCRIPT_GUARD_H

#include <lua.h>

struct script;

/* Guards the standard libraries, as they are now. */
void guard_libraries(struct script *s);

/* Guards the functions of vortex.core, of a msg and of a timer in the table on top of the stack; others are left alone. */
void guard_core(lua_State *L);
void guard_message(lua_State *L);
void guard_timer(lua_State *L);
void guard_raft(lua_State *L);

#endif
