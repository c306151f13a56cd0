#include "lab/header.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "cmocka_all.h"

static void assert_says(const char *text, const char *workload, unsigned nodes)
{
  struct lab_header h;
  memset(&h, 0x55, sizeof h);
  lab_header_parse(slice_of(text, strlen(text)), &h);
  assert_string_equal(h.workload, workload);
  assert_int_equal(h.nodes, nodes);
}

static void test_a_command_line_of_maelstrom(void **state)
{
  (void)state;
  assert_says("#!/usr/bin/env vortex-lua\n"
              "-- Challenge 1, echo.\n"
              "--\n"
              "--   maelstrom test -w echo --bin ./examples/echo.lua --node-count 1 --time-limit 10\n"
              "local vortex = require \"vortex\"\n",
              "echo", 1);
}

static void test_lines_that_go_on(void **state)
{
  (void)state;
  assert_says("--   maelstrom test --bin ./b.lua -w broadcast --rate 10 \\\n"
              "--     --node-count 25 \\\n"
              "--     --nemesis partition\n",
              "broadcast", 25);
  assert_says("-- maelstrom test -w \\\n-- g-set \\", "g-set", 0);
  assert_says("-- maelstrom test --node-count 3 \\\r\n-- --workload lin-kv\r\n", "lin-kv", 3);
}

static void test_spellings(void **state)
{
  (void)state;
  assert_says("-- maelstrom test --workload=lin-kv --node-count=7\n", "lin-kv", 7);
  assert_says("-- ./vortex-lua test -w 'g-counter' x.lua\n", "g-counter", 0);
  assert_says("---   $ maelstrom test -w \"echo\"\n", "echo", 0);
  assert_says("\n\n-- first\n\n-- maelstrom test -w echo", "echo", 0);
}

static void test_the_first_one_that_names_a_workload_counts(void **state)
{
  (void)state;
  assert_says("-- vortex-lua test --seeds 100 --node-count 9 x.lua\n"
              "-- maelstrom test -w pn-counter --node-count 3\n"
              "-- maelstrom test -w echo --node-count 1\n",
              "pn-counter", 3);
}

static void test_what_is_no_command_line(void **state)
{
  (void)state;
  assert_says("", "", 0);
  assert_says("--", "", 0);
  assert_says("-- run it under maelstrom test -w echo --node-count 3\n", "", 0);
  assert_says("-- maelstrom serve -w echo\n", "", 0);
  assert_says("-- maelstrom test\n-- -w echo\n", "", 0); /* the line does not go on */
  assert_says("local x = 1\n-- maelstrom test -w echo\n", "", 0);
  assert_says("-- maelstrom test --bin x -- -w echo\n", "", 0); /* an argument of the script */
  assert_says("-- maelstrom test -w", "", 0);
  assert_says("maelstrom test -w echo\n", "", 0);
}

static void test_numbers_that_make_no_sense(void **state)
{
  (void)state;
  assert_says("-- maelstrom test -w echo --node-count many\n", "echo", 0);
  assert_says("-- maelstrom test -w echo --node-count -1\n", "echo", 0);
  assert_says("-- maelstrom test -w echo --node-count 99999999999999999999\n", "echo", 0);
  assert_says("-- maelstrom test -w echo --node-count\n", "echo", 0);
}

static void test_any_bytes(void **state)
{
  (void)state;
  char *text = malloc(LAB_HEADER_BYTES);
  memset(text, '-', LAB_HEADER_BYTES);
  struct lab_header h;
  lab_header_parse(slice_of(text, LAB_HEADER_BYTES), &h);
  assert_string_equal(h.workload, "");
  memset(text, 'w', LAB_HEADER_BYTES);
  memcpy(text, "-- maelstrom test -w ", 21);
  lab_header_parse(slice_of(text, LAB_HEADER_BYTES), &h); /* a name longer than any */
  assert_string_equal(h.workload, "");
  memset(text, 0, LAB_HEADER_BYTES);
  lab_header_parse(slice_of(text, LAB_HEADER_BYTES), &h);
  assert_string_equal(h.workload, "");
  free(text);
}

static void test_files(void **state)
{
  (void)state;
  char path[] = "/tmp/vortex-header-XXXXXX";
  int fd = mkstemp(path);
  FILE *f = fdopen(fd, "w");
  fputs("-- maelstrom test -w echo --node-count 2\n", f);
  fclose(f);
  struct lab_header h;
  lab_header_read(path, &h);
  assert_string_equal(h.workload, "echo");
  assert_int_equal(h.nodes, 2);
  remove(path);
  lab_header_read(path, &h);
  assert_string_equal(h.workload, "");
  lab_header_read("/tmp", &h);
  assert_string_equal(h.workload, "");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_command_line_of_maelstrom),
      cmocka_unit_test(test_lines_that_go_on),
      cmocka_unit_test(test_spellings),
      cmocka_unit_test(test_the_first_one_that_names_a_workload_counts),
      cmocka_unit_test(test_what_is_no_command_line),
      cmocka_unit_test(test_numbers_that_make_no_sense),
      cmocka_unit_test(test_any_bytes),
      cmocka_unit_test(test_files),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
