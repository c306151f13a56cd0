/* What the files of the Raft driver share. Private to node.
 *
 *   raft_names.c     members by name and by number
 *   raft_group.c     life of the groups; a turn: steps, what they ask for, in order, and who is woken
 *   raft_storage.c   the log, its way to the disk, recovery
 *   raft_send.c      messages of the core, once the log is durable enough
 *   raft_receive.c   bodies whose types begin with "raft_"
 *   raft_propose.c   this node's own proposals: session, copies, results, refusals
 *   raft_serve.c     a leader's side of proposals: batches, those of other nodes, what becomes of them
 *   raft_ask.c       reads, changes of members, transfers of leadership
 *   raft_apply.c     committed entries reach the service
 *   raft_snapshot.c  snapshots: taken, received, restored
 *   raft_status.c    looks
 *
 * Nothing that the service calls steps a core: it is put into a queue, and a turn is asked for at once. So all that arises in one turn of
 * the world becomes one event, one append and one message, and no core is stepped while its update is carried out. */
#ifndef VORTEX_NODE_RAFT_INTERNAL_H
#define VORTEX_NODE_RAFT_INTERNAL_H

#include "base/memory.h"
#include "base/mix.h"
#include "node/internal.h"
#include "node/raft.h"
#include "node/raft_wire.h"
#include "node/session.h"
#include "node/watch.h"
#include "node/window.h"
#include "raft/raft.h"
#include "wal/wal.h"

#define GROUP_NAMES_MAX 4096            /* of nodes, learned from messages and the log */
#define RANDOM_BITS(x)  ((x) >> 11 | 1) /* random numbers that others may print as doubles: below 2^53, not 0 */

/* ---- proposals of this node ---- */

#define COPIES_MAX 8 /* of one proposal that are kept track of; one with more that are unanswered counts as unsure for good */

struct proposals;

/* A command that waits, or is under way; or the opening of a session. */
struct proposal {
  struct proposal *prev;
  struct proposal *next;
  struct proposals *queue; /* that it is in; NULL = none */
  struct node_group *group;
  struct op *op;     /* who waits; NULL: the opening */
  uint64_t sequence; /* 0 = none yet */
  uint64_t at_ns;    /* flying: when its last copy left; paused: when it goes on */
  bool appended;     /* by this node as a leader: it may be applied */
  bool unsure;
  uint64_t last_attempt;
  unsigned copies; /* that have left, may be appended, and are unanswered */
  uint64_t attempts[COPIES_MAX];
  int refusal; /* of the last copy that was refused; 0 = none was */
  size_t len;
  char command[]; /* canonical */
};

struct proposals {
  struct proposal *first;
  struct proposal *last;
  size_t count;
};

/* This node's session. Proposals next - 1 … lowest may be unanswered: those in the ring are. */
struct group_session {
  uint64_t id; /* 0 = none */
  uint64_t nonce;
  uint64_t next;
  uint64_t lowest;
  struct proposal **ring; /* by sequence % NODE_PROPOSALS_IN_FLIGHT; NULL before the first session. Owned. */
};

/* Who is asked: a leader, in its term. id 0 = nobody is known. term 0 = a guess: it will refuse, and may say who leads. */
struct group_target {
  uint64_t id;
  uint64_t term;
};

/* ---- proposals of other nodes, at a leader ---- */

struct copy {
  struct copy *next;
  uint64_t from;
  uint64_t attempt;
  struct wire_command command; /* points into `bytes` */
  char bytes[];
};

/* What a leader remembers of a node's session while it leads. */
struct origin {
  uint64_t from;
  uint64_t session;
  uint64_t below;
  struct window attempts;                          /* copies that were taken */
  uint64_t pending[NODE_PROPOSALS_IN_FLIGHT / 64]; /* bit sequence % 1024: appended in this term, not applied yet */
};

/* ---- reads and asks of this node ---- */

struct read {
  struct read *prev;
  struct read *next;
  struct node_group *group;
  struct op *op;
  uint64_t context; /* 0 = not asked yet */
  uint64_t index;   /* UINT64_MAX = not confirmed yet */
};

enum ask_kind {
  ASK_CHANGE,
  ASK_TRANSFER,
};

struct ask {
  struct ask *prev;
  struct ask *next;
  struct node_group *group;
  struct op *op;
  enum ask_kind kind;
  uint64_t number; /* replies name it */
  uint64_t next_ns;
  bool sent;
  struct raft_configuration target;
  uint64_t since; /* committed_configuration_index when it began */
  uint64_t at;    /* the same, of a leader that has told it */
  uint64_t to;
  struct group_target from; /* who led when it began */
};

/* ---- a group ---- */

/* Where a group is in its turn. Steps come first, each with its append and its messages; then what is committed is applied; then whoever
 * waits is told. */
enum group_phase {
  PHASE_IDLE,
  PHASE_STEP,   /* the core is stepped, its update carried out */
  PHASE_SENT,   /* … and all of it: append, then messages */
  PHASE_APPLY,  /* the service applies */
  PHASE_ANSWER, /* operations complete */
};

/* A message that waits until the log is durable. */
struct kept {
  struct raft_message message;
  uint64_t term;                            /* of the core then */
  struct raft_configuration *configuration; /* owned: what an install's points to */
};

enum snapshot_kind {
  SNAPSHOT_NONE,
  SNAPSHOT_OWN,
  SNAPSHOT_RECEIVED,
};

struct node_group {
  struct groups *groups;
  struct buf name;
  struct node_group_config config; /* slices in it are not used */
  struct raft_configuration first; /* from the config; empty with all_members */
  bool all_members;
  struct raft *raft;      /* NULL = not started */
  unsigned number;        /* in the log */
  uint64_t sequence_base; /* of the log, before the core's first */
  uint64_t persisted;     /* that the core has been told */
  enum group_phase phase;
  bool begun;   /* its first step has been taken */
  bool due;     /* wants a turn */
  bool touched; /* its deadlines may have changed */
  struct op *timer;
  uint64_t later_ns; /* when proposals or asks want a turn */
  uint64_t commit;
  uint64_t applied;
  uint64_t applied_term;
  uint64_t digest;
  struct sessions *sessions;
  struct raft_configuration members; /* at `applied` */

  /* messages */
  struct kept *kept;
  size_t kept_count;
  size_t kept_cap;

  /* own proposals */
  struct group_session session;
  struct proposal *opening;
  struct proposals waiting; /* no sequence yet */
  struct proposals ready;   /* to be sent, again or for the first time; ascending sequences behind the opening */
  struct proposals flying;  /* a copy is unanswered; by at_ns */
  struct proposals paused;  /* by at_ns */
  struct group_target target;
  struct group_target hint; /* of refusals, for who is no member */
  size_t guess;             /* whom to ask without one */
  uint64_t attempts;
  size_t proposal_count; /* that are not answered */

  /* proposals of others */
  struct copy *copies;
  struct copy **copies_last;
  struct map origins; /* by session; of this leadership */
  uint64_t origins_term;

  struct read *reads; /* ascending contexts, those without one last */
  struct read *reads_last;
  uint64_t context;
  struct ask *asks;
  uint64_t ask_numbers;

  /* snapshots */
  enum snapshot_kind snapshot; /* that is becoming durable */
  uint64_t snapshot_index;
  uint64_t snapshot_term;
  struct buf incoming;
  struct raft_configuration incoming_members;
  uint64_t grown;     /* bytes applied since the last one */
  uint64_t grow_more; /* factor, after one that failed */
  uint64_t last_size;

  /* what has been told */
  bool changed;
  enum raft_role told_role;
  uint64_t told_leader;
  uint64_t told_term;
};

/* An operation that is over, to be told at the end of the turn. */
struct finished {
  uint64_t token;
  int status;
  bool has_value;
  long long code;
  size_t at; /* in finished_bytes */
  size_t len;
};

/* A name that has been seen. */
struct known {
  size_t len;
  char name[];
};

/* All groups of a node. */
struct groups {
  struct node *node;
  struct node_group **list;
  struct dict by_name;
  size_t count;
  size_t cap;
  struct wal *wal; /* NULL = not open */
  bool stopped;    /* nothing is stepped any more */
  bool applying;   /* the service must not call the node */
  bool answering;
  bool turn_asked;
  bool full;
  struct wal_op disk_op; /* under way, for when it fails */
  struct op *turn;
  struct op *retry;
  uint64_t self;
  struct map names; /* id -> struct known */
  struct wire_names wire;
  struct wire_message in;

  /* a batch that is proposed */
  struct proposed *batch;
  size_t batch_cap;
  struct buf batch_bytes;
  struct raft_entry *batch_entries;
  size_t batch_entry_cap;
  struct wal_entry *batch_payloads;
  size_t batch_payload_cap;

  struct finished *finished;
  size_t finished_count;
  size_t finished_cap;
  struct buf finished_bytes;

  struct buf outcome;
  struct buf scratch;
  struct buf state;          /* of snapshots that only are looked at */
  struct wal_entry *entries; /* of an append that is sent, or given to the log */
  size_t entry_cap;
};

/* ---- raft_group.c ---- */

/* What an event's entries, or its chunk, consist of. */
struct group_payload {
  const struct wal_entry *entries;
  size_t count;
  struct slice chunk;
};

/* Takes one event through the core and carries out what it asks for: append, then messages. The core's refusal, or ERROR_INVARIANT (the
 * node is ending then). `event->now_ns` is set here. */
int group_step(struct node_group *g, struct raft_event *event, const struct group_payload *payload);

/* Tells the core what has become durable, applies what is committed, until nothing is left or its time is over. */
void group_settle(struct node_group *g);

/* Ends a turn of the world: those who wait are told, the next wake-up is asked for. */
void groups_finish(struct groups *gs);

void group_want_turn(struct node_group *g);
struct node_group *groups_find(const struct groups *gs, struct slice name);
bool group_is_member(const struct node_group *g);

/* An operation is over: behavior.answer is called at the end of the turn. `value` NULL: there is none. Copies it. */
void groups_answer(struct groups *gs, struct op *op, int status, long long code, const struct slice *value);

/* The node cannot go on. */
void groups_fail(struct groups *gs, const char *format, ...) __attribute__((format(printf, 2, 3)));

struct slice groups_name(const struct groups *gs, uint64_t id); /* empty = unknown */
uint64_t groups_learn(struct groups *gs, struct slice name);    /* 0: GROUP_NAMES_MAX */

/* The size by which the core knows an entry: of what it makes itself it cannot know the bytes, and takes it for nothing. */
static inline uint32_t entry_size(uint8_t type, struct slice bytes)
{
  return type == RAFT_COMMAND ? (uint32_t)bytes.len : 0;
}

/* ---- raft_storage.c ---- */

/* Opens the log, and finds in it what was durable. 0, or an error that has been logged. */
int storage_open(struct groups *gs);
int storage_recover_group(struct node_group *g); /* makes its core */
void storage_append(struct node_group *g, const struct raft_append *append, const struct group_payload *payload);
void storage_pump(struct groups *gs);
void storage_retry(struct groups *gs);

/* ---- raft_send.c ---- */

void group_send(struct node_group *g, const struct raft_message *messages, size_t count); /* those that wait first */
void group_forget_kept(struct node_group *g);
struct buf *group_line(struct node_group *g, uint64_t to, const char *type); /* begins a body of the driver's; NULL = cannot */
void group_append_leader(const struct node_group *g, struct buf *line);      /* who leads, as far as it is known */

/* ---- raft_propose.c ---- */

void proposals_turn(struct node_group *g, uint64_t now);
void proposals_stop(struct node_group *g);
void proposals_free(struct node_group *g);
uint64_t proposals_later(const struct node_group *g); /* when they want a turn; UINT64_MAX = not */
void proposal_due(struct op *op);
void proposal_forget(struct proposal *p);
bool proposals_lead(const struct node_group *g);
struct group_target group_leader(const struct node_group *g); /* as far as it is known here, or was told; id 0 = not */
struct group_target group_target(const struct node_group *g);
void group_hint(struct node_group *g, uint64_t leader, uint64_t term);

/* A proposal of this node has been applied, or skipped. */
void proposals_result(struct node_group *g, uint64_t session, uint64_t sequence, long long code, struct slice value);
void proposals_skipped(struct node_group *g, uint64_t session, uint64_t sequence);
void proposals_opened(struct node_group *g, uint64_t session, uint64_t nonce);
void proposals_refused(struct node_group *g, uint64_t session, uint64_t sequence, uint64_t attempt, int error);

/* The sessions have changed, or may have, up to an index. */
void proposals_check_session(struct node_group *g, uint64_t index);

/* The next proposal that may be given to a leader, and takes it out of its queue; NULL = none. */
struct proposal *proposals_take(struct node_group *g);
void proposal_appended(struct proposal *p);
void proposal_not_appended(struct proposal *p, int error, uint64_t now);
void proposal_command(const struct node_group *g, const struct proposal *p, struct wire_command *out);

/* ---- raft_serve.c ---- */

void serve_lead(struct node_group *g); /* proposes what is ready, of this node and of others */
void serve_take(struct node_group *g, uint64_t from, uint64_t attempt, uint64_t term, const struct wire_command *command);
void serve_applied(struct node_group *g, const struct wire_command *command, bool skipped, long long code, struct slice value);
void serve_opened(struct node_group *g, const struct wire_command *command, uint64_t session);
void serve_refuse_all(struct node_group *g, int error);
void serve_free(struct node_group *g);

/* ---- raft_ask.c ---- */

void reads_turn(struct node_group *g);
void reads_confirm(struct node_group *g, uint64_t through, uint64_t index);
void reads_finish(struct node_group *g);
void read_free(struct read *r);
void asks_turn(struct node_group *g, uint64_t now);
uint64_t asks_later(const struct node_group *g);
void ask_free(struct ask *a);
void asks_stop(struct node_group *g); /* and reads */
void asks_free(struct node_group *g); /* and reads */
void ask_due(struct op *op);          /* and reads */
void ask_replied(struct node_group *g, uint64_t number, int error, uint64_t at);
int serve_change(struct node_group *g, const struct raft_configuration *target, uint64_t at);
int serve_transfer(struct node_group *g, uint64_t to, uint64_t term);

/* ---- raft_apply.c ---- */

/* Applies what may be; true if something is left for a later turn. */
bool group_apply(struct node_group *g);
uint64_t group_outcome(struct node_group *g, uint64_t index, const struct slice *state); /* state NULL: it is asked for if it is needed */

/* ---- raft_snapshot.c ---- */

void snapshot_consider(struct node_group *g);
void snapshot_chunk(struct node_group *g, const struct raft_chunk *chunk, struct slice bytes);
bool snapshot_settle(struct node_group *g); /* one that has become durable; true if there was one */

/* Puts a group into the state that a snapshot holds, or the first one (data empty). 0, or an error that has been logged. */
int snapshot_restore(struct node_group *g, uint64_t index, uint64_t term, struct slice data, const struct raft_configuration *members);
uint64_t snapshot_outcome(struct node_group *g, struct slice data); /* of the state that it holds, which is the group's now */
int snapshot_read_meta(struct groups *gs, struct slice meta, struct raft_configuration *configuration, uint64_t *configuration_index);

#endif
