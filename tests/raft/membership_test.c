/* Joint consensus (paper 6), learners that catch up before they vote (thesis 4.2.1), members that are removed (thesis 4.2.2). */
#include "raft/core.h"

static void start_leader_of(struct core *c, struct raft_configuration members)
{
  core_start_given(c, &(struct core_given){.config = {.id = 1}, .configuration = members});
  core_lead(c);
  core_clear(c);
}

static uint8_t voice(const struct raft_configuration *c, uint64_t id)
{
  const struct raft_member *m = raft_configuration_find(c, id);
  return m == NULL ? 0 : m->voice;
}

static bool is_joint(const struct core *c)
{
  return raft_configuration_is_joint(raft_configuration(c->r));
}

/* Obliges only these, with heartbeats in between, until nothing new comes of it. */
static void oblige_only(struct core *c, const uint64_t *ids, size_t count)
{
  for (int i = 0; i < 5; i++) {
    for (size_t k = 0; k < count; k++) {
      core_oblige(c, ids[k]);
    }
  }
}
#define oblige_of(c, ...) oblige_only(c, (const uint64_t[]){__VA_ARGS__}, sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static void change_to(struct core *c, struct raft_configuration members)
{
  assert_int_equal(core_change(c, &members), 0);
}

/* ---- adding ---- */

/* 4.2.1: a new server first gets the log without a vote ... */
static void new_voter_is_a_learner_first(void **state)
{
  (void)state;
  struct core c;
  start_leader_of(&c, voters_of(1, 2, 3));
  change_to(&c, voters_of(1, 2, 3, 4));
  assert_true(core_status(&c).changing);
  assert_false(is_joint(&c));
  assert_int_equal(voice(raft_configuration(c.r), 4), RAFT_LEARNER);
  assert_true(c.u.configuration_changed);
  assert_true(c.u.append.own);
  assert_int_equal(core_image_entry(&c.log, 2)->type, RAFT_CONFIGURATION);
  core_must_send(&c, RAFT_APPEND, 4);
  core_stop(&c);
}

/* ... and as long as it has not caught up, the change goes no further and the group works without it. */
static void new_voter_that_cannot_be_reached_gets_no_vote(void **state)
{
  (void)state;
  struct core c;
  start_leader_of(&c, voters_of(1, 2, 3));
  change_to(&c, voters_of(1, 2, 3, 4));
  for (int i = 0; i < 100; i++) {
    assert_int_equal(core_propose(&c, "a"), 0);
    core_time(&c, HEARTBEAT);
    oblige_of(&c, 2, 3);
    assert_false(is_joint(&c));
    assert_true((voice(raft_configuration(c.r), 4) & RAFT_VOTER) == 0);
    assert_int_equal(core_status(&c).commit, core_status(&c).last_index);
    core_clear(&c);
  }
  assert_int_equal(raft_role(c.r), RAFT_LEADER);
  core_stop(&c);
}

/* Paper 6: C_old to C_old,new to C_new, each the effective one as soon as it is appended. */
static void adding_a_voter_goes_through_a_joint_configuration(void **state)
{
  (void)state;
  struct core c;
  start_leader_of(&c, voters_of(1, 2, 3));
  change_to(&c, voters_of(1, 2, 3, 4));
  oblige_of(&c, 2, 3); /* the learner is committed */
  assert_false(is_joint(&c));
  for (int i = 0; i < 20 && !is_joint(&c); i++) {
    core_oblige(&c, 4);
    core_time(&c, MS(10));
  }
  assert_true(is_joint(&c));
  for (uint64_t id = 1; id <= 3; id++) {
    assert_int_equal(voice(raft_configuration(c.r), id), RAFT_VOTER | RAFT_OLD_VOTER);
  }
  assert_int_equal(voice(raft_configuration(c.r), 4), RAFT_VOTER);
  assert_true(core_status(&c).changing);
  uint64_t joint = core_status(&c).configuration_index;
  assert_true(core_status(&c).committed_configuration_index < joint);
  core_oblige(&c, 2);
  core_oblige(&c, 4);
  assert_true(c.u.configuration_changed); /* the joint one is committed, the new one effective */
  core_oblige_all(&c);
  assert_false(is_joint(&c));
  for (uint64_t id = 1; id <= 4; id++) {
    assert_int_equal(voice(raft_configuration(c.r), id), RAFT_VOTER);
  }
  assert_int_equal(raft_configuration(c.r)->count, 4);
  assert_true(core_status(&c).configuration_index > joint);
  assert_int_equal(core_status(&c).committed_configuration_index, core_status(&c).configuration_index);
  assert_int_equal(raft_committed_configuration(c.r)->count, 4);
  assert_false(core_status(&c).changing);
  core_stop(&c);
}

/* 4.2.1: replication to a new server goes in rounds, and it has caught up when one took less than an election timeout: not while each
 * takes longer than that. */
static void slow_learner_is_not_made_a_voter(void **state)
{
  (void)state;
  struct core c;
  start_leader_of(&c, voters_of(1, 2, 3));
  change_to(&c, voters_of(1, 2, 3, 4));
  oblige_of(&c, 2, 3);
  for (int round = 0; round < 4; round++) {
    for (int i = 0; i < 8; i++) { /* 800 ms, in which the log grows */
      core_propose(&c, "a");
      core_time(&c, HEARTBEAT);
      oblige_of(&c, 2, 3);
    }
    assert_int_equal(voice(raft_configuration(c.r), 4), RAFT_LEARNER);
    struct raft_message oldest = {0};
    for (size_t i = 0; i < c.sent.count && oldest.to != 4; i++) {
      if (c.sent.at[i].m.type == RAFT_APPEND && c.sent.at[i].m.to == 4) {
        oldest = c.sent.at[i].m;
      }
    }
    core_clear(&c);
    if (oldest.to == 4) {
      core_accept(&c, &oldest); /* what was sent 800 ms ago */
    }
  }
  assert_int_equal(voice(raft_configuration(c.r), 4), RAFT_LEARNER);
  core_stop(&c);
}

/* A learner that is to be a learner needs no joint configuration, gets the log, and counts for nothing. */
static void learner_gets_the_log_and_counts_for_nothing(void **state)
{
  (void)state;
  struct core c;
  struct raft_configuration members = voters_of(1, 2, 3);
  raft_configuration_set(&members, 4, RAFT_LEARNER);
  raft_configuration_set(&members, 5, RAFT_LEARNER);
  start_leader_of(&c, voters_of(1, 2, 3));
  change_to(&c, members);
  core_oblige_all(&c);
  assert_false(core_status(&c).changing);
  assert_int_equal(voice(raft_committed_configuration(c.r), 4), RAFT_LEARNER);
  core_propose(&c, "a");
  uint64_t last = core_status(&c).last_index;
  core_oblige(&c, 4);
  core_oblige(&c, 5);
  assert_int_equal(core_peer(&c, 4).match, last);
  assert_true(core_status(&c).commit < last);
  core_oblige(&c, 2);
  assert_int_equal(core_status(&c).commit, last);
  uint64_t begin = c.now;
  while (raft_role(c.r) == RAFT_LEADER && c.now - begin < 3 * TIMEOUT) { /* and not for check-quorum either */
    core_deadline(&c);
    oblige_of(&c, 4, 5);
  }
  assert_int_equal(raft_role(c.r), RAFT_FOLLOWER);
  core_stop(&c);
}

/* One voter becomes three. */
static void single_voter_grows(void **state)
{
  (void)state;
  struct core c;
  start_leader_of(&c, voters_of(1));
  change_to(&c, voters_of(1, 2, 3));
  for (int i = 0; i < 20 && core_status(&c).changing; i++) {
    core_time(&c, MS(10));
    core_oblige_all(&c);
  }
  assert_false(core_status(&c).changing);
  assert_int_equal(raft_committed_configuration(c.r)->count, 3);
  core_propose(&c, "a");
  assert_true(core_status(&c).commit < core_status(&c).last_index);
  core_oblige(&c, 3);
  assert_int_equal(core_status(&c).commit, core_status(&c).last_index);
  core_stop(&c);
}

/* ---- the joint configuration ---- */

static struct raft_configuration joint_123_to_145(void)
{
  struct raft_configuration joint = {0};
  raft_configuration_set(&joint, 1, RAFT_VOTER | RAFT_OLD_VOTER);
  raft_configuration_set(&joint, 2, RAFT_OLD_VOTER);
  raft_configuration_set(&joint, 3, RAFT_OLD_VOTER);
  raft_configuration_set(&joint, 4, RAFT_VOTER);
  raft_configuration_set(&joint, 5, RAFT_VOTER);
  return joint;
}

/* Paper 6: while it is joint, agreement on entries needs a majority of the old and a majority of the new. */
static void joint_commit_needs_both_majorities(void **state)
{
  (void)state;
  for (int order = 0; order < 2; order++) {
    struct core c;
    start_leader_of(&c, voters_of(1, 2, 3));
    change_to(&c, voters_of(1, 4, 5));
    for (int i = 0; i < 20 && !is_joint(&c); i++) {
      oblige_of(&c, 2, 3);
      if (!is_joint(&c)) {
        core_oblige(&c, 4);
      }
      if (!is_joint(&c)) {
        core_oblige(&c, 5);
      }
      core_time(&c, MS(10));
    }
    assert_true(is_joint(&c));
    core_propose(&c, "a");
    uint64_t joint = core_status(&c).configuration_index;
    if (order == 0) {
      oblige_of(&c, 4, 5);
      assert_true(core_status(&c).commit < joint);
      oblige_of(&c, 3);
    } else {
      oblige_of(&c, 2, 3);
      assert_true(core_status(&c).commit < joint);
      oblige_of(&c, 5);
    }
    assert_true(core_status(&c).commit >= joint);
    core_stop(&c);
  }
}

/* Paper 6: so do elections. */
static void joint_election_needs_both_majorities(void **state)
{
  (void)state;
  struct core c;
  core_start_given(&c, &(struct core_given){.config = {.id = 1}, .configuration = joint_123_to_145()});
  core_deadline(&c);
  for (uint64_t to = 2; to <= 5; to++) {
    core_must_send(&c, RAFT_REQUEST_VOTE, to);
  }
  core_vote(&c, 4, 1, true, true);
  core_vote(&c, 5, 1, true, true);
  assert_int_equal(raft_role(c.r), RAFT_PRE_CANDIDATE);
  core_vote(&c, 2, 1, true, true);
  assert_int_equal(raft_role(c.r), RAFT_CANDIDATE);
  core_vote(&c, 2, 1, false, true);
  core_vote(&c, 3, 1, false, true);
  assert_int_equal(raft_role(c.r), RAFT_CANDIDATE);
  core_vote(&c, 4, 1, false, true);
  assert_int_equal(raft_role(c.r), RAFT_LEADER);
  core_stop(&c);
}

/* So does check-quorum. */
static void joint_leader_needs_both_majorities(void **state)
{
  (void)state;
  struct raft_configuration joint = joint_123_to_145();
  struct core c;
  core_start_given(&c, &(struct core_given){.config = {.id = 1}, .configuration = voters_of(1, 2, 3), TERMS(1), .appended = &joint});
  core_elect(&c);
  uint64_t begin = c.now;
  while (raft_role(c.r) == RAFT_LEADER && c.now - begin < 3 * TIMEOUT) {
    oblige_of(&c, 4, 5);
    core_deadline(&c);
  }
  assert_int_equal(raft_role(c.r), RAFT_FOLLOWER);
  core_stop(&c);
}

/* And so does the confirmation of reads. */
static void joint_read_needs_both_majorities(void **state)
{
  (void)state;
  struct raft_configuration members = voters_of(1, 2, 3);
  raft_configuration_set(&members, 4, RAFT_LEARNER);
  raft_configuration_set(&members, 5, RAFT_LEARNER);
  struct core c;
  start_leader_of(&c, members);
  change_to(&c, voters_of(1, 4, 5));
  assert_true(is_joint(&c));
  uint64_t context = core_read(&c);
  for (uint64_t id = 4; id <= 5; id++) {
    core_oblige(&c, id);
    assert_int_equal(c.u.read.through, 0);
  }
  uint64_t through = 0;
  for (size_t i = 0; i < c.sent.count && through == 0; i++) {
    if (c.sent.at[i].m.to == 2) {
      struct raft_message m = c.sent.at[i].m;
      core_accept(&c, &m);
      through = c.u.read.through;
    }
  }
  assert_int_equal(through, context);
  core_stop(&c);
}

/* Paper 6: a leader that finds a joint configuration ends it: once committed, C_new follows. */
static void new_leader_ends_a_joint_configuration(void **state)
{
  (void)state;
  struct core c;
  core_start_given(&c, &(struct core_given){.config = {.id = 1}, .configuration = joint_123_to_145()});
  core_lead(&c);
  for (int i = 0; i < 10 && core_status(&c).changing; i++) {
    core_time(&c, HEARTBEAT);
    core_oblige_all(&c);
  }
  assert_false(core_status(&c).changing);
  assert_int_equal(raft_committed_configuration(c.r)->count, 3);
  assert_int_equal(voice(raft_committed_configuration(c.r), 2), 0);
  assert_int_equal(voice(raft_committed_configuration(c.r), 4), RAFT_VOTER);
  core_stop(&c);
}

/* One change at a time. */
static void second_change_is_refused_while_one_is_going_on(void **state)
{
  (void)state;
  struct core c;
  start_leader_of(&c, voters_of(1, 2, 3));
  change_to(&c, voters_of(1, 2));
  struct raft_configuration other = voters_of(1, 3);
  assert_int_equal(core_change(&c, &other), ERROR_BUSY);
  core_oblige_all(&c);
  assert_false(core_status(&c).changing);
  struct raft_configuration back = voters_of(1, 2, 3);
  assert_int_equal(core_change(&c, &back), 0);
  core_stop(&c);
}

/* Paper 6: a server uses the newest configuration of its log, committed or not; what is truncated takes its configuration with it. */
static void follower_uses_the_newest_configuration_of_its_log(void **state)
{
  (void)state;
  struct core c;
  core_start_of(&c, 1, 1, 2, 3);
  struct raft_configuration joint = joint_123_to_145();
  struct core_entry entry = {.term = 1, .size = 40, .type = RAFT_CONFIGURATION, .configuration = core_keep(&joint)};
  struct core_message m = {
      .m = {.type = RAFT_APPEND, .from = 2, .to = 1, .term = 1, .append = {.session = 102, .count = 1}},
      .entries = &entry,
  };
  core_deliver(&c, &m);
  assert_true(is_joint(&c));
  assert_true(c.u.configuration_changed);
  assert_int_equal(core_status(&c).configuration_index, 1);
  assert_int_equal(core_status(&c).committed_configuration_index, 0);
  assert_int_equal(raft_committed_configuration(c.r)->count, 3);
  uint64_t made_at = 99;
  assert_int_equal(raft_configuration_at(c.r, 1, &made_at)->count, 5);
  assert_int_equal(made_at, 1);

  core_append_of(&c, .from = 3, .term = 2, .prev_index = 0, .prev_term = 0, TERMS(2));
  assert_false(is_joint(&c));
  assert_true(c.u.configuration_changed);
  assert_int_equal(core_status(&c).configuration_index, 0);
  assert_int_equal(raft_configuration(c.r)->count, 3);
  core_stop(&c);
}

/* A restart finds the newest configuration in the log as well. */
static void restart_finds_the_newest_configuration(void **state)
{
  (void)state;
  struct core c;
  start_leader_of(&c, voters_of(1, 2, 3));
  change_to(&c, voters_of(1, 2));
  assert_true(is_joint(&c));
  core_crash(&c);
  core_restart(&c);
  assert_true(is_joint(&c));
  assert_int_equal(core_status(&c).configuration_index, 2);
  core_stop(&c);
}

/* ---- removing ---- */

/* Nobody has to catch up to leave: the joint configuration is the first step. */
static void removing_a_voter_begins_with_the_joint_configuration(void **state)
{
  (void)state;
  struct core c;
  start_leader_of(&c, voters_of(1, 2, 3));
  change_to(&c, voters_of(1, 2));
  assert_true(is_joint(&c));
  assert_int_equal(voice(raft_configuration(c.r), 1), RAFT_VOTER | RAFT_OLD_VOTER);
  assert_int_equal(voice(raft_configuration(c.r), 3), RAFT_OLD_VOTER);
  core_oblige(&c, 3); /* with 1 a majority of the old, and no more than half of the new */
  assert_true(is_joint(&c));
  core_oblige(&c, 2);
  assert_false(is_joint(&c));
  assert_int_equal(voice(raft_configuration(c.r), 3), 0);
  core_oblige_all(&c);
  assert_false(core_status(&c).changing);
  for (size_t i = 0; i < raft_peer_count(c.r); i++) {
    struct raft_peer_status p;
    raft_peer(c.r, i, &p);
    assert_int_not_equal(p.id, 3);
  }
  core_stop(&c);
}

/* A voter may become a learner. */
static void voter_becomes_a_learner(void **state)
{
  (void)state;
  struct core c;
  struct raft_configuration members = voters_of(1, 2);
  raft_configuration_set(&members, 3, RAFT_LEARNER);
  start_leader_of(&c, voters_of(1, 2, 3));
  change_to(&c, members);
  core_oblige_all(&c);
  assert_false(core_status(&c).changing);
  assert_int_equal(voice(raft_committed_configuration(c.r), 3), RAFT_LEARNER);
  assert_int_equal(voice(raft_committed_configuration(c.r), 2), RAFT_VOTER);
  core_stop(&c);
}

/* 4.2.2: a leader that is not part of C_new leads until C_new is committed, does not count itself for it, and steps down then. */
static void removed_leader_steps_down_when_its_removal_is_committed(void **state)
{
  (void)state;
  struct core c;
  start_leader_of(&c, voters_of(1, 2, 3));
  change_to(&c, voters_of(2, 3));
  assert_true(is_joint(&c));
  core_oblige(&c, 2);
  assert_true(is_joint(&c)); /* 1 and 2 are a majority of the old; 2 alone is none of the new */
  core_oblige(&c, 3);
  assert_false(is_joint(&c));
  assert_int_equal(voice(raft_configuration(c.r), 1), 0);
  uint64_t removal = core_status(&c).configuration_index;
  oblige_of(&c, 2);
  assert_true(core_status(&c).commit < removal); /* 1 has it and 2 has it; 1 does not count */
  assert_int_equal(raft_role(c.r), RAFT_LEADER);
  oblige_of(&c, 3);
  assert_int_equal(core_status(&c).commit, removal);
  assert_int_equal(raft_role(c.r), RAFT_FOLLOWER);
  core_clear(&c);
  for (int i = 0; i < 20; i++) {
    core_time(&c, TIMEOUT);
  }
  assert_null(core_sent(&c, RAFT_REQUEST_VOTE, 0)); /* and bothers nobody */
  core_stop(&c);
}

/* Votes of a server that has been removed do not count. */
static void vote_of_a_removed_server_does_not_count(void **state)
{
  (void)state;
  struct core c;
  core_start_of(&c, 1, 1, 2, 3);
  core_lead(&c);
  change_to(&c, voters_of(1, 2));
  core_oblige_all(&c);
  assert_false(core_status(&c).changing);
  core_crash(&c);
  core_restart(&c);
  core_deadline(&c);
  core_vote(&c, 3, 2, true, true);
  assert_int_equal(raft_role(c.r), RAFT_PRE_CANDIDATE);
  core_vote(&c, 2, 2, true, true);
  core_vote(&c, 3, 2, false, true);
  assert_int_equal(raft_role(c.r), RAFT_CANDIDATE);
  core_vote(&c, 2, 2, false, true);
  assert_int_equal(raft_role(c.r), RAFT_LEADER);
  core_stop(&c);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(new_voter_is_a_learner_first),
      cmocka_unit_test(new_voter_that_cannot_be_reached_gets_no_vote),
      cmocka_unit_test(adding_a_voter_goes_through_a_joint_configuration),
      cmocka_unit_test(slow_learner_is_not_made_a_voter),
      cmocka_unit_test(learner_gets_the_log_and_counts_for_nothing),
      cmocka_unit_test(single_voter_grows),
      cmocka_unit_test(joint_commit_needs_both_majorities),
      cmocka_unit_test(joint_election_needs_both_majorities),
      cmocka_unit_test(joint_leader_needs_both_majorities),
      cmocka_unit_test(joint_read_needs_both_majorities),
      cmocka_unit_test(new_leader_ends_a_joint_configuration),
      cmocka_unit_test(second_change_is_refused_while_one_is_going_on),
      cmocka_unit_test(follower_uses_the_newest_configuration_of_its_log),
      cmocka_unit_test(restart_finds_the_newest_configuration),
      cmocka_unit_test(removing_a_voter_begins_with_the_joint_configuration),
      cmocka_unit_test(voter_becomes_a_learner),
      cmocka_unit_test(removed_leader_steps_down_when_its_removal_is_committed),
      cmocka_unit_test(vote_of_a_removed_server_does_not_count),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
