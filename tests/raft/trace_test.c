/* The golden traces: every script of traces/ gives what stands in it.
 *
 * test_raft_trace [--rewrite] [FOLDER]: --rewrite puts what comes now in place of what was expected. Read the difference before you keep
 * it: a trace that shows wrong behaviour is worse than none. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "raft/trace.h"

static const char *folder = VORTEX_RAFT_TRACES;
static bool rewrite;

static void read_file(const char *path, struct buf *out)
{
  FILE *f = fopen(path, "rb");
  if (f == NULL) {
    fail_msg("cannot open %s", path);
  }
  size_t n;
  while ((n = fread(buf_reserve(out, 4096), 1, 4096, f)) > 0) {
    out->len += n;
  }
  fclose(f);
  buf_append_char(out, '\0');
}

static void write_file(const char *path, const struct buf *text)
{
  FILE *f = fopen(path, "wb");
  if (f == NULL || fwrite(text->data, 1, text->len, f) != text->len || fclose(f) != 0) {
    fail_msg("cannot write %s", path);
  }
}

/* Fails at the first line that differs. */
static void compare(const char *name, const char *expected, const char *got)
{
  for (size_t line = 1; *expected != '\0' || *got != '\0'; line++) {
    size_t e = strcspn(expected, "\n");
    size_t g = strcspn(got, "\n");
    if (e != g || memcmp(expected, got, e) != 0) {
      fail_msg("%s:%zu:\nexpected: %.*s\n     got: %.*s", name, line, (int)e, expected, (int)g, got);
    }
    expected += e + (expected[e] == '\n');
    got += g + (got[g] == '\n');
  }
}

static void trace_is_as_written(void **state)
{
  const char *name = *state;
  char path[4096];
  snprintf(path, sizeof(path), "%s/%s", folder, name);
  struct buf expected = {0};
  struct buf got = {0};
  read_file(path, &expected);
  trace_run(name, expected.data, &got);
  if (rewrite) {
    write_file(path, &got);
  } else {
    buf_append_char(&got, '\0');
    compare(name, expected.data, got.data);
  }
  buf_free(&expected);
  buf_free(&got);
}

static int is_script(const struct dirent *entry)
{
  size_t length = strlen(entry->d_name);
  return length > 4 && strcmp(entry->d_name + length - 4, ".txt") == 0;
}

int main(int argc, char **argv)
{
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--rewrite") == 0) {
      rewrite = true;
    } else {
      folder = argv[i];
    }
  }
  struct dirent **names;
  int count = scandir(folder, &names, is_script, alphasort);
  if (count <= 0) {
    fprintf(stderr, "no traces in %s\n", folder);
    return 1;
  }
  struct CMUnitTest *tests = calloc((size_t)count, sizeof(*tests));
  for (int i = 0; i < count; i++) {
    tests[i] = (struct CMUnitTest){.name = names[i]->d_name, .test_func = trace_is_as_written, .initial_state = names[i]->d_name};
  }
  int failed = _cmocka_run_group_tests("traces", tests, (size_t)count, NULL, NULL);
  for (int i = 0; i < count; i++) {
    free(names[i]);
  }
  free(names);
  free(tests);
  return failed;
}
