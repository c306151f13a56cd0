#include "json/envelope.h"

#include "base/assert.h"
#include "base/error.h"
#include "json/inline.h"
#include "json/read.h"

/* The text of a value as it stands, and whether it is a string with escapes. at == NULL: the key has not come up. */
struct field {
  const char *at;
  const char *end;
  bool escaped;
};

struct body_fields {
  struct field type;
  struct field msg_id;
  struct field in_reply_to;
  const char *close; /* the closing brace; NULL if the body is not an object */
};

struct message_fields {
  struct field src;
  struct field dest;
  struct field body;
  struct field id;
  struct body_fields in_body;
  const char *close;
};

enum {
  KEY_MAX = 11
}; /* length of the longest key we look for, in_reply_to */

/* A key of an object. Keys that are longer than any of ours have length KEY_MAX + 1 or more, whatever they spell. */
struct key {
  const char *at;
  size_t len;
  char spelled[KEY_MAX * 6]; /* where at points if the key had escapes */
};

/* Whether the key is this literal, given that its length is that of the literal: a comparison of constant length. */
#define KEY_IS(key, literal) (memcmp((key)->at, (literal), sizeof(literal) - 1) == 0)

/* A key with escapes, spelled out. Kept off the heap: only keys that can be ours matter, and each of their characters takes at most
 * the six bytes of an escape. An unpaired surrogate becomes U+FFFD, which none of our keys has. */
static void spell_key(struct key *key, const char *raw, size_t raw_len)
{
  if (raw_len > sizeof key->spelled) {
    key->len = KEY_MAX + 1;
    return;
  }
  struct buf spelled = {.data = key->spelled, .cap = sizeof key->spelled};
  json_read_string(slice_of(raw, raw_len), &spelled);
  assert(spelled.data == key->spelled);
  key->at = key->spelled;
  key->len = spelled.len;
}

/* Scans a key, its colon and the white space around. Returns the first byte of the value.
 *
 * Inlined by force into both of its callers: as a function of its own it costs the envelope a tenth of its time. */
static inline __attribute__((always_inline)) const char *scan_key(struct json_scanner *s, const char *at, struct key *key)
{
  if (at >= s->end || *at != '"') {
    return json_fail(s, at, "expected a key");
  }
  bool escaped;
  const char *begin = at + 1;
  at = json_scan_string_escaped(s, at, &escaped);
  if (at == NULL) {
    return NULL;
  }
  key->at = begin;
  key->len = (size_t)(at - 1 - begin);
  if (escaped) {
    spell_key(key, begin, key->len);
  }
  at = json_skip_space(at, s->end);
  if (at >= s->end || *at != ':') {
    return json_fail(s, at, "expected ':'");
  }
  return json_skip_space(at + 1, s->end);
}

/* Scans a value; strings and numbers, which ours mostly are, without the detour. */
static inline const char *scan_field(struct json_scanner *s, const char *at, int depth, struct field *field)
{
  field->at = at;
  field->escaped = false;
  if (at < s->end && *at == '"') {
    at = json_scan_string_escaped(s, at, &field->escaped);
  } else if (at < s->end && json_is_digit(*at)) {
    at = json_scan_number(s, at);
  } else {
    at = json_scan_value(s, at, depth);
  }
  field->end = at;
  return at;
}

/* Behind a member: the closing brace, or the first byte of the next key. *more says which. */
static inline const char *scan_separator(struct json_scanner *s, const char *at, bool *more)
{
  at = json_skip_space(at, s->end);
  if (at < s->end && *at == ',') {
    *more = true;
    return json_skip_space(at + 1, s->end);
  }
  if (at >= s->end || *at != '}') {
    return json_fail(s, at, "expected ',' or '}'");
  }
  *more = false;
  return at;
}

/* Behind an opening brace, likewise. */
static inline const char *scan_first(struct json_scanner *s, const char *at, bool *more)
{
  at = json_skip_space(at, s->end);
  *more = !(at < s->end && *at == '}');
  return at;
}

static struct field *body_field(struct body_fields *fields, const struct key *key, struct field *other)
{
  switch (key->len) {
  case 4:
    return KEY_IS(key, "type") ? &fields->type : other;
  case 6:
    return KEY_IS(key, "msg_id") ? &fields->msg_id : other;
  case 11:
    return KEY_IS(key, "in_reply_to") ? &fields->in_reply_to : other;
  default:
    return other;
  }
}

/* Scans a body; `at` is its first byte and `depth` the number of containers around it. Starts afresh: a body that came before under the
 * same key is forgotten. */
static const char *scan_body(struct json_scanner *s, const char *at, int depth, struct body_fields *fields)
{
  struct field other;
  *fields = (struct body_fields){0};
  if (at >= s->end || *at != '{') {
    return json_scan_value(s, at, depth);
  }
  struct key key;
  bool more;
  at = scan_first(s, at + 1, &more);
  while (more) {
    at = scan_key(s, at, &key);
    if (at == NULL) {
      return NULL;
    }
    at = scan_field(s, at, depth + 1, body_field(fields, &key, &other));
    if (at == NULL) {
      return NULL;
    }
    at = scan_separator(s, at, &more);
    if (at == NULL) {
      return NULL;
    }
  }
  fields->close = at;
  return at + 1;
}

static struct field *message_field(struct message_fields *fields, const struct key *key, struct field *other)
{
  switch (key->len) {
  case 2:
    return KEY_IS(key, "id") ? &fields->id : other;
  case 3:
    return KEY_IS(key, "src") ? &fields->src : other;
  case 4:
    return KEY_IS(key, "dest") ? &fields->dest : KEY_IS(key, "body") ? &fields->body : other;
  default:
    return other;
  }
}

static const char *scan_message(struct json_scanner *s, const char *at, struct message_fields *fields)
{
  if (at >= s->end || *at != '{') {
    return json_scan_value(s, at, 0);
  }
  struct field other;
  struct key key;
  bool more;
  at = scan_first(s, at + 1, &more);
  while (more) {
    at = scan_key(s, at, &key);
    if (at == NULL) {
      return NULL;
    }
    struct field *field = message_field(fields, &key, &other);
    if (field == &fields->body) {
      field->at = at;
      at = field->end = scan_body(s, at, 1, &fields->in_body);
    } else {
      at = scan_field(s, at, 1, field);
    }
    if (at == NULL) {
      return NULL;
    }
    at = scan_separator(s, at, &more);
    if (at == NULL) {
      return NULL;
    }
  }
  fields->close = at;
  return at + 1;
}

static bool expect_end(struct json_scanner *s, const char *at)
{
  at = json_skip_space(at, s->end);
  if (at < s->end) {
    json_fail(s, at, "text behind the value");
    return false;
  }
  return true;
}

static int refuse(const struct json_scanner *s, const char *at, const char *reason, struct json_error *error)
{
  *error = (struct json_error){.offset = (size_t)(at - s->begin), .reason = reason};
  return ERROR_ENVELOPE;
}

/* What lies between the quotes of a string that was found; the raw text, if it has escapes. */
static struct slice unquoted(const struct field *field)
{
  return slice_of(field->at + 1, (size_t)(field->end - field->at) - 2);
}

/* The names of a string field's faults. */
#define STRING_FAULTS(name)                                                                                                                \
  {                                                                                                                                        \
    name " is missing", name " is not a string", name " is empty"                                                                          \
  }

static int check_string(const struct json_scanner *s, const struct field *field, const char *close, const char *const faults[3],
                        struct json_error *error)
{
  if (field->at == NULL) {
    return refuse(s, close, faults[0], error);
  }
  if (*field->at != '"') {
    return refuse(s, field->at, faults[1], error);
  }
  return field->end - field->at > 2 ? 0 : refuse(s, field->at, faults[2], error);
}

static bool is_number(const struct field *field)
{
  return field->at != NULL && (*field->at == '-' || json_is_digit(*field->at));
}

/* The raw token of a number; empty if the field is absent, null or something else. */
static struct slice number_token(const struct field *field)
{
  return is_number(field) ? slice_of(field->at, (size_t)(field->end - field->at)) : slice_of(NULL, 0);
}

static int check_number(const struct json_scanner *s, const struct field *field, const char *fault, struct json_error *error)
{
  return field->at == NULL || *field->at == 'n' || is_number(field) ? 0 : refuse(s, field->at, fault, error);
}

static int check_body(const struct json_scanner *s, const struct body_fields *fields, const char *begin, struct json_error *error)
{
  static const char *const type_faults[] = STRING_FAULTS("body.type");
  if (fields->close == NULL) {
    return refuse(s, begin, "body is not an object", error);
  }
  int e = check_string(s, &fields->type, fields->close, type_faults, error);
  if (e == 0) {
    e = check_number(s, &fields->msg_id, "body.msg_id is not a number", error);
  }
  if (e == 0) {
    e = check_number(s, &fields->in_reply_to, "body.in_reply_to is not a number", error);
  }
  return e;
}

static int check_message(const struct json_scanner *s, const struct message_fields *fields, const char *begin, struct json_error *error)
{
  static const char *const src_faults[] = STRING_FAULTS("src");
  static const char *const dest_faults[] = STRING_FAULTS("dest");
  if (fields->close == NULL) {
    return refuse(s, begin, "the message is not an object", error);
  }
  int e = check_string(s, &fields->src, fields->close, src_faults, error);
  if (e == 0) {
    e = check_string(s, &fields->dest, fields->close, dest_faults, error);
  }
  if (e != 0) {
    return e;
  }
  if (fields->body.at == NULL) {
    return refuse(s, fields->close, "body is missing", error);
  }
  return check_body(s, &fields->in_body, fields->body.at, error);
}

/* The characters of a string field: a slice of the line, or of scratch, which has room already and does not move. */
static struct slice string_value(const struct field *field, struct buf *scratch)
{
  struct slice raw = unquoted(field);
  if (!field->escaped) {
    return raw;
  }
  size_t before = scratch->len;
  const char *data = scratch->data;
  json_read_string(raw, scratch);
  assert(scratch->data == data);
  (void)data;
  return slice_of(scratch->data + before, scratch->len - before);
}

static void fill_body(const struct body_fields *fields, struct buf *scratch, struct json_envelope *out)
{
  out->type = string_value(&fields->type, scratch);
  out->msg_id = number_token(&fields->msg_id);
  out->in_reply_to = number_token(&fields->in_reply_to);
}

int json_envelope_scan(struct slice line, struct buf *scratch, struct json_envelope *out, struct json_error *error)
{
  buf_clear(scratch);
  const char *text = line.len > 0 ? line.ptr : "";
  struct json_scanner s = {.begin = text, .end = text + line.len};
  struct message_fields fields = {0};
  const char *begin = json_skip_space(text, s.end);
  const char *at = scan_message(&s, begin, &fields);
  if (at == NULL || !expect_end(&s, at)) {
    *error = s.error;
    return ERROR_JSON;
  }
  int e = check_message(&s, &fields, begin, error);
  if (e != 0) {
    return e;
  }
  if (fields.src.escaped || fields.dest.escaped || fields.in_body.type.escaped) {
    buf_reserve(scratch, line.len);
  }
  *out = (struct json_envelope){0};
  out->src = string_value(&fields.src, scratch);
  out->dest = string_value(&fields.dest, scratch);
  out->body = slice_of(fields.body.at, (size_t)(fields.body.end - fields.body.at));
  out->id = number_token(&fields.id);
  fill_body(&fields.in_body, scratch, out);
  return 0;
}

int json_body_scan(struct slice body, struct buf *scratch, struct json_envelope *out, struct json_error *error)
{
  buf_clear(scratch);
  const char *text = body.len > 0 ? body.ptr : "";
  struct json_scanner s = {.begin = text, .end = text + body.len};
  struct body_fields fields;
  const char *begin = json_skip_space(text, s.end);
  const char *at = scan_body(&s, begin, 0, &fields);
  if (at == NULL || !expect_end(&s, at)) {
    *error = s.error;
    return ERROR_JSON;
  }
  int e = check_body(&s, &fields, begin, error);
  if (e != 0) {
    return e;
  }
  if (fields.type.escaped) {
    buf_reserve(scratch, body.len);
  }
  *out = (struct json_envelope){0};
  fill_body(&fields, scratch, out);
  return 0;
}

bool json_token_is(struct slice token, uint64_t value)
{
  size_t i = token.len;
  do {
    if (i == 0 || token.ptr[--i] != (char)('0' + value % 10)) {
      return false;
    }
    value /= 10;
  } while (value > 0);
  return i == 0;
}
