/* A cluster in one process, on virtual time, for tests in C: nodes of src/sim that run a script, Maelstrom's services, callers. Messages
 * take the latency and nothing else.
 *
 *   struct cluster *c = cluster_new(&(struct cluster_config){.script = "echo.lua", .nodes = 3, .seed = 1});
 *   struct caller *caller = caller_new(c, 0);
 *   caller_request(caller, "\"type\":\"echo\",\"echo\":1", on_reply, arg);
 *   sim_run(c->sim, sim_now(c->sim) + SIM_S);
 */
#ifndef VORTEX_HARNESS_CLUSTER_H
#define VORTEX_HARNESS_CLUSTER_H

#include "base/buf.h"
#include "base/prng.h"
#include "lab/service.h"
#include "script/script.h"
#include "sim/node.h"
#include "sim/sim.h"

#define CLUSTER_NODES_MAX 64
#define CALLER_TIMEOUT_NS (5 * SIM_S)

struct cluster_config {
  const char *script; /* path; borrowed for the cluster's life */
  unsigned nodes;     /* 1 to CLUSTER_NODES_MAX */
  uint64_t seed;
  struct sim_latency latency;
  const char *check; /* workload whose reply schemas are enforced; NULL = none */
};

/* One node and, while it lives, what it runs. */
struct member {
  struct sim_node *sim_node;
  struct script *script;
  struct node *node;
};

struct cluster {
  struct cluster_config config;
  struct sim *sim;
  struct sim_maker maker;
  struct sim_observer observer;
  struct services *services;
  struct member *members;
  unsigned count;
  struct prng prng;      /* for what a test draws */
  unsigned caller_names; /* given so far */
  uint64_t warnings;     /* entries in the nodes' logs; VORTEX_TEST_LOG=1 shows all of them */
  uint64_t errors;
  struct buf complaints;
  struct buf untaken; /* a line that was delivered to a caller, until the caller knows it for the reply it waits for */
};

/* Makes a cluster and sends every node its init; returns once all have answered. Ends the process with a message if the script cannot
 * be loaded or a node does not start. Returns owned. */
struct cluster *cluster_new(const struct cluster_config *config);
void cluster_free(struct cluster *c);

/* Kills a node and starts it anew, with an empty memory; returns once it has answered its init. */
void cluster_restart(struct cluster *c, unsigned node);

/* Cuts the cluster: no message passes between a node of `side` (a mask of node indices) and one outside. Cuts add up. */
void cluster_cut(struct cluster *c, uint64_t side);

/* From now on a node hears, of the others, only those in `mask`. */
void cluster_set_hears(struct cluster *c, unsigned node, uint64_t mask);

/* Ends all partitions. */
void cluster_heal(struct cluster *c);

/* What Maelstrom would have refused, and what callers got without asking: one a line. Empty = every line was fine. Holds until the cluster
 * goes on. */
struct slice cluster_complaints(struct cluster *c);

/* ---- callers: lab/client.h for a cluster ---- */

/* What came back. Borrowed for the call. */
struct reply {
  bool timed_out;    /* nothing did, in CALLER_TIMEOUT_NS; the caller goes on under a new name */
  struct slice type; /* "error" too */
  struct slice body;
  int64_t code; /* of an error; else -1 */
};
typedef void (*reply_fn)(void *arg, const struct reply *reply);

struct caller;

/* A client that talks to one node. Returns owned; to be freed before the cluster. */
struct caller *caller_new(struct cluster *c, unsigned node);
void caller_free(struct caller *caller);

/* Sends a body of these members (JSON, without braces); fn is called once with what comes back, and may send the next request. The caller
 * must not be waiting. Borrows members. */
void caller_request(struct caller *caller, const char *members, reply_fn fn, void *arg);

/* Leaves, and goes on under a new name. It must not be waiting. */
void caller_renew(struct caller *caller);

bool caller_waits(const struct caller *caller);

#endif
