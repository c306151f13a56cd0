/* What the files of this room share. Private to sim.
 *
 *   sim.c        time, events, causes, the trace
 *   net.c        endpoints, what becomes of a line
 *   node.c       a node in the world
 *   disk.c       its disk: operations, and what goes wrong with them
 *   disk_file.c  a file on it
 *   nemesis.c    faults on a schedule; nemesis_*.c what they do, how they compose, what is said of them
 *   fault.c      their names
 *   shape.c      whom they hit, who hears whom
 *   random.c     what a random word means
 *   reprint.c    lines as Maelstrom prints them anew */
#ifndef VORTEX_SIM_INTERNAL_H
#define VORTEX_SIM_INTERNAL_H

#include "base/buf.h"
#include "base/heap.h"
#include "base/map.h"
#include "base/mix.h"
#include "sim/sim.h"

struct sim_event {
  struct heap_entry entry; /* first: the heap gives it back */
  uint64_t key;
  sim_fn fn;
  sim_fn drop;
  void *arg;
  bool owned; /* the memory is the poster's; else it goes back to the pool */
  struct sim_event *next;
};

/* Per node: what faults do to its links. */
struct sim_link {
  uint32_t loss_ppm;
  uint32_t duplicate_ppm;
  unsigned slow;
};

struct net {
  struct dict endpoints;
  uint64_t leaves;     /* how often somebody left: a remembered endpoint is good as long as this is the same */
  uint64_t next_id;    /* of messages */
  unsigned char *cuts; /* nodes x nodes bits: [from][to] */
  size_t cut_count;
  struct sim_link *links;
  struct buf scratch; /* of lines that are sent */
  struct buf names;   /* of the line that is being delivered */
  struct buf reprinted;
  uint64_t reprint_key;
};

struct sim {
  struct sim_config config;
  struct heap events;
  struct sim_event *pool;
  uint64_t now_ns;
  uint64_t cause; /* key of what is going on */
  uint64_t children;
  uint64_t trace;
  volatile uint64_t progress;
  bool stopping;
  struct net net;
  struct sim_stats stats;
};

/* The key of the next child of what is going on. */
static inline uint64_t sim_child(struct sim *sim)
{
  return mix_pair(sim->cause, ++sim->children);
}

static inline void sim_mix(struct sim *sim, uint64_t value)
{
  sim->trace = (sim->trace ^ value) * UINT64_C(0x9fb21c651e98df25);
  sim->trace ^= sim->trace >> 29;
}

/* Posts an event with a key of its own, in memory of the caller's (owned) or of the pool. */
void sim_push(struct sim *sim, struct sim_event *e, uint64_t at_ns, uint64_t key);
struct sim_event *sim_post_key(struct sim *sim, uint64_t at_ns, uint64_t key, sim_fn fn, void *arg, sim_fn drop);

void net_open(struct sim *sim);
void net_close(struct sim *sim);

#endif
