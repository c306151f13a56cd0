/* The checkers of src/check for Lua: the module `vortex.check.core` (lua/vortex/check.lua is its face and says what its results mean). */
#ifndef VORTEX_LAB_CHECKERS_H
#define VORTEX_LAB_CHECKERS_H

#include <lua.h>

/* A lua_CFunction that returns the module. L belongs to a script.
 *
 *   linearizable(history, opts)   opts: keyed, failed_cas, budget, initial
 *   set_full(history, opts)       opts: add, read: the names of the operations
 *   counter(history)
 *   quantiles(numbers, points)
 *
 * A history is a sequence of events: tables with process, type, f, value, time, index, final; metamethods are not asked. Events whose
 * process is a string are the nemesis's and are skipped. What is not a history raises an error that names the position. Positions are
 * 1-based. */
int checkers_open(lua_State *L);

#endif
