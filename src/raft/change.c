/* Changes of members by joint consensus (paper 6).
 *
 * A change runs through at most three entries: new voters become learners (and other learners come and go); when that is committed and
 * they have caught up (thesis 4.2.1), the joint configuration of the old voters and the new ones; when that is committed, the new one
 * alone. What has to follow a joint configuration can be read from it, so that another leader can finish what one has begun: an old voter
 * that is to stay as a learner is marked as both. */
#include "base/error.h"
#include "raft/internal.h"

enum {
  GIVE_UP_TIMEOUTS = 10, /* without any progress of those that are to catch up */
};

static bool is_voice(uint8_t voice)
{
  return voice == RAFT_VOTER || voice == RAFT_OLD_VOTER || voice == RAFT_LEARNER || voice == (RAFT_VOTER | RAFT_OLD_VOTER) ||
         voice == (RAFT_OLD_VOTER | RAFT_LEARNER);
}

bool raft_configuration_valid(const struct raft_configuration *c)
{
  uint64_t last = 0;
  for (size_t i = 0; i < c->count && i < RAFT_MEMBERS_MAX; i++) {
    if (c->members[i].id <= last || !is_voice(c->members[i].voice)) {
      return false;
    }
    last = c->members[i].id;
  }
  return c->count <= RAFT_MEMBERS_MAX;
}

static uint8_t voice_in(const struct raft_configuration *c, uint64_t id)
{
  const struct raft_member *m = raft_configuration_find(c, id);
  return m != NULL ? m->voice : 0;
}

static bool same(const struct raft_configuration *a, const struct raft_configuration *b)
{
  if (a->count != b->count) {
    return false;
  }
  for (size_t i = 0; i < a->count; i++) {
    if (a->members[i].id != b->members[i].id || a->members[i].voice != b->members[i].voice) {
      return false;
    }
  }
  return true;
}

/* ---- the three configurations ---- */

/* The voters of today; whoever else is wanted, learns. False: RAFT_MEMBERS_MAX, here and below. */
static bool with_learners(const struct raft_configuration *now, const struct raft_configuration *target, struct raft_configuration *out)
{
  bool fits = true;
  *out = (struct raft_configuration){0};
  for (size_t i = 0; i < now->count; i++) {
    if (now->members[i].voice & RAFT_VOTER) {
      fits &= raft_configuration_set(out, now->members[i].id, RAFT_VOTER);
    }
  }
  for (size_t i = 0; i < target->count; i++) {
    if (voice_in(out, target->members[i].id) == 0) {
      fits &= raft_configuration_set(out, target->members[i].id, RAFT_LEARNER);
    }
  }
  return fits;
}

static bool joint_of(const struct raft_configuration *now, const struct raft_configuration *target, struct raft_configuration *out)
{
  bool fits = true;
  *out = *target;
  for (size_t i = 0; i < now->count; i++) {
    if (now->members[i].voice & RAFT_VOTER) {
      uint64_t id = now->members[i].id;
      fits &= raft_configuration_set(out, id, voice_in(target, id) | RAFT_OLD_VOTER);
    }
  }
  return fits;
}

static void final_of(const struct raft_configuration *joint, struct raft_configuration *out)
{
  *out = (struct raft_configuration){0};
  for (size_t i = 0; i < joint->count; i++) {
    uint8_t voice = joint->members[i].voice & (RAFT_VOTER | RAFT_LEARNER);
    if (voice != 0) {
      raft_configuration_set(out, joint->members[i].id, voice);
    }
  }
}

static bool has_voters(const struct raft_configuration *c, uint8_t voices)
{
  bool any = false;
  for (size_t i = 0; i < c->count; i++) {
    if (c->members[i].voice & ~voices) {
      return false;
    }
    any |= c->members[i].voice == RAFT_VOTER;
  }
  return any;
}

/* ---- one step after the other ---- */

static bool is_committed(const struct raft *r)
{
  return r->log.committed + 1 == r->log.made_count && raft_log_effective(&r->log)->index <= r->commit;
}

static void append(struct raft *r, const struct raft_configuration *c, enum raft_change_phase phase)
{
  struct raft_configuration copy = *c;
  r->change.phase = phase;
  raft_append_own(r, RAFT_CONFIGURATION, &copy);
  raft_replicate_all(r);
}

static void begin_catching_up(struct raft *r)
{
  r->change.phase = RAFT_CHANGE_CATCH_UP;
  r->change.moved_ns = r->now;
  for (size_t i = 0; i < r->view_count; i++) {
    struct raft_view *v = &r->views[i];
    v->catching_up = v->voice == RAFT_LEARNER && voice_in(&r->change.target, v->id) == RAFT_VOTER;
    v->caught_up = false;
    v->catch_end = r->log.last;
    v->catch_ns = r->now;
    if (v->catching_up && v->match >= v->catch_end) {
      v->caught_up = true;
    }
  }
}

int raft_change(struct raft *r, const struct raft_configuration *target)
{
  if (r->role != RAFT_LEADER) {
    return ERROR_NOT_LEADER;
  }
  if (!raft_configuration_valid(target) || !has_voters(target, RAFT_VOTER | RAFT_LEARNER)) {
    return ERROR_MALFORMED;
  }
  if (raft_changing(r) || r->transferee != 0 || r->commit < r->term_start) {
    return ERROR_BUSY;
  }
  if (r->full) {
    return ERROR_DISK_FULL;
  }
  const struct raft_configuration *now = raft_configuration(r);
  struct raft_configuration learning;
  struct raft_configuration joint;
  if (!with_learners(now, target, &learning) || !joint_of(now, target, &joint)) {
    return ERROR_MALFORMED;
  }
  if (same(now, target)) {
    return 0;
  }
  r->change.before = *now;
  r->change.target = *target;
  if (same(&learning, target)) {
    append(r, target, RAFT_CHANGE_FINAL); /* no voter comes or goes */
    return 0;
  }
  if (!same(&learning, now)) {
    append(r, &learning, RAFT_CHANGE_CATCH_UP);
  }
  begin_catching_up(r);
  raft_change_advance(r);
  return 0;
}

/* A round of catching up ends where the log ended when it began; one that takes less than an election timeout is the last. */
void raft_change_heard(struct raft *r, struct raft_view *v)
{
  if (!v->catching_up) {
    return;
  }
  r->change.moved_ns = r->now;
  if (v->match < v->catch_end) {
    return;
  }
  if (r->now - v->catch_ns <= r->config.election_timeout_ns) {
    v->caught_up = true;
    r->commit_moved = true; /* have the change looked at */
  }
  v->catch_end = r->log.last;
  v->catch_ns = r->now;
}

static bool all_caught_up(const struct raft *r)
{
  for (size_t i = 0; i < r->view_count; i++) {
    if (r->views[i].catching_up && !r->views[i].caught_up) {
      return false;
    }
  }
  return true;
}

static void catch_up(struct raft *r)
{
  struct raft_configuration next;
  if (all_caught_up(r)) {
    joint_of(raft_configuration(r), &r->change.target, &next);
    append(r, &next, RAFT_CHANGE_JOINT);
  } else if (r->now - r->change.moved_ns >= GIVE_UP_TIMEOUTS * r->config.election_timeout_ns) {
    if (same(raft_configuration(r), &r->change.before)) {
      r->change.phase = RAFT_CHANGE_NONE;
    } else {
      next = r->change.before;
      append(r, &next, RAFT_CHANGE_FINAL);
    }
  } else {
    return;
  }
  for (size_t i = 0; i < r->view_count; i++) {
    r->views[i].catching_up = false;
  }
}

/* A leader that has no vote any more leaves, once that is committed (thesis 4.2.2), and has the furthest of the voters take over. */
static void leave(struct raft *r)
{
  for (size_t i = 0; i < r->view_count; i++) {
    raft_heartbeat(r, &r->views[i]);
  }
  struct raft_view *v = raft_view_furthest(r);
  if (v != NULL) {
    raft_send(r, RAFT_TIMEOUT_NOW, v->id);
  }
  raft_follow(r, r->term, 0);
}

void raft_change_advance(struct raft *r)
{
  if (r->commit < r->term_start || !is_committed(r)) {
    return;
  }
  if (r->joint) {
    if (!r->full) {
      struct raft_configuration next;
      final_of(raft_configuration(r), &next);
      append(r, &next, RAFT_CHANGE_FINAL);
    }
  } else if (!(r->own_voice & RAFT_VOTER)) {
    leave(r);
  } else if (r->change.phase == RAFT_CHANGE_CATCH_UP) {
    if (!r->full) {
      catch_up(r);
    }
  } else {
    r->change.phase = RAFT_CHANGE_NONE;
  }
}

bool raft_changing(const struct raft *r)
{
  return r->joint || r->change.phase != RAFT_CHANGE_NONE || raft_log_effective(&r->log)->index > r->commit;
}
