#include "lab/swarm.h"

#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/mix.h"
#include "base/prng.h"

/* One stream of numbers per choice. The values are part of what a seed means: never change one. */
enum choice {
  CHOICE_RATE = 1,
  CHOICE_LATENCY = 2,
  CHOICE_DISTRIBUTION = 3,
  CHOICE_CONCURRENCY = 4,
  CHOICE_TIME_LIMIT = 5,
  CHOICE_INTERVAL = 6,
  CHOICE_NODES = 7,
  CHOICE_REORDER = 8,
  CHOICE_TOPOLOGY = 9,
  CHOICE_NO_FAULT = 10,
  CHOICE_FAULT = 11, /* one stream for each kind and target */
};

#define SWARM UINT64_C(0x737761726d) /* keeps these draws apart from those of the run with the same seed */

#define RATE_MAX       100
#define OPERATIONS_MIN 400
#define TIME_MAX_S     120

static const char *const topologies[] = {"grid", "line", "tree", "tree2", "tree3", "tree4", "total"};

void lab_options_default(struct lab_options *o)
{
  *o = (struct lab_options){
      .clients_per_node = 1,
      .base =
          {
              .rpc_timeout_ns = SIM_S,
              .late_reply_ns = 4500 * SIM_MS,
              .nodes = 5,
              .first_name = 1,
              .latency = {.dist = SIM_CONSTANT},
              .service_min_ns = 100 * SIM_US,
              .service_max_ns = 2 * SIM_MS,
              .seq_window = 32,
              .lww_merge_ns = SIM_S,
              .workload = "lin-kv",
              .rate = 5,
              .time_limit_ns = 60 * SIM_S,
              .topology = "grid",
              .availability = "none",
              .consistency_models = "strict-serializable",
              .max_txn_length = 4,
              .max_writes_per_key = 16,
              .nemesis_interval_ns = 10 * SIM_S,
          },
  };
}

static struct prng stream(uint64_t seed, uint64_t choice)
{
  struct prng p;
  prng_init(&p, mix_pair(mix_pair(seed, SWARM), choice));
  return p;
}

static uint64_t between(uint64_t seed, enum choice choice, uint64_t low, uint64_t high)
{
  struct prng p = stream(seed, choice);
  return low + prng_below(&p, high - low + 1);
}

/* An integer from 1 to `high` with a probability in proportion to its inverse: log-uniform, without libm. */
static unsigned log_uniform(struct prng *p, unsigned high)
{
  const uint64_t unit = UINT64_C(1) << 40;
  uint64_t sum = 0;
  for (unsigned k = 1; k <= high; k++) {
    sum += unit / k;
  }
  uint64_t left = prng_below(p, sum);
  for (unsigned k = 1; k < high; k++) {
    if (left < unit / k) {
      return k;
    }
    left -= unit / k;
  }
  return high;
}

static bool is_linear(const char *workload)
{
  return strcmp(workload, "lin-kv") == 0;
}

/* Fewer operations than OPERATIONS_MIN, and whether some compare-and-set succeeds is chance: a run so short says nothing. */
static double draw_rate(uint64_t seed, uint64_t time_limit_ns)
{
  struct prng p = stream(seed, CHOICE_RATE);
  uint64_t low = OPERATIONS_MIN * SIM_S / time_limit_ns;
  unsigned rate;
  do {
    rate = log_uniform(&p, RATE_MAX);
  } while (rate < low && low < RATE_MAX);
  return low < RATE_MAX ? rate : RATE_MAX;
}

/* The same for a rate that was given: the load takes longer instead, within reason. */
static uint64_t long_enough(uint64_t time_limit_ns, double rate)
{
  double needed_s = OPERATIONS_MIN / rate;
  uint64_t needed_ns = (uint64_t)((needed_s < TIME_MAX_S ? needed_s : TIME_MAX_S) * SIM_S);
  return needed_ns > time_limit_ns ? needed_ns : time_limit_ns;
}

static void draw_load(const struct lab_options *o, uint64_t seed, struct lab_config *c)
{
  if (!(o->given & LAB_GIVEN_TIME_LIMIT)) {
    c->time_limit_ns = between(seed, CHOICE_TIME_LIMIT, 10, 40) * SIM_S;
    if (o->given & LAB_GIVEN_RATE) {
      c->time_limit_ns = long_enough(c->time_limit_ns, c->rate);
    }
  }
  if (!(o->given & LAB_GIVEN_RATE)) {
    c->rate = draw_rate(seed, c->time_limit_ns);
  }
  if (!(o->given & LAB_GIVEN_TOPOLOGY)) {
    c->topology = topologies[between(seed, CHOICE_TOPOLOGY, 0, sizeof topologies / sizeof *topologies - 1)];
  }
}

static void draw_network(const struct lab_options *o, uint64_t seed, struct lab_config *c)
{
  if (!(o->given & LAB_GIVEN_LATENCY)) {
    struct prng p = stream(seed, CHOICE_LATENCY);
    bool none = prng_below(&p, 8) == 0;
    c->latency.mean_ns = none ? 0 : log_uniform(&p, 100) * SIM_MS;
  }
  if (!(o->given & LAB_GIVEN_DISTRIBUTION)) {
    static const enum sim_dist dists[] = {SIM_CONSTANT, SIM_UNIFORM, SIM_EXPONENTIAL, SIM_HEAVY};
    c->latency.dist = dists[between(seed, CHOICE_DISTRIBUTION, 0, 3)];
  }
  c->reorder_keys = between(seed, CHOICE_REORDER, 0, 3) == 0;
}

/* Mostly three or five: what people run, and small enough for a minority to matter. */
static unsigned draw_nodes(uint64_t seed)
{
  static const unsigned char counts[] = {1, 2, 3, 3, 3, 3, 4, 5, 5, 5, 5, 6, 7};
  return counts[between(seed, CHOICE_NODES, 0, sizeof counts - 1)];
}

/* At most a third of the load's time, or a short run would end before its first fault. */
static uint64_t draw_interval(uint64_t seed, uint64_t time_limit_ns)
{
  uint64_t high_ms = time_limit_ns / 3 / SIM_MS;
  high_ms = high_ms > 10000 ? 10000 : high_ms < 1000 ? 1000 : high_ms;
  struct prng p = stream(seed, CHOICE_INTERVAL);
  return (1000 + prng_below(&p, high_ms - 1000 + 1)) * SIM_MS;
}

/* Leaves some of the named faults out: a fault that is always there hides what happens without it. */
static void draw_faults(uint64_t seed, struct lab_config *c)
{
  struct sim_fault_spec active[LAB_FAULTS_MAX];
  size_t count = 0;
  for (size_t i = 0; i < c->fault_count; i++) {
    const struct sim_fault_spec *spec = &c->faults[i];
    struct prng p = stream(mix_pair(seed, (uint64_t)spec->fault << 8 | (uint64_t)spec->target), CHOICE_FAULT);
    if (prng_below(&p, 4) < 3) {
      active[count++] = *spec;
    }
  }
  if (count == 0 && c->fault_count > 0) {
    active[count++] = c->faults[between(seed, CHOICE_NO_FAULT, 0, c->fault_count - 1)];
  }
  memcpy(c->faults, active, count * sizeof *active);
  c->fault_count = count;
}

/* The multiple of the node count: Maelstrom's lin-kv needs an even one. */
static unsigned draw_per_node(uint64_t seed, bool linear)
{
  static const unsigned char few[] = {1, 2, 4};
  static const unsigned char even[] = {2, 4};
  return linear ? even[between(seed, CHOICE_CONCURRENCY, 0, 1)] : few[between(seed, CHOICE_CONCURRENCY, 0, 2)];
}

void lab_draw(const struct lab_options *o, uint64_t seed, bool campaign, struct lab_config *out)
{
  assert(o->base.nodes > 0 && o->base.fault_count <= LAB_FAULTS_MAX);
  *out = o->base;
  out->seed = seed;
  if (!(o->given & LAB_GIVEN_WORKLOAD) && o->header.workload[0] != '\0') {
    out->workload = o->header.workload;
  }
  if (!(o->given & LAB_GIVEN_NODES) && (o->header.nodes > 0 || campaign)) {
    out->nodes = o->header.nodes > 0 ? o->header.nodes : draw_nodes(seed);
    out->first_name = 0;
  }
  if (campaign) {
    draw_load(o, seed, out);
    draw_network(o, seed, out);
    if (!(o->given & LAB_GIVEN_INTERVAL)) {
      out->nemesis_interval_ns = draw_interval(seed, out->time_limit_ns);
    }
    draw_faults(seed, out);
  }
  unsigned per_node = o->clients_per_node;
  if (!(o->given & LAB_GIVEN_CONCURRENCY)) {
    bool linear = is_linear(out->workload);
    per_node = campaign ? draw_per_node(seed, linear) : linear ? 2 : 1;
  }
  if (per_node > 0) {
    out->clients = per_node * out->nodes;
  }
}

const char *lab_distribution_name(enum sim_dist dist)
{
  switch (dist) {
  case SIM_CONSTANT:
    return "constant";
  case SIM_UNIFORM:
    return "uniform";
  case SIM_EXPONENTIAL:
    return "exponential";
  default:
    return "heavy";
  }
}

void lab_describe(const struct lab_config *c, struct buf *out)
{
  buf_printf(out, "%s, %u node%s n%u", c->workload, c->nodes, c->nodes == 1 ? "" : "s", c->first_name);
  if (c->nodes > 1) {
    buf_printf(out, " to n%u", c->first_name + c->nodes - 1);
  }
  buf_printf(out, ", %u client%s, %g/s for %g s", c->clients, c->clients == 1 ? "" : "s", c->rate, (double)c->time_limit_ns / 1e9);
  if (c->latency.mean_ns == 0) {
    buf_append_str(out, ", no latency");
  } else {
    buf_printf(out, ", latency %g ms %s", (double)c->latency.mean_ns / 1e6, lab_distribution_name(c->latency.dist));
  }
  if (strcmp(c->workload, "broadcast") == 0) {
    buf_printf(out, ", topology %s", c->topology);
  }
  if (c->reorder_keys) {
    buf_append_str(out, ", keys reordered");
  }
  for (size_t i = 0; i < c->fault_count; i++) {
    buf_printf(out, "%s%s", i == 0 ? ", faults " : " ", sim_fault_name(c->faults[i].fault));
    if (c->faults[i].target != SIM_TARGET_ANY) {
      buf_printf(out, ":%s", sim_target_name(c->faults[i].target));
    }
  }
  if (c->fault_count > 0) {
    buf_printf(out, " every %g s", (double)c->nemesis_interval_ns / 1e9);
  }
}
