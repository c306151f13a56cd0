#include "harness/cluster.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

#define START_TIMEOUT_NS (10 * SIM_S)

/* ---- what is watched ---- */

static void note_untaken(struct cluster *c)
{
  if (c->untaken.len > 0) {
    buf_printf(&c->complaints, "nobody asked for: %.*s\n", (int)c->untaken.len, c->untaken.data);
    buf_clear(&c->untaken);
  }
}

static void watch_message(void *self, enum sim_fate fate, uint64_t id, struct slice from, struct slice to, struct slice line,
                          const char *why)
{
  struct cluster *c = self;
  (void)id;
  if (fate == SIM_REFUSED) {
    int shown = line.len < 200 ? (int)line.len : 200;
    buf_printf(&c->complaints, "%.*s sent what would be refused (%s): %.*s\n", (int)from.len, from.ptr, why, shown, line.ptr);
  } else if (fate == SIM_DELIVERED && to.ptr[0] == 'c') { /* the names of clients alone begin so */
    note_untaken(c);
    buf_append_slice(&c->untaken, line);
  }
}

static void watch_log(void *self, unsigned node, enum log_level level, struct slice text)
{
  static const char *const names[] = {"debug", "info", "warn", "error"};
  struct cluster *c = self;
  c->warnings += level == LOG_WARN;
  c->errors += level == LOG_ERROR;
  if (getenv("VORTEX_TEST_LOG") != NULL) {
    fprintf(stderr, "%10.3f n%u %s %.*s\n", (double)sim_now(c->sim) / 1e9, node, names[level], (int)text.len, text.ptr);
  }
}

struct slice cluster_complaints(struct cluster *c)
{
  note_untaken(c);
  return buf_slice(&c->complaints);
}

/* ---- members ---- */

static struct node *member_start(void *self, struct sim_node *sn, unsigned index, unsigned incarnation, const struct node_env *env)
{
  struct cluster *c = self;
  struct member *m = &c->members[index];
  struct node_config config = node_config_default();
  struct buf message = {0};
  (void)sn;
  (void)incarnation;
  m->script = script_new(&(struct script_config){.path = c->config.script, .check = c->config.check});
  struct node_behavior behavior = script_behavior(m->script);
  m->node = node_new(&config, env, &behavior);
  script_attach(m->script, m->node);
  if (script_load(m->script, &message) != 0) {
    fprintf(stderr, "%.*s\n", (int)message.len, message.data);
    exit(1);
  }
  return m->node;
}

static void member_end(void *self, unsigned index)
{
  struct member *m = &((struct cluster *)self)->members[index];
  script_free(m->script);
  node_free(m->node);
  m->script = NULL;
  m->node = NULL;
}

/* ---- start and end ---- */

static void on_init_reply(void *arg, const struct reply *reply)
{
  if (slice_equal(reply->type, SLICE("init_ok"))) {
    ++*(unsigned *)arg;
  }
}

/* Starts `count` nodes from `first` on, and sends them init. As Jepsen: a client for each, which leaves when the node has answered. */
static void start(struct cluster *c, unsigned first, unsigned count)
{
  struct caller *callers[CLUSTER_NODES_MAX];
  struct buf ids = {0};
  unsigned ready = 0;
  for (unsigned i = 0; i < c->count; i++) {
    buf_printf(&ids, "%s\"n%u\"", i > 0 ? "," : "", i);
  }
  for (unsigned i = 0; i < count; i++) {
    struct buf body = {0};
    buf_printf(&body, "\"type\":\"init\",\"node_id\":\"n%u\",\"node_ids\":[%.*s]%c", first + i, (int)ids.len, ids.data, '\0');
    sim_node_start(c->members[first + i].sim_node);
    callers[i] = caller_new(c, first + i);
    caller_request(callers[i], body.data, on_init_reply, &ready);
    buf_free(&body);
  }
  uint64_t deadline = sim_now(c->sim) + START_TIMEOUT_NS;
  while (ready < count && sim_now(c->sim) < deadline) {
    sim_run(c->sim, sim_now(c->sim) + 10 * SIM_MS);
  }
  for (unsigned i = 0; i < count; i++) {
    caller_free(callers[i]);
  }
  buf_free(&ids);
  if (ready < count) {
    fprintf(stderr, "only %u of %u nodes have started (VORTEX_TEST_LOG=1 shows their logs)\n", ready, count);
    exit(1);
  }
}

struct cluster *cluster_new(const struct cluster_config *config)
{
  assert(config->nodes >= 1 && config->nodes <= CLUSTER_NODES_MAX);
  struct cluster *c = calloc(1, sizeof *c);
  if (c == NULL || (c->members = calloc(config->nodes, sizeof *c->members)) == NULL) {
    abort();
  }
  c->config = *config;
  c->count = config->nodes;
  c->maker = (struct sim_maker){.self = c, .start = member_start, .end = member_end};
  c->observer = (struct sim_observer){.self = c, .message = watch_message, .log = watch_log};
  prng_init(&c->prng, config->seed);
  c->sim = sim_new(&(struct sim_config){.seed = config->seed, .nodes = c->count, .latency = config->latency, .observer = &c->observer});
  c->services = services_new(c->sim, &(struct services_config){.seq_window = 32});
  for (unsigned i = 0; i < c->count; i++) {
    char name[16];
    snprintf(name, sizeof name, "n%u", i);
    c->members[i].sim_node = sim_node_new(c->sim, i, name, &c->maker);
  }
  start(c, 0, c->count);
  return c;
}

void cluster_free(struct cluster *c)
{
  for (unsigned i = 0; i < c->count; i++) {
    sim_node_free(c->members[i].sim_node);
  }
  services_free(c->services);
  sim_free(c->sim);
  buf_free(&c->complaints);
  buf_free(&c->untaken);
  free(c->members);
  free(c);
}

void cluster_restart(struct cluster *c, unsigned node)
{
  sim_node_kill(c->members[node].sim_node);
  start(c, node, 1);
}

/* ---- partitions ---- */

void cluster_cut(struct cluster *c, uint64_t side)
{
  for (unsigned i = 0; i < c->count; i++) {
    for (unsigned j = 0; j < c->count; j++) {
      if ((side >> i & 1) != (side >> j & 1)) {
        sim_net_cut(c->sim, i, j, true);
      }
    }
  }
}

void cluster_set_hears(struct cluster *c, unsigned node, uint64_t mask)
{
  for (unsigned i = 0; i < c->count; i++) {
    sim_net_cut(c->sim, i, node, i != node && (mask >> i & 1) == 0);
  }
}

void cluster_heal(struct cluster *c)
{
  sim_net_heal(c->sim);
}
