/* What Maelstrom's services are known for. */
#include "lab/service.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "cmocka_all.h"
#include "json/iter.h"

#define SEED 7 /* where a test needs something to be drawn, it says so */

struct fixture {
  struct sim *sim;
  struct services *services;
  struct sim_observer observer;
  struct sim_endpoint peers[2]; /* they ask the services, as nodes do */
  struct buf got;               /* values of the last answer's members, without in_reply_to and text, a space behind each */
  unsigned refused;             /* lines, of services too */
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

static void watch(void *self, enum sim_fate fate, uint64_t id, struct slice from, struct slice to, struct slice line, const char *why)
{
  struct fixture *f = self;
  (void)id;
  (void)from;
  (void)to;
  (void)line;
  (void)why;
  f->refused += fate == SIM_REFUSED;
}

static int open_with(void **state, struct services_config config)
{
  struct fixture *f = calloc(1, sizeof *f);
  assert_non_null(f);
  f->observer = (struct sim_observer){.self = f, .message = watch};
  f->sim = sim_new(&(struct sim_config){.seed = SEED, .nodes = 2, .latency = {SIM_CONSTANT, 10 * SIM_MS}, .observer = &f->observer});
  f->services = services_new(f->sim, &config);
  for (unsigned i = 0; i < 2; i++) {
    f->peers[i] = (struct sim_endpoint){.kind = SIM_NODE, .index = i, .self = f, .receive = receive};
    snprintf(f->peers[i].name, sizeof f->peers[i].name, "n%u", i);
    sim_join(f->sim, &f->peers[i]);
  }
  *state = f;
  return 0;
}

static int as_maelstrom(void **state)
{
  return open_with(state, (struct services_config){.seq_window = 32});
}

static int always_fresh(void **state)
{
  return open_with(state, (struct services_config){.seq_window = 1});
}

static int seldom_merged(void **state)
{
  return open_with(state, (struct services_config){.seq_window = 32, .lww_merge_ns = 1000 * SIM_S});
}

static int teardown(void **state)
{
  struct fixture *f = *state;
  unsigned refused = f->refused;
  services_free(f->services);
  sim_free(f->sim);
  buf_free(&f->got);
  free(f);
  return refused == 0 ? 0 : -1;
}

/* What a service answers. Holds until the next call. */
static const char *ask(struct fixture *f, unsigned peer, const char *service, const char *members)
{
  struct buf line = {0};
  buf_clear(&f->got);
  buf_printf(&line, "{\"src\":\"n%u\",\"dest\":\"%s\",\"body\":{%s,\"msg_id\":1}}\n", peer, service, members);
  sim_send(f->sim, &f->peers[peer], buf_slice(&line));
  buf_free(&line);
  sim_run(f->sim, sim_now(f->sim) + 30 * SIM_MS);
  buf_append_char(&f->got, '\0');
  return f->got.data;
}

static void write_k(struct fixture *f, unsigned peer, const char *service, int value)
{
  char members[80];
  snprintf(members, sizeof members, "\"type\":\"write\",\"key\":\"k\",\"value\":%d", value);
  assert_string_equal(ask(f, peer, service, members), "\"write_ok\" ");
}

/* The value of k, or -1 if it does not exist. */
static int read_k(struct fixture *f, unsigned peer, const char *service)
{
  int value = -1;
  const char *answer = ask(f, peer, service, "\"type\":\"read\",\"key\":\"k\"");
  if (sscanf(answer, "\"read_ok\" %d ", &value) != 1) {
    assert_string_equal(answer, "\"error\" 20 ");
  }
  return value;
}

/* ---- lin-kv ---- */

static void test_lin_kv_is_a_map(void **state)
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
}

/* ---- seq-kv ---- */

/* n0 sees what it has written; n1 does, once it has changed something itself. */
static void test_seq_kv_shows_what_one_changed(void **state)
{
  struct fixture *f = *state;
  for (int i = 0; i < 100; i++) {
    write_k(f, 0, "seq-kv", i);
    assert_int_equal(read_k(f, 0, "seq-kv"), i);
  }
  assert_string_equal(ask(f, 1, "seq-kv", "\"type\":\"write\",\"key\":\"other\",\"value\":1"), "\"write_ok\" ");
  assert_int_equal(read_k(f, 1, "seq-kv"), 99);
}

static void test_seq_kv_moves_on_when_it_changes(void **state)
{
  struct fixture *f = *state;
  ask(f, 1, "seq-kv", "\"type\":\"write\",\"key\":\"same\",\"value\":1");
  for (int i = 0; i < 30; i++) {
    write_k(f, 0, "seq-kv", i);
  }
  int last = -1;
  for (int i = 0; i < 5; i++) {
    int value = read_k(f, 1, "seq-kv");
    assert_true(value >= last);
    assert_true(i > 0 || value < 29); /* of this seed: what n1 read first was old */
    last = value;
  }
  for (int i = 30; i < 60; i++) {
    write_k(f, 0, "seq-kv", i);
  }
  assert_string_equal(ask(f, 1, "seq-kv", "\"type\":\"write\",\"key\":\"same\",\"value\":1"), "\"write_ok\" ");
  bool stale = false;
  for (int i = 0; i < 3; i++) {
    stale = stale || read_k(f, 1, "seq-kv") < 59;
  }
  assert_true(stale); /* of this seed: writing what is there did not move n1 on */
  assert_string_equal(ask(f, 1, "seq-kv", "\"type\":\"write\",\"key\":\"same\",\"value\":2"), "\"write_ok\" ");
  assert_int_equal(read_k(f, 1, "seq-kv"), 59);
}

/* What clients read that have seen nothing yet: how old it can be, and how new. */
static void test_seq_kv_remembers_32_states(void **state)
{
  struct fixture *f = *state;
  int oldest = INT32_MAX;
  int newest = -1;
  for (int i = 0; i < 100; i++) {
    write_k(f, 0, "seq-kv", i);
  }
  for (int i = 0; i < 300; i++) {
    struct sim_endpoint client = {.kind = SIM_CLIENT, .self = f, .receive = receive};
    int value = -1;
    char line[100];
    snprintf(client.name, sizeof client.name, "c%d", i);
    sim_join(f->sim, &client);
    buf_clear(&f->got);
    int len =
        snprintf(line, sizeof line, "{\"src\":\"c%d\",\"dest\":\"seq-kv\",\"body\":{\"type\":\"read\",\"key\":\"k\",\"msg_id\":1}}\n", i);
    sim_send(f->sim, &client, slice_of(line, (size_t)len));
    sim_run(f->sim, sim_now(f->sim) + 30 * SIM_MS);
    sim_leave(f->sim, &client);
    buf_append_char(&f->got, '\0');
    assert_int_equal(sscanf(f->got.data, "\"read_ok\" %d ", &value), 1);
    oldest = value < oldest ? value : oldest;
    newest = value > newest ? value : newest;
  }
  assert_int_equal(oldest, 99 - 31);
  assert_int_equal(newest, 99);
}

static void test_a_seq_kv_of_one_state_is_always_fresh(void **state)
{
  struct fixture *f = *state;
  for (int i = 0; i < 50; i++) {
    write_k(f, 0, "seq-kv", i);
    assert_int_equal(read_k(f, 1, "seq-kv"), i);
  }
}

/* ---- lww-kv ---- */

static void test_lww_kv_agrees_in_the_end(void **state)
{
  struct fixture *f = *state;
  bool stale = false;
  for (int i = 0; i < 20; i++) {
    write_k(f, 0, "lww-kv", i);
    stale = stale || read_k(f, 1, "lww-kv") != i;
  }
  assert_true(stale);
  for (int i = 0; i < 30; i++) {
    read_k(f, 1, "lww-kv");
  }
  for (int i = 0; i < 30; i++) {
    assert_int_equal(read_k(f, 1, "lww-kv"), 19);
  }
}

static void test_lww_kv_creates_by_write_only(void **state)
{
  struct fixture *f = *state;
  static const char cas[] = "\"type\":\"cas\",\"key\":1,\"from\":0,\"to\":5,\"create_if_not_exists\":true";
  for (int i = 0; i < 10; i++) {
    assert_string_equal(ask(f, 0, "lww-kv", cas), "\"error\" 20 ");
  }
}

/* How many of 60 reads show `value`; all others must show `other`. */
static int count_reads(struct fixture *f, int value, int other)
{
  int count = 0;
  for (int i = 0; i < 60; i++) {
    int got = read_k(f, 1, "lww-kv");
    assert_true(got == value || got == other);
    count += got == value;
  }
  return count;
}

/* One of three replicas has it, until all have. */
static void test_lww_kv_keeps_apart_until_it_is_time(void **state)
{
  struct fixture *f = *state;
  assert_int_equal(read_k(f, 0, "lww-kv"), -1); /* the first request ends in a merge of nothing */
  write_k(f, 0, "lww-kv", 1);
  assert_in_range(count_reads(f, 1, -1), 8, 32);
  sim_run(f->sim, sim_now(f->sim) + 40 * 1000 * SIM_S); /* the longest time that can be drawn */
  assert_int_equal(count_reads(f, 1, -1), 60);
  write_k(f, 0, "lww-kv", 2);
  assert_in_range(count_reads(f, 2, 1), 8, 32);
  sim_run(f->sim, sim_now(f->sim) + 40 * 1000 * SIM_S);
  assert_int_equal(count_reads(f, 2, 1), 60);
}

/* ---- lin-tso ---- */

static void test_lin_tso_counts(void **state)
{
  struct fixture *f = *state;
  assert_string_equal(ask(f, 0, "lin-tso", "\"type\":\"ts\""), "\"ts_ok\" 0 ");
  assert_string_equal(ask(f, 1, "lin-tso", "\"type\":\"ts\""), "\"ts_ok\" 1 ");
  assert_string_equal(ask(f, 1, "lin-tso", "\"type\":\"read\",\"key\":1"), "");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_lin_kv_is_a_map, as_maelstrom, teardown),
      cmocka_unit_test_setup_teardown(test_seq_kv_shows_what_one_changed, as_maelstrom, teardown),
      cmocka_unit_test_setup_teardown(test_seq_kv_moves_on_when_it_changes, as_maelstrom, teardown),
      cmocka_unit_test_setup_teardown(test_seq_kv_remembers_32_states, as_maelstrom, teardown),
      cmocka_unit_test_setup_teardown(test_a_seq_kv_of_one_state_is_always_fresh, always_fresh, teardown),
      cmocka_unit_test_setup_teardown(test_lww_kv_agrees_in_the_end, as_maelstrom, teardown),
      cmocka_unit_test_setup_teardown(test_lww_kv_creates_by_write_only, as_maelstrom, teardown),
      cmocka_unit_test_setup_teardown(test_lww_kv_keeps_apart_until_it_is_time, seldom_merged, teardown),
      cmocka_unit_test_setup_teardown(test_lin_tso_counts, as_maelstrom, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
