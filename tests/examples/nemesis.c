#include "nemesis.h"

#include <stdlib.h>

struct nemesis {
  struct cluster *cluster;
  uint64_t interval_ns;
  bool active;
  struct sim_event *next;
};

static void turn(void *arg);

static void schedule(struct nemesis *n)
{
  struct sim *sim = n->cluster->sim;
  n->next = sim_post(sim, sim_now(sim) + prng_below(&n->cluster->prng, 2 * n->interval_ns), turn, n, NULL);
}

/* The nodes in random order. */
static void shuffle(struct nemesis *n, unsigned *order)
{
  for (unsigned i = 0; i < n->cluster->count; i++) {
    unsigned j = (unsigned)prng_below(&n->cluster->prng, i + 1);
    order[i] = order[j];
    order[j] = i;
  }
}

/* Everybody hears itself and its nearest neighbours on a ring: a majority. */
static void make_ring(struct nemesis *n, const unsigned *order)
{
  unsigned count = n->cluster->count;
  unsigned reach = (count / 2 + 1) / 2;
  for (unsigned i = 0; i < count; i++) {
    uint64_t hears = 0;
    for (unsigned d = 1; d <= reach; d++) {
      hears |= UINT64_C(1) << order[(i + d) % count] | UINT64_C(1) << order[(i + count - d) % count];
    }
    cluster_set_hears(n->cluster, order[i], hears);
  }
}

static void make_partition(struct nemesis *n)
{
  unsigned order[CLUSTER_NODES_MAX];
  unsigned count = n->cluster->count;
  shuffle(n, order);
  unsigned shape = (unsigned)prng_below(&n->cluster->prng, count >= 5 ? 4 : 3);
  if (shape == 3) {
    make_ring(n, order);
    return;
  }
  unsigned size = shape == 0 ? 1 : shape == 1 ? (count + 2) / 3 : count / 2;
  uint64_t side = 0;
  for (unsigned i = 0; i < size; i++) {
    side |= UINT64_C(1) << order[i];
  }
  cluster_cut(n->cluster, side);
}

static void turn(void *arg)
{
  struct nemesis *n = arg;
  if (n->active) {
    cluster_heal(n->cluster);
  } else {
    make_partition(n);
  }
  n->active = !n->active;
  schedule(n);
}

struct nemesis *nemesis_start(struct cluster *c, uint64_t interval_ns)
{
  struct nemesis *n = calloc(1, sizeof *n);
  if (n == NULL) {
    abort();
  }
  n->cluster = c;
  n->interval_ns = interval_ns;
  schedule(n);
  return n;
}

void nemesis_stop(struct nemesis *n)
{
  sim_cancel(n->cluster->sim, n->next);
  cluster_heal(n->cluster);
  free(n);
}
