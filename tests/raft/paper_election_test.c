/* Figure 2 of the Raft paper, what it says about terms, votes and roles: a test per sentence. */
#include "raft/core.h"

/* A follower whose log ends in (2, term 2), in term 2. */
static void start_follower(struct core *c)
{
  core_start_given(c, &(struct core_given){.config = {.id = 1}, .configuration = voters_of(1, 2, 3), TERMS(1, 2)});
}

/* Lets every leader that this member may have heard of be long gone, so that only the rules of figure 2 are left. */
static void lose_leader(struct core *c)
{
  while (raft_role(c->r) == RAFT_FOLLOWER) {
    core_deadline(c);
  }
  core_clear(c);
}

/* ---- state ---- */

/* Persistent state: updated on stable storage before responding. A vote leaves only when it is durable. */
static void vote_is_durable_before_it_is_given(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  c.auto_persist = false;
  core_ask_of(&c, .from = 2, .term = 3, .last_index = 2, .last_term = 2);
  assert_true(c.u.append.hard);
  assert_int_equal(c.u.append.term, 3);
  assert_int_equal(c.u.append.vote, 2);
  assert_null(core_sent(&c, RAFT_VOTE, 2));
  assert_int_equal(core_status(&c).durable_vote, 0);
  core_persist(&c);
  assert_true(core_must_send(&c, RAFT_VOTE, 2)->vote.granted);
  assert_int_equal(core_status(&c).durable_vote, 2);
  core_stop(&c);
}

/* Persistent state: entries are durable before they are acknowledged. */
static void entries_are_durable_before_they_are_acknowledged(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  c.auto_persist = false;
  core_append_of(&c, .from = 2, .term = 2, .prev_index = 2, .prev_term = 2, TERMS(2, 2));
  assert_int_equal(c.u.append.count, 2);
  assert_false(core_acknowledged(&c, 3));
  core_persist(&c);
  assert_true(core_acknowledged(&c, 4));
  core_stop(&c);
}

/* Persistent state: a candidate's vote for itself is durable before it asks others. */
static void candidate_persists_its_own_vote_before_it_asks(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  c.auto_persist = false;
  core_deadline(&c);
  core_vote(&c, 2, 3, true, true);
  assert_int_equal(raft_role(c.r), RAFT_CANDIDATE);
  const struct raft_message *m = core_sent(&c, RAFT_REQUEST_VOTE, 2);
  assert_true(m == NULL || m->request_vote.pre);
  core_persist(&c);
  m = core_must_send(&c, RAFT_REQUEST_VOTE, 2);
  assert_false(m->request_vote.pre);
  assert_int_equal(core_status(&c).durable_vote, 1);
  core_stop(&c);
}

/* currentTerm begins at 0, votedFor at nobody, commitIndex at 0, on first boot. */
static void first_boot_begins_at_zero(void **state)
{
  (void)state;
  struct core c;
  core_start_of(&c, 1, 1, 2, 3);
  struct raft_status s = core_status(&c);
  assert_int_equal(s.role, RAFT_FOLLOWER);
  assert_int_equal(s.term, 0);
  assert_int_equal(s.vote, 0);
  assert_int_equal(s.leader, 0);
  assert_int_equal(s.commit, 0);
  assert_int_equal(s.last_index, 0);
  assert_int_equal(s.first_index, 1);
  core_stop(&c);
}

/* Persistent state is what a restart begins with; the commit index is volatile. */
static void restart_remembers_term_vote_and_log(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  core_append_of(&c, .from = 2, .term = 4, .prev_index = 2, .prev_term = 2, .commit = 3, TERMS(4));
  core_ask_of(&c, .from = 3, .term = 5, .last_index = 9, .last_term = 4, .transfer = true);
  core_crash(&c);
  core_restart(&c);
  struct raft_status s = core_status(&c);
  assert_int_equal(s.role, RAFT_FOLLOWER);
  assert_int_equal(s.term, 5);
  assert_int_equal(s.vote, 3);
  assert_int_equal(s.last_index, 3);
  assert_int_equal(s.last_term, 4);
  assert_int_equal(s.durable_index, 3);
  assert_int_equal(s.commit, 0);
  core_stop(&c);
}

/* ---- RequestVote ---- */

/* RequestVote 1: reply false if term < currentTerm. */
static void vote_of_an_earlier_term_is_refused(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  core_ask_of(&c, .from = 2, .term = 1, .last_index = 9, .last_term = 9);
  const struct raft_message *m = core_must_send(&c, RAFT_VOTE, 2);
  assert_false(m->vote.granted);
  assert_int_equal(m->term, 2);
  assert_int_equal(raft_term(c.r), 2);
  core_stop(&c);
}

/* RequestVote 2: granted if votedFor is nobody and the candidate's log is at least as up to date as the receiver's (5.4.1: the later last
 * term wins; of equal ones, the longer log). */
static void vote_goes_to_logs_that_are_up_to_date(void **state)
{
  (void)state;
  static const struct {
    uint64_t last_index;
    uint64_t last_term;
    bool granted;
  } cases[] = {
      {2, 2, true}, {3, 2, true}, {1, 3, true}, {1, 2, false}, {9, 1, false}, {0, 0, false},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct core c;
    start_follower(&c);
    core_ask_of(&c, .from = 2, .term = 3, .last_index = cases[i].last_index, .last_term = cases[i].last_term);
    const struct raft_message *m = core_must_send(&c, RAFT_VOTE, 2);
    assert_int_equal(m->vote.granted, cases[i].granted);
    assert_int_equal(m->term, 3);
    assert_int_equal(core_status(&c).vote, cases[i].granted ? 2 : 0);
    core_stop(&c);
  }
}

/* RequestVote 2: ... or votedFor is candidateId: the same answer to the same question. */
static void vote_is_repeated_to_the_same_candidate(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  for (int i = 0; i < 2; i++) {
    core_clear(&c);
    core_ask_of(&c, .from = 2, .term = 3, .last_index = 2, .last_term = 2);
    assert_true(core_must_send(&c, RAFT_VOTE, 2)->vote.granted);
  }
  core_stop(&c);
}

/* 5.2: at most one vote in a term, first come, first served. */
static void second_candidate_of_a_term_gets_no_vote(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  core_ask_of(&c, .from = 2, .term = 3, .last_index = 2, .last_term = 2);
  core_ask_of(&c, .from = 3, .term = 3, .last_index = 9, .last_term = 2);
  assert_false(core_must_send(&c, RAFT_VOTE, 3)->vote.granted);
  assert_int_equal(core_status(&c).vote, 2);
  core_stop(&c);
}

/* 5.2, over a restart: the one vote of a term is remembered. */
static void second_candidate_after_a_restart_gets_no_vote(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  core_ask_of(&c, .from = 2, .term = 3, .last_index = 2, .last_term = 2);
  core_crash(&c);
  core_restart(&c);
  core_ask_of(&c, .from = 3, .term = 3, .last_index = 9, .last_term = 2);
  assert_false(core_must_send(&c, RAFT_VOTE, 3)->vote.granted);
  core_ask_of(&c, .from = 2, .term = 3, .last_index = 2, .last_term = 2);
  assert_true(core_must_send(&c, RAFT_VOTE, 2)->vote.granted);
  core_stop(&c);
}

/* ---- all servers ---- */

/* All servers: a higher term in a request or a response makes a follower of that term. */
static void higher_term_makes_a_follower(void **state)
{
  (void)state;
  for (int kind = 0; kind < 3; kind++) {
    struct core c;
    core_start_of(&c, 1, 1, 2, 3);
    core_lead(&c);
    core_propose(&c, "a");
    if (kind == 0) {
      core_append_of(&c, .from = 2, .term = 7, .prev_index = 1, .prev_term = 1);
      assert_int_equal(raft_leader(c.r), 2);
    } else if (kind == 1) {
      struct raft_message m = *core_must_send(&c, RAFT_APPEND, 2);
      struct raft_message reply = {.type = RAFT_APPENDED, .from = 2, .to = 1, .term = 7};
      reply.appended.session = m.append.session;
      reply.appended.incarnation = core_incarnation_of(2);
      reply.appended.rejected = true;
      core_receive(&c, &reply);
    } else {
      core_ask_of(&c, .from = 2, .term = 7, .last_index = 9, .last_term = 6, .transfer = true);
    }
    assert_int_equal(raft_role(c.r), RAFT_FOLLOWER);
    assert_int_equal(raft_term(c.r), 7);
    assert_int_equal(core_status(&c).vote, kind == 2 ? 2 : 0);
    core_stop(&c);
  }
}

/* All servers: a candidate that learns of a higher term follows as well. */
static void candidate_with_an_earlier_term_follows(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  core_deadline(&c);
  core_vote(&c, 2, 3, true, true);
  assert_int_equal(raft_role(c.r), RAFT_CANDIDATE);
  core_vote(&c, 3, 8, false, false);
  assert_int_equal(raft_role(c.r), RAFT_FOLLOWER);
  assert_int_equal(raft_term(c.r), 8);
  assert_int_equal(core_status(&c).vote, 0);
  core_stop(&c);
}

/* ---- followers ---- */

/* Followers: respond to requests from candidates and leaders. */
static void follower_responds(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  core_ask_of(&c, .from = 3, .term = 3, .last_index = 2, .last_term = 2);
  core_must_send(&c, RAFT_VOTE, 3);
  core_append_of(&c, .from = 3, .term = 3, .prev_index = 2, .prev_term = 2);
  core_must_send(&c, RAFT_APPENDED, 3);
  core_stop(&c);
}

/* Followers: if the election timeout passes without a leader and without a vote given, become a candidate; 5.2: the timeouts are random,
 * here from one to two election timeouts. */
static void follower_campaigns_after_a_random_timeout(void **state)
{
  (void)state;
  uint64_t smallest = UINT64_MAX;
  uint64_t largest = 0;
  for (uint64_t seed = 1; seed <= 40; seed++) {
    struct core c;
    core_start_given(&c, &(struct core_given){.config = {.id = 1, .seed = seed * 7919}, .configuration = voters_of(1, 2, 3)});
    uint64_t begin = c.now;
    core_time(&c, TIMEOUT - 1);
    assert_int_equal(raft_role(c.r), RAFT_FOLLOWER);
    while (raft_role(c.r) == RAFT_FOLLOWER) {
      core_deadline(&c);
    }
    core_must_send(&c, RAFT_REQUEST_VOTE, 2);
    core_must_send(&c, RAFT_REQUEST_VOTE, 3);
    uint64_t waited = c.now - begin;
    assert_in_range(waited, TIMEOUT, 2 * TIMEOUT);
    smallest = waited < smallest ? waited : smallest;
    largest = waited > largest ? waited : largest;
    core_stop(&c);
  }
  assert_true(largest - smallest > TIMEOUT / 2); /* spread over the range, not around a point */
}

/* The same seed waits the same time: the core has no randomness of its own. */
static void timeouts_come_from_the_seed_alone(void **state)
{
  (void)state;
  uint64_t due[3];
  for (uint64_t i = 0; i < 3; i++) {
    struct core c;
    core_start_given(&c, &(struct core_given){.config = {.id = 1, .seed = i < 2 ? 5 : 6}, .configuration = voters_of(1, 2, 3)});
    due[i] = raft_deadline(c.r);
    core_stop(&c);
  }
  assert_int_equal(due[0], due[1]);
  assert_int_not_equal(due[0], due[2]);
}

/* Followers: hearing from the current leader, or granting a vote, starts the timeout anew. */
static void leader_and_granted_vote_restart_the_timeout(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  for (int i = 0; i < 20; i++) {
    core_time(&c, TIMEOUT - MS(1));
    core_append_of(&c, .from = 2, .term = 2, .prev_index = 2, .prev_term = 2);
    assert_int_equal(raft_role(c.r), RAFT_FOLLOWER);
  }
  core_time(&c, TIMEOUT - 1);
  core_ask_of(&c, .from = 3, .term = 3, .last_index = 2, .last_term = 2, .transfer = true);
  assert_int_equal(core_status(&c).vote, 3);
  core_time(&c, TIMEOUT - 1);
  assert_int_equal(raft_role(c.r), RAFT_FOLLOWER);
  core_stop(&c);
}

/* ... but neither an earlier term's leader nor a refused vote does. */
static void others_do_not_restart_the_timeout(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  for (int i = 0; i < 2 * 6 && raft_role(c.r) == RAFT_FOLLOWER; i++) {
    core_time(&c, MS(50));
    core_append_of(&c, .from = 2, .term = 1, .prev_index = 1, .prev_term = 1);
    core_ask_of(&c, .from = 3, .term = 2, .last_index = 0, .last_term = 0);
  }
  assert_int_not_equal(raft_role(c.r), RAFT_FOLLOWER);
  core_stop(&c);
}

/* ---- candidates ---- */

/* Candidates: on starting an election, increment the term, vote for oneself, reset the timer, ask all others. */
static void candidate_begins_an_election(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  core_deadline(&c);
  core_clear(&c);
  core_vote(&c, 2, 3, true, true);
  struct raft_status s = core_status(&c);
  assert_int_equal(s.role, RAFT_CANDIDATE);
  assert_int_equal(s.term, 3);
  assert_int_equal(s.vote, 1);
  for (uint64_t to = 2; to <= 3; to++) {
    const struct raft_message *m = core_must_send(&c, RAFT_REQUEST_VOTE, to);
    assert_int_equal(m->term, 3);
    assert_int_equal(m->request_vote.last_index, 2);
    assert_int_equal(m->request_vote.last_term, 2);
    assert_false(m->request_vote.pre);
    assert_false(m->request_vote.transfer);
  }
  assert_true(raft_deadline(c.r) > c.now);
  core_stop(&c);
}

/* Candidates: votes of a majority make a leader; 5.2: each server counts once. */
static void majority_of_votes_makes_a_leader(void **state)
{
  (void)state;
  struct core c;
  core_start_of(&c, 1, 1, 2, 3, 4, 5);
  lose_leader(&c);
  core_vote(&c, 2, 1, true, true);
  core_vote(&c, 3, 1, true, true);
  assert_int_equal(raft_role(c.r), RAFT_CANDIDATE);
  core_vote(&c, 2, 1, false, true);
  core_vote(&c, 2, 1, false, true);
  core_vote(&c, 4, 1, false, false);
  assert_int_equal(raft_role(c.r), RAFT_CANDIDATE);
  core_vote(&c, 5, 1, false, true);
  assert_int_equal(raft_role(c.r), RAFT_LEADER);
  assert_int_equal(raft_leader(c.r), 1);
  core_stop(&c);
}

/* Votes of another term, of a stranger and of the round before the election are none. */
static void votes_that_do_not_count(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  lose_leader(&c);
  core_vote(&c, 2, 3, true, true);
  assert_int_equal(raft_role(c.r), RAFT_CANDIDATE);
  core_vote(&c, 3, 3, true, true);  /* late, for the pre-vote */
  core_vote(&c, 3, 2, false, true); /* of an earlier term */
  core_vote(&c, 9, 3, false, true); /* of a stranger */
  assert_int_equal(raft_role(c.r), RAFT_CANDIDATE);
  core_vote(&c, 3, 3, false, true);
  assert_int_equal(raft_role(c.r), RAFT_LEADER);
  core_stop(&c);
}

/* Candidates: AppendEntries from a leader of this term makes a follower; the vote of the term stays. */
static void candidate_follows_the_leader_of_its_term(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  lose_leader(&c);
  core_vote(&c, 2, 3, true, true);
  assert_int_equal(raft_role(c.r), RAFT_CANDIDATE);
  core_append_of(&c, .from = 3, .term = 3, .prev_index = 2, .prev_term = 2);
  assert_int_equal(raft_role(c.r), RAFT_FOLLOWER);
  assert_int_equal(raft_leader(c.r), 3);
  assert_int_equal(raft_term(c.r), 3);
  assert_int_equal(core_status(&c).vote, 1);
  core_stop(&c);
}

/* 5.2: AppendEntries of an earlier term is refused and leaves a candidate what it is. */
static void candidate_refuses_a_leader_of_an_earlier_term(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  lose_leader(&c);
  core_vote(&c, 2, 3, true, true);
  core_append_of(&c, .from = 3, .term = 2, .prev_index = 2, .prev_term = 2);
  assert_int_equal(raft_role(c.r), RAFT_CANDIDATE);
  assert_int_equal(raft_term(c.r), 3);
  core_stop(&c);
}

/* Candidates: if the election timeout passes, start a new election: a split vote ends in a later term. */
static void split_vote_is_tried_again(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  lose_leader(&c);
  core_vote(&c, 2, 3, true, true);
  assert_int_equal(raft_role(c.r), RAFT_CANDIDATE);
  core_vote(&c, 2, 3, false, false);
  core_clear(&c);
  uint64_t begin = c.now;
  while (core_sent(&c, RAFT_REQUEST_VOTE, 2) == NULL) {
    core_deadline(&c);
    assert_true(c.now - begin <= 2 * TIMEOUT);
  }
  const struct raft_message *m = core_must_send(&c, RAFT_REQUEST_VOTE, 2);
  assert_int_equal(m->term, 4);
  core_vote(&c, 2, 4, true, true);
  core_vote(&c, 2, 4, false, true);
  assert_int_equal(raft_role(c.r), RAFT_LEADER);
  assert_int_equal(raft_term(c.r), 4);
  core_stop(&c);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(vote_is_durable_before_it_is_given),
      cmocka_unit_test(entries_are_durable_before_they_are_acknowledged),
      cmocka_unit_test(candidate_persists_its_own_vote_before_it_asks),
      cmocka_unit_test(first_boot_begins_at_zero),
      cmocka_unit_test(restart_remembers_term_vote_and_log),
      cmocka_unit_test(vote_of_an_earlier_term_is_refused),
      cmocka_unit_test(vote_goes_to_logs_that_are_up_to_date),
      cmocka_unit_test(vote_is_repeated_to_the_same_candidate),
      cmocka_unit_test(second_candidate_of_a_term_gets_no_vote),
      cmocka_unit_test(second_candidate_after_a_restart_gets_no_vote),
      cmocka_unit_test(higher_term_makes_a_follower),
      cmocka_unit_test(candidate_with_an_earlier_term_follows),
      cmocka_unit_test(follower_responds),
      cmocka_unit_test(follower_campaigns_after_a_random_timeout),
      cmocka_unit_test(timeouts_come_from_the_seed_alone),
      cmocka_unit_test(leader_and_granted_vote_restart_the_timeout),
      cmocka_unit_test(others_do_not_restart_the_timeout),
      cmocka_unit_test(candidate_begins_an_election),
      cmocka_unit_test(majority_of_votes_makes_a_leader),
      cmocka_unit_test(votes_that_do_not_count),
      cmocka_unit_test(candidate_follows_the_leader_of_its_term),
      cmocka_unit_test(candidate_refuses_a_leader_of_an_earlier_term),
      cmocka_unit_test(split_vote_is_tried_again),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
