/* ReadIndex (thesis 6.4), on the leader and on followers. */
#include "raft/core.h"

static void start_leader(struct core *c)
{
  core_start_of(c, 1, 1, 2, 3);
  core_lead(c);
  core_clear(c);
}

/* The newest append to `to` that asks for confirmation, sent now or with the next heartbeat. */
static struct raft_message confirmation(struct core *c, uint64_t to)
{
  if (core_sent(c, RAFT_APPEND, to) == NULL) {
    core_time(c, HEARTBEAT);
  }
  return *core_must_send(c, RAFT_APPEND, to);
}

/* 6.4: the read index is the commit index when the read arrives; it may be served once a majority has confirmed the leader after that. */
static void leader_confirms_before_it_answers(void **state)
{
  (void)state;
  struct core c;
  start_leader(&c);
  uint64_t context = core_read(&c);
  assert_int_equal(c.u.read.through, 0);
  struct raft_message m = confirmation(&c, 2);
  assert_int_equal(c.u.read.through, 0);
  core_accept(&c, &m);
  assert_int_equal(c.u.read.through, context);
  assert_int_equal(c.u.read.index, 1);
  core_stop(&c);
}

/* 6.4: a reply to a heartbeat that was sent before the read came confirms nothing for it. */
static void earlier_round_confirms_nothing(void **state)
{
  (void)state;
  struct core c;
  start_leader(&c);
  core_time(&c, HEARTBEAT);
  struct raft_message early = *core_must_send(&c, RAFT_APPEND, 2);
  core_clear(&c);
  core_read(&c);
  core_accept(&c, &early);
  assert_int_equal(c.u.read.through, 0);
  core_stop(&c);
}

/* 6.4: a read during a round is not served by it but by the next one. */
static void read_during_a_round_waits_for_the_next(void **state)
{
  (void)state;
  struct core c;
  start_leader(&c);
  uint64_t first = core_read(&c);
  struct raft_message m = confirmation(&c, 2);
  core_clear(&c);
  uint64_t second = core_read(&c);
  core_accept(&c, &m);
  assert_int_equal(c.u.read.through, first);
  m = confirmation(&c, 2);
  core_accept(&c, &m);
  assert_int_equal(c.u.read.through, second);
  core_stop(&c);
}

/* 6.4: one round serves all the reads that waited for it. */
static void round_serves_a_batch(void **state)
{
  (void)state;
  struct core c;
  start_leader(&c);
  core_read(&c);
  struct raft_message m = confirmation(&c, 2);
  core_clear(&c);
  uint64_t context = 0;
  for (int i = 0; i < 100; i++) {
    context = core_read(&c);
  }
  core_accept(&c, &m);
  m = confirmation(&c, 2);
  core_clear(&c);
  core_accept(&c, &m);
  assert_int_equal(c.u.read.through, context);
  core_stop(&c);
}

/* A round whose messages were lost is repeated: heartbeats carry it. */
static void lost_round_is_repeated(void **state)
{
  (void)state;
  struct core c;
  start_leader(&c);
  uint64_t context = core_read(&c);
  core_clear(&c);
  core_time(&c, HEARTBEAT);
  struct raft_message m = *core_must_send(&c, RAFT_APPEND, 2);
  core_accept(&c, &m);
  assert_int_equal(c.u.read.through, context);
  core_stop(&c);
}

/* 6.4: a leader must have committed an entry of its term first: until then it does not know what is committed. */
static void read_waits_for_a_commit_of_the_term(void **state)
{
  (void)state;
  struct core c;
  core_start_given(&c, &(struct core_given){.config = {.id = 1}, .configuration = voters_of(1, 2, 3), TERMS(1, 1)});
  core_elect(&c);
  uint64_t context = core_read(&c);
  assert_int_equal(c.u.read.through, 0);
  core_clear(&c);
  core_time(&c, HEARTBEAT);
  struct raft_message m = *core_must_send(&c, RAFT_APPEND, 2);
  struct raft_message reply = {.type = RAFT_APPENDED, .from = 2, .to = 1, .term = m.term};
  reply.appended.session = m.append.session;
  reply.appended.incarnation = core_incarnation_of(2);
  reply.appended.round = m.append.round;
  reply.appended.match = 2; /* confirmed, but without the no-op */
  core_receive(&c, &reply);
  assert_int_equal(c.u.read.through, 0);
  bool answered = false;
  for (int i = 0; i < 10 && !answered; i++) {
    core_time(&c, HEARTBEAT);
    m = *core_must_send(&c, RAFT_APPEND, 2);
    core_clear(&c);
    reply.appended.match = 3;
    reply.appended.round = m.append.round;
    core_receive(&c, &reply);
    answered = c.u.read.through > 0;
  }
  assert_true(answered);
  assert_int_equal(c.u.read.through, context);
  assert_int_equal(c.u.read.index, 3);
  core_stop(&c);
}

/* The index is what was committed when the round began, or later; never less. */
static void read_sees_what_was_committed_before_it(void **state)
{
  (void)state;
  struct core c;
  start_leader(&c);
  core_propose(&c, "a");
  core_oblige(&c, 3);
  assert_int_equal(core_status(&c).commit, 2);
  core_clear(&c);
  core_read(&c);
  core_time(&c, HEARTBEAT);
  struct raft_message m = *core_must_send(&c, RAFT_APPEND, 3);
  core_accept(&c, &m);
  assert_true(c.u.read.through > 0);
  assert_true(c.u.read.index >= 2);
  core_stop(&c);
}

/* A majority of five is two others. */
static void confirmation_needs_a_majority(void **state)
{
  (void)state;
  struct core c;
  core_start_of(&c, 1, 1, 2, 3, 4, 5);
  core_lead(&c);
  core_clear(&c);
  core_read(&c);
  struct raft_message m = confirmation(&c, 2);
  struct raft_message other = *core_must_send(&c, RAFT_APPEND, 4);
  core_accept(&c, &m);
  core_accept(&c, &m);
  assert_int_equal(c.u.read.through, 0);
  core_accept(&c, &other);
  assert_int_equal(c.u.read.through, 1);
  core_stop(&c);
}

/* A group of one is its own majority. */
static void single_voter_reads_at_once(void **state)
{
  (void)state;
  struct core c;
  core_start_of(&c, 1, 1);
  core_lead(&c);
  core_read(&c);
  assert_int_equal(c.u.read.through, 1);
  assert_int_equal(c.u.read.index, 1);
  core_stop(&c);
}

/* ---- followers ---- */

static void start_follower(struct core *c)
{
  core_start_given(c, &(struct core_given){.config = {.id = 1}, .configuration = voters_of(1, 2, 3), TERMS(1, 1)});
  core_append_of(c, .from = 2, .term = 1, .prev_index = 2, .prev_term = 1, .commit = 2);
  core_clear(c);
}

static void answer(struct core *c, uint64_t incarnation, uint64_t context, uint64_t index)
{
  struct raft_message m = {.type = RAFT_READABLE, .from = 2, .to = c->config.id, .term = 1};
  m.readable.incarnation = incarnation;
  m.readable.context = context;
  m.readable.index = index;
  core_receive(c, &m);
}

/* 6.4: a follower asks its leader for the read index and may then serve reads itself. */
static void follower_asks_its_leader(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  core_read(&c);
  const struct raft_message *m = core_must_send(&c, RAFT_READ, 2);
  assert_int_equal(m->read.context, 1);
  assert_int_equal(m->read.incarnation, c.config.incarnation);
  answer(&c, c.config.incarnation, 1, 2);
  assert_int_equal(c.u.read.through, 1);
  assert_int_equal(c.u.read.index, 2);
  core_stop(&c);
}

/* An answer serves only reads that had begun before its request was sent. */
static void answer_serves_no_later_reads(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  core_read(&c);
  assert_int_equal(core_must_send(&c, RAFT_READ, 2)->read.context, 1);
  core_clear(&c);
  core_read(&c);
  answer(&c, c.config.incarnation, 1, 2);
  assert_int_equal(c.u.read.through, 1);
  if (core_sent(&c, RAFT_READ, 2) == NULL) {
    core_time(&c, TIMEOUT - MS(1));
  }
  assert_int_equal(core_must_send(&c, RAFT_READ, 2)->read.context, 2);
  answer(&c, c.config.incarnation, 2, 2);
  assert_int_equal(c.u.read.through, 2);
  core_stop(&c);
}

/* Contexts begin anew with each start: an answer to an earlier incarnation's question is none. */
static void answer_to_an_earlier_incarnation_is_ignored(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  uint64_t before = c.config.incarnation;
  core_read(&c);
  core_crash(&c);
  core_restart(&c);
  core_append_of(&c, .from = 2, .term = 1, .prev_index = 2, .prev_term = 1, .commit = 2);
  core_read(&c);
  answer(&c, before, 1, 1);
  assert_int_equal(c.u.read.through, 0);
  answer(&c, c.config.incarnation, 1, 2);
  assert_int_equal(c.u.read.through, 1);
  core_stop(&c);
}

/* An answer that comes twice answers once. */
static void repeated_answer_is_ignored(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  core_read(&c);
  answer(&c, c.config.incarnation, 1, 2);
  answer(&c, c.config.incarnation, 1, 2);
  assert_int_equal(c.u.read.through, 0);
  core_stop(&c);
}

/* Never dropped: asked for again as long as there is no answer, and of the next leader. */
static void read_is_asked_for_again(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  core_read(&c);
  core_clear(&c);
  for (int i = 0; i < 8; i++) {
    core_time(&c, MS(100));
    core_append_of(&c, .from = 2, .term = 1, .prev_index = 2, .prev_term = 1, .commit = 2);
  }
  assert_int_equal(core_must_send(&c, RAFT_READ, 2)->read.context, 1);
  core_append_of(&c, .from = 3, .term = 4, .prev_index = 2, .prev_term = 1, .commit = 2);
  for (int i = 0; i < 8; i++) {
    core_time(&c, MS(100));
    core_append_of(&c, .from = 3, .term = 4, .prev_index = 2, .prev_term = 1, .commit = 2);
  }
  assert_int_equal(core_must_send(&c, RAFT_READ, 3)->read.context, 1);
  core_stop(&c);
}

/* A read that began when no leader was known is asked for once one is. */
static void read_without_a_leader_waits_for_one(void **state)
{
  (void)state;
  struct core c;
  core_start_given(&c, &(struct core_given){.config = {.id = 1}, .configuration = voters_of(1, 2, 3), TERMS(1, 1)});
  core_read(&c);
  assert_null(core_sent(&c, RAFT_READ, 0));
  for (int i = 0; i < 8; i++) {
    core_append_of(&c, .from = 2, .term = 1, .prev_index = 2, .prev_term = 1, .commit = 2);
    core_time(&c, MS(100));
  }
  core_must_send(&c, RAFT_READ, 2);
  core_stop(&c);
}

/* Reads that a follower began are served when it has become the leader. */
static void reads_survive_becoming_leader(void **state)
{
  (void)state;
  struct core c;
  start_follower(&c);
  uint64_t context = core_read(&c);
  core_clear(&c);
  core_elect(&c);
  uint64_t through = 0;
  for (int i = 0; i < 10 && through == 0; i++) {
    core_time(&c, HEARTBEAT);
    for (uint64_t to = 2; to <= 3 && through == 0; to++) {
      core_oblige(&c, to);
      through = c.u.read.through;
    }
  }
  assert_int_equal(through, context);
  core_stop(&c);
}

/* The leader answers a follower's question as its own: after a round of confirmation, with the question's incarnation and context. */
static void leader_answers_followers(void **state)
{
  (void)state;
  struct core c;
  start_leader(&c);
  struct raft_message ask = {.type = RAFT_READ, .from = 3, .to = 1, .term = 1};
  ask.read.incarnation = 77;
  ask.read.context = 12;
  core_receive(&c, &ask);
  assert_null(core_sent(&c, RAFT_READABLE, 3));
  struct raft_message m = confirmation(&c, 2);
  core_accept(&c, &m);
  const struct raft_message *reply = core_must_send(&c, RAFT_READABLE, 3);
  assert_int_equal(reply->readable.incarnation, 77);
  assert_int_equal(reply->readable.context, 12);
  assert_int_equal(reply->readable.index, 1);
  core_stop(&c);
}

/* A leader that cannot confirm itself answers nobody. */
static void deposed_leader_answers_nobody(void **state)
{
  (void)state;
  struct core c;
  start_leader(&c);
  struct raft_message ask = {.type = RAFT_READ, .from = 3, .to = 1, .term = 1};
  ask.read.incarnation = 77;
  ask.read.context = 1;
  core_receive(&c, &ask);
  core_read(&c);
  struct raft_message m = confirmation(&c, 2);
  core_append_of(&c, .from = 3, .term = 2, .prev_index = 1, .prev_term = 1, .commit = 1);
  assert_int_equal(c.u.read.through, 0);
  core_accept(&c, &m);
  assert_int_equal(c.u.read.through, 0);
  assert_null(core_sent(&c, RAFT_READABLE, 3));
  core_stop(&c);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(leader_confirms_before_it_answers),
      cmocka_unit_test(earlier_round_confirms_nothing),
      cmocka_unit_test(read_during_a_round_waits_for_the_next),
      cmocka_unit_test(round_serves_a_batch),
      cmocka_unit_test(lost_round_is_repeated),
      cmocka_unit_test(read_waits_for_a_commit_of_the_term),
      cmocka_unit_test(read_sees_what_was_committed_before_it),
      cmocka_unit_test(confirmation_needs_a_majority),
      cmocka_unit_test(single_voter_reads_at_once),
      cmocka_unit_test(follower_asks_its_leader),
      cmocka_unit_test(answer_serves_no_later_reads),
      cmocka_unit_test(answer_to_an_earlier_incarnation_is_ignored),
      cmocka_unit_test(repeated_answer_is_ignored),
      cmocka_unit_test(read_is_asked_for_again),
      cmocka_unit_test(read_without_a_leader_waits_for_one),
      cmocka_unit_test(reads_survive_becoming_leader),
      cmocka_unit_test(leader_answers_followers),
      cmocka_unit_test(deposed_leader_answers_nobody),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
