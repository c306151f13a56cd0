/* What the files of this room share. Private to node.
 *
 *   node.c      life: creation, init, stop, identity
 *   receive.c   a line comes in: validation, dispatch, replies, forwarded requests
 *   send.c      lines go out: begin, finish, holding back after init, answers, forwarding
 *   op.c        operations that take time: RPCs and timers
 *   party.c     who there is to talk to
 *   raft_*.c    Raft groups: see raft_internal.h */
#ifndef VORTEX_NODE_INTERNAL_H
#define VORTEX_NODE_INTERNAL_H

#include "base/assert.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/heap.h"
#include "base/map.h"
#include "node/node.h"
#include "node/party.h"
#include "json/envelope.h"

#define FORWARD_TYPE "vortex.forward" /* type of the message that carries a forwarded request between members */

enum op_kind {
  OP_TIMER,   /* started by the service */
  OP_RPC,     /* waits for a reply */
  OP_RELEASE, /* the node's own: lines held since init leave */
  OP_REPLAY,  /* the node's own: requests that waited for on_init are handled */
  OP_GIVE_UP, /* the node's own: tasks have had their second, the node ends */

  OP_PROPOSAL, /* of the service to a Raft group */
  OP_READ,
  OP_ASK,          /* for other members, another leader */
  OP_GROUPS_TURN,  /* the node's own: what has arisen for its groups */
  OP_GROUPS_RETRY, /* … the log tries to get space again */
  OP_GROUP_TIME,   /* … a group's next deadline */
};

/* An operation that takes time. Lives in node->ops under its token, and in node->timers while its deadline is known. */
struct op {
  struct heap_entry timer; /* first, so that an entry is its operation */
  enum op_kind kind;
  int status; /* what the deadline completes it with */
  uint64_t token;
  uint64_t timeout_ns;
  void *tag;
  struct party *peer; /* OP_RPC: who must reply; holds a reference */
  void *subject;      /* of those of Raft groups: what they are about; NULL = it is over, and only its answer is due */
  struct op *next_free;
};

/* A line held since init. */
struct held {
  struct held *next;
  struct party *to; /* holds a reference */
  struct op *rpc;   /* the operation that waits for its reply, or NULL */
  uint64_t token;   /* of rpc: it may have been cancelled meanwhile */
  size_t len;
  char line[];
};

/* A request that waits for on_init. */
struct waiting {
  struct waiting *next;
  uint64_t arrival_ns;
  size_t len;
  char line[]; /* and a newline behind it */
};

struct groups;

struct node {
  struct node_config config;
  struct node_env env;
  struct node_behavior behavior;
  enum node_state state;
  bool failed;
  struct node_stats stats;

  /* identity */
  struct party *self; /* NULL before init */
  struct parties parties;

  /* operations */
  struct heap timers;
  struct map ops; /* token -> struct op */
  struct op *free_ops;
  uint64_t first_rpc_id; /* ids of ours are first_rpc_id .. next_rpc_id - 1 */
  uint64_t next_rpc_id;
  int64_t forwards;       /* requests that we have forwarded */
  uint64_t next_timer;    /* tokens of timers have the top bit set */
  uint64_t wake_asked_ns; /* the world was asked for a wake-up then; UINT64_MAX = not */

  /* a line being written */
  struct buf line_head; /* what every line begins with, up to its destination */
  struct buf line;
  struct party *line_to; /* NULL = none is being written */

  /* lines held since init */
  bool holding;
  struct held *held_first;
  struct held **held_last;
  size_t held_bytes;

  /* requests that wait for on_init */
  bool ready;
  struct waiting *waiting_first;
  struct waiting **waiting_last;
  size_t waiting_count;
  size_t waiting_bytes;

  struct groups *groups; /* Raft's; NULL = none has been opened. Owned. */
  struct buf start;      /* token of the id of init's envelope, for the disk */

  /* reading */
  struct buf scratch;      /* of json_envelope_scan */
  struct buf names;        /* unescaped names of init and of forwarded requests */
  uint64_t warn_window_ns; /* start of the current second of warnings */
  unsigned warn_count;
  uint64_t warn_suppressed;
};

/* op.c */
struct op *op_new(struct node *n, enum op_kind kind, void *tag);
void op_free(struct node *n, struct op *op);
void op_arm(struct node *n, struct op *op, uint64_t deadline_ns);
void op_arm_after(struct node *n, struct op *op, uint64_t delay_ns); /* however long */
void op_disarm(struct node *n, struct op *op);
void op_run_due(struct node *n);
void op_fail_rpcs(struct node *n);
void op_complete(struct node *n, struct op *op, int status, const struct node_message *reply);
void op_answer(struct node *n, struct op *op, int status, const struct node_answer *answer); /* of a Raft group */

/* send.c */
void send_prepare(struct node *n);                           /* once who we are is known */
void send_release(struct node *n, const struct party *only); /* only == NULL: everything */
void send_forget_held(struct node *n);

/* receive.c */
void receive_replay(struct node *n);
void receive_forget_waiting(struct node *n);
void receive_refuse_waiting(struct node *n);
void receive_refuse(struct node *n, const struct node_message *message, int error, struct slice text);
void receive_init(struct node *n, const struct json_envelope *e, uint64_t arrival_ns);

void receive_skip(struct node *n, struct slice line, size_t offset, const char *reason);

/* raft_*.c. None does anything in a node that has no group. */
int groups_start(struct node *n); /* who we are is known. 0, or an error that has been logged */
bool groups_receive(struct node *n, struct slice line, const struct party *from,
                    const struct node_message *message); /* false: not theirs */
void groups_turn(struct node *n);
void groups_time(struct node *n, struct op *op);
void groups_retry(struct node *n);
void groups_op_due(struct op *op);    /* its deadline has come */
void groups_op_forget(struct op *op); /* it was cancelled */
void groups_stop(struct node *n);
void groups_free(struct node *n);
bool groups_applying(const struct node *n); /* the service must not call the node now */

/* node.c */
void node_settle(struct node *n); /* to be called at the end of whatever the world calls */
void node_log_args(const struct node *n, enum log_level level, const char *format, va_list args) __attribute__((format(printf, 3, 0)));

#endif
