/* The first byte says what the rest is: a body of one of the core's messages, a table of sessions, bytes of an entry. Whatever the scanner
 * accepts is put into canonical form as well: accepted again, its own canonical form, and the same value. */
#include <string.h>

#include "base/mix.h"
#include "check.h"
#include "node/raft_wire.h"
#include "node/session.h"
#include "json/canonical.h"
#include "json/iter.h"
#include "json/read.h"
#include "json/scan.h"

/* ---- the same value? slowly, and by other means ---- */

static bool same_number(struct slice a, struct slice b)
{
  int64_t integers[2] = {0};
  double reals[2] = {0};
  enum json_number_kind x = json_read_number(a, &integers[0], &reals[0]);
  enum json_number_kind y = json_read_number(b, &integers[1], &reals[1]);
  if (x == JSON_INTEGER && y == JSON_INTEGER) {
    return integers[0] == integers[1];
  }
  return (x == JSON_INTEGER ? (double)integers[0] : reals[0]) == (y == JSON_INTEGER ? (double)integers[1] : reals[1]);
}

static bool same_string(struct slice a, struct slice b)
{
  struct buf x = {0};
  struct buf y = {0};
  json_read_string(a, &x);
  json_read_string(b, &y);
  bool same = slice_equal(buf_slice(&x), buf_slice(&y));
  buf_free(&x);
  buf_free(&y);
  return same;
}

/* The last member of this name. */
static bool find_member(struct slice object, struct slice name, struct slice *out)
{
  struct json_iter it;
  struct slice key;
  struct slice value;
  bool found = false;
  json_iter_init(&it, object);
  while (json_iter_member(&it, &key, &value)) {
    if (same_string(key, name)) {
      *out = value;
      found = true;
    }
  }
  return found;
}

static bool same_value(struct slice a, struct slice b);

/* Each member of `a` that counts is in `b`. */
static bool members_in(struct slice a, struct slice b)
{
  struct json_iter it;
  struct slice key;
  struct slice value;
  struct slice x;
  struct slice y;
  json_iter_init(&it, a);
  while (json_iter_member(&it, &key, &value)) {
    bool counts = find_member(a, key, &x) && x.ptr == value.ptr;
    if (counts && (!find_member(b, key, &y) || !same_value(x, y))) {
      return false;
    }
  }
  return true;
}

static size_t member_count(struct slice object)
{
  struct json_iter it;
  struct slice key;
  struct slice value;
  struct slice last;
  size_t count = 0;
  json_iter_init(&it, object);
  while (json_iter_member(&it, &key, &value)) {
    count += find_member(object, key, &last) && last.ptr == value.ptr;
  }
  return count;
}

static bool same_array(struct slice a, struct slice b)
{
  struct json_iter x;
  struct json_iter y;
  struct slice p;
  struct slice q;
  json_iter_init(&x, a);
  json_iter_init(&y, b);
  for (;;) {
    bool more = json_iter_element(&x, &p);
    if (more != json_iter_element(&y, &q)) {
      return false;
    }
    if (!more) {
      return true;
    }
    if (!same_value(p, q)) {
      return false;
    }
  }
}

static bool same_value(struct slice a, struct slice b)
{
  switch (a.ptr[0]) {
  case '{':
    return b.ptr[0] == '{' && member_count(a) == member_count(b) && members_in(a, b);
  case '[':
    return b.ptr[0] == '[' && same_array(a, b);
  case '"':
    return b.ptr[0] == '"' && same_string(slice_of(a.ptr + 1, a.len - 2), slice_of(b.ptr + 1, b.len - 2));
  case 't':
  case 'f':
  case 'n':
    return slice_equal(a, b);
  default:
    return strchr("\"[{tfn", b.ptr[0]) == NULL && same_number(a, b);
  }
}

/* ---- checks ---- */

static struct slice trimmed(struct slice text)
{
  const char *space = " \t\r\n";
  while (text.len > 0 && strchr(space, text.ptr[0]) != NULL) {
    text = slice_of(text.ptr + 1, text.len - 1);
  }
  while (text.len > 0 && strchr(space, text.ptr[text.len - 1]) != NULL) {
    text.len--;
  }
  return text;
}

static void check_canonical(struct slice text)
{
  struct json_error error;
  struct buf once = {0};
  struct buf twice = {0};
  json_canonical(text, &once);
  CHECK(json_scan(buf_slice(&once), &error) == 0);
  json_canonical(buf_slice(&once), &twice);
  CHECK(slice_equal(buf_slice(&once), buf_slice(&twice)));
  CHECK(text.len > 1000 || same_value(trimmed(text), buf_slice(&once))); /* slow on large ones */
  buf_free(&once);
  buf_free(&twice);
}

/* Names and ids: as many as one input can hold. */
enum {
  NAMES_MAX = 512
};
struct book {
  struct buf names[NAMES_MAX];
  size_t count;
};

static uint64_t book_id(void *self, struct slice name)
{
  struct book *b = self;
  size_t i = 0;
  while (i < b->count && !slice_equal(buf_slice(&b->names[i]), name)) {
    i++;
  }
  if (i == b->count) {
    if (b->count == NAMES_MAX) {
      return 0;
    }
    buf_append_slice(&b->names[b->count++], name);
  }
  return mix_word(i + 1);
}

static struct slice book_name(void *self, uint64_t id)
{
  struct book *b = self;
  for (size_t i = 0; i < b->count; i++) {
    if (mix_word(i + 1) == id) {
      return buf_slice(&b->names[i]);
    }
  }
  return slice_of("", 0);
}

static void check_entries(const struct wire_message *w)
{
  for (size_t i = 0; i < w->message.append.count; i++) {
    const struct wal_entry *e = &w->payloads[i];
    struct buf canonical = {0};
    if (e->type != RAFT_NOOP) {
      json_canonical(e->bytes, &canonical);
    }
    CHECK(slice_equal(buf_slice(&canonical), e->bytes));
    buf_free(&canonical);
    CHECK(w->message.append.entries[i].size == e->bytes.len);
  }
}

static void check_body(enum raft_message_type type, struct slice body)
{
  static const struct slice types[] = {
      [RAFT_REQUEST_VOTE] = {"raft_request_vote", 17}, [RAFT_VOTE] = {"raft_vote", 9},        [RAFT_APPEND] = {"raft_append", 11},
      [RAFT_APPENDED] = {"raft_appended", 13},         [RAFT_INSTALL] = {"raft_install", 12}, [RAFT_INSTALLED] = {"raft_installed", 14},
      [RAFT_TIMEOUT_NOW] = {"raft_timeout_now", 16},   [RAFT_READ] = {"raft_read", 9},        [RAFT_READABLE] = {"raft_readable", 13},
  };
  struct book book = {.count = 0};
  const struct wire_names names = {.self = &book, .name = book_name, .id = book_id};
  struct wire_message w = {0};
  const char *why;
  if (wire_decode(&w, types[type], body, &names, &why) == 0) {
    struct json_error error;
    struct buf once = {0};
    struct buf twice = {0};
    struct wire_message again = {0};
    struct slice chunk = type == RAFT_INSTALL ? buf_slice(&w.bytes) : slice_of("", 0);
    buf_append_char(&once, '{');
    wire_encode(&once, w.group, &w.message, w.payloads, chunk, &names);
    buf_append_char(&once, '}');
    CHECK(json_scan(buf_slice(&once), &error) == 0);
    CHECK(wire_decode(&again, types[type], buf_slice(&once), &names, &why) == 0);
    chunk = type == RAFT_INSTALL ? buf_slice(&again.bytes) : slice_of("", 0);
    buf_append_char(&twice, '{');
    wire_encode(&twice, again.group, &again.message, again.payloads, chunk, &names);
    buf_append_char(&twice, '}');
    CHECK(slice_equal(buf_slice(&once), buf_slice(&twice)));
    if (type == RAFT_APPEND) {
      check_entries(&w);
    }
    wire_message_free(&again);
    buf_free(&once);
    buf_free(&twice);
  } else {
    CHECK(why != NULL);
  }
  wire_message_free(&w);
  for (size_t i = 0; i < book.count; i++) {
    buf_free(&book.names[i]);
  }
}

static void check_sessions(struct slice text)
{
  struct sessions *s = sessions_new();
  if (sessions_decode(s, text) == 0) {
    struct json_error error;
    struct buf once = {0};
    struct buf twice = {0};
    sessions_encode(s, &once);
    CHECK(json_scan(buf_slice(&once), &error) == 0);
    CHECK(sessions_decode(s, buf_slice(&once)) == 0);
    sessions_encode(s, &twice);
    CHECK(slice_equal(buf_slice(&once), buf_slice(&twice)));
    buf_free(&once);
    buf_free(&twice);
  } else {
    CHECK(sessions_count(s) == 0);
  }
  sessions_free(s);
}

/* Any bytes at all. */
static void check_command(struct slice bytes)
{
  struct wire_command c;
  if (wire_decode_command(bytes, &c) == 0) {
    struct wire_command again;
    struct buf out = {0};
    wire_encode_command(&out, &c);
    CHECK(wire_decode_command(buf_slice(&out), &again) == 0);
    CHECK(again.kind == c.kind);
    CHECK(c.kind == WIRE_OPEN ? again.nonce == c.nonce
                              : again.session == c.session && again.sequence == c.sequence && again.below == c.below &&
                                    slice_equal(again.command, c.command));
    buf_free(&out);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  enum {
    SESSIONS = RAFT_MESSAGE_TYPES,
    COMMAND,
    KINDS
  };
  if (size < 2) {
    return 0;
  }
  unsigned kind = data[0] % 12u % KINDS; /* '0' is the first one */
  struct slice text = slice_of((const char *)data + 1, size - 1);
  struct json_error error;
  check_command(text);
  if (json_scan(text, &error) == 0) {
    check_canonical(text);
    if (kind == SESSIONS) {
      check_sessions(text);
    } else if (kind < RAFT_MESSAGE_TYPES) {
      check_body((enum raft_message_type)kind, trimmed(text));
    }
  }
  return 0;
}
