#include "raft/watch.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/memory.h"
#include "raft/watch_internal.h"

struct raft_watch *raft_watch_new(void)
{
  struct raft_watch *w = memory_zeroed(1, sizeof *w);
  chain_init(&w->chain);
  return w;
}

void raft_watch_free(struct raft_watch *w)
{
  if (w == NULL) {
    return;
  }
  for (size_t i = 0; i < w->member_count; i++) {
    struct watch_member *m = w->members[i];
    watch_log_free(&m->log);
    free(m->ballots);
    free(m->reads);
    free(m);
  }
  free(w->members);
  chain_free(&w->chain);
  free(w);
}

struct watch_member *watch_find(const struct raft_watch *w, uint64_t id)
{
  for (size_t i = 0; i < w->member_count; i++) {
    if (w->members[i]->id == id) {
      return w->members[i];
    }
  }
  return NULL;
}

/* Keeps the first violation. */
void watch_fail(struct raft_watch *w, const struct watch_member *m, uint64_t index, const char *format, ...)
{
  if (w->failure[0] != '\0') {
    return;
  }
  uint64_t term = m->raft == NULL ? m->log.term : raft_term(m->raft);
  int n = snprintf(w->failure, sizeof w->failure, "member %llu, term %llu, index %llu: ", (unsigned long long)m->id,
                   (unsigned long long)term, (unsigned long long)index);
  va_list args;
  va_start(args, format);
  vsnprintf(w->failure + n, sizeof w->failure - (size_t)n, format, args);
  va_end(args);
}

/* ---- the state machine ---- */

void raft_watch_applied(struct raft_watch *w, uint64_t id, uint64_t index, uint64_t term, uint64_t outcome)
{
  struct watch_member *m = watch_find(w, id);
  w->stats.applied++;
  if (watch_failed(w) || m == NULL || m->raft == NULL) {
    return;
  }
  if (index != m->applied + 1) {
    watch_fail(w, m, index, "is applied after %llu", (unsigned long long)m->applied);
  }
  m->applied = index;
  if (index > m->commit) {
    watch_fail(w, m, index, "is applied, and committed is only %llu", (unsigned long long)m->commit);
  } else if (!chain_same(chain_committed_term(&w->chain, index), term)) {
    watch_fail(w, m, index, "is applied as an entry of term %llu, and one of term %llu is committed (state machine safety)",
               (unsigned long long)term, (unsigned long long)chain_committed_term(&w->chain, index));
  } else if (!watch_log_holds(&m->log, index, term)) {
    watch_fail(w, m, index, "is applied before it is durable here");
  } else if (!chain_outcome(&w->chain, index, outcome)) {
    watch_fail(w, m, index, "its application has another outcome than elsewhere (state machine safety)");
  }
}

void raft_watch_restored(struct raft_watch *w, uint64_t id, uint64_t index, uint64_t outcome)
{
  struct watch_member *m = watch_find(w, id);
  w->stats.restored++;
  if (watch_failed(w) || m == NULL || m->raft == NULL) {
    return;
  }
  if (index < m->applied) {
    watch_fail(w, m, index, "a snapshot takes the state back from %llu", (unsigned long long)m->applied);
  }
  m->applied = index;
  if (index > w->chain.committed_count) {
    watch_fail(w, m, index, "a snapshot of what is not committed is restored");
  } else if (!chain_outcome(&w->chain, index, outcome)) {
    watch_fail(w, m, index, "a snapshot has another state than elsewhere (state machine safety)");
  }
}

/* ---- lives ---- */

static struct watch_member *add_member(struct raft_watch *w, uint64_t id)
{
  struct watch_member *m = memory_zeroed(1, sizeof *m);
  m->id = id;
  w->members = memory_grow(w->members, &w->member_cap, w->member_count + 1, sizeof *w->members);
  w->members[w->member_count++] = m;
  return m;
}

void raft_watch_started(struct raft_watch *w, const struct raft *r, const struct raft_recovered *recovered, uint64_t id,
                        raft_watch_hash_fn hash, void *arg)
{
  struct watch_member *m = watch_find(w, id);
  m = m == NULL ? add_member(w, id) : m;
  w->stats.starts++;
  if (watch_failed(w)) {
    return;
  }
  m->hash = hash;
  m->arg = arg;
  m->start++;
  m->read_head = m->read_count = 0;
  m->read_context = 0;
  uint64_t at = 0;
  const char *wrong = watch_log_recover(&m->log, &w->chain, recovered, hash, arg, &at);
  m->raft = r;
  if (wrong != NULL) {
    watch_fail(w, m, at, "%s", wrong);
    return;
  }
  struct raft_status now;
  raft_status(r, &now);
  m->role = now.role;
  m->commit = now.commit;
  m->applied = recovered->snapshot_index;
  if (now.role == RAFT_LEADER) {
    watch_fail(w, m, 0, "starts as a leader");
  }
  if (now.commit > w->chain.committed_count) {
    watch_fail(w, m, now.commit, "starts with more committed than is");
  }
  watch_check_status(w, m, &now);
  watch_check_configuration(w, m, &now, true);
}

void raft_watch_ended(struct raft_watch *w, uint64_t id)
{
  struct watch_member *m = watch_find(w, id);
  if (m != NULL) {
    m->raft = NULL;
    m->role = RAFT_FOLLOWER;
  }
}

void raft_watch_forgot(struct raft_watch *w, uint64_t id)
{
  struct watch_member *m = watch_find(w, id);
  if (m != NULL) {
    watch_log_free(&m->log);
    m->ballot_count = 0;
  }
}

/* ---- looks ---- */

const char *raft_watch_failure(const struct raft_watch *w)
{
  return watch_failed(w) ? w->failure : NULL;
}

uint64_t raft_watch_leader(const struct raft_watch *w)
{
  const struct watch_member *leader = NULL;
  for (size_t i = 0; i < w->member_count; i++) {
    const struct watch_member *m = w->members[i];
    if (m->raft != NULL && m->role == RAFT_LEADER && (leader == NULL || m->log.term > leader->log.term)) {
      leader = m;
    }
  }
  return leader == NULL ? 0 : leader->id;
}

const struct raft_watch_stats *raft_watch_stats(const struct raft_watch *w)
{
  return &w->stats;
}
