/* Writing bytes of unknown origin as a string: what is not UTF-8 is replaced. */
#include <stdbool.h>

#include "base/assert.h"
#include "json/write.h"

/* How many bytes the sequence that begins with this byte should have; 1 for a byte that cannot begin one. */
static size_t expected_len(unsigned char lead)
{
  return lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
}

/* Whether the `len` bytes at `at` are one well-formed character: the writer is the judge. */
static bool well_formed(const char *at, size_t len)
{
  struct buf probe = {0};
  bool ok = json_write_string(&probe, slice_of(at, len)) == 0;
  buf_free(&probe);
  return ok;
}

void json_write_text(struct buf *out, struct slice bytes)
{
  if (json_write_string(out, bytes) == 0) {
    return;
  }
  struct buf repaired = {0};
  for (size_t i = 0; i < bytes.len;) {
    size_t len = expected_len((unsigned char)bytes.ptr[i]);
    if (len <= bytes.len - i && well_formed(bytes.ptr + i, len)) {
      buf_append(&repaired, bytes.ptr + i, len);
      i += len;
    } else {
      buf_append_str(&repaired, "\xEF\xBF\xBD");
      i++;
    }
  }
  int error = json_write_string(out, buf_slice(&repaired));
  assert(error == 0);
  (void)error;
  buf_free(&repaired);
}
