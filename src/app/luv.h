/* `require "luv"`: libuv for scripts, on the node's own loop. */
#ifndef VORTEX_APP_LUV_H
#define VORTEX_APP_LUV_H

#include <lua.h>

#include "host/host.h"

/* Puts luv into package.preload. It is opened only when a script asks for it. Errors in its callbacks go to the node's log; run, stop, walk
 * and loop_close raise, since the loop is the node's. */
void app_luv_preload(lua_State *L, struct host *host);

#endif
