/* The Raft driver: groups of nodes that elect, replicate, apply, restart, grow and shrink. */
#include "node/raft_world.h"

static void test_alone(void **state)
{
  (void)state;
  struct world *w = world_new(1, false);
  start_all(w);
  struct outcome *first = propose(w, 0, "{\"b\": 1.0, \"a\":[ ]}", 1000);
  struct outcome *second = propose(w, 0, "\"fail\"", 1000);
  run_until(w, first, 2000);
  run_until(w, second, 10);
  assert_int_equal(first->status, 0);
  assert_int_equal(first->code, 0);
  assert_string_equal(first->value, "{\"size\":14,\"was\":{\"a\":[],\"b\":1}}");
  assert_int_equal(second->status, 0);
  assert_int_equal(second->code, 22);
  assert_string_equal(second->value, "it is to fail");
  assert_true(w->members[0].changes > 0);
  struct buf text = {0};
  status(w, 0, &text);
  assert_non_null(strstr(text.data, "\"role\":\"leader\""));
  assert_non_null(strstr(text.data, "\"voters\":[\"n0\"]"));
  assert_non_null(strstr(text.data, "\"sessions\":[{\"id\":2,\"node\":\"n0\",\"results\":2}]"));
  buf_free(&text);
  world_free(w);
}

static void test_names_and_times(void **state)
{
  (void)state;
  struct world *w = world_new(1, false);
  start_all(w);
  struct node *n = w->members[0].node;
  int error = 0;
  assert_null(node_group_open(n, &(struct node_group_config){.name = SLICE("main")}, &error));
  assert_int_equal(error, ERROR_MALFORMED);
  assert_null(node_group_open(n, &(struct node_group_config){.name = SLICE("a b")}, &error));
  assert_null(node_group_open(n, &(struct node_group_config){.name = SLICE("x"), .heartbeat_ns = 200 * NODE_MS_NS}, &error));
  assert_null(node_group_open(n, &(struct node_group_config){.name = SLICE("x"), .voters = &SLICE("n0")}, &error));
  struct node_group *g = node_group_open(n, &(struct node_group_config){.name = SLICE("orders")}, &error);
  assert_non_null(g);
  struct outcome *o = taken(w);
  node_group_propose(g, SLICE("1"), NODE_S_NS, o);
  run_until(w, o, 2000);
  assert_int_equal(o->status, 0);
  world_free(w);
}

static void test_three(void **state)
{
  (void)state;
  struct world *w = world_new(3, false);
  start_all(w);
  unsigned l = leader(w);
  for (unsigned i = 0; i < 3; i++) {
    struct outcome *o = propose(w, (l + i) % 3, i == 0 ? "\"x\"" : i == 1 ? "\"y\"" : "\"z\"", 1000);
    run_until(w, o, 1000);
    assert_int_equal(o->status, 0);
    assert_int_equal(o->code, 0);
  }
  struct outcome *o = propose(w, (l + 1) % 3, "{\"fail\":1}", 1000);
  run_until(w, o, 1000);
  assert_int_equal(o->code, 22);
  assert_string_equal(o->value, "it is to fail");
  run_for(w, 300);
  for (unsigned i = 0; i < 3; i++) {
    expect_text(w, i, "\"x\"\"y\"\"z\"");
  }
  expect_log(w, "leads in term 1");
  expect_log(w, "follows n");
  world_free(w);
}

static void test_duplicates_are_applied_once(void **state)
{
  (void)state;
  struct world *w = world_new(3, true);
  w->copies = 3;
  start_all(w);
  unsigned l = leader(w);
  struct outcome *all[30];
  for (unsigned i = 0; i < 30; i++) {
    all[i] = propose(w, (l + i) % 3, "0", 1000);
    if (i % 5 == 0) {
      run_for(w, 3);
    }
  }
  run_for(w, 1500);
  for (unsigned i = 0; i < 30; i++) {
    assert_true(all[i]->done);
    assert_int_equal(all[i]->status, 0);
  }
  for (unsigned i = 0; i < 3; i++) {
    assert_int_equal(w->members[i].count, 30);
  }
  world_free(w);
}

static bool lose_results(struct world *w, const char *line)
{
  (void)w;
  return strstr(line, "raft_result") != NULL && strstr(line, "\"nonce\"") == NULL;
}

/* The leader's answer may be lost: the node's own replica has it as well. */
static void test_own_replica_answers(void **state)
{
  (void)state;
  struct world *w = world_new(3, false);
  start_all(w);
  unsigned l = leader(w);
  w->drop = lose_results;
  struct outcome *o = propose(w, (l + 1) % 3, "1", 1000);
  run_until(w, o, 400);
  assert_int_equal(o->status, 0);
  world_free(w);
}

static bool lose_proposals(struct world *w, const char *line)
{
  (void)w;
  return strstr(line, "raft_propose") != NULL;
}

static void test_lost_copies_are_sent_again(void **state)
{
  (void)state;
  struct world *w = world_new(3, false);
  start_all(w);
  unsigned l = leader(w);
  unsigned f = (l + 1) % 3;
  struct outcome *o = propose(w, f, "1", 1000);
  run_until(w, o, 1000); /* the session is open */
  w->drop = lose_proposals;
  o = propose(w, f, "2", 2000);
  run_for(w, 200);
  assert_false(o->done);
  w->drop = NULL;
  run_until(w, o, 500);
  assert_int_equal(o->status, 0);
  world_free(w);
}

static void test_new_leader_is_asked_again(void **state)
{
  (void)state;
  struct world *w = world_new(3, true);
  start_all(w);
  unsigned l = leader(w);
  unsigned f = (l + 1) % 3;
  struct outcome *o = propose(w, f, "1", 1000);
  run_until(w, o, 1000);
  o = propose(w, f, "2", 3000);
  struct outcome *own = propose(w, l, "3", 3000);
  cut_off(w, l, true);
  run_until(w, o, 3000);
  assert_int_equal(o->status, 0);
  cut_off(w, l, false);
  run_until(w, own, 3000);
  assert_int_equal(own->status, 0);
  run_for(w, 500);
  for (unsigned i = 0; i < 3; i++) {
    assert_int_equal(w->members[i].count, 3);
  }
  world_free(w);
}

/* Cut off, nothing is sent: that is definite. */
static void test_no_quorum(void **state)
{
  (void)state;
  struct world *w = world_new(3, false);
  start_all(w);
  unsigned l = leader(w);
  unsigned f = (l + 1) % 3;
  cut_off(w, f, true);
  run_for(w, 1000);
  assert_int_equal(node_group_leader(w->members[f].group).len, 0);
  struct outcome *o = propose(w, f, "1", 500);
  struct outcome *read = taken(w);
  node_group_read(w->members[f].group, 500 * NODE_MS_NS, read);
  run_until(w, o, 600);
  run_until(w, read, 600);
  assert_int_equal(o->status, ERROR_NO_QUORUM);
  assert_int_equal(read->status, ERROR_NO_QUORUM);
  /* A leader has appended it: it may come true. */
  cut_off(w, (l + 2) % 3, true);
  o = propose(w, l, "2", 200);
  run_until(w, o, 300);
  assert_int_equal(o->status, ERROR_NO_QUORUM); /* it only waits for its session */
  world_free(w);
}

static void test_appended_is_indefinite(void **state)
{
  (void)state;
  struct world *w = world_new(3, false);
  start_all(w);
  unsigned l = leader(w);
  struct outcome *o = propose(w, l, "1", 500);
  run_until(w, o, 600);
  cut_off(w, l, true);
  o = propose(w, l, "2", 100);
  run_until(w, o, 300);
  assert_int_equal(o->status, ERROR_TIMEOUT);
  world_free(w);
}

static void test_reads(void **state)
{
  (void)state;
  struct world *w = world_new(3, true);
  for (unsigned i = 0; i < 3; i++) {
    w->members[i].reads_text = true;
  }
  start_all(w);
  unsigned l = leader(w);
  for (unsigned i = 1; i <= 20; i++) {
    struct outcome *o = propose(w, (l + i) % 3, "7", 1000);
    run_until(w, o, 1000);
    assert_int_equal(o->status, 0);
    struct outcome *reads[3];
    for (unsigned k = 0; k < 3; k++) {
      reads[k] = taken(w);
      node_group_read(w->members[k].group, NODE_S_NS, reads[k]);
    }
    for (unsigned k = 0; k < 3; k++) {
      run_until(w, reads[k], 1000);
      assert_int_equal(reads[k]->status, 0);
      assert_true(reads[k]->code >= (long long)i);
    }
  }
  world_free(w);
}

static void test_cancelled(void **state)
{
  (void)state;
  struct world *w = world_new(3, false);
  start_all(w);
  unsigned l = leader(w);
  struct node *n = w->members[l].node;
  struct node_group *g = w->members[l].group;
  struct outcome *o = taken(w);
  node_cancel(n, node_group_propose(g, SLICE("1"), NODE_S_NS, o));
  node_cancel(n, node_group_read(g, NODE_S_NS, o));
  node_cancel(n, node_group_transfer(g, SLICE("n1"), NODE_S_NS, o));
  node_cancel(n, node_group_propose(g, SLICE("1"), NODE_S_NS, o));
  uint64_t token = node_group_propose(g, SLICE("2"), NODE_S_NS, o);
  run_for(w, 1);
  node_cancel(n, token);
  run_for(w, 1500);
  assert_false(o->done);
  struct outcome *after = propose(w, l, "3", 1000);
  run_until(w, after, 1000);
  world_free(w);
}

static void test_restart(void **state)
{
  (void)state;
  struct world *w = world_new(3, true);
  start_all(w);
  for (unsigned round = 0; round < 4; round++) {
    unsigned l = leader(w);
    for (unsigned i = 0; i < 5; i++) {
      struct outcome *o = propose(w, (l + i) % 3, "5", 2000);
      run_until(w, o, 2000);
      assert_int_equal(o->status, 0);
    }
    for (unsigned i = 0; i < 3; i++) {
      kill_member(w, i);
    }
    run_for(w, 50);
    start_all(w);
  }
  leader(w);
  struct outcome *o = propose(w, 0, "6", 2000);
  run_until(w, o, 2000);
  run_for(w, 300);
  for (unsigned i = 0; i < 3; i++) {
    expect_text(w, i, "555555555555555555556");
  }
  expect_log(w, "recovered ");
  world_free(w);
}

static void test_snapshot_and_install(void **state)
{
  (void)state;
  struct world *w = world_new(3, true);
  w->config.snapshot_bytes = 4096;
  w->config.tail_entries = 8;
  start_all(w);
  unsigned l = leader(w);
  unsigned away = (l + 2) % 3;
  kill_member(w, away);
  for (unsigned i = 0; i < 300; i++) {
    struct outcome *o = propose(w, (l + i % 2) % 3, "\"a command of some length, so that the log grows\"", 1000);
    run_until(w, o, 1000);
    assert_int_equal(o->status, 0);
  }
  expect_log(w, "took a snapshot");
  start_member(w, away);
  run_for(w, 2000);
  expect_log(w, "installed a snapshot");
  assert_int_equal(w->members[away].text.len, w->members[l].text.len);
  /* … and all come back from theirs. */
  for (unsigned i = 0; i < 3; i++) {
    kill_member(w, i);
  }
  start_all(w);
  struct outcome *o = propose(w, away, "1", 3000);
  run_until(w, o, 3000);
  run_for(w, 300);
  for (unsigned i = 1; i < 3; i++) {
    assert_true(slice_equal(buf_slice(&w->members[0].text), buf_slice(&w->members[i].text)));
  }
  world_free(w);
}

static void test_snapshot_that_fails(void **state)
{
  (void)state;
  struct world *w = world_new(1, false);
  w->config.snapshot_bytes = 2000;
  w->hooks.state_every = 0;
  w->members[0].snapshot_error = ERROR_CRASH;
  start_all(w);
  leader(w);
  for (unsigned i = 0; i < 200; i++) {
    struct outcome *o = propose(w, 0, "1", 1000);
    run_until(w, o, 1000);
  }
  buf_append_char(&w->log, '\0');
  unsigned warnings = 0;
  for (const char *at = w->log.data; (at = strstr(at, "no snapshot of entry")) != NULL; at++) {
    warnings++;
  }
  w->log.len--;
  assert_in_range(warnings, 3, 5); /* 2,000, 4,000, 8,000, 16,000 bytes */
  w->members[0].snapshot_error = 0;
  for (unsigned i = 0; i < 400; i++) {
    struct outcome *o = propose(w, 0, "1", 1000);
    run_until(w, o, 1000);
  }
  expect_log(w, "took a snapshot");
  world_free(w);
}

static struct outcome *change(struct world *w, unsigned index, const char *const *names, size_t count, uint64_t timeout_ms)
{
  struct slice voters[WORLD_NODES];
  struct outcome *o = taken(w);
  for (size_t i = 0; i < count; i++) {
    voters[i] = slice_of(names[i], strlen(names[i]));
  }
  node_group_change(w->members[index].group, voters, count, NULL, 0, timeout_ms * NODE_MS_NS, o);
  return o;
}

static void test_grow_and_shrink(void **state)
{
  (void)state;
  static const char *const names[] = {"n0", "n1", "n2"};
  struct world *w = world_new(3, true);
  w->voters[0] = "n0";
  w->voter_count = 1;
  start_all(w);
  leader(w);
  /* One that is no member may propose, though it cannot read. */
  struct outcome *o = propose(w, 2, "1", 3000);
  struct outcome *read = taken(w);
  node_group_read(w->members[2].group, NODE_S_NS, read);
  run_until(w, o, 3000);
  run_until(w, read, 100);
  assert_int_equal(o->status, 0);
  assert_int_equal(read->status, ERROR_UNAVAILABLE);
  o = change(w, 2, names, 3, 5000);
  run_until(w, o, 5000);
  assert_int_equal(o->status, 0);
  run_for(w, 500);
  expect_text(w, 1, "1");
  expect_text(w, 2, "1");
  for (unsigned i = 0; i < 3; i++) {
    o = propose(w, i, "2", 1000);
    run_until(w, o, 1000);
    assert_int_equal(o->status, 0);
  }
  /* Without n0, which leads, and whose session ends. */
  o = change(w, 0, names + 1, 2, 5000);
  run_until(w, o, 5000);
  assert_int_equal(o->status, 0);
  run_for(w, 2000);
  struct buf text = {0};
  status(w, 1, &text);
  assert_non_null(strstr(text.data, "\"voters\":[\"n1\",\"n2\"]"));
  assert_null(strstr(text.data, "\"node\":\"n0\""));
  assert_non_null(strstr(text.data, "\"node\":\"n1\""));
  o = propose(w, 0, "3", 5000);
  run_until(w, o, 5000);
  assert_int_equal(o->status, 0);
  status(w, 1, &text);
  assert_non_null(strstr(text.data, "\"node\":\"n0\""));
  expect_log(w, "of this node has ended");
  buf_free(&text);
  world_free(w);
}

static void test_bad_changes(void **state)
{
  (void)state;
  static const char *const names[] = {"n0", "n7", "n0"};
  struct world *w = world_new(3, false);
  start_all(w);
  unsigned l = leader(w);
  struct outcome *none = change(w, l, names, 0, 500);
  struct outcome *unknown = change(w, l, names, 2, 500);
  run_for(w, 10);
  assert_int_equal(none->status, ERROR_MALFORMED);
  assert_int_equal(unknown->status, ERROR_MALFORMED);
  struct outcome *same = change(w, (l + 1) % 3, (const char *const[]){"n0", "n1", "n2"}, 3, 500);
  run_until(w, same, 500);
  assert_int_equal(same->status, 0);
  cut_off(w, (l + 1) % 3, true);
  run_for(w, 1000);
  struct outcome *lost = change(w, (l + 1) % 3, names, 1, 500);
  run_until(w, lost, 600);
  assert_int_equal(lost->status, ERROR_NO_QUORUM);
  world_free(w);
}

static void test_transfer(void **state)
{
  (void)state;
  struct world *w = world_new(3, true);
  start_all(w);
  unsigned l = leader(w);
  unsigned next = (l + 1) % 3;
  struct member *m = &w->members[(l + 2) % 3];
  struct outcome *o = taken(w);
  node_group_transfer(m->group, slice_of(w->members[next].name, 2), 2 * NODE_S_NS, o);
  run_until(w, o, 2000);
  assert_int_equal(o->status, 0);
  assert_true(node_group_leads(w->members[next].group));
  o = taken(w);
  node_group_transfer(w->members[next].group, slice_of("", 0), 2 * NODE_S_NS, o);
  run_until(w, o, 2000);
  assert_int_equal(o->status, 0);
  assert_false(node_group_leads(w->members[next].group));
  o = taken(w);
  node_group_transfer(m->group, SLICE("n9"), NODE_S_NS, o);
  run_until(w, o, 100);
  assert_int_equal(o->status, ERROR_NODE_NOT_FOUND);
  world_free(w);
}

static void test_window(void **state)
{
  (void)state;
  struct world *w = world_new(3, true);
  start_all(w);
  unsigned l = leader(w);
  unsigned f = (l + 1) % 3;
  struct outcome *o = propose(w, f, "1", 1000);
  run_until(w, o, 1000);
  w->count_with[0] = "raft_propose";
  struct outcome *all[3000];
  for (unsigned i = 0; i < 3000; i++) {
    all[i] = propose(w, f, "1", 5000);
  }
  run_for(w, 1);
  assert_int_equal(w->sends_with[0], NODE_PROPOSALS_IN_FLIGHT);
  struct buf text = {0};
  status(w, f, &text);
  assert_non_null(strstr(text.data, "\"proposals\":{\"waiting\":1976,\"in_flight\":1024}"));
  run_for(w, 5000);
  for (unsigned i = 0; i < 3000; i++) {
    assert_true(all[i]->done);
    assert_int_equal(all[i]->status, 0);
  }
  assert_int_equal(w->members[f].count, 3001);
  assert_int_equal(w->members[l].count, 3001);
  buf_free(&text);
  world_free(w);
}

/* What arises in one turn is one append and one message to each member. */
static void test_batches(void **state)
{
  (void)state;
  struct world *w = world_new(3, false);
  start_all(w);
  unsigned l = leader(w);
  struct outcome *o = propose(w, l, "1", 1000);
  run_until(w, o, 1000);
  run_for(w, 20);
  w->count_with[0] = "\"command\"";
  w->count_with[1] = "raft_append\"";
  for (unsigned i = 0; i < 100; i++) {
    o = propose(w, l, "1", 1000);
  }
  run_until(w, o, 50);
  assert_int_equal(w->sends_with[0], 2);
  world_free(w);
}

static void test_too_large(void **state)
{
  (void)state;
  struct world *w = world_new(1, false);
  start_all(w);
  leader(w);
  char *big = memory_must(malloc(NODE_PROPOSAL_MAX_BYTES + 10));
  memset(big, 'x', NODE_PROPOSAL_MAX_BYTES + 9);
  big[0] = '"';
  big[NODE_PROPOSAL_MAX_BYTES + 8] = '"';
  big[NODE_PROPOSAL_MAX_BYTES + 9] = '\0';
  struct outcome *o = propose(w, 0, big, 1000);
  assert_false(o->done);
  run_until(w, o, 10);
  assert_int_equal(o->status, ERROR_TOO_LARGE);
  free(big);
  world_free(w);
}

static void test_apply_that_fails_stops_the_node(void **state)
{
  (void)state;
  struct world *w = world_new(3, true);
  start_all(w);
  unsigned l = leader(w);
  unsigned f = (l + 1) % 3;
  w->members[f].refuses = "poison";
  struct outcome *o = propose(w, l, "\"poison\"", 1000);
  struct outcome *waits = propose(w, f, "\"poison\"", 1000);
  run_until(w, o, 1000);
  run_for(w, 200);
  assert_int_equal(o->status, 0);
  assert_true(node_failed(w->members[f].node));
  assert_int_equal(node_state(w->members[f].node), NODE_STOPPED);
  assert_true(w->members[f].stopped);
  assert_true(waits->done);
  assert_true(waits->status == ERROR_TIMEOUT || waits->status == ERROR_STOPPED || waits->status == 0);
  expect_log(w, "could not be applied");
  world_free(w);
}

static void test_stop(void **state)
{
  (void)state;
  struct world *w = world_new(3, true);
  start_all(w);
  unsigned l = leader(w);
  unsigned f = (l + 1) % 3;
  struct outcome *o = propose(w, f, "1", 1000);
  run_until(w, o, 1000);
  w->drop = lose_proposals;
  struct outcome *sent = propose(w, f, "2", 1000);
  run_for(w, 5);
  struct outcome *fresh = propose(w, f, "3", 1000);
  struct outcome *read = taken(w);
  node_group_read(w->members[f].group, NODE_S_NS, read);
  node_stop(w->members[f].node);
  assert_int_equal(sent->status, ERROR_TIMEOUT);
  assert_int_equal(fresh->status, ERROR_STOPPED);
  assert_int_equal(read->status, ERROR_STOPPED);
  assert_true(fresh->done && read->done && sent->done);
  assert_true(w->members[f].stopped);
  world_free(w);
}

static void test_failing_disk(void **state)
{
  (void)state;
  struct world *w = world_new(3, true);
  start_all(w);
  unsigned l = leader(w);
  struct outcome *o = propose(w, l, "1", 1000);
  run_until(w, o, 1000);
  w->members[l].sync_error = ERROR_DISK_SYNC;
  o = propose(w, l, "2", 3000);
  run_until(w, o, 100);
  assert_int_equal(o->status, ERROR_TIMEOUT);
  assert_true(node_failed(w->members[l].node));
  expect_log(w, "the log has failed");
  w->members[l].sync_error = 0;
  kill_member(w, l);
  start_member(w, l);
  leader(w);
  o = propose(w, l, "3", 2000);
  run_until(w, o, 2000);
  assert_int_equal(o->status, 0);
  world_free(w);
}

static void test_full_disk(void **state)
{
  (void)state;
  struct world *w = world_new(1, true);
  w->config.snapshot_bytes = UINT64_C(1) << 40;
  start_all(w);
  leader(w);
  struct outcome *o = propose(w, 0, "1", 1000);
  run_until(w, o, 1000);
  w->members[0].full = true;
  unsigned count = 0;
  do {
    assert_true(++count < 2000);
    o = propose(w, 0, "\"as much as it takes to fill a segment, and the next one that is allocated already\"", 1000);
    run_until(w, o, 2000);
  } while (o->status == 0);
  assert_int_equal(o->status, ERROR_DISK_FULL);
  expect_log(w, "the disk is full");
  uint64_t applied = w->members[0].count;
  w->members[0].full = false;
  run_for(w, 1500);
  expect_log(w, "got space");
  o = propose(w, 0, "1", 1000);
  run_until(w, o, 1000);
  assert_int_equal(o->status, 0);
  assert_int_equal(w->members[0].count, applied + 1);
  world_free(w);
}

/* Every call's acts in the order of node/raft.h: append, messages, apply, answers. */
static void test_order_of_a_turn(void **state)
{
  (void)state;
  struct world *w = world_new(3, true);
  w->watch_order = true;
  start_all(w);
  unsigned l = leader(w);
  for (unsigned i = 0; i < 200; i++) {
    propose(w, (l + i) % 3, "1", 2000);
    if (i % 7 == 0) {
      run_for(w, 1);
    }
  }
  run_for(w, 1000);
  assert_int_equal(w->members[l].count, 200);
  world_free(w);
}

static void say(struct world *w, unsigned to, const char *src, const char *body)
{
  struct buf line = {0};
  buf_printf(&line, "{\"src\":\"%s\",\"dest\":\"%s\",\"body\":%s}", src, w->members[to].name, body);
  post_line(w, to, buf_slice(&line), 0);
  run_for(w, 1);
  buf_free(&line);
}

static void test_hostile_bodies(void **state)
{
  (void)state;
  static const char *const bodies[] = {
      "{\"type\":\"raft_append\"}",
      "{\"type\":\"raft_append\",\"group\":\"main\",\"term\":\"x\"}",
      "{\"type\":\"raft_append\",\"group\":7}",
      "{\"type\":\"raft_unheard_of\",\"group\":\"main\"}",
      "{\"type\":\"raft_propose\",\"group\":\"main\"}",
      "{\"type\":\"raft_propose\",\"group\":\"main\",\"term\":1,\"attempt\":1,\"open\":\"n0\",\"nonce\":5}",
      "{\"type\":\"raft_propose\",\"group\":\"main\",\"term\":1,\"attempt\":1,\"session\":-1,\"sequence\":1,\"below\":1,\"command\":1}",
      "{\"type\":\"raft_propose\",\"group\":\"main\",\"term\":1,\"attempt\":1,\"session\":1,\"sequence\":2000,\"below\":1,\"command\":1}",
      "{\"type\":\"raft_result\",\"group\":\"main\",\"session\":[],\"sequence\":1}",
      "{\"type\":\"raft_result\",\"group\":\"main\",\"session\":1,\"sequence\":0}",
      "{\"type\":\"raft_refused\",\"group\":\"main\",\"session\":1,\"sequence\":1,\"attempt\":1,\"code\":7}",
      "{\"type\":\"raft_change\",\"group\":\"main\",\"ask\":1,\"at\":0,\"members\":[]}",
      "{\"type\":\"raft_transfer\",\"group\":\"main\",\"ask\":1,\"term\":1,\"to\":7}",
      "{\"type\":\"raft_done\",\"group\":\"main\",\"ask\":{}}",
      "{\"type\":\"raft_install\",\"group\":\"main\",\"chunk\":7}",
  };
  struct world *w = world_new(3, false);
  start_all(w);
  unsigned l = leader(w);
  unsigned f = (l + 1) % 3;
  for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
    for (unsigned k = 0; k < 2; k++) {
      unsigned to = k == 0 ? l : f;
      uint64_t before = node_stats(w->members[to].node)->skipped;
      say(w, to, w->members[(l + 2) % 3].name, bodies[i]);
      if (node_stats(w->members[to].node)->skipped != before + 1) {
        fail_msg("not skipped: %s", bodies[i]);
      }
    }
  }
  uint64_t before = node_stats(w->members[l].node)->skipped;
  say(w, l, "c5", "{\"type\":\"raft_propose\",\"group\":\"main\",\"msg_id\":3}");
  say(w, l, "n1", "{\"type\":\"raft_propose\",\"group\":\"elsewhere\",\"term\":1}");
  assert_int_equal(node_stats(w->members[l].node)->skipped, before + 2);
  struct outcome *o = propose(w, f, "1", 1000);
  run_until(w, o, 1000);
  assert_int_equal(o->status, 0);
  world_free(w);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_alone),
      cmocka_unit_test(test_names_and_times),
      cmocka_unit_test(test_three),
      cmocka_unit_test(test_duplicates_are_applied_once),
      cmocka_unit_test(test_own_replica_answers),
      cmocka_unit_test(test_lost_copies_are_sent_again),
      cmocka_unit_test(test_new_leader_is_asked_again),
      cmocka_unit_test(test_no_quorum),
      cmocka_unit_test(test_appended_is_indefinite),
      cmocka_unit_test(test_reads),
      cmocka_unit_test(test_cancelled),
      cmocka_unit_test(test_restart),
      cmocka_unit_test(test_snapshot_and_install),
      cmocka_unit_test(test_snapshot_that_fails),
      cmocka_unit_test(test_grow_and_shrink),
      cmocka_unit_test(test_bad_changes),
      cmocka_unit_test(test_transfer),
      cmocka_unit_test(test_window),
      cmocka_unit_test(test_batches),
      cmocka_unit_test(test_too_large),
      cmocka_unit_test(test_apply_that_fails_stops_the_node),
      cmocka_unit_test(test_stop),
      cmocka_unit_test(test_failing_disk),
      cmocka_unit_test(test_full_disk),
      cmocka_unit_test(test_order_of_a_turn),
      cmocka_unit_test(test_hostile_bodies),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
