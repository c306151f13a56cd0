#include "load.h"

#include <stdio.h>
#include <stdlib.h>

#include "nemesis.h"
#include "json/iter.h"
#include "json/read.h"

#define RECOVERY_NS         (10 * SIM_S)
#define RESTART_NS          (120 * SIM_S) /* to read what was stored, perhaps one piece after the other */
#define NEMESIS_INTERVAL_NS (5 * SIM_S)
#define FINAL_TIMEOUT_NS    (60 * SIM_S)

/* A client and what it is doing. */
struct process {
  struct load *load;
  struct caller *caller;
  struct load_op op;
  bool busy;
};

struct load {
  const struct load_config *config;
  const struct workload *workload;
  struct cluster *cluster;
  struct process *processes;
  unsigned count;
  unsigned busy;
  uint64_t end_ns;
  bool owed; /* an operation is due, and no client was free */
  struct load_result result;
};

static const struct load_config *current; /* for messages */

void load_fail(const char *file, int line, const char *condition, const char *format, ...)
{
  va_list args;
  fprintf(stderr, "%s:%d: %s: ", file, line, condition);
  va_start(args, format);
  vfprintf(stderr, format, args);
  va_end(args);
  if (current != NULL) {
    fprintf(stderr, "\n  in %s, %u nodes, seed %llu%s", current->example, current->nodes, (unsigned long long)current->seed,
            current->partitions ? ", with partitions" : "");
  }
  fprintf(stderr, "\n");
  exit(1);
}

struct cluster *load_cluster(struct load *l)
{
  return l->cluster;
}

uint64_t load_now(const struct load *l)
{
  return sim_now(l->cluster->sim);
}

unsigned load_below(struct load *l, unsigned bound)
{
  return (unsigned)prng_below(&l->cluster->prng, bound);
}

void load_crash(struct load *l, unsigned process)
{
  caller_renew(l->processes[process].caller);
}

/* ---- operations ---- */

static void invoke(struct process *p);
static void invoke_some(struct load *l);

static void on_reply(void *arg, const struct reply *reply)
{
  struct process *p = arg;
  struct load *l = p->load;
  struct buf next = {0};
  l->result.failed += reply->timed_out || reply->code >= 0;
  l->workload->complete(l->workload->self, l, &p->op, reply, &next);
  if (next.len > 0) {
    buf_append_char(&next, '\0');
    caller_request(p->caller, next.data, on_reply, p);
  } else {
    p->busy = false;
    l->busy--;
    if (p->op.final) {
      invoke(p);
    } else if (l->owed) {
      l->owed = false;
      invoke_some(l);
    }
  }
  buf_free(&next);
}

/* Starts the next operation of a client, if there is one. */
static void invoke(struct process *p)
{
  struct load *l = p->load;
  struct buf body = {0};
  bool final = load_now(l) >= l->end_ns;
  p->op = (struct load_op){.process = p->op.process, .node = p->op.node, .invoked_ns = load_now(l), .final = final, .kind = p->op.kind};
  if (l->workload->invoke(l->workload->self, l, &p->op, &body)) {
    buf_append_char(&body, '\0');
    p->busy = true;
    l->busy++;
    l->result.ops++;
    caller_request(p->caller, body.data, on_reply, p);
  }
  buf_free(&body);
}

/* Has a random free client start an operation. */
static void invoke_some(struct load *l)
{
  if (l->busy == l->count) {
    l->owed = true;
    return;
  }
  unsigned nth = load_below(l, l->count - l->busy);
  for (unsigned i = 0; i < l->count; i++) {
    if (!l->processes[i].busy && nth-- == 0) {
      invoke(&l->processes[i]);
      return;
    }
  }
}

static void tick(void *arg)
{
  struct load *l = arg;
  if (load_now(l) < l->end_ns) {
    invoke_some(l);
    uint64_t pause_ns = prng_below(&l->cluster->prng, 2 * SIM_S / l->config->rate);
    sim_post(l->cluster->sim, load_now(l) + pause_ns, tick, l, NULL);
  }
}

/* ---- phases ---- */

static void on_setup_reply(void *arg, const struct reply *reply)
{
  struct process *p = arg;
  CHECK(!reply->timed_out && reply->code < 0, "setup of node %u failed", p->op.node);
  p->load->busy--;
}

static void set_up(struct load *l)
{
  for (unsigned i = 0; l->workload->setup != NULL && i < l->count && i < l->config->nodes; i++) {
    struct buf body = {0};
    l->workload->setup(l->workload->self, l, i, &body);
    buf_append_char(&body, '\0');
    l->busy++;
    caller_request(l->processes[i].caller, body.data, on_setup_reply, &l->processes[i]);
    buf_free(&body);
  }
  struct sim *sim = l->cluster->sim;
  sim_run(sim, sim_now(sim) + SIM_S);
  CHECK(l->busy == 0, "setup did not end");
}

static void run_load(struct load *l)
{
  struct sim *sim = l->cluster->sim;
  struct nemesis *nemesis = l->config->partitions ? nemesis_start(l->cluster, NEMESIS_INTERVAL_NS) : NULL;
  l->end_ns = sim_now(sim) + l->config->seconds * SIM_S;
  tick(l);
  sim_run(sim, l->end_ns);
  l->owed = false;
  if (nemesis != NULL) {
    nemesis_stop(nemesis);
  }
  sim_run(sim, sim_now(sim) + RECOVERY_NS);
  CHECK(l->busy == 0, "%u operations did not end", l->busy);
}

static void run_final(struct load *l)
{
  struct sim *sim = l->cluster->sim;
  for (unsigned i = 0; l->config->restarts && i < l->config->nodes; i++) {
    cluster_restart(l->cluster, i);
  }
  sim_run(sim, sim_now(sim) + (l->config->restarts ? RESTART_NS : 0));
  uint64_t deadline = sim_now(sim) + FINAL_TIMEOUT_NS;
  for (unsigned i = 0; i < l->count; i++) {
    invoke(&l->processes[i]);
  }
  while (l->busy > 0 && sim_now(sim) < deadline) {
    sim_run(sim, sim_now(sim) + 100 * SIM_MS);
  }
  CHECK(l->busy == 0, "%u final operations did not end", l->busy);
}

struct load_result load_run(const struct load_config *config, const struct workload *workload)
{
  char path[512];
  current = config;
  snprintf(path, sizeof path, "%s%s", VORTEX_EXAMPLES, config->example);
  struct load l = {.config = config, .workload = workload, .count = config->nodes * config->concurrency};
  l.end_ns = UINT64_MAX;
  l.cluster = cluster_new(&(struct cluster_config){
      .script = path, .nodes = config->nodes, .seed = config->seed, .latency = config->latency, .check = config->workload});
  l.processes = calloc(l.count, sizeof *l.processes);
  if (l.processes == NULL) {
    abort();
  }
  for (unsigned i = 0; i < l.count; i++) {
    unsigned node = i % config->nodes;
    l.processes[i] = (struct process){.load = &l, .caller = caller_new(l.cluster, node), .op = {.process = i, .node = node}};
  }
  set_up(&l);
  run_load(&l);
  run_final(&l);
  l.result.messages = sim_stats(l.cluster->sim)->server_messages;
  l.result.per_op = (double)l.result.messages / (double)l.result.ops;
  struct slice complaints = cluster_complaints(l.cluster);
  CHECK(complaints.len == 0, "%.*s", (int)complaints.len, complaints.ptr);
  CHECK(l.cluster->errors == 0, "%llu errors in the nodes' logs (VORTEX_TEST_LOG=1 shows them)", (unsigned long long)l.cluster->errors);
  for (unsigned i = 0; i < l.count; i++) {
    caller_free(l.processes[i].caller);
  }
  free(l.processes);
  cluster_free(l.cluster);
  current = NULL;
  return l.result;
}

/* ---- reading replies ---- */

bool load_is(const struct reply *reply, const char *type)
{
  bool same = slice_equal(reply->type, slice_of(type, strlen(type)));
  CHECK(same || reply->timed_out || reply->code >= 0, "the reply is of type %.*s, not %s", (int)reply->type.len, reply->type.ptr, type);
  return same;
}

struct slice load_member(struct slice body, const char *name)
{
  struct json_iter it;
  struct slice key;
  struct slice value;
  json_iter_init(&it, body);
  while (json_iter_member(&it, &key, &value)) {
    if (json_key_is(key, slice_of(name, strlen(name)))) {
      return value;
    }
  }
  return (struct slice){0};
}

int64_t load_integer(struct slice value)
{
  int64_t integer = 0;
  double real;
  CHECK(value.len > 0 && json_read_number(value, &integer, &real) == JSON_INTEGER, "not an integer: %.*s", (int)value.len, value.ptr);
  return integer;
}
