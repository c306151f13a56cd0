#include "lab/swarm.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "cmocka_all.h"

static struct lab_options with_faults(void)
{
  struct lab_options o;
  lab_options_default(&o);
  for (int i = 0; i < SIM_FAULTS; i++) {
    o.base.faults[o.base.fault_count++] = (struct sim_fault_spec){.fault = (enum sim_fault)i, .target = SIM_TARGET_ANY};
  }
  return o;
}

static void assert_describes(const struct lab_options *o, uint64_t seed, bool campaign, const char *expected)
{
  struct lab_config c;
  struct buf text = {0};
  lab_draw(o, seed, campaign, &c);
  lab_describe(&c, &text);
  buf_append_char(&text, '\0');
  assert_string_equal(text.data, expected);
  buf_free(&text);
}

static void test_a_single_run_has_the_defaults_of_maelstrom(void **state)
{
  (void)state;
  struct lab_options o;
  lab_options_default(&o);
  struct lab_config c;
  lab_draw(&o, 77, false, &c);
  assert_string_equal(c.workload, "lin-kv");
  assert_int_equal(c.seed, 77);
  assert_int_equal(c.nodes, 5);
  assert_int_equal(c.first_name, 1);
  assert_int_equal(c.clients, 10); /* lin-kv: 2n */
  assert_true(c.rate == 5);
  assert_int_equal(c.time_limit_ns, 60 * SIM_S);
  assert_int_equal(c.latency.mean_ns, 0);
  assert_int_equal(c.latency.dist, SIM_CONSTANT);
  assert_int_equal(c.nemesis_interval_ns, 10 * SIM_S);
  assert_string_equal(c.topology, "grid");
  assert_int_equal(c.max_txn_length, 4);
  assert_int_equal(c.max_writes_per_key, 16);
  assert_int_equal(c.seq_window, 32);
  assert_int_equal(c.fault_count, 0);
  assert_false(c.reorder_keys);
  o.base.workload = "echo";
  lab_draw(&o, 77, false, &c);
  assert_int_equal(c.clients, 5);
}

static void test_what_is_given_is_taken(void **state)
{
  (void)state;
  struct lab_options o = with_faults();
  o.given = ~0u;
  o.base.workload = "g-set";
  o.base.nodes = 9;
  o.base.first_name = 4;
  o.base.rate = 0.5;
  o.base.time_limit_ns = 7 * SIM_S;
  o.base.latency = (struct sim_latency){.dist = SIM_HEAVY, .mean_ns = 3};
  o.base.nemesis_interval_ns = 5;
  o.base.topology = "total";
  o.clients_per_node = 3;
  strcpy(o.header.workload, "echo");
  o.header.nodes = 2;
  for (uint64_t seed = 0; seed < 50; seed++) {
    struct lab_config c;
    lab_draw(&o, seed, true, &c);
    assert_string_equal(c.workload, "g-set");
    assert_int_equal(c.nodes, 9);
    assert_int_equal(c.first_name, 4);
    assert_true(c.rate == 0.5);
    assert_int_equal(c.time_limit_ns, 7 * SIM_S);
    assert_int_equal(c.latency.dist, SIM_HEAVY);
    assert_int_equal(c.latency.mean_ns, 3);
    assert_int_equal(c.nemesis_interval_ns, 5);
    assert_string_equal(c.topology, "total");
    assert_int_equal(c.clients, 27);
  }
  o.clients_per_node = 0;
  o.base.clients = 2;
  struct lab_config c;
  lab_draw(&o, 1, true, &c);
  assert_int_equal(c.clients, 2);
}

static void test_the_header_fixes_workload_and_node_count(void **state)
{
  (void)state;
  struct lab_options o;
  lab_options_default(&o);
  strcpy(o.header.workload, "broadcast");
  o.header.nodes = 25;
  for (uint64_t seed = 0; seed < 40; seed++) {
    struct lab_config c;
    lab_draw(&o, seed, seed % 2 == 0, &c);
    assert_string_equal(c.workload, "broadcast");
    assert_int_equal(c.nodes, 25);
    assert_int_equal(c.first_name, 0);
  }
}

/* What a seed means may never change: reports name seeds. */
static void test_known_draws(void **state)
{
  (void)state;
  struct lab_options o = with_faults();
  assert_describes(&o, 1, true,
                   "lin-kv, 2 nodes n0 to n1, 4 clients, 34/s for 33 s, no latency, keys reordered, faults partition-oneway kill pause "
                   "loss duplicate clock disk every 1.479 s");
  assert_describes(
      &o, 2, true,
      "lin-kv, 3 nodes n0 to n2, 12 clients, 58/s for 30 s, no latency, faults partition-oneway kill pause slow loss duplicate "
      "clock disk every 8.155 s");
  assert_describes(&o, UINT64_MAX, true,
                   "lin-kv, 4 nodes n0 to n3, 16 clients, 48/s for 10 s, latency 23 ms uniform, faults partition-oneway pause slow loss "
                   "duplicate clock disk every 1.803 s");
  o.given = LAB_GIVEN_WORKLOAD;
  o.base.workload = "broadcast";
  o.base.fault_count = 2;
  assert_describes(&o, 1, true,
                   "broadcast, 2 nodes n0 to n1, 4 clients, 34/s for 33 s, no latency, topology tree2, keys reordered, faults "
                   "partition-oneway every 1.479 s");
  assert_describes(&o, 3, true,
                   "broadcast, 7 nodes n0 to n6, 28 clients, 41/s for 40 s, latency 17 ms uniform, topology total, keys reordered, faults "
                   "partition-oneway every 4.315 s");
  assert_describes(&o, 1, false,
                   "broadcast, 5 nodes n1 to n5, 5 clients, 5/s for 60 s, no latency, topology grid, faults partition "
                   "partition-oneway every 10 s");
}

static void test_one_option_leaves_the_other_draws_as_they_were(void **state)
{
  (void)state;
  for (uint64_t seed = 1; seed <= 30; seed++) {
    struct lab_options o = with_faults();
    struct lab_config all, some;
    lab_draw(&o, seed, true, &all);
    o.given = LAB_GIVEN_RATE | LAB_GIVEN_LATENCY;
    o.base.rate = 100;
    o.base.fault_count = 4;
    lab_draw(&o, seed, true, &some);
    assert_int_equal(all.nodes, some.nodes);
    assert_int_equal(all.time_limit_ns, some.time_limit_ns);
    assert_int_equal(all.latency.dist, some.latency.dist);
    assert_int_equal(all.clients, some.clients);
    assert_int_equal(all.nemesis_interval_ns, some.nemesis_interval_ns);
    assert_int_equal(all.reorder_keys, some.reorder_keys);
  }
}

/* A load of a rate that was given lasts until it has done something. */
static void test_a_low_rate_takes_longer(void **state)
{
  (void)state;
  struct lab_options o = with_faults();
  struct lab_config c;
  o.given = LAB_GIVEN_RATE;
  o.base.rate = 5;
  lab_draw(&o, 1, true, &c);
  assert_int_equal(c.time_limit_ns, 80 * SIM_S);
  o.base.rate = 0.1;
  lab_draw(&o, 1, true, &c);
  assert_int_equal(c.time_limit_ns, 120 * SIM_S);
  o.given |= LAB_GIVEN_TIME_LIMIT;
  o.base.time_limit_ns = 7 * SIM_S;
  lab_draw(&o, 1, true, &c);
  assert_int_equal(c.time_limit_ns, 7 * SIM_S);
}

#define SEEDS 4000

static void test_ranges_and_weights(void **state)
{
  (void)state;
  struct lab_options o = with_faults();
  unsigned nodes[8] = {0}, dists[4] = {0}, faults[SIM_FAULTS] = {0}, reordered = 0, per_node[5] = {0}, slow_rates = 0, no_latency = 0;
  unsigned seconds[41] = {0};
  for (uint64_t seed = 1; seed <= SEEDS; seed++) {
    struct lab_config c;
    lab_draw(&o, seed, true, &c);
    assert_in_range(c.nodes, 1, 7);
    assert_true(c.rate >= 1 && c.rate <= 100);
    assert_true((c.rate + 1) * (double)c.time_limit_ns / 1e9 >= 400);
    assert_in_range(c.time_limit_ns, 10 * SIM_S, 40 * SIM_S);
    assert_in_range(c.nemesis_interval_ns, SIM_S, 10 * SIM_S);
    assert_true(c.nemesis_interval_ns <= c.time_limit_ns / 3);
    assert_true(c.latency.mean_ns <= 100 * SIM_MS);
    assert_in_range(c.fault_count, 1, SIM_FAULTS);
    assert_int_equal(c.clients % c.nodes, 0);
    nodes[c.nodes]++;
    seconds[c.time_limit_ns / SIM_S]++;
    dists[c.latency.dist]++;
    reordered += c.reorder_keys;
    assert_in_range(c.clients / c.nodes, 1, 4);
    per_node[c.clients / c.nodes]++;
    slow_rates += c.rate <= 20;
    no_latency += c.latency.mean_ns == 0;
    for (size_t i = 0; i < c.fault_count; i++) {
      faults[c.faults[i].fault]++;
    }
  }
  for (int t = 10; t <= 40; t++) {
    assert_in_range(seconds[t], SEEDS / 31 / 2, SEEDS / 31 * 2);
  }
  for (int n = 1; n <= 7; n++) {
    assert_in_range(nodes[n], SEEDS / 20, SEEDS / 2);
  }
  assert_true(nodes[3] > 2 * nodes[4] && nodes[5] > 2 * nodes[6]);
  for (int d = 0; d < 4; d++) {
    assert_in_range(dists[d], SEEDS / 5, SEEDS / 3);
  }
  for (int f = 0; f < SIM_FAULTS; f++) {
    assert_in_range(faults[f], SEEDS * 7 / 10, SEEDS * 8 / 10);
  }
  assert_in_range(reordered, SEEDS / 5, SEEDS * 3 / 10);
  assert_int_equal(per_node[1] + per_node[3], 0); /* lin-kv */
  assert_in_range(per_node[2], SEEDS * 4 / 10, SEEDS * 6 / 10);
  assert_in_range(slow_rates, SEEDS * 13 / 100, SEEDS * 18 / 100); /* 0.15: only long runs may be slow */
  assert_in_range(no_latency, SEEDS / 10, SEEDS * 15 / 100);
}

static void test_rates_are_log_uniform_when_there_is_time(void **state)
{
  (void)state;
  struct lab_options o;
  lab_options_default(&o);
  o.given = LAB_GIVEN_TIME_LIMIT;
  o.base.time_limit_ns = 1000 * SIM_S;
  unsigned slow = 0;
  for (uint64_t seed = 1; seed <= SEEDS; seed++) {
    struct lab_config c;
    lab_draw(&o, seed, true, &c);
    assert_true(c.rate >= 1 && c.rate <= 100);
    slow += c.rate <= 10;
  }
  assert_in_range(slow, SEEDS / 2, SEEDS * 6 / 10); /* H(10)/H(100) = 0.56 */
  o.base.time_limit_ns = SIM_S / 10;
  struct lab_config c;
  lab_draw(&o, 1, true, &c);
  assert_true(c.rate == 100);
}

static void test_at_least_one_fault(void **state)
{
  (void)state;
  struct lab_options o = with_faults();
  o.base.fault_count = 1;
  for (uint64_t seed = 1; seed <= 100; seed++) {
    struct lab_config c;
    lab_draw(&o, seed, true, &c);
    assert_int_equal(c.fault_count, 1);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_single_run_has_the_defaults_of_maelstrom),
      cmocka_unit_test(test_what_is_given_is_taken),
      cmocka_unit_test(test_the_header_fixes_workload_and_node_count),
      cmocka_unit_test(test_known_draws),
      cmocka_unit_test(test_one_option_leaves_the_other_draws_as_they_were),
      cmocka_unit_test(test_a_low_rate_takes_longer),
      cmocka_unit_test(test_ranges_and_weights),
      cmocka_unit_test(test_rates_are_log_uniform_when_there_is_time),
      cmocka_unit_test(test_at_least_one_fault),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
