/* The world: time, events, causes, and what becomes of a line. */
#include "sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "cmocka_all.h"

#define ENDS 6

/* A few endpoints of each kind that note what they hear. */
struct room {
  struct sim *sim;
  struct sim_endpoint ends[ENDS]; /* n0 n1 n2, lin-kv, c1 c2 */
  struct buf heard;               /* "time to<line" each */
  struct buf fates;
  struct sim_observer observer;
};

static void hear(void *self, struct slice line, const struct json_envelope *e)
{
  struct room *r = self;
  assert_int_equal(line.ptr[line.len], '\n');
  buf_printf(&r->heard, "%llu %.*s<%.*s %.*s\n", (unsigned long long)(sim_now(r->sim) / SIM_US), (int)e->dest.len, e->dest.ptr,
             (int)e->src.len, e->src.ptr, (int)e->type.len, e->type.ptr);
}

static void watch(void *self, enum sim_fate fate, uint64_t id, struct slice from, struct slice to, struct slice line, const char *why)
{
  struct room *r = self;
  (void)id;
  (void)from;
  (void)to;
  (void)line;
  buf_append_char(&r->fates, "SDLCGXR"[fate]);
  if (why != NULL) {
    buf_printf(&r->fates, "(%s)", why);
  }
}

static void open_room(struct room *r, struct sim_config config)
{
  static const char *const names[ENDS] = {"n0", "n1", "n2", "lin-kv", "c1", "c2"};
  *r = (struct room){0};
  r->observer = (struct sim_observer){.self = r, .message = watch};
  config.nodes = 3;
  config.observer = &r->observer;
  r->sim = sim_new(&config);
  for (int i = 0; i < ENDS; i++) {
    r->ends[i] = (struct sim_endpoint){.kind = i < 3 ? SIM_NODE : i == 3 ? SIM_SERVICE : SIM_CLIENT, .self = r, .receive = hear};
    r->ends[i].index = i < 3 ? (unsigned)i : 0;
    snprintf(r->ends[i].name, sizeof r->ends[i].name, "%s", names[i]);
    sim_join(r->sim, &r->ends[i]);
  }
}

static void close_room(struct room *r)
{
  sim_free(r->sim);
  buf_free(&r->heard);
  buf_free(&r->fates);
}

static void say(struct room *r, int from, const char *to, const char *type)
{
  char line[200];
  int len = snprintf(line, sizeof line, "{\"src\":\"%s\",\"dest\":\"%s\",\"body\":{\"type\":\"%s\"}}\n", r->ends[from].name, to, type);
  sim_send(r->sim, &r->ends[from], slice_of(line, (size_t)len));
}

static void expect_heard(struct room *r, const char *text)
{
  buf_append_char(&r->heard, '\0');
  assert_string_equal(r->heard.data, text);
  buf_clear(&r->heard);
}

static void expect_fates(struct room *r, const char *text)
{
  buf_append_char(&r->fates, '\0');
  assert_string_equal(r->fates.data, text);
  buf_clear(&r->fates);
}

/* ---- events ---- */

struct note {
  struct sim *sim;
  struct buf text;
};

struct tick {
  struct note *note;
  char name;
};

static void tick(void *arg)
{
  struct tick *t = arg;
  buf_printf(&t->note->text, "%c%llu ", t->name, (unsigned long long)((sim_now(t->note->sim) - SIM_S) / SIM_MS));
}

static void dropped(void *arg)
{
  struct tick *t = arg;
  buf_printf(&t->note->text, "-%c ", t->name);
}

static void test_events_run_in_order_of_time_then_posting(void **state)
{
  (void)state;
  struct note note = {.sim = sim_new(&(struct sim_config){.seed = 1, .nodes = 1})};
  struct tick ticks[5] = {{&note, 'a'}, {&note, 'b'}, {&note, 'c'}, {&note, 'd'}, {&note, 'e'}};
  uint64_t start = sim_now(note.sim);
  sim_post(note.sim, start + 3 * SIM_MS, tick, &ticks[0], dropped);
  sim_post(note.sim, start + 1 * SIM_MS, tick, &ticks[1], dropped);
  sim_post(note.sim, start + 3 * SIM_MS, tick, &ticks[2], dropped);
  struct sim_event *gone = sim_post(note.sim, start + 2 * SIM_MS, tick, &ticks[3], dropped);
  sim_post(note.sim, 0, tick, &ticks[4], dropped); /* past: now */
  sim_cancel(note.sim, gone);
  sim_run(note.sim, start + 2 * SIM_MS);
  assert_int_equal(sim_now(note.sim), start + 2 * SIM_MS);
  sim_run(note.sim, start + 3 * SIM_MS);
  sim_post(note.sim, start + 9 * SIM_MS, tick, &ticks[1], dropped);
  sim_free(note.sim);
  buf_append_char(&note.text, '\0');
  assert_string_equal(note.text.data, "-d e0 b1 a3 c3 -b ");
  buf_free(&note.text);
}

static void stop_it(void *arg)
{
  sim_stop(arg);
}

static void test_stop_returns_behind_the_event(void **state)
{
  (void)state;
  struct sim *sim = sim_new(&(struct sim_config){.seed = 1, .nodes = 1});
  uint64_t start = sim_now(sim);
  sim_post(sim, start + SIM_S, stop_it, sim, NULL);
  sim_run(sim, start + 5 * SIM_S);
  assert_int_equal(sim_now(sim), start + SIM_S);
  sim_run(sim, start + 5 * SIM_S);
  assert_int_equal(sim_now(sim), start + 5 * SIM_S);
  sim_free(sim);
}

/* ---- lines ---- */

static void test_clients_are_at_no_distance(void **state)
{
  (void)state;
  struct room r;
  open_room(&r, (struct sim_config){.seed = 1, .latency = {SIM_CONSTANT, 50 * SIM_MS}});
  say(&r, 4, "n0", "from_client");
  say(&r, 0, "c1", "to_client");
  say(&r, 0, "n1", "to_node");
  say(&r, 0, "lin-kv", "to_service");
  say(&r, 3, "n2", "from_service");
  sim_run(r.sim, sim_now(r.sim) + SIM_S);
  expect_heard(&r, "1000000 n0<c1 from_client\n1000000 c1<n0 to_client\n1050000 n1<n0 to_node\n1050000 lin-kv<n0 to_service\n"
                   "1050000 n2<lin-kv from_service\n");
  assert_int_equal(sim_stats(r.sim)->server_messages, 3);
  assert_int_equal(sim_stats(r.sim)->delivered, 5);
  close_room(&r);
}

static void test_every_message_costs_service_time(void **state)
{
  (void)state;
  struct room r;
  open_room(&r, (struct sim_config){.seed = 4, .service_min_ns = 100 * SIM_US, .service_max_ns = 2 * SIM_MS});
  for (int i = 0; i < 500; i++) {
    say(&r, 4, "n0", "x");
  }
  sim_run(r.sim, SIM_S + 100 * SIM_US - 1);
  assert_int_equal(sim_stats(r.sim)->delivered, 0);
  sim_run(r.sim, SIM_S + 2 * SIM_MS);
  assert_int_equal(sim_stats(r.sim)->delivered, 500);
  close_room(&r);
}

static void test_what_maelstrom_refuses_makes_mute(void **state)
{
  (void)state;
  static const struct {
    const char *line;
    const char *fates;
  } cases[] = {
      {"{\"src\":\"n0\",\"dest\":\"n1\",\"body\":{\"type\":\"x\"}}\n", "S"},
      {"{\"src\":\"n0\",\"dest\":\"n1\",\"body\":{\"type\":\"x\"},\"id\":3}\n", "S"},
      {"{\"src\":\"n0\",\"dest\":\"n1\",\"body\":{\"type\":\"x\"}}", "R(no newline at its end)"},
      {"{\"src\":\"n0\",\"dest\":\"n1\",\n\"body\":{\"type\":\"x\"}}\n", "R(a newline within)"},
      {"{\"src\":\"n0\",\"dest\":\"n1\",\"body\":{\"type\":\"x\"},\"extra\":1}\n", "R(a key beside src, dest, body and id)"},
      {"{\"extra\":1,\"src\":\"n0\",\"dest\":\"n1\",\"body\":{\"type\":\"x\"}}\n", "R(a key beside src, dest, body and id)"},
      {"{\"src\":\"n1\",\"dest\":\"n0\",\"body\":{\"type\":\"x\"}}\n", "R(src is somebody else)"},
      {"{\"src\":\"n0\",\"dest\":\"n9\",\"body\":{\"type\":\"x\"}}\n", "R(dest is not there (unknown, or a client that has left))"},
      {"{\"src\":\"n0\",\"dest\":\"n1\"}\n", "R(body is missing)"},
      {"\n", NULL},
      {"hello\n", NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct room r;
    open_room(&r, (struct sim_config){.seed = 1});
    sim_send(r.sim, &r.ends[0], slice_of(cases[i].line, strlen(cases[i].line)));
    bool refused = cases[i].fates == NULL || cases[i].fates[0] == 'R';
    assert_int_equal(r.ends[0].mute, refused);
    assert_int_equal(sim_stats(r.sim)->refused, refused);
    if (cases[i].fates != NULL) {
      expect_fates(&r, cases[i].fates);
    }
    say(&r, 0, "n1", "later");
    sim_run(r.sim, sim_now(r.sim) + SIM_S);
    assert_int_equal(sim_stats(r.sim)->delivered, refused ? 0 : 2);
    close_room(&r);
  }
}

static void test_late_words_to_a_client_that_left_are_fatal(void **state)
{
  (void)state;
  struct room r;
  open_room(&r, (struct sim_config){.seed = 1, .service_min_ns = SIM_MS, .service_max_ns = SIM_MS});
  say(&r, 0, "c1", "in_time");
  sim_leave(r.sim, &r.ends[4]);
  sim_run(r.sim, sim_now(r.sim) + SIM_S);
  expect_fates(&r, "SG"); /* it left while the message was under way: lost, and nobody's fault */
  say(&r, 0, "c1", "too_late");
  assert_true(r.ends[0].mute);
  close_room(&r);
}

static void test_partitions_act_where_a_message_arrives_and_on_nodes_only(void **state)
{
  (void)state;
  struct room r;
  open_room(&r, (struct sim_config){.seed = 1, .latency = {SIM_CONSTANT, 10 * SIM_MS}});
  say(&r, 0, "n1", "under_way_when_cut");
  sim_net_cut(r.sim, 0, 1, true);
  sim_net_cut(r.sim, 0, 1, true); /* twice is once */
  say(&r, 1, "n0", "other_way");
  say(&r, 0, "n2", "elsewhere");
  say(&r, 0, "lin-kv", "service");
  sim_run(r.sim, sim_now(r.sim) + 20 * SIM_MS);
  expect_heard(&r, "1010000 n0<n1 other_way\n1010000 n2<n0 elsewhere\n1010000 lin-kv<n0 service\n");
  say(&r, 0, "n1", "healed_before_it_arrives");
  sim_net_heal(r.sim);
  sim_run(r.sim, sim_now(r.sim) + 20 * SIM_MS);
  expect_heard(&r, "1030000 n1<n0 healed_before_it_arrives\n");
  sim_net_cut(r.sim, 2, 1, true);
  sim_net_cut(r.sim, 2, 1, false);
  say(&r, 2, "n1", "x");
  sim_run(r.sim, sim_now(r.sim) + 20 * SIM_MS);
  expect_heard(&r, "1050000 n1<n2 x\n");
  assert_int_equal(sim_stats(r.sim)->cut, 1);
  close_room(&r);
}

static void test_loss_and_copies_by_chance(void **state)
{
  (void)state;
  struct room r;
  open_room(&r, (struct sim_config){.seed = 5});
  sim_net_lose(r.sim, 0, 250000);
  sim_net_duplicate(r.sim, 1, 500000);
  for (int i = 0; i < 4000; i++) {
    say(&r, 0, "n2", "lossy");
    say(&r, 1, "n2", "copied");
    say(&r, 0, "lin-kv", "never_lost");
    say(&r, 1, "c1", "never_copied");
  }
  sim_run(r.sim, sim_now(r.sim) + SIM_S);
  const struct sim_stats *s = sim_stats(r.sim);
  assert_in_range(s->lost, 900, 1100);
  assert_in_range(s->duplicated, 1880, 2120);
  assert_int_equal(s->delivered, 16000 - s->lost + s->duplicated);
  close_room(&r);
}

static void test_slow_links_take_longer(void **state)
{
  (void)state;
  struct room r;
  open_room(&r, (struct sim_config){.seed = 1, .latency = {SIM_CONSTANT, 10 * SIM_MS}});
  sim_net_slow(r.sim, 1, 7);
  say(&r, 0, "n1", "slow");
  say(&r, 1, "lin-kv", "slow_too");
  say(&r, 0, "n2", "fast");
  sim_run(r.sim, sim_now(r.sim) + SIM_S);
  expect_heard(&r, "1010000 n2<n0 fast\n1070000 n1<n0 slow\n1070000 lin-kv<n1 slow_too\n");
  close_room(&r);
}

/* ---- keys ---- */

/* Two chains of messages: taking one out changes nothing about the other. */
static void run_chains(uint64_t seed, bool with_first, struct buf *heard, uint64_t *trace)
{
  struct room r;
  open_room(&r, (struct sim_config){.seed = seed, .latency = {SIM_EXPONENTIAL, 20 * SIM_MS}, .service_max_ns = SIM_MS});
  sim_net_lose(r.sim, 0, 300000);
  for (uint64_t i = 0; i < 50; i++) {
    if (with_first) {
      sim_cause(r.sim, 1, 0, i);
      say(&r, 0, "n1", "first");
    }
    sim_cause(r.sim, 1, 1, i);
    say(&r, 0, "n2", "second");
    sim_random(r.sim);
    say(&r, 2, "n0", "second");
  }
  sim_run(r.sim, sim_now(r.sim) + 10 * SIM_S);
  const char *p = r.heard.data;
  while (p < r.heard.data + r.heard.len) {
    const char *end = memchr(p, '\n', (size_t)(r.heard.data + r.heard.len - p));
    if (memmem(p, (size_t)(end - p), "second", 6) != NULL) {
      buf_append(heard, p, (size_t)(end + 1 - p));
    }
    p = end + 1;
  }
  *trace = sim_trace(r.sim);
  close_room(&r);
}

static void test_fates_follow_causes(void **state)
{
  (void)state;
  struct buf with = {0};
  struct buf without = {0};
  struct buf again = {0};
  struct buf other = {0};
  uint64_t traces[4];
  run_chains(7, true, &with, &traces[0]);
  run_chains(7, false, &without, &traces[1]);
  run_chains(7, true, &again, &traces[2]);
  run_chains(8, true, &other, &traces[3]);
  assert_true(with.len > 1000);
  assert_true(slice_equal(buf_slice(&with), buf_slice(&without)));
  assert_true(traces[0] == traces[2]);
  assert_true(traces[0] != traces[1]);
  assert_true(traces[0] != traces[3]);
  assert_false(slice_equal(buf_slice(&with), buf_slice(&other)));
  buf_free(&with);
  buf_free(&without);
  buf_free(&again);
  buf_free(&other);
}

static void test_random_of_depends_on_its_numbers_alone(void **state)
{
  (void)state;
  struct sim *a = sim_new(&(struct sim_config){.seed = 3, .nodes = 1});
  struct sim *b = sim_new(&(struct sim_config){.seed = 3, .nodes = 2});
  sim_random(b);
  assert_true(sim_random_of(a, 1, 2, 3) == sim_random_of(b, 1, 2, 3));
  assert_true(sim_random_of(a, 1, 2, 3) != sim_random_of(a, 1, 3, 2));
  assert_true(sim_random_of(a, 1, 2, 3) != sim_random_of(a, 2, 1, 3));
  sim_free(a);
  sim_free(b);
}

static void test_reordered_lines_are_the_same_messages(void **state)
{
  (void)state;
  struct room r;
  open_room(&r, (struct sim_config){.seed = 1, .reorder_keys = true});
  static const char line[] =
      "{\"src\":\"n0\",\"dest\":\"n1\",\"body\":{\"type\":\"x\",\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7,"
      "\"h\":8,\"i\":9}}\n";
  sim_send(r.sim, &r.ends[0], slice_of(line, sizeof line - 1));
  sim_run(r.sim, sim_now(r.sim) + SIM_S);
  expect_heard(&r, "1000000 n1<n0 x\n");
  close_room(&r);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_events_run_in_order_of_time_then_posting),
      cmocka_unit_test(test_stop_returns_behind_the_event),
      cmocka_unit_test(test_clients_are_at_no_distance),
      cmocka_unit_test(test_every_message_costs_service_time),
      cmocka_unit_test(test_what_maelstrom_refuses_makes_mute),
      cmocka_unit_test(test_late_words_to_a_client_that_left_are_fatal),
      cmocka_unit_test(test_partitions_act_where_a_message_arrives_and_on_nodes_only),
      cmocka_unit_test(test_loss_and_copies_by_chance),
      cmocka_unit_test(test_slow_links_take_longer),
      cmocka_unit_test(test_fates_follow_causes),
      cmocka_unit_test(test_random_of_depends_on_its_numbers_alone),
      cmocka_unit_test(test_reordered_lines_are_the_same_messages),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
