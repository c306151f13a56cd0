/* Figure 2 of the Raft paper, what it says about the log: AppendEntries at its receiver, and the leader. A test per sentence. */
#include "raft/core.h"

/* Its log: terms 1 1 2 3, in term 3; the leader is 2. */
static void start_follower(struct core *c)
{
  core_start_given(c, &(struct core_given){.config = {.id = 1}, .configuration = voters_of(1, 2, 3), TERMS(1, 1, 2, 3)});
}

static void start_leader(struct core *c)
{
  core_start_of(c, 1, 1, 2, 3);
  core_lead(c);
  core_clear(c);
}

static void expect_terms(const struct core *c, const uint64_t *terms, size_t count)
{
  assert_int_equal(core_image_last(&c->log), count);
  for (size_t i = 0; i < count; i++) {
    assert_int_equal(core_image_entry(&c->log, i + 1)->term, terms[i]);
  }
}
#define expect_log(c, ...) expect_terms(c, (const uint64_t[]){__VA_ARGS__}, sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

/* ---- AppendEntries, at the receiver ---- */

/* AppendEntries 1: reply false if term < currentTerm. */
static void append_of_an_earlier_term_is_refused(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  core_append_of(&c, .from = 2, .term = 2, .prev_index = 4, .prev_term = 3, TERMS(2));
  const struct raft_message *m = core_must_send(&c, RAFT_APPENDED, 2);
  assert_true(m->appended.rejected);
  assert_int_equal(m->term, 3);
  assert_int_equal(raft_leader(c.r), 0);
  expect_log(&c, 1, 1, 2, 3);
  core_stop(&c);
}

/* AppendEntries 2: reply false if the log has no entry at prevLogIndex with prevLogTerm: the log is too short, or has another one. */
static void append_after_an_entry_that_is_not_there_is_refused(void **state)
{
  (void)state;
  static const struct {
    uint64_t prev_index;
    uint64_t prev_term;
  } cases[] = {{9, 3}, {5, 3}, {4, 2}, {3, 3}};
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct core c;
    start_follower(&c);
    core_append_of(&c, .from = 2, .term = 3, .prev_index = cases[i].prev_index, .prev_term = cases[i].prev_term, .commit = 4, TERMS(3));
    const struct raft_message *m = core_must_send(&c, RAFT_APPENDED, 2);
    assert_true(m->appended.rejected);
    assert_true(m->appended.hint < cases[i].prev_index);
    assert_int_equal(core_status(&c).commit, 0);
    assert_int_equal(raft_leader(c.r), 2);
    core_stop(&c);
  }
}

/* AppendEntries 3: an entry that conflicts with a new one (same index, other term) goes, and all that follow it. */
static void conflicting_entries_are_deleted(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  core_append_of(&c, .from = 2, .term = 4, .prev_index = 2, .prev_term = 1, TERMS(4));
  assert_int_equal(c.u.append.truncate_from, 3);
  expect_log(&c, 1, 1, 4);
  assert_true(core_acknowledged(&c, 3));
  assert_false(core_acknowledged(&c, 4));
  core_stop(&c);
}

/* AppendEntries 3, reversed: entries that do not conflict stay, also those behind the new ones. */
static void matching_entries_are_kept(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  core_append_of(&c, .from = 2, .term = 3, .prev_index = 1, .prev_term = 1, TERMS(1));
  assert_int_equal(c.u.append.truncate_from, 0);
  assert_int_equal(c.u.append.count, 0);
  expect_log(&c, 1, 1, 2, 3);
  assert_true(core_acknowledged(&c, 2));
  assert_false(core_acknowledged(&c, 3)); /* what follows is not known to be the leader's */
  core_stop(&c);
}

/* AppendEntries 4: append any new entries that are not in the log already. */
static void only_new_entries_are_appended(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  core_append_of(&c, .from = 2, .term = 3, .prev_index = 2, .prev_term = 1, TERMS(2, 3, 3, 3));
  assert_int_equal(c.u.append.first, 5);
  assert_int_equal(c.u.append.count, 2);
  assert_int_equal(c.u.append.skip, 2);
  expect_log(&c, 1, 1, 2, 3, 3, 3);
  assert_true(core_acknowledged(&c, 6));
  core_stop(&c);
}

/* 5.3: sending an AppendEntries again does no harm. */
static void append_is_idempotent(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  for (int i = 0; i < 3; i++) {
    core_clear(&c);
    core_append_of(&c, .from = 2, .term = 4, .prev_index = 2, .prev_term = 1, TERMS(3, 4));
    expect_log(&c, 1, 1, 3, 4);
    assert_true(core_acknowledged(&c, 4));
  }
  core_stop(&c);
}

/* AppendEntries 5: commitIndex becomes min(leaderCommit, index of the last new entry). */
static void commit_follows_the_leader_up_to_the_last_new_entry(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  core_append_of(&c, .from = 2, .term = 4, .prev_index = 1, .prev_term = 1, .commit = 4);
  assert_int_equal(core_status(&c).commit, 1); /* entries 2 to 4 are not known to be the leader's */
  core_append_of(&c, .from = 2, .term = 4, .prev_index = 1, .prev_term = 1, .commit = 2, TERMS(1, 2));
  assert_int_equal(core_status(&c).commit, 2);
  assert_int_equal(c.u.commit, 2);
  core_append_of(&c, .from = 2, .term = 4, .prev_index = 3, .prev_term = 2, .commit = 9, TERMS(3, 4));
  assert_int_equal(core_status(&c).commit, 5);
  core_stop(&c);
}

/* AppendEntries 5: only if leaderCommit > commitIndex; it never moves back. */
static void commit_never_moves_back(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  core_append_of(&c, .from = 2, .term = 4, .prev_index = 4, .prev_term = 3, .commit = 4);
  core_append_of(&c, .from = 2, .term = 4, .prev_index = 4, .prev_term = 3, .commit = 2);
  assert_int_equal(core_status(&c).commit, 4);
  assert_int_equal(c.error, 0);
  core_stop(&c);
}

/* All servers: what is committed is applied, here, once it is durable here as well: update.commit may be ahead of the disk. */
static void commit_is_told_with_every_step(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  c.auto_persist = false;
  core_append_of(&c, .from = 2, .term = 3, .prev_index = 4, .prev_term = 3, .commit = 5, TERMS(3));
  assert_int_equal(core_status(&c).durable_index, 4);
  assert_true(c.u.commit >= 4);
  core_persist(&c);
  assert_int_equal(c.u.commit, 5);
  assert_int_equal(core_status(&c).durable_index, 5);
  core_stop(&c);
}

/* A follower learns who leads from AppendEntries (figure 2: leaderId). */
static void follower_knows_its_leader(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  assert_int_equal(raft_leader(c.r), 0);
  core_append_of(&c, .from = 3, .term = 3, .prev_index = 4, .prev_term = 3);
  assert_int_equal(raft_leader(c.r), 3);
  assert_true(c.u.role_changed);
  core_append_of(&c, .from = 3, .term = 3, .prev_index = 4, .prev_term = 3);
  assert_false(c.u.role_changed);
  core_stop(&c);
}

/* ---- leaders ---- */

/* Leaders: upon election, AppendEntries to each server; 8: beginning with a no-op of the term. nextIndex begins at the index after the last
 * entry of the log that the leader was elected with, matchIndex at 0. */
static void new_leader_makes_itself_known(void **state)
{
  (void)state;
  struct core c;
  core_start_given(&c, &(struct core_given){.config = {.id = 1}, .configuration = voters_of(1, 2, 3), TERMS(1, 1, 2)});
  core_elect(&c);
  const struct core_entry *noop = core_image_entry(&c.log, 4);
  assert_non_null(noop);
  assert_int_equal(noop->type, RAFT_NOOP);
  assert_int_equal(noop->term, 3);
  assert_int_equal(noop->size, 0);
  for (uint64_t to = 2; to <= 3; to++) {
    const struct raft_message *m = core_must_send(&c, RAFT_APPEND, to);
    assert_int_equal(m->term, 3);
    assert_int_equal(m->append.prev_index, 3);
    assert_int_equal(m->append.prev_term, 2);
    assert_int_equal(m->append.commit, 0);
    assert_null(m->append.entries);
    assert_int_equal(core_peer(&c, to).match, 0);
  }
  core_stop(&c);
}

/* Leaders: ... and repeat during idle periods, to prevent election timeouts. */
static void leader_sends_heartbeats(void **state)
{
  (void)state;
  struct core c;
  start_leader(&c);
  for (int i = 0; i < 10; i++) {
    core_clear(&c);
    assert_true(raft_deadline(c.r) <= c.now + HEARTBEAT);
    core_time(&c, HEARTBEAT);
    for (uint64_t to = 2; to <= 3; to++) {
      assert_int_equal(core_must_send(&c, RAFT_APPEND, to)->append.count, 0);
    }
    core_oblige_all(&c);
  }
  assert_int_equal(raft_role(c.r), RAFT_LEADER);
  core_stop(&c);
}

/* Leaders: a command from a client becomes an entry, is sent, and is answered after it is applied: it is committed when a majority has it.
 */
static void command_is_appended_sent_and_committed(void **state)
{
  (void)state;
  struct core c;
  start_leader(&c);
  assert_int_equal(core_propose(&c, "a"), 0);
  assert_int_equal(core_image_entry(&c.log, 2)->term, 1);
  assert_int_equal(core_image_entry(&c.log, 2)->type, RAFT_COMMAND);
  for (uint64_t to = 2; to <= 3; to++) {
    const struct raft_message *m = core_must_send(&c, RAFT_APPEND, to);
    assert_int_equal(m->append.prev_index, 1);
    assert_int_equal(m->append.count, 1);
  }
  assert_int_equal(core_status(&c).commit, 1);
  core_oblige(&c, 3);
  assert_int_equal(core_status(&c).commit, 2);
  assert_int_equal(c.u.commit, 2);
  core_stop(&c);
}

/* 5.3: once committed, the next AppendEntries tells the followers. */
static void commit_is_passed_on(void **state)
{
  (void)state;
  struct core c;
  start_leader(&c);
  core_propose(&c, "a");
  core_oblige(&c, 2);
  core_oblige(&c, 3);
  if (core_sent(&c, RAFT_APPEND, 3) == NULL || core_sent(&c, RAFT_APPEND, 3)->append.commit < 2) {
    core_time(&c, HEARTBEAT);
  }
  assert_int_equal(core_must_send(&c, RAFT_APPEND, 3)->append.commit, 2);
  core_stop(&c);
}

/* Whoever does not lead takes no commands. */
static void follower_refuses_commands(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  assert_int_equal(core_propose(&c, "a"), ERROR_NOT_LEADER);
  core_deadline(&c);
  assert_int_equal(core_propose(&c, "a"), ERROR_NOT_LEADER);
  expect_log(&c, 1, 1, 2, 3);
  core_stop(&c);
}

/* Leaders: success moves nextIndex and matchIndex. */
static void success_moves_progress(void **state)
{
  (void)state;
  struct core c;
  start_leader(&c);
  core_propose(&c, "a");
  core_propose(&c, "b");
  assert_int_equal(core_peer(&c, 2).match, 1);
  core_oblige(&c, 2);
  assert_int_equal(core_peer(&c, 2).match, 3);
  assert_int_equal(core_peer(&c, 2).next, 4);
  assert_int_equal(core_peer(&c, 3).match, 1);
  core_stop(&c);
}

/* Leaders: failure because of inconsistency: move nextIndex back and retry, until the logs agree; the follower has then what the leader
 * has. */
static void failure_moves_next_back_until_the_logs_agree(void **state)
{
  (void)state;
  struct core c;
  core_start_given(&c, &(struct core_given){.config = {.id = 1}, .configuration = voters_of(1, 2, 3), TERMS(1, 1, 1, 1)});
  core_elect(&c);
  for (uint64_t have = 2;; have = 1) { /* a follower with one entry that the leader has, and then one that it has not */
    struct raft_message m = *core_must_send(&c, RAFT_APPEND, 2);
    core_clear(&c);
    if (m.append.prev_index <= 1) {
      assert_int_equal(m.append.prev_term, m.append.prev_index);
      assert_int_equal(m.append.count, 5 - m.append.prev_index);
      core_accept(&c, &m);
      break;
    }
    core_reject(&c, &m, have, 1);
  }
  assert_int_equal(core_peer(&c, 2).match, 5);
  assert_int_equal(core_status(&c).commit, 5);
  core_stop(&c);
}

/* Leaders retry for ever: a follower that lost what was sent gets it again. */
static void lost_entries_are_sent_again(void **state)
{
  (void)state;
  struct core c;
  start_leader(&c);
  core_propose(&c, "a");
  core_clear(&c); /* lost */
  bool again = false;
  for (int i = 0; i < 20 && !again; i++) {
    core_oblige(&c, 3);
    core_time(&c, HEARTBEAT);
    const struct raft_message *m = core_sent(&c, RAFT_APPEND, 2);
    if (m != NULL) {
      struct raft_message copy = *m;
      core_clear(&c);
      if (copy.append.prev_index > 1) {
        core_reject(&c, &copy, 1, 1);
        m = core_sent(&c, RAFT_APPEND, 2);
        again = m != NULL && m->append.prev_index == 1 && m->append.count >= 1;
      } else if (copy.append.count >= 1) {
        again = true;
      } else {
        core_accept(&c, &copy);
      }
    }
  }
  assert_true(again);
  core_stop(&c);
}

/* Leaders: N > commitIndex that a majority's matchIndex has reached, with the entry of the current term, becomes commitIndex. */
static void majority_commits(void **state)
{
  (void)state;
  struct core c;
  core_start_of(&c, 1, 1, 2, 3, 4, 5);
  core_lead(&c);
  core_clear(&c);
  core_propose(&c, "a");
  core_oblige(&c, 2);
  assert_int_equal(core_status(&c).commit, 1);
  core_oblige(&c, 2);
  assert_int_equal(core_status(&c).commit, 1);
  core_oblige(&c, 4);
  assert_int_equal(core_status(&c).commit, 2);
  core_stop(&c);
}

/* 5.4.2: an entry of an earlier term is never committed by counting; it is with the first entry of the current one (figure 8). */
static void earlier_terms_commit_only_through_an_entry_of_the_current_one(void **state)
{
  (void)state;
  struct core c;
  core_start_given(&c, &(struct core_given){.config = {.id = 1}, .configuration = voters_of(1, 2, 3), TERMS(1, 2, 2)});
  core_elect(&c);
  struct raft_message m = *core_must_send(&c, RAFT_APPEND, 2);
  struct raft_message reply = {.type = RAFT_APPENDED, .from = 2, .to = 1, .term = 3};
  reply.appended.session = m.append.session;
  reply.appended.incarnation = core_incarnation_of(2);
  reply.appended.round = m.append.round;
  reply.appended.match = 3; /* entries of term 2 are on a majority now */
  core_receive(&c, &reply);
  assert_int_equal(core_status(&c).commit, 0);
  reply.appended.match = 4; /* and the no-op of term 3 */
  core_receive(&c, &reply);
  assert_int_equal(core_status(&c).commit, 4);
  core_stop(&c);
}

/* Leader append-only (figure 3): whatever it receives, a leader neither overwrites nor deletes entries of its log. */
static void leader_appends_only(void **state)
{
  (void)state;
  struct core c;
  start_leader(&c);
  core_propose(&c, "a");
  core_append_of(&c, .from = 2, .term = 0, .prev_index = 0, .prev_term = 0, TERMS(0));
  assert_int_equal(c.u.append.sequence, 0);
  expect_log(&c, 1, 1);
  assert_int_equal(raft_role(c.r), RAFT_LEADER);
  core_stop(&c);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(append_of_an_earlier_term_is_refused),
      cmocka_unit_test(append_after_an_entry_that_is_not_there_is_refused),
      cmocka_unit_test(conflicting_entries_are_deleted),
      cmocka_unit_test(matching_entries_are_kept),
      cmocka_unit_test(only_new_entries_are_appended),
      cmocka_unit_test(append_is_idempotent),
      cmocka_unit_test(commit_follows_the_leader_up_to_the_last_new_entry),
      cmocka_unit_test(commit_never_moves_back),
      cmocka_unit_test(commit_is_told_with_every_step),
      cmocka_unit_test(follower_knows_its_leader),
      cmocka_unit_test(new_leader_makes_itself_known),
      cmocka_unit_test(leader_sends_heartbeats),
      cmocka_unit_test(command_is_appended_sent_and_committed),
      cmocka_unit_test(commit_is_passed_on),
      cmocka_unit_test(follower_refuses_commands),
      cmocka_unit_test(success_moves_progress),
      cmocka_unit_test(failure_moves_next_back_until_the_logs_agree),
      cmocka_unit_test(lost_entries_are_sent_again),
      cmocka_unit_test(majority_commits),
      cmocka_unit_test(earlier_terms_commit_only_through_an_entry_of_the_current_one),
      cmocka_unit_test(leader_appends_only),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
