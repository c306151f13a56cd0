/* A node: one member of a cluster that speaks Maelstrom's protocol. A line goes in, a handler runs, lines come out.
 *
 * The node owns identity (init), dispatch (request, reply, forwarded request), RPC, timers, and the rules that keep a line from harming
 * the node that sends it:
 *   - whatever it cannot read is skipped, counted and logged: never fatal, never answered;
 *   - it sends only to members, known services and clients it has heard from;
 *   - a request is answered once, and an answer that comes too late for a client is dropped;
 *   - what it originates right after init is held until its peers can be expected to exist.
 * It sees the world only through node/env.h and the service only through node/behavior.h. It keeps no thread and no global state: a
 * thousand of them live side by side in one process.
 *
 * Life: NEW --init--> RUNNING --node_stop--> STOPPING --(idle, or one second)--> STOPPED. */
#ifndef VORTEX_NODE_NODE_H
#define VORTEX_NODE_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "node/behavior.h"
#include "node/env.h"
#include "json/envelope.h"

#define NODE_MS_NS UINT64_C(1000000)
#define NODE_S_NS  UINT64_C(1000000000)

/* Limits: what a network can make grow. */
#define NODE_NAME_MAX_BYTES     255         /* of an id: src, dest, a member */
#define NODE_CLIENTS_MAX        65536       /* clients remembered; beyond, the one not heard from for longest is forgotten */
#define NODE_WAITING_MAX        10000       /* requests that wait for on_init; beyond, they are answered with error 11 */
#define NODE_WAITING_MAX_BYTES  (16u << 20) /* of them, together */
#define NODE_WARNINGS_PER_S     100         /* warnings that others can provoke; beyond, they are only counted */
#define NODE_HELD_MAX_BYTES     (16u << 20) /* lines held right after init; beyond, they leave at once */
#define NODE_HOPS_MAX           8           /* how often a request may be forwarded */
#define NODE_RPC_TIMEOUT_MAX_NS (UINT64_C(1000000000) * NODE_S_NS) /* of one RPC; longer ones are cut to this */
#define NODE_STOP_TIMEOUT_NS    NODE_S_NS                          /* what tasks get to finish in once the node stops */

struct node_config {
  size_t line_max_bytes;  /* longer lines are refused. Default 16 MiB. */
  uint64_t late_reply_ns; /* an answer to a client's request older than this is dropped; 0 = never. Default 4.5 s. */
  uint64_t hold_ns;       /* how long what we originate is held after init at most; 0 = not at all. Default 1 s. */

  /* Raft */
  size_t segment_bytes; /* of the durable log. 0 = 64 MiB */
  size_t block_bytes;   /* what a flush begins on, and the disk writes whole or not at all. 0 = 4 KiB */
  const struct node_watch
      *watch; /* told of all that Raft does, for a simulator that looks at the whole cluster; NULL = nobody. Borrowed. */
};

/* The defaults of a Maelstrom node. */
struct node_config node_config_default(void);

enum node_state {
  NODE_NEW,
  NODE_RUNNING,
  NODE_STOPPING,
  NODE_STOPPED,
};

/* What happened to the lines that came in and went out. */
struct node_stats {
  uint64_t received;     /* lines handed to node_receive */
  uint64_t skipped;      /* of those: malformed, too long, not for us, before init */
  uint64_t sent;         /* lines sent */
  uint64_t late_dropped; /* answers dropped because the client may have left */
  uint64_t late_replies; /* replies to RPCs that were over */
};

/* Creates a node. Copies config, env and behavior; what their `self` point to must outlive it. Returns owned. */
struct node *node_new(const struct node_config *config, const struct node_env *env, const struct node_behavior *behavior);

/* Frees a node in any state. Does not call the behavior. */
void node_free(struct node *n);

/* ---- for the world ---- */

/* One line, without its newline (a trailing carriage return is ignored). `arrival_ns`: when it arrived, at most env.now(). Borrows line;
 * the bytes behind it must be readable by one (the newline). Blank lines are skipped silently. */
void node_receive(struct node *n, struct slice line, uint64_t arrival_ns);

/* The same for a line that the world has scanned itself: *e is its envelope, whose slices must not change during the call. Borrows e. */
void node_receive_scanned(struct node *n, struct slice line, const struct json_envelope *e, uint64_t arrival_ns);

/* A line was longer than the limit and was not kept. `head` is its beginning, for the log. */
void node_receive_too_long(struct node *n, struct slice head);

/* Time has passed: runs what is due and asks the world for the next wake-up. */
void node_wake(struct node *n);

/* Ends the node in order: RPCs that wait fail with ERROR_STOPPED, tasks get NODE_STOP_TIMEOUT_NS, then behavior.stop runs. A second call
 * ends it at once. node_state() becomes NODE_STOPPED in this call or in a later node_receive/node_wake. */
void node_stop(struct node *n);

enum node_state node_state(const struct node *n);

/* Whether the service could not start (NODE_INIT_FAILED, or node_fail): the process should end with a failure. */
bool node_failed(const struct node *n);

const struct node_stats *node_stats(const struct node *n);

/* Sends what is held since init: for a process that ends without node_stop. */
void node_flush(struct node *n);

/* ---- identity: valid from init on ---- */

struct slice node_id(const struct node *n);
size_t node_member_count(const struct node *n);
struct slice node_member(const struct node *n, size_t i); /* in the order of init's node_ids */
bool node_is_member(const struct node *n, struct slice name);

/* ---- for the service ---- */

/* Ends NODE_INIT_PENDING: requests that waited are handled now, in arrival order. */
void node_ready(struct node *n);

/* The service cannot go on (on_init raised after its first yield): stops the node at once, and node_failed() is true. */
void node_fail(struct node *n);

/* Whether one more warning that a peer or a client can provoke may be written: at most NODE_WARNINGS_PER_S a second. The others are
 * counted, and their number is logged. */
bool node_may_warn(struct node *n);

uint64_t node_now(const struct node *n);
uint64_t node_random(const struct node *n);
void node_log(const struct node *n, enum log_level level, const char *format, ...) __attribute__((format(printf, 3, 4)));
void node_log_text(const struct node *n, enum log_level level, struct slice text);

/* What answering a request takes. Lives in the service's memory: node_request_size() bytes, laid out by node_request_init(). */
struct node_request {
  uint64_t arrival_ns;
  uint32_t src_len;
  uint32_t msg_id_len; /* 0 = the sender wants no answer */
  uint32_t hops;
  bool from_client;
  bool answered; /* answered, forwarded, or dropped as late */
  bool late;     /* dropped as late */
  char text[];   /* src, then the msg_id token */
};
size_t node_request_size(const struct node_message *message);
void node_request_init(struct node_request *request, const struct node_message *message);
static inline struct slice node_request_src(const struct node_request *r)
{
  return slice_of(r->text, r->src_len);
}

/* Sending: every line is begun, its body's members are appended to the buffer that node_line_begin() returns, and it is finished by
 * exactly one of the other functions. The members are `"type":"..."` first, then `,"key":value` each; the core adds msg_id and
 * in_reply_to behind them. Between begin and finish no other function of the node may be called.
 *
 * node_line_begin: NULL with *error set to ERROR_NOT_INITIALIZED or ERROR_DESTINATION; nothing is begun then. */
struct buf *node_line_begin(struct node *n, struct slice dest, int *error);

/* Sends the line without an id of ours: nobody waits for an answer. */
void node_line_send(struct node *n);

/* Sends the line as a request of ours. The operation completes with the reply, or with ERROR_TIMEOUT after timeout_ns (counted from when
 * the line leaves, if it is held), or with ERROR_STOPPED. Returns its token, which is the line's msg_id. While the node is stopping the
 * line is not sent and the operation completes in the next node_wake, with ERROR_STOPPED. */
uint64_t node_line_rpc(struct node *n, uint64_t timeout_ns, void *tag);

/* Begins the answer to a request: as node_line_begin, with errors ERROR_ANSWERED, and ERROR_LATE if the client may have left (logged
 * here, and the request counts as answered). A request that wants no answer gives ERROR_NOT_SUPPORTED. */
struct buf *node_reply_begin(struct node *n, struct node_request *request, int *error);

/* Sends the answer; the request is answered. */
void node_reply_send(struct node *n, struct node_request *request);

/* Answers with an error body {type: "error", code, text}. Text that is not UTF-8 is repaired. Errors as node_reply_begin. */
int node_reply_error(struct node *n, struct node_request *request, long long code, struct slice text);

/* Hands a client's request to another member, which answers the client itself; the request carries its age. `body` is the request's body
 * as JSON text. The request counts as answered. ERROR_DESTINATION: not another member. ERROR_ANSWERED. ERROR_NOT_SUPPORTED: not from a
 * client. ERROR_TOO_LARGE: NODE_HOPS_MAX. ERROR_LATE: dropped, as in node_reply_begin. */
int node_forward(struct node *n, struct node_request *request, struct slice dest, struct slice body);

/* Starts a timer; completes with status 0 after delay_ns, in the order of (deadline, start). Returns its token. Works before init. */
uint64_t node_timer(struct node *n, uint64_t delay_ns, void *tag);

/* Forgets an operation: it never completes. Unknown tokens are ignored. */
void node_cancel(struct node *n, uint64_t token);

#endif
