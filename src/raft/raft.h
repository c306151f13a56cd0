/* Consensus as a state machine: one event in, effects out.
 *
 * Raft as in "In Search of an Understandable Consensus Algorithm" (Ongaro and Ousterhout 2014, "the paper") and "Consensus: Bridging Theory
 * and Practice" (Ongaro 2014, "the thesis"), with pre-vote (thesis 9.6), check-quorum and leader stickiness (thesis 6.2, 4.2.3), pipelining
 * (thesis 10.2), the leader's own write in parallel with sending (thesis 10.2.1), ReadIndex (thesis 6.4), joint consensus (paper 6),
 * learners that catch up before they vote (thesis 4.2.1), leadership transfer (thesis 3.10) and snapshots in chunks (paper 7).
 *
 *   struct raft *r = raft_new(&config, &recovered);
 *   for (;;) {
 *     wait until something happens or raft_deadline(r) has come;
 *     error = raft_step(r, &event, &update);
 *     carry out the update: append, send (each message once the log is durable through message.after), apply, answer reads;
 *   }
 *
 * The core has no clock (each event carries the time), no I/O, no callbacks, and no randomness but what it is seeded with. It does not
 * allocate in steady state: memory grows with the length of the kept log, the number of members and of appends under way, and is reused.
 * It knows entries as (index, term, size, type); their bytes live in the log, which is the caller's.
 *
 * What is decided and what is durable are different things here. Every append that the core asks for has a sequence number, from 1, without
 * gaps; RAFT_PERSISTED says that the log is durable through one. An entry counts for this member's vote on commitment only then. A
 * truncation takes back the promise of earlier appends: a late report about a superseded append never acknowledges an entry of another
 * term.
 *
 * What the core gives out belongs to it and holds until the next raft_step. Errors are values; a violation of the protocol by the cluster
 * (two leaders in one term, a conflict below the commit index, a commit index that moves back) makes the core fail for good:
 * ERROR_INVARIANT, now and at each later step, with what was seen in raft_failure(). */
#ifndef VORTEX_RAFT_RAFT_H
#define VORTEX_RAFT_RAFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RAFT_MEMBERS_MAX 64 /* voters, old voters and learners of one configuration */

/* ---- entries and configurations ---- */

enum raft_entry_type {
  RAFT_NOOP,          /* a leader's first entry of its term (paper 8, thesis 6.4). No bytes. */
  RAFT_COMMAND,       /* for the state machine */
  RAFT_CONFIGURATION, /* takes effect when it is appended (paper 6) */
};

enum raft_voice {
  RAFT_VOTER = 1,     /* votes in the (new) configuration */
  RAFT_OLD_VOTER = 2, /* votes in the old one of a joint configuration */
  RAFT_LEARNER = 4,   /* gets the log and has no vote */
};

struct raft_member {
  uint64_t id; /* not 0 */
  uint8_t voice;
};

/* Joint if anybody is an old voter: decisions then need a majority of the voters and one of the old voters (paper 6). Members are in
 * ascending order of their ids, none twice. */
struct raft_configuration {
  size_t count;
  struct raft_member members[RAFT_MEMBERS_MAX];
};

bool raft_configuration_is_joint(const struct raft_configuration *c);
const struct raft_member *raft_configuration_find(const struct raft_configuration *c, uint64_t id); /* NULL = no member */

/* Adds a member, or gives it this voice. False: RAFT_MEMBERS_MAX. */
bool raft_configuration_set(struct raft_configuration *c, uint64_t id, uint8_t voice);
void raft_configuration_remove(struct raft_configuration *c, uint64_t id);

struct raft_entry {
  uint64_t term;
  uint32_t size; /* of its bytes */
  uint8_t type;
  const struct raft_configuration *configuration; /* of RAFT_CONFIGURATION, else NULL; borrowed for the call */
};

/* ---- messages ---- */

enum raft_message_type {
  RAFT_REQUEST_VOTE,
  RAFT_VOTE,
  RAFT_APPEND, /* also the heartbeat */
  RAFT_APPENDED,
  RAFT_INSTALL, /* a chunk of a snapshot */
  RAFT_INSTALLED,
  RAFT_TIMEOUT_NOW, /* thesis 3.10 */
  RAFT_READ,        /* a follower asks for a read index */
  RAFT_READABLE,
  RAFT_MESSAGE_TYPES,
};

/* A replication session is one leader's dealings with one incarnation of one member from when it became leader, or the member was added.
 * Replies name theirs, so that an acknowledgement given before the member was removed and added again, or restarted, counts for nothing. */
struct raft_message {
  enum raft_message_type type;
  uint64_t from;
  uint64_t to;
  uint64_t term;
  uint64_t after; /* outgoing only: may leave once the log is durable through this sequence; 0 = at once */
  union {
    struct {
      uint64_t last_index;
      uint64_t last_term;
      bool pre;      /* only asks what it would be answered (thesis 9.6); `term` is the one it would campaign in */
      bool transfer; /* the leader wants it: stickiness does not apply (thesis 4.2.3) */
    } request_vote;
    struct {
      bool granted;
      bool pre; /* granted: `term` is the one asked for; refused: the refuser's own, which the candidate learns */
    } vote;
    struct {
      uint64_t session;
      uint64_t prev_index;
      uint64_t prev_term;
      uint64_t commit;
      uint64_t round;                   /* newest round of confirmation (thesis 6.4); the reply repeats it */
      size_t count;                     /* entries prev_index + 1 … prev_index + count */
      const struct raft_entry *entries; /* incoming: `count` of them. Outgoing: NULL, the sender's host takes them from its log. */
    } append;
    struct {
      uint64_t session;
      uint64_t incarnation; /* of the replier */
      uint64_t round;
      bool rejected;
      uint64_t match;     /* accepted: the log is the leader's, and durable, up to here */
      uint64_t hint;      /* rejected: the newest index that can still match … */
      uint64_t hint_term; /* … and the term of the replier's entry there (paper 5.3, end: skips whole terms) */
    } appended;
    struct {
      uint64_t session;
      uint64_t index; /* the snapshot's last entry */
      uint64_t log_term;
      uint64_t size; /* of the whole, bytes */
      uint64_t offset;
      uint64_t length;                                /* of this chunk; the last one ends at size. May be 0 only if size is. */
      uint64_t configuration_index;                   /* of the entry that made it; 0 = the first one */
      const struct raft_configuration *configuration; /* effective at `index` */
      uint64_t round;
    } install;
    struct {
      uint64_t session;
      uint64_t incarnation;
      uint64_t index;
      uint64_t offset; /* wanted next */
      bool done;       /* the member holds the state at index, durably */
      uint64_t round;
    } installed;
    struct {
      uint64_t incarnation; /* of the asker */
      uint64_t context;     /* all its reads up to this one */
    } read;
    struct {
      uint64_t incarnation;
      uint64_t context;
      uint64_t index;
    } readable;
  };
};

/* ---- life ---- */

struct raft_config {
  uint64_t id;          /* not 0 */
  uint64_t incarnation; /* differs from every earlier start of this member, with overwhelming probability: random bits */
  uint64_t seed;        /* of the election timeouts */

  uint64_t election_timeout_ns; /* a follower campaigns after one to two of these without a leader. 0 = 300 ms */
  uint64_t heartbeat_ns;        /* 0 = 100 ms */

  size_t inflight_messages_max; /* appends to one member that are not acknowledged. 0 = 64 */
  size_t inflight_bytes_max;    /* of their entries together, and one append always. 0 = 1 MiB */
  size_t message_bytes_max;     /* entries of one append: this much, and one entry always. 0 = 256 KiB */
  size_t message_entries_max;   /* 0 = 4,096 */
  size_t chunk_bytes;           /* of a snapshot. 0 = 64 KiB */
  size_t uncommitted_bytes_max; /* of commands that the leader has appended and not committed: more are refused. 0 = 16 MiB */
  uint64_t tail_entries;        /* kept behind a snapshot, so that a slow member needs none. 0 = 1,024 */
};

/* What the log held when the process started; all of it is durable. A new member: all zero but the first configuration, which must be the
 * same on all members of a new cluster, and empty on those that are to be added later. */
struct raft_recovered {
  uint64_t term;
  uint64_t vote; /* id, 0 = none */
  uint64_t snapshot_index;
  uint64_t snapshot_term;
  uint64_t snapshot_size; /* bytes */
  uint64_t configuration_index;
  struct raft_configuration configuration; /* effective at the snapshot, or the first one */
  uint64_t first;                          /* index of entries[0]; at most snapshot_index + 1 (a kept tail), at least 1 */
  uint64_t first_prev_term; /* term of the entry before first; 0 if first is 1 or that is unknown (then first is snapshot_index + 1) */
  const struct raft_entry *entries; /* borrowed for the call; of configurations, with them */
  size_t count;
};

struct raft;

/* Copies config and recovered. The first step's time starts its clocks. Returns owned. Aborts when out of memory. */
struct raft *raft_new(const struct raft_config *config, const struct raft_recovered *recovered);
void raft_free(struct raft *r);

/* ---- events ---- */

enum raft_event_type {
  RAFT_EVENT_TIME,      /* time has passed */
  RAFT_EVENT_RECEIVE,   /* a message */
  RAFT_EVENT_PROPOSE,   /* commands, to be appended all or none. ERROR_NOT_LEADER, ERROR_BUSY (uncommitted_bytes_max, or leadership is
                           being transferred), ERROR_DISK_FULL */
  RAFT_EVENT_PERSISTED, /* the log is durable through a sequence */
  RAFT_EVENT_READ,      /* a read was begun: contexts ascend, from 1. Answered by update.read, if a leader can be reached; asked for again
                           as long as it is not */
  RAFT_EVENT_CHANGE,    /* these are to be the members. ERROR_NOT_LEADER; ERROR_BUSY: another change is going on, or nothing of this term is
                           committed yet; ERROR_MALFORMED: no voters */
  RAFT_EVENT_TRANSFER,  /* another voter is to lead. ERROR_NOT_LEADER, ERROR_BUSY, ERROR_NODE_NOT_FOUND */
  RAFT_EVENT_SNAPSHOT,  /* the state at an applied index is durable in a snapshot: entries up to there, less the tail, are dropped */
  RAFT_EVENT_INSTALL,   /* the snapshot whose last chunk update.chunk brought is durable and restored, or cannot be */
  RAFT_EVENT_CAPACITY,  /* the log can, or cannot, take more: if not, proposals are refused and entries of appends are not taken */
};

struct raft_event {
  enum raft_event_type type;
  uint64_t now_ns; /* monotonic; never before that of an earlier event */
  union {
    const struct raft_message *message; /* RECEIVE: borrowed. `to` is not looked at. */
    struct {
      const struct raft_entry *entries; /* PROPOSE: of type RAFT_COMMAND; their terms are not looked at */
      size_t count;
    } propose;
    uint64_t sequence;                       /* PERSISTED */
    uint64_t context;                        /* READ */
    const struct raft_configuration *change; /* CHANGE: RAFT_VOTER and RAFT_LEARNER only */
    uint64_t to;                             /* TRANSFER; 0 = the one that is furthest */
    struct {
      uint64_t index;
      uint64_t size;
    } snapshot;
    struct {
      uint64_t index;
      bool ok;
    } install;
    bool full; /* CAPACITY */
  };
};

/* ---- effects ---- */

/* A unit for the log, to be written in this order: truncation, term and vote, snapshot mark, entries. */
struct raft_append {
  uint64_t sequence;      /* 0 = nothing is to be appended */
  uint64_t truncate_from; /* entries from this index on are void; 0 = none */
  bool hard;              /* term and vote are to be kept */
  uint64_t term;
  uint64_t vote;

  /* A snapshot has become the beginning of the log. Entries before first_kept can go. reset: nothing that is in the log is to be kept. */
  bool snapshot;
  bool reset;
  uint64_t snapshot_index;
  uint64_t snapshot_term;
  uint64_t first_kept;

  /* Entries first … first + count - 1. Their bytes are those of the event's entries from number `skip` on; `own`: the core made them (a
   * no-op; a configuration, to be encoded by the caller). */
  uint64_t first;
  size_t count;
  size_t skip;
  bool own;
  const struct raft_entry *entries;
};

/* Bytes of a snapshot that were received in this event and are to be kept: at `offset`, after forgetting what was there if that is 0. */
struct raft_chunk {
  bool present;
  bool last; /* the whole is there: make it durable, restore it, and step RAFT_EVENT_INSTALL */
  uint64_t index;
  uint64_t log_term;
  uint64_t offset;
  uint64_t length;
  uint64_t configuration_index;
  const struct raft_configuration *configuration; /* last: to be kept with it */
};

struct raft_update {
  struct raft_append append;
  const struct raft_message *messages;
  size_t message_count;
  uint64_t commit; /* newest index known to be committed. Entries may be applied that are committed and durable here. */

  /* All reads up to `through` may be served from the state at `index` or later. through 0 = none. */
  struct {
    uint64_t through;
    uint64_t index;
  } read;

  struct raft_chunk chunk;
  bool role_changed;          /* role, term or leader */
  bool configuration_changed; /* another configuration is effective, or committed */
};

/* Takes one event. 0, or a refusal named at the event's type (nothing has happened then and *update is empty), or ERROR_INVARIANT. Messages
 * that make no sense (of earlier terms, sessions, incarnations; from strangers where a member is needed) are no errors. */
int raft_step(struct raft *r, const struct raft_event *event, struct raft_update *update);

/* When the next RAFT_EVENT_TIME is due. */
uint64_t raft_deadline(const struct raft *r);

/* What broke, with the state at that time: one line for a person. NULL = nothing has. */
const char *raft_failure(const struct raft *r);

/* ---- looks ---- */

enum raft_role {
  RAFT_FOLLOWER,
  RAFT_PRE_CANDIDATE,
  RAFT_CANDIDATE,
  RAFT_LEADER,
};

enum raft_progress {
  RAFT_PROBE,     /* looks for where the logs agree, one append at a time */
  RAFT_REPLICATE, /* pipelined */
  RAFT_SNAPSHOT,
};

struct raft_peer_status {
  uint64_t id;
  uint8_t voice;
  enum raft_progress progress;
  uint64_t match;
  uint64_t next;
  size_t inflight; /* messages */
  bool recent;     /* has been heard from within an election timeout */
  uint64_t snapshot_offset;
};

struct raft_status {
  enum raft_role role;
  uint64_t term;
  uint64_t vote;
  uint64_t leader; /* 0 = none known */
  uint64_t commit;
  uint64_t last_index;
  uint64_t last_term;
  uint64_t durable_index; /* the log's entries up to here are durable */
  uint64_t durable_term;  /* term and vote that are durable */
  uint64_t durable_vote;
  uint64_t first_index; /* of the kept log */
  uint64_t snapshot_index;
  uint64_t snapshot_term;
  uint64_t configuration_index;           /* of the effective configuration */
  uint64_t committed_configuration_index; /* of the newest committed one */
  uint64_t transferee;                    /* 0 = no transfer is going on */
  bool changing;                          /* a change of members is going on */
  uint64_t sequence;                      /* of the newest append */
  uint64_t persisted;
};
void raft_status(const struct raft *r, struct raft_status *out);

enum raft_role raft_role(const struct raft *r);
uint64_t raft_term(const struct raft *r);
uint64_t raft_leader(const struct raft *r); /* 0 = none known */

/* The effective configuration, and the newest committed one. Valid until the next step. */
const struct raft_configuration *raft_configuration(const struct raft *r);
const struct raft_configuration *raft_committed_configuration(const struct raft *r);

/* The configuration that was effective at an index of the kept log (snapshot_index … last), and the entry that made it: for a snapshot. */
const struct raft_configuration *raft_configuration_at(const struct raft *r, uint64_t index, uint64_t *made_at);

/* A leader's view of the others: how many, and the i-th. 0 on others. */
size_t raft_peer_count(const struct raft *r);
void raft_peer(const struct raft *r, size_t i, struct raft_peer_status *out);

/* Term, type and size of an entry of the kept log; false if it is not there. The term of the snapshot's last entry is known as well. */
bool raft_entry(const struct raft *r, uint64_t index, struct raft_entry *out);

/* What must hold of a core at any time, and what between one status and a later one of the same process (current term, commit index and
 * persisted sequence never go back; a leader never truncates). NULL, or what does not hold. `before` may be NULL. Costs time linear in the
 * members and the runs of equal terms in the kept log: meant for every step of tests and of the simulator. */
const char *raft_check(const struct raft *r, const struct raft_status *before);

#endif
