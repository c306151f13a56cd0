/* Histories in EDN, and in the lines of Jepsen's log, whose values are EDN. */
#include <string.h>

#include "lab/edn.h"
#include "lab/history_reader.h"

/* ---- EDN ---- */

/* Reads a map and adds it. */
static bool read_operation(struct history_reader *r, struct edn_reader *edn)
{
  const char *at = edn->at;
  if (edn_read(edn) != 0) {
    return history_fail_edn(r, edn);
  }
  if (lua_type(r->L, -1) != LUA_TTABLE || lua_getmetatable(r->L, -1)) {
    return history_fail(r, at, "an operation (a map) expected");
  }
  return history_add(r, at);
}

/* The operations of a vector or a list; edn->at is its bracket. */
static bool read_elements(struct history_reader *r, struct edn_reader *edn)
{
  const char *open = edn->at++;
  char close = *open == '[' ? ']' : ')';
  int more;
  while ((more = edn_skip(edn)) > 0 && *edn->at != close) {
    if (!read_operation(r, edn)) {
      return false;
    }
  }
  if (more < 0) {
    return history_fail_edn(r, edn);
  }
  if (more == 0) {
    return history_fail(r, open, "'%c' is never closed", *open);
  }
  edn->at++;
  more = edn_skip(edn);
  if (more > 0) {
    return history_fail(r, edn->at, "nothing expected behind the end of the history");
  }
  return more == 0 || history_fail_edn(r, edn);
}

/* A record of the whole history: #jepsen.history.DenseHistory [...]. A tag in front of a map is the map's own. */
static void skip_tag(struct edn_reader *edn)
{
  static const char space[] = {' ', ',', '\t', '\r', '\n'};
  static const char ends_tag[] = {' ', ',', '\t', '\r', '\n', '[', ']', '(', ')', '{', '}', '"', '\0'};
  const char *at = edn->at;
  while (at < edn->end && memchr(ends_tag, *at, sizeof ends_tag) == NULL) {
    at++;
  }
  while (at < edn->end && memchr(space, *at, sizeof space) != NULL) {
    at++;
  }
  if (*edn->at == '#' && at - edn->at > 1 && at < edn->end && (*at == '[' || *at == '(')) {
    edn->at = at;
  }
}

static bool read_forms(struct history_reader *r, struct edn_reader *edn)
{
  int more = edn_skip(edn);
  if (more > 0) {
    skip_tag(edn);
    if (*edn->at == '[' || *edn->at == '(') {
      return read_elements(r, edn);
    }
  }
  for (; more > 0; more = edn_skip(edn)) {
    if (!read_operation(r, edn)) {
      return false;
    }
  }
  if (more < 0) {
    return history_fail_edn(r, edn);
  }
  return r->count > 0 || history_fail(r, NULL, "no operation in it");
}

bool history_read_edn(struct history_reader *r)
{
  struct edn_reader edn;
  edn_init(&edn, r->L, r->text, r->array_mt);
  bool ok = read_forms(r, &edn);
  edn_close(&edn);
  return ok;
}

/* ---- lines of a log ---- */

#define MARK "jepsen.util"

/* Where the operation of a line begins: behind "jepsen.util", blanks and dashes, a process, a tab and the colon of a type. NULL if the line
 * says something else. */
static const char *find_operation(struct slice line)
{
  const char *end = line.ptr + line.len;
  const char *at = memmem(line.ptr, line.len, MARK, sizeof MARK - 1);
  if (at == NULL) {
    return NULL;
  }
  at += sizeof MARK - 1;
  while (at < end && (*at == ' ' || *at == '-')) {
    at++;
  }
  const char *tab = memchr(at, '\t', (size_t)(end - at));
  return tab != NULL && tab > at && memchr(at, ' ', (size_t)(tab - at)) == NULL && end - tab > 1 && tab[1] == ':' ? at : NULL;
}

/* Completes a client's event, which is on top of the stack. The log has the reason why an operation did not end well where others have its
 * value: that is then what was asked for. `invoked` is the stack index of a table of that, by process. */
static void complete_client(lua_State *L, int invoked, bool named)
{
  lua_getfield(L, -1, "type");
  lua_getfield(L, -2, "process");
  lua_getfield(L, -3, "value");
  lua_Integer process = lua_tointeger(L, -2);
  const char *type = lua_tostring(L, -3);
  bool ended = strcmp(type, "info") == 0 || strcmp(type, "fail") == 0;
  if (strcmp(type, "invoke") == 0) {
    lua_rawseti(L, invoked, process);
    lua_pop(L, 2);
  } else if (named && ended && lua_getfield(L, -4, "error") == LUA_TNIL) {
    lua_pop(L, 1);
    lua_setfield(L, -4, "error");
    if (lua_rawgeti(L, invoked, process) == LUA_TNIL) {
      lua_pushlightuserdata(L, NULL);
      lua_replace(L, -2);
    }
    lua_setfield(L, -4, "value");
    lua_pop(L, 2);
  } else {
    lua_pop(L, named && ended ? 4 : 3);
  }
}

/* Reads the fields of a line into the table on top of the stack. */
static bool read_fields(struct history_reader *r, struct edn_reader *edn, bool *named)
{
  static const char *const fields[] = {"process", "type", "f", "value", "error"};
  int more = 1;
  for (size_t i = 0; i < sizeof fields / sizeof *fields && (more = edn_skip(edn)) > 0; i++) {
    if (i == 3) {
      *named = *edn->at == ':';
    }
    if (edn_read(edn) != 0) {
      return history_fail_edn(r, edn);
    }
    lua_setfield(r->L, -2, fields[i]);
  }
  if (more > 0) {
    more = edn_skip(edn);
  }
  if (more > 0) {
    return history_fail(r, edn->at, "nothing expected behind an operation's error");
  }
  return more == 0 || history_fail_edn(r, edn);
}

static bool read_line(struct history_reader *r, struct edn_reader *edn, int invoked)
{
  lua_State *L = r->L;
  const char *begin = edn->at;
  bool named = false;
  lua_createtable(L, 0, 8);
  if (!read_fields(r, edn, &named)) {
    return false;
  }
  if (lua_getfield(L, -1, "value") == LUA_TNIL) {
    return history_fail(r, begin, "four fields of an operation expected: process, :type, :f and value");
  }
  lua_pop(L, 1);
  if (!history_add(r, begin)) {
    return false;
  }
  lua_rawgeti(L, r->history, r->count);
  lua_getfield(L, -1, "process");
  bool client = lua_isinteger(L, -1);
  lua_pop(L, 1);
  if (client) {
    complete_client(L, invoked, named);
  }
  lua_pop(L, 1);
  return true;
}

bool history_read_log(struct history_reader *r)
{
  const char *at = r->text.ptr;
  const char *end = at + r->text.len;
  bool ok = true;
  lua_newtable(r->L);
  int invoked = lua_gettop(r->L);
  while (ok && at < end) {
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    struct slice line = slice_of(at, (size_t)((newline != NULL ? newline : end) - at));
    const char *operation = find_operation(line);
    if (operation != NULL) {
      struct edn_reader edn;
      edn_init(&edn, r->L, slice_of(operation, (size_t)(line.ptr + line.len - operation)), r->array_mt);
      ok = read_line(r, &edn, invoked);
      edn_close(&edn);
    }
    at += line.len + 1;
  }
  return ok &&
         (r->count > 0 || history_fail(r, NULL, "no line of it is an operation (INFO  jepsen.util - 0<tab>:invoke<tab>:read<tab>nil)"));
}
