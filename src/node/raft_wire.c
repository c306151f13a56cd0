/* Messages as JSON bodies: one table says which fields each type has, for writer and reader alike. */
#include "node/raft_wire.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/memory.h"
#include "node/wire.h"
#include "json/canonical.h"
#include "json/inline.h"
#include "json/iter.h"

enum {
  FIELDS_MAX = 12,
  CONFIGURATIONS_MAX = 4096, /* in one append: they are large in memory, and the core sends no more entries than that */
};
#define SNAPSHOT_LIMIT (UINT64_C(1) << 31)

/* ---- the tables ---- */

enum kind {
  NUMBER,
  FLAG,
  PREV,          /* [index, term] */
  ENTRIES,       /* of an append */
  CONFIGURATION, /* of a snapshot */
  CHUNK,
  LENGTH, /* a NUMBER that has to be that of the chunk */
};

struct field {
  struct slice name;
  enum kind kind;
  size_t offset; /* in struct raft_message; of PREV, where the index is, and the term behind it */
  const char *missing;
  const char *wrong;
};

#define FIELD(text, kind_, member, what)                                                                                                   \
  {                                                                                                                                        \
    .name = {text, sizeof(text) - 1}, .kind = (kind_), .offset = offsetof(struct raft_message, member), .missing = text " is missing",     \
    .wrong = text " is not " what                                                                                                          \
  }
#define NUMBER_FIELD(text, member) FIELD(text, NUMBER, member, "an integer")
#define FLAG_FIELD(text, member)   FIELD(text, FLAG, member, "true or false")

struct shape {
  struct slice type;
  struct field fields[FIELDS_MAX]; /* up to the first without a name */
};

static const struct shape shapes[RAFT_MESSAGE_TYPES] = {
    [RAFT_REQUEST_VOTE] = {.type = {"raft_request_vote", 17},
                           .fields = {NUMBER_FIELD("term", term), NUMBER_FIELD("last_index", request_vote.last_index),
                                      NUMBER_FIELD("last_term", request_vote.last_term), FLAG_FIELD("pre", request_vote.pre),
                                      FLAG_FIELD("transfer", request_vote.transfer)}},
    [RAFT_VOTE] = {.type = {"raft_vote", 9},
                   .fields = {NUMBER_FIELD("term", term), FLAG_FIELD("granted", vote.granted), FLAG_FIELD("pre", vote.pre)}},
    [RAFT_APPEND] = {.type = {"raft_append", 11},
                     .fields = {NUMBER_FIELD("term", term), NUMBER_FIELD("session", append.session),
                                FIELD("prev", PREV, append.prev_index, "a pair of index and term"), NUMBER_FIELD("commit", append.commit),
                                NUMBER_FIELD("round", append.round), FIELD("entries", ENTRIES, append.entries, "a list of entries")}},
    [RAFT_APPENDED] = {.type = {"raft_appended", 13},
                       .fields = {NUMBER_FIELD("term", term), NUMBER_FIELD("session", appended.session),
                                  NUMBER_FIELD("incarnation", appended.incarnation), NUMBER_FIELD("round", appended.round),
                                  FLAG_FIELD("rejected", appended.rejected), NUMBER_FIELD("match", appended.match),
                                  NUMBER_FIELD("hint", appended.hint), NUMBER_FIELD("hint_term", appended.hint_term)}},
    [RAFT_INSTALL] = {.type = {"raft_install", 12},
                      .fields = {NUMBER_FIELD("term", term), NUMBER_FIELD("session", install.session), NUMBER_FIELD("index", install.index),
                                 NUMBER_FIELD("log_term", install.log_term), NUMBER_FIELD("size", install.size),
                                 NUMBER_FIELD("offset", install.offset),
                                 FIELD("length", LENGTH, install.length, "the number of characters in chunk"),
                                 NUMBER_FIELD("configuration_index", install.configuration_index),
                                 FIELD("configuration", CONFIGURATION, install.configuration, "a configuration"),
                                 NUMBER_FIELD("round", install.round),
                                 FIELD("chunk", CHUNK, install.length, "a string of characters up to U+00FF")}},
    [RAFT_INSTALLED] = {.type = {"raft_installed", 14},
                        .fields = {NUMBER_FIELD("term", term), NUMBER_FIELD("session", installed.session),
                                   NUMBER_FIELD("incarnation", installed.incarnation), NUMBER_FIELD("index", installed.index),
                                   NUMBER_FIELD("offset", installed.offset), FLAG_FIELD("done", installed.done),
                                   NUMBER_FIELD("round", installed.round)}},
    [RAFT_TIMEOUT_NOW] = {.type = {"raft_timeout_now", 16}, .fields = {NUMBER_FIELD("term", term)}},
    [RAFT_READ] = {.type = {"raft_read", 9},
                   .fields = {NUMBER_FIELD("term", term), NUMBER_FIELD("incarnation", read.incarnation),
                              NUMBER_FIELD("context", read.context)}},
    [RAFT_READABLE] = {.type = {"raft_readable", 13},
                       .fields = {NUMBER_FIELD("term", term), NUMBER_FIELD("incarnation", readable.incarnation),
                                  NUMBER_FIELD("context", readable.context), NUMBER_FIELD("index", readable.index)}},
};

_Static_assert(offsetof(struct raft_message, append.prev_term) == offsetof(struct raft_message, append.prev_index) + sizeof(uint64_t),
               "PREV fills both");

static const struct shape *find_shape(struct slice type)
{
  for (size_t i = 0; i < RAFT_MESSAGE_TYPES; i++) {
    if (slice_equal(type, shapes[i].type)) {
      return &shapes[i];
    }
  }
  return NULL;
}

bool wire_is_core(struct slice type)
{
  return find_shape(type) != NULL;
}

/* ---- writing ---- */

static void write_entries(struct buf *out, const struct wal_entry *entries, size_t count)
{
  buf_append_char(out, '[');
  for (size_t i = 0; i < count; i++) {
    buf_append(out, ",[", i == 0 ? 0 : 1);
    buf_append_char(out, '[');
    wire_write_number(out, entries[i].term);
    buf_append_char(out, ',');
    buf_append_slice(out, entries[i].type == RAFT_NOOP ? SLICE("null") : entries[i].bytes);
    buf_append_char(out, ']');
  }
  buf_append_char(out, ']');
}

/* A character per byte: those beyond ASCII have two bytes in UTF-8. */
static void write_chunk(struct buf *out, struct slice chunk)
{
  struct buf text = {0};
  char *to = buf_reserve(&text, chunk.len * 2 + 1);
  assert(to != NULL);
  for (size_t i = 0; i < chunk.len; i++) {
    unsigned char c = (unsigned char)chunk.ptr[i];
    if (c >= 0x80) {
      *to++ = (char)(0xC0 | c >> 6);
      c = 0x80 | (c & 0x3F);
    }
    *to++ = (char)c;
  }
  text.len = (size_t)(to - text.data);
  json_write_text(out, buf_slice(&text));
  buf_free(&text);
}

static uint64_t number_at(const void *at)
{
  uint64_t number;
  memcpy(&number, at, sizeof number);
  return number;
}

static void write_field(struct buf *out, const struct field *f, const struct raft_message *m, const struct wal_entry *entries,
                        struct slice chunk, const struct wire_names *names)
{
  const char *at = (const char *)m + f->offset;
  switch (f->kind) {
  case NUMBER:
  case LENGTH:
    wire_write_number(out, number_at(at));
    break;
  case FLAG:
    buf_append_str(out, *(const bool *)at ? "true" : "false");
    break;
  case PREV:
    buf_append_char(out, '[');
    wire_write_number(out, number_at(at));
    buf_append_char(out, ',');
    wire_write_number(out, number_at(at + sizeof(uint64_t)));
    buf_append_char(out, ']');
    break;
  case ENTRIES:
    write_entries(out, entries, m->append.count);
    break;
  case CONFIGURATION:
    wire_encode_configuration(out, m->install.configuration, names);
    break;
  case CHUNK:
    write_chunk(out, chunk);
  }
}

void wire_encode(struct buf *out, struct slice group, const struct raft_message *m, const struct wal_entry *entries, struct slice chunk,
                 const struct wire_names *names)
{
  assert(m->type < RAFT_MESSAGE_TYPES);
  assert(implies(m->type == RAFT_INSTALL, m->install.length == chunk.len && m->install.configuration != NULL));
  const struct shape *shape = &shapes[m->type];
  buf_append_str(out, "\"type\":\"");
  buf_append_slice(out, shape->type);
  buf_append_str(out, "\",\"group\":");
  json_write_text(out, group);
  for (const struct field *f = shape->fields; f->name.len > 0; f++) {
    buf_append_str(out, ",\"");
    buf_append_slice(out, f->name);
    buf_append_str(out, "\":");
    write_field(out, f, m, entries, chunk, names);
  }
}

/* ---- reading ---- */

void wire_message_free(struct wire_message *w)
{
  free(w->entries);
  free(w->payloads);
  free(w->configurations);
  buf_free(&w->bytes);
  buf_free(&w->name);
  *w = (struct wire_message){0};
}

static struct raft_configuration *add_configuration(struct wire_message *w)
{
  if (w->configuration_count == CONFIGURATIONS_MAX) {
    return NULL;
  }
  w->configurations = memory_grow(w->configurations, &w->configuration_cap, w->configuration_count + 1, sizeof(struct raft_configuration));
  return &w->configurations[w->configuration_count++];
}

/* Which entry these canonical bytes are; a configuration is added to the message's. False: none. */
static bool classify(struct wire_message *w, struct slice bytes, uint8_t *type, const struct wire_names *names)
{
  struct wire_command command;
  if (bytes.len == 4 && bytes.ptr[0] == 'n') {
    *type = RAFT_NOOP;
    return true;
  }
  if (wire_decode_command(bytes, &command) == 0) {
    *type = RAFT_COMMAND;
    return true;
  }
  *type = RAFT_CONFIGURATION;
  if (bytes.ptr[0] != '{') {
    return false;
  }
  struct raft_configuration *c = add_configuration(w);
  return c != NULL && wire_decode_configuration(bytes, c, names) == 0;
}

/* Reads [term, value] at `at`, bytes of the value behind those of the entries before. Returns the position behind it; NULL: no entry. */
static const char *read_entry(struct wire_message *w, const char *at, const char *end, const struct wire_names *names)
{
  uint64_t term = 0;
  if (*at != '[') {
    return NULL;
  }
  at = json_skip_space(at + 1, end);
  const char *number = at;
  while (*at != ',') { /* a number has none; of anything else, what comes before one is no number */
    if (*at == ']' || *at == '"' || *at == '[' || *at == '{') {
      return NULL;
    }
    at++;
  }
  const char *behind = at;
  while (behind > number && (unsigned char)behind[-1] <= ' ') {
    behind--;
  }
  if (!wire_read_number(slice_of(number, (size_t)(behind - number)), &term)) {
    return NULL;
  }
  size_t before = w->bytes.len;
  at = json_canonical_at(json_skip_space(at + 1, end), end, &w->bytes);
  at = json_skip_space(at, end);
  struct slice bytes = slice_of(w->bytes.data + before, w->bytes.len - before);
  uint8_t type = RAFT_NOOP;
  if (*at != ']' || bytes.len > WAL_ENTRY_MAX_BYTES || !classify(w, bytes, &type, names)) {
    return NULL;
  }
  if (type == RAFT_NOOP) {
    w->bytes.len = before;
  }
  size_t i = w->message.append.count++;
  w->entries = memory_grow(w->entries, &w->cap, i + 1, sizeof *w->entries);
  w->payloads = memory_grow(w->payloads, &w->payload_cap, i + 1, sizeof *w->payloads);
  uint32_t size = (uint32_t)(w->bytes.len - before);
  w->entries[i] = (struct raft_entry){.term = term, .size = size, .type = type};
  w->payloads[i] = (struct wal_entry){.term = term, .type = type, .bytes = {.len = size}};
  return at + 1;
}

/* Memory moved while the entries were read: only now it is known where everything is. */
static void place_entries(struct wire_message *w)
{
  const char *at = w->bytes.data != NULL ? w->bytes.data : "";
  size_t configuration = 0;
  for (size_t i = 0; i < w->message.append.count; i++) {
    w->payloads[i].bytes.ptr = at;
    at += w->payloads[i].bytes.len;
    if (w->entries[i].type == RAFT_CONFIGURATION) {
      w->entries[i].configuration = &w->configurations[configuration++];
    }
  }
  w->message.append.entries = w->entries;
}

/* Reads the list at `at` without looking for its end first: this is most of what comes in. Returns the position behind it, or NULL. */
static const char *read_entries(struct wire_message *w, const char *at, const char *end, const struct wire_names *names)
{
  w->message.append.count = 0;
  w->configuration_count = 0;
  buf_clear(&w->bytes);
  if (*at != '[') {
    return NULL;
  }
  at = json_skip_space(at + 1, end);
  while (*at != ']') {
    at = *at == ',' ? json_skip_space(at + 1, end) : at;
    at = read_entry(w, at, end, names);
    if (at == NULL) {
      return NULL;
    }
    at = json_skip_space(at, end);
  }
  place_entries(w);
  return at + 1;
}

static bool read_prev(struct slice value, char *to)
{
  struct json_iter it;
  struct slice part;
  size_t parts = 0;
  if (value.ptr[0] != '[') {
    return false;
  }
  json_iter_init(&it, value);
  while (json_iter_element(&it, &part)) {
    uint64_t number = 0;
    if (parts == 2 || !wire_read_number(part, &number)) {
      return false;
    }
    memcpy(to + parts * sizeof number, &number, sizeof number);
    parts++;
  }
  return parts == 2;
}

static bool read_chunk(struct wire_message *w, struct slice value)
{
  if (!json_value_string(value, &w->bytes)) {
    return false;
  }
  char *to = w->bytes.data;
  for (size_t i = 0; i < w->bytes.len; i++) {
    unsigned char c = (unsigned char)w->bytes.data[i];
    if (c > 0xC3) {
      return false;
    }
    if (c >= 0x80) {
      c = (unsigned char)(c << 6 | (w->bytes.data[++i] & 0x3F));
    }
    *to++ = (char)c;
  }
  w->bytes.len = w->bytes.len == 0 ? 0 : (size_t)(to - w->bytes.data);
  return true;
}

static bool read_field(struct wire_message *w, const struct field *f, struct slice value, const struct wire_names *names)
{
  char *at = (char *)&w->message + f->offset;
  uint64_t number = 0;
  switch (f->kind) {
  case NUMBER:
  case LENGTH:
    if (!wire_read_number(value, &number)) {
      return false;
    }
    memcpy(at, &number, sizeof number);
    return true;
  case FLAG:
    *(bool *)at = value.ptr[0] == 't';
    return value.ptr[0] == 't' || value.ptr[0] == 'f';
  case PREV:
    return read_prev(value, at);
  case ENTRIES:
    break; /* read before its end is known */
  case CONFIGURATION:
    w->configuration_count = 0;
    w->message.install.configuration = add_configuration(w);
    return wire_decode_configuration(value, &w->configurations[0], names) == 0;
  case CHUNK:
    return read_chunk(w, value);
  }
  return false;
}

/* What no single field can say. NULL, or what does not fit. */
static const char *inconsistency(const struct wire_message *w)
{
  const struct raft_message *m = &w->message;
  if (m->type == RAFT_APPEND) {
    return m->append.prev_index >= UINT64_MAX - m->append.count ? "prev is beyond any index" : NULL;
  }
  if (m->type != RAFT_INSTALL) {
    return NULL;
  }
  if (m->install.length != w->bytes.len) {
    return "length is not the number of characters in chunk";
  }
  if (m->install.size >= SNAPSHOT_LIMIT) {
    return "size is too large";
  }
  if (m->install.offset > m->install.size || m->install.length > m->install.size - m->install.offset) {
    return "the chunk ends beyond size";
  }
  return m->install.length == 0 && m->install.size > 0 ? "the chunk is empty" : NULL;
}

/* The field of this name; looks at `guess` first, since fields mostly come in the order of the table. NULL: none of ours. */
static const struct field *find_field(const struct shape *shape, const struct field *guess, struct slice name)
{
  if (guess->name.len > 0 && slice_equal(guess->name, name)) {
    return guess;
  }
  for (const struct field *f = shape->fields; f->name.len > 0; f++) {
    if (slice_equal(f->name, name)) {
      return f;
    }
  }
  return NULL;
}

/* Of a name without escapes, as group names are, a part of the body. */
static bool read_group(struct wire_message *w, struct slice value)
{
  w->group = slice_of("", 0);
  if (value.ptr[0] != '"') {
    return false;
  }
  w->group = slice_of(value.ptr + 1, value.len - 2);
  if (memchr(value.ptr, '\\', value.len) != NULL) {
    json_value_string(value, &w->name);
    w->group = buf_slice(&w->name);
  }
  return w->group.len > 0;
}

/* Where a body is read, and what is wrong with it so far. */
struct walk {
  const struct shape *shape;
  const struct field *guess; /* the field that should come next */
  const char *end;
  const char *wrong_group; /* NULL = fine */
  const char *wrong[FIELDS_MAX];
  struct buf scratch;
};

/* Reads the value at `at` of the member `name`. Returns the position behind it. */
static const char *read_member(struct wire_message *w, struct walk *k, struct slice name, const char *at, const struct wire_names *names)
{
  const struct field *f = find_field(k->shape, k->guess, name);
  if (f != NULL) {
    k->guess = f + 1 < k->shape->fields + FIELDS_MAX ? f + 1 : k->shape->fields;
  }
  const char **wrong = f == NULL ? NULL : &k->wrong[f - k->shape->fields];
  if (f != NULL && f->kind == ENTRIES) {
    const char *behind = read_entries(w, at, k->end, names);
    *wrong = behind == NULL ? f->wrong : NULL;
    if (behind != NULL) {
      return behind;
    }
    f = NULL;
  }
  struct json_scanner s = {.begin = at, .end = k->end};
  const char *behind = json_scan_value(&s, at, 0);
  assert(behind != NULL);
  struct slice value = slice_of(at, (size_t)(behind - at));
  if (f != NULL) {
    *wrong = read_field(w, f, value, names) ? NULL : f->wrong;
  } else if (slice_equal(name, SLICE("group"))) {
    k->wrong_group = read_group(w, value) ? NULL : "group is not a name";
  }
  return behind;
}

/* Goes through the members. Of each field, the last one counts. NULL, or what is wrong. */
static const char *read_members(struct wire_message *w, const struct shape *shape, struct slice body, const struct wire_names *names)
{
  struct walk k = {.shape = shape, .guess = shape->fields, .end = body.ptr + body.len, .wrong_group = "group is missing"};
  for (size_t i = 0; i < FIELDS_MAX; i++) {
    k.wrong[i] = shape->fields[i].missing; /* NULL behind the last */
  }
  const char *at = json_skip_space(body.ptr + 1, k.end);
  while (*at != '}') {
    bool plain;
    at = *at == ',' ? json_skip_space(at + 1, k.end) : at;
    const char *quote = json_string_end_within(at + 1, k.end, &plain);
    struct slice name = slice_of(at + 1, (size_t)(quote - at - 1));
    if (!plain) {
      buf_clear(&k.scratch);
      json_read_string(name, &k.scratch);
      name = buf_slice(&k.scratch);
    }
    at = json_skip_space(quote + 1, k.end); /* at the colon */
    at = json_skip_space(read_member(w, &k, name, json_skip_space(at + 1, k.end), names), k.end);
  }
  buf_free(&k.scratch);
  const char *first = k.wrong_group;
  for (size_t i = 0; i < FIELDS_MAX && first == NULL; i++) {
    first = k.wrong[i];
  }
  return first;
}

int wire_decode(struct wire_message *w, struct slice type, struct slice body, const struct wire_names *names, const char **why)
{
  const struct shape *shape = find_shape(type);
  w->group = slice_of("", 0);
  w->message = (struct raft_message){0};
  w->configuration_count = 0;
  buf_clear(&w->bytes);
  if (shape == NULL) {
    *why = "not a message of the core";
    return ERROR_MALFORMED;
  }
  w->message.type = (enum raft_message_type)(shape - shapes);
  *why = body.len < 2 || body.ptr[0] != '{' ? "not an object" : read_members(w, shape, body, names);
  if (*why == NULL) {
    *why = inconsistency(w);
  }
  return *why == NULL ? 0 : ERROR_MALFORMED;
}
