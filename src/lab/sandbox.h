/* The Lua environment of a simulated node: time and randomness come from the simulated world, and what cannot be repeated raises an error
 * that says so.
 *
 *   os.time os.date os.clock os.difftime   the node's wall clock, its processor time (virtual)
 *   math.random math.randomseed            drawn from the world; with a seed given, stock Lua's sequence
 *   os.getenv                              nil
 *   io.open io.lines io.popen … os.execute os.remove os.rename os.tmpname os.setlocale, package.loadlib, luv, C modules: raise
 *   print, io.write                        the node's log, as everywhere
 *   os.exit                                ends the node: reported, the run is invalid */
#ifndef VORTEX_LAB_SANDBOX_H
#define VORTEX_LAB_SANDBOX_H

#include <lua.h>

#include "sim/node.h"

/* For script_config.open; `sn` is the struct sim_node (borrowed), NULL for the workload's own state (time stands still there). */
void sandbox_open(lua_State *L, void *sn);

#endif
