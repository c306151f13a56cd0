/* What is committed, and what a commit sets in motion. */
#include "raft/internal.h"

static bool majority_of(const struct raft *r, uint8_t voice, raft_says_fn says)
{
  size_t all = 0;
  size_t yes = 0;
  if (r->own_voice & voice) {
    all++;
    yes++;
  }
  for (size_t i = 0; i < r->view_count; i++) {
    if (r->views[i].voice & voice) {
      all++;
      yes += says(r, &r->views[i]);
    }
  }
  return yes > all / 2;
}

bool raft_majority(const struct raft *r, raft_says_fn says)
{
  return majority_of(r, RAFT_VOTER, says) && (!r->joint || majority_of(r, RAFT_OLD_VOTER, says));
}

/* The newest index that a majority of those with this voice holds durably. */
static uint64_t held_by_majority(const struct raft *r, uint8_t voice)
{
  uint64_t held[RAFT_MEMBERS_MAX + 1]; /* descending */
  size_t n = 0;
  if (r->own_voice & voice) {
    held[n++] = r->log.durable_index; /* thesis 10.2.1: a leader counts like the others, once it has written */
  }
  for (size_t i = 0; i < r->view_count; i++) {
    if (!(r->views[i].voice & voice)) {
      continue;
    }
    uint64_t match = r->views[i].match;
    size_t at = n++;
    while (at > 0 && held[at - 1] < match) {
      held[at] = held[at - 1];
      at--;
    }
    held[at] = match;
  }
  return n == 0 ? 0 : held[n / 2];
}

void raft_leader_commit(struct raft *r)
{
  uint64_t index = held_by_majority(r, RAFT_VOTER);
  if (r->joint) {
    uint64_t old = held_by_majority(r, RAFT_OLD_VOTER);
    index = old < index ? old : index;
  }
  /* Paper 5.4.2: only entries of the current term are committed by counting. */
  if (index > r->commit && index >= r->term_start) {
    raft_commit_to(r, index);
  }
}

/* A member that the effective configuration does not have is told so, and forgotten. */
static void take_leave(struct raft *r)
{
  uint64_t made = raft_log_effective(&r->log)->index;
  bool gone = false;
  for (size_t i = 0; i < r->view_count; i++) {
    struct raft_view *v = &r->views[i];
    if (v->voice != 0) {
      continue;
    }
    bool told = v->match >= made && r->commit >= made;
    if (told) {
      raft_heartbeat(r, v);
    }
    if (told || r->now >= v->leave_ns) {
      v->leave_ns = 0;
      gone = true;
    }
  }
  if (gone) {
    raft_views_update(r);
  }
}

void raft_settle(struct raft *r)
{
  if (r->view_count > 0 && r->views[r->view_count - 1].voice == 0) {
    take_leave(r);
  }
  raft_read_round(r);
  raft_change_advance(r);
}
