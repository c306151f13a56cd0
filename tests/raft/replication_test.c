/* Replication where the core goes beyond figure 2: pipelining (thesis 10.2), windows, batches without timers, fast back-up (paper 5.3),
 * the leader's write in parallel with sending (thesis 10.2.1), sessions and incarnations. */
#include "raft/core.h"

static void start_leader_with(struct core *c, struct raft_config config)
{
  config.id = 1;
  core_start_given(c, &(struct core_given){.config = config, .configuration = voters_of(1, 2, 3)});
  core_lead(c);
  core_clear(c);
}

static void start_leader(struct core *c)
{
  start_leader_with(c, (struct raft_config){0});
}

/* Entries that have been sent to a member since core_clear, and whether they follow each other. */
static size_t entries_sent(const struct core *c, uint64_t to)
{
  size_t n = 0;
  for (size_t i = 0; i < c->sent.count; i++) {
    const struct raft_message *m = &c->sent.at[i].m;
    n += m->type == RAFT_APPEND && m->to == to ? m->append.count : 0;
  }
  return n;
}

/* ---- pipelining and windows ---- */

/* 10.2: once the logs agree, a leader does not wait for one append to be acknowledged before it sends the next. */
static void appends_are_pipelined(void **state)
{
  (void)state;
  struct core c;
  start_leader(&c);
  assert_int_equal(core_peer(&c, 2).progress, RAFT_REPLICATE);
  for (uint64_t i = 0; i < 10; i++) {
    core_propose(&c, "a");
    const struct raft_message *m = core_must_send(&c, RAFT_APPEND, 2);
    assert_int_equal(m->append.prev_index, 1 + i);
    assert_int_equal(m->append.count, 1);
    assert_int_equal(core_peer(&c, 2).next, 3 + i);
  }
  assert_int_equal(core_peer(&c, 2).inflight, 10);
  assert_int_equal(core_peer(&c, 2).match, 1);
  core_stop(&c);
}

/* While it looks for where the logs agree, it sends one at a time. */
static void probing_sends_one_append_at_a_time(void **state)
{
  (void)state;
  struct core c;
  core_start_of(&c, 1, 1, 2, 3);
  core_elect(&c);
  assert_int_equal(core_peer(&c, 2).progress, RAFT_PROBE);
  for (int i = 0; i < 5; i++) {
    core_propose(&c, "a");
  }
  assert_int_equal(core_sent_count(&c, RAFT_APPEND, 2), 1);
  core_oblige(&c, 2);
  core_oblige(&c, 2);
  assert_int_equal(core_peer(&c, 2).progress, RAFT_REPLICATE);
  assert_int_equal(core_peer(&c, 2).match, 6);
  core_stop(&c);
}

/* No more than inflight_messages_max appends with entries are under way to a member; the next leave as acknowledgements come. */
static void window_of_messages_is_kept(void **state)
{
  (void)state;
  struct core c;
  start_leader_with(&c, (struct raft_config){.inflight_messages_max = 4});
  for (int i = 0; i < 10; i++) {
    core_propose(&c, "a");
  }
  assert_int_equal(entries_sent(&c, 2), 4);
  assert_int_equal(core_peer(&c, 2).inflight, 4);
  assert_int_equal(core_status(&c).commit, 1);
  struct raft_message first = c.sent.at[0].m;
  for (size_t i = 0; first.to != 2; i++) {
    first = c.sent.at[i].m;
  }
  core_clear(&c);
  core_accept(&c, &first);
  assert_true(entries_sent(&c, 2) > 0);
  assert_true(core_peer(&c, 2).inflight <= 4);
  core_stop(&c);
}

/* Batches need no timer: what comes while the window is full leaves together when it opens. */
static void entries_behind_a_full_window_leave_together(void **state)
{
  (void)state;
  struct core c;
  start_leader_with(&c, (struct raft_config){.inflight_messages_max = 1});
  for (int i = 0; i < 10; i++) {
    core_propose(&c, "a");
  }
  assert_int_equal(entries_sent(&c, 2), 1);
  struct raft_message m = *core_must_send(&c, RAFT_APPEND, 2);
  core_clear(&c);
  core_accept(&c, &m);
  assert_int_equal(core_must_send(&c, RAFT_APPEND, 2)->append.count, 9);
  core_stop(&c);
}

/* An acknowledgement of a later append covers the earlier ones. */
static void acknowledgement_covers_what_came_before(void **state)
{
  (void)state;
  struct core c;
  start_leader_with(&c, (struct raft_config){.inflight_messages_max = 4});
  for (int i = 0; i < 4; i++) {
    core_propose(&c, "a");
  }
  struct raft_message last = *core_must_send(&c, RAFT_APPEND, 2);
  core_clear(&c);
  core_accept(&c, &last);
  assert_int_equal(core_peer(&c, 2).match, 5);
  assert_int_equal(core_peer(&c, 2).inflight, 0);
  assert_int_equal(core_status(&c).commit, 5);
  core_stop(&c);
}

/* The window counts bytes as well; one append is always allowed. */
static void window_of_bytes_is_kept(void **state)
{
  (void)state;
  struct core c;
  start_leader_with(&c, (struct raft_config){.inflight_bytes_max = 1000});
  for (int i = 0; i < 10; i++) {
    core_propose_sized(&c, 400, 1);
  }
  assert_in_range(entries_sent(&c, 2), 2, 3); /* 800 bytes; or the one that crosses the limit as well */
  core_oblige_all(&c);
  assert_int_equal(core_peer(&c, 2).match, 11);
  core_clear(&c);
  core_propose_sized(&c, 5000, 1);
  assert_int_equal(entries_sent(&c, 2), 1);
  core_propose_sized(&c, 1, 1);
  assert_int_equal(entries_sent(&c, 2), 1);
  core_stop(&c);
}

/* An append carries at most so many entries and bytes, and one entry always. */
static void appends_are_split(void **state)
{
  (void)state;
  struct core c;
  start_leader_with(&c, (struct raft_config){.message_entries_max = 4, .message_bytes_max = 100});
  core_propose_sized(&c, 1, 10);
  core_propose_sized(&c, 60, 3);
  core_propose_sized(&c, 500, 2);
  core_persist(&c);
  for (size_t i = 0; i < 100 && core_oblige(&c, 2) > 0; i++) {
    for (size_t k = 0; k < c.sent.count; k++) {
      const struct core_message *m = &c.sent.at[k];
      if (m->m.type != RAFT_APPEND || m->m.append.count == 0) {
        continue;
      }
      uint64_t bytes = 0;
      for (size_t e = 0; e < m->m.append.count; e++) {
        bytes += m->entries[e].size;
      }
      assert_true(m->m.append.count <= 4);
      assert_true(bytes <= 100 || m->m.append.count == 1);
    }
  }
  assert_int_equal(core_peer(&c, 2).match, 16);
  core_stop(&c);
}

/* Within one message's limits, a proposal of many entries is one append. */
static void proposal_of_many_is_one_append(void **state)
{
  (void)state;
  struct core c;
  start_leader(&c);
  core_propose_sized(&c, 16, 64);
  assert_int_equal(c.u.append.count, 64);
  assert_int_equal(core_sent_count(&c, RAFT_APPEND, 2), 1);
  assert_int_equal(core_must_send(&c, RAFT_APPEND, 2)->append.count, 64);
  core_stop(&c);
}

/* A full window keeps no heartbeat back. */
static void heartbeats_pass_a_full_window(void **state)
{
  (void)state;
  struct core c;
  start_leader_with(&c, (struct raft_config){.inflight_messages_max = 1});
  core_propose(&c, "a");
  core_propose(&c, "b");
  core_clear(&c);
  core_time(&c, HEARTBEAT);
  core_must_send(&c, RAFT_APPEND, 2);
  core_stop(&c);
}

/* A rejection in the middle of a pipeline (an append was lost) makes the leader probe, and then go on. */
static void loss_in_a_pipeline_is_repaired(void **state)
{
  (void)state;
  struct core c;
  start_leader(&c);
  for (int i = 0; i < 5; i++) {
    core_propose(&c, "a");
  }
  struct raft_message last = *core_must_send(&c, RAFT_APPEND, 2);
  core_clear(&c);
  core_reject(&c, &last, 1, 1); /* the first four never came */
  const struct raft_message *again = core_must_send(&c, RAFT_APPEND, 2);
  assert_int_equal(again->append.prev_index, 1);
  assert_true(again->append.count >= 1);
  core_oblige_all(&c);
  assert_int_equal(core_peer(&c, 2).match, 6);
  assert_int_equal(core_peer(&c, 2).progress, RAFT_REPLICATE);
  core_stop(&c);
}

/* ---- fast back-up ---- */

/* 5.3, end: a follower's rejection skips terms that it cannot share with the leader. The hint is never below where the logs agree, or
 * the leader would send more than it must, and always below what was asked. */
static void hint_skips_conflicting_terms(void **state)
{
  (void)state;
  static const struct {
    uint64_t prev_index;
    uint64_t prev_term;
    uint64_t agree; /* a place where the logs can agree at the latest */
  } cases[] = {
      {12, 6, 9},            /* the log ends at 9 */
      {9, 3, 5},             /* none of term 4 can be in a log that has term 3 at 9 */
      {9, 2, 5},  {9, 1, 2}, /* nor of terms 2 and 4 in one that has term 1 there */
      {5, 1, 2},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct core c;
    core_start_given(
        &c, &(struct core_given){.config = {.id = 1}, .configuration = voters_of(1, 2, 3), .term = 7, TERMS(1, 1, 2, 2, 2, 4, 4, 4, 4)});
    core_append_of(&c, .from = 2, .term = 7, .prev_index = cases[i].prev_index, .prev_term = cases[i].prev_term);
    const struct raft_message *m = core_must_send(&c, RAFT_APPENDED, 2);
    assert_true(m->appended.rejected);
    assert_true(m->appended.hint < cases[i].prev_index);
    assert_int_equal(m->appended.hint, cases[i].agree);
    assert_int_equal(m->appended.hint_term, cases[i].agree == 0 ? 0 : core_image_entry(&c.log, m->appended.hint)->term);
    core_stop(&c);
  }
}

/* 5.3, end: the leader uses the hint: its next append is at or before it, and skips its own entries of terms above the hint's. */
static void leader_skips_by_the_hint(void **state)
{
  (void)state;
  struct core c;
  core_start_given(&c, &(struct core_given){.config = {.id = 1}, .configuration = voters_of(1, 2, 3), TERMS(1, 1, 1, 3, 3, 3, 3, 5, 5, 6)});
  core_elect(&c);
  struct raft_message m = *core_must_send(&c, RAFT_APPEND, 2);
  assert_int_equal(m.append.prev_index, 10);
  core_clear(&c);
  core_reject(&c, &m, 7, 2); /* the follower has term 2 at 7: of terms 3 and later it has nothing up to there */
  m = *core_must_send(&c, RAFT_APPEND, 2);
  assert_int_equal(m.append.prev_index, 3);
  assert_int_equal(m.append.prev_term, 1);
  core_stop(&c);
}

/* 5.3, end: so it takes an append per conflicting term at most, and not one per entry, to find where the logs agree. */
static void back_up_takes_a_round_per_term(void **state)
{
  (void)state;
  enum {
    N = 1000
  };
  uint64_t leader_terms[N];
  uint64_t follower_terms[N];
  for (size_t i = 0; i < N; i++) { /* after 100 entries in common, runs of 100, of odd terms here and of even ones there */
    leader_terms[i] = i < 100 ? 1 : 2 * (i / 100) + 1;
    follower_terms[i] = i < 100 ? 1 : 2 * (i / 100);
  }
  static struct core leader;
  static struct core follower;
  core_start_given(&leader, &(struct core_given){
                                .config = {.id = 1}, .configuration = voters_of(1, 2, 3), .term = 30, .terms = leader_terms, .count = N});
  core_start_given(&follower,
                   &(struct core_given){.config = {.id = 2}, .configuration = voters_of(1, 2, 3), .terms = follower_terms, .count = N});
  core_elect(&leader);
  int rounds = 0;
  while (core_peer(&leader, 2).match < N + 1) {
    struct core_post asked = leader.sent;
    leader.sent = (struct core_post){0};
    for (size_t i = 0; i < asked.count; i++) {
      if (asked.at[i].m.to == 2) {
        core_deliver(&follower, &asked.at[i]);
      }
    }
    core_post_clear(&asked);
    for (size_t i = 0; i < follower.sent.count; i++) {
      core_deliver(&leader, &follower.sent.at[i]);
    }
    core_clear(&follower);
    assert_true(++rounds < 25);
  }
  for (uint64_t i = 1; i <= N; i++) {
    assert_int_equal(core_image_entry(&follower.log, i)->term, leader_terms[i - 1]);
  }
  core_stop(&leader);
  core_stop(&follower);
}

/* ---- the leader's own write ---- */

/* 10.2.1: a leader sends entries before they are durable in its own log ... */
static void leader_sends_while_it_writes(void **state)
{
  (void)state;
  struct core c;
  start_leader(&c);
  c.auto_persist = false;
  core_propose(&c, "a");
  assert_int_equal(core_status(&c).durable_index, 1);
  assert_int_equal(core_must_send(&c, RAFT_APPEND, 2)->append.count, 1);
  core_stop(&c);
}

/* ... and counts itself only when they are. */
static void leader_counts_its_own_write_when_it_is_durable(void **state)
{
  (void)state;
  struct core c;
  start_leader(&c);
  c.auto_persist = false;
  core_propose(&c, "a");
  core_oblige(&c, 2);
  assert_int_equal(core_status(&c).commit, 1);
  core_persist(&c);
  assert_int_equal(core_status(&c).commit, 2);
  core_stop(&c);
}

/* 10.2.1: a majority of the others commits without the leader's disk. */
static void followers_alone_can_commit(void **state)
{
  (void)state;
  struct core c;
  start_leader(&c);
  c.auto_persist = false;
  core_propose(&c, "a");
  core_oblige(&c, 2);
  core_oblige(&c, 3);
  assert_int_equal(core_status(&c).commit, 2);
  assert_int_equal(core_status(&c).durable_index, 1);
  core_stop(&c);
}

/* A follower acknowledges what is durable, and no more, as it becomes so. */
static void follower_acknowledges_as_its_writes_end(void **state)
{
  (void)state;
  struct core c;
  core_start_of(&c, 1, 1, 2, 3);
  core_append_of(&c, .from = 2, .term = 1);
  c.auto_persist = false;
  core_append_of(&c, .from = 2, .term = 1, TERMS(1, 1));
  uint64_t first = c.sequence;
  core_append_of(&c, .from = 2, .term = 1, .prev_index = 2, .prev_term = 1, TERMS(1, 1));
  core_clear(&c);
  core_append_of(&c, .from = 2, .term = 1, .prev_index = 4, .prev_term = 1); /* a heartbeat acknowledges nothing that is not durable */
  assert_false(core_acknowledged(&c, 1));
  core_must_send(&c, RAFT_APPENDED, 2); /* but it is answered, however slow the disk */
  core_persist_through(&c, first);
  assert_true(core_acknowledged(&c, 2));
  assert_false(core_acknowledged(&c, 3));
  core_persist(&c);
  assert_true(core_acknowledged(&c, 4));
  core_stop(&c);
}

/* ---- sessions and incarnations ---- */

/* Replies name the session of the append, the replier's incarnation, and the round. */
static void replies_name_session_incarnation_and_round(void **state)
{
  (void)state;
  struct core c;
  core_start_of(&c, 1, 1, 2, 3);
  core_append_of(&c, .from = 2, .term = 1, .session = 4711, .round = 42);
  const struct raft_message *m = core_must_send(&c, RAFT_APPENDED, 2);
  assert_int_equal(m->appended.session, 4711);
  assert_int_equal(m->appended.incarnation, c.config.incarnation);
  assert_int_equal(m->appended.round, 42);
  core_append_of(&c, .from = 2, .term = 1, .prev_index = 9, .prev_term = 1, .session = 4711, .round = 43);
  m = core_must_send(&c, RAFT_APPENDED, 2);
  assert_true(m->appended.rejected);
  assert_int_equal(m->appended.session, 4711);
  assert_int_equal(m->appended.round, 43);
  core_stop(&c);
}

/* A reply of another session counts for nothing. */
static void reply_of_another_session_is_ignored(void **state)
{
  (void)state;
  struct core c;
  start_leader(&c);
  core_propose(&c, "a");
  struct raft_message m = *core_must_send(&c, RAFT_APPEND, 2);
  m.append.session += 1;
  core_accept(&c, &m);
  assert_int_equal(core_peer(&c, 2).match, 1);
  assert_int_equal(core_status(&c).commit, 1);
  core_reject(&c, &m, 0, 0);
  assert_int_equal(core_peer(&c, 2).progress, RAFT_REPLICATE);
  core_stop(&c);
}

/* A member that has restarted has another incarnation: its dealings begin anew, with a session of their own. */
static void restarted_member_gets_a_new_session(void **state)
{
  (void)state;
  struct core c;
  start_leader(&c);
  core_propose(&c, "a");
  struct raft_message before = *core_must_send(&c, RAFT_APPEND, 2);
  struct raft_message reply = {.type = RAFT_APPENDED, .from = 2, .to = 1, .term = 1};
  reply.appended.session = before.append.session;
  reply.appended.incarnation = 999; /* not the one that has acknowledged so far */
  reply.appended.round = before.append.round;
  reply.appended.match = 2;
  core_clear(&c);
  core_receive(&c, &reply);
  if (core_sent(&c, RAFT_APPEND, 2) == NULL) {
    core_time(&c, HEARTBEAT);
  }
  struct raft_message after = *core_must_send(&c, RAFT_APPEND, 2);
  assert_int_not_equal(after.append.session, before.append.session);
  core_clear(&c);
  reply.appended.session = after.append.session;
  reply.appended.round = after.append.round;
  core_receive(&c, &reply);
  assert_int_equal(core_peer(&c, 2).match, 2);
  assert_int_equal(core_status(&c).commit, 2);
  core_stop(&c);
}

/* What was confirmed cannot be unconfirmed: a late rejection of something that has been acknowledged since is ignored. */
static void late_rejection_is_ignored(void **state)
{
  (void)state;
  struct core c;
  start_leader(&c);
  core_propose(&c, "a");
  core_propose(&c, "b");
  struct raft_message last = *core_must_send(&c, RAFT_APPEND, 2);
  core_accept(&c, &last);
  assert_int_equal(core_peer(&c, 2).match, 3);
  core_reject(&c, &last, 0, 0);
  assert_int_equal(core_peer(&c, 2).match, 3);
  assert_true(core_peer(&c, 2).next > 3);
  core_stop(&c);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(appends_are_pipelined),
      cmocka_unit_test(probing_sends_one_append_at_a_time),
      cmocka_unit_test(window_of_messages_is_kept),
      cmocka_unit_test(entries_behind_a_full_window_leave_together),
      cmocka_unit_test(acknowledgement_covers_what_came_before),
      cmocka_unit_test(window_of_bytes_is_kept),
      cmocka_unit_test(appends_are_split),
      cmocka_unit_test(proposal_of_many_is_one_append),
      cmocka_unit_test(heartbeats_pass_a_full_window),
      cmocka_unit_test(loss_in_a_pipeline_is_repaired),
      cmocka_unit_test(hint_skips_conflicting_terms),
      cmocka_unit_test(leader_skips_by_the_hint),
      cmocka_unit_test(back_up_takes_a_round_per_term),
      cmocka_unit_test(leader_sends_while_it_writes),
      cmocka_unit_test(leader_counts_its_own_write_when_it_is_durable),
      cmocka_unit_test(followers_alone_can_commit),
      cmocka_unit_test(follower_acknowledges_as_its_writes_end),
      cmocka_unit_test(replies_name_session_incarnation_and_round),
      cmocka_unit_test(reply_of_another_session_is_ignored),
      cmocka_unit_test(restarted_member_gets_a_new_session),
      cmocka_unit_test(late_rejection_is_ignored),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
