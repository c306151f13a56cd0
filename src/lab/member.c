#include "lab/member.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/mix.h"
#include "lab/arena.h"
#include "lab/sandbox.h"

#define THRIFTY_NODES   256          /* so many nodes at least, and their memory counts for more than speed */
#define SEGMENT_BYTES   (256u << 10) /* so small that a run comes to the end of some */
#define CAUSE_HASH_SEED UINT64_C(0x68617368)

struct member {
  struct sim_node *sim_node;
  struct arena *arena; /* NULL = dead */
  struct script *script;
  struct node *node;
  bool ran_away;
};

struct members {
  struct sim *sim;
  const struct lab_config *config;
  struct script_cache *cache;
  struct watcher *watcher;
  struct sim_maker maker;
  struct buf load_error;
  unsigned count;
  struct member *list;
  struct sim_node **nodes; /* the same, for those who know nothing of scripts */
};

static void drop(struct member *m)
{
  script_abandon(m->script);
  node_free(m->node);
  arena_reset(m->arena);
  m->script = NULL;
  m->node = NULL;
  m->arena = NULL;
}

static void trim(void *arena)
{
  arena_trim(arena);
}

static struct node *start(void *self, struct sim_node *sn, unsigned index, unsigned incarnation, const struct node_env *env)
{
  struct members *all = self;
  struct member *m = &all->list[index];
  const struct lab_config *c = all->config;
  m->arena = arena_open(index + 1); /* 0 is the workload's */
  script_freeze_clock((uint32_t)sim_random_of(all->sim, CAUSE_HASH_SEED, index, incarnation));
  m->script = script_new(&(struct script_config){
      .path = c->script,
      .argv = c->argv,
      .argc = c->argc,
      .rpc_timeout_ns = c->rpc_timeout_ns,
      .library = c->library,
      .alloc = arena_realloc,
      .alloc_arg = m->arena,
      .trim = c->nodes >= THRIFTY_NODES ? trim : NULL,
      .newstate = arena_newstate,
      .cache = all->cache,
      .no_environment = true,
      .turn_instructions = c->exact ? LAB_TURN_INSTRUCTIONS : 0,
      .open = sandbox_open,
      .open_arg = sn,
  });
  assert(m->script != NULL);
  script_freeze_clock(0); /* table.sort goes by it as well, and must not by whose node has started last */
  struct node_config node_config = node_config_default();
  node_config.late_reply_ns = c->late_reply_ns;
  node_config.segment_bytes = SEGMENT_BYTES;
  node_config.block_bytes = SIM_SECTOR_BYTES;
  node_config.watch = watcher_hooks(all->watcher);
  struct node_behavior behavior = script_behavior(m->script);
  m->node = node_new(&node_config, env, &behavior);
  script_attach(m->script, m->node);
  struct buf message = {0};
  if (script_load(m->script, &message) != 0) {
    buf_clear(&all->load_error);
    buf_append_slice(&all->load_error, buf_slice(&message));
    buf_free(&message);
    drop(m);
    return NULL;
  }
  buf_free(&message);
  return m->node;
}

static void end(void *self, unsigned index)
{
  struct members *all = self;
  struct member *m = &all->list[index];
  m->ran_away |= script_ran_away(m->script);
  drop(m);
}

struct members *members_new(struct sim *sim, const struct lab_config *config, struct script_cache *cache, struct watcher *watcher)
{
  struct members *m = calloc(1, sizeof *m);
  if (m == NULL) {
    abort();
  }
  m->sim = sim;
  m->config = config;
  m->cache = cache;
  m->watcher = watcher;
  m->maker = (struct sim_maker){m, start, end};
  m->count = config->nodes;
  m->list = calloc(m->count, sizeof *m->list);
  m->nodes = calloc(m->count, sizeof *m->nodes);
  if (m->list == NULL || m->nodes == NULL) {
    abort();
  }
  for (unsigned i = 0; i < m->count; i++) {
    char name[16];
    snprintf(name, sizeof name, "n%u", config->first_name + i);
    m->nodes[i] = sim_node_new(sim, i, name, &m->maker);
    m->list[i].sim_node = m->nodes[i];
    watcher_name(watcher, i, name);
  }
  return m;
}

void members_free(struct members *m)
{
  for (unsigned i = 0; i < m->count; i++) {
    sim_node_free(m->nodes[i]);
  }
  buf_free(&m->load_error);
  free(m->list);
  free(m->nodes);
  free(m);
}

unsigned members_count(const struct members *m)
{
  return m->count;
}

struct sim_node *members_node(struct members *m, unsigned index)
{
  return m->nodes[index];
}

struct sim_node *const *members_nodes(struct members *m)
{
  return m->nodes;
}

struct slice members_load_error(const struct members *m)
{
  return buf_slice(&m->load_error);
}

bool members_ran_away(const struct members *m, unsigned index)
{
  const struct member *member = &m->list[index];
  return member->ran_away || (member->script != NULL && script_ran_away(member->script));
}
