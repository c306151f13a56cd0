/* Lua values to JSON text. A value that cannot be encoded is an error with the path to it.
 *
 * Nothing here allocates Lua memory except the stack, which does not start the collector: so no finaliser runs, tables do not change under
 * us, their keys stay where they are, and nothing is raised. Strings that are looked up come from references, not from lua_pushliteral. */
#include <stdio.h>
#include <stdlib.h>

#include "script/codec.h"
#include "script/internal.h"
#include "json/scan.h"
#include "json/write.h"

#define STACK_STEP 32 /* slots made sure of at a time */

/* A member of the object being encoded. */
struct script_field {
  const char *key; /* of the string on the stack below the value, or of an integer's digits */
  size_t len;
  int slot; /* of the value on the stack; its key lies below it */
};

#define DIGITS_SIZE 24

/* The digits of an object's integer keys. */
struct digits {
  char *text; /* owned: DIGITS_SIZE bytes for each field of the object; NULL if there is no integer key */
  size_t cap; /* fields it has room for */
};

struct encoder {
  struct script *script;
  lua_State *L;
  struct buf *out;
  struct codec_error *error;
  int depth;
  const void *open[JSON_DEPTH_MAX]; /* tables being encoded, outermost first */
};

static int value(struct encoder *e, int index);

/* ---- errors ---- */

static int fail(struct encoder *e, const char *reason)
{
  e->error->reason = reason;
  e->error->path[0] = '\0';
  return -1;
}

/* Puts a step in front of the path, on the way out. What does not fit is cut off its far end. */
static int prepend(struct encoder *e, const char *step)
{
  char path[sizeof e->error->path];
  int len = snprintf(path, sizeof path, "%s%s", step, e->error->path);
  if (len >= (int)sizeof path) {
    memcpy(path + sizeof path - 4, "...", 4);
  }
  memcpy(e->error->path, path, sizeof path);
  return -1;
}

static int in_element(struct encoder *e, lua_Integer i)
{
  char step[32];
  snprintf(step, sizeof step, "[%lld]", (long long)i);
  return prepend(e, step);
}

static int in_member(struct encoder *e, const char *key, size_t len)
{
  char step[64];
  snprintf(step, sizeof step, ".%.*s", (int)(len < 60 ? len : 60), key);
  for (char *p = step; *p != '\0'; p++) { /* the path ends up in messages: plain text only */
    *p = (unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7F ? '?' : *p;
  }
  return prepend(e, step);
}

static int too_deep(struct encoder *e)
{
  for (int i = 0; i < e->depth; i++) {
    for (int k = i + 1; k < e->depth; k++) {
      if (e->open[i] != NULL && e->open[i] == e->open[k]) {
        return fail(e, "a table that contains itself");
      }
    }
  }
  return fail(e, "nested deeper than 512 levels");
}

/* ---- scalars ---- */

static int string(struct encoder *e, const char *bytes, size_t len)
{
  return json_write_string(e->out, slice_of(bytes, len)) == 0 ? 0 : fail(e, "a string that is not UTF-8");
}

static int number(struct encoder *e, int index)
{
  if (lua_isinteger(e->L, index)) {
    json_write_integer(e->out, lua_tointeger(e->L, index));
    return 0;
  }
  lua_Number real = lua_tonumber(e->L, index);
  if (json_write_double(e->out, real) == 0) {
    return 0;
  }
  return fail(e, real != real ? "NaN" : "infinity");
}

static int unencodable(struct encoder *e, int index)
{
  switch (lua_type(e->L, index)) {
  case LUA_TFUNCTION:
    return fail(e, "a function cannot be encoded");
  case LUA_TTHREAD:
    return fail(e, "a coroutine cannot be encoded");
  case LUA_TNIL:
    return fail(e, "nil cannot be encoded (use vortex.null)");
  default:
    return fail(e, "a userdata cannot be encoded");
  }
}

/* ---- arrays ---- */

/* The elements of a sequence whose parts do not lie in order, or that is none. */
static int elements_by_index(struct encoder *e, int index)
{
  lua_State *L = e->L;
  lua_Integer len = (lua_Integer)lua_rawlen(L, index);
  lua_Integer count = 0;
  for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) {
    lua_Integer key = lua_isinteger(L, -2) ? lua_tointeger(L, -2) : 0;
    count++;
    if (key < 1 || key > len) {
      bool text = lua_type(L, -2) == LUA_TSTRING;
      lua_pop(L, 2);
      return fail(e,
                  text ? "a table with both a sequence and other keys" : "a table whose integer keys are not 1..n (use strings as keys)");
    }
  }
  if (count != len) {
    return fail(e, "an array with holes");
  }
  for (lua_Integer i = 1; i <= len; i++) {
    if (i > 1) {
      buf_append_char(e->out, ',');
    }
    lua_rawgeti(L, index, i);
    if (value(e, lua_gettop(L)) != 0) {
      return in_element(e, i);
    }
    lua_pop(L, 1);
  }
  return 0;
}

/* Elements in one walk over the table: the usual case, in which they come out in order. The first key and value are on the stack. */
static int array(struct encoder *e, int index)
{
  lua_State *L = e->L;
  struct buf *out = e->out;
  size_t begin = out->len;
  int top = lua_gettop(L);
  lua_Integer i = 0;
  do {
    i++;
    if (!lua_isinteger(L, -2) || lua_tointegerx(L, -2, NULL) != i) {
      lua_pop(L, 2);
      out->len = begin;
      buf_append_char(out, '[');
      if (elements_by_index(e, index) != 0) {
        return -1;
      }
      break;
    }
    buf_append_char(out, i == 1 ? '[' : ',');
    if (lua_isinteger(L, -1)) {
      json_write_integer(out, lua_tointegerx(L, -1, NULL));
    } else if (value(e, top) != 0) {
      return in_element(e, i);
    }
    lua_settop(L, top - 1);
  } while (lua_next(L, index) != 0);
  buf_append_char(out, ']');
  return 0;
}

/* ---- objects ---- */

static struct script_field *add_field(struct script *s)
{
  if (s->fields_len == s->fields_cap) {
    s->fields_cap = s->fields_cap == 0 ? 64 : 2 * s->fields_cap;
    s->fields = realloc(s->fields, s->fields_cap * sizeof *s->fields);
    if (s->fields == NULL) {
      abort();
    }
  }
  return &s->fields[s->fields_len++];
}

static int compare(const void *a, const void *b)
{
  const struct script_field *left = a;
  const struct script_field *right = b;
  int first = (unsigned char)left->key[0] - (unsigned char)right->key[0]; /* keys are terminated; mostly that decides */
  if (first != 0) {
    return first;
  }
  int order = memcmp(left->key, right->key, left->len < right->len ? left->len : right->len);
  return order != 0 ? order : left->len < right->len ? -1 : left->len > right->len;
}

static void sort_fields(struct script_field *fields, size_t n)
{
  if (n > 16) {
    qsort(fields, n, sizeof *fields, compare);
    return;
  }
  for (size_t i = 1; i < n; i++) {
    struct script_field moving = fields[i];
    size_t k = i;
    for (; k > 0 && compare(&moving, &fields[k - 1]) < 0; k--) {
      fields[k] = fields[k - 1];
    }
    fields[k] = moving;
  }
}

/* Reads the integer key at -2. The field's key is set when all of them are known. */
static void read_integer(struct encoder *e, struct script_field *f, size_t i, struct digits *digits)
{
  if (i >= digits->cap) {
    digits->cap = 2 * i + 16;
    digits->text = realloc(digits->text, digits->cap * DIGITS_SIZE);
    if (digits->text == NULL) {
      abort();
    }
  }
  f->key = NULL;
  f->len = (size_t)snprintf(digits->text + i * DIGITS_SIZE, DIGITS_SIZE, "%lld", (long long)lua_tointegerx(e->L, -2, NULL));
}

/* Reads the key at -2 into the i-th field. */
static int read_key(struct encoder *e, struct script_field *f, size_t i, struct digits *digits)
{
  lua_State *L = e->L;
  if (lua_type(L, -2) == LUA_TSTRING) {
    f->key = lua_tolstring(L, -2, &f->len);
    return 0;
  }
  if (!lua_isinteger(L, -2)) {
    return fail(e,
                digits != NULL ? "a table with a key that is neither a string nor an integer" : "a table with a key that is not a string");
  }
  if (digits == NULL) {
    return fail(e,
                i == 0 ? "a table whose integer keys are not 1..n (use strings as keys)" : "a table with both a sequence and other keys");
  }
  read_integer(e, f, i, digits);
  return 0;
}

/* Sorts the fields of an object that may have integer keys. */
static int sort_mixed(struct encoder *e, struct script_field *fields, size_t n, const struct digits *digits)
{
  for (size_t i = 0; i < n; i++) {
    fields[i].key = fields[i].key != NULL ? fields[i].key : digits->text + i * DIGITS_SIZE;
  }
  sort_fields(fields, n);
  for (size_t i = 1; i < n; i++) {
    if (compare(&fields[i - 1], &fields[i]) == 0) {
      return fail(e, "a table with an integer and a string that spell the same key");
    }
  }
  return 0;
}

/* Collects the fields, sorted; the first key and value are on the stack, and all of them stay there. `digits`: integer keys are wanted too,
 * and their digits go there; or NULL. */
static int collect(struct encoder *e, int index, struct digits *digits)
{
  lua_State *L = e->L;
  struct script *s = e->script;
  size_t first = s->fields_len;
  int slot = lua_gettop(L);
  do {
    size_t i = s->fields_len - first;
    if (i % (STACK_STEP / 2) == 0 && !lua_checkstack(L, STACK_STEP + 8)) {
      return fail(e, "an object with too many members for the Lua stack");
    }
    struct script_field *f = add_field(s);
    if (read_key(e, f, i, digits) != 0) {
      return -1;
    }
    f->slot = slot;
    slot += 2;
    lua_pushvalue(L, -2);
  } while (lua_next(L, index) != 0);
  if (digits != NULL) {
    return sort_mixed(e, s->fields + first, s->fields_len - first, digits);
  }
  sort_fields(s->fields + first, s->fields_len - first);
  return 0;
}

static int member(struct encoder *e, const struct script_field *f)
{
  if (string(e, f->key, f->len) != 0) {
    return -1;
  }
  buf_append_char(e->out, ':');
  return value(e, f->slot);
}

/* The first key and value are on the stack. */
static int object(struct encoder *e, int index, bool integers)
{
  struct script *s = e->script;
  size_t first = s->fields_len;
  int top = lua_gettop(e->L) - 2;
  struct digits digits = {0};
  int result = collect(e, index, integers ? &digits : NULL);
  size_t end = s->fields_len;
  for (size_t i = first; result == 0 && i < end; i++) {
    struct script_field f = s->fields[i]; /* a copy: the array moves when it grows */
    buf_append_char(e->out, i == first ? '{' : ',');
    result = member(e, &f);
    result = result == 0 ? 0 : in_member(e, f.key, f.len);
  }
  s->fields_len = first;
  free(digits.text);
  lua_settop(e->L, top);
  buf_append_char(e->out, '}');
  return result;
}

/* ---- tables ---- */

enum tag {
  UNTAGGED,
  ARRAY,
  OBJECT,
  OPAQUE, /* an object of some class, such as a vortex.set: its fields are nobody's business */
  WEAK,   /* its elements may vanish while it is encoded */
};

static enum tag tag_of(struct encoder *e, int index)
{
  if (!lua_getmetatable(e->L, index)) {
    return UNTAGGED;
  }
  const void *mt = lua_topointer(e->L, -1);
  enum tag tag = mt == e->script->array_mt ? ARRAY : mt == e->script->object_mt ? OBJECT : UNTAGGED;
  if (tag == UNTAGGED && mt != e->script->error_mt) {
    lua_rawgeti(e->L, LUA_REGISTRYINDEX, e->script->name_ref);
    tag = lua_rawget(e->L, -2) == LUA_TNIL ? UNTAGGED : OPAQUE;
    lua_rawgeti(e->L, LUA_REGISTRYINDEX, e->script->mode_ref);
    tag = lua_rawget(e->L, -3) == LUA_TNIL ? tag : WEAK;
    lua_pop(e->L, 2);
  }
  lua_pop(e->L, 1);
  return tag;
}

static int table(struct encoder *e, int index)
{
  lua_State *L = e->L;
  enum tag tag = tag_of(e, index);
  if (tag == OPAQUE) {
    return fail(e, "an object (encode what its array() or to_json() gives)");
  }
  if (tag == WEAK) {
    return fail(e, "a weak table");
  }
  lua_pushnil(L);
  if (lua_next(L, index) == 0) {
    buf_append_str(e->out, tag == ARRAY ? "[]" : "{}");
    return 0;
  }
  if (tag == ARRAY || (tag == UNTAGGED && lua_type(L, -2) == LUA_TNUMBER && lua_rawlen(L, index) > 0)) {
    return array(e, index);
  }
  return object(e, index, tag == OBJECT);
}

static int value(struct encoder *e, int index)
{
  lua_State *L = e->L;
  switch (lua_type(L, index)) {
  case LUA_TBOOLEAN:
    buf_append_str(e->out, lua_toboolean(L, index) ? "true" : "false");
    return 0;
  case LUA_TNUMBER:
    return number(e, index);
  case LUA_TSTRING: {
    size_t len;
    const char *bytes = lua_tolstring(L, index, &len);
    return string(e, bytes, len);
  }
  case LUA_TLIGHTUSERDATA:
    if (lua_touserdata(L, index) != NULL) {
      return unencodable(e, index);
    }
    buf_append_str(e->out, "null");
    return 0;
  case LUA_TTABLE:
    break;
  default:
    return unencodable(e, index);
  }
  if (e->depth == JSON_DEPTH_MAX) {
    return too_deep(e);
  }
  if (!lua_checkstack(L, STACK_STEP)) {
    return fail(e, "too large for the Lua stack");
  }
  e->open[e->depth++] = lua_topointer(L, index);
  int result = table(e, index);
  e->depth--;
  return result;
}

int codec_encode(struct script *s, lua_State *L, int index, struct buf *out, struct codec_error *error)
{
  struct encoder e;
  e.script = s;
  e.L = L;
  e.out = out;
  e.error = error;
  e.depth = 0;
  int top = lua_gettop(L);
  int result = value(&e, lua_absindex(L, index));
  lua_settop(L, top);
  return result;
}

/* ---- message bodies ---- */

static bool key_is(const struct script_field *f, const char *name, size_t len)
{
  return f->len == len && memcmp(f->key, name, len) == 0;
}

/* Writes the type member: the table's own (the field `f`, or NULL), else `type`. */
static int write_type(struct encoder *e, const struct script_field *f, struct slice type)
{
  if (f == NULL && type.len > 0) {
    buf_append_slice(e->out, type);
    return 0;
  }
  int result;
  if (f == NULL) {
    result = fail(e, "missing");
  } else if (lua_type(e->L, f->slot) != LUA_TSTRING || lua_rawlen(e->L, f->slot) == 0) {
    result = fail(e, "not a string, or empty");
  } else {
    buf_append_str(e->out, "\"type\":");
    result = value(e, f->slot);
  }
  return result == 0 ? 0 : in_member(e, "type", 4);
}

static int write_member(struct encoder *e, const struct script_field *f, enum codec_body kind)
{
  bool msg_id = key_is(f, "msg_id", 6);
  bool in_reply_to = key_is(f, "in_reply_to", 11);
  if ((msg_id && kind == CODEC_RPC) || (in_reply_to && kind == CODEC_REPLY)) {
    return 0; /* the node writes it */
  }
  buf_append_char(e->out, ',');
  /* An id that the script gives must be an integer: the protocol's schemas refuse anything else. */
  int result = (msg_id || in_reply_to) && !lua_isinteger(e->L, f->slot) ? fail(e, "not an integer") : member(e, f);
  return result == 0 ? 0 : in_member(e, f->key, f->len);
}

/* Writes the body's members. The fields have been collected, from `first` on. */
static int write_members(struct encoder *e, size_t first, struct slice type, enum codec_body kind)
{
  struct script *s = e->script;
  size_t end = s->fields_len;
  size_t type_at = first;
  while (type_at < end && !key_is(&s->fields[type_at], "type", 4)) {
    type_at++;
  }
  struct script_field f;
  if (type_at < end) {
    f = s->fields[type_at];
  }
  int result = write_type(e, type_at < end ? &f : NULL, type);
  for (size_t i = first; result == 0 && i < end; i++) {
    f = s->fields[i]; /* a copy: the array moves when it grows */
    if (i != type_at) {
      result = write_member(e, &f, kind);
    }
  }
  return result;
}

static int body(struct encoder *e, int index, struct slice type, enum codec_body kind)
{
  struct script *s = e->script;
  if (!lua_checkstack(e->L, STACK_STEP)) {
    return fail(e, "too large for the Lua stack");
  }
  enum tag tag = tag_of(e, index);
  if (tag >= OPAQUE) {
    return fail(e, "an object, or a weak table (a body is a plain table)");
  }
  e->open[e->depth++] = NULL; /* the line around the body, and a forwarding one around that */
  e->open[e->depth++] = NULL;
  e->open[e->depth++] = lua_topointer(e->L, index);
  size_t first = s->fields_len;
  lua_pushnil(e->L);
  struct digits digits = {0};
  int result = lua_next(e->L, index) == 0 ? 0 : collect(e, index, tag == OBJECT ? &digits : NULL);
  result = result != 0 ? result : write_members(e, first, type, kind);
  s->fields_len = first;
  free(digits.text);
  return result;
}

int codec_encode_body(struct script *s, lua_State *L, int index, struct slice type, enum codec_body kind, struct buf *out,
                      struct codec_error *error)
{
  struct encoder e;
  e.script = s;
  e.L = L;
  e.out = out;
  e.error = error;
  e.depth = 0;
  int top = lua_gettop(L);
  int result = body(&e, lua_absindex(L, index), type, kind);
  if (result != 0) {
    prepend(&e, "body");
  }
  lua_settop(L, top);
  return result;
}

struct buf *script_encode_body(struct script *s, lua_State *L, int index, struct slice type, enum codec_body kind,
                               struct codec_error *error)
{
  buf_clear(&s->encoded);
  return codec_encode_body(s, L, index, type, kind, &s->encoded, error) == 0 ? &s->encoded : NULL;
}

/* ---- tags ---- */

static int new_metatable(lua_State *L, const char *name, const void **pointer)
{
  lua_newtable(L);
  lua_pushstring(L, name);
  lua_setfield(L, -2, "__name");
  *pointer = lua_topointer(L, -1);
  return luaL_ref(L, LUA_REGISTRYINDEX);
}

void codec_open(struct script *s)
{
  lua_pushliteral(s->L, "__name");
  s->name_ref = luaL_ref(s->L, LUA_REGISTRYINDEX);
  lua_pushliteral(s->L, "__mode");
  s->mode_ref = luaL_ref(s->L, LUA_REGISTRYINDEX);
  s->array_mt_ref = new_metatable(s->L, "vortex.array", &s->array_mt);
  s->object_mt_ref = new_metatable(s->L, "vortex.object", &s->object_mt);
}
