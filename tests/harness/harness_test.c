/* The harness by itself: what it adds to the simulator. */
#include "harness/cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmocka_all.h"

static const char source[] = "local vortex = require 'vortex'\n"
                             "local heard = ''\n"
                             "vortex.on('tell', function(msg)\n"
                             "  vortex.broadcast { type = 'news', text = msg.body.text }\n"
                             "  return {}\n"
                             "end)\n"
                             "vortex.on('news', function(msg) heard = heard .. msg.body.text end)\n"
                             "vortex.on('listen', function() return { heard = heard } end)\n"
                             "vortex.on('chat', function(msg)\n"
                             "  vortex.send(msg.src, { type = 'hello' })\n"
                             "  return {}\n"
                             "end)\n"
                             "vortex.on('forget', function() end)\n"
                             "vortex.on('who', function(msg) return { you = msg.src } end)\n"
                             "vortex.on('shout', function(msg)\n"
                             "  vortex.after(2, function() vortex.send(msg.src, { type = 'hey' }) end)\n"
                             "  return {}\n"
                             "end)\n"
                             "vortex.on('scold', function()\n"
                             "  vortex.log.warn('tut')\n"
                             "  vortex.log.error('no!')\n"
                             "  return {}\n"
                             "end)\n";

struct fixture {
  char path[64];
  struct cluster *cluster;
  struct caller *callers[3]; /* one for each node */
  struct buf got;            /* the last reply: its type, or "timeout", and its body */
};

static int setup(void **state)
{
  struct fixture *f = calloc(1, sizeof *f);
  assert_non_null(f);
  snprintf(f->path, sizeof f->path, "/tmp/vortex-harness-XXXXXX");
  int fd = mkstemp(f->path);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, source, sizeof source - 1), sizeof source - 1);
  close(fd);
  f->cluster = cluster_new(&(struct cluster_config){.script = f->path, .nodes = 3, .seed = 1, .latency = {SIM_CONSTANT, SIM_MS}});
  for (unsigned i = 0; i < 3; i++) {
    f->callers[i] = caller_new(f->cluster, i);
  }
  *state = f;
  return 0;
}

static int teardown(void **state)
{
  struct fixture *f = *state;
  for (unsigned i = 0; i < 3; i++) {
    caller_free(f->callers[i]);
  }
  cluster_free(f->cluster);
  unlink(f->path);
  buf_free(&f->got);
  free(f);
  return 0;
}

static void on_reply(void *arg, const struct reply *reply)
{
  struct fixture *f = arg;
  buf_append_slice(&f->got, reply->timed_out ? SLICE("timeout") : reply->type);
  buf_append_slice(&f->got, reply->body);
}

/* Asks a node and gives everybody time. What came back holds until the next call. */
static const char *ask(struct fixture *f, unsigned node, const char *members)
{
  buf_clear(&f->got);
  caller_request(f->callers[node], members, on_reply, f);
  sim_run(f->cluster->sim, sim_now(f->cluster->sim) + SIM_S);
  buf_append_char(&f->got, '\0');
  return f->got.data;
}

static void tell(struct fixture *f, unsigned node, const char *text)
{
  char members[80];
  snprintf(members, sizeof members, "\"type\":\"tell\",\"text\":\"%s\"", text);
  assert_non_null(strstr(ask(f, node, members), "tell_ok"));
}

static void expect_heard(struct fixture *f, unsigned node, const char *text)
{
  char member[80];
  snprintf(member, sizeof member, "\"heard\":\"%s\"", text);
  assert_non_null(strstr(ask(f, node, "\"type\":\"listen\""), member));
}

static void expect_no_complaint(struct fixture *f)
{
  assert_int_equal(cluster_complaints(f->cluster).len, 0);
}

static void expect_complaint(struct fixture *f, const char *text)
{
  struct slice all = cluster_complaints(f->cluster);
  assert_non_null(memmem(all.ptr, all.len, text, strlen(text)));
}

static void test_partitions_add_up_and_end(void **state)
{
  struct fixture *f = *state;
  tell(f, 0, "a");
  cluster_cut(f->cluster, 1); /* 0 | 1 2 */
  tell(f, 0, "b");
  tell(f, 1, "c");
  cluster_cut(f->cluster, 6 | 8); /* again, and a node that does not exist */
  cluster_cut(f->cluster, 4);     /* 2 | 0 1: now each is alone */
  tell(f, 1, "d");
  cluster_heal(f->cluster);
  tell(f, 1, "e");
  expect_heard(f, 0, "e");
  expect_heard(f, 1, "a");
  expect_heard(f, 2, "ace");
  expect_no_complaint(f);
}

static void test_one_hears_whom_it_may(void **state)
{
  struct fixture *f = *state;
  cluster_set_hears(f->cluster, 0, 1 << 2);
  tell(f, 1, "a"); /* not for 0 */
  tell(f, 2, "b");
  tell(f, 0, "c"); /* one way only */
  cluster_set_hears(f->cluster, 0, 1 << 1);
  tell(f, 1, "d");
  tell(f, 2, "e"); /* not for 0 */
  expect_heard(f, 0, "bd");
  expect_heard(f, 1, "bce");
  expect_heard(f, 2, "acd");
}

static void test_a_restart_forgets(void **state)
{
  struct fixture *f = *state;
  tell(f, 0, "a");
  cluster_restart(f->cluster, 1);
  tell(f, 0, "b");
  expect_heard(f, 1, "b");
  expect_heard(f, 2, "ab");
  expect_no_complaint(f);
}

static void test_what_nobody_asked_for_is_a_complaint(void **state)
{
  struct fixture *f = *state;
  tell(f, 0, "a");
  expect_no_complaint(f);
  assert_non_null(strstr(ask(f, 1, "\"type\":\"chat\""), "chat_ok"));
  expect_complaint(f, "nobody asked for: ");
  expect_complaint(f, "\"type\":\"hello\"");
}

static void test_what_would_be_refused_is_a_complaint(void **state)
{
  struct fixture *f = *state;
  assert_non_null(strstr(ask(f, 2, "\"type\":\"shout\""), "shout_ok"));
  caller_renew(f->callers[2]);
  expect_no_complaint(f);
  sim_run(f->cluster->sim, sim_now(f->cluster->sim) + 2 * SIM_S);
  expect_complaint(f, "n2 sent what would be refused (dest is not there");
  expect_complaint(f, "\"type\":\"hey\"");
}

static void expect_name(struct fixture *f, const char *name)
{
  char member[40];
  snprintf(member, sizeof member, "\"you\":\"%s\"", name);
  assert_non_null(strstr(ask(f, 0, "\"type\":\"who\""), member));
}

static void test_silence_ends_in_a_timeout_and_a_new_name(void **state)
{
  struct fixture *f = *state;
  expect_name(f, "c4"); /* three have sent init */
  assert_string_equal(ask(f, 0, "\"type\":\"forget\""), "");
  sim_run(f->cluster->sim, sim_now(f->cluster->sim) + CALLER_TIMEOUT_NS - SIM_S - 1);
  assert_true(caller_waits(f->callers[0]));
  buf_clear(&f->got);
  sim_run(f->cluster->sim, sim_now(f->cluster->sim) + 1);
  assert_false(caller_waits(f->callers[0]));
  assert_true(slice_equal(buf_slice(&f->got), SLICE("timeout")));
  expect_name(f, "c7");
  caller_renew(f->callers[0]);
  expect_name(f, "c8");
  expect_no_complaint(f);
}

static void test_entries_of_logs_are_counted(void **state)
{
  struct fixture *f = *state;
  uint64_t warnings = f->cluster->warnings;
  assert_int_equal(f->cluster->errors, 0);
  ask(f, 0, "\"type\":\"scold\"");
  ask(f, 1, "\"type\":\"scold\"");
  assert_int_equal(f->cluster->warnings - warnings, 2);
  assert_int_equal(f->cluster->errors, 2);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_partitions_add_up_and_end, setup, teardown),
      cmocka_unit_test_setup_teardown(test_one_hears_whom_it_may, setup, teardown),
      cmocka_unit_test_setup_teardown(test_a_restart_forgets, setup, teardown),
      cmocka_unit_test_setup_teardown(test_what_nobody_asked_for_is_a_complaint, setup, teardown),
      cmocka_unit_test_setup_teardown(test_what_would_be_refused_is_a_complaint, setup, teardown),
      cmocka_unit_test_setup_teardown(test_silence_ends_in_a_timeout_and_a_new_name, setup, teardown),
      cmocka_unit_test_setup_teardown(test_entries_of_logs_are_counted, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
