/* What the nemesis announces in words is read back into a model of all faults that are going on, and the world is compared with the model:
 * who hears whom (by sending), who lives, is stopped, is slow. */
#include "sim/nemesis_world.h"

enum {
  SEEDS = 200,
};

/* ---- words ---- */

static void specs_are_what_they_are_called(void **state)
{
  (void)state;
  unsigned fitting = 0;
  for (int fault = 0; fault < SIM_FAULTS; fault++) {
    for (int target = SIM_TARGET_ANY; target < SIM_TARGETS; target++) {
      struct buf text = {0};
      struct buf why = {0};
      struct sim_fault_spec spec = {SIM_FAULTS, SIM_TARGET_ANY};
      buf_printf(&text, "%s:%s", sim_fault_name((enum sim_fault)fault), sim_target_name((enum sim_target)target));
      bool fits = sim_fault_fits((enum sim_fault)fault, (enum sim_target)target);
      assert_true(sim_fault_parse(buf_slice(&text), &spec, &why) == fits);
      if (fits) {
        assert_int_equal(spec.fault, fault);
        assert_int_equal(spec.target, target);
        assert_int_equal(why.len, 0);
      } else {
        assert_int_equal(spec.fault, SIM_FAULTS); /* left alone */
        assert_true(why.len > 0);
      }
      fitting += fits;
      buf_free(&text);
      buf_free(&why);
    }
  }
  assert_int_equal(fitting, 9 + 6 + 7 * 6);
}

static void texts_parse_or_say_why(void **state)
{
  (void)state;
  static const struct {
    const char *text;
    int fault; /* -1 = refused */
    enum sim_target target;
    const char *why;
  } cases[] = {
      {"partition", SIM_FAULT_PARTITION, SIM_TARGET_ANY, ""},
      {"partition:majorities-ring", SIM_FAULT_PARTITION, SIM_TARGET_RING, ""},
      {"kill:minority-third", SIM_FAULT_KILL, SIM_TARGET_MINORITY, ""},
      {"partitoin", -1, 0,
       "there is no fault \"partitoin\" (did you mean \"partition\"?); there are partition, partition-oneway, kill, pause, slow, loss, "
       "duplicate, clock, disk"},
      {"dup", -1, 0,
       "there is no fault \"dup\" (did you mean \"duplicate\"?); there are partition, partition-oneway, kill, pause, slow, loss, "
       "duplicate, clock, disk"},
      {"flood", -1, 0,
       "there is no fault \"flood\"; there are partition, partition-oneway, kill, pause, slow, loss, duplicate, clock, disk"},
      {"", -1, 0, "there is no fault \"\"; there are partition, partition-oneway, kill, pause, slow, loss, duplicate, clock, disk"},
      {":", -1, 0, "there is no fault \"\"; there are partition, partition-oneway, kill, pause, slow, loss, duplicate, clock, disk"},
      {"kill:", -1, 0, "kill has no target \"\"; it has one, minority, majority, all, leader"},
      {"kill:minorty", -1, 0, "kill has no target \"minorty\" (did you mean \"minority\"?); it has one, minority, majority, all, leader"},
      {"kill:ring", -1, 0, "kill has no target \"ring\"; it has one, minority, majority, all, leader"},
      {"kill:one:two", -1, 0, "kill has no target \"one:two\"; it has one, minority, majority, all, leader"},
      {"partition-oneway:all", -1, 0, "partition-oneway has no target \"all\"; it has one, minority, majority, leader, halves"},
      {"partition:everything-that-there-is-in-the-world", -1, 0,
       "partition has no target \"everything-that-there-is-in-the-…\"; it has one, minority, majority, all, leader, halves, ring, bridge"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct buf why = {0};
    struct sim_fault_spec spec;
    bool parsed = sim_fault_parse(slice_of(cases[i].text, strlen(cases[i].text)), &spec, &why);
    buf_append_char(&why, '\0');
    assert_string_equal(why.data, cases[i].why);
    assert_true(parsed == (cases[i].fault >= 0));
    if (parsed) {
      assert_int_equal(spec.fault, cases[i].fault);
      assert_int_equal(spec.target, cases[i].target);
    }
    buf_free(&why);
  }
}

/* ---- schedules ---- */

static void stretches_last_half_to_one_and_a_half_intervals(void **state)
{
  (void)state;
  for (int fault = 0; fault < SIM_FAULTS; fault++) {
    uint64_t changes = 0;
    uint64_t shortest = UINT64_MAX;
    uint64_t longest = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
      struct world w;
      open_world(&w, seed, 5);
      open_nemesis(&w, (const char *[]){sim_fault_name((enum sim_fault)fault), NULL});
      run_for(&w, 10 * INTERVAL);
      assert_int_equal(sim_nemesis_count(w.nemesis, (enum sim_fault)fault), (w.changes + 1) / 2);
      assert_int_equal(w.began[fault], (w.changes + 1) / 2);
      shortest = w.shortest < shortest ? w.shortest : shortest;
      longest = w.longest > longest ? w.longest : longest;
      changes += w.changes;
      close_world(&w);
    }
    assert_in_range(shortest, INTERVAL / 2, INTERVAL * 52 / 100);
    assert_in_range(longest, INTERVAL * 148 / 100, INTERVAL * 3 / 2);
    assert_in_range(changes, SEEDS * 93 / 10, SEEDS * 99 / 10); /* the last stretch is cut */
  }
}

/* The log of all faults, and in *partitions that of the first spec alone. */
static uint64_t log_of(uint64_t seed, bool noise, size_t spec_count, uint64_t *partitions)
{
  static const char *const texts[] = {"partition", "kill", "clock", "loss:all", "pause", NULL};
  const char *specs[6] = {0};
  memcpy(specs, texts, spec_count * sizeof specs[0]);
  struct world w;
  open_world(&w, seed, 5);
  for (int i = 0; i < 7 * noise; i++) {
    sim_random(w.sim);
  }
  open_nemesis(&w, specs);
  for (int i = 0; i < 100; i++) {
    if (noise) {
      probe(&w);
      sim_random(w.sim);
    }
    run_for(&w, INTERVAL / 10);
  }
  uint64_t log = 0;
  for (int kind = 0; kind < SIM_FAULTS; kind++) {
    log = mix_pair(log, w.log[kind]);
  }
  *partitions = w.log[SIM_FAULT_PARTITION];
  close_world(&w);
  return log;
}

static void a_schedule_is_a_function_of_the_seed_alone(void **state)
{
  (void)state;
  for (uint64_t seed = 0; seed < 20; seed++) {
    uint64_t partitions;
    uint64_t again;
    uint64_t log = log_of(seed, false, 5, &partitions);
    assert_true(log == log_of(seed, false, 5, &again));
    assert_true(log == log_of(seed, true, 5, &again)); /* whatever else draws and sends */
    assert_true(log != log_of(seed + 1, false, 5, &again));
    assert_true(log != log_of(seed, false, 1, &again));
    assert_true(partitions == again); /* whatever other kinds there are */
  }
}

static void kinds_draw_among_the_targets_that_fit(void **state)
{
  (void)state;
  static const struct {
    const char *fault;
    unsigned nodes;
    unsigned targets; /* bits */
  } cases[] = {
      {"partition", 5,
       1u << SIM_TARGET_ONE | 1u << SIM_TARGET_MINORITY | 1u << SIM_TARGET_HALVES | 1u << SIM_TARGET_RING | 1u << SIM_TARGET_BRIDGE},
      {"partition", 2, 1u << SIM_TARGET_ONE | 1u << SIM_TARGET_MINORITY | 1u << SIM_TARGET_HALVES},
      {"partition", 1, 0},
      {"partition:bridge", 2, 0},
      {"partition-oneway", 5, 1u << SIM_TARGET_ONE | 1u << SIM_TARGET_MINORITY | 1u << SIM_TARGET_MAJORITY | 1u << SIM_TARGET_HALVES},
      {"kill", 5, 1u << SIM_TARGET_ONE | 1u << SIM_TARGET_MINORITY | 1u << SIM_TARGET_MAJORITY | 1u << SIM_TARGET_ALL},
      {"slow", 1, 1u << SIM_TARGET_ONE | 1u << SIM_TARGET_MINORITY | 1u << SIM_TARGET_MAJORITY | 1u << SIM_TARGET_ALL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct world w;
    open_world(&w, 3, cases[i].nodes);
    open_nemesis(&w, (const char *[]){cases[i].fault, NULL});
    run_for(&w, 200 * INTERVAL);
    for (unsigned target = 0; target < SIM_TARGETS; target++) {
      if (cases[i].targets >> target & 1) {
        assert_in_range(w.drawn[target], 8, 60);
      } else {
        assert_int_equal(w.drawn[target], 0);
      }
    }
    close_world(&w);
  }
}

/* ---- shapes ---- */

/* Two groups that do not hear each other, the first of this size. */
static void check_split(const struct world *w, unsigned size)
{
  const struct fault *f = &w->faults[0];
  unsigned targets = 0;
  for (unsigned a = 0; a < w->nodes; a++) {
    targets += f->side[a] == 1;
    assert_in_range(f->side[a], 1, 2);
    for (unsigned b = 0; b < w->nodes; b++) {
      assert_int_equal(w->heard[a][b], f->side[a] == f->side[b]);
    }
  }
  assert_int_equal(targets, size);
}

static void check_ring(const struct world *w)
{
  for (unsigned a = 0; a < w->nodes; a++) {
    assert_int_equal(count_heard(w, a), w->nodes / 2 + 1);
    for (unsigned b = 0; b < a; b++) {
      assert_memory_not_equal(w->heard[a], w->heard[b], sizeof w->heard[a]);
    }
  }
}

static void check_bridge(const struct world *w)
{
  unsigned middles = 0;
  unsigned smaller = (w->nodes - 1) / 2;
  for (unsigned a = 0; a < w->nodes; a++) {
    unsigned count = count_heard(w, a);
    middles += count == w->nodes;
    assert_true(count == w->nodes || count == smaller + 1 || count == w->nodes - smaller);
    for (unsigned b = 0; b < w->nodes; b++) {
      assert_int_equal(w->heard[a][b], w->heard[b][a]);
      assert_true(w->heard[a][b] || (count < w->nodes && count_heard(w, b) < w->nodes));
    }
  }
  assert_int_equal(middles, 1);
}

static void check_oneway(const struct world *w, unsigned size)
{
  const struct fault *f = &w->faults[0];
  unsigned targets = 0;
  for (unsigned a = 0; a < w->nodes; a++) {
    targets += f->side[a] == 1;
    for (unsigned b = 0; b < w->nodes; b++) {
      bool cut = f->deaf ? f->side[a] == 1 && f->side[b] == 2 : f->side[a] == 2 && f->side[b] == 1;
      assert_int_equal(w->heard[a][b], !cut);
    }
  }
  assert_int_equal(targets, size);
}

static void check_shape(const struct world *w)
{
  unsigned n = w->nodes;
  unsigned sizes[] = {
      [SIM_TARGET_ONE] = 1,
      [SIM_TARGET_MINORITY] = n / 3,
      [SIM_TARGET_MAJORITY] = n / 2 + 1,
      [SIM_TARGET_HALVES] = n / 2,
  };
  const struct fault *f = &w->faults[0];
  if (f->kind == SIM_FAULT_PARTITION_ONEWAY) {
    check_oneway(w, sizes[f->target]);
  } else if (f->target == SIM_TARGET_RING) {
    check_ring(w);
  } else if (f->target == SIM_TARGET_BRIDGE) {
    check_bridge(w);
  } else if (f->target == SIM_TARGET_ALL) {
    for (unsigned i = 0; i < n; i++) {
      assert_int_equal(count_heard(w, i), 1);
    }
  } else {
    check_split(w, sizes[f->target]);
  }
}

static void partitions_have_their_shapes(void **state)
{
  (void)state;
  static const char *const texts[] = {"partition:one",
                                      "partition:minority",
                                      "partition:majority",
                                      "partition:all",
                                      "partition:ring",
                                      "partition:bridge",
                                      "partition:halves",
                                      "partition-oneway:one",
                                      "partition",
                                      "partition-oneway",
                                      "partition-oneway:majority",
                                      "partition-oneway:halves",
                                      NULL};
  unsigned deaf = 0;
  unsigned rounds = 0;
  for (size_t i = 0; texts[i] != NULL; i++) {
    for (unsigned nodes = 3; nodes <= NODES_MAX; nodes++) {
      for (uint64_t seed = 0; seed < 5; seed++) {
        struct world w;
        open_world(&w, seed, nodes);
        open_nemesis(&w, (const char *[]){texts[i], NULL});
        for (int round = 0; round < 2; round++) {
          check_all_hear_all(&w);
          run_until(&w, true);
          probe(&w);
          check_shape(&w);
          run_until(&w, false);
        }
        check_all_hear_all(&w);
        deaf += w.deaf_count;
        rounds += w.began[SIM_FAULT_PARTITION_ONEWAY];
        close_world(&w);
      }
    }
  }
  assert_in_range(deaf, rounds / 3, rounds * 2 / 3);
}

/* ---- several at once ---- */

/* Whether a fault keeps `to` from hearing `from`, read from its words. */
static bool model_cuts(const struct world *w, const struct fault *f, unsigned from, unsigned to)
{
  if (f->kind == SIM_FAULT_PARTITION_ONEWAY) {
    return f->deaf ? f->side[to] == 1 && f->side[from] == 2 : f->side[to] == 2 && f->side[from] == 1;
  }
  if (f->kind != SIM_FAULT_PARTITION || from == to) {
    return false;
  }
  switch (f->target) {
  case SIM_TARGET_ALL:
    return true;
  case SIM_TARGET_BRIDGE:
    return f->side[from] + f->side[to] == 3 && f->side[from] != 3 && f->side[to] != 3;
  case SIM_TARGET_RING: {
    int a = 0;
    int b = 0;
    for (int i = 0; i < (int)f->listed; i++) {
      a = f->order[i] == from ? i : a;
      b = f->order[i] == to ? i : b;
    }
    int n = (int)w->nodes;
    int ahead = (a - b + n) % n;
    int behind = (b - a + n) % n;
    return ahead > n / 4 && behind > (n / 2 + 1) / 2; /* 5: one each way; 4: one; 7: two and one */
  }
  default:
    return f->side[from] != f->side[to];
  }
}

static bool is_stopped(const struct world *w, unsigned node)
{
  for (size_t i = 0; i < w->active; i++) {
    const struct fault *f = &w->faults[i];
    if (f->kind == SIM_FAULT_PAUSE && f->side[node] == 1 && f->incarnation[node] == sim_node_incarnation(w->node[node])) {
      return sim_node_alive(w->node[node]);
    }
  }
  return false;
}

static unsigned strongest(const struct world *w, enum sim_fault kind, unsigned node)
{
  unsigned most = 0;
  for (size_t i = 0; i < w->active; i++) {
    const struct fault *f = &w->faults[i];
    if (f->kind == kind && f->side[node] == 1 && f->strength > most) {
      most = f->strength;
    }
  }
  return most;
}

static void check_clock(struct world *w, unsigned node)
{
  struct fault *only = NULL;
  unsigned count = 0;
  for (size_t i = 0; i < w->active; i++) {
    if (w->faults[i].kind == SIM_FAULT_CLOCK && w->faults[i].side[node] == 1) {
      only = &w->faults[i];
      count++;
    }
  }
  assert_true(w->drift_ppm[node] >= -30000 && w->drift_ppm[node] <= 30000);
  if (count == 0) {
    assert_int_equal(w->drift_ppm[node], 0);
  } else if (count == 1) { /* and again, when others that joined it have ended */
    only->alone_ppm[node] = only->alone_ppm[node] == NONE ? w->drift_ppm[node] : only->alone_ppm[node];
    assert_int_equal(w->drift_ppm[node], only->alone_ppm[node]);
  }
}

static void check_model(struct world *w)
{
  for (unsigned i = 0; i < w->nodes; i++) {
    const struct sim_link *link = &w->sim->net.links[i];
    unsigned slow = strongest(w, SIM_FAULT_SLOW, i);
    assert_int_equal(sim_node_alive(w->node[i]), !is_down(w, i));
    assert_int_equal(sim_node_paused(w->node[i]), is_stopped(w, i));
    assert_int_equal(link->slow, slow == 0 ? 1 : slow);
    assert_int_equal(link->loss_ppm, strongest(w, SIM_FAULT_LOSS, i) * 10000);
    assert_int_equal(link->duplicate_ppm, strongest(w, SIM_FAULT_DUPLICATE, i) * 10000);
    check_clock(w, i);
    for (unsigned j = 0; j < w->nodes; j++) {
      bool cut = false;
      for (size_t k = 0; k < w->active; k++) {
        cut = cut || model_cuts(w, &w->faults[k], i, j);
      }
      size_t bit = (size_t)i * w->nodes + j;
      assert_int_equal(w->sim->net.cuts[bit / 8] >> bit % 8 & 1, cut);
    }
  }
}

/* Where it matters which of two faults has ended, their targets differ, and so do their words. */
static const char *const everything[] = {"partition", "partition", "partition-oneway", "kill",          "kill:one",       "pause:one",
                                         "slow",      "slow",      "pause:majority",   "loss",          "loss",           "duplicate",
                                         "kill",      "clock:all", "clock:one",        "duplicate:all", "clock:minority", "disk",
                                         "disk:one",  NULL};

static void check_nothing_is_left(struct world *w)
{
  assert_int_equal(w->active, 0);
  check_model(w);
  assert_int_equal(w->sim->net.cut_count, 0);
  for (unsigned i = 0; i < w->nodes; i++) {
    int64_t wall = sim_node_wall_ns(w->node[i]);
    run_for(w, SIM_S);
    assert_int_equal(sim_node_wall_ns(w->node[i]) - wall, SIM_S);
    assert_int_equal(w->restarted[i], sim_node_incarnation(w->node[i]) - 1);
  }
  check_all_hear_all(w);
}

static void overlapping_faults_add_up_and_heal(void **state)
{
  (void)state;
  size_t most = 0;
  int64_t jump_ms = 0;
  for (uint64_t seed = 0; seed < SEEDS; seed++) {
    struct world w;
    open_world(&w, seed, 2 + seed % (NODES_MAX - 1));
    open_nemesis(&w, everything);
    for (int i = 0; i < 120 + (int)(seed % 17); i++) {
      run_for(&w, INTERVAL / 13);
      check_model(&w);
      most = w.active > most ? w.active : most;
    }
    sim_nemesis_heal(w.nemesis);
    check_nothing_is_left(&w);
    unsigned calls = w.calls;
    run_for(&w, 50 * INTERVAL);
    sim_nemesis_heal(w.nemesis);
    assert_int_equal(w.calls, calls);
    jump_ms = w.jump_ms > jump_ms ? w.jump_ms : jump_ms;
    close_world(&w);
  }
  assert_true(most >= 12);
  assert_in_range(jump_ms, 59000, 60000);
}

/* ---- the dead and the stopped ---- */

static void a_node_that_has_exited_stays_dead(void **state)
{
  (void)state;
  struct world w;
  open_world(&w, 1, 3);
  open_nemesis(&w, (const char *[]){"kill:all", "kill:one", "pause:all", "slow:all", "partition:all", NULL});
  sim_node_exit(w.node[1]);
  run_for(&w, 100 * INTERVAL);
  sim_nemesis_heal(w.nemesis);
  assert_true(sim_node_alive(w.node[0]) && sim_node_alive(w.node[2]));
  assert_false(sim_node_alive(w.node[1]));
  assert_int_equal(w.restarted[1], 0);
  assert_true(w.restarted[0] > 10);
  close_world(&w);
}

static void announcements_are_words(void **state)
{
  (void)state;
  struct world w;
  open_world(&w, 1, 3);
  open_nemesis(&w, (const char *[]){"kill:all", NULL});
  run_until(&w, true);
  assert_string_equal(w.faults[0].what, "kill all: n0 n1 n2");
  close_world(&w);
  open_world(&w, 1, 2);
  open_nemesis(&w, (const char *[]){"partition-oneway:one", NULL});
  run_until(&w, true);
  unsigned target = w.faults[0].order[0];
  char expected[64];
  snprintf(expected, sizeof expected, "partition-oneway one: n%u %s n%u", target, w.faults[0].deaf ? "deaf to" : "not heard by",
           1 - target);
  assert_string_equal(w.faults[0].what, expected);
  close_world(&w);
}

static void strengths_stay_within_their_bounds(void **state)
{
  (void)state;
  static const struct {
    const char *text;
    unsigned low;
    unsigned high;
  } cases[] = {{"slow:all", 5, 20}, {"loss:all", 5, 50}, {"duplicate:all", 10, 50}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct world w;
    unsigned least = UINT32_MAX;
    unsigned most = 0;
    open_world(&w, 5, 3);
    open_nemesis(&w, (const char *[]){cases[i].text, NULL});
    for (int round = 0; round < 300; round++) {
      run_until(&w, true);
      least = w.faults[0].strength < least ? w.faults[0].strength : least;
      most = w.faults[0].strength > most ? w.faults[0].strength : most;
      run_until(&w, false);
    }
    assert_int_equal(least, cases[i].low);
    assert_int_equal(most, cases[i].high);
    close_world(&w);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(specs_are_what_they_are_called),
      cmocka_unit_test(texts_parse_or_say_why),
      cmocka_unit_test(stretches_last_half_to_one_and_a_half_intervals),
      cmocka_unit_test(a_schedule_is_a_function_of_the_seed_alone),
      cmocka_unit_test(kinds_draw_among_the_targets_that_fit),
      cmocka_unit_test(partitions_have_their_shapes),
      cmocka_unit_test(overlapping_faults_add_up_and_heal),
      cmocka_unit_test(a_node_that_has_exited_stays_dead),
      cmocka_unit_test(announcements_are_words),
      cmocka_unit_test(strengths_stay_within_their_bounds),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
