#include "base/error.h"

#include <string.h>

#include "cmocka_all.h"

static void every_error_is_found_by_its_name(void **state)
{
  (void)state;
  assert_true(error_count() > 0);
  for (int i = 0; i < error_count(); i++) {
    int error = error_at(i);
    assert_true(error < 0);
    assert_int_equal(error_from_name(error_name(error)), error);
    assert_true(strlen(error_text(error)) > 0);
  }
}

static void every_code_leads_to_the_first_error_that_has_it(void **state)
{
  (void)state;
  for (int i = 0; i < error_count(); i++) {
    int code = error_protocol_code(error_at(i));
    int first = error_from_protocol_code(code);
    assert_int_equal(error_protocol_code(first), code);
    for (int j = 0; error_at(j) != first; j++) {
      assert_int_not_equal(error_protocol_code(error_at(j)), code);
      assert_true(j < i);
    }
  }
}

static void the_protocol_codes_are_maelstroms(void **state)
{
  (void)state;
  assert_int_equal(error_protocol_code(ERROR_TIMEOUT), 0);
  assert_int_equal(error_protocol_code(ERROR_NOT_SUPPORTED), 10);
  assert_int_equal(error_protocol_code(ERROR_PRECONDITION_FAILED), 22);
  assert_int_equal(error_from_protocol_code(20), ERROR_KEY_DOES_NOT_EXIST);
  assert_int_equal(error_from_protocol_code(12), ERROR_MALFORMED);
  assert_false(error_is_definite(ERROR_TIMEOUT));
  assert_false(error_is_definite(ERROR_CRASH));
  assert_true(error_is_definite(ERROR_ABORT));
  assert_string_equal(error_name(ERROR_TXN_CONFLICT), "txn-conflict");
}

static void strangers_are_answered_for(void **state)
{
  (void)state;
  static const int strangers[] = {0, 1, 22, -1000, INT32_MIN, INT32_MAX};
  for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
    assert_string_equal(error_name(strangers[i]), "unknown");
    assert_true(strlen(error_text(strangers[i])) > 0);
    assert_int_equal(error_protocol_code(strangers[i]), 13);
    assert_false(error_is_definite(strangers[i]));
  }
  assert_int_equal(error_from_name("no-such-error"), 0);
  assert_int_equal(error_from_name(""), 0);
  assert_int_equal(error_from_protocol_code(999), 0);
  assert_int_equal(error_from_protocol_code(-1), 0);
  assert_int_equal(error_from_protocol_code((1LL << 32) + 20), 0);
  assert_int_equal(error_at(-1), 0);
  assert_int_equal(error_at(error_count()), 0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_error_is_found_by_its_name),
      cmocka_unit_test(every_code_leads_to_the_first_error_that_has_it),
      cmocka_unit_test(the_protocol_codes_are_maelstroms),
      cmocka_unit_test(strangers_are_answered_for),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
