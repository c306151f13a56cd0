/* ReadIndex (thesis 6.4): reads without an entry, on any member.
 *
 * A leader that has committed an entry of its term starts a round: it remembers its commit index, and when a majority has answered what it
 * sent after that, no other leader can have committed more before the reads of the round began. Rounds do not overlap: what arrives
 * during one shares the next. */
#include "raft/internal.h"

void raft_read_ask(struct raft *r)
{
  if (r->read_last == r->read_done || r->leader == 0 || r->role == RAFT_LEADER) {
    return;
  }
  r->read_ns = r->now;
  struct raft_message *m = raft_send(r, RAFT_READ, r->leader);
  m->after = raft_after(r);
  m->read.incarnation = r->config.incarnation;
  m->read.context = r->read_last;
}

void raft_read_begin(struct raft *r, uint64_t context)
{
  if (context <= r->read_last) {
    return;
  }
  r->read_last = context;
  if (r->role == RAFT_LEADER) {
    r->own_waiting = context;
    r->reads_waiting = true;
    raft_read_round(r);
  } else {
    raft_read_ask(r);
  }
}

void raft_read_lead(struct raft *r)
{
  r->round_open = false;
  r->own_context = 0;
  r->own_waiting = r->read_last > r->read_done ? r->read_last : 0;
  r->reads_waiting = r->own_waiting != 0;
}

static bool has_confirmed(const struct raft *r, const struct raft_view *v)
{
  return v->round >= r->round;
}

static void close_round(struct raft *r)
{
  r->round_open = false;
  if (r->own_context != 0) {
    r->update->read.through = r->own_context;
    r->update->read.index = r->round_index;
    r->read_done = r->own_context;
    r->own_context = 0;
  }
  for (size_t i = 0; i < r->view_count; i++) {
    struct raft_view *v = &r->views[i];
    if (v->read_context != 0) {
      struct raft_message *m = raft_send(r, RAFT_READABLE, v->id);
      m->readable.incarnation = v->read_incarnation;
      m->readable.context = v->read_context;
      m->readable.index = r->round_index;
      v->read_context = 0;
    }
  }
}

void raft_read_round(struct raft *r)
{
  if (r->round_open || !r->reads_waiting || r->commit < r->term_start) {
    return;
  }
  r->round_open = true;
  r->reads_waiting = false;
  r->round++;
  r->round_index = r->commit;
  r->own_context = r->own_waiting;
  r->own_waiting = 0;
  for (size_t i = 0; i < r->view_count; i++) {
    struct raft_view *v = &r->views[i];
    v->read_incarnation = v->waiting_incarnation;
    v->read_context = v->waiting_context;
    v->waiting_context = 0;
  }
  if (raft_majority(r, has_confirmed)) {
    close_round(r);
    return;
  }
  for (size_t i = 0; i < r->view_count; i++) {
    if (r->views[i].voice & (RAFT_VOTER | RAFT_OLD_VOTER)) {
      raft_heartbeat(r, &r->views[i]);
    }
  }
}

void raft_read_confirm(struct raft *r, struct raft_view *v, uint64_t round)
{
  if (round <= v->round || round > r->round) {
    return;
  }
  v->round = round;
  if (r->round_open && round == r->round && raft_majority(r, has_confirmed)) {
    close_round(r);
    raft_read_round(r);
  }
}

void raft_on_read(struct raft *r, const struct raft_message *m)
{
  struct raft_view *v = r->role == RAFT_LEADER ? raft_view_find(r, m->from) : NULL;
  if (v == NULL || m->read.context == 0) {
    return;
  }
  if (v->waiting_context != 0 && v->waiting_incarnation == m->read.incarnation && v->waiting_context >= m->read.context) {
    return;
  }
  v->waiting_incarnation = m->read.incarnation;
  v->waiting_context = m->read.context;
  r->reads_waiting = true;
  raft_read_round(r);
}

void raft_on_readable(struct raft *r, const struct raft_message *m)
{
  if (m->readable.incarnation != r->config.incarnation || m->readable.context > r->read_last || !raft_hear_leader(r, m->from)) {
    return;
  }
  /* The index is one that the leader has committed. */
  uint64_t committed = m->readable.index < r->verified ? m->readable.index : r->verified;
  if (committed > r->commit) {
    raft_commit_to(r, committed);
  }
  if (m->readable.context > r->read_done) {
    r->read_done = m->readable.context;
    r->update->read.through = m->readable.context;
    r->update->read.index = m->readable.index;
  }
}
