/* The network between nodes, services and clients, as Maelstrom's: lines travel for a while, unordered unless the latency is constant; a
 * partition is decided where and when a message would be delivered, and concerns nodes only; clients are at no distance.
 *
 * Lines that nodes send are judged as Maelstrom would: whatever would end a node's voice there is a complaint here. */
#ifndef VORTEX_HARNESS_NET_H
#define VORTEX_HARNESS_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/map.h"
#include "harness/world.h"
#include "json/envelope.h"

#define NET_NODES_MAX 64

enum latency_kind {
  LATENCY_CONSTANT,
  LATENCY_UNIFORM, /* from 0 to twice the mean */
  LATENCY_EXPONENTIAL,
};

struct latency {
  enum latency_kind kind;
  uint64_t mean_ns;
};

enum endpoint_kind {
  ENDPOINT_NODE,
  ENDPOINT_SERVICE,
  ENDPOINT_CLIENT,
};

/* Somebody with a name. Lives in its owner's memory. */
struct endpoint {
  char name[24];
  enum endpoint_kind kind;
  unsigned index;   /* of a node: its bit in the masks of partitions */
  uint64_t deaf_to; /* of a node: the nodes whose messages do not arrive */
  void *self;       /* given back to receive */

  /* A line (without its newline, which lies behind it), and what the envelope says. Borrowed for the call. */
  void (*receive)(void *self, struct slice line, const struct json_envelope *e);
};

struct net {
  struct world *world;
  struct latency latency;
  struct dict endpoints;
  struct buf scratch;
  struct buf complaints;    /* one a line; empty = every line was fine */
  uint64_t server_messages; /* sent between nodes, or between nodes and services */
  uint64_t lost;            /* to partitions, or because the receiver had left */
};

void net_init(struct net *net, struct world *world, struct latency latency);
void net_free(struct net *net);

/* Joins, leaves. Messages under way to a name that left are lost. */
void net_add(struct net *net, struct endpoint *e);
void net_remove(struct net *net, struct endpoint *e);

/* Sends a line, newline included, that names its destination itself. Borrows it. */
void net_send(struct net *net, struct endpoint *from, struct slice line);

#endif
