/* With a majority up and connected, operations on Raft's examples succeed within a bounded time, whoever is away: each node in turn, so
 * also the leader, is cut off, both ways or in one direction, or killed; a client at every node asks all the time.
 *
 * The bound: a follower stands for election at most two election timeouts (0.6 s) after it heard the leader last; one split vote more takes
 * as long again; a proposal that was given to the lost leader is given to the next one an election timeout later at most; and the messages
 * of all that take their time. */
#include <stdio.h>

#include "cmocka_all.h"
#include "load.h"

#define NODES_MAX    5
#define ASK_EVERY_NS (50 * SIM_MS)
#define BOUND_NS     (2 * SIM_S)

struct world;

struct asker {
  struct world *world;
  struct caller *caller;
  unsigned node;
  uint64_t asked;
  uint64_t last_success_ns;
  bool excused; /* its node is not with the majority */
  struct sim_event *due;
};

struct world {
  struct cluster *cluster;
  unsigned nodes;
  struct asker askers[NODES_MAX];
  uint64_t successes;
  uint64_t longest_ns; /* that a client with the majority went without a success */
};

static void ask(void *arg);

/* Looks at how long it has been; called at each answer, and at the end of each stretch. */
static void measure(struct asker *a)
{
  uint64_t gap = sim_now(a->world->cluster->sim) - a->last_success_ns;
  if (!a->excused && gap > a->world->longest_ns) {
    a->world->longest_ns = gap;
  }
}

static void answered(void *arg, const struct reply *reply)
{
  struct asker *a = arg;
  bool success = !reply->timed_out && (reply->code == -1 || reply->code == 20 || reply->code == 22);
  if (success) {
    measure(a);
    a->last_success_ns = sim_now(a->world->cluster->sim);
    a->world->successes++;
  }
  a->due = sim_post(a->world->cluster->sim, sim_now(a->world->cluster->sim) + ASK_EVERY_NS, ask, a, NULL);
}

static void ask(void *arg)
{
  static const char *const bodies[] = {
      "\"type\":\"write\",\"key\":1,\"value\":2",
      "\"type\":\"read\",\"key\":1",
      "\"type\":\"cas\",\"key\":1,\"from\":2,\"to\":3",
  };
  struct asker *a = arg;
  a->due = NULL;
  caller_request(a->caller, bodies[a->asked++ % 3], answered, a);
}

static void run_for(struct world *w, uint64_t ns)
{
  sim_run(w->cluster->sim, sim_now(w->cluster->sim) + ns);
  for (unsigned i = 0; i < w->nodes; i++) {
    measure(&w->askers[i]);
  }
}

static void excuse(struct world *w, unsigned node, bool excused)
{
  for (unsigned i = 0; i < w->nodes; i++) {
    struct asker *a = &w->askers[i];
    if (excused && i == node) {
      measure(a);
      a->excused = true;
    } else if (a->excused) {
      a->excused = false;
      a->last_success_ns = sim_now(w->cluster->sim);
    }
  }
}

enum trouble {
  CUT,      /* hears nobody, is heard by nobody */
  DEAF,     /* hears nobody */
  MUTE,     /* is heard by nobody */
  RESTARTS, /* is killed, and starts again */
  TROUBLES,
};

static void disturb(struct world *w, enum trouble trouble, unsigned node)
{
  uint64_t all = (UINT64_C(1) << w->nodes) - 1;
  uint64_t self = UINT64_C(1) << node;
  switch (trouble) {
  case CUT:
    cluster_cut(w->cluster, self);
    break;
  case DEAF:
    cluster_set_hears(w->cluster, node, 0);
    break;
  case MUTE:
    for (unsigned i = 0; i < w->nodes; i++) {
      if (i != node) {
        cluster_set_hears(w->cluster, i, all & ~self);
      }
    }
    break;
  default:
    cluster_restart(w->cluster, node);
    break;
  }
}

static void run(const char *example, unsigned nodes, uint64_t latency_ns, uint64_t seed)
{
  char path[300];
  snprintf(path, sizeof path, VORTEX_EXAMPLES "%s", example);
  struct world w = {.nodes = nodes};
  w.cluster = cluster_new(
      &(struct cluster_config){.script = path, .nodes = nodes, .seed = seed, .latency = {SIM_UNIFORM, latency_ns}, .check = "lin-kv"});
  for (unsigned i = 0; i < nodes; i++) {
    struct asker *a = &w.askers[i];
    *a = (struct asker){.world = &w, .caller = caller_new(w.cluster, i), .node = i, .last_success_ns = sim_now(w.cluster->sim)};
    ask(a);
  }
  run_for(&w, 3 * SIM_S);
  for (enum trouble trouble = 0; trouble < TROUBLES; trouble++) {
    for (unsigned node = 0; node < nodes; node++) {
      excuse(&w, node, true);
      disturb(&w, trouble, node);
      run_for(&w, 4 * SIM_S);
      cluster_heal(w.cluster);
      excuse(&w, node, false);
      run_for(&w, 3 * SIM_S);
    }
  }
  print_message("%s, %u nodes, latency %llu ms, seed %llu: %llu successes, longest time without one %llu ms\n", example, nodes,
                (unsigned long long)(latency_ns / SIM_MS), (unsigned long long)seed, (unsigned long long)w.successes,
                (unsigned long long)(w.longest_ns / SIM_MS));
  assert_true(w.successes > 100);
  assert_true(w.longest_ns <= BOUND_NS);
  for (unsigned i = 0; i < nodes; i++) {
    caller_free(w.askers[i].caller);
  }
  cluster_free(w.cluster);
}

static void test_lin_kv_is_available(void **state)
{
  (void)state;
  for (uint64_t seed = 1; seed <= 5; seed++) {
    run("lin_kv.lua", 3, SIM_MS, seed);
    run("lin_kv.lua", 5, 10 * SIM_MS, seed);
    run("lin_kv.lua", 5, 30 * SIM_MS, seed);
  }
}

static void test_shards_are_available(void **state)
{
  (void)state;
  run("sharded_kv.lua", 5, 10 * SIM_MS, 1);
}

static void test_the_step_model_is_available(void **state)
{
  (void)state;
  run("lin_kv_step.lua", 3, 10 * SIM_MS, 1);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_lin_kv_is_available),
      cmocka_unit_test(test_shards_are_available),
      cmocka_unit_test(test_the_step_model_is_available),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
