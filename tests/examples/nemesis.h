/* Partitions that come and go, of the shapes that Jepsen's nemesis makes: one node alone, a minority, halves, and rings in which every node
 * hears a majority, but each another one. */
#ifndef VORTEX_EXAMPLES_NEMESIS_H
#define VORTEX_EXAMPLES_NEMESIS_H

#include "harness/cluster.h"

struct nemesis;

/* Starts: a partition or its end about every `interval_ns`. Returns owned. */
struct nemesis *nemesis_start(struct cluster *c, uint64_t interval_ns);

/* Heals the cluster and ends. Must be called before the cluster is freed. */
void nemesis_stop(struct nemesis *n);

#endif
