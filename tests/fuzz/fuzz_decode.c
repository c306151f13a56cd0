/* The Lua decoder against the scanner: a text that the scanner accepts becomes a value, whose text is accepted again and becomes the same.
 */
#include <lua.h>
#include <stdint.h>

#include "check.h"
#include "script/codec.h"
#include "script/internal.h"
#include "json/scan.h"

static struct script *script(void)
{
  static struct script *s;
  if (s == NULL) {
    s = script_new(&(struct script_config){.path = "fuzz"});
  }
  return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct buf text = {0};
  struct json_error error;
  buf_append(&text, data, size);
  buf_append_char(&text, '\n');
  if (json_scan(slice_of(text.data, size), &error) == 0) {
    struct script *s = script();
    lua_State *L = script_lua(s);
    codec_decode(s, L, slice_of(text.data, size));
    CHECK(lua_gettop(L) == 1);
    struct buf first = {0};
    struct buf second = {0};
    struct codec_error problem;
    if (codec_encode(s, L, 1, &first, &problem) == 0) { /* 1e999 is read as infinity, which cannot be written */
      CHECK(lua_gettop(L) == 1);
      CHECK(json_scan(buf_slice(&first), &error) == 0);
      size_t len = first.len;
      buf_append_char(&first, '\n');
      codec_decode(s, L, slice_of(first.data, len));
      CHECK(codec_encode(s, L, 2, &second, &problem) == 0);
      CHECK(slice_equal(slice_of(first.data, len), buf_slice(&second)));
    }
    lua_settop(L, 0);
    buf_free(&first);
    buf_free(&second);
  }
  buf_free(&text);
  return 0;
}
