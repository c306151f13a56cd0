/* The reader of states: whatever the text, it is refused, or it is the very text that the value it gives has. */
#include <lua.h>
#include <stdint.h>
#include <stdlib.h>

#include "check.h"
#include "script/image.h"
#include "script/script.h"

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
  struct script *s = script();
  lua_State *L = script_lua(s);
  struct image_error error;
  char *text = malloc(size + (size == 0)); /* nothing may be read behind it */
  CHECK(text != NULL);
  memcpy(text, data, size);
  if (image_decode(s, L, slice_of(text, size), &error) == 0) {
    struct buf again = {0};
    CHECK(lua_gettop(L) == 1);
    CHECK(image_encode(s, L, 1, "state", &again, &error) == 0);
    CHECK(slice_equal(buf_slice(&again), slice_of(text, size)));
    buf_free(&again);
  }
  lua_settop(L, 0);
  free(text);
  return 0;
}
