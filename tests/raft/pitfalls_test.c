/* Bugs that Raft implementations have had, each as a test whose name says what must not happen. */
#include "base/prng.h"
#include "raft/core.h"

static void start_leader(struct core *c)
{
  core_start_of(c, 1, 1, 2, 3);
  core_lead(c);
  core_clear(c);
}

/* ---- commitment ---- */

/* Counting replicas of an older term's entry: figure 8. Not even the leader's own durable copy is the one that tips it. */
static void test_entry_of_an_old_term_is_not_committed_by_counting(void **state)
{
  (void)state;
  struct core c;
  core_start_given(&c, &(struct core_given){.config = {.id = 1}, .configuration = voters_of(1, 2, 3, 4, 5), .term = 3, TERMS(1, 2)});
  c.auto_persist = false;
  core_elect(&c);
  assert_int_equal(raft_term(c.r), 4);
  for (uint64_t id = 2; id <= 5; id++) {
    struct raft_message m = *core_must_send(&c, RAFT_APPEND, id);
    m.append.count = 0; /* they have entries 1 and 2, and not the no-op */
    core_accept(&c, &m);
    assert_int_equal(core_status(&c).commit, 0);
  }
  core_persist(&c);
  assert_int_equal(core_status(&c).commit, 0);
  core_oblige_all(&c);
  assert_int_equal(core_status(&c).commit, 3);
  core_stop(&c);
}

/* A change of members by a leader that has committed nothing of its term can lose what an earlier leader committed. */
static void test_change_before_a_commit_of_the_term_is_refused(void **state)
{
  (void)state;
  struct core c;
  core_start_given(&c, &(struct core_given){.config = {.id = 1}, .configuration = voters_of(1, 2, 3, 4), TERMS(1, 1)});
  core_elect(&c);
  struct raft_configuration members = voters_of(1, 2, 3);
  assert_int_equal(core_change(&c, &members), ERROR_BUSY);
  assert_int_equal(core_status(&c).last_index, 3);
  core_oblige(&c, 2); /* two of four */
  assert_int_equal(core_change(&c, &members), ERROR_BUSY);
  core_stop(&c);
}

/* A commit index beyond the log's end: the leader's is ahead of what this append brings. */
static void test_commit_does_not_pass_the_end_of_the_log(void **state)
{
  (void)state;
  struct core c;
  core_start_of(&c, 1, 1, 2, 3);
  core_append_of(&c, .from = 2, .term = 1, .prev_index = 0, .prev_term = 0, .commit = 50, TERMS(1, 1));
  assert_int_equal(core_status(&c).commit, 2);
  core_append_of(&c, .from = 2, .term = 1, .prev_index = 2, .prev_term = 1, .commit = 50);
  assert_int_equal(core_status(&c).commit, 2);
  core_stop(&c);
}

/* Progress kept in an order of its own that a change of members breaks: commitment without a majority. Acknowledgements in random order
 * are compared with counting, in plain and in joint configurations. */
static bool majority_has(const struct raft_configuration *c, uint8_t voice, const uint64_t *match, uint64_t index)
{
  size_t voters = 0;
  size_t have = 0;
  for (size_t i = 0; i < c->count; i++) {
    if (c->members[i].voice & voice) {
      voters++;
      have += match[c->members[i].id] >= index;
    }
  }
  return voters == 0 || have > voters / 2;
}

static void expect_commit_by_counting(struct core *c, const uint64_t *match)
{
  const struct raft_configuration *members = raft_configuration(c->r);
  uint64_t counted = 0;
  for (uint64_t i = 1; i <= core_status(c).last_index; i++) {
    if (majority_has(members, RAFT_VOTER, match, i) && majority_has(members, RAFT_OLD_VOTER, match, i)) {
      counted = i;
    }
  }
  if (counted > 0 && core_image_entry(&c->log, counted)->term != raft_term(c->r)) {
    counted = 0;
  }
  assert_int_equal(core_status(c).commit, counted);
}

static void test_commit_is_what_counting_gives(void **state)
{
  (void)state;
  for (uint64_t seed = 0; seed < 60; seed++) {
    struct prng p;
    prng_init(&p, seed);
    struct raft_configuration members = {0};
    bool joint = seed % 2 == 1;
    for (uint64_t id = 1; id <= 7; id++) {
      uint8_t voice = joint ? (uint8_t)(1 + prng_below(&p, 3)) : RAFT_VOTER;
      raft_configuration_set(&members, id, id == 1 && joint ? RAFT_VOTER | RAFT_OLD_VOTER : voice);
    }
    struct core c;
    core_start_given(
        &c, &(struct core_given){.config = {.id = 1}, .configuration = voters_of(1, 2, 3, 4, 5), TERMS(1, 1), .appended = &members});
    core_elect(&c);
    uint64_t match[8] = {0};
    match[1] = core_status(&c).durable_index;
    core_clear(&c);
    while (core_status(&c).commit < 4) { /* the no-op; then a joint configuration ends, and the game is over */
      uint64_t id = 2 + prng_below(&p, 6);
      core_time(&c, MS(5));
      const struct raft_message *m = core_sent(&c, RAFT_APPEND, id);
      if (m != NULL) {
        struct raft_message copy = *m;
        uint64_t upto = copy.append.prev_index + copy.append.count;
        core_accept(&c, &copy);
        match[id] = upto > match[id] ? upto : match[id];
        if (core_status(&c).commit < 4) {
          assert_int_equal(core_peer(&c, id).match, match[id]);
          expect_commit_by_counting(&c, match);
        } else {
          assert_true(majority_has(&members, RAFT_VOTER, match, 4) && majority_has(&members, RAFT_OLD_VOTER, match, 4));
        }
      }
      assert_int_equal(raft_role(c.r), RAFT_LEADER);
    }
    core_stop(&c);
  }
}

/* ---- durability ---- */

/* Answering before term and vote are durable: two votes in one term after a crash in between. */
static void test_vote_that_was_lost_in_a_crash_was_never_given(void **state)
{
  (void)state;
  struct core c;
  core_start_of(&c, 1, 1, 2, 3);
  c.auto_persist = false;
  core_ask_of(&c, .from = 2, .term = 1);
  assert_null(core_sent(&c, RAFT_VOTE, 2));
  core_crash(&c);
  core_restart(&c);
  assert_int_equal(core_status(&c).vote, 0);
  core_ask_of(&c, .from = 3, .term = 1);
  core_persist(&c);
  assert_true(core_must_send(&c, RAFT_VOTE, 3)->vote.granted);
  core_ask_of(&c, .from = 2, .term = 1);
  assert_false(core_must_send(&c, RAFT_VOTE, 2)->vote.granted);
  core_stop(&c);
}

/* An entry that is durable without the term it was accepted in: the term is in the same unit of the log or in an earlier one. */
static void test_term_is_durable_no_later_than_its_entries(void **state)
{
  (void)state;
  struct core c;
  core_start_of(&c, 1, 1, 2, 3);
  c.auto_persist = false;
  core_append_of(&c, .from = 2, .term = 5, .prev_index = 0, .prev_term = 0, TERMS(5));
  for (uint64_t sequence = 1; sequence <= c.sequence; sequence++) {
    core_persist_through(&c, sequence);
    if (core_status(&c).durable_index > 0) {
      assert_int_equal(core_status(&c).durable_term, 5);
    }
  }
  assert_true(core_acknowledged(&c, 1));
  core_stop(&c);
}

/* A single voter that acknowledges before its own write is durable. */
static void test_single_voter_does_not_commit_before_its_write(void **state)
{
  (void)state;
  struct core c;
  core_start_of(&c, 1, 1);
  core_lead(&c);
  c.auto_persist = false;
  core_propose(&c, "a");
  assert_int_equal(core_status(&c).commit, 1);
  core_crash(&c);
  core_restart(&c);
  assert_int_equal(core_status(&c).last_index, 1); /* and nobody was told otherwise */
  core_stop(&c);
}

/* The report of an append that has been superseded (index 1 of term 1 was replaced by index 1 of term 2) acknowledges the replacement. */
static void test_late_report_of_a_superseded_append_acknowledges_nothing(void **state)
{
  (void)state;
  struct core c;
  core_start_of(&c, 1, 1, 2, 3);
  c.auto_persist = false;
  core_append_of(&c, .from = 2, .term = 1, .prev_index = 0, .prev_term = 0, TERMS(1, 1, 1));
  uint64_t superseded = c.sequence;
  core_append_of(&c, .from = 3, .term = 2, .prev_index = 0, .prev_term = 0, TERMS(2, 2));
  assert_true(c.sequence > superseded);
  core_persist_through(&c, superseded);
  assert_false(core_acknowledged(&c, 1));
  assert_int_equal(core_status(&c).durable_index, 0);
  core_persist(&c);
  assert_true(core_acknowledged(&c, 2));
  assert_false(core_acknowledged(&c, 3));
  assert_int_equal(core_status(&c).durable_index, 2);
  core_stop(&c);
}

/* The same, with the report coming when the member leads: its own old write counts for the entry that took its place. */
static void test_late_report_does_not_commit_the_replacement(void **state)
{
  (void)state;
  struct core c;
  core_start_of(&c, 1, 1, 2, 3);
  c.auto_persist = false;
  core_append_of(&c, .from = 2, .term = 1, .prev_index = 0, .prev_term = 0, TERMS(1, 1, 1));
  uint64_t superseded = c.sequence;
  core_append_of(&c, .from = 3, .term = 2, .prev_index = 0, .prev_term = 0, TERMS(2));
  uint64_t replaced = c.sequence;
  core_persist_through(&c, superseded);
  assert_int_equal(core_status(&c).durable_index, 0);
  core_persist_through(&c, replaced);
  assert_int_equal(core_status(&c).durable_index, 1);
  core_elect(&c); /* its no-op is at 2, where a durable entry of term 1 was */
  assert_int_equal(core_status(&c).last_index, 2);
  core_oblige(&c, 2);
  uint64_t committed = core_status(&c).commit;
  assert_true(committed == 0 || core_status(&c).durable_index == 2);
  core_persist(&c);
  core_oblige_all(&c);
  assert_int_equal(core_status(&c).commit, 2);
  core_stop(&c);
}

/* ---- sessions ---- */

static struct raft_message acknowledgement(const struct raft_message *append, uint64_t match)
{
  struct raft_message m = {.type = RAFT_APPENDED, .from = append->to, .to = append->from, .term = append->term};
  m.appended.session = append->append.session;
  m.appended.incarnation = core_incarnation_of(append->to);
  m.appended.round = append->append.round;
  m.appended.match = match;
  return m;
}

/* Removed and added again within one term, with an empty disk: what it acknowledged before is not what it has. */
static void test_late_ack_of_removed_incarnation_is_not_counted(void **state)
{
  (void)state;
  struct core c;
  start_leader(&c);
  for (int i = 0; i < 5; i++) {
    core_propose(&c, "a");
  }
  struct raft_message late = acknowledgement(core_must_send(&c, RAFT_APPEND, 3), 6);
  core_oblige_all(&c);
  struct raft_configuration without = voters_of(1, 2);
  core_change(&c, &without);
  core_oblige_all(&c);
  assert_false(core_status(&c).changing);
  struct raft_configuration with = voters_of(1, 2);
  raft_configuration_set(&with, 3, RAFT_LEARNER);
  core_change(&c, &with);
  core_oblige(&c, 2);
  assert_int_equal(core_peer(&c, 3).match, 0);
  core_receive(&c, &late);
  assert_int_equal(core_peer(&c, 3).match, 0);
  assert_true(core_peer(&c, 3).next <= core_status(&c).last_index + 1);
  core_stop(&c);
}

/* The same over two terms of leading: a reply to what an earlier leadership of this member sent. */
static void test_late_ack_of_an_earlier_leadership_is_not_counted(void **state)
{
  (void)state;
  struct core c;
  start_leader(&c);
  core_propose(&c, "a");
  struct raft_message late = acknowledgement(core_must_send(&c, RAFT_APPEND, 2), 2);
  core_append_of(&c, .from = 3, .term = 2, .prev_index = 1, .prev_term = 1, TERMS(2));
  core_elect(&c);
  assert_int_equal(raft_term(c.r), 3);
  core_receive(&c, &late);
  assert_int_equal(core_peer(&c, 2).match, 0);
  late.term = 3; /* even if its term were right */
  core_receive(&c, &late);
  assert_int_equal(core_peer(&c, 2).match, 0);
  assert_int_equal(core_status(&c).commit, 1);
  core_stop(&c);
}

/* ---- elections ---- */

/* A pre-candidate in an earlier term that is only refused, and never told the term, asks for ever. */
static void test_refused_pre_vote_teaches_the_term(void **state)
{
  (void)state;
  struct core c;
  core_start_given(&c, &(struct core_given){.config = {.id = 1}, .configuration = voters_of(1, 2, 3), .term = 9, TERMS(1)});
  core_ask_of(&c, .from = 2, .term = 4, .last_index = 5, .last_term = 3, .pre = true);
  const struct raft_message *m = core_must_send(&c, RAFT_VOTE, 2);
  assert_false(m->vote.granted);
  assert_true(m->vote.pre);
  assert_int_equal(m->term, 9);
  core_stop(&c);

  core_start_of(&c, 1, 1, 2, 3);
  core_deadline(&c);
  assert_int_equal(raft_role(c.r), RAFT_PRE_CANDIDATE);
  core_vote(&c, 2, 9, true, false);
  assert_int_equal(raft_term(c.r), 9);
  assert_int_equal(raft_role(c.r), RAFT_FOLLOWER);
  core_stop(&c);
}

/* The leader behind in term: a member that has been away in a later term refuses its appends, and has to be able to come back. */
static void test_member_with_a_later_term_deposes_the_leader_by_its_reply(void **state)
{
  (void)state;
  struct core c;
  core_start_given(&c, &(struct core_given){.config = {.id = 1}, .configuration = voters_of(1, 2, 3), .term = 9, TERMS(1)});
  core_append_of(&c, .from = 2, .term = 4, .prev_index = 1, .prev_term = 1);
  const struct raft_message *m = core_must_send(&c, RAFT_APPENDED, 2);
  assert_int_equal(m->term, 9);
  core_stop(&c);
}

/* A vote that is stored is not a vote that is granted: refused, the vote of the term stays free. */
static void test_refusal_does_not_use_up_the_vote(void **state)
{
  (void)state;
  struct core c;
  core_start_given(&c, &(struct core_given){.config = {.id = 1}, .configuration = voters_of(1, 2, 3), TERMS(1, 1)});
  core_ask_of(&c, .from = 2, .term = 2, .last_index = 1, .last_term = 1);
  assert_false(core_must_send(&c, RAFT_VOTE, 2)->vote.granted);
  assert_int_equal(core_status(&c).vote, 0);
  core_ask_of(&c, .from = 3, .term = 2, .last_index = 2, .last_term = 1);
  assert_true(core_must_send(&c, RAFT_VOTE, 3)->vote.granted);
  core_stop(&c);
}

/* Liveness under a partial partition needs pre-vote and check-quorum: a leader that still sends, but hears from too few, lets go. */
static void test_leader_that_hears_from_too_few_lets_go(void **state)
{
  (void)state;
  struct core c;
  core_start_of(&c, 1, 1, 2, 3, 4, 5);
  core_lead(&c);
  for (int i = 0; i < 20 && raft_role(c.r) == RAFT_LEADER; i++) {
    core_time(&c, HEARTBEAT);
    core_oblige(&c, 2);
    core_clear(&c);
  }
  assert_int_equal(raft_role(c.r), RAFT_FOLLOWER);
  core_ask_of(&c, .from = 3, .term = 2, .last_index = 1, .last_term = 1);
  assert_true(core_must_send(&c, RAFT_VOTE, 3)->vote.granted);
  core_stop(&c);
}

/* A learner that does not know yet that it was made a voter has to vote when asked, or the group may be stuck without a majority. */
static void test_learner_votes_when_asked(void **state)
{
  (void)state;
  struct core c;
  struct raft_configuration members = voters_of(2, 3);
  raft_configuration_set(&members, 1, RAFT_LEARNER);
  core_start_given(&c, &(struct core_given){.config = {.id = 1}, .configuration = members});
  core_ask_of(&c, .from = 2, .term = 1, .pre = true);
  assert_true(core_must_send(&c, RAFT_VOTE, 2)->vote.granted);
  core_clear(&c);
  core_ask_of(&c, .from = 2, .term = 1);
  assert_true(core_must_send(&c, RAFT_VOTE, 2)->vote.granted);
  core_stop(&c);
}

/* Two leaders in one term that are ignored, not reported. */
static void test_two_leaders_in_one_term_are_fatal(void **state)
{
  (void)state;
  struct core c;
  start_leader(&c);
  assert_int_equal(core_append_of(&c, .from = 3, .term = 1, .prev_index = 1, .prev_term = 1), ERROR_INVARIANT);
  assert_non_null(raft_failure(c.r));
  core_stop(&c);
}

/* A transfer that is still "going on" after the leader has stepped down blocks the next one. */
static void test_transfer_ends_with_the_leadership(void **state)
{
  (void)state;
  struct core c;
  start_leader(&c);
  core_transfer(&c, 2);
  core_ask_of(&c, .from = 2, .term = 2, .last_index = 1, .last_term = 1, .transfer = true);
  assert_int_equal(core_status(&c).transferee, 0);
  assert_true(core_must_send(&c, RAFT_VOTE, 2)->vote.granted);
  core_elect(&c);
  core_persist(&c);
  core_oblige_all(&c);
  assert_int_equal(core_transfer(&c, 3), 0);
  core_stop(&c);
}

/* ---- the log ---- */

/* A stale append whose entries match, taken as the end of the log, cuts off what has been acknowledged since. */
static void test_stale_append_does_not_shorten_the_log(void **state)
{
  (void)state;
  struct core c;
  core_start_of(&c, 1, 1, 2, 3);
  core_append_of(&c, .from = 2, .term = 1, .prev_index = 0, .prev_term = 0, TERMS(1, 1, 1, 1));
  for (uint64_t prev = 0; prev < 4; prev++) {
    core_append_of(&c, .from = 2, .term = 1, .prev_index = prev, .prev_term = prev > 0, TERMS(1));
    assert_int_equal(c.u.append.truncate_from, 0);
    core_append_of(&c, .from = 2, .term = 1, .prev_index = prev, .prev_term = prev > 0);
    assert_int_equal(c.u.append.truncate_from, 0);
    assert_int_equal(core_status(&c).last_index, 4);
  }
  core_stop(&c);
}

/* prev_index 0 after compaction: taken for a mismatch, or for the beginning of a new log. */
static void test_append_from_the_beginning_after_compaction_is_harmless(void **state)
{
  (void)state;
  struct core c;
  core_start_given(&c,
                   &(struct core_given){.config = {.id = 1, .tail_entries = 1}, .configuration = voters_of(1, 2, 3), TERMS(1, 1, 1, 1, 1)});
  core_append_of(&c, .from = 2, .term = 1, .prev_index = 5, .prev_term = 1, .commit = 5);
  core_snapshot(&c, 4, 10);
  core_clear(&c);
  core_append_of(&c, .from = 2, .term = 1, .prev_index = 0, .prev_term = 0, .commit = 5, TERMS(1, 1, 1, 1, 1, 1));
  assert_int_equal(c.error, 0);
  assert_int_equal(c.u.append.truncate_from, 0);
  assert_int_equal(core_status(&c).last_index, 6);
  assert_int_equal(core_status(&c).commit, 5);
  assert_true(core_acknowledged(&c, 6));
  core_stop(&c);
}

/* A snapshot that is installed over a conflicting log and leaves its end there: the member can never agree with its leader again. */
static void test_snapshot_discards_a_conflicting_end(void **state)
{
  (void)state;
  struct core c;
  core_start_given(&c, &(struct core_given){.config = {.id = 1}, .configuration = voters_of(1, 2, 3), TERMS(1, 1, 1, 1, 1, 1)});
  struct raft_configuration members = voters_of(1, 2, 3);
  struct raft_message m = {.type = RAFT_INSTALL, .from = 2, .to = 1, .term = 3};
  m.install.session = 302;
  m.install.index = 4;
  m.install.log_term = 2;
  m.install.size = 10;
  m.install.length = 10;
  m.install.configuration = &members;
  core_receive(&c, &m);
  assert_true(c.u.chunk.last);
  c.mark = (struct core_unit){.snapshot_size = 10, .configuration = core_keep(&members)};
  core_install(&c, 4, true);
  assert_int_equal(core_status(&c).last_index, 4);
  assert_int_equal(core_status(&c).last_term, 2);
  core_append_of(&c, .from = 2, .term = 3, .prev_index = 4, .prev_term = 2, .commit = 5, TERMS(3), .session = 302);
  assert_true(core_acknowledged(&c, 5));
  core_stop(&c);
}

/* ---- reads ---- */

/* A read that arrives before the leader has committed something of its term is dropped, and its client waits for ever. */
static void test_early_read_is_not_dropped(void **state)
{
  (void)state;
  struct core c;
  core_start_of(&c, 1, 1, 2, 3);
  core_elect(&c);
  uint64_t context = core_read(&c);
  assert_int_equal(c.u.read.through, 0);
  uint64_t through = 0;
  for (int i = 0; i < 10 && through == 0; i++) {
    for (uint64_t id = 2; id <= 3 && through == 0; id++) {
      core_oblige(&c, id);
      through = c.u.read.through;
    }
    if (through == 0) {
      core_time(&c, HEARTBEAT);
      through = c.u.read.through;
    }
  }
  assert_int_equal(through, context);
  core_stop(&c);
}

/* A deposed leader that answers reads from what it has. */
static void test_leader_without_a_majority_answers_no_read(void **state)
{
  (void)state;
  struct core c;
  core_start_of(&c, 1, 1, 2, 3, 4, 5);
  core_lead(&c);
  core_clear(&c);
  core_read(&c);
  while (raft_role(c.r) == RAFT_LEADER) {
    assert_int_equal(c.u.read.through, 0);
    core_oblige(&c, 2);
    assert_int_equal(c.u.read.through, 0);
    core_time(&c, HEARTBEAT);
  }
  core_stop(&c);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_entry_of_an_old_term_is_not_committed_by_counting),
      cmocka_unit_test(test_change_before_a_commit_of_the_term_is_refused),
      cmocka_unit_test(test_commit_does_not_pass_the_end_of_the_log),
      cmocka_unit_test(test_commit_is_what_counting_gives),
      cmocka_unit_test(test_vote_that_was_lost_in_a_crash_was_never_given),
      cmocka_unit_test(test_term_is_durable_no_later_than_its_entries),
      cmocka_unit_test(test_single_voter_does_not_commit_before_its_write),
      cmocka_unit_test(test_late_report_of_a_superseded_append_acknowledges_nothing),
      cmocka_unit_test(test_late_report_does_not_commit_the_replacement),
      cmocka_unit_test(test_late_ack_of_removed_incarnation_is_not_counted),
      cmocka_unit_test(test_late_ack_of_an_earlier_leadership_is_not_counted),
      cmocka_unit_test(test_refused_pre_vote_teaches_the_term),
      cmocka_unit_test(test_member_with_a_later_term_deposes_the_leader_by_its_reply),
      cmocka_unit_test(test_refusal_does_not_use_up_the_vote),
      cmocka_unit_test(test_leader_that_hears_from_too_few_lets_go),
      cmocka_unit_test(test_learner_votes_when_asked),
      cmocka_unit_test(test_two_leaders_in_one_term_are_fatal),
      cmocka_unit_test(test_transfer_ends_with_the_leadership),
      cmocka_unit_test(test_stale_append_does_not_shorten_the_log),
      cmocka_unit_test(test_append_from_the_beginning_after_compaction_is_harmless),
      cmocka_unit_test(test_snapshot_discards_a_conflicting_end),
      cmocka_unit_test(test_early_read_is_not_dropped),
      cmocka_unit_test(test_leader_without_a_majority_answers_no_read),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
