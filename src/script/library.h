/* The half of the library that is written in Lua, embedded as source (scripts/cmake/EmbedFiles.cmake makes the table). */
#ifndef VORTEX_SCRIPT_LIBRARY_H
#define VORTEX_SCRIPT_LIBRARY_H

#include <lua.h>
#include <stddef.h>

struct script_library_file {
  const char *module; /* "vortex.kv"; NULL ends the table */
  const char *chunk;  /* "@vortex/kv.lua": what tracebacks call it */
  const char *source; /* terminated */
  size_t len;
};
extern const struct script_library_file script_library[];

/* Makes `require` find the library: first below `folder` (may be NULL), then embedded. */
void script_library_open(lua_State *L, const char *folder);

#endif
