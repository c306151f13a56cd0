/* Watches one Raft group over all members of a cluster, as only a simulator can: the properties of figure 3 of the paper, and ours.
 *
 * Told of every start, step, application and death, it finds:
 *   - election safety: two leaders of one term, also in different incarnations; two votes of one member in one term;
 *   - leader append-only: a leader that truncates;
 *   - log matching: equal (index, term) with other bytes, or another entry before it;
 *   - leader completeness: a new leader without a committed entry;
 *   - state machine safety: another entry, result or state at an index that somebody has applied;
 *   - commitment: an index that a leader commits while it is not, with its term, in the durable logs of a majority (of both, if joint); a
 *     commit index that goes back in one process; an applied index that is not committed, or not durable here;
 *   - durability: a member that comes back without what was durable: term, vote, entries;
 *   - messages: one that leaves before the log is durable through its `after`; an acknowledgement of what is not durable, or not the
 *     leader's; a vote that is not durable; a leader's message of a term in which its sender does not lead;
 *   - reads: one that is answered with less than what was committed when it began, or with what is not committed;
 *   - statuses: a term, vote, entry or configuration that was never appended, or one taken for durable that is not;
 *   - what raft_check() finds.
 *
 * Pure, like the rest of the room: memory grows with the length of the whole log. */
#ifndef VORTEX_RAFT_WATCH_H
#define VORTEX_RAFT_WATCH_H

#include "base/slice.h"
#include "raft/raft.h"

struct raft_watch;

/* Returns owned. */
struct raft_watch *raft_watch_new(void);
void raft_watch_free(struct raft_watch *w);

/* A member starts, or starts again, with what it has recovered. `hash(arg, index)` gives a hash of the bytes of an entry of its log; it is
 * called within the raft_watch_ calls for this member only, for entries that its log holds. Borrows r until raft_watch_ended. */
typedef uint64_t (*raft_watch_hash_fn)(void *arg, uint64_t index);
void raft_watch_started(struct raft_watch *w, const struct raft *r, const struct raft_recovered *recovered, uint64_t id,
                        raft_watch_hash_fn hash, void *arg);

/* It has taken a step, and its log holds what the update asked to append. `before`: its status before the step. */
void raft_watch_stepped(struct raft_watch *w, uint64_t id, const struct raft_status *before, const struct raft_event *event,
                        const struct raft_update *update);

/* It sends a message. */
void raft_watch_sent(struct raft_watch *w, uint64_t id, const struct raft_message *m);

/* It has applied an entry. `outcome` is a hash of what must be equal on all replicas that have applied up to this index: the result, the
 * sessions, the state as far as it is known; 0 = not known here. */
void raft_watch_applied(struct raft_watch *w, uint64_t id, uint64_t index, uint64_t term, uint64_t outcome);

/* It has restored a snapshot of the state at `index`; outcome as above. */
void raft_watch_restored(struct raft_watch *w, uint64_t id, uint64_t index, uint64_t outcome);

/* It was killed, or stopped: what was durable when it ended must be there when it comes back. */
void raft_watch_ended(struct raft_watch *w, uint64_t id);

/* It has lost its disk on purpose: nothing has to come back. */
void raft_watch_forgot(struct raft_watch *w, uint64_t id);

/* The first violation, one line for a person, with member, term and index; NULL = none. */
const char *raft_watch_failure(const struct raft_watch *w);

/* The member that leads in the highest term, by its own account, and is alive; 0 = none. */
uint64_t raft_watch_leader(const struct raft_watch *w);

/* Steps, elections won, entries committed, snapshots installed: for reports. */
struct raft_watch_stats {
  uint64_t steps;
  uint64_t leaders;
  uint64_t committed;
  uint64_t applied;
  uint64_t restored;
  uint64_t starts;
};
const struct raft_watch_stats *raft_watch_stats(const struct raft_watch *w);

#endif
