/* Raft groups of a node: what its service may ask of them.
 *
 * A group is a replicated state machine that the service defines by node/behavior.h: apply, snapshot, restore. The node drives the core
 * (raft/raft.h), keeps all its groups' entries in one durable log (wal/wal.h) on the world's disk, speaks with the other members in JSON
 * bodies whose types begin with "raft_", and forwards proposals to whoever leads.
 *
 * At most once: a node's proposals to a group belong to a session, opened by an entry {open, nonce}; its id is that entry's index. Each
 * proposal has a sequence number in it, and is sent again under the same one until its result or its deadline comes. All replicas keep the
 * results above the mark that the origin no longer asks about, and apply no proposal twice. A newer session of the node, or its removal
 * from the group, ends the old one: its proposals are skipped on every replica.
 *
 * The order of a turn: appends are given to the log; messages leave whose position in it is durable; entries that are committed and durable
 * here are applied; operations complete; the next deadline is set. The core is never stepped while an update is carried out. */
#ifndef VORTEX_NODE_RAFT_H
#define VORTEX_NODE_RAFT_H

#include "node/node.h"

#define NODE_GROUPS_MAX           256
#define NODE_GROUP_NAME_MAX_BYTES 64
#define NODE_PROPOSALS_IN_FLIGHT  1024       /* of one node to one group; more wait here */
#define NODE_PROPOSALS_MAX        65536      /* that wait or are in flight, of one node to one group; beyond: ERROR_BUSY */
#define NODE_PROPOSAL_MAX_BYTES   (4u << 20) /* of one command; beyond: ERROR_TOO_LARGE */
#define NODE_APPLY_TURN_NS        NODE_MS_NS /* applying goes on in a later turn after this */

struct node_group;

struct node_group_config {
  struct slice name;          /* unique in the node; its log is found by it. Empty = "main". Of A-Z a-z 0-9 _ . - */
  const struct slice *voters; /* the first voters; copied. NULL = all members of the cluster */
  size_t voter_count;
  const struct slice *learners; /* the first learners */
  size_t learner_count;
  uint64_t election_timeout_ns; /* 0 = 300 ms. See raft/raft.h. */
  uint64_t heartbeat_ns;        /* 0 = 100 ms; less than half the election timeout */
  uint64_t snapshot_bytes;      /* a snapshot is taken when the log has grown by this, and by the size of the last one. 0 = 4 MiB */
  uint64_t tail_entries;        /* kept behind a snapshot. 0 = 1,024 */
  void *tag;                    /* given to the behavior */
};

/* Declares a group; it starts at init, or now if the node has been initialised. Copies config. Owned by the node. NULL with *error set:
 * ERROR_MALFORMED (a name that does not fit, or is taken; heartbeat too slow), ERROR_TOO_LARGE (NODE_GROUPS_MAX). */
struct node_group *node_group_open(struct node *n, const struct node_group_config *config, int *error);

/* ---- operations; each completes by behavior.answer, in a later call, under the token that is returned ---- */

/* Has a command (JSON, in any form: it is put into canonical form here) applied at most once, on every replica. Answers:
 *   0                  answer->code and value are what apply gave
 *   ERROR_UNAVAILABLE, ERROR_NO_QUORUM, ERROR_BUSY, ERROR_DISK_FULL, ERROR_TOO_LARGE, ERROR_STOPPED (if never sent)
 *                      no copy can ever be applied
 *   ERROR_TIMEOUT      it may have been applied, or be applied later */
uint64_t node_group_propose(struct node_group *g, struct slice command, uint64_t timeout_ns, void *tag);

/* Asks for a moment at which the state here holds everything that was committed when this was called (ReadIndex; on any member). Answer 0:
 * the moment is this call of behavior.answer. Else ERROR_NO_QUORUM, ERROR_UNAVAILABLE (not a member), ERROR_STOPPED. */
uint64_t node_group_read(struct node_group *g, uint64_t timeout_ns, void *tag);

/* Changes the members, from any of them (asks whoever leads). Answer 0: they are these, and that is committed. ERROR_TIMEOUT: it may still
 * happen. ERROR_MALFORMED: no voters, or an unknown name. */
uint64_t node_group_change(struct node_group *g, const struct slice *voters, size_t voter_count, const struct slice *learners,
                           size_t learner_count, uint64_t timeout_ns, void *tag);

/* Makes another voter lead; an empty name = the one that is furthest. Answer 0: it leads (or, for an empty name, somebody else does). */
uint64_t node_group_transfer(struct node_group *g, struct slice to, uint64_t timeout_ns, void *tag);

/* All of them can be forgotten by node_cancel(). */

/* ---- looks ---- */

struct slice node_group_name(const struct node_group *g);
bool node_group_leads(const struct node_group *g);
struct slice node_group_leader(const struct node_group *g); /* empty = none known */

/* Appends a JSON object with everything that a person would ask:
 *   {"name","id","role","term","leader","vote","commit","applied","last","durable","first",
 *    "snapshot":{"index","term","bytes"},"voters":[…],"learners":[…],"old_voters":[…](if joint),"changing","transferring_to",
 *    "peers":{"n2":{"state","match","next","in_flight","recent"}}(of a leader),
 *    "sessions":[{"id","node","results"}],"proposals":{"waiting","in_flight"},"log_bytes","digest"} */
void node_group_status(const struct node_group *g, struct buf *out);

/* The number under which the core knows a member: a function of its name, never 0. */
uint64_t node_raft_id(struct slice name);

#endif
