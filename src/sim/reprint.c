#include "sim/reprint.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/mix.h"
#include "json/iter.h"
#include "json/read.h"
#include "json/scan.h"

/* A member of an object: where it stands, and what its place is drawn from. */
struct member {
  uint64_t hash;
  const char *begin; /* the opening quote of its key; for equal keys their order stays */
  struct slice value;
};

struct reprint {
  struct buf *out;
  uint64_t key;
  struct member *members; /* a stack: of each object that is being printed, its members */
  size_t count;
  size_t cap;
  struct buf spelled;
};

static void print_value(struct reprint *r, struct slice value, int depth);

static struct member *push(struct reprint *r)
{
  if (r->count == r->cap) {
    r->cap = r->cap == 0 ? 64 : r->cap * 2;
    struct member *members = realloc(r->members, r->cap * sizeof *members);
    if (members == NULL) {
      abort();
    }
    r->members = members;
  }
  return &r->members[r->count++];
}

/* Of what the key spells, so that two spellings of one key keep their order, and with it the value that counts. */
static uint64_t hash_key(struct reprint *r, struct slice raw)
{
  if (raw.len > 0 && memchr(raw.ptr, '\\', raw.len) != NULL) {
    buf_clear(&r->spelled);
    json_read_string(raw, &r->spelled);
    raw = buf_slice(&r->spelled);
  }
  return mix_bytes(r->key, raw);
}

static int by_hash(const void *a, const void *b)
{
  const struct member *x = a;
  const struct member *y = b;
  if (x->hash != y->hash) {
    return x->hash < y->hash ? -1 : 1;
  }
  return x->begin < y->begin ? -1 : x->begin > y->begin;
}

static void print_between(struct reprint *r, const char *begin, const char *end)
{
  buf_append(r->out, begin, (size_t)(end - begin));
}

/* What stands between the members stays where it is; the members change places. */
static void print_object(struct reprint *r, struct slice object, int depth)
{
  struct json_iter it;
  struct slice key;
  struct slice value;
  size_t base = r->count;
  json_iter_init(&it, object);
  while (json_iter_member(&it, &key, &value)) {
    *push(r) = (struct member){.begin = key.ptr - 1, .value = value};
  }
  size_t count = r->count - base;
  bool large = count > REPRINT_KEEPS_MEMBERS;
  for (size_t i = 0; large && i < count; i++) {
    struct member sorted = r->members[base + i];
    bool plain;
    const char *quote = json_string_end(sorted.begin + 1, &plain);
    sorted.hash = hash_key(r, slice_of(sorted.begin + 1, (size_t)(quote - sorted.begin - 1)));
    *push(r) = sorted;
  }
  size_t printed = large ? base + count : base;
  if (large) {
    qsort(r->members + printed, count, sizeof r->members[0], by_hash);
  }
  const char *at = object.ptr;
  for (size_t i = 0; i < count; i++) {
    struct member place = r->members[base + i];
    struct member m = r->members[printed + i]; /* a copy: the stack may move */
    print_between(r, at, place.begin);
    print_between(r, m.begin, m.value.ptr);
    print_value(r, m.value, depth + 1);
    at = place.value.ptr + place.value.len;
  }
  print_between(r, at, object.ptr + object.len);
  r->count = base;
}

static void print_array(struct reprint *r, struct slice array, int depth)
{
  struct json_iter it;
  struct slice value;
  const char *at = array.ptr;
  json_iter_init(&it, array);
  while (json_iter_element(&it, &value)) {
    print_between(r, at, value.ptr);
    print_value(r, value, depth + 1);
    at = value.ptr + value.len;
  }
  print_between(r, at, array.ptr + array.len);
}

/* Most values are too small for a large object, and so have too few commas. */
static bool may_hold_large(struct slice value)
{
  size_t commas = 0;
  if (value.ptr[0] == '{' || value.ptr[0] == '[') {
    for (size_t i = 0; i < value.len && commas < REPRINT_KEEPS_MEMBERS; i++) {
      commas += value.ptr[i] == ',';
    }
  }
  return commas >= REPRINT_KEEPS_MEMBERS;
}

static void print_value(struct reprint *r, struct slice value, int depth)
{
  assert(depth <= JSON_DEPTH_MAX);
  if (!may_hold_large(value)) {
    buf_append_slice(r->out, value);
  } else if (value.ptr[0] == '{') {
    print_object(r, value, depth);
  } else {
    print_array(r, value, depth);
  }
}

void sim_reprint(struct slice value, uint64_t key, struct buf *out)
{
  struct reprint r = {.out = out, .key = key};
  struct json_scanner s = {.begin = value.ptr, .end = value.ptr + value.len};
  const char *begin = json_scan_space(&s, value.ptr);
  const char *end = value.ptr + value.len;
  while (end > begin && (end[-1] == ' ' || end[-1] == '\n' || end[-1] == '\r' || end[-1] == '\t')) {
    end--;
  }
  print_between(&r, value.ptr, begin);
  print_value(&r, slice_of(begin, (size_t)(end - begin)), 0);
  print_between(&r, end, value.ptr + value.len);
  free(r.members);
  buf_free(&r.spelled);
}
