/* A few cores, a network that loses, repeats, reorders and cuts off, disks that are slow, and crashes that lose what is not durable.
 *
 * Everything that happens is chosen by the caller's bytes. After every step: raft_check, one leader in a term, logs that match (figure 3 of
 * the paper), nothing committed is ever another entry, a commit is backed by the durable logs of a majority, reads are not stale.
 * What does not hold stops the program (CHECK). */
#ifndef VORTEX_TESTS_FUZZ_RAFT_CLUSTER_H
#define VORTEX_TESTS_FUZZ_RAFT_CLUSTER_H

#include "raft/raft.h"

struct cluster;

/* So many voters, and two more that can be added. Returns owned. */
struct cluster *cluster_new(unsigned voters, uint64_t seed);
void cluster_free(struct cluster *c);

/* Whether there is room for more. */
bool cluster_goes_on(const struct cluster *c);

/* Does one thing: `what` says which kind, whom and how say the rest. */
void cluster_do(struct cluster *c, unsigned what, unsigned whom, unsigned how);

/* No more faults: everybody runs, everything arrives, disks are quick. A leader is elected and commits a command; else CHECK. */
void cluster_heal(struct cluster *c);

uint64_t cluster_commit(const struct cluster *c); /* the newest */
uint64_t cluster_steps(const struct cluster *c);

#endif
