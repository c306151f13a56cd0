/* A node in the world: its life, its clocks, what it misses. The service is written in C. */
#include "sim/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "cmocka_all.h"

struct place {
  struct sim *sim;
  struct sim_node *sn;
  struct node *node; /* NULL = dead */
  struct node_env env;
  struct sim_endpoint client;
  struct sim_maker maker;
  unsigned starts;
  unsigned ends;
  bool refuses;
  uint64_t timer_s; /* > 0: each message starts a timer of so many seconds */
  struct buf text;  /* what happened, "ms:what " each */
};

static void note(struct place *p, const char *what)
{
  buf_printf(&p->text, "%llu:%s ", (unsigned long long)((sim_now(p->sim) - SIM_S) / SIM_MS), what);
}

static enum node_init_result on_init(void *self)
{
  note(self, "init");
  return NODE_INIT_DONE;
}

static void on_message(void *self, const struct node_message *m)
{
  struct place *p = self;
  char what[64];
  snprintf(what, sizeof what, "%.*s", (int)m->type.len, m->type.ptr);
  note(p, what);
  if (p->timer_s > 0) {
    node_timer(p->node, p->timer_s * SIM_S, NULL);
  }
}

static void on_complete(void *self, uint64_t token, void *tag, int status, const struct node_message *reply)
{
  (void)token;
  (void)tag;
  (void)status;
  (void)reply;
  note(self, "timer");
}

static bool on_busy(void *self)
{
  (void)self;
  return false;
}

static void on_stop(void *self)
{
  note(self, "stop");
}

static struct node *start(void *self, struct sim_node *sn, unsigned index, unsigned incarnation, const struct node_env *env)
{
  struct place *p = self;
  assert_int_equal(index, 0);
  assert_int_equal(incarnation, sim_node_incarnation(sn));
  p->starts++;
  if (p->refuses) {
    return NULL;
  }
  struct node_config config = node_config_default();
  struct node_behavior behavior = {
      .self = p, .init = on_init, .message = on_message, .complete = on_complete, .busy = on_busy, .stop = on_stop};
  p->env = *env;
  p->node = node_new(&config, env, &behavior);
  return p->node;
}

static void end(void *self, unsigned index)
{
  struct place *p = self;
  assert_int_equal(index, 0);
  p->ends++;
  node_free(p->node);
  p->node = NULL;
}

static void hear(void *self, struct slice line, const struct json_envelope *e)
{
  (void)line;
  char what[64];
  snprintf(what, sizeof what, "got_%.*s", (int)e->type.len, e->type.ptr);
  note(self, what);
}

static void say(struct place *p, const char *members)
{
  char line[200];
  int len = snprintf(line, sizeof line, "{\"src\":\"c1\",\"dest\":\"n0\",\"body\":{%s}}\n", members);
  sim_send(p->sim, &p->client, slice_of(line, (size_t)len));
}

static void open_place(struct place *p)
{
  *p = (struct place){0};
  p->sim = sim_new(&(struct sim_config){.seed = 1, .nodes = 1});
  p->maker = (struct sim_maker){p, start, end};
  p->sn = sim_node_new(p->sim, 0, "n0", &p->maker);
  p->client = (struct sim_endpoint){.name = "c1", .kind = SIM_CLIENT, .self = p, .receive = hear};
  sim_join(p->sim, &p->client);
}

static void begin(struct place *p)
{
  sim_node_start(p->sn);
  say(p, "\"type\":\"init\",\"node_id\":\"n0\",\"node_ids\":[\"n0\"],\"msg_id\":1");
  sim_run(p->sim, sim_now(p->sim));
  buf_clear(&p->text);
}

static void close_place(struct place *p)
{
  sim_node_free(p->sn);
  sim_free(p->sim);
  buf_free(&p->text);
}

static void run_ms(struct place *p, uint64_t ms)
{
  sim_run(p->sim, sim_now(p->sim) + ms * SIM_MS);
}

static void expect(struct place *p, const char *text)
{
  buf_append_char(&p->text, '\0');
  assert_string_equal(p->text.data, text);
  buf_clear(&p->text);
}

static void test_life(void **state)
{
  (void)state;
  struct place p;
  open_place(&p);
  assert_false(sim_node_alive(p.sn));
  say(&p, "\"type\":\"lost\"");
  run_ms(&p, 1);
  assert_int_equal(sim_stats(p.sim)->gone, 1);
  sim_node_start(p.sn);
  sim_node_start(p.sn); /* lives already */
  say(&p, "\"type\":\"init\",\"node_id\":\"n0\",\"node_ids\":[\"n0\"],\"msg_id\":1");
  run_ms(&p, 1);
  expect(&p, "1:init 1:got_init_ok ");
  sim_node_kill(p.sn);
  sim_node_kill(p.sn);
  assert_false(sim_node_alive(p.sn));
  say(&p, "\"type\":\"lost\"");
  run_ms(&p, 1);
  expect(&p, ""); /* no stop either: it was killed */
  begin(&p);
  assert_int_equal(sim_node_incarnation(p.sn), 2);
  say(&p, "\"type\":\"heard\"");
  run_ms(&p, 1);
  expect(&p, "3:heard ");
  close_place(&p);
  assert_int_equal(p.starts, 2);
  assert_int_equal(p.ends, 2);
}

static void test_a_node_that_cannot_start(void **state)
{
  (void)state;
  struct place p;
  open_place(&p);
  p.refuses = true;
  sim_node_start(p.sn);
  assert_true(sim_node_failed(p.sn));
  assert_false(sim_node_alive(p.sn));
  p.refuses = false;
  begin(&p);
  assert_true(sim_node_alive(p.sn));
  close_place(&p);
  assert_int_equal(p.ends, 1);
}

static void test_pause_keeps_messages_and_timers(void **state)
{
  (void)state;
  struct place p;
  open_place(&p);
  begin(&p);
  p.timer_s = 1;
  say(&p, "\"type\":\"first\"");
  run_ms(&p, 500);
  sim_node_pause(p.sn);
  sim_node_pause(p.sn);
  assert_true(sim_node_paused(p.sn));
  say(&p, "\"type\":\"second\"");
  say(&p, "\"type\":\"third\"");
  run_ms(&p, 2500);
  expect(&p, "0:first ");
  sim_node_resume(p.sn);
  sim_node_resume(p.sn);
  run_ms(&p, 2000);
  expect(&p, "3000:second 3000:third 3000:timer 4000:timer 4000:timer ");
  sim_node_pause(p.sn);
  say(&p, "\"type\":\"lost\"");
  run_ms(&p, 1);
  sim_node_kill(p.sn);
  assert_false(sim_node_paused(p.sn));
  begin(&p);
  run_ms(&p, 5000);
  expect(&p, "");
  close_place(&p);
}

static void test_drift_moves_timers(void **state)
{
  (void)state;
  struct place p;
  open_place(&p);
  begin(&p);
  p.timer_s = 10;
  int64_t wall = sim_node_wall_ns(p.sn);
  assert_int_equal(wall / (int64_t)SIM_S, SIM_EPOCH_S + 1);
  sim_node_set_clock(p.sn, 100000, -3600 * (int64_t)SIM_S); /* ten per cent fast, an hour back */
  say(&p, "\"type\":\"fast\"");
  run_ms(&p, 20000);
  expect(&p, "0:fast 9090:timer ");
  assert_int_equal((sim_node_wall_ns(p.sn) - wall) / (int64_t)SIM_S, -3600 + 22);
  sim_node_set_clock(p.sn, -100000, 0);
  say(&p, "\"type\":\"slow\"");
  run_ms(&p, 20000);
  expect(&p, "20000:slow 31111:timer ");
  say(&p, "\"type\":\"changed\"");
  run_ms(&p, 5000); /* 4.5 s of its time */
  sim_node_set_clock(p.sn, 0, 0);
  run_ms(&p, 20000);
  expect(&p, "40000:changed 50500:timer ");
  close_place(&p);
}

static void test_a_muted_node_speaks_again_after_a_restart(void **state)
{
  (void)state;
  struct place p;
  open_place(&p);
  begin(&p);
  say(&p, "\"type\":\"hello\",\"msg_id\":2");
  run_ms(&p, 1);
  sim_leave(p.sim, &p.client);
  struct slice dest = SLICE("c1");
  int error;
  struct buf *line = node_line_begin(p.node, dest, &error); /* a client it has heard from, and that has left */
  assert_non_null(line);
  buf_append_str(line, "\"type\":\"late\"");
  node_line_send(p.node);
  assert_true(sim_node_mute(p.sn));
  sim_join(p.sim, &p.client);
  sim_node_kill(p.sn);
  begin(&p);
  assert_false(sim_node_mute(p.sn));
  close_place(&p);
}

static void test_exit_is_for_good(void **state)
{
  (void)state;
  struct place p;
  open_place(&p);
  begin(&p);
  sim_node_exit(p.sn);
  assert_true(sim_node_alive(p.sn)); /* until the running event is over */
  run_ms(&p, 1);
  assert_false(sim_node_alive(p.sn));
  sim_node_start(p.sn);
  assert_false(sim_node_alive(p.sn));
  assert_true(sim_node_exited(p.sn));
  close_place(&p);
}

static void test_a_node_that_stops_itself_has_exited(void **state)
{
  (void)state;
  struct place p;
  open_place(&p);
  begin(&p);
  node_fail(p.node); /* as when on_init raises after its first wait */
  say(&p, "\"type\":\"x\"");
  run_ms(&p, 2000);
  assert_true(sim_node_exited(p.sn));
  assert_false(sim_node_alive(p.sn));
  close_place(&p);
}

/* ---- a disk that fails ---- */

/* What a node does that has been told so. */
struct reaction {
  struct place *place;
  bool complains;
  bool fails;
  unsigned errors;
};

static void on_written(void *arg, int error)
{
  struct reaction *r = arg;
  struct node *n = r->place->node;
  r->errors += error != 0;
  if (r->complains) {
    r->place->env.log(r->place->env.self, LOG_ERROR, SLICE("the disk fails"));
  }
  if (r->fails) {
    node_fail(n);
  } else {
    node_stop(n);
  }
}

static void on_broken(void *arg, unsigned index)
{
  struct place *p = arg;
  assert_int_equal(index, 0);
  assert_false(sim_node_alive(p->sn));
  assert_true(sim_node_broken(p->sn));
  note(p, "broken");
}

static void write_something(struct reaction *r)
{
  const struct node_disk *disk = r->place->env.disk;
  disk->write(disk->self, 1, 0, SLICE("x"), on_written, r);
}

static void test_a_node_that_its_disk_ends_is_broken(void **state)
{
  (void)state;
  struct place p;
  open_place(&p);
  begin(&p);
  struct reaction r = {&p, true, true, 0};
  sim_node_on_broken(p.sn, on_broken, &p);
  sim_disk_disturb(sim_node_disk(p.sn), &(struct sim_disk_trouble){.failure_ppm = 1000000});
  write_something(&r);
  write_something(&r); /* nobody is told of this one: the process has ended */
  run_ms(&p, 10);
  assert_int_equal(r.errors, 1);
  expect(&p, "0:stop 0:broken ");
  assert_false(sim_node_alive(p.sn) || sim_node_exited(p.sn) || sim_node_failed(p.sn));
  sim_node_start(p.sn);
  assert_true(sim_node_alive(p.sn));
  assert_false(sim_node_broken(p.sn));
  sim_disk_disturb(sim_node_disk(p.sn), &(struct sim_disk_trouble){0});
  write_something(&r); /* what failed in an earlier life is no excuse */
  run_ms(&p, 10);
  assert_int_equal(r.errors, 1);
  assert_true(sim_node_exited(p.sn));
  assert_false(sim_node_broken(p.sn));
  close_place(&p);
}

static void test_a_broken_node_has_said_why(void **state)
{
  (void)state;
  for (int complains = 0; complains < 2; complains++) {
    for (int fails = 0; fails < 2; fails++) {
      struct place p;
      open_place(&p);
      begin(&p);
      struct reaction r = {&p, complains, fails, 0};
      sim_disk_disturb(sim_node_disk(p.sn), &(struct sim_disk_trouble){.failure_ppm = 1000000});
      write_something(&r);
      run_ms(&p, 10);
      assert_false(sim_node_alive(p.sn));
      assert_int_equal(sim_node_broken(p.sn), complains && fails);
      assert_int_equal(sim_node_exited(p.sn), !(complains && fails));
      close_place(&p);
    }
  }
}

static void test_a_paused_node_learns_later(void **state)
{
  (void)state;
  struct place p;
  open_place(&p);
  begin(&p);
  struct reaction r = {&p, true, true, 0};
  sim_disk_disturb(sim_node_disk(p.sn), &(struct sim_disk_trouble){.failure_ppm = 1000000});
  write_something(&r);
  sim_node_pause(p.sn);
  run_ms(&p, 10);
  sim_disk_disturb(sim_node_disk(p.sn), &(struct sim_disk_trouble){0});
  assert_int_equal(r.errors, 0);
  sim_node_resume(p.sn);
  run_ms(&p, 10);
  assert_int_equal(r.errors, 1);
  assert_true(sim_node_broken(p.sn));
  close_place(&p);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_life),
      cmocka_unit_test(test_a_node_that_cannot_start),
      cmocka_unit_test(test_pause_keeps_messages_and_timers),
      cmocka_unit_test(test_drift_moves_timers),
      cmocka_unit_test(test_a_muted_node_speaks_again_after_a_restart),
      cmocka_unit_test(test_exit_is_for_good),
      cmocka_unit_test(test_a_node_that_stops_itself_has_exited),
      cmocka_unit_test(test_a_node_that_its_disk_ends_is_broken),
      cmocka_unit_test(test_a_broken_node_has_said_why),
      cmocka_unit_test(test_a_paused_node_learns_later),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
