/* The proxy: every operation is answered; one client at a time sees a plain map, whichever node it asks; with many, values come from
 * somebody who wrote them. */
#include <stdio.h>

#include "cmocka_all.h"
#include "load.h"

#define KEYS   5
#define VALUES 5

enum {
  OP_READ,
  OP_WRITE,
  OP_CAS,
};

struct model {
  bool alone;        /* one client at a time: the model below is exact */
  int64_t map[KEYS]; /* -1 = absent */
  unsigned busy;
  unsigned ok;
  unsigned refused; /* errors 20 and 22 */
  /* of the operation that goes on, by process */
  int64_t to[16];
};

/* value: key * 100 + the value written or expected */
static bool invoke(void *self, struct load *l, struct load_op *op, struct buf *body)
{
  struct model *m = self;
  if (op->final || (m->alone && m->busy > 0)) {
    return false;
  }
  int64_t key = load_below(l, KEYS);
  int64_t value = load_below(l, VALUES);
  m->busy++;
  m->to[op->process] = load_below(l, VALUES);
  op->kind = (int)load_below(l, 3);
  op->value = key * 100 + value;
  switch (op->kind) {
  case OP_READ:
    buf_printf(body, "\"type\":\"read\",\"key\":%lld", (long long)key);
    break;
  case OP_WRITE:
    buf_printf(body, "\"type\":\"write\",\"key\":%lld,\"value\":%lld", (long long)key, (long long)value);
    break;
  default:
    buf_printf(body, "\"type\":\"cas\",\"key\":%lld,\"from\":%lld,\"to\":%lld", (long long)key, (long long)value,
               (long long)m->to[op->process]);
  }
  return true;
}

/* What the operation does to the map; the code of its error, or -1. */
static int64_t apply(struct model *m, const struct load_op *op)
{
  int64_t *cell = &m->map[op->value / 100];
  if (op->kind == OP_WRITE) {
    *cell = op->value % 100;
  } else if (*cell == -1) {
    return 20;
  } else if (op->kind == OP_CAS && *cell != op->value % 100) {
    return 22;
  } else if (op->kind == OP_CAS) {
    *cell = m->to[op->process];
  }
  return -1;
}

static void complete(void *self, struct load *l, struct load_op *op, const struct reply *reply, struct buf *next)
{
  static const char *const types[] = {"read_ok", "write_ok", "cas_ok"};
  struct model *m = self;
  (void)l;
  (void)next;
  m->busy--;
  CHECK(!reply->timed_out, "no answer");
  bool ok = load_is(reply, types[op->kind]);
  CHECK(ok || reply->code == 20 || (op->kind == OP_CAS && reply->code == 22), "error %lld", (long long)reply->code);
  m->ok += ok;
  m->refused += !ok;
  int64_t value = ok && op->kind == OP_READ ? load_integer(load_member(reply->body, "value")) : -1;
  CHECK(!ok || op->kind != OP_READ || (value >= 0 && value < VALUES), "nobody wrote %lld", (long long)value);
  if (m->alone) {
    int64_t expected = apply(m, op);
    CHECK(reply->code == expected, "error %lld, expected %lld", (long long)reply->code, (long long)expected);
    CHECK(!ok || op->kind != OP_READ || value == m->map[op->value / 100], "key %lld is %lld, expected %lld", (long long)(op->value / 100),
          (long long)value, (long long)m->map[op->value / 100]);
  }
}

static void run(bool alone, unsigned concurrency, struct sim_latency latency, uint64_t seed)
{
  struct model model = {.alone = alone, .map = {-1, -1, -1, -1, -1}};
  struct workload workload = {&model, invoke, complete, NULL};
  struct load_config config = {.example = "lin_kv_proxy.lua",
                               .workload = "lin-kv",
                               .nodes = 2,
                               .concurrency = concurrency,
                               .rate = 100,
                               .seconds = 20,
                               .latency = latency,
                               .partitions = true,
                               .seed = seed};
  struct load_result result = load_run(&config, &workload);
  printf("%-22s seed %llu: %llu ops %6.2f msgs/op, %u ok, %u refused as they should be\n", config.example, (unsigned long long)seed,
         (unsigned long long)result.ops, result.per_op, model.ok, model.refused);
  CHECK(model.ok + model.refused == result.ops && model.ok > 100 && model.refused > 20, "%u ok, %u refused", model.ok, model.refused);
}

static void proxy_is_the_store(void **state)
{
  (void)state;
  run(true, 1, (struct sim_latency){0}, 1);
  run(true, 2, (struct sim_latency){SIM_EXPONENTIAL, 10 * SIM_MS}, 2);
}

static void proxy_answers_everybody(void **state)
{
  (void)state;
  run(false, 4, (struct sim_latency){SIM_EXPONENTIAL, 20 * SIM_MS}, 3);
  run(false, 8, (struct sim_latency){SIM_UNIFORM, 50 * SIM_MS}, 4);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(proxy_is_the_store),
      cmocka_unit_test(proxy_answers_everybody),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
