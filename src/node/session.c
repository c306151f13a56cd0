/* A session's results lie in a ring, placed by sequence: the window of live ones is bounded, so a ring twice that size never holds two in
 * one place. Their values lie in one buffer, in the order in which they were kept; what is forgotten leaves holes, and the buffer is packed
 * once more than half of it is holes. */
#include "node/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/map.h"
#include "base/memory.h"
#include "node/raft.h"
#include "node/wire.h"
#include "json/iter.h"
#include "json/read.h"
#include "json/write.h"

enum {
  RING_MIN = 16,
  PACK_MIN_BYTES = 4096,
  ROOM_MAX_BYTES = 65536, /* kept for values while there are none */
};

struct result {
  bool kept;
  long long code;
  size_t at; /* in the session's values */
  size_t len;
};

struct session {
  uint64_t id;
  uint64_t nonce;
  uint64_t below; /* the mark: results below are forgotten */
  uint64_t end;   /* behind the newest result that was kept, at least `below` */
  size_t results; /* that are kept */
  struct result *ring;
  size_t ring_size; /* a power of two, or 0; more than end - below */
  struct buf values;
  size_t live; /* bytes of values that are not holes */
  size_t node_len;
  char node[];
};

struct sessions {
  struct session **all; /* by ascending id */
  size_t count;
  size_t cap;
  struct dict by_node;
};

/* ---- one session ---- */

static struct session *session_new(uint64_t id, struct slice node, uint64_t nonce)
{
  struct session *one = memory_must(malloc(sizeof *one + node.len));
  *one = (struct session){.id = id, .nonce = nonce, .below = 1, .end = 1, .node_len = node.len};
  memcpy(one->node, node.len > 0 ? node.ptr : "", node.len);
  return one;
}

static void session_free(struct session *one)
{
  free(one->ring);
  buf_free(&one->values);
  free(one);
}

static struct slice node_of(const struct session *one)
{
  return slice_of(one->node, one->node_len);
}

static struct result *place(const struct session *one, uint64_t sequence)
{
  return &one->ring[sequence & (one->ring_size - 1)];
}

static const struct result *find_result(const struct session *one, uint64_t sequence)
{
  if (sequence < one->below || sequence >= one->end) {
    return NULL;
  }
  const struct result *r = place(one, sequence);
  return r->kept ? r : NULL;
}

static void pack(struct session *one)
{
  if (one->live == 0) {
    buf_clear(&one->values);
    if (one->values.cap > ROOM_MAX_BYTES) {
      buf_free(&one->values);
    }
    return;
  }
  if (one->values.len < PACK_MIN_BYTES || one->live > one->values.len / 2) {
    return;
  }
  struct buf packed = {0};
  buf_reserve(&packed, one->live * 2);
  for (uint64_t sequence = one->below; sequence < one->end; sequence++) {
    struct result *r = place(one, sequence);
    if (r->kept && r->len > 0) {
      size_t at = packed.len;
      buf_append(&packed, one->values.data + r->at, r->len);
      r->at = at;
    }
  }
  buf_free(&one->values);
  one->values = packed;
}

static void forget_below(struct session *one, uint64_t below)
{
  if (below <= one->below) {
    return;
  }
  for (uint64_t sequence = one->below; sequence < below && sequence < one->end; sequence++) {
    struct result *r = place(one, sequence);
    if (r->kept) {
      one->live -= r->len;
      one->results--;
      r->kept = false;
    }
  }
  one->below = below;
  if (one->end < below) {
    one->end = below;
  }
  pack(one);
}

/* Makes room in the ring for a sequence of the window. */
static void widen(struct session *one, uint64_t sequence)
{
  uint64_t span = sequence - one->below + 1;
  if (span <= one->ring_size) {
    return;
  }
  size_t size = one->ring_size == 0 ? RING_MIN : one->ring_size;
  while (size < span) {
    size *= 2;
  }
  struct result *ring = memory_zeroed(size, sizeof *ring);
  for (uint64_t s = one->below; s < one->end; s++) {
    ring[s & (size - 1)] = *place(one, s);
  }
  free(one->ring);
  one->ring = ring;
  one->ring_size = size;
}

static bool in_window(const struct session *one, uint64_t sequence)
{
  return sequence >= one->below && sequence - one->below <= NODE_PROPOSALS_IN_FLIGHT && sequence != UINT64_MAX;
}

static void keep(struct session *one, uint64_t sequence, long long code, struct slice value)
{
  widen(one, sequence);
  struct result *r = place(one, sequence);
  assert(!r->kept);
  *r = (struct result){.kept = true, .code = code, .at = one->values.len, .len = code == 0 ? value.len : 0};
  buf_append(&one->values, value.ptr, r->len);
  one->live += r->len;
  one->results++;
  if (sequence >= one->end) {
    one->end = sequence + 1;
  }
}

/* ---- the table ---- */

struct sessions *sessions_new(void)
{
  return memory_zeroed(1, sizeof(struct sessions));
}

static void clear(struct sessions *s)
{
  for (size_t i = 0; i < s->count; i++) {
    session_free(s->all[i]);
  }
  s->count = 0;
  dict_free(&s->by_node);
}

void sessions_free(struct sessions *s)
{
  if (s != NULL) {
    clear(s);
    free(s->all);
    free(s);
  }
}

/* Where the session with this id is, or would be. */
static size_t place_of(const struct sessions *s, uint64_t id)
{
  size_t low = 0;
  size_t high = s->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (s->all[middle]->id < id) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

static struct session *find(const struct sessions *s, uint64_t id)
{
  size_t i = place_of(s, id);
  return i < s->count && s->all[i]->id == id ? s->all[i] : NULL;
}

static void end_session(struct sessions *s, struct session *one)
{
  size_t i = place_of(s, one->id);
  assert(s->all[i] == one);
  s->count--;
  memmove(&s->all[i], &s->all[i + 1], (s->count - i) * sizeof(struct session *));
  dict_remove(&s->by_node, node_of(one));
  session_free(one);
}

static void insert(struct sessions *s, struct session *one)
{
  size_t i = place_of(s, one->id);
  s->all = memory_grow(s->all, &s->cap, s->count + 1, sizeof(struct session *));
  memmove(&s->all[i + 1], &s->all[i], (s->count - i) * sizeof(struct session *));
  s->all[i] = one;
  s->count++;
  dict_put(&s->by_node, node_of(one), one);
}

uint64_t sessions_open(struct sessions *s, struct slice node, uint64_t nonce, uint64_t index)
{
  struct session *older = dict_get(&s->by_node, node);
  if (older != NULL) {
    if (older->nonce == nonce) {
      return older->id;
    }
    end_session(s, older);
  }
  struct session *same_id = find(s, index); /* only if a snapshot was made up */
  if (same_id != NULL) {
    end_session(s, same_id);
  }
  insert(s, session_new(index, node, nonce));
  return index;
}

void sessions_end(struct sessions *s, struct slice node)
{
  struct session *one = dict_get(&s->by_node, node);
  if (one != NULL) {
    end_session(s, one);
  }
}

enum session_verdict sessions_look(struct sessions *s, uint64_t session, uint64_t sequence, uint64_t below, long long *code,
                                   struct slice *value)
{
  struct session *one = find(s, session);
  if (one == NULL) {
    return SESSION_SKIP;
  }
  forget_below(one, below);
  if (!in_window(one, sequence)) {
    return SESSION_SKIP;
  }
  const struct result *r = find_result(one, sequence);
  if (r == NULL) {
    return SESSION_APPLY;
  }
  *code = r->code;
  *value = r->len == 0 ? slice_of("", 0) : slice_of(one->values.data + r->at, r->len);
  return SESSION_REPEAT;
}

void sessions_keep(struct sessions *s, uint64_t session, uint64_t sequence, long long code, struct slice value)
{
  struct session *one = find(s, session);
  assert(one != NULL);
  assert(in_window(one, sequence));
  keep(one, sequence, code, value);
}

uint64_t sessions_of(const struct sessions *s, struct slice node, uint64_t *nonce)
{
  const struct session *one = dict_get(&s->by_node, node);
  *nonce = one == NULL ? 0 : one->nonce;
  return one == NULL ? 0 : one->id;
}

size_t sessions_count(const struct sessions *s)
{
  return s->count;
}

void sessions_at(const struct sessions *s, size_t i, uint64_t *id, struct slice *node, size_t *results)
{
  assert(i < s->count);
  *id = s->all[i]->id;
  *node = node_of(s->all[i]);
  *results = s->all[i]->results;
}

/* ---- as JSON ----
 *
 * [{"id":…,"nonce":…,"node":"n1","below":…,"results":[[sequence,0,value],[sequence,code],…]},…], both lists ascending. A result without a
 * value has two parts. Values stand as they were kept. */

void sessions_encode(const struct sessions *s, struct buf *out)
{
  buf_append_char(out, '[');
  for (size_t i = 0; i < s->count; i++) {
    const struct session *one = s->all[i];
    wire_write_field(out, i == 0 ? "{\"id\":" : ",{\"id\":", one->id);
    wire_write_field(out, ",\"nonce\":", one->nonce);
    buf_append_str(out, ",\"node\":");
    json_write_text(out, node_of(one));
    wire_write_field(out, ",\"below\":", one->below);
    buf_append_str(out, ",\"results\":[");
    const char *before = "[";
    for (uint64_t sequence = one->below; sequence < one->end; sequence++) {
      const struct result *r = place(one, sequence);
      if (r->kept) {
        wire_write_field(out, before, sequence);
        wire_write_field(out, ",", (uint64_t)r->code);
        if (r->len > 0) {
          buf_append_char(out, ',');
          buf_append(out, one->values.data + r->at, r->len);
        }
        buf_append_char(out, ']');
        before = ",[";
      }
    }
    buf_append_str(out, "]}");
  }
  buf_append_char(out, ']');
}

static bool read_number(struct slice value, uint64_t *out)
{
  int64_t integer = 0;
  double real = 0;
  if (value.len == 0 || (value.ptr[0] != '-' && (value.ptr[0] < '0' || value.ptr[0] > '9')) ||
      json_read_number(value, &integer, &real) != JSON_INTEGER) {
    return false;
  }
  *out = (uint64_t)integer;
  return true;
}

/* [sequence, code] or [sequence, 0, value] */
static bool decode_result(struct session *one, struct slice text)
{
  struct json_iter it;
  struct slice part[4];
  size_t parts = 0;
  uint64_t sequence = 0;
  uint64_t code = 0;
  if (text.ptr[0] != '[') {
    return false;
  }
  json_iter_init(&it, text);
  while (parts < 4 && json_iter_element(&it, &part[parts])) {
    parts++;
  }
  if ((parts != 2 && parts != 3) || !read_number(part[0], &sequence) || !read_number(part[1], &code) || (parts == 3 && code != 0)) {
    return false;
  }
  if (sequence < one->end || !in_window(one, sequence)) {
    return false;
  }
  keep(one, sequence, (long long)code, parts == 3 ? part[2] : slice_of("", 0));
  return true;
}

static bool decode_results(struct session *one, struct slice text)
{
  struct json_iter it;
  struct slice result;
  if (text.len == 0 || text.ptr[0] != '[') {
    return false;
  }
  json_iter_init(&it, text);
  while (json_iter_element(&it, &result)) {
    if (!decode_result(one, result)) {
      return false;
    }
  }
  return true;
}

static bool decode_session(struct sessions *s, struct slice text, struct buf *name)
{
  struct json_iter it;
  struct slice key;
  struct slice value;
  struct slice id = {0};
  struct slice nonce = {0};
  struct slice node = {0};
  struct slice below = {0};
  struct slice results = {0};
  uint64_t number[3];
  if (text.ptr[0] != '{') {
    return false;
  }
  json_iter_init(&it, text);
  while (json_iter_member(&it, &key, &value)) {
    struct slice *field = json_key_is(key, SLICE("id"))        ? &id
                          : json_key_is(key, SLICE("nonce"))   ? &nonce
                          : json_key_is(key, SLICE("node"))    ? &node
                          : json_key_is(key, SLICE("below"))   ? &below
                          : json_key_is(key, SLICE("results")) ? &results
                                                               : NULL;
    if (field != NULL) {
      *field = value;
    }
  }
  if (!read_number(id, &number[0]) || !read_number(nonce, &number[1]) || !read_number(below, &number[2]) ||
      !json_value_string(node, name)) {
    return false;
  }
  bool ascends = s->count == 0 || s->all[s->count - 1]->id < number[0];
  if (!ascends || number[2] == 0 || dict_get(&s->by_node, buf_slice(name)) != NULL) {
    return false;
  }
  struct session *one = session_new(number[0], buf_slice(name), number[1]);
  one->below = number[2];
  one->end = number[2];
  insert(s, one);
  return decode_results(one, results);
}

int sessions_decode(struct sessions *s, struct slice text)
{
  clear(s);
  const char *end = text.ptr + text.len;
  const char *at = text.ptr;
  while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')) {
    at++;
  }
  if (at == end || *at != '[') {
    return ERROR_MALFORMED;
  }
  struct json_iter it;
  struct slice one;
  struct buf name = {0};
  bool ok = true;
  json_iter_init(&it, slice_of(at, (size_t)(end - at)));
  while (ok && json_iter_element(&it, &one)) {
    ok = decode_session(s, one, &name);
  }
  buf_free(&name);
  if (!ok) {
    clear(s);
    return ERROR_MALFORMED;
  }
  return 0;
}
