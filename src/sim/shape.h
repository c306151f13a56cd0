/* Whom a fault concerns, and, of partitions, who then hears whom. Private to sim.
 *
 * The nodes are put in a drawn order; a shape is a rule about places in it. */
#ifndef VORTEX_SIM_SHAPE_H
#define VORTEX_SIM_SHAPE_H

#include "sim/nemesis.h"

struct shape {
  enum sim_target target; /* never SIM_TARGET_ANY */
  unsigned nodes;
  unsigned size;   /* how many targets: those with the first places */
  unsigned *order; /* the node at each place; owned */
  unsigned *place; /* of each node */
};

void shape_init(struct shape *s, unsigned nodes);
void shape_free(struct shape *s);

/* Whether a world of this size can have such a fault: a partition has to cut something. */
bool shape_exists(enum sim_fault fault, enum sim_target target, unsigned nodes);

/* Draws the order from a key. */
void shape_draw(struct shape *s, enum sim_target target, uint64_t key);

/* Gives a node the first place. */
void shape_put_first(struct shape *s, unsigned node);

static inline bool shape_has(const struct shape *s, unsigned node)
{
  return s->place[node] < s->size;
}

/* Whether a partition of this shape keeps `to` from hearing `from`. */
bool shape_cuts(const struct shape *s, unsigned from, unsigned to);

/* The place of a bridge's middle: two sides lie before and behind it. */
static inline unsigned shape_middle(const struct shape *s)
{
  return (s->nodes - 1) / 2;
}

/* How many nodes, itself included, each one in a ring hears: the smallest majority. */
static inline unsigned shape_heard(const struct shape *s)
{
  return s->nodes / 2 + 1;
}

#endif
