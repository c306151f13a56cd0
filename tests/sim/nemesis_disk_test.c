/* Faults that hit whoever leads, and faults of disks. */
#include "base/error.h"
#include "sim/nemesis_world.h"

/* ---- the leader ---- */

static void who_leads_is_hit(void **state)
{
  (void)state;
  static const char *const texts[] = {"partition:leader", "partition-oneway:leader", "kill:leader",  "pause:leader", "slow:leader",
                                      "loss:leader",      "duplicate:leader",        "clock:leader", "disk:leader",  NULL};
  for (size_t i = 0; texts[i] != NULL; i++) {
    unsigned ones[NODES_MAX] = {0};
    struct world w;
    open_world(&w, i, 5);
    w.has_leaders = true;
    open_nemesis(&w, (const char *[]){texts[i], NULL});
    for (unsigned round = 0; round < 60; round++) {
      w.leader = round % 6 == 5 ? SIM_NOBODY : round % 6;
      run_until(&w, true);
      const struct fault *f = &w.faults[0];
      unsigned hit = 0;
      for (unsigned node = 0; node < w.nodes; node++) {
        hit += f->side[node] == 1;
      }
      assert_int_equal(hit, 1);
      if (w.leader == SIM_NOBODY) {
        assert_int_equal(f->target, SIM_TARGET_ONE);
        ones[f->order[0]]++;
      } else {
        assert_int_equal(f->target, SIM_TARGET_LEADER);
        assert_int_equal(f->side[w.leader], 1);
        probe(&w);
        if (f->kind == SIM_FAULT_PARTITION || f->kind == SIM_FAULT_PARTITION_ONEWAY) {
          assert_int_equal(count_heard(&w, w.leader), f->kind == SIM_FAULT_PARTITION || f->deaf ? 1 : w.nodes);
        }
      }
      run_until(&w, false);
    }
    for (unsigned node = 0; node < w.nodes; node++) {
      assert_true(ones[node] < 8); /* of ten: not always the same */
    }
    close_world(&w);
  }
}

static void without_a_target_leaders_are_drawn_if_there_can_be_any(void **state)
{
  (void)state;
  for (int leaders = 0; leaders < 2; leaders++) {
    struct world w;
    open_world(&w, 3, 5);
    w.has_leaders = leaders;
    open_nemesis(&w, (const char *[]){"kill", NULL});
    run_for(&w, 200 * INTERVAL);
    if (leaders) {
      assert_in_range(w.drawn[SIM_TARGET_LEADER], 8, 40);
    } else {
      assert_int_equal(w.drawn[SIM_TARGET_LEADER], 0);
    }
    close_world(&w);
  }
}

/* ---- disks ---- */

struct written {
  struct world *world;
  unsigned node;
};

static struct written writers[NODES_MAX];

static void on_written(void *arg, int error)
{
  const struct written *by = arg;
  struct world *w = by->world;
  w->writing[by->node] = false;
  w->disk_error[by->node] = error;
  w->took_ns[by->node] = sim_now(w->sim) - w->asked_ns[by->node];
  if (error != 0 && error != ERROR_DISK_FULL) {
    w->env[by->node].log(w->env[by->node].self, LOG_ERROR, SLICE("its disk fails"));
    node_fail(w->core[by->node]);
  }
}

/* Each living node has a disk operation under way at any time, after a little while. */
static void keep_disks_busy(struct world *w)
{
  static unsigned file;
  for (unsigned i = 0; i < w->nodes; i++) {
    const struct node_disk *disk = w->env[i].disk;
    if (sim_node_alive(w->node[i]) && !w->writing[i]) {
      writers[i] = (struct written){w, i};
      w->writing[i] = true;
      w->asked_ns[i] = sim_now(w->sim);
      sim_cause(w->sim, UINT64_C(0x62757379), file, i);
      disk->allocate(disk->self, ++file, 4096, on_written, &writers[i]);
    }
  }
}

static bool has_words(const struct fault *f, const char *words)
{
  return strstr(f->what, words) != NULL;
}

static void check_disk(const struct world *w, unsigned node, unsigned *kinds)
{
  const struct fault *f = &w->faults[0];
  if (w->active == 0 || f->side[node] != 1) {
    assert_true(w->writing[node] || (w->disk_error[node] == 0 && w->took_ns[node] <= 5 * SIM_MS));
  } else if (has_words(f, "full")) {
    assert_true(w->writing[node] || w->disk_error[node] == ERROR_DISK_FULL);
    kinds[0]++;
  } else if (has_words(f, "times as slow")) {
    assert_in_range(f->strength, 10, 100);
    assert_true(w->writing[node] || w->took_ns[node] >= f->strength * SIM_MS / 10);
    kinds[1]++;
  } else if (has_words(f, "power lost")) {
    assert_false(sim_node_alive(w->node[node]));
    kinds[2]++;
  } else {
    assert_true(has_words(f, " % fail"));
    assert_in_range(f->strength, 1, 30);
    assert_true(sim_node_alive(w->node[node]) || sim_node_broken(w->node[node]));
    kinds[3] += sim_node_broken(w->node[node]);
  }
}

static void disks_fail_fill_up_slow_down_and_lose_power(void **state)
{
  (void)state;
  unsigned kinds[4] = {0};
  for (uint64_t seed = 0; seed < 20; seed++) {
    struct world w;
    open_world(&w, seed, 3);
    open_nemesis(&w, (const char *[]){"disk", NULL});
    for (int i = 0; i < 60; i++) {
      uint64_t changes = w.changes;
      for (int j = 0; j < 20; j++) { /* a fifth of an interval */
        keep_disks_busy(&w);
        run_for(&w, INTERVAL / 100);
      }
      for (unsigned node = 0; node < w.nodes && w.changes == changes; node++) {
        assert_true(w.active > 0 || sim_node_alive(w.node[node])); /* within two seconds after the end */
        check_disk(&w, node, kinds);
      }
    }
    sim_nemesis_heal(w.nemesis);
    assert_int_equal(w.active, 0);
    for (unsigned node = 0; node < w.nodes; node++) {
      assert_true(sim_node_alive(w.node[node]));
      assert_int_equal(w.restarted[node], sim_node_incarnation(w.node[node]) - 1);
    }
    run_for(&w, SIM_S); /* what was under way */
    keep_disks_busy(&w);
    run_for(&w, SIM_S);
    for (unsigned node = 0; node < w.nodes; node++) {
      check_disk(&w, node, kinds);
    }
    check_all_hear_all(&w);
    close_world(&w);
  }
  for (int i = 0; i < 4; i++) {
    assert_true(kinds[i] > 50);
  }
}

static void kills_and_failing_disks_add_up(void **state)
{
  (void)state;
  unsigned both = 0;
  for (uint64_t seed = 0; seed < 100; seed++) {
    struct world w;
    open_world(&w, seed, 3);
    open_nemesis(&w, (const char *[]){"disk:all", "kill:one", "disk:one", "pause:one", NULL});
    for (int i = 0; i < 400 + (int)seed; i++) {
      keep_disks_busy(&w);
      run_for(&w, INTERVAL / 37);
      for (unsigned node = 0; node < w.nodes; node++) {
        bool broken = sim_node_broken(w.node[node]);
        assert_false(sim_node_exited(w.node[node]));
        assert_int_equal(sim_node_alive(w.node[node]), !is_down(&w, node) && !broken);
        both += broken && is_down(&w, node);
      }
    }
    sim_nemesis_heal(w.nemesis);
    run_for(&w, 2 * SIM_S); /* one that was stopped may have to learn that its disk had failed */
    for (unsigned node = 0; node < w.nodes; node++) {
      assert_true(sim_node_alive(w.node[node]));
      assert_int_equal(w.restarted[node], sim_node_incarnation(w.node[node]) - 1);
    }
    close_world(&w);
  }
  assert_true(both > 100);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(who_leads_is_hit),
      cmocka_unit_test(without_a_target_leaders_are_drawn_if_there_can_be_any),
      cmocka_unit_test(disks_fail_fill_up_slow_down_and_lose_power),
      cmocka_unit_test(kills_and_failing_disks_add_up),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
