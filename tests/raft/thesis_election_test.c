/* Elections where the core goes beyond figure 2: pre-vote (thesis 9.6), check-quorum (6.2), leader stickiness (4.2.3), transfer (3.10),
 * and groups of one and two voters. */
#include "raft/core.h"

static void start_follower(struct core *c)
{
  core_start_given(c, &(struct core_given){.config = {.id = 1}, .configuration = voters_of(1, 2, 3), TERMS(1, 2)});
}

static void start_leader(struct core *c)
{
  core_start_of(c, 1, 1, 2, 3);
  core_lead(c);
  core_clear(c);
}

/* ---- pre-vote ---- */

/* 9.6: a server that wants an election asks first whether it could win, in a term that it does not enter. */
static void pre_candidate_changes_neither_term_nor_vote(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  core_deadline(&c);
  struct raft_status s = core_status(&c);
  assert_int_equal(s.role, RAFT_PRE_CANDIDATE);
  assert_int_equal(s.term, 2);
  assert_int_equal(s.vote, 0);
  assert_int_equal(c.sequence, 0);
  const struct raft_message *m = core_must_send(&c, RAFT_REQUEST_VOTE, 2);
  assert_true(m->request_vote.pre);
  assert_int_equal(m->term, 3);
  assert_int_equal(m->request_vote.last_index, 2);
  assert_int_equal(m->request_vote.last_term, 2);
  core_stop(&c);
}

/* 9.6: only with a majority of such answers does it begin the election. */
static void pre_candidate_needs_a_majority(void **state)
{
  (void)state;
  struct core c;
  core_start_of(&c, 1, 1, 2, 3, 4, 5);
  core_deadline(&c);
  core_vote(&c, 2, 1, true, true);
  core_vote(&c, 2, 1, true, true);
  core_vote(&c, 3, 0, true, false);
  assert_int_equal(raft_role(c.r), RAFT_PRE_CANDIDATE);
  core_vote(&c, 4, 1, true, true);
  assert_int_equal(raft_role(c.r), RAFT_CANDIDATE);
  assert_int_equal(raft_term(c.r), 1);
  core_stop(&c);
}

/* 9.6: a member that cannot be elected does not raise the term, however long it tries. */
static void isolated_member_does_not_raise_its_term(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  for (int i = 0; i < 50; i++) {
    core_deadline(&c);
  }
  assert_int_equal(raft_term(c.r), 2);
  assert_int_equal(c.sequence, 0);
  assert_true(core_sent_count(&c, RAFT_REQUEST_VOTE, 2) > 5); /* it does try */
  core_stop(&c);
}

/* Granting a pre-vote promises nothing: it may be granted to many, and changes nothing. */
static void granting_a_pre_vote_changes_nothing(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  uint64_t due = raft_deadline(c.r);
  core_time(&c, MS(50));
  for (uint64_t from = 2; from <= 3; from++) {
    core_ask_of(&c, .from = from, .term = 3, .last_index = 2, .last_term = 2, .pre = true);
    const struct raft_message *m = core_must_send(&c, RAFT_VOTE, from);
    assert_true(m->vote.granted);
    assert_true(m->vote.pre);
    assert_int_equal(m->term, 3);
  }
  struct raft_status s = core_status(&c);
  assert_int_equal(s.term, 2);
  assert_int_equal(s.vote, 0);
  assert_int_equal(c.sequence, 0);
  assert_int_equal(raft_deadline(c.r), due);
  core_stop(&c);
}

/* 9.6: a pre-vote is granted if the log is up to date, as a vote would be ... */
static void pre_vote_needs_a_log_that_is_up_to_date(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  core_ask_of(&c, .from = 2, .term = 3, .last_index = 1, .last_term = 2, .pre = true);
  assert_false(core_must_send(&c, RAFT_VOTE, 2)->vote.granted);
  core_ask_of(&c, .from = 2, .term = 3, .last_index = 5, .last_term = 1, .pre = true);
  assert_false(core_must_send(&c, RAFT_VOTE, 2)->vote.granted);
  core_stop(&c);
}

/* ... and if no leader has been heard from for an election timeout. */
static void pre_vote_is_refused_while_there_is_a_leader(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  core_append_of(&c, .from = 2, .term = 2, .prev_index = 2, .prev_term = 2);
  core_time(&c, TIMEOUT - MS(1));
  core_ask_of(&c, .from = 3, .term = 3, .last_index = 2, .last_term = 2, .pre = true);
  const struct raft_message *m = core_sent(&c, RAFT_VOTE, 3);
  assert_true(m == NULL || !m->vote.granted);
  core_stop(&c);
}

/* ---- leader stickiness ---- */

/* 4.2.3: within an election timeout of hearing from a leader, a request for a vote moves neither term nor vote. */
static void follower_of_a_live_leader_ignores_candidates(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  core_append_of(&c, .from = 2, .term = 2, .prev_index = 2, .prev_term = 2);
  core_time(&c, TIMEOUT - MS(1));
  core_ask_of(&c, .from = 3, .term = 9, .last_index = 9, .last_term = 8);
  assert_int_equal(raft_term(c.r), 2);
  assert_int_equal(core_status(&c).vote, 0);
  const struct raft_message *m = core_sent(&c, RAFT_VOTE, 3);
  assert_true(m == NULL || !m->vote.granted);
  assert_int_equal(raft_leader(c.r), 2);
  core_stop(&c);
}

/* 4.2.3: after that it votes. */
static void follower_of_a_silent_leader_votes(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  core_append_of(&c, .from = 2, .term = 2, .prev_index = 2, .prev_term = 2);
  core_time(&c, TIMEOUT);
  core_clear(&c);
  core_ask_of(&c, .from = 3, .term = 9, .last_index = 9, .last_term = 8);
  assert_true(core_must_send(&c, RAFT_VOTE, 3)->vote.granted);
  core_stop(&c);
}

/* 4.2.3, 3.10: what the leader itself asked for is exempt. */
static void transfer_overrides_stickiness(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  core_append_of(&c, .from = 2, .term = 2, .prev_index = 2, .prev_term = 2);
  core_ask_of(&c, .from = 3, .term = 3, .last_index = 2, .last_term = 2, .transfer = true);
  assert_true(core_must_send(&c, RAFT_VOTE, 3)->vote.granted);
  assert_int_equal(raft_term(c.r), 3);
  core_stop(&c);
}

/* 4.2.3: a removed server that campaigns in ever higher terms does not depose a leader that hears from its majority. */
static void leader_with_a_majority_is_not_disrupted(void **state)
{
  (void)state;
  struct core c;
  start_leader(&c);
  for (uint64_t term = 5; term < 10; term++) {
    core_ask_of(&c, .from = 9, .term = term, .last_index = 90, .last_term = 4);
    core_ask_of(&c, .from = 3, .term = term, .last_index = 90, .last_term = 4);
    core_time(&c, HEARTBEAT);
    core_oblige(&c, 2);
    core_clear(&c);
  }
  assert_int_equal(raft_role(c.r), RAFT_LEADER);
  assert_int_equal(raft_term(c.r), 1);
  core_stop(&c);
}

/* ---- check-quorum ---- */

/* 6.2: a leader steps down if an election timeout passes without it hearing from a majority. */
static void leader_without_a_majority_steps_down(void **state)
{
  (void)state;
  struct core c;
  core_start_of(&c, 1, 1, 2, 3, 4, 5);
  core_lead(&c);
  uint64_t begin = c.now;
  while (raft_role(c.r) == RAFT_LEADER) {
    core_deadline(&c);
    core_oblige(&c, 2); /* one of four is not enough */
    core_clear(&c);
    assert_true(c.now - begin <= 2 * TIMEOUT);
  }
  assert_true(c.now - begin >= TIMEOUT);
  assert_int_equal(raft_role(c.r), RAFT_FOLLOWER);
  assert_int_equal(raft_leader(c.r), 0);
  assert_int_equal(raft_term(c.r), 1);
  assert_true(c.u.role_changed);
  assert_int_equal(core_propose(&c, "a"), ERROR_NOT_LEADER);
  core_stop(&c);
}

/* 6.2: with a majority it stays. */
static void leader_with_a_bare_majority_stays(void **state)
{
  (void)state;
  struct core c;
  core_start_of(&c, 1, 1, 2, 3, 4, 5);
  core_lead(&c);
  for (int i = 0; i < 40; i++) {
    core_time(&c, HEARTBEAT);
    core_oblige(&c, 2);
    core_oblige(&c, 4);
    core_clear(&c);
  }
  assert_int_equal(raft_role(c.r), RAFT_LEADER);
  core_stop(&c);
}

/* ---- transfer ---- */

/* 3.10: the leader tells the target to campaign at once if its log is complete. */
static void transfer_to_a_complete_log_is_immediate(void **state)
{
  (void)state;
  struct core c;
  start_leader(&c);
  assert_int_equal(core_transfer(&c, 2), 0);
  const struct raft_message *m = core_must_send(&c, RAFT_TIMEOUT_NOW, 2);
  assert_int_equal(m->term, 1);
  assert_int_equal(core_status(&c).transferee, 2);
  core_stop(&c);
}

/* 3.10: ... or else brings it up to date first, and takes no more commands meanwhile. */
static void transfer_waits_until_the_target_is_complete(void **state)
{
  (void)state;
  struct core c;
  start_leader(&c);
  core_propose(&c, "a");
  assert_int_equal(core_transfer(&c, 2), 0);
  assert_null(core_sent(&c, RAFT_TIMEOUT_NOW, 2));
  assert_int_equal(core_propose(&c, "b"), ERROR_BUSY);
  assert_int_equal(core_transfer(&c, 3), ERROR_BUSY);
  core_oblige(&c, 3);
  assert_null(core_sent(&c, RAFT_TIMEOUT_NOW, 2));
  core_oblige(&c, 2);
  core_must_send(&c, RAFT_TIMEOUT_NOW, 2);
  assert_null(core_sent(&c, RAFT_TIMEOUT_NOW, 3));
  core_stop(&c);
}

/* 3.10: if it has not worked out within an election timeout, the leader goes on. */
static void transfer_is_given_up_after_an_election_timeout(void **state)
{
  (void)state;
  struct core c;
  start_leader(&c);
  core_transfer(&c, 2);
  uint64_t begin = c.now;
  while (core_status(&c).transferee != 0) {
    assert_int_equal(core_propose(&c, "a"), ERROR_BUSY);
    core_time(&c, MS(50));
    core_oblige(&c, 3);
    assert_true(c.now - begin <= 2 * TIMEOUT);
  }
  assert_true(c.now - begin >= TIMEOUT);
  assert_int_equal(raft_role(c.r), RAFT_LEADER);
  assert_int_equal(core_propose(&c, "a"), 0);
  core_stop(&c);
}

/* Target 0 is the one that is furthest. */
static void transfer_to_anybody_takes_the_furthest(void **state)
{
  (void)state;
  struct core c;
  start_leader(&c);
  core_propose(&c, "a");
  core_oblige(&c, 3);
  core_transfer(&c, 0);
  assert_int_equal(core_status(&c).transferee, 3);
  core_must_send(&c, RAFT_TIMEOUT_NOW, 3);
  core_stop(&c);
}

/* Only another voter can lead, and only a leader can hand over. */
static void transfer_that_cannot_be(void **state)
{
  (void)state;
  struct core c;
  struct raft_configuration members = voters_of(1, 2, 3);
  raft_configuration_set(&members, 4, RAFT_LEARNER);
  core_start_given(&c, &(struct core_given){.config = {.id = 1}, .configuration = members});
  assert_int_equal(core_transfer(&c, 2), ERROR_NOT_LEADER);
  core_lead(&c);
  assert_int_equal(core_transfer(&c, 4), ERROR_NODE_NOT_FOUND);
  assert_int_equal(core_transfer(&c, 9), ERROR_NODE_NOT_FOUND);
  core_stop(&c);
}

/* 3.10: told to, a follower campaigns at once, without pre-vote, and says that the leader wants it. */
static void timeout_now_starts_an_election(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  core_append_of(&c, .from = 2, .term = 2, .prev_index = 2, .prev_term = 2);
  struct raft_message m = {.type = RAFT_TIMEOUT_NOW, .from = 2, .to = 1, .term = 2};
  core_receive(&c, &m);
  assert_int_equal(raft_role(c.r), RAFT_CANDIDATE);
  assert_int_equal(raft_term(c.r), 3);
  const struct raft_message *ask = core_must_send(&c, RAFT_REQUEST_VOTE, 3);
  assert_false(ask->request_vote.pre);
  assert_true(ask->request_vote.transfer);
  core_must_send(&c, RAFT_REQUEST_VOTE, 2);
  core_stop(&c);
}

/* One that was told in an earlier term does not. */
static void late_timeout_now_is_ignored(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  struct raft_message m = {.type = RAFT_TIMEOUT_NOW, .from = 2, .to = 1, .term = 1};
  core_receive(&c, &m);
  assert_int_equal(raft_role(c.r), RAFT_FOLLOWER);
  assert_int_equal(raft_term(c.r), 2);
  core_stop(&c);
}

/* ---- one voter, two voters, no vote ---- */

/* A group of one elects itself and commits what is durable, not before. */
static void single_voter_commits_only_what_is_durable(void **state)
{
  (void)state;
  struct core c;
  core_start_of(&c, 1, 1);
  c.auto_persist = false;
  core_elect(&c);
  assert_int_equal(core_status(&c).commit, 0);
  core_persist(&c);
  assert_int_equal(core_status(&c).commit, 1);
  core_propose(&c, "a");
  uint64_t a = c.sequence;
  core_propose(&c, "b");
  assert_int_equal(core_status(&c).commit, 1);
  core_persist_through(&c, a);
  assert_int_equal(core_status(&c).commit, 2);
  core_persist(&c);
  assert_int_equal(core_status(&c).commit, 3);
  for (int i = 0; i < 20; i++) { /* and it never loses its majority */
    core_deadline(&c);
  }
  assert_int_equal(raft_role(c.r), RAFT_LEADER);
  core_stop(&c);
}

/* It leads a term only when it cannot forget that it does: or two of its lives could lead in the same one. */
static void single_voter_leads_when_its_vote_is_durable(void **state)
{
  (void)state;
  struct core c;
  core_start_of(&c, 1, 1);
  c.auto_persist = false;
  while (raft_term(c.r) == 0) {
    core_deadline(&c);
  }
  assert_int_equal(raft_role(c.r), RAFT_CANDIDATE);
  core_persist(&c);
  assert_int_equal(raft_role(c.r), RAFT_LEADER);
  assert_int_equal(raft_term(c.r), 1);
  core_stop(&c);
}

/* In a group of two, both are the majority. */
static void two_voters_need_each_other(void **state)
{
  (void)state;
  struct core c;
  core_start_of(&c, 1, 1, 2);
  core_deadline(&c);
  assert_int_equal(raft_role(c.r), RAFT_PRE_CANDIDATE);
  core_vote(&c, 2, 1, true, true);
  assert_int_equal(raft_role(c.r), RAFT_CANDIDATE);
  core_vote(&c, 2, 1, false, true);
  assert_int_equal(raft_role(c.r), RAFT_LEADER);
  core_persist(&c);
  assert_int_equal(core_status(&c).commit, 0);
  core_oblige_all(&c);
  assert_int_equal(core_status(&c).commit, 1);
  for (int i = 0; i < 20 && raft_role(c.r) == RAFT_LEADER; i++) {
    core_deadline(&c);
  }
  assert_int_equal(raft_role(c.r), RAFT_FOLLOWER);
  core_stop(&c);
}

/* Learners and members that are to be added never campaign (thesis 4.2.1). */
static void who_has_no_vote_never_campaigns(void **state)
{
  (void)state;
  struct raft_configuration members = voters_of(2, 3);
  raft_configuration_set(&members, 1, RAFT_LEARNER);
  struct raft_configuration none = {0};
  struct raft_configuration others = voters_of(2, 3);
  const struct raft_configuration *cases[] = {&members, &none, &others};
  for (size_t i = 0; i < 3; i++) {
    struct core c;
    core_start_given(&c, &(struct core_given){.config = {.id = 1}, .configuration = *cases[i]});
    for (int k = 0; k < 20; k++) {
      core_time(&c, TIMEOUT);
    }
    assert_int_equal(raft_role(c.r), RAFT_FOLLOWER);
    assert_int_equal(c.sent.count, 0);
    core_stop(&c);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(pre_candidate_changes_neither_term_nor_vote),
      cmocka_unit_test(pre_candidate_needs_a_majority),
      cmocka_unit_test(isolated_member_does_not_raise_its_term),
      cmocka_unit_test(granting_a_pre_vote_changes_nothing),
      cmocka_unit_test(pre_vote_needs_a_log_that_is_up_to_date),
      cmocka_unit_test(pre_vote_is_refused_while_there_is_a_leader),
      cmocka_unit_test(follower_of_a_live_leader_ignores_candidates),
      cmocka_unit_test(follower_of_a_silent_leader_votes),
      cmocka_unit_test(transfer_overrides_stickiness),
      cmocka_unit_test(leader_with_a_majority_is_not_disrupted),
      cmocka_unit_test(leader_without_a_majority_steps_down),
      cmocka_unit_test(leader_with_a_bare_majority_stays),
      cmocka_unit_test(transfer_to_a_complete_log_is_immediate),
      cmocka_unit_test(transfer_waits_until_the_target_is_complete),
      cmocka_unit_test(transfer_is_given_up_after_an_election_timeout),
      cmocka_unit_test(transfer_to_anybody_takes_the_furthest),
      cmocka_unit_test(transfer_that_cannot_be),
      cmocka_unit_test(timeout_now_starts_an_election),
      cmocka_unit_test(late_timeout_now_is_ignored),
      cmocka_unit_test(single_voter_commits_only_what_is_durable),
      cmocka_unit_test(single_voter_leads_when_its_vote_is_durable),
      cmocka_unit_test(two_voters_need_each_other),
      cmocka_unit_test(who_has_no_vote_never_campaigns),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
