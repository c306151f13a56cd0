/* Messages and entries: every type's body letter by letter, there and back with random and extreme values, in other spellings, and with
 * each field missing or of a wrong type. */
#include "node/raft_wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/prng.h"
#include "cmocka_all.h"
#include "guarded.h"
#include "raft_names.h"
#include "json/iter.h"
#include "json/respell.h"
#include "json/scan.h"

/* ---- letter by letter ---- */

static void encode(struct buf *out, const struct raft_message *m, const struct wal_entry *entries, struct slice chunk)
{
  struct json_error error;
  buf_clear(out);
  buf_append_char(out, '{');
  wire_encode(out, SLICE("main"), m, entries, chunk, &names);
  buf_append_char(out, '}');
  if (json_scan(buf_slice(out), &error) != 0) {
    fail_msg("at %zu: %s: %.*s", error.offset, error.reason, (int)out->len, out->data);
  }
}

static struct slice type_of(struct slice body)
{
  struct json_iter it;
  struct slice key;
  struct slice type;
  json_iter_init(&it, body);
  assert_true(json_iter_member(&it, &key, &type));
  assert_true(slice_equal(key, SLICE("type")));
  return slice_of(type.ptr + 1, type.len - 2);
}

/* What the decoded message would be sent as. */
static void encode_again(struct buf *out, const struct wire_message *w)
{
  encode(out, &w->message, w->payloads, w->message.type == RAFT_INSTALL ? buf_slice(&w->bytes) : slice_of("", 0));
}

static void expect_decodes(struct wire_message *w, struct slice type, struct slice body, struct slice original)
{
  const char *why = "?";
  struct buf again = {0};
  if (wire_decode(w, type, body, &names, &why) != 0) {
    fail_msg("%s: %.*s", why, (int)body.len, body.ptr);
  }
  assert_null(why);
  assert_true(slice_equal(w->group, SLICE("main")));
  encode_again(&again, w);
  if (!slice_equal(buf_slice(&again), original)) {
    fail_msg("%.*s\nbecame\n%.*s", (int)original.len, original.ptr, (int)again.len, again.data);
  }
  for (size_t i = 0; w->message.type == RAFT_APPEND && i < w->message.append.count; i++) {
    const struct raft_entry *e = &w->message.append.entries[i];
    assert_int_equal(e->term, w->payloads[i].term);
    assert_int_equal(e->type, w->payloads[i].type);
    assert_int_equal(e->size, w->payloads[i].bytes.len);
    assert_int_equal(e->configuration != NULL, e->type == RAFT_CONFIGURATION);
    if (e->type == RAFT_CONFIGURATION) {
      buf_clear(&again);
      wire_encode_configuration(&again, e->configuration, &names);
      assert_true(slice_equal(buf_slice(&again), w->payloads[i].bytes));
    }
  }
  buf_free(&again);
}

static struct raft_configuration three(void)
{
  struct raft_configuration c = {0};
  assert_true(raft_configuration_set(&c, id_of("n2"), RAFT_VOTER | RAFT_OLD_VOTER));
  assert_true(raft_configuration_set(&c, id_of("n1"), RAFT_VOTER));
  assert_true(raft_configuration_set(&c, id_of("n10"), RAFT_OLD_VOTER));
  assert_true(raft_configuration_set(&c, id_of("\"q\" \xc3\xa9"), RAFT_LEARNER));
  return c;
}
#define THREE "{\"learners\":[\"\\\"q\\\" \xc3\xa9\"],\"old_voters\":[\"n10\",\"n2\"],\"voters\":[\"n1\",\"n2\"]}"

static void test_bodies(void **state)
{
  (void)state;
  struct raft_configuration c = three();
  const struct wal_entry entries[] = {
      {.term = 3, .type = RAFT_COMMAND, .bytes = SLICE(PROPOSAL)},
      {.term = 3, .type = RAFT_NOOP},
      {.term = 4, .type = RAFT_CONFIGURATION, .bytes = SLICE(THREE)},
      {.term = 4, .type = RAFT_COMMAND, .bytes = SLICE("{\"nonce\":9,\"open\":\"n1\"}")},
  };
  const struct {
    struct raft_message message;
    const char *body;
  } bodies[] = {
      {{.type = RAFT_REQUEST_VOTE, .term = 1, .request_vote = {.last_index = 2, .last_term = 3, .pre = true}},
       "{\"type\":\"raft_request_vote\",\"group\":\"main\",\"term\":1,\"last_index\":2,\"last_term\":3,\"pre\":true,\"transfer\":false}"},
      {{.type = RAFT_REQUEST_VOTE, .term = 1, .request_vote = {.last_index = 2, .last_term = 3, .transfer = true}},
       "{\"type\":\"raft_request_vote\",\"group\":\"main\",\"term\":1,\"last_index\":2,\"last_term\":3,\"pre\":false,\"transfer\":true}"},
      {{.type = RAFT_VOTE, .term = UINT64_MAX, .vote = {.granted = true}},
       "{\"type\":\"raft_vote\",\"group\":\"main\",\"term\":-1,\"granted\":true,\"pre\":false}"},
      {{.type = RAFT_VOTE, .term = 7, .vote = {.pre = true}},
       "{\"type\":\"raft_vote\",\"group\":\"main\",\"term\":7,\"granted\":false,\"pre\":true}"},
      {{.type = RAFT_APPEND, .term = 1, .append = {.session = 2, .prev_index = 3, .prev_term = 4, .commit = 5, .round = 6, .count = 4}},
       "{\"type\":\"raft_append\",\"group\":\"main\",\"term\":1,\"session\":2,\"prev\":[3,4],\"commit\":5,\"round\":6,\"entries\":["
       "[3," PROPOSAL "],[3,null],[4," THREE "],[4,{\"nonce\":9,\"open\":\"n1\"}]]}"},
      {{.type = RAFT_APPENDED,
        .term = 1,
        .appended = {.session = 2, .incarnation = 3, .round = 4, .rejected = true, .match = 5, .hint = 6, .hint_term = 7}},
       "{\"type\":\"raft_appended\",\"group\":\"main\",\"term\":1,\"session\":2,\"incarnation\":3,\"round\":4,\"rejected\":true,"
       "\"match\":5,\"hint\":6,\"hint_term\":7}"},
      {{.type = RAFT_INSTALL,
        .term = 1,
        .install = {.session = 2,
                    .index = 3,
                    .log_term = 4,
                    .size = 50,
                    .offset = 6,
                    .length = 5,
                    .configuration_index = 8,
                    .configuration = &c,
                    .round = 9}},
       "{\"type\":\"raft_install\",\"group\":\"main\",\"term\":1,\"session\":2,\"index\":3,\"log_term\":4,\"size\":50,\"offset\":6,"
       "\"length\":5,\"configuration_index\":8,\"configuration\":" THREE ",\"round\":9,\"chunk\":\"a\\n\\\"\xc2\x80\xc3\xbf\"}"},
      {{.type = RAFT_INSTALLED,
        .term = 1,
        .installed = {.session = 2, .incarnation = 3, .index = 4, .offset = 5, .done = true, .round = 6}},
       "{\"type\":\"raft_installed\",\"group\":\"main\",\"term\":1,\"session\":2,\"incarnation\":3,\"index\":4,\"offset\":5,\"done\":true,"
       "\"round\":6}"},
      {{.type = RAFT_TIMEOUT_NOW, .term = 1}, "{\"type\":\"raft_timeout_now\",\"group\":\"main\",\"term\":1}"},
      {{.type = RAFT_READ, .term = 1, .read = {.incarnation = 2, .context = 3}},
       "{\"type\":\"raft_read\",\"group\":\"main\",\"term\":1,\"incarnation\":2,\"context\":3}"},
      {{.type = RAFT_READABLE, .term = 1, .readable = {.incarnation = 2, .context = 3, .index = 4}},
       "{\"type\":\"raft_readable\",\"group\":\"main\",\"term\":1,\"incarnation\":2,\"context\":3,\"index\":4}"},
  };
  bool seen[RAFT_MESSAGE_TYPES] = {0};
  struct wire_message w = {0};
  struct buf out = {0};
  for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
    encode(&out, &bodies[i].message, entries, bodies[i].message.type == RAFT_INSTALL ? SLICE("a\n\"\x80\xff") : slice_of("", 0));
    buf_append_char(&out, '\0');
    assert_string_equal(out.data, bodies[i].body);
    out.len--;
    assert_true(wire_is_core(type_of(buf_slice(&out))));
    expect_decodes(&w, type_of(buf_slice(&out)), buf_slice(&out), buf_slice(&out));
    assert_int_equal(w.message.type, bodies[i].message.type);
    assert_int_equal(w.message.term, bodies[i].message.term);
    seen[bodies[i].message.type] = true;
  }
  for (size_t i = 0; i < RAFT_MESSAGE_TYPES; i++) {
    assert_true(seen[i]);
  }
  static const char *const others[] = {"", "raft_", "raft_propose", "raft_result", "raft_appen", "raft_appended2", "RAFT_VOTE", "echo"};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    assert_false(wire_is_core(text_of(others[i])));
  }
  wire_message_free(&w);
  buf_free(&out);
}

/* ---- random ---- */

static void any_install(struct prng *p, const uint64_t *n, struct raft_message *m, struct raft_configuration *c, struct slice *chunk)
{
  static char bytes[2000];
  *chunk = slice_of(bytes, prng_below(p, sizeof bytes));
  for (size_t i = 0; i < chunk->len; i++) {
    bytes[i] = (char)prng_next(p);
  }
  any_configuration(p, c);
  m->install.session = n[0];
  m->install.index = n[1];
  m->install.log_term = n[2];
  m->install.configuration_index = n[3];
  m->install.round = n[4];
  m->install.length = chunk->len;
  m->install.offset = chunk->len == 0 ? 0 : prng_below(p, INT32_MAX - chunk->len + 1);
  bool whole = prng_below(p, 2);
  uint64_t least = m->install.offset + chunk->len;
  m->install.size = chunk->len == 0 ? 0 : whole ? least : least + prng_below(p, INT32_MAX - least + 1);
  m->install.configuration = c;
}

/* A message with random fields: all of its members are numbers and flags, so any bits will do but where they have to fit each other. */
static void any_message(struct prng *p, struct raft_message *m, struct raft_configuration *c, struct slice *chunk)
{
  *m = (struct raft_message){.type = (enum raft_message_type)prng_below(p, RAFT_MESSAGE_TYPES), .term = any_number(p)};
  bool a = prng_below(p, 2);
  bool b = prng_below(p, 2);
  uint64_t n[6];
  for (size_t i = 0; i < 6; i++) {
    n[i] = any_number(p);
  }
  *chunk = slice_of("", 0);
  switch (m->type) {
  case RAFT_REQUEST_VOTE:
    m->request_vote.last_index = n[0];
    m->request_vote.last_term = n[1];
    m->request_vote.pre = a;
    m->request_vote.transfer = b;
    break;
  case RAFT_VOTE:
    m->vote.granted = a;
    m->vote.pre = b;
    break;
  case RAFT_APPEND:
    m->append.session = n[0];
    m->append.count = prng_below(p, 5) * prng_below(p, 8);
    m->append.prev_index = n[1] < UINT64_MAX - 100 ? n[1] : UINT64_MAX - 1 - m->append.count;
    m->append.prev_term = n[2];
    m->append.commit = n[3];
    m->append.round = n[4];
    break;
  case RAFT_APPENDED:
    m->appended.session = n[0];
    m->appended.incarnation = n[1];
    m->appended.round = n[2];
    m->appended.rejected = a;
    m->appended.match = n[3];
    m->appended.hint = n[4];
    m->appended.hint_term = n[5];
    break;
  case RAFT_INSTALL:
    any_install(p, n, m, c, chunk);
    break;
  case RAFT_INSTALLED:
    m->installed.session = n[0];
    m->installed.incarnation = n[1];
    m->installed.index = n[2];
    m->installed.offset = n[3];
    m->installed.done = a;
    m->installed.round = n[4];
    break;
  case RAFT_READ:
    m->read.incarnation = n[0];
    m->read.context = n[1];
    break;
  case RAFT_READABLE:
    m->readable.incarnation = n[0];
    m->readable.context = n[1];
    m->readable.index = n[2];
    break;
  default:
    break;
  }
}

static void test_round_trips(void **state)
{
  (void)state;
  struct prng p;
  struct wire_message w = {0};
  struct buf bytes = {0};
  struct buf body = {0};
  struct buf other = {0};
  prng_init(&p, 1);
  for (int i = 0; i < 4000; i++) {
    struct raft_message m;
    struct raft_configuration c;
    struct slice chunk;
    struct wal_entry entries[40];
    any_message(&p, &m, &c, &chunk);
    size_t count = m.type == RAFT_APPEND ? m.append.count : 0;
    buf_clear(&bytes);
    for (size_t k = 0; k < count; k++) {
      entries[k] = any_entry(&p, &bytes);
    }
    size_t at = 0;
    for (size_t k = 0; k < count; k++) {
      entries[k].bytes.ptr = bytes.data + at;
      at += entries[k].bytes.len;
    }
    encode(&body, &m, entries, chunk);
    struct slice type = type_of(buf_slice(&body));
    expect_decodes(&w, type, buf_slice(&body), buf_slice(&body));
    for (size_t k = 0; k < count; k++) {
      assert_int_equal(w.payloads[k].type, entries[k].type);
      assert_true(slice_equal(w.payloads[k].bytes, entries[k].bytes));
    }
    if (m.type == RAFT_INSTALL) {
      assert_true(slice_equal(buf_slice(&w.bytes), chunk));
      assert_int_equal(w.message.install.configuration->count, c.count);
      for (size_t k = 0; k < c.count; k++) {
        assert_int_equal(w.message.install.configuration->members[k].id, c.members[k].id);
        assert_int_equal(w.message.install.configuration->members[k].voice, c.members[k].voice);
      }
    }
    buf_clear(&other);
    respell(buf_slice(&body), &p, &other);
    expect_decodes(&w, type, buf_slice(&other), buf_slice(&body));
  }
  wire_message_free(&w);
  buf_free(&bytes);
  buf_free(&body);
  buf_free(&other);
}

/* ---- refusals ---- */

static void expect_refused(struct slice type, struct slice body, const char *part)
{
  struct json_error error;
  struct wire_message w = {0};
  const char *why = NULL;
  assert_int_equal(json_scan(body, &error), 0);
  if (wire_decode(&w, type, body, &names, &why) != ERROR_MALFORMED) {
    fail_msg("accepted: %.*s", (int)body.len, body.ptr);
  }
  assert_non_null(why);
  if (strstr(why, part) == NULL) {
    fail_msg("\"%s\" does not say \"%s\": %.*s", why, part, (int)body.len, body.ptr);
  }
  wire_message_free(&w);
}

/* The body with the value of one member replaced; an empty replacement leaves the member out. */
static void replace(struct buf *out, struct slice body, size_t number, struct slice by)
{
  struct json_iter it;
  struct slice key;
  struct slice value;
  buf_clear(out);
  json_iter_init(&it, body);
  for (size_t i = 0; json_iter_member(&it, &key, &value); i++) {
    if (i != number || by.len > 0) {
      buf_append_str(out, out->len == 0 ? "{\"" : ",\"");
      buf_append_slice(out, key);
      buf_append_str(out, "\":");
      buf_append_slice(out, i == number ? by : value);
    }
  }
  buf_append_char(out, '}');
}

static void test_each_field(void **state)
{
  (void)state;
  static const char *const wrong[] = {"null", "\"x\"", "{}", "[1]", "1.5", "1e16", "18446744073709551615", "true", "[1,2,3]", "[[1,2]]"};
  struct prng p;
  struct buf body = {0};
  struct buf changed = {0};
  prng_init(&p, 2);
  for (int i = 0; i < 300; i++) {
    struct raft_message m;
    struct raft_configuration c;
    struct slice chunk;
    any_message(&p, &m, &c, &chunk);
    if (m.type == RAFT_APPEND) {
      m.append.count = 0;
    }
    encode(&body, &m, NULL, chunk);
    struct json_iter it;
    struct slice key;
    struct slice value;
    json_iter_init(&it, buf_slice(&body));
    for (size_t k = 0; json_iter_member(&it, &key, &value); k++) {
      if (k == 0) {
        continue; /* the type is told, not read */
      }
      char name[64];
      snprintf(name, sizeof name, "%.*s", (int)key.len, key.ptr);
      replace(&changed, buf_slice(&body), k, slice_of("", 0));
      expect_refused(type_of(buf_slice(&body)), buf_slice(&changed), name);
      for (size_t n = 0; n < sizeof wrong / sizeof *wrong; n++) {
        bool fits = (strcmp(wrong[n], "true") == 0 && (value.ptr[0] == 't' || value.ptr[0] == 'f')) ||
                    (strcmp(wrong[n], "\"x\"") == 0 && strcmp(name, "group") == 0);
        if (!fits) {
          replace(&changed, buf_slice(&body), k, text_of(wrong[n]));
          expect_refused(type_of(buf_slice(&body)), buf_slice(&changed), name);
        }
      }
    }
  }
  buf_free(&body);
  buf_free(&changed);
}

static void test_group_is_found(void **state)
{
  (void)state;
  static const char *const bodies[] = {
      "{\"term\":\"?\",\"entries\":[[1,2],3],\"group\":\"orders\"}",
      "{\"entries\":[[1,{\"below\":1}]],\"gr\\u006fup\":\"\\u006frders\",\"prev\":7}",
      "{\"group\":\"main\",\"\":1,\"group\":\"orders\"}",
  };
  struct wire_message w = {0};
  const char *why;
  for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
    assert_int_equal(wire_decode(&w, SLICE("raft_append"), text_of(bodies[i]), &names, &why), ERROR_MALFORMED);
    assert_true(slice_equal(w.group, SLICE("orders")));
  }
  assert_int_equal(wire_decode(&w, SLICE("raft_append"), SLICE("{}"), &names, &why), ERROR_MALFORMED);
  assert_int_equal(w.group.len, 0);
  assert_int_equal(wire_decode(&w, SLICE("raft_propose"), SLICE("{\"group\":\"main\"}"), &names, &why), ERROR_MALFORMED);
  assert_int_equal(wire_decode(&w, SLICE("raft_append"), SLICE("[]"), &names, &why), ERROR_MALFORMED);
  wire_message_free(&w);
}

static void test_unknown_members(void **state)
{
  (void)state;
  struct wire_message w = {0};
  const char *why;
  struct slice body = SLICE("{\"more\":[{}],\"group\":\"main\",\"term\":1,\"\":7,\"entries\":[1],\"terms\":\"x\"}");
  assert_int_equal(wire_decode(&w, SLICE("raft_timeout_now"), body, &names, &why), 0);
  assert_int_equal(w.message.type, RAFT_TIMEOUT_NOW);
  assert_int_equal(w.message.term, 1);
  wire_message_free(&w);
}

static void expect_install(uint64_t size, uint64_t offset, uint64_t length, const char *chunk, bool accepted)
{
  struct buf body = {0};
  struct wire_message w = {0};
  const char *why = NULL;
  struct json_error error;
  buf_printf(&body,
             "{\"group\":\"main\",\"term\":1,\"session\":2,\"index\":3,\"log_term\":4,\"size\":%lld,\"offset\":%lld,\"length\":%lld,"
             "\"configuration_index\":8,\"configuration\":{\"voters\":[\"n1\"]},\"round\":9,\"chunk\":\"%s\"}",
             (long long)size, (long long)offset, (long long)length, chunk);
  assert_int_equal(json_scan(buf_slice(&body), &error), 0);
  if ((wire_decode(&w, SLICE("raft_install"), buf_slice(&body), &names, &why) == 0) != accepted) {
    fail_msg("%s: %.*s", accepted ? why : "accepted", (int)body.len, body.data);
  }
  wire_message_free(&w);
  buf_free(&body);
}

static void test_chunks(void **state)
{
  (void)state;
  const uint64_t most = (UINT64_C(1) << 31) - 1;
  expect_install(3, 0, 3, "abc", true);
  expect_install(4, 1, 3, "a\\u0062\\u00ff", true);
  expect_install(most, most - 3, 3, "abc", true);
  expect_install(0, 0, 0, "", true);
  expect_install(3, 0, 2, "abc", false);
  expect_install(3, 0, 4, "abc", false);
  expect_install(3, 1, 3, "abc", false);
  expect_install(2, 0, 3, "abc", false);
  expect_install(3, 4, 0, "", false);
  expect_install(3, 1, 0, "", false);
  expect_install(most + 1, 0, 3, "abc", false);
  expect_install(UINT64_MAX, 0, 3, "abc", false);
  expect_install(3, UINT64_MAX, 3, "abc", false);
  expect_install(most, UINT64_MAX - 1, 3, "abc", false);
  expect_install(3, 0, UINT64_MAX, "abc", false);
  expect_install(3, 0, 3, "ab\\u0100", false);
  expect_install(3, 0, 3, "ab\xc4\x80", false);
  expect_install(3, 0, 3, "ab\\ud800", false);
  expect_install(4, 0, 4, "ab\xf0\x9f\x98\x80", false);
}

/* Nothing behind the body is read. */
static void test_bounds(void **state)
{
  (void)state;
  struct guarded memory;
  struct wire_message w = {0};
  const char *why;
  guarded_init(&memory, 4096);
  struct slice body =
      SLICE("{\"group\":\"main\",\"term\":1,\"session\":2,\"prev\":[3,4],\"commit\":5,\"round\":6,\"entries\":[[3," PROPOSAL "]]}");
  assert_int_equal(wire_decode(&w, SLICE("raft_append"), guarded_place(&memory, body), &names, &why), 0);
  body = SLICE("{\"group\":\"main\",\"term\":1}");
  assert_int_equal(wire_decode(&w, SLICE("raft_timeout_now"), guarded_place(&memory, body), &names, &why), 0);
  wire_message_free(&w);
  guarded_free(&memory);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_bodies),         cmocka_unit_test(test_round_trips),     cmocka_unit_test(test_each_field),
      cmocka_unit_test(test_group_is_found), cmocka_unit_test(test_unknown_members), cmocka_unit_test(test_chunks),
      cmocka_unit_test(test_bounds),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
