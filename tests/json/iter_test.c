/* Walking members and elements of accepted text. */
#include "json/iter.h"

#include "cmocka_all.h"

static void test_members(void **state)
{
  (void)state;
  struct json_iter it;
  struct slice key;
  struct slice value;
  json_iter_init(&it, SLICE("{ \"a\" : 1 , \"\\u0062\":[1,{\"c\":2}],\"\":\"x\\\"}\" }"));
  assert_true(json_iter_member(&it, &key, &value));
  assert_true(json_key_is(key, SLICE("a")));
  assert_true(slice_equal(value, SLICE("1")));
  assert_true(json_iter_member(&it, &key, &value));
  assert_true(json_key_is(key, SLICE("b")));
  assert_false(json_key_is(key, SLICE("\\u0062")));
  assert_true(slice_equal(value, SLICE("[1,{\"c\":2}]")));
  assert_true(json_iter_member(&it, &key, &value));
  assert_true(json_key_is(key, SLICE("")));
  assert_true(slice_equal(value, SLICE("\"x\\\"}\"")));
  assert_false(json_iter_member(&it, &key, &value));
  json_iter_init(&it, SLICE("{ }"));
  assert_false(json_iter_member(&it, &key, &value));
}

static void test_elements(void **state)
{
  (void)state;
  static const char *const expected[] = {"1", "\"a,b\"", "[]", "{\"x\":[2]}", "null"};
  struct json_iter it;
  struct slice value;
  json_iter_init(&it, SLICE("[1 , \"a,b\",[] ,{\"x\":[2]},null ]"));
  for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
    assert_true(json_iter_element(&it, &value));
    assert_true(slice_equal(value, slice_of(expected[i], strlen(expected[i]))));
  }
  assert_false(json_iter_element(&it, &value));
  json_iter_init(&it, SLICE("[]"));
  assert_false(json_iter_element(&it, &value));
}

static void test_value_string(void **state)
{
  (void)state;
  struct buf out = {0};
  assert_true(json_value_string(SLICE("\"n\\u0031\""), &out));
  assert_true(slice_equal(buf_slice(&out), SLICE("n1")));
  assert_true(json_value_string(SLICE("\"\""), &out));
  assert_int_equal(out.len, 0);
  assert_false(json_value_string(SLICE("17"), &out));
  assert_false(json_value_string(SLICE("[\"a\"]"), &out));
  assert_false(json_value_string(SLICE(""), &out));
  buf_free(&out);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_members),
      cmocka_unit_test(test_elements),
      cmocka_unit_test(test_value_string),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
