/* Entries of the log as JSON: configurations and the envelopes of commands. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "node/raft_wire.h"
#include "node/wire.h"
#include "json/iter.h"
#include "json/scan.h"

/* ---- configurations ---- */

static int compare_names(const void *a, const void *b)
{
  const struct slice *x = a;
  const struct slice *y = b;
  int order = memcmp(x->ptr, y->ptr, x->len < y->len ? x->len : y->len);
  return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

/* Appends `before` and the names of those who have this voice; nothing if nobody has, unless `always`. */
static bool write_voice(struct buf *out, const char *before, uint8_t voice, bool always, const struct raft_configuration *c,
                        const struct wire_names *names)
{
  struct slice list[RAFT_MEMBERS_MAX];
  size_t count = 0;
  assert(c->count <= RAFT_MEMBERS_MAX);
  for (size_t i = 0; i < c->count; i++) {
    if (c->members[i].voice & voice) {
      list[count] = names->name(names->self, c->members[i].id);
      assert(list[count].len > 0);
      count++;
    }
  }
  if (count == 0 && !always) {
    return false;
  }
  qsort(list, count, sizeof *list, compare_names);
  buf_append_str(out, before);
  buf_append_char(out, '[');
  for (size_t i = 0; i < count; i++) {
    if (i > 0) {
      buf_append_char(out, ',');
    }
    json_write_text(out, list[i]);
  }
  buf_append_char(out, ']');
  return true;
}

void wire_encode_configuration(struct buf *out, const struct raft_configuration *c, const struct wire_names *names)
{
  buf_append_char(out, '{');
  if (write_voice(out, "\"learners\":", RAFT_LEARNER, false, c, names)) {
    buf_append_char(out, ',');
  }
  if (write_voice(out, "\"old_voters\":", RAFT_OLD_VOTER, false, c, names)) {
    buf_append_char(out, ',');
  }
  write_voice(out, "\"voters\":", RAFT_VOTER, true, c, names);
  buf_append_char(out, '}');
}

/* Adds a voice to each of a list of names. False: no list of names, or one is there twice, or too many. */
static bool read_voice(struct raft_configuration *c, struct slice list, uint8_t voice, struct buf *name, const struct wire_names *names)
{
  struct json_iter it;
  struct slice value;
  if (list.ptr[0] != '[') {
    return false;
  }
  json_iter_init(&it, list);
  while (json_iter_element(&it, &value)) {
    if (!json_value_string(value, name) || name->len == 0) {
      return false;
    }
    uint64_t id = names->id(names->self, buf_slice(name));
    const struct raft_member *member = raft_configuration_find(c, id);
    uint8_t others = member == NULL ? 0 : member->voice;
    if (id == 0 || (others & voice) || !raft_configuration_set(c, id, others | voice)) {
      return false;
    }
  }
  return true;
}

static bool is_consistent(const struct raft_configuration *c)
{
  for (size_t i = 0; i < c->count; i++) {
    if ((c->members[i].voice & RAFT_VOTER) && (c->members[i].voice & RAFT_LEARNER)) {
      return false;
    }
  }
  return true;
}

int wire_decode_configuration(struct slice value, struct raft_configuration *out, const struct wire_names *names)
{
  static const struct {
    struct slice key;
    uint8_t voice;
  } voices[] = {
      {{"voters", 6}, RAFT_VOTER},
      {{"learners", 8}, RAFT_LEARNER},
      {{"old_voters", 10}, RAFT_OLD_VOTER},
  };
  struct slice list[3] = {{0}};
  struct json_iter it;
  struct slice key;
  struct slice member;
  out->count = 0;
  if (value.len < 2 || value.ptr[0] != '{') {
    return ERROR_MALFORMED;
  }
  json_iter_init(&it, value);
  while (json_iter_member(&it, &key, &member)) {
    for (size_t i = 0; i < 3; i++) {
      if (json_key_is(key, voices[i].key)) {
        list[i] = member;
      }
    }
  }
  bool ok = list[0].len > 0;
  struct buf name = {0};
  for (size_t i = 0; i < 3 && ok; i++) {
    ok = list[i].len == 0 || read_voice(out, list[i], voices[i].voice, &name, names);
  }
  buf_free(&name);
  if (!ok || !is_consistent(out)) {
    out->count = 0;
    return ERROR_MALFORMED;
  }
  return 0;
}

/* ---- commands ---- */

enum {
  DEPTH_AROUND = 8, /* line, body, entries, entry, envelope; or head, sessions, session, results, result; and some to spare */
};

bool wire_fits(struct slice value)
{
  struct json_scanner s = {.begin = value.ptr, .end = value.ptr + value.len};
  return json_scan_value(&s, value.ptr, DEPTH_AROUND) != NULL;
}

void wire_encode_command(struct buf *out, const struct wire_command *c)
{
  if (c->kind == WIRE_OPEN) {
    wire_write_field(out, "{\"nonce\":", c->nonce);
    buf_append_str(out, ",\"open\":");
    json_write_text(out, c->node);
    buf_append_char(out, '}');
    return;
  }
  wire_write_field(out, "{\"below\":", c->below);
  buf_append_str(out, ",\"command\":");
  buf_append_slice(out, c->command);
  wire_write_field(out, ",\"sequence\":", c->sequence);
  wire_write_field(out, ",\"session\":", c->session);
  buf_append_char(out, '}');
}

/* What is left of an envelope. Each step takes what it expects, or leaves `at` NULL for good. */
struct reader {
  const char *at;
  const char *end;
};

static inline void expect(struct reader *r, const char *text, size_t len)
{
  if (r->at != NULL) {
    r->at = (size_t)(r->end - r->at) >= len && memcmp(r->at, text, len) == 0 ? r->at + len : NULL;
  }
}
#define EXPECT(r, literal) expect(r, literal, sizeof(literal) - 1)

static inline uint64_t expect_number(struct reader *r)
{
  uint64_t value = 0;
  if (r->at == NULL) {
    return 0;
  }
  const char *behind = wire_read_digits(r->at, r->end, &value);
  if (behind == r->at) { /* negative, or long */
    while (behind < r->end && (*behind == '-' || (*behind >= '0' && *behind <= '9'))) {
      behind++;
    }
    struct json_scanner s = {.begin = r->at, .end = behind};
    bool number = behind > r->at && json_scan_number(&s, r->at) == behind;
    if (!number || !wire_read_number(slice_of(r->at, (size_t)(behind - r->at)), &value)) {
      behind = NULL;
    }
  }
  r->at = behind;
  return value;
}

static int decode_open(struct slice bytes, struct wire_command *out)
{
  struct reader r = {.at = bytes.ptr, .end = bytes.ptr + bytes.len};
  EXPECT(&r, "{\"nonce\":");
  out->kind = WIRE_OPEN;
  out->nonce = expect_number(&r);
  EXPECT(&r, ",\"open\":");
  if (r.at == NULL || r.at == r.end || *r.at != '"') {
    return ERROR_MALFORMED;
  }
  struct json_scanner s = {.begin = r.at, .end = r.end};
  const char *name = r.at + 1;
  r.at = json_scan_string(&s, r.at);
  out->node = slice_of(name, r.at == NULL ? 0 : (size_t)(r.at - 1 - name));
  EXPECT(&r, "}");
  bool fits = r.at != NULL && r.at == r.end && out->node.len > 0 && memchr(name, '\\', out->node.len) == NULL;
  return fits ? 0 : ERROR_MALFORMED;
}

int wire_decode_command(struct slice bytes, struct wire_command *out)
{
  struct reader r = {.at = bytes.ptr, .end = bytes.ptr + bytes.len};
  EXPECT(&r, "{\"below\":");
  if (r.at == NULL) {
    return decode_open(bytes, out);
  }
  out->kind = WIRE_PROPOSAL;
  out->below = expect_number(&r);
  EXPECT(&r, ",\"command\":");
  if (r.at == NULL) {
    return ERROR_MALFORMED;
  }
  struct json_scanner s = {.begin = r.at, .end = r.end};
  const char *command = r.at;
  r.at = json_scan_value(&s, command, 1);
  out->command = slice_of(command, r.at == NULL ? 0 : (size_t)(r.at - command));
  EXPECT(&r, ",\"sequence\":");
  out->sequence = expect_number(&r);
  EXPECT(&r, ",\"session\":");
  out->session = expect_number(&r);
  EXPECT(&r, "}");
  return r.at != NULL && r.at == r.end ? 0 : ERROR_MALFORMED;
}
