/* States to text.
 *
 * Nothing here allocates Lua memory except the stack, which does not start the collector: so no finaliser runs, tables do not change under
 * us, strings stay where they are, and nothing is raised. */
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "script/image.h"
#include "script/internal.h"
#include "json/write.h"

#define STACK_STEP 32 /* slots made sure of at a time */

/* A key that is not one of the elements 1..n, and its value. */
struct item {
  struct image_value key;
  struct image_value value; /* of a table: where it lies on the stack */
};

struct writer {
  struct script *script;
  lua_State *L;
  struct buf *out;
  struct image_error *error;
  struct map seen;    /* every table so far, by address */
  const void *target; /* stop at this table: its path is wanted; NULL = none */
  const void *twice;  /* the table that was reached twice, or NULL */
  struct item *items; /* of the tables that are being written, outermost first */
  size_t item_count;
  size_t item_cap;
  int depth;
  const void *open[IMAGE_DEPTH_MAX]; /* tables that are being written, outermost first */
};

static int value(struct writer *w, const struct image_value *v);

/* ---- errors ---- */

static int fail(struct writer *w, const char *reason)
{
  snprintf(w->error->text, sizeof w->error->text, ": %s", reason);
  return -1;
}

/* Puts a step in front of the path, on the way out. What does not fit is cut off its far end. */
static int prepend(struct writer *w, const char *step)
{
  struct image_error longer;
  int len = snprintf(longer.text, sizeof longer.text, "%s%s", step, w->error->text);
  if (len >= (int)sizeof longer.text) {
    memcpy(longer.text + sizeof longer.text - 4, "...", 4);
  }
  *w->error = longer;
  return -1;
}

static bool is_identifier(struct slice s)
{
  for (size_t i = 0; i < s.len; i++) {
    char c = s.ptr[i];
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (i > 0 && c >= '0' && c <= '9'))) {
      return false;
    }
  }
  return s.len > 0;
}

static int in_key(struct writer *w, const struct image_value *key)
{
  struct buf text = {0};
  char step[80];
  if (key->kind == IMAGE_STRING && is_identifier(key->as.string)) {
    buf_append_slice(&text, key->as.string);
    snprintf(step, sizeof step, ".%.*s", (int)(text.len < 60 ? text.len : 60), text.data);
  } else {
    image_write(key, &text);
    for (size_t i = 0; i < text.len; i++) { /* the path ends up in messages: plain text only */
      text.data[i] = (unsigned char)text.data[i] < 0x20 || (unsigned char)text.data[i] >= 0x7F ? '?' : text.data[i];
    }
    snprintf(step, sizeof step, "[%.*s]", (int)(text.len < 60 ? text.len : 60), text.data);
  }
  buf_free(&text);
  return prepend(w, step);
}

static int in_element(struct writer *w, lua_Integer i)
{
  return in_key(w, &(struct image_value){.kind = IMAGE_INTEGER, .as.integer = i});
}

static int other(struct writer *w, int index)
{
  switch (lua_type(w->L, index)) {
  case LUA_TFUNCTION:
    return fail(w, "a function cannot be kept");
  case LUA_TTHREAD:
    return fail(w, "a coroutine cannot be kept");
  default:
    return fail(w, "a userdata cannot be kept");
  }
}

/* ---- scalars ---- */

void image_look(lua_State *L, int index, struct image_value *out)
{
  switch (lua_type(L, index)) {
  case LUA_TNIL:
    out->kind = IMAGE_NIL;
    return;
  case LUA_TBOOLEAN:
    out->kind = IMAGE_BOOLEAN;
    out->as.boolean = lua_toboolean(L, index);
    return;
  case LUA_TNUMBER:
    out->kind = lua_isinteger(L, index) ? IMAGE_INTEGER : IMAGE_FLOAT;
    if (out->kind == IMAGE_INTEGER) {
      out->as.integer = lua_tointegerx(L, index, NULL);
    } else {
      out->as.real = lua_tonumberx(L, index, NULL);
    }
    return;
  case LUA_TSTRING:
    out->kind = IMAGE_STRING;
    out->as.string.ptr = lua_tolstring(L, index, &out->as.string.len);
    return;
  case LUA_TTABLE:
    out->kind = IMAGE_TABLE;
    break;
  case LUA_TLIGHTUSERDATA:
    out->kind = lua_touserdata(L, index) == NULL ? IMAGE_NULL : IMAGE_OTHER;
    break;
  default:
    out->kind = IMAGE_OTHER;
  }
  out->as.slot = index;
}

int image_compare(const struct image_value *a, const struct image_value *b)
{
  if (a->kind != b->kind) {
    return a->kind < b->kind ? -1 : 1;
  }
  switch (a->kind) {
  case IMAGE_BOOLEAN:
    return a->as.boolean - b->as.boolean;
  case IMAGE_INTEGER:
    return a->as.integer < b->as.integer ? -1 : a->as.integer > b->as.integer;
  case IMAGE_FLOAT:
    return a->as.real < b->as.real ? -1 : a->as.real > b->as.real;
  case IMAGE_STRING: {
    size_t shorter = a->as.string.len < b->as.string.len ? a->as.string.len : b->as.string.len;
    int order = memcmp(a->as.string.ptr, b->as.string.ptr, shorter);
    return order != 0 ? order : a->as.string.len < b->as.string.len ? -1 : a->as.string.len > b->as.string.len;
  }
  default:
    return 0;
  }
}

static void write_float(lua_Number real, struct buf *out)
{
  size_t begin = out->len;
  uint64_t bits;
  memcpy(&bits, &real, sizeof bits);
  if (real != real) {
    buf_printf(out, "nan:%016llx", (unsigned long long)bits);
  } else if (real == 0 && bits != 0) {
    buf_append_str(out, "-0.0");
  } else if (json_write_double(out, real) != 0) {
    buf_append_str(out, real > 0 ? "inf" : "-inf");
  } else {
    for (size_t i = begin; i < out->len; i++) {
      if (out->data[i] == '.' || out->data[i] == 'e' || out->data[i] == 'E') {
        return;
      }
    }
    buf_append_str(out, ".0");
  }
}

static void write_bytes(struct slice bytes, struct buf *out)
{
  buf_append_char(out, '\'');
  for (size_t i = 0; i < bytes.len; i++) {
    unsigned char c = (unsigned char)bytes.ptr[i];
    if (c < 0x20 || c >= 0x7F || c == '\'' || c == '\\') {
      buf_printf(out, "\\x%02x", c);
    } else {
      buf_append_char(out, (char)c);
    }
  }
  buf_append_char(out, '\'');
}

void image_write(const struct image_value *v, struct buf *out)
{
  switch (v->kind) {
  case IMAGE_NIL:
    buf_append_str(out, "nil");
    return;
  case IMAGE_BOOLEAN:
    buf_append_str(out, v->as.boolean ? "true" : "false");
    return;
  case IMAGE_NULL:
    buf_append_str(out, "null");
    return;
  case IMAGE_INTEGER:
    json_write_integer(out, v->as.integer);
    return;
  case IMAGE_FLOAT:
    write_float(v->as.real, out);
    return;
  case IMAGE_STRING:
    if (json_write_string(out, v->as.string) != 0) {
      write_bytes(v->as.string, out);
    }
    return;
  default:
    assert(!"a value that is no table");
  }
}

/* ---- tables ---- */

static void separate(struct writer *w, size_t begin)
{
  if (w->out->len > begin) {
    buf_append_char(w->out, ',');
  }
}

/* Writes the value on top of the stack as element i. */
static int element(struct writer *w, lua_Integer i, size_t begin)
{
  struct image_value v;
  separate(w, begin);
  image_look(w->L, lua_gettop(w->L), &v);
  return value(w, &v) == 0 ? 0 : in_element(w, i);
}

/* Writes what else there is of the elements 1..n, when n of them have been written. */
static int more_elements(struct writer *w, int index, lua_Integer *n, size_t begin)
{
  lua_State *L = w->L;
  while (lua_rawgeti(L, index, *n + 1) != LUA_TNIL) {
    ++*n;
    if (element(w, *n, begin) != 0) {
      return -1;
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return 0;
}

/* Takes the key and the value on top of the stack as an item. Leaves the key on top, for lua_next; below it a value that is a table. */
static int add_item(struct writer *w)
{
  lua_State *L = w->L;
  int top = lua_gettop(L);
  if (w->item_count % (STACK_STEP / 2) == 0 && !lua_checkstack(L, STACK_STEP)) {
    return fail(w, "too many tables in one table for the Lua stack");
  }
  w->items = memory_grow(w->items, &w->item_cap, w->item_count + 1, sizeof *w->items);
  struct item *item = &w->items[w->item_count++];
  image_look(L, top - 1, &item->key);
  image_look(L, top, &item->value);
  if (item->key.kind >= IMAGE_TABLE) {
    return fail(w, item->key.kind == IMAGE_TABLE ? "a key that is a table: once restored, nobody could find it"
                                                 : "a key that is a function, a coroutine or a userdata");
  }
  if (item->value.kind == IMAGE_OTHER) {
    other(w, top);
    return in_key(w, &item->key);
  }
  if (item->value.kind == IMAGE_TABLE) {
    lua_insert(L, top - 1);
    item->value.as.slot = top - 1;
  } else {
    lua_pop(L, 1);
  }
  return 0;
}

/* Writes the elements and collects the items. */
static int walk(struct writer *w, int index, size_t begin)
{
  lua_State *L = w->L;
  lua_Integer n = 0;
  bool in_order = true; /* so far, keys came as 1, 2, 3 … */
  lua_pushnil(L);
  while (lua_next(L, index) != 0) {
    lua_Integer key = lua_isinteger(L, -2) ? lua_tointegerx(L, -2, NULL) : 0;
    if (in_order && key == n + 1) {
      n++;
      if (element(w, n, begin) != 0) {
        return -1;
      }
      lua_pop(L, 1);
      continue;
    }
    if (in_order && more_elements(w, index, &n, begin) != 0) {
      return -1;
    }
    in_order = false;
    if (key >= 1 && key <= n) {
      lua_pop(L, 1);
    } else if (add_item(w) != 0) {
      return -1;
    }
  }
  return 0;
}

static int compare(const void *a, const void *b)
{
  return image_compare(&((const struct item *)a)->key, &((const struct item *)b)->key);
}

static int content(struct writer *w, int index)
{
  size_t first = w->item_count;
  size_t begin = w->out->len;
  if (walk(w, index, begin) != 0) {
    return -1;
  }
  size_t end = w->item_count;
  if (end - first > 1) {
    qsort(w->items + first, end - first, sizeof *w->items, compare);
  }
  for (size_t i = first; i < end; i++) {
    struct item item = w->items[i]; /* a copy: the array moves when it grows */
    separate(w, begin);
    image_write(&item.key, w->out);
    buf_append_char(w->out, ':');
    if (value(w, &item.value) != 0) {
      return in_key(w, &item.key);
    }
  }
  w->item_count = first;
  return 0;
}

/* How the table at `index` begins: "{", "[" or "object{"; NULL if it has somebody else's metatable. */
static const char *opening(struct writer *w, int index)
{
  if (!lua_getmetatable(w->L, index)) {
    return "{";
  }
  const void *mt = lua_topointer(w->L, -1);
  lua_pop(w->L, 1);
  return mt == w->script->array_mt ? "[" : mt == w->script->object_mt ? "object{" : NULL;
}

/* A table that has been seen before. */
static int seen_before(struct writer *w, const void *table)
{
  for (int i = 0; i < w->depth; i++) {
    if (w->open[i] == table) {
      return fail(w, "a table that contains itself");
    }
  }
  w->twice = table;
  return fail(w, "a table that is part of the state already");
}

static int table(struct writer *w, int index)
{
  lua_State *L = w->L;
  const void *address = lua_topointer(L, index);
  if (address == w->target) {
    w->error->text[0] = '\0';
    return -1;
  }
  if (w->depth == IMAGE_DEPTH_MAX) {
    return fail(w, "nested deeper than 200 levels");
  }
  if (!lua_checkstack(L, STACK_STEP)) {
    return fail(w, "too large for the Lua stack");
  }
  const char *begin = opening(w, index);
  if (begin == NULL) {
    return fail(w, "a table with a metatable cannot be kept (of a vortex.set, keep what its array() gives)");
  }
  if (map_put(&w->seen, (uint64_t)(uintptr_t)address, w) != NULL) {
    return seen_before(w, address);
  }
  int top = lua_gettop(L);
  buf_append_str(w->out, begin);
  w->open[w->depth++] = address;
  int result = content(w, index);
  w->depth--;
  lua_settop(L, top);
  buf_append_char(w->out, *begin == '[' ? ']' : '}');
  return result;
}

static int value(struct writer *w, const struct image_value *v)
{
  if (v->kind == IMAGE_TABLE) {
    return table(w, v->as.slot);
  }
  if (v->kind == IMAGE_OTHER) {
    return other(w, v->as.slot);
  }
  image_write(v, w->out);
  return 0;
}

static int run(struct writer *w, int index)
{
  struct image_value v;
  int top = lua_gettop(w->L);
  image_look(w->L, index, &v);
  int result = value(w, &v);
  lua_settop(w->L, top);
  map_free(&w->seen);
  free(w->items);
  return result;
}

/* Says where the table that was reached twice was reached first. */
static void add_first_path(struct writer *w, int index, const char *name)
{
  struct buf dropped = {0};
  struct image_error where;
  struct writer again = {.script = w->script, .L = w->L, .out = &dropped, .error = &where, .target = w->twice};
  run(&again, index);
  buf_free(&dropped);
  size_t len = strlen(w->error->text);
  snprintf(w->error->text + len, sizeof w->error->text - len, ", as %s%s (a copy can be kept)", name, where.text);
}

int image_encode(struct script *s, lua_State *L, int index, const char *name, struct buf *out, struct image_error *error)
{
  struct writer w = {.script = s, .L = L, .out = out, .error = error};
  index = lua_absindex(L, index);
  int result = run(&w, index);
  if (result != 0) {
    prepend(&w, name);
    if (w.twice != NULL) {
      add_first_path(&w, index, name);
    }
  }
  return result;
}
