#include "sim/reprint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "cmocka_all.h"
#include "json/iter.h"
#include "json/scan.h"

enum {
  MEMBERS_MAX = 24,
};

static struct buf reprinted(const char *text, uint64_t key)
{
  struct buf out = {0};
  char *copy = malloc(strlen(text)); /* without a terminator: nothing behind it may be read */
  assert_non_null(copy);
  memcpy(copy, text, strlen(text));
  sim_reprint(slice_of(copy, strlen(text)), key, &out);
  free(copy);
  return out;
}

static void assert_stays(const char *text)
{
  for (uint64_t key = 0; key < 20; key++) {
    struct buf out = reprinted(text, key);
    assert_int_equal(out.len, strlen(text));
    assert_memory_equal(out.data, text, out.len);
    buf_free(&out);
  }
}

static void what_has_no_large_object_stays_as_it_is(void **state)
{
  (void)state;
  assert_stays("{}");
  assert_stays("[]");
  assert_stays("1e3");
  assert_stays("\"{\\\"a\\\":1,\\\"b\\\":2}, and so on: long enough to hold something large, yet only text\"");
  assert_stays(" \t{ \"a\" : 1 , \"b\" : [ 1 , 2 ] }\r\n ");
  assert_stays("{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":8}");
  assert_stays("{\"h\":[[{\"x\":\"}\\\"{\"}]],\"a\":1.50,\"b\":-0,\"c\":3E+2,\"d\":\"\\u0041\\/\",\"e\":null,\"f\":true,\"g\":{}}");
  assert_stays("[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27]");
}

/* The places of the members a, b, c, … of the object at the top, as a text of their names. */
static void order_of(struct slice object, char *names)
{
  struct json_iter it;
  struct slice key;
  struct slice value;
  json_iter_init(&it, object);
  while (json_iter_member(&it, &key, &value)) {
    *names++ = key.ptr[key.len - 1];
  }
  *names = '\0';
}

static void only_members_of_large_objects_change_places(void **state)
{
  (void)state;
  /* Nine members: one of each kind of value, and spaces of all kinds that belong to places. */
  static const char text[] =
      "{\"a\":1 ,\t\"b\" : 2.50, \"c\":\"x,y\" ,\"d\":[1, 2],\"e\":{ },\"f\":null,\r\"g\":-0,\"h\":\"\\u0041\",\n\"i\": 1e3}";
  static const char *const members[] = {"\"a\":1",    "\"b\" : 2.50", "\"c\":\"x,y\"",     "\"d\":[1, 2]", "\"e\":{ }",
                                        "\"f\":null", "\"g\":-0",     "\"h\":\"\\u0041\"", "\"i\": 1e3"};
  static const char *const between[] = {"{", " ,\t", ", ", " ,", ",", ",", ",\r", ",", ",\n", "}"};
  unsigned moved = 0;
  for (uint64_t key = 0; key < 50; key++) {
    struct buf out = reprinted(text, key);
    char names[MEMBERS_MAX];
    order_of(buf_slice(&out), names);
    assert_int_equal(strlen(names), 9);
    struct buf expected = {0};
    unsigned seen = 0;
    for (int i = 0; i < 9; i++) {
      buf_append_str(&expected, between[i]);
      buf_append_str(&expected, members[names[i] - 'a']);
      seen |= 1u << (names[i] - 'a');
    }
    buf_append_str(&expected, between[9]);
    assert_int_equal(seen, 0x1ff);
    assert_true(slice_equal(buf_slice(&out), buf_slice(&expected)));
    moved += strcmp(names, "abcdefghi") != 0;
    buf_free(&expected);
    buf_free(&out);
  }
  assert_int_equal(moved, 50);
}

static void the_shortest_large_object_is_reordered(void **state)
{
  (void)state;
  static const char text[] = "{\"\":0,\"a\":0,\"b\":0,\"c\":0,\"d\":0,\"e\":0,\"f\":0,\"g\":0,\"h\":0}";
  struct buf out = reprinted(text, 1);
  assert_int_equal(out.len, sizeof text - 1);
  assert_memory_not_equal(out.data, text, out.len);
  buf_free(&out);
}

static void the_order_is_a_function_of_the_keys(void **state)
{
  (void)state;
  char one[MEMBERS_MAX];
  char other[MEMBERS_MAX];
  unsigned different = 0;
  for (uint64_t key = 0; key < 50; key++) {
    struct buf a = reprinted("{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1}", key);
    struct buf b = reprinted("{\"c\":7,\"i\":[8],\"\\u0061\":9,\"b\":{},\"h\":0,\"g\":0,\"f\":0,\"e\":0,\"d\":0}", key);
    struct buf c = reprinted("{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1}", key + 1);
    order_of(buf_slice(&a), one);
    order_of(buf_slice(&b), other);
    char *spelled = strchr(other, '1'); /* the escape ends in it */
    assert_non_null(spelled);
    *spelled = 'a';
    assert_string_equal(one, other);
    order_of(buf_slice(&c), other);
    different += strcmp(one, other) != 0;
    buf_free(&a);
    buf_free(&b);
    buf_free(&c);
  }
  assert_int_equal(different, 50);
}

static void equal_keys_keep_their_order(void **state)
{
  (void)state;
  for (uint64_t key = 0; key < 50; key++) {
    struct buf out =
        reprinted("{\"a\":0,\"b\":0,\"a\":1,\"c\":0,\"\\u0061\":2,\"d\":0,\"e\":0,\"a\":3,\"f\":0,\"g\":0,\"\\u0061\":4}", key);
    struct json_iter it;
    struct slice name;
    struct slice value;
    char expected = '0';
    json_iter_init(&it, buf_slice(&out));
    while (json_iter_member(&it, &name, &value)) {
      if (json_key_is(name, SLICE("a"))) {
        assert_int_equal(value.ptr[0], expected);
        expected++;
      }
    }
    assert_int_equal(expected, '5');
    buf_free(&out);
  }
}

static void large_objects_are_found_at_any_depth(void **state)
{
  (void)state;
  static const char large[] = "{\"a\":0,\"b\":1,\"c\":2,\"d\":3,\"e\":4,\"f\":5,\"g\":6,\"h\":7,\"i\":8}";
  for (uint64_t key = 0; key < 10; key++) {
    struct buf alone = reprinted(large, key);
    struct buf text = {0};
    struct buf expected = {0};
    /* Small around large around small around large: the inner ones come out as they would alone. */
    buf_printf(&text, "[ {\"x\":[%s]} ,%s]", large, large);
    buf_append_char(&text, '\0');
    buf_printf(&expected, "[ {\"x\":[%.*s]} ,%.*s]", (int)alone.len, alone.data, (int)alone.len, alone.data);
    struct buf out = reprinted(text.data, key);
    assert_true(slice_equal(buf_slice(&out), buf_slice(&expected)));
    buf_free(&text);
    buf_free(&out);
    buf_printf(&text, "{\"a\":%s,\"b\":1,\"c\":2,\"d\":3,\"e\":4,\"f\":5,\"g\":6,\"h\":7,\"i\":[%s]}", large, large);
    buf_append_char(&text, '\0');
    out = reprinted(text.data, key);
    char names[MEMBERS_MAX];
    char inner[MEMBERS_MAX];
    order_of(buf_slice(&out), names);
    order_of(buf_slice(&alone), inner);
    assert_string_equal(names, inner);
    const char *first = memmem(out.data, out.len, alone.data, alone.len);
    assert_non_null(first);
    size_t behind = (size_t)(first + alone.len - out.data);
    assert_non_null(memmem(out.data + behind, out.len - behind, alone.data, alone.len));
    buf_free(&text);
    buf_free(&out);
    buf_free(&expected);
    buf_free(&alone);
  }
}

static void the_deepest_text_is_printed(void **state)
{
  (void)state;
  struct buf text = {0};
  static const char inner[] = "{\"a\":0,\"b\":1,\"c\":2,\"d\":3,\"e\":4,\"f\":5,\"g\":6,\"h\":7,\"i\":8}";
  for (int i = 1; i < JSON_DEPTH_MAX; i++) {
    buf_append_str(&text, i % 2 == 0 ? "[" : "{\"x\":");
  }
  buf_append_str(&text, inner);
  for (int i = JSON_DEPTH_MAX - 1; i > 0; i--) {
    buf_append_char(&text, i % 2 == 0 ? ']' : '}');
  }
  struct json_error error;
  assert_int_equal(json_scan(buf_slice(&text), &error), 0);
  struct buf out = {0};
  sim_reprint(buf_slice(&text), 1, &out);
  assert_int_equal(out.len, text.len);
  assert_int_equal(json_scan(buf_slice(&out), &error), 0);
  assert_memory_not_equal(out.data, text.data, text.len);
  buf_free(&text);
  buf_free(&out);
}

static void random_value(struct prng *p, struct buf *out, int depth)
{
  static const char *const leaves[] = {"0", "-1.5e3", "\"\"", "\"{[\\\"\"", "null", "true", "{}", "[ ]"};
  uint64_t kind = depth > 4 ? 0 : prng_below(p, 3);
  uint64_t count = prng_below(p, 13);
  if (kind == 0) {
    buf_append_str(out, leaves[prng_below(p, 8)]);
    return;
  }
  buf_append_char(out, kind == 1 ? '{' : '[');
  for (uint64_t i = 0; i < count; i++) {
    buf_append_str(out, i == 0 ? "" : prng_below(p, 2) == 0 ? "," : " , ");
    if (kind == 1) {
      buf_printf(out, prng_below(p, 2) == 0 ? "\"k%u\":" : "\"\\u006B%u\" : ", (unsigned)prng_below(p, 30));
    }
    random_value(p, out, depth + 1 + (int)prng_below(p, 3));
  }
  buf_append_char(out, kind == 1 ? '}' : ']');
}

static void count_bytes(struct slice text, int by, int *counts)
{
  for (size_t i = 0; i < text.len; i++) {
    counts[(unsigned char)text.ptr[i]] += by;
  }
}

static void random_texts_stay_valid_and_keep_their_bytes(void **state)
{
  (void)state;
  unsigned changed = 0;
  for (uint64_t seed = 0; seed < 500; seed++) {
    struct prng p;
    struct buf text = {0};
    struct buf out = {0};
    struct json_error error;
    prng_init(&p, seed);
    random_value(&p, &text, 0);
    assert_int_equal(json_scan(buf_slice(&text), &error), 0);
    sim_reprint(buf_slice(&text), seed, &out);
    assert_int_equal(json_scan(buf_slice(&out), &error), 0);
    changed += !slice_equal(buf_slice(&text), buf_slice(&out));
    int counts[256] = {0};
    count_bytes(buf_slice(&text), 1, counts);
    count_bytes(buf_slice(&out), -1, counts);
    for (int i = 0; i < 256; i++) {
      assert_int_equal(counts[i], 0);
    }
    buf_free(&text);
    buf_free(&out);
  }
  assert_in_range(changed, 100, 400);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_has_no_large_object_stays_as_it_is),
      cmocka_unit_test(only_members_of_large_objects_change_places),
      cmocka_unit_test(the_shortest_large_object_is_reordered),
      cmocka_unit_test(the_order_is_a_function_of_the_keys),
      cmocka_unit_test(equal_keys_keep_their_order),
      cmocka_unit_test(large_objects_are_found_at_any_depth),
      cmocka_unit_test(the_deepest_text_is_printed),
      cmocka_unit_test(random_texts_stay_valid_and_keep_their_bytes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
