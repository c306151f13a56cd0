/* For clang-tidy alone, which includes it first: Lua's headers do not say that these never return, and without it the analyzer follows
 * paths that cannot be taken. */
struct lua_State;

extern int luaL_error(struct lua_State *L, const char *format, ...) __attribute__((noreturn));
extern int luaL_argerror(struct lua_State *L, int arg, const char *message) __attribute__((noreturn));
extern int luaL_typeerror(struct lua_State *L, int arg, const char *name) __attribute__((noreturn));
extern int lua_error(struct lua_State *L) __attribute__((noreturn));
