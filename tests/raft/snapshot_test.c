/* Log compaction and snapshots in chunks (paper 7): figure 13, and where the core goes beyond it. */
#include "raft/core.h"

static const uint64_t ten[10] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

/* Member 1 of three with ten entries of term 1, all of them committed if it leads. */
static void start(struct core *c, struct raft_config config)
{
  config.id = 1;
  core_start_given(c, &(struct core_given){.config = config, .configuration = voters_of(1, 2, 3), .terms = ten, .count = 10});
}

static void start_leader(struct core *c, struct raft_config config)
{
  start(c, config);
  core_lead(c);
  core_clear(c);
}

/* ---- compaction ---- */

/* 7: the log up to a snapshot is dropped, less a tail for members that are a little behind. */
static void snapshot_drops_entries_and_keeps_a_tail(void **state)
{
  (void)state;
  struct core c;
  start_leader(&c, (struct raft_config){.tail_entries = 3});
  assert_int_equal(core_snapshot(&c, 8, 100), 0);
  assert_true(c.u.append.snapshot);
  assert_false(c.u.append.reset);
  assert_int_equal(c.u.append.snapshot_index, 8);
  assert_int_equal(c.u.append.snapshot_term, 1);
  assert_int_equal(c.u.append.first_kept, 6);
  struct raft_status s = core_status(&c);
  assert_int_equal(s.snapshot_index, 8);
  assert_int_equal(s.snapshot_term, 1);
  assert_int_equal(s.first_index, 6);
  assert_int_equal(s.last_index, 11);
  struct raft_entry e;
  assert_false(raft_entry(c.r, 4, &e));
  assert_true(raft_entry(c.r, 6, &e));
  core_stop(&c);
}

/* The default tail keeps all of a short log. */
static void short_log_is_all_tail(void **state)
{
  (void)state;
  struct core c;
  start_leader(&c, (struct raft_config){0});
  core_snapshot(&c, 8, 100);
  assert_int_equal(core_status(&c).first_index, 1);
  assert_int_equal(core_status(&c).snapshot_index, 8);
  core_stop(&c);
}

/* A restart begins with snapshot, tail and the rest, and what is in the snapshot is committed. */
static void restart_begins_with_the_snapshot(void **state)
{
  (void)state;
  struct core c;
  start_leader(&c, (struct raft_config){.tail_entries = 3});
  core_snapshot(&c, 8, 100);
  core_crash(&c);
  core_restart(&c);
  struct raft_status s = core_status(&c);
  assert_int_equal(s.snapshot_index, 8);
  assert_int_equal(s.first_index, 6);
  assert_int_equal(s.last_index, 11);
  assert_int_equal(s.commit, 8);
  struct raft_entry e;
  assert_true(raft_entry(c.r, 6, &e));
  core_stop(&c);
}

/* An older snapshot than the one there is changes nothing that counts. */
static void older_snapshot_does_not_move_the_log_back(void **state)
{
  (void)state;
  struct core c;
  start_leader(&c, (struct raft_config){.tail_entries = 1});
  core_snapshot(&c, 8, 100);
  core_snapshot(&c, 5, 100);
  assert_int_equal(core_status(&c).snapshot_index, 8);
  assert_int_equal(core_status(&c).first_index, 8);
  core_stop(&c);
}

/* An append from before the snapshot (prev_index is gone here) finds that what is in the snapshot matches, and goes on from there. */
static void append_from_before_the_snapshot_is_taken(void **state)
{
  (void)state;
  struct core c;
  start(&c, (struct raft_config){.tail_entries = 1});
  core_append_of(&c, .from = 2, .term = 2, .prev_index = 10, .prev_term = 1, .commit = 8);
  core_snapshot(&c, 8, 100);
  assert_int_equal(core_status(&c).first_index, 8);
  core_clear(&c);
  core_append_of(&c, .from = 2, .term = 2, .prev_index = 2, .prev_term = 1, .commit = 8, TERMS(1, 1, 1, 1, 1, 1, 1, 1, 2));
  assert_int_equal(c.error, 0);
  assert_int_equal(core_status(&c).last_index, 11);
  assert_true(core_acknowledged(&c, 11));
  core_clear(&c);
  core_append_of(&c, .from = 2, .term = 2, .prev_index = 0, .prev_term = 0, .commit = 8, TERMS(1, 1, 1));
  assert_int_equal(c.error, 0);
  assert_int_equal(core_status(&c).last_index, 11);
  core_stop(&c);
}

/* ---- sending ---- */

/* Rejects appends to member 2 as one that has nothing, until the leader knows that its log does not reach back so far. */
static struct raft_message need_snapshot(struct core *c)
{
  for (int i = 0; i < 20; i++) {
    const struct raft_message *m = core_sent(c, RAFT_INSTALL, 2);
    if (m != NULL) {
      return *m;
    }
    m = core_sent(c, RAFT_APPEND, 2);
    if (m != NULL) {
      struct raft_message copy = *m;
      core_clear(c);
      core_reject(c, &copy, 0, 0);
    } else {
      core_time(c, HEARTBEAT);
    }
  }
  fail_msg("the leader sends no snapshot");
  return (struct raft_message){0};
}

/* A new leader whose log begins at 8, with a snapshot of 150 bytes, in chunks of 64. */
static void start_sender(struct core *c)
{
  start_leader(c, (struct raft_config){.tail_entries = 1, .chunk_bytes = 64});
  core_snapshot(c, 8, 150);
  core_crash(c);
  core_restart(c);
  core_elect(c);
}

static void installed(struct core *c, const struct raft_message *install, uint64_t offset, bool done)
{
  struct raft_message m = {.type = RAFT_INSTALLED, .from = install->to, .to = install->from, .term = install->term};
  m.installed.session = install->install.session;
  m.installed.incarnation = core_incarnation_of(install->to);
  m.installed.index = install->install.index;
  m.installed.round = install->install.round;
  m.installed.offset = offset;
  m.installed.done = done;
  core_clear(c);
  core_receive(c, &m);
}

/* 7: a member that needs entries which are gone gets the snapshot, chunk after chunk, and then the entries after it. */
static void member_that_is_too_far_behind_gets_the_snapshot(void **state)
{
  (void)state;
  struct core c;
  start_sender(&c);
  struct raft_message m = need_snapshot(&c);
  assert_int_equal(m.install.index, 8);
  assert_int_equal(m.install.log_term, 1);
  assert_int_equal(m.install.size, 150);
  assert_int_equal(m.install.offset, 0);
  assert_int_equal(m.install.length, 64);
  assert_int_equal(m.install.configuration_index, 0);
  assert_int_equal(m.install.configuration->count, 3);
  assert_int_equal(core_peer(&c, 2).progress, RAFT_SNAPSHOT);
  installed(&c, &m, 64, false);
  m = *core_must_send(&c, RAFT_INSTALL, 2);
  assert_int_equal(m.install.offset, 64);
  assert_int_equal(m.install.length, 64);
  installed(&c, &m, 128, false);
  m = *core_must_send(&c, RAFT_INSTALL, 2);
  assert_int_equal(m.install.offset, 128);
  assert_int_equal(m.install.length, 22);
  assert_int_equal(core_peer(&c, 2).snapshot_offset, 128);
  installed(&c, &m, 150, true);
  assert_true(core_peer(&c, 2).match >= 8);
  m = *core_must_send(&c, RAFT_APPEND, 2);
  assert_int_equal(m.append.prev_index, 8);
  core_oblige_all(&c);
  assert_int_equal(core_peer(&c, 2).match, core_status(&c).last_index);
  core_stop(&c);
}

/* Exactly at the boundary, a member needs no snapshot: the term of the entry before the first kept one is known. */
static void member_at_the_boundary_needs_no_snapshot(void **state)
{
  (void)state;
  for (uint64_t have = 6; have <= 8; have++) {
    struct core c;
    start_sender(&c); /* first kept: 8 */
    for (int i = 0; i < 5 && core_peer(&c, 2).match == 0 && core_peer(&c, 2).progress != RAFT_SNAPSHOT; i++) {
      struct raft_message m = *core_must_send(&c, RAFT_APPEND, 2);
      core_clear(&c);
      if (m.append.prev_index <= have) {
        core_accept(&c, &m);
      } else {
        core_reject(&c, &m, have, 1);
      }
    }
    assert_int_equal(core_peer(&c, 2).progress == RAFT_SNAPSHOT, have < 7);
    core_stop(&c);
  }
}

/* A chunk that was lost is sent again, from where the member says. */
static void transfer_resumes_where_the_member_says(void **state)
{
  (void)state;
  struct core c;
  start_sender(&c);
  struct raft_message m = need_snapshot(&c);
  installed(&c, &m, 64, false);
  core_clear(&c); /* lost */
  for (int i = 0; i < 20 && core_sent(&c, RAFT_INSTALL, 2) == NULL; i++) {
    core_oblige(&c, 3);
    core_time(&c, HEARTBEAT);
  }
  m = *core_must_send(&c, RAFT_INSTALL, 2);
  assert_int_equal(m.install.offset, 64);
  assert_int_equal(raft_role(c.r), RAFT_LEADER);
  installed(&c, &m, 128, false);
  assert_int_equal(core_must_send(&c, RAFT_INSTALL, 2)->install.offset, 128);
  installed(&c, &m, 0, false); /* it has lost what it had */
  m = *core_must_send(&c, RAFT_INSTALL, 2);
  assert_int_equal(m.install.offset, 0);
  core_stop(&c);
}

/* The chunks are heartbeats as well, or heartbeats go on: the receiver hears from its leader, and its answers confirm it. */
static void leader_stays_while_it_sends_a_snapshot(void **state)
{
  (void)state;
  struct core c;
  start_sender(&c);
  struct raft_message m = need_snapshot(&c);
  for (uint64_t i = 0; i < 15; i++) {
    core_time(&c, HEARTBEAT);
    const struct raft_message *chunk = core_sent(&c, RAFT_INSTALL, 2);
    const struct raft_message *beat = core_sent(&c, RAFT_APPEND, 2);
    assert_true(chunk != NULL || beat != NULL);
    m = chunk != NULL ? *chunk : m;
    installed(&c, &m, i % 2 == 0 ? 64 : 128, false); /* member 3 is silent */
  }
  assert_int_equal(raft_role(c.r), RAFT_LEADER);
  core_stop(&c);
}

/* ---- receiving ---- */

static const struct raft_configuration *others(void)
{
  struct raft_configuration c = voters_of(1, 2, 3, 4);
  return core_keep(&c);
}

static void chunk(struct core *c, uint64_t index, uint64_t log_term, uint64_t offset, uint64_t length)
{
  struct raft_message m = {.type = RAFT_INSTALL, .from = 2, .to = 1, .term = 2};
  m.install.session = 202;
  m.install.index = index;
  m.install.log_term = log_term;
  m.install.size = 150;
  m.install.offset = offset;
  m.install.length = length;
  m.install.configuration_index = 7;
  m.install.configuration = others();
  m.install.round = 1;
  core_clear(c);
  core_receive(c, &m);
  assert_int_equal(c->error, 0);
}

static uint64_t wanted(const struct core *c)
{
  const struct raft_message *m = core_must_send(c, RAFT_INSTALLED, 2);
  assert_false(m->installed.done);
  return m->installed.offset;
}

static void finish(struct core *c, uint64_t index, uint64_t log_term)
{
  c->mark = (struct core_unit){.snapshot_size = 150, .configuration_index = 7, .configuration = others()};
  chunk(c, index, log_term, 0, 64);
  assert_true(c->u.chunk.present);
  assert_int_equal(c->u.chunk.offset, 0);
  assert_int_equal(c->u.chunk.length, 64);
  assert_false(c->u.chunk.last);
  assert_int_equal(wanted(c), 64);
  chunk(c, index, log_term, 64, 64);
  assert_int_equal(c->u.chunk.offset, 64);
  assert_int_equal(wanted(c), 128);
  chunk(c, index, log_term, 128, 22);
  assert_true(c->u.chunk.present);
  assert_true(c->u.chunk.last);
  assert_int_equal(c->u.chunk.index, index);
  assert_int_equal(c->u.chunk.log_term, log_term);
  assert_int_equal(c->u.chunk.configuration_index, 7);
  assert_int_equal(c->u.chunk.configuration->count, 4);
  const struct raft_message *m = core_sent(c, RAFT_INSTALLED, 2);
  assert_true(m == NULL || !m->installed.done); /* not before it is durable and restored */
  assert_int_equal(core_status(c).snapshot_index, 0);
  core_clear(c);
  core_install(c, index, true);
}

/* Figure 13: chunks are written at their offset; done makes the snapshot the beginning of the log; a log that is behind it goes, and the
 * configuration of the snapshot is the effective one. */
static void snapshot_beyond_the_log_replaces_it(void **state)
{
  (void)state;
  struct core c;
  start(&c, (struct raft_config){0});
  finish(&c, 20, 2);
  assert_true(c.u.append.snapshot);
  assert_true(c.u.append.reset);
  assert_int_equal(c.u.append.snapshot_index, 20);
  assert_int_equal(c.u.append.snapshot_term, 2);
  assert_int_equal(c.u.append.first_kept, 21);
  assert_true(c.u.configuration_changed);
  struct raft_status s = core_status(&c);
  assert_int_equal(s.snapshot_index, 20);
  assert_int_equal(s.last_index, 20);
  assert_int_equal(s.last_term, 2);
  assert_int_equal(s.first_index, 21);
  assert_int_equal(s.commit, 20);
  assert_int_equal(s.configuration_index, 7);
  assert_int_equal(raft_configuration(c.r)->count, 4);
  assert_true(core_must_send(&c, RAFT_INSTALLED, 2)->installed.done);
  core_append_of(&c, .from = 2, .term = 2, .prev_index = 20, .prev_term = 2, .commit = 21, TERMS(2));
  assert_true(core_acknowledged(&c, 21));
  core_stop(&c);
}

/* Figure 13, 6: if the log has the snapshot's last entry, what follows it stays. */
static void matching_suffix_is_kept(void **state)
{
  (void)state;
  struct core c;
  start(&c, (struct raft_config){.tail_entries = 1});
  chunk(&c, 8, 1, 0, 64);
  if (c.u.chunk.present) { /* a core may see at once that it needs none of it */
    chunk(&c, 8, 1, 64, 64);
    chunk(&c, 8, 1, 128, 22);
    c.mark = (struct core_unit){.snapshot_size = 150, .configuration_index = 7, .configuration = others()};
    core_install(&c, 8, true);
    assert_false(c.u.append.reset);
    assert_int_equal(core_status(&c).snapshot_index, 8);
  }
  assert_int_equal(core_status(&c).last_index, 10);
  assert_int_equal(core_status(&c).last_term, 1);
  assert_int_equal(core_status(&c).commit, 8);
  core_append_of(&c, .from = 2, .term = 2, .prev_index = 10, .prev_term = 1, .commit = 10);
  assert_true(core_acknowledged(&c, 10));
  core_stop(&c);
}

/* Figure 13, 7: if it has another entry there, all of the log goes. */
static void conflicting_suffix_is_discarded(void **state)
{
  (void)state;
  struct core c;
  start(&c, (struct raft_config){0});
  finish(&c, 8, 2);
  assert_true(c.u.append.reset);
  assert_int_equal(core_status(&c).last_index, 8);
  assert_int_equal(core_status(&c).last_term, 2);
  assert_int_equal(core_status(&c).snapshot_index, 8);
  assert_int_equal(core_status(&c).commit, 8);
  core_stop(&c);
}

/* A chunk out of order, or twice, is not taken again: the reply says which is wanted. */
static void chunk_out_of_order_is_not_taken(void **state)
{
  (void)state;
  struct core c;
  start(&c, (struct raft_config){0});
  chunk(&c, 20, 2, 64, 64);
  assert_false(c.u.chunk.present);
  assert_int_equal(wanted(&c), 0);
  chunk(&c, 20, 2, 0, 64);
  assert_true(c.u.chunk.present);
  chunk(&c, 20, 2, 128, 22);
  assert_false(c.u.chunk.present);
  assert_int_equal(wanted(&c), 64);
  chunk(&c, 20, 2, 64, 64);
  assert_true(c.u.chunk.present);
  chunk(&c, 20, 2, 64, 64);
  assert_false(c.u.chunk.present);
  assert_int_equal(wanted(&c), 128);
  core_stop(&c);
}

/* Another snapshot begins at its beginning. */
static void another_snapshot_begins_at_zero(void **state)
{
  (void)state;
  struct core c;
  start(&c, (struct raft_config){0});
  chunk(&c, 20, 2, 0, 64);
  chunk(&c, 25, 2, 64, 64);
  assert_false(c.u.chunk.present);
  assert_int_equal(wanted(&c), 0);
  chunk(&c, 25, 2, 0, 64);
  assert_true(c.u.chunk.present);
  assert_int_equal(c.u.chunk.index, 25);
  assert_int_equal(wanted(&c), 64);
  core_stop(&c);
}

/* While the host restores one snapshot, chunks of a newer one do not take its place: they would overwrite what is being read, and its end
 * would be reported of something that is not known any more. */
static void newer_snapshot_waits_until_the_older_one_is_restored(void **state)
{
  (void)state;
  struct core c;
  start(&c, (struct raft_config){0});
  chunk(&c, 20, 2, 0, 64);
  chunk(&c, 20, 2, 64, 64);
  chunk(&c, 20, 2, 128, 22);
  assert_true(c.u.chunk.last);
  chunk(&c, 25, 2, 0, 64);
  assert_false(c.u.chunk.present);
  c.mark = (struct core_unit){.snapshot_size = 150, .configuration_index = 7, .configuration = others()};
  core_install(&c, 20, true);
  assert_int_equal(core_status(&c).snapshot_index, 20);
  chunk(&c, 25, 2, 0, 64);
  assert_true(c.u.chunk.present);
  core_stop(&c);
}

/* One that cannot be restored is asked for again from its beginning, and the log stays. */
static void snapshot_that_cannot_be_restored_is_wanted_again(void **state)
{
  (void)state;
  struct core c;
  start(&c, (struct raft_config){0});
  chunk(&c, 20, 2, 0, 64);
  chunk(&c, 20, 2, 64, 64);
  chunk(&c, 20, 2, 128, 22);
  core_install(&c, 20, false);
  assert_int_equal(core_status(&c).snapshot_index, 0);
  assert_int_equal(core_status(&c).last_index, 10);
  chunk(&c, 20, 2, 128, 22);
  assert_int_equal(wanted(&c), 0);
  finish(&c, 20, 2);
  assert_int_equal(core_status(&c).snapshot_index, 20);
  core_stop(&c);
}

/* A snapshot of what is committed here already is not needed: the member says so, and nothing of its log changes. */
static void snapshot_below_the_commit_index_is_not_needed(void **state)
{
  (void)state;
  struct core c;
  start(&c, (struct raft_config){0});
  core_append_of(&c, .from = 2, .term = 2, .prev_index = 10, .prev_term = 1, .commit = 9);
  chunk(&c, 8, 1, 0, 64);
  assert_false(c.u.chunk.present);
  const struct raft_message *m = core_sent(&c, RAFT_INSTALLED, 2);
  assert_true(m != NULL ? m->installed.done : core_acknowledged(&c, 8));
  assert_int_equal(core_status(&c).last_index, 10);
  assert_int_equal(core_status(&c).commit, 9);
  core_stop(&c);
}

/* A chunk of an earlier term's leader is not taken; a chunk of the leader restarts the election timeout. */
static void chunks_come_from_the_leader(void **state)
{
  (void)state;
  struct core c;
  core_start_given(&c, &(struct core_given){.config = {.id = 1}, .configuration = voters_of(1, 2, 3), .term = 3, TERMS(1)});
  chunk(&c, 20, 2, 0, 64);
  assert_false(c.u.chunk.present);
  assert_int_equal(raft_term(c.r), 3);
  core_stop(&c);

  start(&c, (struct raft_config){0});
  for (int i = 0; i < 10; i++) {
    core_time(&c, TIMEOUT - MS(1));
    chunk(&c, 20, 2, 0, 64);
    assert_int_equal(raft_leader(c.r), 2);
    assert_int_equal(raft_role(c.r), RAFT_FOLLOWER);
  }
  core_stop(&c);
}

/* An empty state is a snapshot of one chunk of no bytes. */
static void empty_snapshot_is_one_chunk(void **state)
{
  (void)state;
  struct core c;
  start(&c, (struct raft_config){0});
  struct raft_message m = {.type = RAFT_INSTALL, .from = 2, .to = 1, .term = 2};
  m.install.session = 202;
  m.install.index = 20;
  m.install.log_term = 2;
  m.install.configuration = others();
  core_receive(&c, &m);
  assert_true(c.u.chunk.present);
  assert_true(c.u.chunk.last);
  assert_int_equal(c.u.chunk.length, 0);
  core_stop(&c);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(snapshot_drops_entries_and_keeps_a_tail),
      cmocka_unit_test(short_log_is_all_tail),
      cmocka_unit_test(restart_begins_with_the_snapshot),
      cmocka_unit_test(older_snapshot_does_not_move_the_log_back),
      cmocka_unit_test(append_from_before_the_snapshot_is_taken),
      cmocka_unit_test(member_that_is_too_far_behind_gets_the_snapshot),
      cmocka_unit_test(member_at_the_boundary_needs_no_snapshot),
      cmocka_unit_test(transfer_resumes_where_the_member_says),
      cmocka_unit_test(leader_stays_while_it_sends_a_snapshot),
      cmocka_unit_test(snapshot_beyond_the_log_replaces_it),
      cmocka_unit_test(matching_suffix_is_kept),
      cmocka_unit_test(conflicting_suffix_is_discarded),
      cmocka_unit_test(chunk_out_of_order_is_not_taken),
      cmocka_unit_test(another_snapshot_begins_at_zero),
      cmocka_unit_test(newer_snapshot_waits_until_the_older_one_is_restored),
      cmocka_unit_test(snapshot_that_cannot_be_restored_is_wanted_again),
      cmocka_unit_test(snapshot_below_the_commit_index_is_not_needed),
      cmocka_unit_test(chunks_come_from_the_leader),
      cmocka_unit_test(empty_snapshot_is_one_chunk),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
