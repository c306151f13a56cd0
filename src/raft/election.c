/* Terms, votes and timeouts: paper 5.1, 5.2 and 5.4.1; pre-vote (thesis 9.6), stickiness (thesis 4.2.3). */
#include <string.h>

#include "raft/internal.h"

enum {
  VOTE_NONE,
  VOTE_GRANTED,
  VOTE_REFUSED,
};

void raft_start_timer(struct raft *r)
{
  uint64_t t = r->config.election_timeout_ns;
  r->timer_ns = r->now;
  r->span_ns = t + prng_below(&r->prng, t);
}

/* Forgets what only a leader or a candidate knows. */
static void leave_role(struct raft *r)
{
  raft_views_clear(r);
  r->role = RAFT_FOLLOWER;
  r->transferee = 0;
  r->change.phase = RAFT_CHANGE_NONE;
  r->round_open = false;
  r->reads_waiting = false;
  r->own_context = 0;
  r->own_waiting = 0;
  raft_start_timer(r);
}

void raft_follow(struct raft *r, uint64_t term, uint64_t leader)
{
  assert(term >= r->term);
  if (term > r->term) {
    raft_set_hard(r, term, 0);
    r->term_leader = 0;
    r->verified = 0;
  }
  if (r->role != RAFT_FOLLOWER) {
    leave_role(r);
  }
  bool another = leader != r->leader;
  r->leader = leader;
  if (leader != 0) {
    r->term_leader = leader;
    if (another) {
      raft_read_ask(r);
    }
  }
}

bool raft_hear_leader(struct raft *r, uint64_t from)
{
  if (r->role == RAFT_LEADER || (r->term_leader != 0 && r->term_leader != from)) {
    raft_fail(r, "member %llu leads in this term as well", (unsigned long long)from);
    return false;
  }
  if (r->leader != from || r->role != RAFT_FOLLOWER) {
    raft_follow(r, r->term, from);
  }
  r->heard_ns = r->now;
  r->timer_ns = r->now;
  return true;
}

/* ---- candidates ---- */

/* Thesis 4.2.2: who has no vote in a configuration that may not be committed yet can still be needed to commit it, with the votes of others
 * alone: it may be the only one that has it. */
bool raft_may_campaign(const struct raft *r)
{
  if (r->role == RAFT_LEADER || r->full) {
    return false;
  }
  for (size_t i = r->log.committed; i < r->log.made_count; i++) {
    const struct raft_member *self = raft_configuration_find(&r->log.made[i]->configuration, r->config.id);
    if (self != NULL && (self->voice & (RAFT_VOTER | RAFT_OLD_VOTER)) != 0) {
      return true;
    }
  }
  return false;
}

static bool won_by(const struct raft_configuration *c, const uint8_t *votes, uint8_t voice)
{
  size_t all = 0;
  size_t granted = 0;
  for (size_t i = 0; i < c->count; i++) {
    if (c->members[i].voice & voice) {
      all++;
      granted += votes[i] == VOTE_GRANTED;
    }
  }
  return granted > all / 2;
}

static bool won(const struct raft *r)
{
  const struct raft_configuration *c = raft_configuration(r);
  return won_by(c, r->votes, RAFT_VOTER) && (!r->joint || won_by(c, r->votes, RAFT_OLD_VOTER));
}

static void record(struct raft *r, uint64_t id, bool granted)
{
  const struct raft_configuration *c = raft_configuration(r);
  const struct raft_member *member = raft_configuration_find(c, id);
  if (member != NULL) {
    r->votes[member - c->members] = granted ? VOTE_GRANTED : VOTE_REFUSED;
  }
}

/* Asks everybody that has a vote. */
static void ask_for_votes(struct raft *r, bool pre, bool transfer)
{
  const struct raft_configuration *c = raft_configuration(r);
  for (size_t i = 0; i < c->count; i++) {
    if (c->members[i].id == r->config.id || !(c->members[i].voice & (RAFT_VOTER | RAFT_OLD_VOTER))) {
      continue;
    }
    struct raft_message *m = raft_send(r, RAFT_REQUEST_VOTE, c->members[i].id);
    m->term = pre ? r->term + 1 : r->term;
    m->after = raft_after(r);
    m->request_vote.last_index = r->log.last;
    m->request_vote.last_term = r->log.last_term;
    m->request_vote.pre = pre;
    m->request_vote.transfer = transfer;
  }
}

/* Figure 2, candidates: increment the term, vote for oneself, reset the timer, ask. */
static void stand(struct raft *r, bool transfer)
{
  r->role = RAFT_CANDIDATE;
  raft_set_hard(r, r->term + 1, r->config.id);
  r->term_leader = 0;
  r->verified = 0;
  r->leader = 0;
  memset(r->votes, VOTE_NONE, sizeof r->votes);
  raft_start_timer(r);
  ask_for_votes(r, false, transfer);
}

void raft_campaign(struct raft *r, bool transfer)
{
  assert(raft_may_campaign(r));
  if (transfer) {
    stand(r, true);
    return;
  }
  r->role = RAFT_PRE_CANDIDATE;
  r->leader = 0;
  memset(r->votes, VOTE_NONE, sizeof r->votes);
  raft_start_timer(r);
  record(r, r->config.id, true);
  if (won(r)) {
    stand(r, false);
  } else {
    ask_for_votes(r, true, false);
  }
}

static void lead(struct raft *r)
{
  r->role = RAFT_LEADER;
  r->leader = r->config.id;
  r->term_leader = r->config.id;
  r->incoming.active = false;
  r->heartbeat_ns = r->now + r->config.heartbeat_ns;
  r->quorum_ns = r->now + r->config.election_timeout_ns;
  r->transferee = 0;
  r->change.phase = RAFT_CHANGE_NONE;
  r->term_start = r->log.last + 1;
  raft_views_update(r);
  raft_append_own(r, RAFT_NOOP, NULL);
  raft_read_lead(r);
  raft_replicate_all(r);
}

/* A candidate's own vote counts once it is durable: so does all that a leader says in its term. */
void raft_count_votes(struct raft *r)
{
  if (r->role != RAFT_CANDIDATE || r->log.persisted < r->promised) {
    return;
  }
  record(r, r->config.id, true);
  if (won(r)) {
    lead(r);
  }
}

void raft_on_vote(struct raft *r, const struct raft_message *m)
{
  if (m->vote.pre != (r->role == RAFT_PRE_CANDIDATE) || (r->role != RAFT_PRE_CANDIDATE && r->role != RAFT_CANDIDATE)) {
    return;
  }
  if (m->vote.pre && m->vote.granted && m->term != r->term + 1) {
    return;
  }
  record(r, m->from, m->vote.granted);
  if (r->role == RAFT_CANDIDATE) {
    raft_count_votes(r);
  } else if (won(r)) {
    stand(r, false);
  }
}

/* ---- voters ---- */

/* Paper 5.4.1: the later last term is more up to date; of equal ones, the longer log. */
static bool is_up_to_date(const struct raft *r, const struct raft_message *m)
{
  return m->request_vote.last_term > r->log.last_term ||
         (m->request_vote.last_term == r->log.last_term && m->request_vote.last_index >= r->log.last);
}

/* Thesis 4.2.3: no vote against a leader that was heard within the smallest election timeout. */
static bool has_leader(const struct raft *r)
{
  return r->role == RAFT_LEADER || (r->leader != 0 && r->now < r->heard_ns + r->config.election_timeout_ns);
}

static void answer(struct raft *r, const struct raft_message *m, bool granted)
{
  struct raft_message *reply = raft_send(r, RAFT_VOTE, m->from);
  reply->term = m->request_vote.pre && granted ? m->term : r->term;
  reply->after = raft_after(r);
  reply->vote.granted = granted;
  reply->vote.pre = m->request_vote.pre;
}

/* Anybody that asks may be a voter of a configuration that is not known here yet (paper 6), so anybody is answered. */
void raft_on_request_vote(struct raft *r, const struct raft_message *m)
{
  if (m->request_vote.pre) {
    answer(r, m, m->term > r->term && !has_leader(r) && is_up_to_date(r, m));
    return;
  }
  if (m->term > r->term) {
    if (has_leader(r) && !m->request_vote.transfer) {
      return;
    }
    raft_follow(r, m->term, 0);
  }
  bool granted = m->term == r->term && (r->vote == m->from || (r->vote == 0 && r->term_leader == 0)) && is_up_to_date(r, m);
  if (granted) {
    if (r->role != RAFT_FOLLOWER) {
      raft_follow(r, r->term, 0); /* gives up its own pre-vote */
    }
    if (r->vote == 0) {
      raft_set_hard(r, r->term, m->from);
    }
    r->timer_ns = r->now;
  }
  answer(r, m, granted);
}
