/* Which notation a text is in, where in it a failure lies, and the module for Lua. */
#include "lab/history.h"

#include <lauxlib.h>
#include <stdbool.h>

#include "lab/history_reader.h"
#include "script/codec.h"
#include "script/script.h"

/* ---- the notation ---- */

const char *history_format_name(enum history_format format)
{
  return format == HISTORY_EDN ? "edn" : format == HISTORY_LOG ? "log" : "json";
}

static bool ends_with(const char *name, const char *ending)
{
  size_t n = strlen(name);
  size_t m = strlen(ending);
  return n >= m && strcmp(name + n - m, ending) == 0;
}

/* By the first bytes: brackets and then a quote are JSON, other brackets and EDN's signs are EDN. */
static bool guess(struct slice text, enum history_format *format)
{
  size_t i = 0;
  while (i < text.len && strchr(" \t\r\n", text.ptr[i]) != NULL && text.ptr[i] != '\0') {
    i++;
  }
  char first = i < text.len ? text.ptr[i] : '\0';
  if (first == '\0' || strchr("[{(#;", first) == NULL) {
    *format = HISTORY_LOG;
    return memmem(text.ptr, text.len, "jepsen.util", 11) != NULL;
  }
  while (i < text.len && text.ptr[i] != '\0' && strchr(" \t\r\n[{", text.ptr[i]) != NULL) {
    i++;
  }
  *format = i < text.len && text.ptr[i] == '"' ? HISTORY_JSON : HISTORY_EDN;
  return true;
}

static bool choose(const char *name, struct slice text, enum history_format *format)
{
  static const struct {
    const char *ending;
    enum history_format format;
  } endings[] = {{".edn", HISTORY_EDN}, {".log", HISTORY_LOG}, {".jsonl", HISTORY_JSON}, {".json", HISTORY_JSON}};
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
    if (ends_with(name, endings[i].ending)) {
      *format = endings[i].format;
      return true;
    }
  }
  return guess(text, format);
}

/* ---- reading ---- */

/* Appends "NAME:LINE:COLUMN: reason"; columns count characters. */
static void complain(const struct history_reader *r, const char *name, struct buf *message)
{
  buf_append_str(message, name);
  if (r->wrong != NULL) {
    size_t line = 1;
    size_t column = 1;
    for (const char *p = r->text.ptr; p < r->wrong; p++) {
      if (*p == '\n') {
        line++;
        column = 1;
      } else {
        column += ((unsigned char)*p & 0xc0) != 0x80;
      }
    }
    buf_printf(message, ":%zu:%zu", line, column);
  }
  buf_append_str(message, ": ");
  for (const char *p = r->reason; *p != '\0'; p++) { /* it may quote the text: nothing that a terminal would obey */
    buf_append_char(message, (unsigned char)*p < ' ' || *p == 0x7f ? '?' : *p);
  }
}

static bool read_text(struct history_reader *r, const char *name, enum history_format *format)
{
  if (r->text.len > HISTORY_SIZE_MAX_BYTES) {
    return history_fail(r, NULL, "longer than %u bytes", HISTORY_SIZE_MAX_BYTES);
  }
  if (r->text.len >= 3 && memcmp(r->text.ptr, "\xef\xbb\xbf", 3) == 0) { /* a byte order mark */
    r->text = slice_of(r->text.ptr + 3, r->text.len - 3);
  }
  if (!choose(name, r->text, format)) {
    return history_fail(r, NULL, "neither EDN nor JSON nor lines of Jepsen's log");
  }
  switch (*format) {
  case HISTORY_EDN:
    return history_read_edn(r);
  case HISTORY_LOG:
    return history_read_log(r);
  default:
    return history_read_json(r);
  }
}

int history_read(lua_State *L, struct slice text, const char *name, enum history_format *format, struct buf *message)
{
  luaL_checkstack(L, 16, "history");
  lua_newtable(L);
  int history = lua_gettop(L);
  codec_decode(script_of(L), L, SLICE("[]")); /* what the codec makes of an array has its metatable */
  lua_getmetatable(L, -1);
  struct history_reader r = {.L = L, .text = text, .history = history, .array_mt = history + 2};
  bool ok = read_text(&r, name, format);
  if (!ok) {
    complain(&r, name, message);
  }
  lua_settop(L, ok ? history : history - 1);
  return ok ? 0 : -1;
}

/* ---- the module ---- */

/* Lua: read(text, name) -> history, info | nil, message */
static int l_read(lua_State *L)
{
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  const char *name = luaL_checkstring(L, 2);
  struct buf message = {0};
  enum history_format format = HISTORY_EDN;
  if (history_read(L, slice_of(text, len), name, &format, &message) != 0) {
    lua_pushnil(L);
    lua_pushlstring(L, message.data, message.len);
    buf_free(&message);
    return 2;
  }
  lua_createtable(L, 0, 2);
  lua_pushstring(L, history_format_name(format));
  lua_setfield(L, -2, "format");
  lua_pushstring(L, format == HISTORY_LOG ? "observed" : "dropped");
  lua_setfield(L, -2, "failed_cas");
  return 2;
}

static bool is_pair(lua_State *L, int index)
{
  return lua_istable(L, index) && lua_rawlen(L, index) == 2;
}

/* Whether the event on top of the stack invokes an operation on a register, and that has a key. -1 = it is something else. */
static int has_key(lua_State *L)
{
  int top = lua_gettop(L);
  int keyed = -1;
  lua_getfield(L, top, "type");
  lua_getfield(L, top, "f");
  lua_getfield(L, top, "process");
  lua_getfield(L, top, "value");
  const char *type = lua_tostring(L, top + 1);
  const char *f = lua_tostring(L, top + 2);
  if (type != NULL && strcmp(type, "invoke") == 0 && f != NULL && lua_isinteger(L, top + 3)) {
    if (strcmp(f, "read") == 0 || strcmp(f, "write") == 0) {
      keyed = is_pair(L, top + 4);
    } else if (strcmp(f, "cas") == 0 && is_pair(L, top + 4)) {
      lua_rawgeti(L, top + 4, 2);
      keyed = is_pair(L, -1);
    }
  }
  lua_settop(L, top);
  return keyed;
}

/* Lua: keyed(history) -> boolean */
static int l_keyed(lua_State *L)
{
  luaL_checktype(L, 1, LUA_TTABLE);
  int keyed = -1;
  lua_Integer n = (lua_Integer)lua_rawlen(L, 1);
  lua_Integer first = 0;
  for (lua_Integer i = 1; i <= n; i++) {
    if (lua_rawgeti(L, 1, i) != LUA_TTABLE) {
      return luaL_error(L, "keyed: a sequence of events expected");
    }
    int this = has_key(L);
    lua_pop(L, 1);
    if (this >= 0 && keyed >= 0 && this != keyed) {
      lua_pushfstring(L, "operation %I has %s and operation %I has %s: either all reads, writes and cas name a key or none", first - 1,
                      keyed ? "a key" : "no key", i - 1, this ? "one" : "none");
      return lua_error(L);
    }
    if (this >= 0 && keyed < 0) {
      keyed = this;
      first = i;
    }
  }
  lua_pushboolean(L, keyed == 1);
  return 1;
}

int history_open(lua_State *L)
{
  static const luaL_Reg functions[] = {{"read", l_read}, {"keyed", l_keyed}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
