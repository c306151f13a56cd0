#include "harness/cluster.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

#define START_TIMEOUT_NS (10 * WORLD_S)

/* ---- node/env.h ---- */

static uint64_t env_now(void *self)
{
  return ((struct member *)self)->cluster->world.now_ns;
}

static uint64_t env_random(void *self)
{
  return prng_next(&((struct member *)self)->cluster->world.prng);
}

static void env_send(void *self, struct slice dest, struct slice line, bool originated)
{
  struct member *m = self;
  (void)dest;
  (void)originated;
  net_send(&m->cluster->net, &m->endpoint, line);
}

static void wake(void *arg)
{
  struct member *m = arg;
  m->wake = NULL;
  node_wake(m->node);
}

static void env_wake_at(void *self, uint64_t deadline_ns)
{
  struct member *m = self;
  if (m->wake != NULL) {
    world_cancel(&m->cluster->world, m->wake);
  }
  m->wake = world_post(&m->cluster->world, deadline_ns, wake, m, NULL);
}

static void env_log(void *self, enum log_level level, struct slice text)
{
  static const char *const names[] = {"debug", "info", "warn", "error"};
  struct member *m = self;
  m->cluster->warnings += level == LOG_WARN;
  m->cluster->errors += level == LOG_ERROR;
  if (getenv("VORTEX_TEST_LOG") != NULL) {
    fprintf(stderr, "%10.3f %s %s %.*s\n", (double)m->cluster->world.now_ns / 1e9, m->endpoint.name, names[level], (int)text.len, text.ptr);
  }
}

/* ---- members ---- */

static void receive(void *self, struct slice line, const struct json_envelope *e)
{
  struct member *m = self;
  (void)e;
  node_receive(m->node, line, m->cluster->world.now_ns);
}

static void member_open(struct member *m, struct cluster *c, unsigned index)
{
  *m = (struct member){.cluster = c};
  m->endpoint = (struct endpoint){.kind = ENDPOINT_NODE, .index = index, .self = m, .receive = receive};
  snprintf(m->endpoint.name, sizeof m->endpoint.name, "n%u", index);
  m->script = script_new(&(struct script_config){.path = c->config.script, .check = c->config.check});
  struct node_config node_config = node_config_default();
  struct node_env env = {m, env_now, env_random, env_send, env_wake_at, env_log};
  struct node_behavior behavior = script_behavior(m->script);
  m->node = node_new(&node_config, &env, &behavior);
  script_attach(m->script, m->node);
  struct buf message = {0};
  if (script_load(m->script, &message) != 0) {
    fprintf(stderr, "%.*s\n", (int)message.len, message.data);
    exit(1);
  }
  net_add(&c->net, &m->endpoint);
}

static void member_close(struct member *m)
{
  if (m->wake != NULL) {
    world_cancel(&m->cluster->world, m->wake);
  }
  net_remove(&m->cluster->net, &m->endpoint);
  node_free(m->node);
  script_free(m->script);
}

/* ---- start and end ---- */

static void on_init_reply(void *arg, const struct reply *reply)
{
  if (slice_equal(reply->type, SLICE("init_ok"))) {
    ++*(unsigned *)arg;
  }
}

/* Sends init to `count` nodes from `first` on. As Jepsen: a client for each, which leaves when the node has answered. */
static void start(struct cluster *c, unsigned first, unsigned count)
{
  struct client *clients[NET_NODES_MAX];
  struct buf ids = {0};
  unsigned ready = 0;
  for (unsigned i = 0; i < c->count; i++) {
    buf_printf(&ids, "%s\"n%u\"", i > 0 ? "," : "", i);
  }
  for (unsigned i = 0; i < count; i++) {
    struct buf body = {0};
    buf_printf(&body, "\"type\":\"init\",\"node_id\":\"n%u\",\"node_ids\":[%.*s]%c", first + i, (int)ids.len, ids.data, '\0');
    clients[i] = client_new(c, first + i);
    client_request(clients[i], body.data, on_init_reply, &ready);
    buf_free(&body);
  }
  uint64_t deadline = c->world.now_ns + START_TIMEOUT_NS;
  while (ready < count && c->world.now_ns < deadline) {
    world_run(&c->world, c->world.now_ns + 10 * WORLD_MS);
  }
  for (unsigned i = 0; i < count; i++) {
    client_free(clients[i]);
  }
  buf_free(&ids);
  if (ready < count) {
    fprintf(stderr, "only %u of %u nodes have started (VORTEX_TEST_LOG=1 shows their logs)\n", ready, count);
    exit(1);
  }
}

struct cluster *cluster_new(const struct cluster_config *config)
{
  assert(config->nodes >= 1 && config->nodes <= NET_NODES_MAX);
  struct cluster *c = calloc(1, sizeof *c);
  if (c == NULL) {
    abort();
  }
  c->config = *config;
  world_init(&c->world, config->seed);
  net_init(&c->net, &c->world, config->latency);
  c->services = services_new(&c->net);
  c->count = config->nodes;
  c->members = calloc(c->count, sizeof *c->members);
  if (c->members == NULL) {
    abort();
  }
  for (unsigned i = 0; i < c->count; i++) {
    member_open(&c->members[i], c, i);
  }
  start(c, 0, c->count);
  return c;
}

void cluster_free(struct cluster *c)
{
  for (unsigned i = 0; i < c->count; i++) {
    member_close(&c->members[i]);
  }
  services_free(c->services);
  world_free(&c->world);
  net_free(&c->net);
  free(c->members);
  free(c);
}

void cluster_restart(struct cluster *c, unsigned node)
{
  member_close(&c->members[node]);
  member_open(&c->members[node], c, node);
  start(c, node, 1);
}

/* ---- partitions ---- */

void cluster_cut(struct cluster *c, uint64_t side)
{
  for (unsigned i = 0; i < c->count; i++) {
    c->members[i].endpoint.deaf_to |= (side >> i & 1) != 0 ? ~side : side;
  }
}

void cluster_set_hears(struct cluster *c, unsigned node, uint64_t mask)
{
  c->members[node].endpoint.deaf_to = ~(mask | UINT64_C(1) << node);
}

void cluster_heal(struct cluster *c)
{
  for (unsigned i = 0; i < c->count; i++) {
    c->members[i].endpoint.deaf_to = 0;
  }
}
