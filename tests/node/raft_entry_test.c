/* Entries: what an append may carry and what it may not, envelopes of commands letter by letter, and that what is written is canonical. */
#include "node/raft_wire.h"

#include <string.h>

#include "base/error.h"
#include "base/prng.h"
#include "cmocka_all.h"
#include "guarded.h"
#include "raft_names.h"
#include "json/canonical.h"
#include "json/scan.h"

static void expect_append(const char *prev, const char *entries, bool accepted)
{
  struct buf body = {0};
  struct wire_message w = {0};
  const char *why = NULL;
  struct json_error error;
  buf_printf(&body, "{\"group\":\"main\",\"term\":1,\"session\":2,\"prev\":%s,\"commit\":5,\"round\":6,\"entries\":%s}", prev, entries);
  assert_int_equal(json_scan(buf_slice(&body), &error), 0);
  if ((wire_decode(&w, SLICE("raft_append"), buf_slice(&body), &names, &why) == 0) != accepted) {
    fail_msg("%s: %.*s", accepted ? why : "accepted", (int)body.len, body.data);
  }
  wire_message_free(&w);
  buf_free(&body);
}

static void test_entries(void **state)
{
  (void)state;
  static const char *const good[] = {
      "[]",
      "[ [ 1 , null ] ]",
      "[[1.0,null],[2e0,null]]",
      "[[-1,null]]",
      "[[1,{\"session\":1,\"command\":{\"b\":1,\"a\":2},\"sequence\":1,\"below\":1}]]",
      "[[1,{\"open\":\"n1\",\"nonce\":1}]]",
      "[[1,{\"voters\":[]}]]",
      "[[1,{\"voters\":[\"n1\"],\"comment\":{}}]]",
  };
  static const char *const bad[] = {
      "[1]",
      "[[]]",
      "[[1]]",
      "[[null,null]]",
      "[[1,null,2]]",
      "[[\"1\",null]]",
      "[[1.5,null]]",
      "[[1,1]]",
      "[[1,true]]",
      "[[1,\"n\"]]",
      "[[1,[]]]",
      "[[1,{}]]",
      "[[1,{\"below\":1,\"command\":{},\"sequence\":1}]]",
      "[[1,{\"below\":1,\"command\":{},\"sequence\":1,\"session\":1,\"more\":1}]]",
      "[[1,{\"below\":1,\"command\":{},\"foo\":1,\"sequence\":1,\"session\":1}]]",
      "[[1,{\"below\":\"1\",\"command\":{},\"sequence\":1,\"session\":1}]]",
      "[[1,{\"below\":1.5,\"command\":{},\"sequence\":1,\"session\":1}]]",
      "[[1,{\"open\":\"n\\\"1\",\"nonce\":1}]]",
      "[[1,{\"open\":\"\",\"nonce\":1}]]",
      "[[1,{\"open\":7,\"nonce\":1}]]",
      "[[1,{\"open\":\"n1\"}]]",
      "[[1,{\"voters\":{}}]]",
      "[[1,{\"voters\":[1]}]]",
      "[[1,{\"voters\":[\"\"]}]]",
      "[[1,{\"voters\":[\"n1\",\"n1\"]}]]",
      "[[1,{\"voters\":[\"n1\"],\"learners\":[\"n1\"]}]]",
      "[[1,{\"learners\":[\"n1\"]}]]",
      "[[{\"a\":1},null]]",
      "[[[1,2],null]]",
      "[null]",
      "[{\"a\":1,\"b\":2}]",
  };
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    expect_append("[1,1]", good[i], true);
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    expect_append("[1,1]", bad[i], false);
  }
  expect_append("[-2,1]", "[]", true);
  expect_append("[-1,1]", "[]", false);
  expect_append("[-2,1]", "[[1,null]]", false);
  expect_append("[-3,1]", "[[1,null]]", true);
  struct buf entry = {0};
  buf_append_str(&entry, "[[1,{\"voters\":[");
  for (int i = 0; i < RAFT_MEMBERS_MAX; i++) {
    buf_printf(&entry, "%s\"m%d\"", i == 0 ? "" : ",", i);
  }
  size_t len = entry.len;
  buf_append_str(&entry, "]}]]");
  buf_append_char(&entry, '\0');
  expect_append("[1,1]", entry.data, true);
  entry.len = len;
  buf_append_str(&entry, ",\"one too many\"]}]]");
  buf_append_char(&entry, '\0');
  expect_append("[1,1]", entry.data, false);
  buf_free(&entry);
}

static void test_commands(void **state)
{
  (void)state;
  static const char *const bad[] = {
      "",
      "null",
      "{}",
      "{\"below\":",
      "{\"below\":1",
      "{\"below\":,\"command\":1,\"sequence\":1,\"session\":1}",
      "{\"below\":-,\"command\":1,\"sequence\":1,\"session\":1}",
      "{\"below\":1-1,\"command\":1,\"sequence\":1,\"session\":1}",
      "{\"below\":99999999999999999999,\"command\":1,\"sequence\":1,\"session\":1}",
      "{\"below\":1,\"command\":,\"sequence\":1,\"session\":1}",
      "{\"below\":1,\"command\":1,\"sequence\":1,\"session\":1",
      "{\"below\":1,\"command\":1,\"sequence\":1,\"session\":1}}",
      "{\"below\":1,\"command\":1,\"sequence\":1,\"session\":1} ",
      "{\"below\":1,\"command\":{\"sequence\":1,\"session\":1}",
      "{\"below\":1,\"command\":1,\"session\":1,\"sequence\":1}",
      "{\"nonce\":1,\"open\":\"\"}",
      "{\"nonce\":1,\"open\":\"a\"",
      "{\"nonce\":1,\"open\":\"}",
      "{\"nonce\":1,\"open\":\"a\",\"b\":\"c\"}",
      "{\"nonce\":1,\"open\":\"a\\\\\"}",
      "{\"nonce\":\"1\",\"open\":\"a\"}",
  };
  struct wire_command c;
  struct guarded memory;
  guarded_init(&memory, 4096);
  assert_int_equal(wire_decode_command(guarded_place(&memory, SLICE(PROPOSAL)), &c), 0);
  assert_int_equal(c.kind, WIRE_PROPOSAL);
  assert_int_equal(c.below, 1);
  assert_int_equal(c.sequence, 2);
  assert_int_equal(c.session, 3);
  assert_true(slice_equal(c.command, SLICE("{\"key\":1,\"value\":[2.5,null]}")));
  assert_int_equal(wire_decode_command(guarded_place(&memory, SLICE("{\"nonce\":-9,\"open\":\"n\xc3\xa9\"}")), &c), 0);
  assert_int_equal(c.kind, WIRE_OPEN);
  assert_int_equal(c.nonce, (uint64_t)-9);
  assert_true(slice_equal(c.node, SLICE("n\xc3\xa9")));
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    if (wire_decode_command(guarded_place(&memory, text_of(bad[i])), &c) != ERROR_MALFORMED) {
      fail_msg("accepted: %s", bad[i]);
    }
  }
  for (size_t len = 0; len < sizeof PROPOSAL - 1; len++) {
    assert_int_equal(wire_decode_command(guarded_place(&memory, slice_of(PROPOSAL, len)), &c), ERROR_MALFORMED);
  }
  guarded_free(&memory);
}

/* What goes into the log is canonical already. */
static void test_entries_are_canonical(void **state)
{
  (void)state;
  struct prng p;
  struct buf bytes = {0};
  struct buf canonical = {0};
  prng_init(&p, 3);
  for (int i = 0; i < 2000; i++) {
    buf_clear(&bytes);
    buf_clear(&canonical);
    if (any_entry(&p, &bytes).type == RAFT_NOOP) {
      assert_int_equal(bytes.len, 0);
      continue;
    }
    json_canonical(buf_slice(&bytes), &canonical);
    assert_true(slice_equal(buf_slice(&bytes), buf_slice(&canonical)));
  }
  buf_free(&bytes);
  buf_free(&canonical);
}

static void put_nested(struct buf *out, int depth, const char *open, const char *close)
{
  for (int i = 0; i < depth; i++) {
    buf_append_str(out, open);
  }
  buf_append_char(out, '1');
  for (int i = 0; i < depth; i++) {
    buf_append_str(out, close);
  }
}

/* The deepest command that fits is read by whoever gets it in an append; deeper ones do not fit before they are too deep for that. */
static void test_depth(void **state)
{
  (void)state;
  int deepest = 0;
  for (int depth = 1; depth <= JSON_DEPTH_MAX; depth++) {
    struct buf command = {0};
    put_nested(&command, depth, depth % 2 == 0 ? "[" : "{\"a\":", depth % 2 == 0 ? "]" : "}");
    bool fits = wire_fits(buf_slice(&command));
    assert_true(!fits || deepest == depth - 1);
    deepest = fits ? depth : deepest;
    struct buf line = {0};
    struct json_error error;
    buf_append_str(&line, "{\"body\":{\"entries\":[[1,");
    struct wire_command c = {.kind = WIRE_PROPOSAL, .command = buf_slice(&command)};
    wire_encode_command(&line, &c);
    buf_append_str(&line, "]]}}");
    assert_true(!fits || json_scan(buf_slice(&line), &error) == 0);
    buf_free(&command);
    buf_free(&line);
  }
  assert_true(deepest > JSON_DEPTH_MAX - 10);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_entries),
      cmocka_unit_test(test_commands),
      cmocka_unit_test(test_depth),
      cmocka_unit_test(test_entries_are_canonical),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
