/* The watch over a simulated cluster's consensus, told of by hooks as a node tells it, with real cores behind them: groups of one member,
 * which need no network. */
#include "lab/watcher.h"

#include <stdio.h>
#include <string.h>

#include "base/mix.h"
#include "cmocka_all.h"
#include "node/raft.h"

/* One member of a group of one. Its log is durable at once. */
struct member {
  struct world *world;
  const char *group;
  uint64_t id;
  struct raft *raft;
  uint64_t now_ns;
  uint64_t commit;
};

struct world {
  struct sim *sim;
  struct watcher *watcher;
  unsigned failures;
};

static void on_failed(void *arg)
{
  ((struct world *)arg)->failures++;
}

static void open_world(struct world *w)
{
  *w = (struct world){.sim = sim_new(&(struct sim_config){.seed = 1, .nodes = 3})};
  w->watcher = watcher_new(w->sim, 3, on_failed, w);
  for (unsigned i = 0; i < 3; i++) {
    char name[8];
    snprintf(name, sizeof name, "n%u", i);
    watcher_name(w->watcher, i, name);
  }
}

static void close_world(struct world *w)
{
  watcher_free(w->watcher);
  sim_free(w->sim);
}

static struct slice text_of(const char *text)
{
  return slice_of(text, strlen(text));
}

static void expect_failure(const struct world *w, const char *text)
{
  struct slice failure = watcher_failure(w->watcher);
  char found[600];
  snprintf(found, sizeof found, "%.*s", (int)failure.len, failure.ptr);
  assert_string_equal(found, text);
  assert_int_equal(w->failures, text[0] != '\0');
}

/* ---- a member ---- */

static uint64_t hash(void *arg, uint64_t index)
{
  (void)arg;
  return mix_word(index);
}

static const struct node_watch *hooks(const struct member *m)
{
  return watcher_hooks(m->world->watcher);
}

static void step(struct member *m, struct raft_event event)
{
  struct raft_status before;
  struct raft_update update;
  event.now_ns = m->now_ns;
  raft_status(m->raft, &before);
  assert_int_equal(raft_step(m->raft, &event, &update), 0);
  hooks(m)->stepped(hooks(m)->self, text_of(m->group), m->id, &before, &event, &update);
  m->commit = update.commit > m->commit ? update.commit : m->commit;
  if (update.append.sequence != 0) {
    step(m, (struct raft_event){.type = RAFT_EVENT_PERSISTED, .sequence = update.append.sequence});
  }
}

static void start(struct member *m, struct world *w, const char *group, const char *name)
{
  *m = (struct member){.world = w, .group = group, .id = node_raft_id(text_of(name)), .now_ns = 1};
  struct raft_recovered recovered = {.first = 1};
  raft_configuration_set(&recovered.configuration, m->id, RAFT_VOTER);
  m->raft = raft_new(&(struct raft_config){.id = m->id, .incarnation = 1, .seed = 1}, &recovered);
  hooks(m)->started(hooks(m)->self, text_of(group), m->raft, &recovered, m->id, hash, m);
  step(m, (struct raft_event){.type = RAFT_EVENT_TIME});
}

static void lead(struct member *m)
{
  for (int i = 0; i < 10 && raft_role(m->raft) != RAFT_LEADER; i++) {
    m->now_ns = raft_deadline(m->raft);
    step(m, (struct raft_event){.type = RAFT_EVENT_TIME});
  }
  assert_int_equal(raft_role(m->raft), RAFT_LEADER);
}

static void end(struct member *m)
{
  hooks(m)->ended(hooks(m)->self, text_of(m->group), m->id);
  raft_free(m->raft);
}

static void apply(const struct member *m, uint64_t index, uint64_t outcome)
{
  hooks(m)->applied(hooks(m)->self, text_of(m->group), m->id, index, 1, outcome);
}

static void effect(const struct member *m, uint64_t session, uint64_t sequence, uint64_t index)
{
  hooks(m)->effect(hooks(m)->self, text_of(m->group), m->id, session, sequence, index);
}

/* ---- tests ---- */

static void nothing_is_wrong_with_a_run_that_is_right(void **state)
{
  (void)state;
  struct world w;
  struct member a;
  struct member b;
  struct raft_watch_stats stats;
  open_world(&w);
  assert_int_equal(watcher_groups(w.watcher), 0);
  assert_int_equal(watcher_leader(w.watcher, 0), SIM_NOBODY);
  start(&a, &w, "a", "n1");
  start(&b, &w, "b", "n2");
  assert_int_equal(watcher_groups(w.watcher), 2);
  lead(&a);
  lead(&b);
  apply(&a, 1, 7);
  apply(&b, 1, 8); /* another group */
  effect(&a, 5, 1, 9);
  effect(&a, 5, 1, 9); /* on another replica, or after a restart */
  effect(&a, 5, 2, 10);
  effect(&b, 5, 1, 11);
  effect(&a, 6, 1, 12);
  expect_failure(&w, "");
  assert_null(watcher_advice(w.watcher));
  watcher_stats(w.watcher, &stats);
  assert_int_equal(stats.leaders, 2);
  assert_int_equal(stats.committed, 2);
  assert_int_equal(stats.starts, 2);
  assert_true(stats.steps >= 6);
  end(&a);
  end(&b);
  close_world(&w);
}

static void who_leads_is_known_by_its_index(void **state)
{
  (void)state;
  struct world w;
  struct member a;
  struct member b;
  open_world(&w);
  start(&a, &w, "a", "n2");
  start(&b, &w, "b", "n1");
  assert_int_equal(watcher_leader(w.watcher, 0), SIM_NOBODY);
  lead(&b);
  assert_int_equal(watcher_leader(w.watcher, 0), 1);
  assert_int_equal(watcher_leader(w.watcher, UINT64_MAX), 1);
  lead(&a);
  assert_int_equal(watcher_leader(w.watcher, 0), 2);
  assert_int_equal(watcher_leader(w.watcher, UINT64_MAX), 1);
  end(&a);
  assert_int_equal(watcher_leader(w.watcher, 0), 1);
  end(&b);
  assert_int_equal(watcher_leader(w.watcher, 0), SIM_NOBODY);
  close_world(&w);
}

static void a_command_that_takes_effect_twice_is_found(void **state)
{
  (void)state;
  struct world w;
  struct member a;
  open_world(&w);
  start(&a, &w, "main", "n1");
  effect(&a, 3, 1, 9);
  effect(&a, 3, 1000, 10);
  effect(&a, 3, 1, 12);
  expect_failure(&w, "raft: group main: member n1: proposal 1 of session 3 took effect at index 9 and at index 12 (at most one result per "
                     "proposal)");
  effect(&a, 3, 1000, 13); /* the first one counts */
  assert_int_equal(w.failures, 1);
  end(&a);
  close_world(&w);
}

static void what_the_watch_finds_is_told_with_names_and_advice(void **state)
{
  (void)state;
  struct world w;
  struct member a;
  open_world(&w);
  start(&a, &w, "orders", "n2");
  lead(&a);
  apply(&a, 1, 7);
  end(&a);
  start(&a, &w, "orders", "n2"); /* without what was durable */
  struct slice failure = watcher_failure(w.watcher);
  assert_int_equal(w.failures, 1);
  assert_true(failure.len > 40 && memcmp(failure.ptr, "raft: group orders: member n2, term ", 36) == 0);
  assert_null(watcher_advice(w.watcher));
  end(&a);
  close_world(&w);
}

static void an_apply_that_differs_comes_with_advice(void **state)
{
  (void)state;
  struct world w;
  struct member a;
  open_world(&w);
  start(&a, &w, "main", "n1");
  lead(&a);
  apply(&a, 1, 7);
  hooks(&a)->restored(hooks(&a)->self, text_of("main"), a.id, 1, 8);
  assert_int_equal(w.failures, 1);
  assert_non_null(watcher_advice(w.watcher));
  assert_non_null(strstr(watcher_advice(w.watcher), "order of pairs"));
  end(&a);
  close_world(&w);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nothing_is_wrong_with_a_run_that_is_right),  cmocka_unit_test(who_leads_is_known_by_its_index),
      cmocka_unit_test(a_command_that_takes_effect_twice_is_found), cmocka_unit_test(what_the_watch_finds_is_told_with_names_and_advice),
      cmocka_unit_test(an_apply_that_differs_comes_with_advice),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
