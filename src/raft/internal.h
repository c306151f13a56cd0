/* What the files of the core share. Private to raft.
 *
 *   raft.c           life, events, effects
 *   look.c           looks from outside
 *   log.c            the log as (index, term, size, type), and what of it is durable
 *   configuration.c  sets of members
 *   election.c       terms, votes, timeouts (paper 5.2, 5.4.1; thesis 9.6, 4.2.3)
 *   peers.c          a leader's view of each member: sessions, windows
 *   replicate.c      what a leader sends, and what comes back (paper 5.3)
 *   commit.c         what is committed (paper 5.4.2)
 *   follow.c         appends and snapshots at their receiver (paper 5.3, 7)
 *   read.c           ReadIndex (thesis 6.4)
 *   change.c         changes of members (paper 6, thesis 4.2)
 *   check.c          what always holds
 *
 * Within a step everything happens at r->now; effects gather in r->update and r->messages. */
#ifndef VORTEX_RAFT_INTERNAL_H
#define VORTEX_RAFT_INTERNAL_H

#include "base/assert.h"
#include "base/memory.h"
#include "base/prng.h"
#include "raft/raft.h"

/* Terms, indices and sizes beyond this make no sense: arithmetic on them stays within 64 bits. */
#define RAFT_NUMBER_MAX (UINT64_C(1) << 60)

/* ---- log.c ---- */

/* Entries from `first` on, up to the next run, are of this term. */
struct raft_run {
  uint64_t first;
  uint64_t term;
};

/* A configuration and the entry that made it. */
struct raft_made {
  uint64_t index;
  struct raft_configuration configuration;
};

/* An append that was asked for and is not durable yet: what will be when it is. */
struct raft_unit {
  uint64_t sequence;
  uint64_t last; /* of the entries that it, and those before it, make durable; a truncation takes it back */
  uint64_t term;
  uint64_t vote;
};

struct raft_log {
  uint64_t first; /* entries first … last are kept */
  uint64_t last;
  uint64_t first_prev_term; /* of entry first - 1; 0 if first is 1 */
  uint64_t last_term;
  uint64_t snapshot_index;
  uint64_t snapshot_term;
  uint64_t snapshot_size;

  uint64_t *ends; /* ring: of entry i, at i modulo cap: (bytes of the entries up to it) << 2 | type */
  size_t cap;     /* a power of two */
  uint64_t end_before_first;

  struct raft_run *runs; /* ascending; none if the log is empty */
  size_t run_count;
  size_t run_cap;

  struct raft_made **made; /* ascending: the one effective at the snapshot, then those of kept entries. Elements stay where they are. */
  size_t made_count;
  size_t made_cap;
  size_t committed; /* the newest committed one among them */
  struct raft_made **spare;
  size_t spare_count;
  size_t spare_cap;

  struct raft_unit *units; /* ring, a power of two: persisted + 1 … sequence */
  size_t unit_cap;
  uint64_t sequence;
  uint64_t persisted;
  uint64_t durable_index;
  uint64_t durable_term;
  uint64_t durable_vote;
};

/* Aborts when out of memory. */
void raft_log_init(struct raft_log *log, const struct raft_recovered *recovered);
void raft_log_close(struct raft_log *log);

/* Of an entry first - 1 … last, or the snapshot's last one; else 0. */
uint64_t raft_log_term_slow(const struct raft_log *log, uint64_t index);

static inline uint64_t raft_log_term(const struct raft_log *log, uint64_t index)
{
  return index == log->last ? log->last_term : raft_log_term_slow(log, index);
}

static inline bool raft_log_knows(const struct raft_log *log, uint64_t index)
{
  return (index + 1 >= log->first && index <= log->last) || index == log->snapshot_index;
}

/* Bytes of entries from … to; from - 1 <= to, both kept (from - 1 may be first - 1). */
static inline uint64_t raft_log_bytes(const struct raft_log *log, uint64_t from, uint64_t to)
{
  uint64_t before = from == log->first ? log->end_before_first : log->ends[(from - 1) & (log->cap - 1)] >> 2;
  uint64_t end = to < log->first ? log->end_before_first : log->ends[to & (log->cap - 1)] >> 2;
  return end - before;
}

/* How many entries from `from` on are at most so many and so large together; at least one. from <= last. */
uint64_t raft_log_fit(const struct raft_log *log, uint64_t from, uint64_t bytes_max, uint64_t count_max);

/* The newest index at or before `index` whose entry has at most this term: where the logs may agree (paper 5.3, end). Less than first - 1
 * if no kept entry has, nor the one before them. */
uint64_t raft_log_agree(const struct raft_log *log, uint64_t index, uint64_t term);

/* Appends; points the entries' configurations to the log's own copies. Returns whether there was one. */
bool raft_log_append(struct raft_log *log, struct raft_entry *entries, size_t count);

/* Entries from `from` on are void. Returns whether a configuration was among them. */
bool raft_log_truncate(struct raft_log *log, uint64_t from);

/* A snapshot at an index of the log: entries before first_kept go. */
void raft_log_compact(struct raft_log *log, uint64_t index, uint64_t size, uint64_t first_kept);

/* The log is nothing but a snapshot. */
void raft_log_reset(struct raft_log *log, uint64_t index, uint64_t term);

/* The configuration that is effective at the snapshot. */
void raft_log_set_base(struct raft_log *log, const struct raft_configuration *configuration, uint64_t index);

/* The newest one made at or before the index. */
const struct raft_made *raft_log_made_at(const struct raft_log *log, uint64_t index);

static inline const struct raft_made *raft_log_effective(const struct raft_log *log)
{
  return log->made[log->made_count - 1];
}

/* The newest committed configuration given a commit index; true if that is another one than before. */
bool raft_log_committed(struct raft_log *log, uint64_t commit);

/* Remembers what sequence `log->sequence` will make durable. */
void raft_log_asked(struct raft_log *log, uint64_t term, uint64_t vote);

/* Everything through a sequence is durable. */
void raft_log_persisted(struct raft_log *log, uint64_t sequence);

/* The sequence that makes the entries up to `index` durable; 0: they are. log->sequence + 1 if nothing asked for so far does. */
uint64_t raft_log_covers(const struct raft_log *log, uint64_t index);

/* ---- peers.c ---- */

/* An append that is under way. */
struct raft_flight {
  uint64_t last;
  uint64_t bytes;
};

/* Another member, as a leader sees it. */
struct raft_view {
  uint64_t id;
  uint64_t session;
  uint64_t incarnation; /* 0 = has not answered yet in this session */
  uint64_t match;
  uint64_t next;
  uint64_t round; /* newest round of confirmation that it has answered */
  enum raft_progress progress;
  uint8_t voice; /* 0: is being taken leave of */
  bool probing;  /* PROBE: an append is under way, or was not taken; the next heartbeat allows another */
  bool heard;
  uint64_t heard_ns;
  uint64_t sent_ns; /* when entries were sent to it */
  uint64_t leave_ns;

  struct raft_flight *flights; /* ring, a power of two */
  size_t flight_cap;
  size_t flight_begin;
  size_t flight_count;
  uint64_t flight_bytes;

  uint64_t snapshot_index;
  uint64_t snapshot_size;
  uint64_t snapshot_offset; /* what it wants next */
  uint64_t snapshot_ns;     /* when the last chunk was sent */

  /* Its reads: those that the round under way confirms, and those that wait for the next one. 0 = none. */
  uint64_t read_incarnation;
  uint64_t read_context;
  uint64_t waiting_incarnation;
  uint64_t waiting_context;

  /* A learner that is to vote (thesis 4.2.1). */
  bool catching_up;
  bool caught_up;
  uint64_t catch_end;
  uint64_t catch_ns;
};

/* ---- raft.c ---- */

/* A snapshot that is being received. */
struct raft_incoming {
  bool active;
  bool complete; /* the caller is making it durable and restoring it */
  uint64_t from;
  uint64_t session;
  uint64_t index;
  uint64_t log_term;
  uint64_t size;
  uint64_t offset; /* wanted next */
  uint64_t configuration_index;
  struct raft_configuration configuration;
};

enum raft_change_phase {
  RAFT_CHANGE_NONE,
  RAFT_CHANGE_CATCH_UP, /* new voters learn */
  RAFT_CHANGE_JOINT,
  RAFT_CHANGE_FINAL, /* over once the effective configuration is committed */
};

struct raft_change {
  enum raft_change_phase phase;
  struct raft_configuration before;
  struct raft_configuration target;
  uint64_t moved_ns; /* when a learner last got further */
};

struct raft {
  struct raft_config config;
  struct raft_log log;
  struct prng prng;
  uint64_t now;
  bool started;
  bool full;

  enum raft_role role;
  uint64_t term;
  uint64_t vote;
  uint64_t leader;
  uint64_t term_leader; /* who is known to have been elected in this term, also if it is not heard any more */
  uint64_t commit;
  uint64_t verified; /* follower: the log is known to be that of this term's leader up to here */
  uint64_t promised; /* sequence that everything said to others relies on: term and vote, a log that a snapshot took the place of */

  uint64_t heard_ns; /* of the leader */
  uint64_t timer_ns;
  uint64_t span_ns;                /* after timer_ns, to the next campaign */
  uint8_t votes[RAFT_MEMBERS_MAX]; /* by place in the effective configuration */

  /* Leader. Members in the order of the configuration, then those that it takes leave of. */
  struct raft_view *views;
  size_t view_count;
  size_t view_cap;
  uint8_t own_voice; /* in the effective configuration; kept on all */
  bool joint;
  uint64_t term_start; /* the no-op */
  uint64_t sessions;
  uint64_t heartbeat_ns;
  uint64_t quorum_ns;
  uint64_t transferee;
  uint64_t transfer_ns; /* given up then */
  bool transfer_told;
  struct raft_change change;
  bool commit_moved;

  /* Reads that others and this member wait for, as a leader … */
  uint64_t round;
  uint64_t round_index;
  bool round_open;
  bool reads_waiting;
  uint64_t own_context;
  uint64_t own_waiting;
  /* … and this member's own, whoever leads. */
  uint64_t read_last;
  uint64_t read_done;
  uint64_t read_ns; /* when they were last asked for */

  struct raft_incoming incoming;

  struct raft_update *update; /* of the step under way */
  struct raft_message *messages;
  size_t message_count;
  size_t message_cap;
  struct raft_entry *entries; /* what is appended */
  size_t entry_cap;

  char failure[512];
};

/* A rule of consensus is broken: says what was seen, once. */
void raft_fail(struct raft *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A message of the current term, to leave at once unless the caller says otherwise. Good until the next one. */
struct raft_message *raft_send(struct raft *r, enum raft_message_type type, uint64_t to);

/* The sequence of this step's append, which there is from now on. */
static inline uint64_t raft_asks(struct raft *r)
{
  struct raft_append *a = &r->update->append;
  if (a->sequence == 0) {
    a->sequence = ++r->log.sequence;
  }
  return a->sequence;
}

/* What a message that tells the term, or a vote, has to wait for. */
static inline uint64_t raft_after(const struct raft *r)
{
  return r->promised > r->log.persisted ? r->promised : 0;
}

void raft_set_hard(struct raft *r, uint64_t term, uint64_t vote);

/* Appends an entry of the core's own, as a leader. */
void raft_append_own(struct raft *r, enum raft_entry_type type, const struct raft_configuration *configuration);

/* Another configuration is effective: the log's newest one has changed. */
void raft_reconfigured(struct raft *r);

/* Room for the entries of this step's append. */
struct raft_entry *raft_entries(struct raft *r, size_t count);

/* The commit index moves forward. */
void raft_commit_to(struct raft *r, uint64_t index);

/* ---- election.c ---- */

/* A follower of this term (not an earlier one) and leader; 0 = none known. */
void raft_follow(struct raft *r, uint64_t term, uint64_t leader);

/* A message of this term that only its leader sends. False: somebody else leads in this term, which is fatal. */
bool raft_hear_leader(struct raft *r, uint64_t from);
void raft_start_timer(struct raft *r);
void raft_campaign(struct raft *r, bool transfer);
bool raft_may_campaign(const struct raft *r);
void raft_count_votes(struct raft *r);
void raft_on_request_vote(struct raft *r, const struct raft_message *m);
void raft_on_vote(struct raft *r, const struct raft_message *m);

/* ---- peers.c ---- */

/* Views of exactly the members of the effective configuration, and of those that are taken leave of; known ones stay as they are. */
void raft_views_update(struct raft *r);
void raft_views_clear(struct raft *r);
struct raft_view *raft_view_find(struct raft *r, uint64_t id); /* NULL = none */
void raft_view_restart(struct raft *r, struct raft_view *v);   /* a new session */
void raft_view_probe(struct raft_view *v, uint64_t next);
void raft_view_replicate(struct raft_view *v);
void raft_view_snapshot(const struct raft *r, struct raft_view *v);
void raft_view_fly(struct raft_view *v, uint64_t last, uint64_t bytes);
void raft_view_land(struct raft_view *v, uint64_t match);
bool raft_view_recent(const struct raft *r, const struct raft_view *v);
struct raft_view *raft_view_furthest(struct raft *r); /* the voter with the longest log, but this member; NULL = none */

/* ---- replicate.c ---- */

void raft_replicate(struct raft *r, struct raft_view *v);
void raft_replicate_all(struct raft *r);
void raft_heartbeat(struct raft *r, struct raft_view *v);
void raft_heartbeat_all(struct raft *r); /* the regular one */
void raft_send_chunk(struct raft *r, struct raft_view *v);
void raft_on_appended(struct raft *r, const struct raft_message *m);
void raft_on_installed(struct raft *r, const struct raft_message *m);
int raft_transfer(struct raft *r, uint64_t to);

/* ---- commit.c ---- */

/* Whether a majority (of both sets, if joint) says yes: this member if its voice counts, and those that `says` it of. */
typedef bool (*raft_says_fn)(const struct raft *r, const struct raft_view *v);
bool raft_majority(const struct raft *r, raft_says_fn says);

/* As a leader: commits what a majority has. */
void raft_leader_commit(struct raft *r);

/* As a leader, at the end of a step in which the commit index moved or time passed. */
void raft_settle(struct raft *r);

/* ---- follow.c ---- */

void raft_on_append(struct raft *r, const struct raft_message *m);
void raft_on_install(struct raft *r, const struct raft_message *m);
void raft_installed(struct raft *r, uint64_t index, bool ok);
void raft_refuse_old_leader(struct raft *r, const struct raft_message *m);

/* ---- read.c ---- */

void raft_read_begin(struct raft *r, uint64_t context);
void raft_read_ask(struct raft *r);   /* asks the leader for what is outstanding */
void raft_read_lead(struct raft *r);  /* has become leader */
void raft_read_round(struct raft *r); /* starts a round if one is wanted and none is under way */
void raft_read_confirm(struct raft *r, struct raft_view *v, uint64_t round);
void raft_on_read(struct raft *r, const struct raft_message *m);
void raft_on_readable(struct raft *r, const struct raft_message *m);

/* ---- change.c ---- */

bool raft_configuration_valid(const struct raft_configuration *c);
int raft_change(struct raft *r, const struct raft_configuration *target);
void raft_change_advance(struct raft *r);
void raft_change_heard(struct raft *r, struct raft_view *v); /* a member's log has got further */
bool raft_changing(const struct raft *r);

#endif
