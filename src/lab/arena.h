/* Memory for Lua states at fixed addresses: the same allocations give the same addresses in every process, and so the same order of tables
 * whose keys are hashed by address.
 *
 * Each arena is a range of its own, reserved once per process and handed out anew after a reset; its base depends on its number alone (and
 * on the build: no one address suits release, sanitizers and valgrind). Freed objects are kept in lists by size and used again. */
#ifndef VORTEX_LAB_ARENA_H
#define VORTEX_LAB_ARENA_H

#include <lua.h>
#include <stddef.h>
#include <stdint.h>

/* The most that one Lua state may use; beyond, allocation fails and Lua raises "not enough memory". */
#define ARENA_BYTES (UINT64_C(1) << 30)

struct arena;

/* The arena of this number, empty. Numbers up to SIM_NODES_MAX (255 under ThreadSanitizer). Aborts with a message if the addresses are
 * taken. Borrowed: it lives as long as the process. At most one user at a time. */
struct arena *arena_open(unsigned number);

/* Forgets everything in it and gives most of its memory back. Needs no care of what was allocated. */
void arena_reset(struct arena *a);

/* A lua_Alloc; `arg` is a struct arena. */
void *arena_realloc(void *arg, void *ptr, size_t old_size, size_t new_size);

/* Gives whole pages in which nothing is in use back to the system; they are used again later. Worth its while after a collection of
 * garbage: it takes about as long. */
void arena_trim(struct arena *a);

/* Bytes that are in use, for reports. */
size_t arena_used(const struct arena *a);

/* lua_newstate, for script_config.newstate: the state's hash seed is a function of time() (script_freeze_clock), of where the executable
 * and the arena lie, and of nothing else. */
lua_State *arena_newstate(lua_Alloc f, void *ud);

/* Calls fn(arg) on a stack at a fixed address (8 MiB), so that nothing within depends on where the process's own stack lies. Not from
 * within itself. */
void arena_call(void (*fn)(void *arg), void *arg);

#endif
