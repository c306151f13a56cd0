/* The files of a node: where they lie, whose they are, and that what was written is there again. */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "base/error.h"
#include "cmocka_all.h"
#include "host/disk.h"

static char tmp[] = "/tmp/vortex-disk-test-XXXXXX";

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
  (void)st;
  (void)flag;
  (void)ftw;
  return remove(path);
}

static int make_tmp(void **state)
{
  (void)state;
  strcpy(tmp + strlen(tmp) - 6, "XXXXXX");
  return mkdtemp(tmp) == NULL || setenv("TMPDIR", tmp, 1) != 0;
}

static int drop_tmp(void **state)
{
  (void)state;
  return nftw(tmp, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A disk on a loop of its own. */
struct world {
  uv_loop_t loop;
  struct host_log log;
  struct disk *disk;
  const struct node_disk *ops;
  int done;
  int error;
};

static void world_init(struct world *w, const char *root)
{
  memset(w, 0, sizeof *w);
  uv_loop_init(&w->loop);
  host_log_init(&w->log, STDERR_FILENO, LOG_ERROR, false);
  w->disk = disk_new(&w->loop, &w->log, &(struct disk_config){.root = root});
  w->ops = disk_ops(w->disk);
}

static void world_end(struct world *w)
{
  disk_close(w->disk);
  uv_run(&w->loop, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&w->loop), 0);
  disk_free(w->disk);
}

static void note(void *arg, int error)
{
  struct world *w = arg;
  w->done++;
  w->error = error;
}

/* Runs the loop until `n` operations have completed. */
static void settle(struct world *w, int n)
{
  assert_int_equal(w->done, 0); /* never from within the call */
  for (int i = 0; i < 100 && w->done < n; i++) {
    uv_run(&w->loop, UV_RUN_NOWAIT);
  }
  assert_int_equal(w->done, n);
  w->done = 0;
}

static int open_as(struct world *w, const char *node, const char *start)
{
  return w->ops->open(w->disk, slice_of(node, strlen(node)), slice_of(start, strlen(start)));
}

static void write_text(struct world *w, unsigned file, uint64_t offset, const char *text)
{
  w->ops->write(w->disk, file, offset, slice_of(text, strlen(text)), note, w);
  settle(w, 1);
  assert_int_equal(w->error, 0);
}

/* Whether file 1 of the node's next start holds "vote". */
static bool remembers(const char *root, const char *node, const char *start)
{
  struct world w;
  char text[4] = "";
  world_init(&w, root);
  assert_int_equal(open_as(&w, node, start), 0);
  bool there = w.ops->next(w.disk, 0) == 1 && w.ops->read(w.disk, 1, 0, text, 4) == 0 && memcmp(text, "vote", 4) == 0;
  world_end(&w);
  return there;
}

static void remember(const char *root, const char *node, const char *start)
{
  struct world w;
  world_init(&w, root);
  assert_int_equal(open_as(&w, node, start), 0);
  write_text(&w, 1, 0, "vote");
  world_end(&w);
}

static void test_what_was_written_is_read(void **state)
{
  (void)state;
  struct world w;
  char text[8];
  world_init(&w, NULL);
  assert_int_equal(open_as(&w, "n1", "0"), 0);
  assert_int_equal(w.ops->next(w.disk, 0), 0);
  w.ops->allocate(w.disk, 3, 4096, note, &w);
  settle(&w, 1);
  assert_int_equal(w.error, 0);
  assert_int_equal(w.ops->size(w.disk, 3), 4096);
  write_text(&w, 3, 4000, "abc");
  write_text(&w, 12, 2, "later");
  assert_int_equal(w.ops->next(w.disk, 0), 3);
  assert_int_equal(w.ops->next(w.disk, 3), 12);
  assert_int_equal(w.ops->next(w.disk, 12), 0);
  assert_int_equal(w.ops->read(w.disk, 3, 3999, text, 5), 0);
  assert_memory_equal(text, "\0abc\0", 5);
  assert_int_equal(w.ops->size(w.disk, 12), 7);
  assert_int_equal(w.ops->read(w.disk, 12, 5, text, 3), ERROR_IO); /* behind the end */
  assert_int_equal(w.ops->read(w.disk, 4, 0, text, 1), ERROR_IO);
  assert_int_equal(w.ops->size(w.disk, 4), 0);
  w.ops->sync(w.disk, 3, note, &w);
  settle(&w, 1);
  assert_int_equal(w.error, 0);
  w.ops->remove(w.disk, 3);
  assert_int_equal(w.ops->next(w.disk, 0), 12);
  world_end(&w);
}

static void test_operations_complete_in_order(void **state)
{
  (void)state;
  struct world w;
  world_init(&w, NULL);
  assert_int_equal(open_as(&w, "n1", "0"), 0);
  w.ops->allocate(w.disk, 1, 64, note, &w);
  w.ops->write(w.disk, 1, 0, SLICE("x"), note, &w);
  w.ops->sync(w.disk, 2, note, &w); /* fails: there is no such file */
  settle(&w, 3);
  assert_int_equal(w.error, ERROR_DISK_SYNC);
  world_end(&w);
}

static void test_a_restarted_node_remembers(void **state)
{
  (void)state;
  remember(NULL, "n1", "0");
  assert_true(remembers(NULL, "n1", "0"));
  assert_true(remembers(NULL, "n1", "7"));
  assert_false(remembers(NULL, "n2", "7"));
}

static void test_an_earlier_id_is_a_new_cluster(void **state)
{
  (void)state;
  remember(NULL, "n1", "10");
  assert_true(remembers(NULL, "n1", "12"));
  assert_false(remembers(NULL, "n1", "11"));
}

static void test_no_id_is_a_new_cluster(void **state)
{
  (void)state;
  remember(NULL, "n1", "10");
  assert_false(remembers(NULL, "n1", ""));
  remember(NULL, "n1", "10");
  assert_false(remembers(NULL, "n1", "1.5"));
}

static void test_a_named_folder_is_never_emptied(void **state)
{
  (void)state;
  char root[sizeof tmp + 8];
  snprintf(root, sizeof root, "%s/data", tmp);
  remember(root, "n1", "10");
  assert_true(remembers(root, "n1", "3"));
  assert_true(remembers(root, "n1", ""));
}

static void test_ids_become_names_of_one_folder(void **state)
{
  (void)state;
  char path[sizeof tmp + 64];
  struct stat st;
  snprintf(path, sizeof path, "%s/root", tmp);
  remember(path, "../n\xC3\xA9", "1");
  snprintf(path, sizeof path, "%s/root/%%2E%%2E%%2Fn%%C3%%A9/00000001.vortex", tmp);
  assert_int_equal(stat(path, &st), 0);
}

static void test_two_processes_cannot_share_a_folder(void **state)
{
  (void)state;
  struct world first;
  struct world second;
  world_init(&first, NULL);
  world_init(&second, NULL);
  assert_int_equal(open_as(&first, "n1", "0"), 0);
  assert_int_equal(open_as(&second, "n1", "0"), ERROR_IO);
  assert_int_equal(open_as(&second, "n2", "0"), 0);
  world_end(&second);
  world_end(&first);
}

static void test_folders_of_dead_parents_go(void **state)
{
  (void)state;
  /* A process that is known to be gone: its folder goes at the next start, that of this test's parent stays. */
  pid_t child = fork();
  if (child == 0) {
    _exit(0);
  }
  assert_int_equal(waitpid(child, NULL, 0), child);
  remember(NULL, "n1", "0");
  char path[sizeof tmp + 96];
  snprintf(path, sizeof path, "%s/vortex-lua-%lu/%ld-77-n1", tmp, (unsigned long)geteuid(), (long)child);
  assert_int_equal(mkdir(path, 0700), 0);
  char file[sizeof path + 16];
  snprintf(file, sizeof file, "%s/00000001.vortex", path);
  FILE *f = fopen(file, "w");
  assert_non_null(f);
  fclose(f);
  assert_true(remembers(NULL, "n1", "1"));
  struct stat st;
  assert_int_equal(stat(path, &st), -1);
}

static void test_a_place_that_is_no_folder_is_refused(void **state)
{
  (void)state;
  char path[sizeof tmp + 64];
  snprintf(path, sizeof path, "%s/vortex-lua-%lu", tmp, (unsigned long)geteuid());
  assert_int_equal(symlink("/", path), 0);
  struct world w;
  world_init(&w, NULL);
  assert_int_equal(open_as(&w, "n1", "0"), ERROR_IO);
  world_end(&w);
  world_init(&w, "/dev/null");
  assert_int_equal(open_as(&w, "n1", "0"), ERROR_IO);
  world_end(&w);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, make_tmp, drop_tmp)

int main(void)
{
  const struct CMUnitTest tests[] = {
      CASE(test_what_was_written_is_read),       CASE(test_operations_complete_in_order),
      CASE(test_a_restarted_node_remembers),     CASE(test_an_earlier_id_is_a_new_cluster),
      CASE(test_no_id_is_a_new_cluster),         CASE(test_a_named_folder_is_never_emptied),
      CASE(test_ids_become_names_of_one_folder), CASE(test_two_processes_cannot_share_a_folder),
      CASE(test_folders_of_dead_parents_go),     CASE(test_a_place_that_is_no_folder_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
