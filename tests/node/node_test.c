/* The node alone: a world of strings and a service in C. */
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/error.h"
#include "cmocka_all.h"
#include "node/node.h"
#include "string_world.h"

struct world {
  struct node *node;
  struct string_world env;
  bool pending; /* on_init does not end at once */
  unsigned messages;
  int status; /* of the last operation that completed; 1 = none has */
  bool stopped;
  struct node_request *request; /* the last one */
  bool answer;
};

static enum node_init_result on_init(void *self)
{
  return ((struct world *)self)->pending ? NODE_INIT_PENDING : NODE_INIT_DONE;
}

static void on_message(void *self, const struct node_message *m)
{
  struct world *w = self;
  w->messages++;
  free(w->request);
  w->request = malloc(node_request_size(m));
  assert_non_null(w->request);
  node_request_init(w->request, m);
  int error = 0;
  struct buf *line = w->answer ? node_reply_begin(w->node, w->request, &error) : NULL;
  if (line != NULL) {
    buf_append_str(line, "\"type\":\"ok\"");
    node_reply_send(w->node, w->request);
  }
}

static void on_complete(void *self, uint64_t token, void *tag, int status, const struct node_message *reply)
{
  (void)token;
  (void)tag;
  (void)reply;
  ((struct world *)self)->status = status;
}

static bool on_busy(void *self)
{
  (void)self;
  return false;
}

static void on_stop(void *self)
{
  ((struct world *)self)->stopped = true;
}

static int setup(void **state)
{
  struct world *w = calloc(1, sizeof *w);
  assert_non_null(w);
  w->env.now = 100 * NODE_S_NS;
  w->status = 1;
  w->answer = true;
  struct node_config config = node_config_default();
  config.line_max_bytes = 1000;
  struct node_env env = string_world_env(&w->env);
  w->node = node_new(&config, &env,
                     &(struct node_behavior){
                         .self = w,
                         .init = on_init,
                         .message = on_message,
                         .complete = on_complete,
                         .busy = on_busy,
                         .stop = on_stop,
                     });
  *state = w;
  return 0;
}

static int teardown(void **state)
{
  struct world *w = *state;
  node_free(w->node);
  string_world_free(&w->env);
  free(w->request);
  free(w);
  return 0;
}

static void receive(struct world *w, const char *line)
{
  node_receive(w->node, slice_of(line, strlen(line)), w->env.now);
}

/* What was sent since the last call. */
static void expect_out(struct world *w, const char *expected)
{
  buf_append_char(&w->env.out, '\0');
  assert_string_equal(w->env.out.data, expected);
  buf_clear(&w->env.out);
}

static void expect_log(struct world *w, const char *part)
{
  expect_part(&w->env.log, part);
}

#define INIT    "{\"src\":\"c0\",\"dest\":\"n0\",\"body\":{\"type\":\"init\",\"node_id\":\"n0\",\"node_ids\":[\"n0\",\"n1\"],\"msg_id\":1}}"
#define INIT_OK "{\"src\":\"n0\",\"dest\":\"c0\",\"body\":{\"type\":\"init_ok\",\"in_reply_to\":1}}\n"

static void init(struct world *w)
{
  receive(w, INIT);
  expect_out(w, INIT_OK);
}

static void test_init_once(void **state)
{
  struct world *w = *state;
  receive(w, "{\"src\":\"c1\",\"dest\":\"n0\",\"body\":{\"type\":\"x\",\"msg_id\":1}}");
  expect_out(w, "");
  expect_log(w, "before init");
  init(w);
  assert_int_equal(node_member_count(w->node), 2);
  init(w);
  receive(w, "{\"src\":\"c0\",\"dest\":\"n0\",\"body\":{\"type\":\"init\",\"node_id\":\"n9\",\"node_ids\":[\"n9\"],\"msg_id\":2}}");
  expect_out(w, "{\"src\":\"n0\",\"dest\":\"c0\",\"body\":{\"type\":\"error\",\"code\":12,\"text\":\"this node has been initialized with "
                "another id\",\"in_reply_to\":2}}\n");
}

static void test_ids_are_carried_exactly(void **state)
{
  struct world *w = *state;
  init(w);
  receive(w, "{\"src\":\"c1\",\"dest\":\"n0\",\"body\":{\"type\":\"x\",\"msg_id\":1.0e2}}\r");
  expect_out(w, "{\"src\":\"n0\",\"dest\":\"c1\",\"body\":{\"type\":\"ok\",\"in_reply_to\":1.0e2}}\n");
  receive(w, "{\"src\":\"c1\",\"dest\":\"n0\",\"body\":{\"type\":\"x\",\"msg_id\":18446744073709551616}}");
  expect_out(w, "{\"src\":\"n0\",\"dest\":\"c1\",\"body\":{\"type\":\"ok\",\"in_reply_to\":18446744073709551616}}\n");
}

static void test_what_cannot_be_read_is_skipped(void **state)
{
  static const char *const lines[] = {
      "garbage",
      "{\"src\":\"c1\"}",
      "{\"src\":1,\"dest\":\"n0\",\"body\":{\"type\":\"x\",\"msg_id\":1}}",
      "{\"src\":\"c1\",\"dest\":\"n7\",\"body\":{\"type\":\"x\",\"msg_id\":1}}",
      "{\"src\":\"c1\",\"dest\":\"n0\",\"body\":{\"type\":\"x\",\"msg_id\":\"1\"}}",
      "{\"src\":\"c1\",\"dest\":\"n0\",\"body\":{\"type\":\"x\",\"msg_id\":1}} {}",
  };
  struct world *w = *state;
  init(w);
  receive(w, "");
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    receive(w, lines[i]);
    expect_log(w, "skipped line");
    assert_int_equal(node_stats(w->node)->skipped, i + 1);
  }
  expect_out(w, "");
  assert_int_equal(w->messages, 0);
  receive(w, "{\"id\":3,\"src\":\"c1\",\"dest\":\"n0\",\"body\":{\"type\":\"x\"}}");
  assert_int_equal(w->messages, 1);
  expect_out(w, "");
}

static void test_late_answers_are_dropped(void **state)
{
  struct world *w = *state;
  init(w);
  w->answer = false;
  receive(w, "{\"src\":\"c1\",\"dest\":\"n0\",\"body\":{\"type\":\"x\",\"msg_id\":1}}");
  w->env.now += 4501 * NODE_MS_NS;
  int error = 0;
  assert_null(node_reply_begin(w->node, w->request, &error));
  assert_int_equal(error, ERROR_LATE);
  expect_log(w, "dropped the answer");
  assert_null(node_reply_begin(w->node, w->request, &error));
  assert_int_equal(error, ERROR_LATE); /* said once */
  assert_int_equal(w->env.log.len, 0);
  expect_out(w, "");
}

static uint64_t call(struct world *w, const char *dest)
{
  int error = 0;
  struct buf *line = node_line_begin(w->node, slice_of(dest, strlen(dest)), &error);
  assert_non_null(line);
  buf_append_str(line, "\"type\":\"q\"");
  return node_line_rpc(w->node, NODE_S_NS, w);
}

static void test_rpc(void **state)
{
  struct world *w = *state;
  char line[200];
  init(w);
  int error = 0;
  assert_null(node_line_begin(w->node, SLICE("c9"), &error));
  assert_int_equal(error, ERROR_DESTINATION);
  uint64_t id = call(w, "n1");
  expect_out(w, ""); /* held: nobody else has been heard from */
  receive(w, "{\"src\":\"c1\",\"dest\":\"n0\",\"body\":{\"type\":\"x\"}}");
  snprintf(line, sizeof line, "{\"src\":\"n0\",\"dest\":\"n1\",\"body\":{\"type\":\"q\",\"msg_id\":%llu}}\n", (unsigned long long)id);
  expect_out(w, line);
  snprintf(line, sizeof line, "{\"src\":\"c1\",\"dest\":\"n0\",\"body\":{\"type\":\"q_ok\",\"in_reply_to\":%llu}}", (unsigned long long)id);
  receive(w, line); /* from somebody else */
  assert_int_equal(w->status, 1);
  line[8] = 'n';
  receive(w, line);
  assert_int_equal(w->status, 0);
  call(w, "n1");
  w->env.now += NODE_S_NS;
  node_wake(w->node);
  assert_int_equal(w->status, ERROR_TIMEOUT);
  call(w, "lin-kv");
  node_stop(w->node);
  assert_int_equal(w->status, ERROR_STOPPED);
  assert_true(w->stopped);
  assert_int_equal(node_state(w->node), NODE_STOPPED);
}

static void test_held_lines_leave_after_a_second(void **state)
{
  struct world *w = *state;
  init(w);
  call(w, "n1");
  w->env.now += NODE_S_NS - 1;
  node_wake(w->node);
  expect_out(w, "");
  w->env.now += 1;
  node_wake(w->node);
  assert_true(w->env.out.len > 0);
  assert_int_equal(w->status, 1); /* its timeout counts from now */
}

static void test_requests_wait_for_on_init(void **state)
{
  struct world *w = *state;
  w->pending = true;
  init(w);
  receive(w, "{\"src\":\"c1\",\"dest\":\"n0\",\"body\":{\"type\":\"x\",\"msg_id\":5}}");
  assert_int_equal(w->messages, 0);
  node_ready(w->node);
  node_wake(w->node);
  expect_out(w, "{\"src\":\"n0\",\"dest\":\"c1\",\"body\":{\"type\":\"ok\",\"in_reply_to\":5}}\n");
}

static void receive_numbered(struct world *w, long long start, int number)
{
  char line[300];
  snprintf(line, sizeof line,
           "{\"src\":\"n1\",\"dest\":\"n0\",\"body\":{\"type\":\"vortex.forward\",\"age_us\":0,\"client\":\"c5\",\"hops\":1,"
           "\"number\":%d,\"start\":%lld,\"request\":{\"type\":\"add\",\"msg_id\":7}}}",
           number, start);
  receive(w, line);
}

static void test_a_forwarded_request_is_handled_once(void **state)
{
  struct world *w = *state;
  init(w);
  unsigned before = w->messages;
  receive_numbered(w, 900, 1);
  receive_numbered(w, 900, 1);
  receive_numbered(w, 900, 3);
  receive_numbered(w, 900, 2);
  receive_numbered(w, 900, 3);
  assert_int_equal(w->messages, before + 3);
  receive_numbered(w, 500, 1); /* n1 has started anew */
  receive_numbered(w, 900, 4); /* under way since before */
  receive_numbered(w, 500, 1);
  assert_int_equal(w->messages, before + 4);
  receive_numbered(w, 500, 0);
  expect_part(&w->env.log, "number is not a positive integer");
  assert_int_equal(w->messages, before + 4);
}

static void test_forwarded_requests_are_answered_to_the_client(void **state)
{
  struct world *w = *state;
  init(w);
  receive(w, "{\"src\":\"n1\",\"dest\":\"n0\",\"body\":{\"type\":\"vortex.forward\",\"age_us\":1000,\"client\":\"c5\",\"hops\":1,"
             "\"request\":{\"type\":\"x\",\"msg_id\":9}}}");
  expect_out(w, "{\"src\":\"n0\",\"dest\":\"c5\",\"body\":{\"type\":\"ok\",\"in_reply_to\":9}}\n");
  receive(w, "{\"src\":\"n1\",\"dest\":\"n0\",\"body\":{\"type\":\"vortex.forward\",\"age_us\":5000000,\"client\":\"c5\",\"hops\":1,"
             "\"request\":{\"type\":\"x\",\"msg_id\":10}}}");
  expect_out(w, ""); /* too old */
  receive(w, "{\"src\":\"n1\",\"dest\":\"n0\",\"body\":{\"type\":\"vortex.forward\",\"age_us\":\"x\",\"client\":\"c5\",\"hops\":1}}");
  expect_log(w, "age_us is not an integer");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_init_once, setup, teardown),
      cmocka_unit_test_setup_teardown(test_ids_are_carried_exactly, setup, teardown),
      cmocka_unit_test_setup_teardown(test_what_cannot_be_read_is_skipped, setup, teardown),
      cmocka_unit_test_setup_teardown(test_late_answers_are_dropped, setup, teardown),
      cmocka_unit_test_setup_teardown(test_rpc, setup, teardown),
      cmocka_unit_test_setup_teardown(test_held_lines_leave_after_a_second, setup, teardown),
      cmocka_unit_test_setup_teardown(test_requests_wait_for_on_init, setup, teardown),
      cmocka_unit_test_setup_teardown(test_forwarded_requests_are_answered_to_the_client, setup, teardown),
      cmocka_unit_test_setup_teardown(test_a_forwarded_request_is_handled_once, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
