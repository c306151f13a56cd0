/* The three broadcast examples: nothing is lost, with and without partitions, and the figures of challenges 3d and 3e. */
#include <math.h>
#include <stdio.h>

#include "cmocka_all.h"
#include "element_set.h"
#include "load.h"

enum {
  OP_ADD,
  OP_READ,
};

/* Maelstrom's grid: rows of ceil(sqrt(n)) nodes. */
static void topology(void *self, struct load *l, unsigned node, struct buf *body)
{
  unsigned n = load_cluster(l)->count;
  unsigned width = (unsigned)ceil(sqrt(n));
  (void)self;
  (void)node;
  buf_append_str(body, "\"type\":\"topology\",\"topology\":{");
  for (unsigned i = 0; i < n; i++) {
    buf_printf(body, "%s\"n%u\":[", i > 0 ? "," : "", i);
    const char *comma = "";
    for (unsigned j = 0; j < n; j++) {
      unsigned low = i < j ? i : j;
      unsigned high = i < j ? j : i;
      if (high - low == width || (high - low == 1 && low / width == high / width)) {
        buf_printf(body, "%s\"n%u\"", comma, j);
        comma = ",";
      }
    }
    buf_append_char(body, ']');
  }
  buf_append_char(body, '}');
}

static bool invoke(void *self, struct load *l, struct load_op *op, struct buf *body)
{
  struct element_set *s = self;
  bool done = op->kind == -1;
  op->kind = op->final || load_below(l, 2) == 0 ? OP_READ : OP_ADD;
  if (done) {
    return false;
  }
  if (op->kind == OP_ADD) {
    op->value = element_set_next(s);
    buf_printf(body, "\"type\":\"broadcast\",\"message\":%lld", (long long)op->value);
  } else {
    buf_append_str(body, "\"type\":\"read\"");
  }
  return true;
}

static void complete(void *self, struct load *l, struct load_op *op, const struct reply *reply, struct buf *next)
{
  struct element_set *s = self;
  uint64_t now = load_now(l);
  (void)next;
  if (op->kind == OP_ADD && load_is(reply, "broadcast_ok")) {
    element_set_known(s, op->value, now);
  } else if (op->kind == OP_READ && load_is(reply, "read_ok")) {
    element_set_read(s, load_member(reply->body, "messages"), op->invoked_ns, now, op->final);
  } else {
    CHECK(false, "an operation of node %u failed", op->node);
  }
  op->kind = op->final ? -1 : op->kind;
}

static struct load_result run(const struct load_config *config, struct element_verdict *verdict)
{
  struct element_set set = {0};
  struct workload workload = {&set, invoke, complete, topology};
  struct load_result result = load_run(config, &workload);
  *verdict = element_set_verdict(&set);
  printf("%-22s %2u nodes %-11s seed %llu: %5llu ops %6.2f msgs/op, stable after %4.0f ms (median) %4.0f ms (max)\n", config->example,
         config->nodes, config->partitions ? "partitions" : "", (unsigned long long)config->seed, (unsigned long long)result.ops,
         result.per_op, verdict->median_ms, verdict->max_ms);
  CHECK(verdict->lost == 0, "%zu of %zu elements are lost", verdict->lost, verdict->known);
  CHECK(verdict->duplicates == 0, "elements are read twice");
  CHECK(verdict->known > 0, "nothing was added");
  element_set_free(&set);
  return result;
}

static struct load_config config_of(const char *example, unsigned nodes, unsigned rate, uint64_t latency_ms)
{
  return (struct load_config){.example = example,
                              .workload = "broadcast",
                              .nodes = nodes,
                              .concurrency = 1,
                              .rate = rate,
                              .seconds = 20,
                              .latency = {SIM_CONSTANT, latency_ms * SIM_MS},
                              .seed = 1};
}

/* Partitions, and messages that overtake each other. */
static void lose_nothing(const char *example, unsigned nodes, unsigned rate, unsigned seeds)
{
  for (unsigned seed = 1; seed <= seeds; seed++) {
    struct element_verdict verdict;
    struct load_config config = config_of(example, nodes, rate, seed % 2 == 1 ? 100 : 50);
    config.seed = seed;
    config.partitions = true;
    config.latency.dist = (enum sim_dist)(seed % 3);
    run(&config, &verdict);
  }
}

static void challenge(const char *example, double per_op_max, double median_max_ms, double max_max_ms)
{
  for (unsigned seed = 1; seed <= 5; seed++) {
    struct element_verdict verdict;
    struct load_config config = config_of(example, 25, 100, 100);
    config.seed = seed;
    struct load_result result = run(&config, &verdict);
    CHECK(result.per_op <= per_op_max, "%.2f messages per operation", result.per_op);
    CHECK(verdict.median_ms < median_max_ms, "median %.0f ms", verdict.median_ms);
    CHECK(verdict.max_ms < max_max_ms, "max %.0f ms", verdict.max_ms);
    /* That the figures mean anything: no message can be everywhere sooner than it travels. */
    CHECK(verdict.max_ms > 50, "max %.0f ms", verdict.max_ms);
  }
}

static void broadcast_loses_nothing(void **state)
{
  struct element_verdict verdict;
  struct load_config config = config_of("broadcast.lua", 1, 10, 0);
  (void)state;
  run(&config, &verdict);
  config.nodes = 5;
  run(&config, &verdict);
  lose_nothing("broadcast.lua", 5, 10, 6);
  lose_nothing("broadcast.lua", 25, 100, 1);
}

static void broadcast_fast_is_fast(void **state)
{
  (void)state;
  challenge("broadcast_fast.lua", 13, 100, 120);
}

static void broadcast_fast_loses_nothing(void **state)
{
  (void)state;
  lose_nothing("broadcast_fast.lua", 25, 100, 6);
  lose_nothing("broadcast_fast.lua", 3, 10, 3);
}

static void broadcast_frugal_is_frugal(void **state)
{
  (void)state;
  challenge("broadcast_frugal.lua", 2, 350, 700);
}

static void broadcast_frugal_loses_nothing(void **state)
{
  (void)state;
  lose_nothing("broadcast_frugal.lua", 25, 100, 6);
  lose_nothing("broadcast_frugal.lua", 3, 10, 3);
  lose_nothing("broadcast_frugal.lua", 3, 1, 12); /* so few that the hub may have no more news to tell when a partition ends */
}

/* The harness itself: a run is a function of its seed. */
static void same_seed_same_run(void **state)
{
  struct element_verdict verdicts[3];
  struct load_result results[3];
  (void)state;
  for (unsigned i = 0; i < 3; i++) {
    struct load_config config = config_of("broadcast_fast.lua", 9, 100, 50);
    config.latency.dist = SIM_EXPONENTIAL;
    config.partitions = true;
    config.seed = i < 2 ? 42 : 43;
    results[i] = run(&config, &verdicts[i]);
  }
  assert_int_equal(results[0].messages, results[1].messages);
  assert_true(verdicts[0].median_ms == verdicts[1].median_ms && verdicts[0].max_ms == verdicts[1].max_ms);
  assert_true(results[0].messages != results[2].messages || verdicts[0].median_ms != verdicts[2].median_ms);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(broadcast_loses_nothing),        cmocka_unit_test(broadcast_fast_is_fast),
      cmocka_unit_test(broadcast_fast_loses_nothing),   cmocka_unit_test(broadcast_frugal_is_frugal),
      cmocka_unit_test(broadcast_frugal_loses_nothing), cmocka_unit_test(same_seed_same_run),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
