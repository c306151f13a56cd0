/* Chunks that are compiled once and loaded many times.
 *
 * They are compiled in a Lua state of the cache's own: a script's state never sees more than the compiled chunk, so that it is the same
 * bytes and the same allocations whether the chunk was there already or not. */
#include <stdlib.h>

#include "script/internal.h"

struct script_cache {
  lua_State *compiler;
  struct dict chunks; /* 'e' or 'f' (embedded, file) and the name -> struct buf, owned */
};

struct script_cache *script_cache_new(void)
{
  struct script_cache *c = calloc(1, sizeof *c);
  if (c == NULL) {
    abort();
  }
  c->compiler = luaL_newstate();
  if (c->compiler == NULL) {
    abort();
  }
  dict_init(&c->chunks);
  return c;
}

void script_cache_free(struct script_cache *c)
{
  if (c == NULL) {
    return;
  }
  for (size_t i = dict_next(&c->chunks, 0); i < c->chunks.cap; i = dict_next(&c->chunks, i + 1)) {
    struct buf *compiled = c->chunks.slots[i].value;
    buf_free(compiled);
    free(compiled);
  }
  dict_free(&c->chunks);
  lua_close(c->compiler);
  free(c);
}

static int append(lua_State *L, const void *bytes, size_t n, void *out)
{
  (void)L;
  buf_append(out, bytes, n);
  return 0;
}

/* Puts the function on top of the compiler's stack into the cache. */
static struct buf *keep(struct script_cache *c, struct slice key)
{
  struct buf *compiled = calloc(1, sizeof *compiled);
  if (compiled == NULL) {
    abort();
  }
  lua_dump(c->compiler, append, compiled, 0);
  dict_put(&c->chunks, key, compiled);
  return compiled;
}

/* Loads the chunk of a name, compiling it if it is new: from `source`, or from the file of that name if source is NULL. */
static int load(struct script_cache *c, lua_State *L, char kind, const char *name, struct slice source)
{
  struct buf key = {0};
  buf_append_char(&key, kind);
  buf_append_str(&key, name);
  struct buf *compiled = dict_get(&c->chunks, buf_slice(&key));
  int status = LUA_OK;
  if (compiled == NULL) {
    lua_State *C = c->compiler;
    status = source.ptr != NULL ? luaL_loadbufferx(C, source.ptr, source.len, name, "t") : luaL_loadfilex(C, name, "t");
    if (status == LUA_OK) {
      compiled = keep(c, buf_slice(&key));
    }
  }
  buf_free(&key);
  if (compiled != NULL) {
    status = luaL_loadbufferx(L, compiled->data, compiled->len, "=compiled", "b"); /* it brings its own name along */
  } else {
    size_t len;
    const char *message = luaL_tolstring(c->compiler, -1, &len);
    lua_pushlstring(L, message, len);
  }
  lua_settop(c->compiler, 0);
  return status;
}

int script_load_text(lua_State *L, struct slice source, const char *name)
{
  struct script_cache *c = script_of(L)->config.cache;
  return c != NULL ? load(c, L, 'e', name, source) : luaL_loadbufferx(L, source.ptr, source.len, name, "t");
}

int script_load_file(lua_State *L, const char *path)
{
  struct script_cache *c = script_of(L)->config.cache;
  return c != NULL ? load(c, L, 'f', path, (struct slice){0}) : luaL_loadfilex(L, path, "t");
}
