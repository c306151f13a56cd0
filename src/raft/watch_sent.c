/* What messages show: promises that are not durable, votes, words of those who do not lead. */
#include "raft/watch_internal.h"

#include "base/memory.h"

/* ---- votes ---- */

static size_t ballots_through(const struct watch_member *m, uint64_t term)
{
  size_t i = m->ballot_count;
  while (i > 0 && m->ballots[i - 1].term > term) {
    i--;
  }
  return i;
}

uint64_t watch_ballot_of(const struct watch_member *m, uint64_t term)
{
  size_t i = ballots_through(m, term);
  return i > 0 && m->ballots[i - 1].term == term ? m->ballots[i - 1].candidate : 0;
}

void watch_cast_ballot(struct raft_watch *w, struct watch_member *m, uint64_t term, uint64_t candidate)
{
  size_t at = ballots_through(m, term);
  if (at > 0 && m->ballots[at - 1].term == term) {
    if (m->ballots[at - 1].candidate != candidate) {
      watch_fail(w, m, 0, "has voted for %llu and for %llu in term %llu (election safety)",
                 (unsigned long long)m->ballots[at - 1].candidate, (unsigned long long)candidate, (unsigned long long)term);
    }
    return;
  }
  m->ballots = memory_grow(m->ballots, &m->ballot_cap, m->ballot_count + 1, sizeof *m->ballots);
  for (size_t i = m->ballot_count++; i > at; i--) {
    m->ballots[i] = m->ballots[i - 1];
  }
  m->ballots[at] = (struct watch_ballot){.term = term, .candidate = candidate};
}

/* ---- messages ---- */

/* An acknowledgement says that the log is the leader's, and durable, up to match (paper 5.3). */
static void check_acknowledged(struct raft_watch *w, struct watch_member *m, uint64_t term, uint64_t match)
{
  if (term != m->log.term) {
    return; /* it was held back until the term was over, and counts for nothing */
  }
  uint64_t entry_term = watch_log_term(&m->log, match);
  if (match > m->log.last || !watch_log_holds(&m->log, match, entry_term)) {
    watch_fail(w, m, match, "acknowledges what is not durable");
    return;
  }
  const struct chain_reign *reign = chain_reign(&w->chain, term);
  const struct watch_member *leader = reign == NULL ? NULL : watch_find(w, reign->id);
  if (reign == NULL) {
    watch_fail(w, m, match, "acknowledges in a term that has no leader");
  } else if (leader->raft != NULL && leader->start == reign->start && leader->log.term == term &&
             (match > leader->log.last || !chain_same(watch_log_term(&leader->log, match), entry_term))) {
    watch_fail(w, m, match, "acknowledges another entry than its leader has (log matching)");
  }
}

static void check_vote(struct raft_watch *w, struct watch_member *m, const struct raft_message *sent)
{
  bool durable = m->log.durable_term > sent->term || (m->log.durable_term == sent->term && m->log.durable_vote == sent->to);
  if (!durable) {
    watch_fail(w, m, 0, "its vote for %llu in term %llu is not durable", (unsigned long long)sent->to, (unsigned long long)sent->term);
  }
  watch_cast_ballot(w, m, sent->term, sent->to);
}

static void check_leader_message(struct raft_watch *w, struct watch_member *m, const struct raft_message *sent)
{
  const struct chain_reign *reign = chain_reign(&w->chain, sent->term);
  if (reign == NULL || reign->id != m->id || reign->start != m->start) {
    watch_fail(w, m, 0, "sends a leader's message of term %llu, in which it does not lead", (unsigned long long)sent->term);
  }
  if (sent->type == RAFT_APPEND && sent->append.commit > w->chain.committed_count) {
    watch_fail(w, m, sent->append.commit, "tells %llu to commit what is not committed", (unsigned long long)sent->to);
  }
}

void raft_watch_sent(struct raft_watch *w, uint64_t id, const struct raft_message *sent)
{
  struct watch_member *m = watch_find(w, id);
  if (watch_failed(w) || m == NULL || m->raft == NULL) {
    return;
  }
  if (sent->after > m->log.persisted) {
    watch_fail(w, m, 0, "a message leaves when the log is durable through append %llu, and has to wait for %llu",
               (unsigned long long)m->log.persisted, (unsigned long long)sent->after);
  }
  switch (sent->type) {
  case RAFT_VOTE:
    if (sent->vote.granted && !sent->vote.pre) {
      check_vote(w, m, sent);
    }
    break;
  case RAFT_APPENDED:
    if (!sent->appended.rejected) {
      check_acknowledged(w, m, sent->term, sent->appended.match);
    }
    break;
  case RAFT_INSTALLED:
    if (sent->installed.done && !watch_log_holds(&m->log, sent->installed.index, 0)) {
      watch_fail(w, m, sent->installed.index, "acknowledges a snapshot that is not durable");
    }
    break;
  case RAFT_APPEND:
  case RAFT_INSTALL:
  case RAFT_TIMEOUT_NOW:
  case RAFT_READABLE:
    check_leader_message(w, m, sent);
    break;
  default:
    break;
  }
}
