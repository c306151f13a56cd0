/* A cluster of bare cores in a simulated world: virtual time, a network, disks, clocks, a toy state machine, and everything that goes
 * wrong.
 *
 * Everything follows from the seed. A run is rounds of turmoil (faults of every kind under load, for a number of steps), each followed by
 * proof of life: the faults stop, and within a bounded virtual time the cluster must work; then a minority is put out of action, and within
 * a bounded time the rest must work. What must hold is judged by the watch (raft/watch.h) and by the world itself:
 *   - what a core asks of its host makes sense: entries that the log has, snapshots that it has, chunks of one snapshot, in order;
 *   - what a proposer was told is committed stays where it is;
 *   - deadlines move on;
 *   - life: 20 election timeouts after the faults, plus what catching up takes, there is a leader, a new proposal is applied on all
 *     members, reads are answered, no change and no transfer is going on; after that nobody else becomes leader without cause; a
 *     transfer succeeds. */
#ifndef VORTEX_TESTS_RAFT_SIMULATION_H
#define VORTEX_TESTS_RAFT_SIMULATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What a host does wrong, to see that it is found. */
enum simulation_lie {
  SIMULATION_HONEST,
  SIMULATION_SENDS_EARLY,   /* messages do not wait for the disk */
  SIMULATION_FORGETS,       /* a crash loses a little of what was reported durable */
  SIMULATION_FORGETS_VOTES, /* a crash loses the term and vote */
  SIMULATION_REPORTS_EARLY, /* PERSISTED before it is so */
  SIMULATION_APPLIES_EARLY, /* entries that are not known to be committed */
  SIMULATION_GARBLES,       /* an entry's bytes change on the way */
  SIMULATION_LIES,          /* how many */
};

struct simulation_options {
  uint64_t seed;
  uint64_t steps; /* about */
  enum simulation_lie lie;
  size_t trace_lines; /* how many of the last events a failure is told with */
};

/* How often things happened. */
#define SIMULATION_COUNTS(X)                                                                                                               \
  X(steps)                                                                                                                                 \
  X(rounds)                                                                                                                                \
  X(leaders)                                                                                                                               \
  X(committed)                                                                                                                             \
  X(applied)                                                                                                                               \
  X(restored)                                                                                                                              \
  X(starts)                                                                                                                                \
  X(messages)                                                                                                                              \
  X(lost)                                                                                                                                  \
  X(repeated)                                                                                                                              \
  X(late)                                                                                                                                  \
  X(held)                                                                                                                                  \
  X(proposed)                                                                                                                              \
  X(refused)                                                                                                                               \
  X(busy)                                                                                                                                  \
  X(acknowledged)                                                                                                                          \
  X(reads)                                                                                                                                 \
  X(answered)                                                                                                                              \
  X(changes)                                                                                                                               \
  X(configurations)                                                                                                                        \
  X(transfers)                                                                                                                             \
  X(crashes)                                                                                                                               \
  X(torn)                                                                                                                                  \
  X(wiped)                                                                                                                                 \
  X(pauses)                                                                                                                                \
  X(partitions)                                                                                                                            \
  X(clocks)                                                                                                                                \
  X(snapshots)                                                                                                                             \
  X(chunks)                                                                                                                                \
  X(installs)                                                                                                                              \
  X(failed_installs)                                                                                                                       \
  X(full)                                                                                                                                  \
  X(truncations)                                                                                                                           \
  X(resets)

struct simulation_result {
  bool ok;
  char failure[600];
#define X(name) uint64_t name;
  SIMULATION_COUNTS(X)
#undef X
  uint64_t virtual_ns;
};

/* Runs one seed. Writes the last events to `trace` if it fails; NULL = nowhere. */
void simulation_run(const struct simulation_options *options, struct simulation_result *result, FILE *trace);

/* Adds the counts of one result to another. */
void simulation_add(struct simulation_result *sum, const struct simulation_result *one);

#endif
