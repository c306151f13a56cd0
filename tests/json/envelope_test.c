#include "json/envelope.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/prng.h"
#include "cmocka_all.h"
#include "guarded.h"

static struct guarded guard;
static struct buf scratch;
static struct json_envelope envelope;
static struct json_error error;

static int scan(const char *line)
{
  return json_envelope_scan(guarded_place(&guard, slice_of(line, strlen(line))), &scratch, &envelope, &error);
}

static void expect_slice(struct slice got, const char *expected)
{
  if (!slice_equal(got, slice_of(expected, strlen(expected)))) {
    fail_msg("got '%.*s', not '%s'", (int)got.len, got.ptr, expected);
  }
}

static void the_fields_are_found(void **state)
{
  (void)state;
  assert_int_equal(scan("{\"id\":5,\"src\":\"c2\",\"dest\":\"n0\",\"body\":{\"echo\":\"Please echo 70\",\"type\":\"echo\",\"msg_id\":1}}"),
                   0);
  expect_slice(envelope.src, "c2");
  expect_slice(envelope.dest, "n0");
  expect_slice(envelope.id, "5");
  expect_slice(envelope.body, "{\"echo\":\"Please echo 70\",\"type\":\"echo\",\"msg_id\":1}");
  expect_slice(envelope.type, "echo");
  expect_slice(envelope.msg_id, "1");
  expect_slice(envelope.in_reply_to, "");
  assert_int_equal(scratch.len, 0);
}

static void white_space_is_allowed_wherever_json_allows_it(void **state)
{
  (void)state;
  assert_int_equal(scan(" { \"body\" : { \"in_reply_to\" : -1.5e3 , \"type\" : \"x\" } , \"dest\"\t:\r\"n\" , \"src\":\"c\" } \r"), 0);
  expect_slice(envelope.in_reply_to, "-1.5e3");
  expect_slice(envelope.msg_id, "");
  expect_slice(envelope.type, "x");
  expect_slice(envelope.body, "{ \"in_reply_to\" : -1.5e3 , \"type\" : \"x\" }");
}

static void our_keys_count_only_in_their_places(void **state)
{
  (void)state;
  assert_int_equal(scan("{\"type\":1,\"msg_id\":\"x\",\"src\":\"a\",\"dest\":\"b\",\"x\":{\"src\":3,\"body\":[]},"
                        "\"body\":{\"src\":1,\"dest\":[{\"type\":7}],\"type\":\"t\",\"id\":{},\"deep\":{\"msg_id\":8,\"type\":0}}}"),
                   0);
  expect_slice(envelope.src, "a");
  expect_slice(envelope.type, "t");
  expect_slice(envelope.msg_id, "");
  expect_slice(envelope.id, "");
}

static void keys_of_equal_length_are_told_apart(void **state)
{
  (void)state;
  assert_int_equal(scan("{\"srk\":1,\"src\":\"a\",\"desk\":2,\"dest\":\"b\",\"bodi\":3,\"ie\":9,\"Src\":5,\"body\":{\"tipe\":1,\"type\":"
                        "\"t\",\"msg_ie\":2,"
                        "\"in_reply_tp\":3}}"),
                   0);
  expect_slice(envelope.src, "a");
  expect_slice(envelope.dest, "b");
  expect_slice(envelope.type, "t");
  expect_slice(envelope.msg_id, "");
  expect_slice(envelope.in_reply_to, "");
  expect_slice(envelope.id, "");
}

static void the_last_of_duplicates_counts(void **state)
{
  (void)state;
  assert_int_equal(
      scan("{\"src\":7,\"src\":\"a\",\"dest\":\"\",\"dest\":\"b\",\"body\":{\"type\":\"t\",\"type\":\"u\",\"msg_id\":1,\"msg_id\":2}}"), 0);
  expect_slice(envelope.src, "a");
  expect_slice(envelope.dest, "b");
  expect_slice(envelope.type, "u");
  expect_slice(envelope.msg_id, "2");
  assert_int_equal(scan("{\"src\":\"a\",\"dest\":\"b\",\"body\":{\"type\":\"t\",\"msg_id\":1,\"msg_id\":null}}"), 0);
  expect_slice(envelope.msg_id, "");
  assert_int_equal(scan("{\"src\":\"a\",\"src\":7,\"dest\":\"b\",\"body\":{\"type\":\"t\"}}"), ERROR_ENVELOPE);
}

static void a_later_body_replaces_the_earlier_one(void **state)
{
  (void)state;
  assert_int_equal(
      scan("{\"body\":{\"type\":\"t\",\"msg_id\":1,\"in_reply_to\":2},\"src\":\"a\",\"dest\":\"b\",\"body\":{\"type\":\"u\"}}"), 0);
  expect_slice(envelope.body, "{\"type\":\"u\"}");
  expect_slice(envelope.type, "u");
  expect_slice(envelope.msg_id, "");
  expect_slice(envelope.in_reply_to, "");
  assert_int_equal(scan("{\"body\":{\"type\":\"t\"},\"src\":\"a\",\"dest\":\"b\",\"body\":{}}"), ERROR_ENVELOPE);
  assert_string_equal(error.reason, "body.type is missing");
  assert_int_equal(scan("{\"body\":{\"type\":\"t\"},\"src\":\"a\",\"dest\":\"b\",\"body\":[1]}"), ERROR_ENVELOPE);
  assert_string_equal(error.reason, "body is not an object");
  assert_int_equal(scan("{\"body\":3,\"src\":\"a\",\"dest\":\"b\",\"body\":{\"type\":\"t\"}}"), 0);
}

static void escaped_keys_are_what_they_spell(void **state)
{
  (void)state;
  assert_int_equal(
      scan("{\"\\u0073rc\":\"a\",\"de\\u0073t\":\"b\",\"\\u0069\\u0064\":4,\"bo\\u0064y\":{\"\\u0074\\u0079\\u0070\\u0065\":\"t\","
           "\"\\u0069\\u006E\\u005F\\u0072\\u0065\\u0070\\u006c\\u0079\\u005f\\u0074\\u006F\":12,\"msg\\u005fid\":3}}"),
      0);
  expect_slice(envelope.src, "a");
  expect_slice(envelope.dest, "b");
  expect_slice(envelope.id, "4");
  expect_slice(envelope.type, "t");
  expect_slice(envelope.in_reply_to, "12");
  expect_slice(envelope.msg_id, "3");
  assert_int_equal(scan("{\"src\":\"a\",\"dest\":\"b\",\"body\":{\"type\":\"t\",\"\\u0074ype\":\"u\"}}"), 0);
  expect_slice(envelope.type, "u");
  /* Escapes that spell something else, a key that looks like ours only while it is escaped, and a very long one. */
  assert_int_equal(scan("{\"src\":\"a\",\"dest\":\"b\",\"body\":{\"type\":\"t\",\"\\\\type\":1,\"\\ud800\":2,\"t\\\\u0079pe\":1,"
                        "\"\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\":5}}"),
                   0);
  expect_slice(envelope.type, "t");
}

static void escaped_names_are_spelled_out_in_scratch(void **state)
{
  (void)state;
  assert_int_equal(scan("{\"src\":\"c\\u0031\",\"dest\":\"\\u006e\\\"\",\"body\":{\"type\":\"\\ud83d\\ude39\\ud800\"}}"), 0);
  expect_slice(envelope.src, "c1");
  expect_slice(envelope.dest, "n\"");
  expect_slice(envelope.type, "\xF0\x9F\x98\xB9\xEF\xBF\xBD");
  assert_true(envelope.src.ptr >= scratch.data && envelope.type.ptr + envelope.type.len <= scratch.data + scratch.len);
}

static void what_is_not_an_envelope_is_named(void **state)
{
  (void)state;
  static const struct {
    const char *line;
    const char *at; /* the text at the offset */
    const char *reason;
  } expected[] = {
      {"[]", "[]", "the message is not an object"},
      {" 17", "17", "the message is not an object"},
      {"{}", "}", "src is missing"},
      {"{\"src\":null}", "null}", "src is not a string"},
      {"{\"src\":\"\"}", "\"\"}", "src is empty"},
      {"{\"src\":\"a\"} ", "} ", "dest is missing"},
      {"{\"src\":\"a\",\"dest\":{}}", "{}}", "dest is not a string"},
      {"{\"src\":\"a\",\"dest\":\"\"}", "\"\"}", "dest is empty"},
      {"{\"src\":\"a\",\"dest\":\"b\"}", "}", "body is missing"},
      {"{\"src\":\"a\",\"dest\":\"b\",\"body\":\"c\"}", "\"c\"}", "body is not an object"},
      {"{\"src\":\"a\",\"dest\":\"b\",\"body\":{ }}", "}}", "body.type is missing"},
      {"{\"src\":\"a\",\"dest\":\"b\",\"body\":{\"type\":1}}", "1}}", "body.type is not a string"},
      {"{\"src\":\"a\",\"dest\":\"b\",\"body\":{\"type\":\"\"}}", "\"\"}}", "body.type is empty"},
      {"{\"src\":\"a\",\"dest\":\"b\",\"body\":{\"type\":\"t\",\"msg_id\":\"1\"}}", "\"1\"}}", "body.msg_id is not a number"},
      {"{\"src\":\"a\",\"dest\":\"b\",\"body\":{\"type\":\"t\",\"in_reply_to\":[1]}}", "[1]}}", "body.in_reply_to is not a number"},
      {"{\"src\":\"a\",\"dest\":\"b\",\"body\":{\"type\":\"t\",\"in_reply_to\":true}}", "true}}", "body.in_reply_to is not a number"},
  };
  for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
    assert_int_equal(scan(expected[i].line), ERROR_ENVELOPE);
    assert_string_equal(error.reason, expected[i].reason);
    assert_string_equal(expected[i].line + error.offset, expected[i].at);
  }
}

static void what_is_not_json_is_that_first(void **state)
{
  (void)state;
  static const char *const lines[] = {
      "",
      " ",
      "{\"src\":1,\"dest\":2,\"body\":3} x",
      "{\"src\":\"a\",\"dest\":\"b\",\"body\":{\"type\":\"t\"},}",
      "{\"src\":\"a\",\"dest\":\"b\",\"body\":{\"type\":\"t\",}}",
      "{\"src\":\"a\",\"dest\":\"b\",\"body\":{\"type\":\"t\"}",
      "{\"src\":\"a\",\"dest\":\"b\",\"body\":{\"type\":\"t\"}}{}",
      "{\"src\":\"a\",\"dest\":\"b\",\"body\":{\"type\":\"t\",\"x\":01}}",
      "{\"src\":\"a\" \"dest\":\"b\"}",
      "{\"src\" \"a\"}",
      "{src:1}",
      "{\"src\":\"\xFF\"}",
      "{\"body\":{\"type\":tru}}",
      "{\"body\":",
      "{\"body\":{\"x\":",
      "{,}",
      "{\"body\":{,}}",
  };
  for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
    struct json_error by_scanner;
    assert_int_equal(scan(lines[i]), ERROR_JSON);
    assert_int_equal(json_scan(slice_of(lines[i], strlen(lines[i])), &by_scanner), ERROR_JSON);
    assert_int_equal(error.offset, by_scanner.offset);
    assert_string_equal(error.reason, by_scanner.reason);
  }
}

static void a_body_is_scanned_by_itself(void **state)
{
  (void)state;
  struct slice body = guarded_place(&guard, SLICE(" {\"type\":\"\\u0074\",\"msg_id\":18446744073709551616,\"body\":{\"type\":1}} "));
  assert_int_equal(json_body_scan(body, &scratch, &envelope, &error), 0);
  expect_slice(envelope.type, "t");
  expect_slice(envelope.msg_id, "18446744073709551616");
  expect_slice(envelope.in_reply_to, "");
  expect_slice(envelope.src, "");
  expect_slice(envelope.body, "");
  assert_int_equal(json_body_scan(SLICE("{\"msg_id\":1}"), &scratch, &envelope, &error), ERROR_ENVELOPE);
  assert_string_equal(error.reason, "body.type is missing");
  assert_int_equal(error.offset, 11);
  assert_int_equal(json_body_scan(SLICE("[]"), &scratch, &envelope, &error), ERROR_ENVELOPE);
  assert_int_equal(json_body_scan(SLICE("{\"type\":\"t\"} 1"), &scratch, &envelope, &error), ERROR_JSON);
  assert_int_equal(json_body_scan(slice_of(NULL, 0), &scratch, &envelope, &error), ERROR_JSON);
}

/* The envelope scanner and json_scan count the same containers: the body stands at depth 1. */
static void depth_is_counted_from_the_top(void **state)
{
  (void)state;
  for (int depth = JSON_DEPTH_MAX - 3; depth <= JSON_DEPTH_MAX + 1; depth++) {
    struct buf line = {0};
    buf_append_str(&line, "{\"src\":\"a\",\"dest\":\"b\",\"body\":{\"type\":\"t\",\"x\":");
    for (int i = 2; i < depth; i++) {
      buf_append_char(&line, '[');
    }
    for (int i = 2; i < depth; i++) {
      buf_append_char(&line, ']');
    }
    buf_append_str(&line, "}}");
    struct json_error by_scanner;
    int expected = depth <= JSON_DEPTH_MAX ? 0 : ERROR_JSON;
    assert_int_equal(json_scan(buf_slice(&line), &by_scanner), expected);
    assert_int_equal(json_envelope_scan(buf_slice(&line), &scratch, &envelope, &error), expected);
    buf_free(&line);
  }
}

/* Random damage to real lines, flush against forbidden memory: the two scanners agree on what is JSON and where it ends. */
static void damaged_lines_are_judged_as_by_the_scanner(void **state)
{
  (void)state;
  static const char alphabet[] = "{}[]\":,\\u09-.e tn\xC3\xA4\xFF";
  static const char *const lines[] = {
      "{\"id\":5,\"src\":\"c2\",\"dest\":\"n0\",\"body\":{\"echo\":\"Please echo 70\",\"type\":\"echo\",\"msg_id\":1}}",
      "{\"src\":\"n1\",\"dest\":\"n0\",\"body\":{\"type\":\"txn_ok\",\"txn\":[[\"r\",1,null],[\"w\",2,\"\\u00e4\"]],\"in_reply_to\":7}}",
      "{ \"body\" : { \"\\u0074ype\" : \"x\" , \"a\" : { } } , \"src\" : \"\\n\" , \"dest\" : \"b\" }",
  };
  struct prng p;
  prng_init(&p, 9);
  int accepted = 0;
  int not_envelopes = 0;
  for (int round = 0; round < 300000; round++) {
    char line[160];
    const char *original = lines[prng_below(&p, 3)];
    size_t len = strlen(original);
    memcpy(line, original, len);
    for (uint64_t n = prng_below(&p, 3); n > 0; n--) {
      line[prng_below(&p, len)] = alphabet[prng_below(&p, sizeof alphabet - 1)];
    }
    len = prng_below(&p, 4) == 0 ? prng_below(&p, len + 1) : len;
    struct slice placed = guarded_place(&guard, slice_of(line, len));
    struct json_error by_scanner;
    int json = json_scan(placed, &by_scanner);
    int result = json_envelope_scan(placed, &scratch, &envelope, &error);
    assert_int_equal(result == ERROR_JSON, json != 0);
    if (json != 0) {
      assert_int_equal(error.offset, by_scanner.offset);
      assert_string_equal(error.reason, by_scanner.reason);
    } else {
      accepted += result == 0;
      not_envelopes += result == ERROR_ENVELOPE;
    }
  }
  assert_true(accepted > 1000 && not_envelopes > 1000);
}

static void tokens_are_compared_digit_by_digit(void **state)
{
  (void)state;
  assert_true(json_token_is(SLICE("0"), 0));
  assert_true(json_token_is(SLICE("7"), 7));
  assert_true(json_token_is(SLICE("1234567890"), 1234567890));
  assert_true(json_token_is(SLICE("18446744073709551615"), UINT64_MAX));
  assert_false(json_token_is(SLICE("18446744073709551616"), 0));
  assert_false(json_token_is(SLICE(""), 0));
  assert_false(json_token_is(slice_of(NULL, 0), 0));
  assert_false(json_token_is(SLICE("7.0"), 7));
  assert_false(json_token_is(SLICE("7e0"), 7));
  assert_false(json_token_is(SLICE("07"), 7));
  assert_false(json_token_is(SLICE("00"), 0));
  assert_false(json_token_is(SLICE("-0"), 0));
  assert_false(json_token_is(SLICE("-7"), 7));
  assert_false(json_token_is(SLICE("17"), 7));
  assert_false(json_token_is(SLICE("7"), 17));
}

static int set_up(void **state)
{
  (void)state;
  guarded_init(&guard, 4096);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  guarded_free(&guard);
  buf_free(&scratch);
  return 0;
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_fields_are_found),
      cmocka_unit_test(white_space_is_allowed_wherever_json_allows_it),
      cmocka_unit_test(our_keys_count_only_in_their_places),
      cmocka_unit_test(keys_of_equal_length_are_told_apart),
      cmocka_unit_test(the_last_of_duplicates_counts),
      cmocka_unit_test(a_later_body_replaces_the_earlier_one),
      cmocka_unit_test(escaped_keys_are_what_they_spell),
      cmocka_unit_test(escaped_names_are_spelled_out_in_scratch),
      cmocka_unit_test(what_is_not_an_envelope_is_named),
      cmocka_unit_test(what_is_not_json_is_that_first),
      cmocka_unit_test(a_body_is_scanned_by_itself),
      cmocka_unit_test(depth_is_counted_from_the_top),
      cmocka_unit_test(damaged_lines_are_judged_as_by_the_scanner),
      cmocka_unit_test(tokens_are_compared_digit_by_digit),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
