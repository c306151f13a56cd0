/* Compiled chunks: the same behaviour as from source, the same errors, and the same allocations whether they were there or not. */
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "script/script.h"

static char path[64];

static void write_script(const char *source)
{
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  assert_true(fputs(source, f) >= 0);
  assert_int_equal(fclose(f), 0);
}

static int setup(void **state)
{
  (void)state;
  snprintf(path, sizeof path, "/tmp/vortex-cache-XXXXXX");
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  close(fd);
  return 0;
}

static int teardown(void **state)
{
  (void)state;
  unlink(path);
  return 0;
}

/* Sums up sizes and order of allocations. */
static void *summing(void *arg, void *ptr, size_t old_size, size_t new_size)
{
  uint64_t *sum = arg;
  *sum = (*sum ^ (ptr != NULL ? old_size : 0)) * UINT64_C(0x100000001b3);
  *sum = (*sum ^ new_size) * UINT64_C(0x100000001b3);
  if (new_size == 0) {
    free(ptr);
    return NULL;
  }
  return realloc(ptr, new_size);
}

static void collect(void *arg, enum log_level level, struct slice text)
{
  (void)level;
  buf_append_slice(arg, text);
  buf_append_char(arg, '\n');
}

/* Loads the script once; what it says goes to `said`, terminated. Returns the sum over its allocations. */
static uint64_t run(struct script_cache *cache, struct buf *said)
{
  uint64_t sum = 0;
  struct script *s = script_new(&(struct script_config){
      .path = path, .alloc = summing, .alloc_arg = &sum, .cache = cache, .no_environment = true, .log = collect, .log_arg = said});
  buf_clear(said);
  if (script_load(s, said) != 0) {
    buf_append_str(said, "\n(failed)");
  }
  buf_append_char(said, '\0');
  uint64_t loaded = sum;
  script_free(s);
  return loaded;
}

static void test_compiled_is_as_source(void **state)
{
  (void)state;
  static const char *const sources[] = {
      ("#!/usr/bin/env vortex-lua\nlocal v = require 'vortex'\nprint(debug.getinfo(1, 'S').source, debug.getinfo(1, 'l').currentline)\n"
       "print(debug.getinfo(v.on, 'S').what, debug.getinfo(require 'vortex.set'.new or print, 'S').source)"),
      "local function f() error 'boom' end\nf()",
      "local x =\n= 1",
      "return 1, ...",
      "require 'vortex.nothing'",
  };
  struct buf plain = {0};
  struct buf cached = {0};
  for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
    write_script(sources[i]);
    run(NULL, &plain);
    struct script_cache *cache = script_cache_new();
    for (int k = 0; k < 3; k++) {
      run(cache, &cached);
      assert_string_equal(cached.data, plain.data);
    }
    script_cache_free(cache);
  }
  buf_free(&plain);
  buf_free(&cached);
}

static void test_a_state_cannot_tell_whether_the_chunk_was_there(void **state)
{
  (void)state;
  write_script("local v = require 'vortex'\nlocal kv = v.kv('lin-kv')\nv.on('x', function() return {} end)");
  struct script_cache *cache = script_cache_new();
  struct buf said = {0};
  uint64_t first = run(cache, &said);
  assert_string_equal(said.data, "");
  for (int i = 0; i < 3; i++) {
    assert_true(run(cache, &said) == first);
  }
  assert_true(run(NULL, &said) != first); /* or the sum would tell nothing */
  buf_free(&said);
  script_cache_free(cache);
}

static void test_a_file_is_read_once(void **state)
{
  (void)state;
  write_script("print 'one'");
  struct script_cache *cache = script_cache_new();
  struct buf said = {0};
  run(cache, &said);
  write_script("print 'two'");
  run(cache, &said);
  assert_string_equal(said.data, "one\n");
  run(NULL, &said);
  assert_string_equal(said.data, "two\n");
  buf_free(&said);
  script_cache_free(cache);
}

static void test_an_error_is_not_kept(void **state)
{
  (void)state;
  write_script("local x = = 1");
  struct script_cache *cache = script_cache_new();
  struct buf said = {0};
  run(cache, &said);
  assert_non_null(strstr(said.data, ":1: unexpected symbol near '='"));
  write_script("print 'mended'");
  run(cache, &said);
  assert_string_equal(said.data, "mended\n");
  buf_free(&said);
  script_cache_free(cache);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_compiled_is_as_source, setup, teardown),
      cmocka_unit_test_setup_teardown(test_a_state_cannot_tell_whether_the_chunk_was_there, setup, teardown),
      cmocka_unit_test_setup_teardown(test_a_file_is_read_once, setup, teardown),
      cmocka_unit_test_setup_teardown(test_an_error_is_not_kept, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
