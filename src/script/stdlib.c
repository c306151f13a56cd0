/* The standard library where it would touch the protocol or the process: print and io.write go to the log, os.exit writes first what is
 * queued. */
#include "script/internal.h"

static int l_print(lua_State *L)
{
  luaL_Buffer text;
  int n = lua_gettop(L);
  for (int i = 1; i <= n; i++) { /* first all that may raise */
    luaL_tolstring(L, i, NULL);
    lua_replace(L, i);
  }
  luaL_buffinit(L, &text);
  for (int i = 1; i <= n; i++) {
    if (i > 1) {
      luaL_addchar(&text, '\t');
    }
    lua_pushvalue(L, i);
    luaL_addvalue(&text);
  }
  luaL_pushresult(&text);
  size_t len;
  const char *line = lua_tolstring(L, -1, &len);
  script_log(script_of(L), LOG_INFO, slice_of(line, len));
  return 0;
}

#define WRITTEN_MAX_BYTES (64u << 10) /* of a line that io.write has not ended: beyond, it is logged as it is */

/* Logs the complete lines of what io.write was given. */
static void log_lines(struct script *s)
{
  size_t begin = 0;
  const char *newline;
  while (begin < s->written.len && (newline = memchr(s->written.data + begin, '\n', s->written.len - begin)) != NULL) {
    size_t end = (size_t)(newline - s->written.data);
    script_log(s, LOG_INFO, slice_of(s->written.data + begin, end - begin));
    begin = end + 1;
  }
  buf_consume(&s->written, begin);
  if (s->written.len > WRITTEN_MAX_BYTES) {
    stdlib_flush(s);
  }
}

void stdlib_flush(struct script *s)
{
  if (s->written.len > 0) {
    script_log(s, LOG_INFO, buf_slice(&s->written));
    buf_clear(&s->written);
  }
}

/* Takes the arguments from `first` on as text written to stdout. */
static void write_arguments(lua_State *L, int first)
{
  struct script *s = script_of(L);
  for (int i = first; i <= lua_gettop(L); i++) {
    size_t len;
    const char *piece = luaL_checklstring(L, i, &len);
    buf_append(&s->written, piece, len);
  }
  log_lines(s);
}

/* Calls the function in upvalue 1 with all arguments and returns what it returns. */
static int call_original(lua_State *L)
{
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

/* Lua: io.write(…). Upvalues: the original, io.stdout, io.output. Files that the script opened are written as ever. */
static int l_io_write(lua_State *L)
{
  lua_pushvalue(L, lua_upvalueindex(3));
  lua_call(L, 0, 1);
  bool is_stdout = lua_rawequal(L, -1, lua_upvalueindex(2));
  lua_pop(L, 1);
  if (!is_stdout) {
    return call_original(L);
  }
  write_arguments(L, 1);
  lua_pushvalue(L, lua_upvalueindex(2));
  return 1;
}

/* Lua: file:write(…). Upvalues: the original, io.stdout. */
static int l_file_write(lua_State *L)
{
  if (!lua_rawequal(L, 1, lua_upvalueindex(2))) {
    return call_original(L);
  }
  write_arguments(L, 2);
  lua_settop(L, 1);
  return 1;
}

/* Whether argument 1 is the coroutine of a task, which only the node may resume or close; then pushes what to say about it. */
static bool is_task(lua_State *L)
{
  lua_State *co = lua_tothread(L, 1);
  if (co == NULL || map_get(&script_of(L)->by_thread, (uint64_t)(uintptr_t)co) == NULL) {
    return false;
  }
  lua_pushliteral(L, "this coroutine is a task of the node, which only the node resumes and closes");
  return true;
}

/* Lua: coroutine.resume(co, …). Upvalue: the original. */
static int l_resume(lua_State *L)
{
  if (is_task(L)) {
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
  }
  return call_original(L);
}

/* Lua: coroutine.close(co). Upvalue: the original. */
static int l_close(lua_State *L)
{
  return is_task(L) ? lua_error(L) : call_original(L);
}

/* Lua: os.exit(code, close). Upvalue: the original. */
static int l_os_exit(lua_State *L)
{
  struct script *s = script_of(L);
  stdlib_flush(s);
  if (s->node != NULL) {
    node_flush(s->node);
  }
  if (s->config.flush != NULL) {
    s->config.flush(s->config.flush_arg);
  }
  lua_settop(L, 1); /* never closes the state below a running task */
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, 1, 0);
  return 0;
}

static void replace_io_write(lua_State *L)
{
  lua_getglobal(L, "io");
  lua_getfield(L, -1, "write");
  lua_getfield(L, -2, "stdout");
  lua_getfield(L, -3, "output");
  lua_pushcclosure(L, l_io_write, 3);
  lua_setfield(L, -2, "write");
  luaL_getmetatable(L, LUA_FILEHANDLE);
  lua_getfield(L, -1, "__index");
  lua_getfield(L, -1, "write");
  lua_getfield(L, -4, "stdout");
  lua_pushcclosure(L, l_file_write, 2);
  lua_setfield(L, -2, "write");
  lua_pop(L, 3);
}

/* Puts a function with the original as its upvalue in the place of the original. */
static void replace(lua_State *L, const char *library, const char *name, lua_CFunction function)
{
  lua_getglobal(L, library);
  lua_getfield(L, -1, name);
  lua_pushcclosure(L, function, 1);
  lua_setfield(L, -2, name);
  lua_pop(L, 1);
}

void stdlib_open(struct script *s)
{
  lua_State *L = s->L;
  lua_pushcfunction(L, l_print);
  lua_setglobal(L, "print");
  replace_io_write(L);
  replace(L, "os", "exit", l_os_exit);
  replace(L, "coroutine", "resume", l_resume);
  replace(L, "coroutine", "close", l_close);
}
