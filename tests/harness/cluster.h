/* A cluster in one process, on virtual time: nodes that run a script, Maelstrom's services, clients in C. The second, smallest
 * implementation of node/env.h.
 *
 *   struct cluster *c = cluster_new(&(struct cluster_config){.script = "echo.lua", .nodes = 3, .seed = 1});
 *   struct client *client = client_new(c, 0);
 *   client_request(client, "\"type\":\"echo\",\"echo\":1", on_reply, arg);
 *   world_run(&c->world, c->world.now_ns + WORLD_S);
 */
#ifndef VORTEX_HARNESS_CLUSTER_H
#define VORTEX_HARNESS_CLUSTER_H

#include "harness/net.h"
#include "harness/services.h"
#include "node/node.h"
#include "script/script.h"

#define CLIENT_TIMEOUT_NS (5 * WORLD_S)

struct cluster_config {
  const char *script; /* path; borrowed for the cluster's life */
  unsigned nodes;     /* 1 to NET_NODES_MAX */
  uint64_t seed;
  struct latency latency;
  const char *check; /* workload whose reply schemas are enforced; NULL = none */
};

/* One node and the script it runs. */
struct member {
  struct cluster *cluster;
  struct endpoint endpoint;
  struct node *node;
  struct script *script;
  struct event *wake; /* NULL = none is asked for */
};

struct cluster {
  struct cluster_config config;
  struct world world;
  struct net net;
  struct services *services;
  struct member *members;
  unsigned count;
  unsigned clients;  /* made so far: they have names of their own */
  uint64_t timeouts; /* of clients */
  uint64_t warnings; /* entries in the nodes' logs; VORTEX_TEST_LOG=1 shows all of them */
  uint64_t errors;
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

/* ---- clients: one request at a time, as Maelstrom's ---- */

/* What came back. Borrowed for the call. */
struct reply {
  bool timed_out;    /* nothing did, in CLIENT_TIMEOUT_NS; the client has left, and goes on under a new name */
  struct slice type; /* "error" too */
  struct slice body;
  int64_t code; /* of an error; else -1 */
};
typedef void (*reply_fn)(void *arg, const struct reply *reply);

struct client;

/* A client that talks to one node. Returns owned; to be freed before the cluster. */
struct client *client_new(struct cluster *c, unsigned node);
void client_free(struct client *client);

/* Sends a body of these members (JSON, without braces); fn is called once with what comes back, and may send the next request. The client
 * must not be waiting. Borrows members. */
void client_request(struct client *client, const char *members, reply_fn fn, void *arg);

/* Leaves without waiting for what is asked, and goes on under a new name. The callback is not called. */
void client_crash(struct client *client);

bool client_waits(const struct client *client);

#endif
