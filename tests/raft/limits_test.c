/* What the core refuses, what makes it fail for good, and what its updates promise. */
#include <string.h>

#include "raft/core.h"

static void start_follower(struct core *c)
{
  core_start_given(c, &(struct core_given){.config = {.id = 1}, .configuration = voters_of(1, 2, 3), TERMS(1, 1)});
  core_append_of(c, .from = 2, .term = 1, .prev_index = 2, .prev_term = 1, .commit = 2);
  core_clear(c);
}

static void start_leader_with(struct core *c, struct raft_config config)
{
  config.id = 1;
  core_start_given(c, &(struct core_given){.config = config, .configuration = voters_of(1, 2, 3)});
  core_lead(c);
  core_clear(c);
}

/* ---- refusals ---- */

/* More than uncommitted_bytes_max of commands is refused until some are committed. */
static void uncommitted_bytes_are_limited(void **state)
{
  (void)state;
  struct core c;
  start_leader_with(&c, (struct raft_config){.uncommitted_bytes_max = 100});
  assert_int_equal(core_propose_sized(&c, 60, 1), 0);
  assert_int_equal(core_propose_sized(&c, 60, 1), ERROR_BUSY);
  assert_int_equal(core_status(&c).last_index, 2);
  core_oblige(&c, 2);
  assert_int_equal(core_status(&c).commit, 2);
  assert_int_equal(core_propose_sized(&c, 60, 1), 0);
  core_stop(&c);
}

/* A proposal of several commands is taken whole or not at all. */
static void proposals_are_all_or_none(void **state)
{
  (void)state;
  struct core c;
  start_leader_with(&c, (struct raft_config){.uncommitted_bytes_max = 100});
  assert_int_equal(core_propose_sized(&c, 40, 1), 0);
  assert_int_equal(core_propose_sized(&c, 40, 2), ERROR_BUSY);
  assert_int_equal(core_status(&c).last_index, 2);
  assert_int_equal(core_propose_sized(&c, 40, 1), 0);
  core_stop(&c);
}

/* A log that can take no more: the leader refuses commands, typed, and goes on leading; when there is room again, it takes them. */
static void full_leader_refuses_commands(void **state)
{
  (void)state;
  struct core c;
  start_leader_with(&c, (struct raft_config){0});
  core_capacity(&c, true);
  assert_int_equal(core_propose(&c, "a"), ERROR_DISK_FULL);
  core_time(&c, HEARTBEAT);
  core_must_send(&c, RAFT_APPEND, 2);
  assert_int_equal(raft_role(c.r), RAFT_LEADER);
  core_capacity(&c, false);
  assert_int_equal(core_propose(&c, "a"), 0);
  core_stop(&c);
}

/* A follower whose log is full takes no entries and acknowledges none, and is still led. */
static void full_follower_takes_no_entries(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  core_capacity(&c, true);
  for (int i = 0; i < 10; i++) {
    core_time(&c, HEARTBEAT);
    core_append_of(&c, .from = 2, .term = 1, .prev_index = 2, .prev_term = 1, .commit = 2, TERMS(1, 1));
    assert_int_equal(c.error, 0);
    assert_int_equal(core_status(&c).last_index, 2);
    assert_false(core_acknowledged(&c, 3));
  }
  assert_int_equal(raft_role(c.r), RAFT_FOLLOWER);
  assert_int_equal(raft_leader(c.r), 2);
  core_capacity(&c, false);
  core_append_of(&c, .from = 2, .term = 1, .prev_index = 2, .prev_term = 1, .commit = 2, TERMS(1, 1));
  assert_true(core_acknowledged(&c, 4));
  core_stop(&c);
}

/* Each refusal leaves the core as it was and the update empty (core_step looks at that). */
static void refusals_change_nothing(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  struct raft_status before = core_status(&c);
  struct raft_configuration members = voters_of(1, 2);
  struct raft_configuration none = {0};
  assert_int_equal(core_propose(&c, "a"), ERROR_NOT_LEADER);
  assert_int_equal(core_transfer(&c, 2), ERROR_NOT_LEADER);
  assert_int_equal(core_change(&c, &members), ERROR_NOT_LEADER);
  struct raft_status after = core_status(&c);
  assert_int_equal(after.role, before.role);
  assert_int_equal(after.term, before.term);
  assert_int_equal(after.last_index, before.last_index);
  assert_int_equal(after.sequence, before.sequence);
  assert_int_equal(after.transferee, 0);
  assert_false(after.changing);
  core_stop(&c);

  start_leader_with(&c, (struct raft_config){0});
  assert_int_equal(core_change(&c, &none), ERROR_MALFORMED);
  raft_configuration_set(&none, 4, RAFT_LEARNER);
  assert_int_equal(core_change(&c, &none), ERROR_MALFORMED);
  assert_int_equal(core_status(&c).last_index, 1);
  core_stop(&c);
}

/* Until something of its term is committed, a leader takes no change of members. */
static void change_waits_for_a_commit_of_the_term(void **state)
{
  (void)state;
  struct core c;
  core_start_of(&c, 1, 1, 2, 3);
  core_elect(&c);
  struct raft_configuration members = voters_of(1, 2);
  assert_int_equal(core_change(&c, &members), ERROR_BUSY);
  core_oblige_all(&c);
  assert_int_equal(core_change(&c, &members), 0);
  core_stop(&c);
}

/* ---- broken rules ---- */

static void expect_failed(struct core *c)
{
  assert_int_equal(c->error, ERROR_INVARIANT);
  assert_non_null(raft_failure(c->r));
  assert_true(strlen(raft_failure(c->r)) > 0);
  assert_null(strchr(raft_failure(c->r), '\n'));
  core_time(c, HEARTBEAT);
  assert_int_equal(c->error, ERROR_INVARIANT); /* for good */
  assert_int_equal(core_propose(c, "a"), ERROR_INVARIANT);
}

static void sound_core_has_no_failure(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  assert_null(raft_failure(c.r));
  core_stop(&c);
}

/* Election safety (figure 3): a leader that hears from another one of its term. */
static void leader_that_meets_another_of_its_term_fails(void **state)
{
  (void)state;
  struct core c;
  start_leader_with(&c, (struct raft_config){0});
  core_append_of(&c, .from = 2, .term = 1, .prev_index = 1, .prev_term = 1);
  expect_failed(&c);
  core_stop(&c);
}

/* Election safety: a follower that hears from two leaders of one term. */
static void follower_of_two_leaders_of_one_term_fails(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  core_append_of(&c, .from = 3, .term = 1, .prev_index = 2, .prev_term = 1);
  expect_failed(&c);
  core_stop(&c);
}

/* Leader completeness: an append that conflicts with what is committed. */
static void conflict_below_the_commit_index_fails(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  core_append_of(&c, .from = 3, .term = 2, .prev_index = 1, .prev_term = 1, TERMS(2));
  expect_failed(&c);
  core_stop(&c);
}

/* ---- updates ---- */

/* What an update points to holds until the next step, whatever is looked at in between. */
static void update_holds_until_the_next_step(void **state)
{
  (void)state;
  struct core c;
  start_leader_with(&c, (struct raft_config){0});
  c.auto_persist = false;
  core_propose_sized(&c, 16, 64);
  struct raft_message messages[8];
  struct raft_entry entries[64];
  assert_true(c.u.message_count <= 8);
  assert_int_equal(c.u.append.count, 64);
  memcpy(messages, c.u.messages, c.u.message_count * sizeof(messages[0]));
  memcpy(entries, c.u.append.entries, sizeof(entries));
  for (uint64_t i = 1; i <= core_status(&c).last_index; i++) {
    struct raft_entry e;
    uint64_t made_at;
    assert_true(raft_entry(c.r, i, &e));
    assert_non_null(raft_configuration_at(c.r, i, &made_at));
  }
  raft_deadline(c.r);
  assert_null(raft_check(c.r, NULL));
  for (size_t i = 0; i < c.u.message_count; i++) {
    assert_int_equal(messages[i].to, c.u.messages[i].to);
    assert_int_equal(messages[i].append.prev_index, c.u.messages[i].append.prev_index);
    assert_int_equal(messages[i].append.count, c.u.messages[i].append.count);
  }
  for (size_t i = 0; i < 64; i++) {
    assert_int_equal(entries[i].term, c.u.append.entries[i].term);
    assert_int_equal(entries[i].size, c.u.append.entries[i].size);
  }
  core_stop(&c);
}

/* What an event points to is borrowed for the step only. */
static void event_may_go_after_the_step(void **state)
{
  (void)state;
  struct core c;
  start_leader_with(&c, (struct raft_config){0});
  struct raft_configuration members = voters_of(1, 2, 3);
  raft_configuration_set(&members, 4, RAFT_LEARNER);
  core_change(&c, &members);
  memset(&members, 0xff, sizeof(members));
  core_oblige_all(&c);
  const struct raft_member *m = raft_configuration_find(raft_configuration(c.r), 4);
  assert_non_null(m);
  assert_int_equal(m->voice, RAFT_LEARNER);
  core_stop(&c);
}

/* raft_entry and raft_configuration_at know the kept log and nothing else. */
static void looks_end_where_the_log_ends(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  struct raft_entry e;
  uint64_t made_at = 99;
  assert_true(raft_entry(c.r, 2, &e));
  assert_int_equal(e.term, 1);
  assert_int_equal(e.size, 8);
  assert_int_equal(e.type, RAFT_COMMAND);
  assert_false(raft_entry(c.r, 3, &e));
  assert_int_equal(raft_configuration_at(c.r, 2, &made_at)->count, 3);
  assert_int_equal(made_at, 0);
  assert_int_equal(raft_peer_count(c.r), 0);
  core_stop(&c);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(uncommitted_bytes_are_limited),
      cmocka_unit_test(proposals_are_all_or_none),
      cmocka_unit_test(full_leader_refuses_commands),
      cmocka_unit_test(full_follower_takes_no_entries),
      cmocka_unit_test(refusals_change_nothing),
      cmocka_unit_test(change_waits_for_a_commit_of_the_term),
      cmocka_unit_test(sound_core_has_no_failure),
      cmocka_unit_test(leader_that_meets_another_of_its_term_fails),
      cmocka_unit_test(follower_of_two_leaders_of_one_term_fails),
      cmocka_unit_test(conflict_below_the_commit_index_fails),
      cmocka_unit_test(update_holds_until_the_next_step),
      cmocka_unit_test(event_may_go_after_the_step),
      cmocka_unit_test(looks_end_where_the_log_ends),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
