/* All that a node may ask of its service.
 *
 * Implemented by src/script (a Lua program) and by C tests. The node calls these from its loop, one at a time; each may call the node back
 * (send, answer, start operations), and none may free it. Raft's part (apply, snapshot, restore) joins when Raft does. */
#ifndef VORTEX_NODE_BEHAVIOR_H
#define VORTEX_NODE_BEHAVIOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct node;

/* A message, as it is handed to the service. All slices hold only during the call. */
struct node_message {
  struct slice src;         /* who is to be answered: of a forwarded request, the client */
  struct slice dest;        /* this node's id */
  struct slice type;        /* body.type */
  struct slice body;        /* JSON text of the body, an object */
  struct slice msg_id;      /* number token; empty = the sender wants no answer */
  struct slice in_reply_to; /* number token; empty = not a reply */
  uint64_t arrival_ns;      /* when it reached the cluster, on this node's clock */
  bool from_client;         /* src is neither a member nor a service */
  unsigned hops;            /* how often it has been forwarded */
};

enum node_init_result {
  NODE_INIT_DONE,    /* the service is ready */
  NODE_INIT_PENDING, /* it has begun and will call node_ready(); requests wait until then */
  NODE_INIT_FAILED,  /* it cannot start: init is answered with an error and the node stops with a failure */
};

struct node_behavior {
  void *self; /* given back as first argument of each function */

  /* The node knows its id and its members now. init_ok leaves when this returns, unless it failed. */
  enum node_init_result (*init)(void *self);

  /* A request, or a reply to an id that node_line_rpc() never issued. */
  void (*message)(void *self, const struct node_message *message);

  /* The operation `token` is over; `tag` is what it was started with. status 0: an RPC has its reply (which may be of type "error"), or
   * a timer (reply NULL) has fired. Else ERROR_TIMEOUT or ERROR_STOPPED, reply NULL. */
  void (*complete)(void *self, uint64_t token, void *tag, int status, const struct node_message *reply);

  /* The node is stopping: whether work is left that is worth waiting for (at most one second). */
  bool (*busy)(void *self);

  /* The end. Nothing is called after this; lines sent from within it are still written. */
  void (*stop)(void *self);
};

#endif
