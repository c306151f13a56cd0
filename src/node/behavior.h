/* All that a node may ask of its service.
 *
 * Implemented by src/script (a Lua program) and by C tests. The node calls these from its loop, one at a time; each may call the node back
 * (send, answer, start operations), and none may free it. The functions of Raft's part may be NULL if no group is opened. */
#ifndef VORTEX_NODE_BEHAVIOR_H
#define VORTEX_NODE_BEHAVIOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

struct node;

/* What applying a command came to: the same on every replica. */
struct node_outcome {
  long long code;    /* 0, or the protocol code of the error that the command ended with */
  struct buf *value; /* to be appended to: the result as JSON; of an error, its text */
};

/* An operation of a Raft group is answered. Slices hold only during the call. */
struct node_answer {
  long long code;     /* 0, or of the error that applying ended with */
  struct slice value; /* the result as JSON; of an error, its text (empty if another replica's session remembered only the code) */
};

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

  /* ---- Raft; `group` is the tag that the group was opened with ---- */

  /* A committed command, in log order, on every replica. Deterministic: of the node, only node_log and node_timer may be called. 0, or an
   * error that stops the node (out of memory, a runaway): this replica does not know what the others do. */
  int (*apply)(void *self, void *group, uint64_t index, struct slice command, struct node_outcome *outcome);

  /* Appends the whole state, for restore() here or on another replica; equal states give equal bytes. 0, or an error (it has been logged):
   * there will be no snapshot now. */
  int (*snapshot)(void *self, void *group, struct buf *out);

  /* Replaces the state; an empty slice is the first state. 0, or an error that stops the node. */
  int (*restore)(void *self, void *group, struct slice state);

  /* Leadership or membership has changed: node_group_status() says what is. */
  void (*changed)(void *self, void *group);

  /* An operation of node/raft.h is over. status 0, or an error named there; answer is NULL unless a proposal has its result. */
  void (*answer)(void *self, uint64_t token, void *tag, int status, const struct node_answer *answer);

  /* The node is stopping: whether work is left that is worth waiting for (at most one second). */
  bool (*busy)(void *self);

  /* The end. Nothing is called after this; lines sent from within it are still written. */
  void (*stop)(void *self);
};

#endif
