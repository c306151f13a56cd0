/* The nemesis in the real world of src/sim: nodes that do nothing, and all that it announces, read back from its words. */
#ifndef VORTEX_TESTS_SIM_NEMESIS_WORLD_H
#define VORTEX_TESTS_SIM_NEMESIS_WORLD_H

#include "sim/nemesis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mix.h"
#include "cmocka_all.h"
#include "sim/internal.h"

enum {
  NODES_MAX = 7,
  SPECS_MAX = 20,
};

#define INTERVAL (10 * SIM_S)

/* A fault that is going on, as it was announced. */
struct fault {
  char what[200];
  enum sim_fault kind;
  enum sim_target target;
  unsigned side[NODES_MAX];  /* 1 = before the first bar, or listed at all; 2 = behind it; 3 = between them */
  unsigned order[NODES_MAX]; /* nodes as listed */
  unsigned listed;
  bool deaf; /* one-way: the targets do not hear the others */
  unsigned strength;
  unsigned incarnation[NODES_MAX]; /* of the nodes that lived when it began */
  int64_t alone_ppm[NODES_MAX];    /* the drift that a clock fault makes alone; NONE = not known */
};

#define NONE INT64_MAX

struct world {
  struct sim *sim;
  unsigned nodes;
  struct sim_node *node[NODES_MAX];
  struct node *core[NODES_MAX];
  struct node_env env[NODES_MAX];
  struct sim_nemesis *nemesis;
  struct sim_fault_spec specs[SPECS_MAX];
  unsigned restarted[NODES_MAX];

  struct fault faults[SPECS_MAX];
  size_t active;
  uint64_t changes; /* how often a fault began or ended */
  uint64_t changed_ns;
  uint64_t log[SIM_FAULTS]; /* hashes of all announcements and their times */
  uint64_t shortest;        /* stretch, and longest, of worlds with one spec */
  uint64_t longest;
  unsigned began[SIM_FAULTS];
  unsigned drawn[SIM_TARGETS];
  unsigned deaf_count;
  unsigned calls; /* of the observer */
  int64_t drift_ppm[NODES_MAX];
  int64_t jump_ms; /* the largest so far */
  bool heard[NODES_MAX][NODES_MAX];
  uint64_t probes;

  bool has_leaders; /* whether the nemesis is told who leads */
  unsigned leader;
  bool writing[NODES_MAX]; /* an operation of this node's disk is under way */
  int disk_error[NODES_MAX];
  uint64_t asked_ns[NODES_MAX];
  uint64_t took_ns[NODES_MAX];
};

/* ---- what runs in a node: nothing ---- */

static inline enum node_init_result on_init(void *self)
{
  (void)self;
  return NODE_INIT_DONE;
}

static inline void on_message(void *self, const struct node_message *m)
{
  (void)self;
  (void)m;
}

static inline void on_complete(void *self, uint64_t token, void *tag, int status, const struct node_message *reply)
{
  (void)self;
  (void)token;
  (void)tag;
  (void)status;
  (void)reply;
}

static inline bool on_busy(void *self)
{
  (void)self;
  return false;
}

static inline void on_stop(void *self)
{
  (void)self;
}

static inline struct node *make(void *self, struct sim_node *sn, unsigned index, unsigned incarnation, const struct node_env *env)
{
  struct world *w = self;
  struct node_config config = node_config_default();
  struct node_behavior behavior = {.init = on_init, .message = on_message, .complete = on_complete, .busy = on_busy, .stop = on_stop};
  (void)sn;
  (void)incarnation;
  w->env[index] = *env;
  w->core[index] = node_new(&config, env, &behavior);
  return w->core[index];
}

static inline void unmake(void *self, unsigned index)
{
  struct world *w = self;
  w->writing[index] = false;
  node_free(w->core[index]);
  w->core[index] = NULL;
}

static inline void on_restarted(void *arg, unsigned node)
{
  struct world *w = arg;
  assert_true(sim_node_alive(w->node[node]));
  w->restarted[node]++;
}

static inline unsigned on_leader(void *arg, uint64_t word)
{
  (void)word;
  return ((struct world *)arg)->leader;
}

/* ---- announcements ---- */

static inline struct fault read_fault(const char *what)
{
  struct fault f = {0};
  char kind[24];
  char target[24];
  int used = 0;
  assert_true(strlen(what) < sizeof f.what);
  snprintf(f.what, sizeof f.what, "%s", what);
  assert_int_equal(sscanf(what, "%23s %23[a-z]: %n", kind, target, &used), 2);
  while (strcmp(sim_fault_name(f.kind), kind) != 0) {
    f.kind++;
    assert_true(f.kind < SIM_FAULTS);
  }
  while (strcmp(sim_target_name(f.target), target) != 0) {
    f.target++;
    assert_true(f.target < SIM_TARGETS);
  }
  f.deaf = strstr(what, "deaf") != NULL;
  unsigned side = 1;
  for (const char *p = what + used; *p != '\0'; p++) {
    if (*p == '|' || strncmp(p, "deaf to", 7) == 0 || strncmp(p, "not heard by", 12) == 0) {
      side = 2;
    } else if (strncmp(p, "between them", 12) == 0) {
      side = 3;
    } else if (*p == 'n' && p[1] >= '0' && p[1] < '0' + NODES_MAX && p[-1] == ' ') {
      f.side[p[1] - '0'] = side;
      f.order[f.listed++] = (unsigned)(p[1] - '0');
    } else if (*p == ',' && p[2] >= '0' && p[2] <= '9') {
      f.strength = (unsigned)strtoul(p + 2, NULL, 10);
    }
  }
  return f;
}

static inline void fault_begins(struct world *w, const char *what)
{
  struct fault f = read_fault(what);
  for (unsigned i = 0; i < w->nodes; i++) {
    f.incarnation[i] = sim_node_alive(w->node[i]) ? sim_node_incarnation(w->node[i]) : 0;
    f.alone_ppm[i] = NONE;
  }
  w->began[f.kind]++;
  w->drawn[f.target]++;
  w->deaf_count += f.deaf;
  assert_true(w->active < SPECS_MAX);
  w->faults[w->active++] = f;
}

static inline void on_fault(void *self, bool begins, const char *what)
{
  struct world *w = self;
  uint64_t length = sim_now(w->sim) - w->changed_ns;
  w->shortest = length < w->shortest ? length : w->shortest;
  w->longest = length > w->longest ? length : w->longest;
  w->changed_ns = sim_now(w->sim);
  w->changes++;
  w->calls++;
  enum sim_fault kind = read_fault(what).kind;
  w->log[kind] = mix_bytes(mix_pair(w->log[kind], sim_now(w->sim) + begins), slice_of(what, strlen(what)));
  if (begins) {
    fault_begins(w, what);
    return;
  }
  size_t i = 0;
  while (i < w->active && strcmp(w->faults[i].what, what) != 0) {
    i++;
  }
  assert_true(i < w->active); /* what ends had begun, in the same words */
  w->faults[i] = w->faults[--w->active];
}

static inline void on_node(void *self, unsigned node, const char *what)
{
  struct world *w = self;
  long long drift;
  long long jump;
  w->calls++;
  if (sscanf(what, "clock drift %lld ppm, jump %lld ms", &drift, &jump) == 2) {
    w->drift_ppm[node] = drift;
    jump = jump < 0 ? -jump : jump;
    w->jump_ms = jump > w->jump_ms ? jump : w->jump_ms;
  }
}

static inline void on_message_fate(void *self, enum sim_fate fate, uint64_t id, struct slice from, struct slice to, struct slice line,
                                   const char *why)
{
  struct world *w = self;
  (void)id;
  (void)line;
  assert_null(why);
  if (fate == SIM_DELIVERED) {
    w->heard[to.ptr[1] - '0'][from.ptr[1] - '0'] = true;
  }
}

/* ---- the world ---- */

static inline void open_world(struct world *w, uint64_t seed, unsigned nodes)
{
  static struct sim_observer observer;
  static struct sim_maker maker;
  *w = (struct world){.nodes = nodes, .shortest = UINT64_MAX};
  observer = (struct sim_observer){.self = w, .message = on_message_fate, .node = on_node, .fault = on_fault};
  maker = (struct sim_maker){.self = w, .start = make, .end = unmake};
  w->sim = sim_new(&(struct sim_config){.seed = seed, .nodes = nodes, .latency = {SIM_CONSTANT, 0}, .observer = &observer});
  for (unsigned i = 0; i < nodes; i++) {
    char name[16];
    snprintf(name, sizeof name, "n%u", i);
    w->node[i] = sim_node_new(w->sim, i, name, &maker);
    sim_node_start(w->node[i]);
  }
  w->changed_ns = sim_now(w->sim);
}

static inline void open_nemesis(struct world *w, const char *const *texts)
{
  size_t count = 0;
  for (; texts[count] != NULL; count++) {
    struct buf why = {0};
    if (!sim_fault_parse(slice_of(texts[count], strlen(texts[count])), &w->specs[count], &why)) {
      fail_msg("%.*s", (int)why.len, why.data);
    }
    assert_int_equal(why.len, 0);
  }
  w->nemesis = sim_nemesis_new(w->sim, &(struct sim_nemesis_config){
                                           .specs = w->specs,
                                           .count = count,
                                           .interval_ns = INTERVAL,
                                           .nodes = w->nodes,
                                           .node = w->node,
                                           .restarted = on_restarted,
                                           .leader = w->has_leaders ? on_leader : NULL,
                                           .arg = w,
                                       });
}

static inline void close_world(struct world *w)
{
  sim_nemesis_free(w->nemesis);
  for (unsigned i = 0; i < w->nodes; i++) {
    sim_node_free(w->node[i]);
  }
  sim_free(w->sim);
}

static inline void run_for(struct world *w, uint64_t ns)
{
  sim_run(w->sim, sim_now(w->sim) + ns);
}

/* Runs until a fault begins (or none is left). */
static inline void run_until(struct world *w, bool begun)
{
  for (int i = 0; (w->active > 0) != begun; i++) {
    assert_true(i < 10000);
    run_for(w, INTERVAL / 50);
  }
}

/* Sends a message from each living node to each other one: w->heard says who hears whom now. */
static inline void probe(struct world *w)
{
  memset(w->heard, 0, sizeof w->heard);
  sim_cause(w->sim, UINT64_C(0x70726f6265), w->probes++, 0);
  for (unsigned from = 0; from < w->nodes; from++) {
    w->heard[from][from] = true;
    for (unsigned to = 0; to < w->nodes; to++) {
      if (from != to && sim_node_alive(w->node[from])) {
        char line[80];
        int len = snprintf(line, sizeof line, "{\"src\":\"n%u\",\"dest\":\"n%u\",\"body\":{\"type\":\"probe\"}}\n", from, to);
        w->env[from].send(w->env[from].self, slice_of("", 0), slice_of(line, (size_t)len), true);
      }
    }
  }
  run_for(w, 0);
}

static inline unsigned count_heard(const struct world *w, unsigned node)
{
  unsigned count = 0;
  for (unsigned i = 0; i < w->nodes; i++) {
    count += w->heard[node][i];
  }
  return count;
}

/* ---- what must hold ---- */

static inline bool is_down(const struct world *w, unsigned node)
{
  for (size_t i = 0; i < w->active; i++) {
    const struct fault *f = &w->faults[i];
    bool kills = f->kind == SIM_FAULT_KILL || (f->kind == SIM_FAULT_DISK && strstr(f->what, "power lost") != NULL);
    if (kills && f->side[node] == 1) {
      return true;
    }
  }
  return false;
}

static inline void check_all_hear_all(struct world *w)
{
  probe(w);
  for (unsigned i = 0; i < w->nodes; i++) {
    assert_int_equal(count_heard(w, i), w->nodes);
  }
}

#endif
