/* The growing set: nothing is lost, every addition is acknowledged at once. */
#include <stdio.h>

#include "cmocka_all.h"
#include "element_set.h"
#include "load.h"

enum {
  OP_ADD,
  OP_READ,
  OP_DONE,
};

static bool invoke(void *self, struct load *l, struct load_op *op, struct buf *body)
{
  if (op->kind == OP_DONE) {
    return false;
  }
  op->kind = op->final || load_below(l, 2) == 0 ? OP_READ : OP_ADD;
  if (op->kind == OP_ADD) {
    op->value = element_set_next(self);
    buf_printf(body, "\"type\":\"add\",\"element\":%lld", (long long)op->value);
  } else {
    buf_append_str(body, "\"type\":\"read\"");
  }
  return true;
}

static void complete(void *self, struct load *l, struct load_op *op, const struct reply *reply, struct buf *next)
{
  uint64_t now = load_now(l);
  (void)next;
  if (op->kind == OP_ADD && load_is(reply, "add_ok")) {
    element_set_known(self, op->value, now);
  } else if (op->kind == OP_READ && load_is(reply, "read_ok")) {
    element_set_read(self, load_member(reply->body, "value"), op->invoked_ns, now, op->final);
  }
  op->kind = op->final ? OP_DONE : op->kind;
}

static void g_set_loses_nothing(void **state)
{
  (void)state;
  for (unsigned seed = 1; seed <= 4; seed++) {
    struct element_set set = {0};
    struct workload workload = {&set, invoke, complete, NULL};
    struct load_config config = {.example = "g_set.lua",
                                 .workload = "g-set",
                                 .nodes = 3,
                                 .concurrency = 1,
                                 .rate = 20,
                                 .seconds = 20,
                                 .latency = {(enum sim_dist)(seed % 3), 50 * SIM_MS},
                                 .partitions = seed > 1,
                                 .seed = seed};
    struct load_result result = load_run(&config, &workload);
    struct element_verdict v = element_set_verdict(&set);
    printf("%-22s %-11s seed %u: %5llu ops %6.2f msgs/op, %zu elements\n", config.example, config.partitions ? "partitions" : "", seed,
           (unsigned long long)result.ops, result.per_op, v.known);
    CHECK(result.failed == 0, "%llu operations failed", (unsigned long long)result.failed);
    CHECK(v.known > 50 && v.lost == 0 && v.duplicates == 0, "%zu known, %zu lost, %llu twice", v.known, v.lost,
          (unsigned long long)v.duplicates);
    element_set_free(&set);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(g_set_loses_nothing)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
