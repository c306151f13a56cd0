/* The counters: at the end every node reads what was acknowledged, or that and some of what may have happened. */
#include <stdio.h>

#include "cmocka_all.h"
#include "load.h"

enum {
  OP_ADD,
  OP_READ,
  OP_DONE,
};

struct counter {
  bool negative;     /* deltas may be negative */
  int64_t acked;     /* the sum of deltas that were acknowledged */
  int64_t maybe_add; /* the sums of those whose fate is unknown */
  int64_t maybe_sub;
  unsigned reads; /* final ones */
};

static bool invoke(void *self, struct load *l, struct load_op *op, struct buf *body)
{
  struct counter *c = self;
  if (op->kind == OP_DONE) {
    return false;
  }
  op->kind = op->final || load_below(l, 2) == 0 ? OP_READ : OP_ADD;
  if (op->kind == OP_ADD) {
    op->value = (int64_t)load_below(l, 10) - (c->negative ? 5 : 0);
    buf_printf(body, "\"type\":\"add\",\"delta\":%lld", (long long)op->value);
  } else {
    buf_append_str(body, "\"type\":\"read\"");
  }
  return true;
}

static void complete(void *self, struct load *l, struct load_op *op, const struct reply *reply, struct buf *next)
{
  struct counter *c = self;
  (void)l;
  (void)next;
  if (op->kind == OP_ADD && load_is(reply, "add_ok")) {
    c->acked += op->value;
  } else if (op->kind == OP_ADD && reply->code != 11) {
    c->maybe_add += op->value > 0 ? op->value : 0;
    c->maybe_sub += op->value < 0 ? op->value : 0;
  } else if (op->kind == OP_READ && load_is(reply, "read_ok") && op->final) {
    int64_t value = load_integer(load_member(reply->body, "value"));
    CHECK(value >= c->acked + c->maybe_sub && value <= c->acked + c->maybe_add, "node %u reads %lld, and it is %lld (%+lld %+lld)",
          op->node, (long long)value, (long long)c->acked, (long long)c->maybe_sub, (long long)c->maybe_add);
    c->reads++;
    op->kind = OP_DONE;
  }
}

static void count(const char *example, const char *name, struct load_config config, uint64_t failures_max)
{
  for (unsigned seed = 1; seed <= 4; seed++) {
    struct counter counter = {.negative = strcmp(name, "pn-counter") == 0};
    struct workload workload = {&counter, invoke, complete, NULL};
    config.example = example;
    config.workload = name;
    config.nodes = 3;
    config.seconds = 20;
    config.seed = seed;
    config.partitions = seed > 1;
    struct load_result result = load_run(&config, &workload);
    printf("%-22s %-11s seed %u: %5llu ops %6.2f msgs/op, final value %lld, %llu failed\n", example, config.partitions ? "partitions" : "",
           seed, (unsigned long long)result.ops, result.per_op, (long long)counter.acked, (unsigned long long)result.failed);
    CHECK(counter.reads == config.nodes * config.concurrency, "%u final reads", counter.reads);
    CHECK(counter.acked != 0, "nothing was counted");
    CHECK(result.failed <= failures_max, "%llu operations failed", (unsigned long long)result.failed);
  }
}

static void g_counter(void **state)
{
  (void)state;
  count("g_counter.lua", "g-counter", (struct load_config){.concurrency = 1, .rate = 100}, 0);
  count("g_counter.lua", "g-counter", (struct load_config){.concurrency = 1, .rate = 100, .latency = {SIM_UNIFORM, 20 * SIM_MS}}, 0);
  /* Additions on one node get into each other's way, and the replies' order is any. */
  count("g_counter.lua", "g-counter", (struct load_config){.concurrency = 4, .rate = 50, .latency = {SIM_EXPONENTIAL, 20 * SIM_MS}}, 10);
}

static void g_counter_crdt(void **state)
{
  (void)state;
  count("g_counter_crdt.lua", "g-counter", (struct load_config){.concurrency = 1, .rate = 100, .latency = {SIM_EXPONENTIAL, 50 * SIM_MS}},
        0);
}

static void pn_counter(void **state)
{
  (void)state;
  count("pn_counter.lua", "pn-counter", (struct load_config){.concurrency = 1, .rate = 100, .latency = {SIM_EXPONENTIAL, 50 * SIM_MS}}, 0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(g_counter),
      cmocka_unit_test(g_counter_crdt),
      cmocka_unit_test(pn_counter),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
