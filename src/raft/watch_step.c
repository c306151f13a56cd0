/* What a step shows: appends, statuses, leaders, commitment, reads. */
#include "raft/watch_internal.h"

#include "base/memory.h"

/* ---- leaders ---- */

typedef bool (*agrees_fn)(const struct watch_member *m, uint64_t a, uint64_t b);

static bool voted_for(const struct watch_member *m, uint64_t term, uint64_t candidate)
{
  return watch_ballot_of(m, term) == candidate;
}

static bool holds(const struct watch_member *m, uint64_t index, uint64_t term)
{
  return watch_log_holds(&m->log, index, term);
}

/* Whether those who agree are a majority of the voters, and of the old ones if there are any. */
static bool is_quorum(const struct raft_watch *w, const struct raft_configuration *c, agrees_fn agrees, uint64_t a, uint64_t b)
{
  size_t voters = 0;
  size_t old_voters = 0;
  size_t for_new = 0;
  size_t for_old = 0;
  for (size_t i = 0; c != NULL && i < c->count; i++) {
    uint8_t voice = c->members[i].voice;
    if (voice & (RAFT_VOTER | RAFT_OLD_VOTER)) {
      const struct watch_member *m = watch_find(w, c->members[i].id);
      bool yes = m != NULL && agrees(m, a, b);
      voters += (voice & RAFT_VOTER) != 0;
      old_voters += (voice & RAFT_OLD_VOTER) != 0;
      for_new += yes && (voice & RAFT_VOTER) != 0;
      for_old += yes && (voice & RAFT_OLD_VOTER) != 0;
    }
  }
  return voters > 0 && for_new * 2 > voters && (old_voters == 0 || for_old * 2 > old_voters);
}

static void check_new_leader(struct raft_watch *w, struct watch_member *m, const struct raft_status *now)
{
  const struct chain_reign *other = chain_reign(&w->chain, now->term);
  if (other != NULL) {
    watch_fail(w, m, 0, "leads in the term of %llu%s (election safety)", (unsigned long long)other->id,
               other->id == m->id ? ", its own earlier life" : "");
    return;
  }
  /* Its own vote counts once a restart cannot forget it. */
  if (m->log.durable_term == now->term && m->log.durable_vote == m->id) {
    watch_cast_ballot(w, m, now->term, m->id);
  }
  uint64_t must_have = chain_enthrone(&w->chain, now->term, m->id, m->start);
  if (!is_quorum(w, raft_configuration(m->raft), voted_for, now->term, m->id)) {
    watch_fail(w, m, 0, "leads without the durable votes of a majority (election safety)");
  }
  uint64_t has = watch_log_term(&m->log, must_have);
  if (must_have > m->log.last || !chain_same(has, chain_committed_term(&w->chain, must_have))) {
    watch_fail(w, m, must_have, "leads without a committed entry (leader completeness)");
  }
  w->stats.leaders++;
}

/* ---- commitment ---- */

/* Leaders of later terms must have what turns out to have been committed before them. */
static void check_later_leaders(struct raft_watch *w, const struct watch_member *m, uint64_t term, uint64_t index)
{
  for (size_t i = 0; i < w->member_count; i++) {
    const struct watch_member *later = w->members[i];
    if (later->raft != NULL && later->role == RAFT_LEADER && later->log.term > term &&
        (later->log.last < index || !chain_same(later->log.terms[index - 1], m->log.terms[index - 1]))) {
      watch_fail(w, later, index, "leads without an entry that %llu has committed in term %llu (leader completeness)",
                 (unsigned long long)m->id, (unsigned long long)term);
    }
  }
}

static void check_leader_commit(struct raft_watch *w, struct watch_member *m, uint64_t term, uint64_t index,
                                const struct raft_configuration *before)
{
  uint64_t entry_term = watch_log_term(&m->log, index);
  if (entry_term != term) {
    watch_fail(w, m, index, "commits through an entry of term %llu (paper 5.4.2)", (unsigned long long)entry_term);
  }
  if (!is_quorum(w, before, holds, index, entry_term) && !is_quorum(w, raft_configuration(m->raft), holds, index, entry_term)) {
    watch_fail(w, m, index, "commits what is not durable on a majority (commitment)");
  }
  if (!chain_commit(&w->chain, m->log.terms, index)) {
    watch_fail(w, m, index, "commits another entry than is committed (state machine safety)");
  }
  chain_reigned(&w->chain, term, index);
  check_later_leaders(w, m, term, index);
}

/* A leader decides by itself; it may have stepped down for it (thesis 4.2.2). */
static bool decides(const struct raft_status *before, const struct raft_status *now, const struct raft_event *event)
{
  bool told = event->type == RAFT_EVENT_INSTALL ||
              (event->type == RAFT_EVENT_RECEIVE && (event->message->type == RAFT_APPEND || event->message->type == RAFT_INSTALL));
  return !told && (now->role == RAFT_LEADER || (before->role == RAFT_LEADER && before->term == now->term));
}

static void check_commit(struct raft_watch *w, struct watch_member *m, const struct raft_status *before, const struct raft_status *now,
                         const struct raft_event *event, const struct raft_configuration *configuration_before)
{
  if (now->commit < m->commit) {
    watch_fail(w, m, now->commit, "commit index goes back from %llu", (unsigned long long)m->commit);
  }
  if (now->commit == m->commit) {
    return;
  }
  m->commit = now->commit;
  if (now->commit > m->log.last) {
    watch_fail(w, m, now->commit, "commits what its log does not have");
  } else if (decides(before, now, event)) {
    check_leader_commit(w, m, now->term, now->commit, configuration_before);
    w->stats.committed = w->chain.committed_count;
  } else if (now->commit > w->chain.committed_count) {
    watch_fail(w, m, now->commit, "takes for committed what no leader has committed (commitment)");
  } else if (!chain_same(chain_committed_term(&w->chain, now->commit), watch_log_term(&m->log, now->commit))) {
    watch_fail(w, m, now->commit, "takes for committed another entry than is committed (state machine safety)");
  }
}

/* ---- a step ---- */

static void check_append(struct raft_watch *w, struct watch_member *m, const struct raft_status *before, const struct raft_status *now,
                         const struct raft_append *a)
{
  uint64_t at = 0;
  if (a->truncate_from != 0 && before->role == RAFT_LEADER && before->term == now->term) {
    watch_fail(w, m, a->truncate_from, "a leader truncates its log (leader append-only)");
  }
  if (a->truncate_from != 0 && a->truncate_from <= m->commit) {
    watch_fail(w, m, a->truncate_from, "truncates what is committed, up to %llu", (unsigned long long)m->commit);
  }
  const char *wrong = watch_log_append(&m->log, &w->chain, a, m->hash, m->arg, &at);
  if (wrong != NULL) {
    watch_fail(w, m, at, "%s", wrong);
  }
}

/* What a member says of itself is what it asked to append, and what was made durable of that. */
void watch_check_status(struct raft_watch *w, const struct watch_member *m, const struct raft_status *now)
{
  const struct watch_log *l = &m->log;
  if (now->term != l->term || now->vote != l->vote) {
    watch_fail(w, m, 0, "term %llu and vote %llu were not appended", (unsigned long long)now->term, (unsigned long long)now->vote);
  }
  if (now->last_index != l->last || now->last_term != watch_log_term(l, l->last)) {
    watch_fail(w, m, now->last_index, "its last entry, of term %llu, was not appended", (unsigned long long)now->last_term);
  }
  if (now->durable_term != l->durable_term || now->durable_vote != l->durable_vote) {
    watch_fail(w, m, 0, "takes term %llu and vote %llu for durable", (unsigned long long)now->durable_term,
               (unsigned long long)now->durable_vote);
  }
  /* A snapshot is durable before the log begins with it: entries that it stands for need not be. */
  if (now->durable_index > l->snapshot &&
      (now->durable_index > l->last || !watch_log_holds(l, now->durable_index, watch_log_term(l, now->durable_index)))) {
    watch_fail(w, m, now->durable_index, "takes for durable what is not");
  }
}

void watch_check_configuration(struct raft_watch *w, const struct watch_member *m, const struct raft_status *now, bool compare)
{
  struct chain_configuration effective = watch_log_configuration(&m->log, m->log.last);
  struct chain_configuration committed = watch_log_configuration(&m->log, now->commit);
  if (now->configuration_index != effective.index) {
    watch_fail(w, m, effective.index, "the effective configuration is taken to be that of index %llu",
               (unsigned long long)now->configuration_index);
  }
  if (now->committed_configuration_index != committed.index) {
    watch_fail(w, m, committed.index, "the committed configuration is taken to be that of index %llu",
               (unsigned long long)now->committed_configuration_index);
  }
  if (!compare) {
    return;
  }
  const struct chain_configuration of[] = {effective, committed};
  const struct raft_configuration *said[] = {raft_configuration(m->raft), raft_committed_configuration(m->raft)};
  for (size_t i = 0; i < 2; i++) {
    if (!chain_equal(of[i].configuration, said[i])) {
      watch_fail(w, m, of[i].index, "the %s configuration has other members than the log says", i == 0 ? "effective" : "committed");
    }
  }
}

static void check_read(struct raft_watch *w, struct watch_member *m, uint64_t through, uint64_t index)
{
  if (through > m->read_context) {
    watch_fail(w, m, index, "answers read %llu, which was not begun", (unsigned long long)through);
  }
  if (index > w->chain.committed_count) {
    watch_fail(w, m, index, "lets reads wait for what is not committed");
  }
  for (; m->read_head < m->read_count && m->reads[m->read_head].context <= through; m->read_head++) {
    if (index < m->reads[m->read_head].floor) {
      watch_fail(w, m, index, "read %llu may miss what was committed when it began, up to %llu (linearizable reads)",
                 (unsigned long long)m->reads[m->read_head].context, (unsigned long long)m->reads[m->read_head].floor);
    }
  }
  if (m->read_head == m->read_count) {
    m->read_head = m->read_count = 0;
  }
}

static void begin_read(struct raft_watch *w, struct watch_member *m, uint64_t context)
{
  m->reads = memory_grow(m->reads, &m->read_cap, m->read_count + 1, sizeof *m->reads);
  m->reads[m->read_count++] = (struct watch_read){.context = context, .floor = w->chain.committed_count};
  m->read_context = context;
}

void raft_watch_stepped(struct raft_watch *w, uint64_t id, const struct raft_status *before, const struct raft_event *event,
                        const struct raft_update *update)
{
  struct watch_member *m = watch_find(w, id);
  w->stats.steps++;
  if (watch_failed(w) || m == NULL || m->raft == NULL) {
    return;
  }
  const char *wrong = raft_failure(m->raft);
  if (wrong != NULL || (wrong = raft_check(m->raft, before)) != NULL) {
    watch_fail(w, m, 0, "%s", wrong);
    return;
  }
  struct raft_status now;
  raft_status(m->raft, &now);
  struct chain_configuration configuration_before = watch_log_configuration(&m->log, m->log.last);
  if (event->type == RAFT_EVENT_PERSISTED) {
    watch_log_persist(&m->log, &w->chain, event->sequence);
  } else if (event->type == RAFT_EVENT_READ) {
    begin_read(w, m, event->context);
  }
  if (update->append.sequence != 0) {
    check_append(w, m, before, &now, &update->append);
    if (watch_failed(w)) {
      return;
    }
  }
  watch_check_status(w, m, &now);
  m->role = now.role;
  if (now.role == RAFT_LEADER && (before->role != RAFT_LEADER || before->term != now.term)) {
    check_new_leader(w, m, &now);
  }
  bool committed = now.commit != m->commit;
  check_commit(w, m, before, &now, event, configuration_before.configuration);
  if (committed || update->append.sequence != 0 || update->configuration_changed) {
    watch_check_configuration(w, m, &now, update->configuration_changed);
  }
  if (update->read.through != 0) {
    check_read(w, m, update->read.through, update->read.index);
  }
}
