/* Proposals word for word: the test speaks for the other members. */
#include "node/raft_world.h"

#define HEARTBEAT                                                                                                                          \
  "{\"type\":\"raft_append\",\"group\":\"main\",\"term\":1,\"session\":5,\"prev\":[0,0],\"commit\":0,\"round\":0,\"entries\":[]}"

/* What the node has sent and nobody has looked at yet. */
static char sent[64][400];
static unsigned sent_count;

static bool keep(struct world *w, const char *line)
{
  (void)w;
  if (strstr(line, "\"raft_propose\"") || strstr(line, "\"raft_refused\"") || strstr(line, "\"raft_result\"") ||
      strstr(line, "\"raft_done\"") || strstr(line, "\"raft_change\"")) {
    assert_true(sent_count < 64);
    snprintf(sent[sent_count++], sizeof *sent, "%s", strstr(line, "\"body\":") + 7);
  }
  return true;
}

static void say(struct world *w, const char *src, const char *format, ...)
{
  struct buf line = {0};
  va_list args;
  va_start(args, format);
  buf_printf(&line, "{\"src\":\"%s\",\"dest\":\"n0\",\"body\":", src);
  buf_vprintf(&line, format, args);
  buf_append_char(&line, '}');
  va_end(args);
  post_line(w, 0, buf_slice(&line), 0);
  run_for(w, 1);
  buf_free(&line);
}

static long long number(const char *text, const char *key)
{
  char quoted[40];
  snprintf(quoted, sizeof quoted, "\"%s\":", key);
  const char *at = strstr(text, quoted);
  if (at == NULL) {
    fail_msg("no %s in %s", key, text);
  }
  return atoll(at + strlen(quoted));
}

/* The next line; fails if there is none within the time. */
static const char *next_sent(struct world *w, uint64_t ms)
{
  static char line[400];
  for (uint64_t i = 0; i < ms && sent_count == 0; i++) {
    run_for(w, 1);
  }
  if (sent_count == 0) {
    fail_msg("nothing was sent:\n%.*s", (int)w->log.len, w->log.data);
  }
  memcpy(line, sent[0], sizeof line);
  memmove(sent, sent + 1, --sent_count * sizeof *sent);
  return line;
}

/* n0 follows n1 in term 1, and keeps hearing of it. */
static struct world *follower(void)
{
  struct world *w = world_new(3, false);
  w->unwatched = true;
  w->drop = keep;
  w->config.election_timeout_ns = 2 * NODE_S_NS;
  sent_count = 0;
  start_member(w, 0);
  run_for(w, 1);
  say(w, "n1", HEARTBEAT);
  assert_int_equal(node_group_leader(w->members[0].group).len, 2);
  return w;
}

/* … and has session 7. */
static struct world *with_session(struct outcome **first)
{
  struct world *w = follower();
  *first = propose(w, 0, "{\"b\":1,\"a\":2}", 3500);
  const char *line = next_sent(w, 5);
  assert_non_null(strstr(line, "\"open\":\"n0\""));
  assert_int_equal(number(line, "term"), 1);
  say(w, "n1", "{\"type\":\"raft_result\",\"group\":\"main\",\"session\":7,\"sequence\":0,\"nonce\":%lld}", number(line, "nonce"));
  return w;
}

static void refuse(struct world *w, const char *line, const char *code)
{
  say(w, "n1", "{\"type\":\"raft_refused\",\"group\":\"main\",\"session\":%lld,\"sequence\":%lld,\"attempt\":%lld,\"code\":\"%s\"}",
      number(line, "session"), number(line, "sequence"), number(line, "attempt"), code);
}

static void test_result(void **state)
{
  (void)state;
  struct outcome *o;
  struct world *w = with_session(&o);
  const char *line = next_sent(w, 5);
  assert_non_null(strstr(line, "\"session\":7,\"sequence\":1,\"below\":1,\"command\":{\"a\":2,\"b\":1}"));
  for (unsigned i = 0; i < 2; i++) {
    say(w, "n1", "{\"type\":\"raft_result\",\"group\":\"main\",\"session\":7,\"sequence\":1,\"code\":0,\"value\":{\"x\":[1]}}");
  }
  assert_true(o->done);
  assert_int_equal(o->status, 0);
  assert_string_equal(o->value, "{\"x\":[1]}");
  o = propose(w, 0, "2", 3000);
  line = next_sent(w, 5);
  assert_non_null(strstr(line, "\"session\":7,\"sequence\":2,\"below\":2,\"command\":2"));
  say(w, "n1", "{\"type\":\"raft_result\",\"group\":\"main\",\"session\":6,\"sequence\":2,\"code\":0,\"value\":1}");
  assert_false(o->done);
  say(w, "n1", "{\"type\":\"raft_result\",\"group\":\"main\",\"session\":7,\"sequence\":2,\"code\":22,\"text\":\"not \\\"so\\\"\"}");
  assert_int_equal(o->code, 22);
  assert_string_equal(o->value, "not \"so\"");
  world_free(w);
}

static void test_every_copy_refused_is_definite(void **state)
{
  (void)state;
  struct outcome *o;
  struct world *w = with_session(&o);
  unsigned copies = 0;
  while (!o->done) {
    if (sent_count > 0) {
      refuse(w, next_sent(w, 1), "not-leader");
      copies++;
    }
    if (copies % 4 == 0) {
      say(w, "n1", HEARTBEAT);
    }
    run_for(w, 1);
  }
  assert_true(copies > 10);
  assert_int_equal(o->status, ERROR_NO_QUORUM);
  world_free(w);
}

static void test_refusals_keep_their_code(void **state)
{
  (void)state;
  struct outcome *o;
  struct world *w = with_session(&o);
  refuse(w, next_sent(w, 5), "disk-full");
  assert_true(o->done); /* at once */
  assert_int_equal(o->status, ERROR_DISK_FULL);
  o = propose(w, 0, "2", 250);
  for (unsigned i = 0; i < 3; i++) {
    refuse(w, next_sent(w, 150), "busy");
  }
  run_until(w, o, 300);
  assert_int_equal(o->status, ERROR_BUSY);
  world_free(w);
}

static void test_an_unanswered_copy_is_indefinite(void **state)
{
  (void)state;
  struct outcome *o;
  struct world *w = with_session(&o);
  char first[400];
  char second[400];
  strcpy(first, next_sent(w, 5));
  run_for(w, 1000);
  say(w, "n1", HEARTBEAT);
  strcpy(second, next_sent(w, 1500)); /* after an election timeout */
  assert_int_equal(number(second, "sequence"), 1);
  assert_int_not_equal(number(first, "attempt"), number(second, "attempt"));
  refuse(w, second, "not-leader");
  refuse(w, second, "not-leader"); /* the network repeats it */
  w->drop = NULL;
  cut_off(w, 0, true);
  run_until(w, o, 4000);
  assert_int_equal(o->status, ERROR_TIMEOUT);
  world_free(w);
}

static void test_session_that_has_ended(void **state)
{
  (void)state;
  struct outcome *o;
  struct world *w = with_session(&o);
  next_sent(w, 5);
  struct outcome *refused = propose(w, 0, "2", 3000);
  refuse(w, next_sent(w, 5), "busy");
  say(w, "n1", "{\"type\":\"raft_result\",\"group\":\"main\",\"session\":7,\"sequence\":1,\"skipped\":true}");
  assert_true(o->done);
  assert_int_equal(o->status, ERROR_TIMEOUT);
  assert_false(refused->done);
  /* What was never appended goes on in a new session. */
  const char *line = next_sent(w, 5);
  assert_non_null(strstr(line, "\"open\":\"n0\""));
  say(w, "n1", "{\"type\":\"raft_result\",\"group\":\"main\",\"session\":9,\"sequence\":0,\"nonce\":%lld}", number(line, "nonce"));
  line = next_sent(w, 5);
  assert_non_null(strstr(line, "\"session\":9,\"sequence\":1,\"below\":1,\"command\":2"));
  world_free(w);
}

/* n0 leads alone; n1 and n2 are no members. */
static struct world *leading(void)
{
  struct world *w = world_new(3, false);
  w->unwatched = true;
  w->drop = keep;
  w->voters[0] = "n0";
  w->voter_count = 1;
  sent_count = 0;
  start_member(w, 0);
  run_for(w, 1000);
  assert_true(node_group_leads(w->members[0].group));
  return w;
}

static void test_leader_takes_each_copy_once(void **state)
{
  (void)state;
  struct world *w = leading();
  say(w, "n1", "{\"type\":\"raft_propose\",\"group\":\"main\",\"term\":1,\"attempt\":1,\"open\":\"n1\",\"nonce\":77}");
  const char *line = next_sent(w, 5);
  assert_int_equal(number(line, "nonce"), 77);
  long long session = number(line, "session");
  static const char propose[] = "{\"type\":\"raft_propose\",\"group\":\"main\",\"term\":%d,\"attempt\":%d,\"session\":%lld,\"sequence\":%d,"
                                "\"below\":1,\"command\":{\"z\":1e0,\"a\":[ ]}}";
  say(w, "n1", propose, 1, 2, session, 1);
  line = next_sent(w, 5);
  assert_non_null(strstr(line, "\"sequence\":1,\"code\":0,\"value\":{\"size\":14,\"was\":{\"a\":[],\"z\":1}}"));
  say(w, "n1", propose, 1, 2, session, 1); /* the network repeats it: nothing */
  run_for(w, 5);
  assert_int_equal(sent_count, 0);
  say(w, "n1", propose, 1, 3, session, 1); /* the node does: the result, without another entry */
  assert_non_null(strstr(next_sent(w, 5), "\"sequence\":1,\"code\":0,\"value\":{\"size\":14"));
  assert_int_equal(w->members[0].count, 1);
  /* Of another term, or none: refused, with the leader's name. */
  say(w, "n1", propose, 2, 4, session, 2);
  line = next_sent(w, 5);
  assert_non_null(strstr(line, "\"attempt\":4,\"code\":\"not-leader\",\"leader\":\"n0\",\"term\":1"));
  say(w, "n1", propose, 0, 5, session, 2);
  assert_non_null(strstr(next_sent(w, 5), "raft_refused"));
  /* The session ends with a newer one. */
  say(w, "n1", "{\"type\":\"raft_propose\",\"group\":\"main\",\"term\":1,\"attempt\":1,\"open\":\"n1\",\"nonce\":78}");
  next_sent(w, 5);
  say(w, "n1", propose, 1, 6, session, 2);
  line = next_sent(w, 5);
  assert_non_null(strstr(line, "\"sequence\":2,\"skipped\":true"));
  assert_int_equal(w->members[0].count, 1);
  world_free(w);
}

static void test_asks(void **state)
{
  (void)state;
  struct world *w = leading();
  say(w, "n1", "{\"type\":\"raft_change\",\"group\":\"main\",\"ask\":4,\"at\":0,\"members\":{\"voters\":[\"n0\"]}}");
  assert_non_null(strstr(next_sent(w, 5), "\"ask\":4,\"code\":\"ok\""));
  say(w, "n1", "{\"type\":\"raft_change\",\"group\":\"main\",\"ask\":5,\"at\":9,\"members\":{\"voters\":[\"n0\"],\"learners\":[\"n1\"]}}");
  assert_non_null(strstr(next_sent(w, 5), "\"ask\":5,\"code\":\"busy\",\"at\":0"));
  say(w, "n1", "{\"type\":\"raft_change\",\"group\":\"main\",\"ask\":6,\"at\":0,\"members\":{\"voters\":[\"n0\"],\"learners\":[\"n1\"]}}");
  next_sent(w, 5);
  run_for(w, 10);
  struct buf text = {0};
  status(w, 0, &text);
  assert_non_null(strstr(text.data, "\"learners\":[\"n1\"]"));
  say(w, "n1", "{\"type\":\"raft_transfer\",\"group\":\"main\",\"ask\":7,\"term\":1,\"to\":\"n2\"}");
  assert_non_null(strstr(next_sent(w, 5), "\"ask\":7,\"code\":\"node-not-found\""));
  buf_free(&text);
  world_free(w);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_result),
      cmocka_unit_test(test_every_copy_refused_is_definite),
      cmocka_unit_test(test_refusals_keep_their_code),
      cmocka_unit_test(test_an_unanswered_copy_is_indefinite),
      cmocka_unit_test(test_session_that_has_ended),
      cmocka_unit_test(test_leader_takes_each_copy_once),
      cmocka_unit_test(test_asks),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
