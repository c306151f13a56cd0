/* The harness by itself: time, the network, and what Maelstrom's services are known for. */
#include <stdio.h>
#include <stdlib.h>

#include "cmocka_all.h"
#include "harness/cluster.h"
#include "json/iter.h"

struct fixture {
  struct world world;
  struct net net;
  struct services *services;
  struct endpoint peers[2]; /* they ask the services, as nodes do */
  struct buf got;           /* bodies received, one a line, without in_reply_to and braces */
};

static void receive(void *self, struct slice line, const struct json_envelope *e)
{
  struct fixture *f = self;
  struct json_iter it;
  struct slice key;
  struct slice value;
  (void)line;
  json_iter_init(&it, e->body);
  while (json_iter_member(&it, &key, &value)) {
    if (!slice_equal(key, SLICE("in_reply_to")) && !slice_equal(key, SLICE("text"))) {
      buf_append_slice(&f->got, value);
      buf_append_char(&f->got, ' ');
    }
  }
}

static int setup(void **state)
{
  struct fixture *f = calloc(1, sizeof *f);
  assert_non_null(f);
  world_init(&f->world, 7);
  net_init(&f->net, &f->world, (struct latency){LATENCY_CONSTANT, 10 * WORLD_MS});
  f->services = services_new(&f->net);
  for (unsigned i = 0; i < 2; i++) {
    f->peers[i] = (struct endpoint){.kind = ENDPOINT_NODE, .index = i, .self = f, .receive = receive};
    snprintf(f->peers[i].name, sizeof f->peers[i].name, "n%u", i);
    net_add(&f->net, &f->peers[i]);
  }
  *state = f;
  return 0;
}

static int teardown(void **state)
{
  struct fixture *f = *state;
  services_free(f->services);
  net_free(&f->net);
  world_free(&f->world);
  buf_free(&f->got);
  free(f);
  return 0;
}

static void send(struct fixture *f, unsigned peer, const char *dest, const char *members)
{
  struct buf line = {0};
  buf_printf(&line, "{\"src\":\"n%u\",\"dest\":\"%s\",\"body\":{%s,\"msg_id\":1}}\n", peer, dest, members);
  net_send(&f->net, &f->peers[peer], buf_slice(&line));
  buf_free(&line);
}

/* What a service answers: the values of the body's members, each with a space behind it. Holds until the next call. */
static const char *ask(struct fixture *f, unsigned peer, const char *service, const char *members)
{
  buf_clear(&f->got);
  send(f, peer, service, members);
  world_run(&f->world, f->world.now_ns + 30 * WORLD_MS);
  buf_append_char(&f->got, '\0');
  return f->got.data;
}

static void lin_kv_is_a_map(void **state)
{
  struct fixture *f = *state;
  assert_string_equal(ask(f, 0, "lin-kv", "\"type\":\"read\",\"key\":1"), "\"error\" 20 ");
  assert_string_equal(ask(f, 0, "lin-kv", "\"type\":\"cas\",\"key\":1,\"from\":0,\"to\":5"), "\"error\" 20 ");
  assert_string_equal(ask(f, 0, "lin-kv", "\"type\":\"cas\",\"key\":1,\"from\":0,\"to\":5,\"create_if_not_exists\":true"), "\"cas_ok\" ");
  assert_string_equal(ask(f, 1, "lin-kv", "\"type\":\"read\",\"key\":1"), "\"read_ok\" 5 ");
  assert_string_equal(ask(f, 1, "lin-kv", "\"type\":\"cas\",\"key\":1,\"from\":0,\"to\":6"), "\"error\" 22 ");
  assert_string_equal(ask(f, 1, "lin-kv", "\"type\":\"cas\",\"key\":1,\"from\":5,\"to\":[6]"), "\"cas_ok\" ");
  assert_string_equal(ask(f, 0, "lin-kv", "\"type\":\"read\",\"key\":1"), "\"read_ok\" [6] ");
  assert_string_equal(ask(f, 0, "lin-kv", "\"type\":\"read\",\"key\":\"1\""), "\"error\" 20 ");
  assert_string_equal(ask(f, 0, "lin-kv", "\"type\":\"write\",\"key\":\"1\",\"value\":null"), "\"write_ok\" ");
  assert_string_equal(ask(f, 0, "lin-kv", "\"type\":\"read\",\"key\":\"1\""), "\"read_ok\" null ");
  assert_string_equal(ask(f, 0, "lin-kv", "\"type\":\"dance\""), "");
  assert_int_equal(f->net.complaints.len, 0);
}

/* n0 sees what it has written; n1 does, once it has changed something itself. */
static void seq_kv_shows_what_one_changed(void **state)
{
  struct fixture *f = *state;
  for (int i = 0; i < 100; i++) {
    char write[80];
    snprintf(write, sizeof write, "\"type\":\"write\",\"key\":\"k\",\"value\":%d", i);
    assert_string_equal(ask(f, 0, "seq-kv", write), "\"write_ok\" ");
    assert_string_equal(ask(f, 0, "seq-kv", "\"type\":\"read\",\"key\":\"k\""),
                        (snprintf(write, sizeof write, "\"read_ok\" %d ", i), write));
  }
  assert_string_equal(ask(f, 1, "seq-kv", "\"type\":\"write\",\"key\":\"other\",\"value\":1"), "\"write_ok\" ");
  assert_string_equal(ask(f, 1, "seq-kv", "\"type\":\"read\",\"key\":\"k\""), "\"read_ok\" 99 ");
}

static int read_k(struct fixture *f)
{
  int value = -1;
  assert_int_equal(sscanf(ask(f, 1, "seq-kv", "\"type\":\"read\",\"key\":\"k\""), "\"read_ok\" %d", &value), 1);
  return value;
}

static void seq_kv_moves_on_when_it_changes(void **state)
{
  struct fixture *f = *state;
  char write[80];
  ask(f, 1, "seq-kv", "\"type\":\"write\",\"key\":\"same\",\"value\":1");
  for (int i = 0; i < 30; i++) {
    snprintf(write, sizeof write, "\"type\":\"write\",\"key\":\"k\",\"value\":%d", i);
    ask(f, 0, "seq-kv", write);
  }
  int first = 29;
  int last = -1;
  for (int i = 0; i < 5; i++) {
    int value;
    if (sscanf(ask(f, 1, "seq-kv", "\"type\":\"read\",\"key\":\"k\""), "\"read_ok\" %d", &value) == 1) {
      assert_true(value >= last);
      first = i == 0 ? value : first;
      last = value;
    }
  }
  assert_true(first < 29); /* of this seed: what n1 read first was old */
  for (int i = 30; i < 60; i++) {
    snprintf(write, sizeof write, "\"type\":\"write\",\"key\":\"k\",\"value\":%d", i);
    ask(f, 0, "seq-kv", write);
  }
  assert_string_equal(ask(f, 1, "seq-kv", "\"type\":\"write\",\"key\":\"same\",\"value\":1"), "\"write_ok\" ");
  bool stale = false;
  for (int i = 0; i < 3; i++) {
    stale = stale || read_k(f) < 59;
  }
  assert_true(stale); /* of this seed: writing what is there did not move n1 on */
  assert_string_equal(ask(f, 1, "seq-kv", "\"type\":\"write\",\"key\":\"same\",\"value\":2"), "\"write_ok\" ");
  assert_int_equal(read_k(f), 59);
}

static void lww_kv_agrees_in_the_end(void **state)
{
  struct fixture *f = *state;
  bool stale = false;
  for (int i = 0; i < 20; i++) {
    char write[80];
    snprintf(write, sizeof write, "\"type\":\"write\",\"key\":1,\"value\":%d", i);
    assert_string_equal(ask(f, 0, "lww-kv", write), "\"write_ok\" ");
    snprintf(write, sizeof write, "\"read_ok\" %d ", i);
    stale = stale || strcmp(ask(f, 1, "lww-kv", "\"type\":\"read\",\"key\":1"), write) != 0;
  }
  assert_true(stale);
  for (int i = 0; i < 30; i++) {
    ask(f, 1, "lww-kv", "\"type\":\"read\",\"key\":1");
  }
  assert_string_equal(f->got.data, "\"read_ok\" 19 ");
}

static void lin_tso_counts(void **state)
{
  struct fixture *f = *state;
  assert_string_equal(ask(f, 0, "lin-tso", "\"type\":\"ts\""), "\"ts_ok\" 0 ");
  assert_string_equal(ask(f, 1, "lin-tso", "\"type\":\"ts\""), "\"ts_ok\" 1 ");
}

static void partitions_cut_where_messages_arrive(void **state)
{
  struct fixture *f = *state;
  send(f, 0, "n1", "\"type\":\"before\"");
  f->peers[1].deaf_to = 1;
  world_run(&f->world, f->world.now_ns + 30 * WORLD_MS);
  assert_int_equal(f->got.len, 0);
  assert_int_equal(f->net.lost, 1);
  send(f, 0, "n1", "\"type\":\"during\"");
  f->peers[1].deaf_to = 0;
  world_run(&f->world, f->world.now_ns + 9 * WORLD_MS);
  assert_int_equal(f->got.len, 0);
  world_run(&f->world, f->world.now_ns + WORLD_MS);
  assert_int_equal(f->got.len, strlen("\"during\" 1 "));
  assert_int_equal(f->net.server_messages, 2);
}

static void refused(struct fixture *f, const char *line, const char *reason)
{
  buf_clear(&f->net.complaints);
  net_send(&f->net, &f->peers[0], slice_of(line, strlen(line)));
  buf_append_char(&f->net.complaints, '\0');
  assert_non_null(strstr(f->net.complaints.data, reason));
}

static void bad_lines_are_complaints(void **state)
{
  struct fixture *f = *state;
  refused(f, "{\"src\":\"n0\",\"dest\":\"n1\",\"body\":{\"type\":\"x\"}}", "no newline");
  refused(f, "\n", "end of text");
  refused(f, "{\"src\":\"n0\",\"dest\":\"n1\",\"body\":{\"type\":\"x\",\"v\":NaN}}\n", "refused");
  refused(f, "{\"src\":\"n0\",\n\"dest\":\"n1\",\"body\":{\"type\":\"x\"}}\n", "newline within");
  refused(f, "{\"src\":\"n0\",\"dest\":\"c9\",\"body\":{\"type\":\"x\"}}\n", "dest");
  refused(f, "{\"src\":\"n1\",\"dest\":\"n0\",\"body\":{\"type\":\"x\"}}\n", "src");
  refused(f, "{\"src\":\"n0\",\"dest\":\"n1\",\"body\":{\"type\":\"x\"},\"extra\":1}\n", "beside");
  assert_int_equal(f->net.server_messages, 0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(lin_kv_is_a_map, setup, teardown),
      cmocka_unit_test_setup_teardown(seq_kv_shows_what_one_changed, setup, teardown),
      cmocka_unit_test_setup_teardown(seq_kv_moves_on_when_it_changes, setup, teardown),
      cmocka_unit_test_setup_teardown(lww_kv_agrees_in_the_end, setup, teardown),
      cmocka_unit_test_setup_teardown(lin_tso_counts, setup, teardown),
      cmocka_unit_test_setup_teardown(partitions_cut_where_messages_arrive, setup, teardown),
      cmocka_unit_test_setup_teardown(bad_lines_are_complaints, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
