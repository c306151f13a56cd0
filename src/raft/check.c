/* What must hold of a core at any time, and between one look and a later one. */
#include "raft/internal.h"

#define HOLDS(condition, text)                                                                                                             \
  if (!(condition)) {                                                                                                                      \
    return (text);                                                                                                                         \
  }

static const char *check_log(const struct raft_log *log)
{
  HOLDS(log->first >= 1 && log->first <= log->last + 1, "the log ends before it begins")
  HOLDS(log->first <= log->snapshot_index + 1, "entries between the snapshot and the log are missing")
  HOLDS(log->snapshot_index <= log->last, "the log ends before the snapshot")
  HOLDS((log->first == 1) == (log->first_prev_term == 0), "the term of the entry before the log is unknown")
  HOLDS(log->first != log->snapshot_index + 1 || log->first_prev_term == log->snapshot_term, "the log does not go on from the snapshot")
  HOLDS(log->first > log->last || log->run_count > 0, "entries without a term")
  HOLDS(log->run_count == 0 || log->runs[0].first == log->first, "the runs of terms do not begin with the log")
  uint64_t term = log->first_prev_term;
  for (size_t i = 0; i < log->run_count; i++) {
    const struct raft_run *run = &log->runs[i];
    HOLDS(run->term >= term && (i == 0 || run->term > term), "terms go back within the log")
    HOLDS(run->first <= log->last && (i == 0 || run->first > log->runs[i - 1].first), "runs of terms overlap")
    term = run->term;
  }
  HOLDS(log->last_term == term, "the last term is not that of the last entry")

  HOLDS(log->made_count > 0 && log->committed < log->made_count, "no configuration is committed")
  HOLDS(log->made[0]->index <= log->snapshot_index, "no configuration for the snapshot")
  for (size_t i = 0; i < log->made_count; i++) {
    HOLDS(raft_configuration_valid(&log->made[i]->configuration), "a configuration is out of order")
    HOLDS(i == 0 || (log->made[i]->index > log->made[i - 1]->index && log->made[i]->index > log->snapshot_index),
          "configurations are out of order")
    HOLDS(log->made[i]->index <= log->last, "a configuration of no entry")
  }
  return NULL;
}

static const char *check_durability(const struct raft *r)
{
  const struct raft_log *log = &r->log;
  HOLDS(log->persisted <= log->sequence, "more is durable than was asked for")
  HOLDS(log->durable_index <= log->last, "an entry is durable that is not there")
  HOLDS(log->durable_index >= log->snapshot_index || log->first <= log->snapshot_index, "the snapshot is not durable")
  HOLDS(log->durable_term <= r->term, "a later term is durable")
  HOLDS(log->durable_term < r->term || log->durable_vote == 0 || log->durable_vote == r->vote, "another vote of this term is durable")
  uint64_t last = 0;
  for (uint64_t s = log->persisted + 1; s <= log->sequence; s++) {
    const struct raft_unit *unit = &log->units[s & (log->unit_cap - 1)];
    HOLDS(unit->sequence == s && unit->last >= last && unit->last <= log->last, "appends under way are out of order")
    last = unit->last;
  }
  HOLDS(log->persisted == log->sequence || last == log->last, "entries that nothing makes durable")
  HOLDS(log->persisted < log->sequence || log->durable_index == log->last, "entries that nothing has made durable")
  HOLDS(log->persisted < log->sequence || (log->durable_term == r->term && log->durable_vote == r->vote), "a term that nothing keeps")
  return NULL;
}

static const char *check_view(const struct raft *r, const struct raft_view *v)
{
  HOLDS(v->match <= r->log.last, "a member is ahead of its leader")
  HOLDS(v->next > v->match || v->progress == RAFT_SNAPSHOT, "what is sent next is known to be there")
  HOLDS(v->next <= r->log.last + 1, "what is sent next is beyond the log")
  HOLDS(v->round <= r->round, "a round was confirmed that has not begun")
  HOLDS(v->progress == RAFT_REPLICATE || v->flight_count == 0, "more than a probe is under way")
  HOLDS(v->flight_count <= r->config.inflight_messages_max, "more appends are under way than the window takes")
  HOLDS(v->flight_count <= 1 || v->flight_bytes <= r->config.inflight_bytes_max, "more bytes are under way than the window takes")
  HOLDS(v->snapshot_offset <= v->snapshot_size, "more of a snapshot was sent than there is")
  uint64_t last = v->match;
  uint64_t bytes = 0;
  for (size_t i = 0; i < v->flight_count; i++) {
    const struct raft_flight *f = &v->flights[(v->flight_begin + i) & (v->flight_cap - 1)];
    HOLDS(f->last > last, "an append under way was acknowledged")
    last = f->last;
    bytes += f->bytes;
  }
  HOLDS(v->flight_count == 0 || last + 1 == v->next, "the newest append under way does not end before the next one")
  HOLDS(bytes == v->flight_bytes, "the bytes under way are not those of the appends under way")
  return NULL;
}

static const char *check_leader(const struct raft *r)
{
  HOLDS(r->leader == r->config.id && r->vote == r->config.id, "a leader did not vote for itself")
  HOLDS(r->log.durable_term == r->term, "a leader's term is not durable")
  HOLDS(r->term_start <= r->log.last && r->log.last_term == r->term, "a leader has no entry of its term")
  HOLDS(raft_log_term(&r->log, r->term_start) == r->term || r->term_start < r->log.first, "a leader's first entry is of another term")
  const struct raft_configuration *c = raft_configuration(r);
  size_t others = 0;
  for (size_t i = 0; i < c->count; i++) {
    if (c->members[i].id != r->config.id) {
      HOLDS(others < r->view_count && r->views[others].id == c->members[i].id && r->views[others].voice == c->members[i].voice,
            "a leader looks after others than the members")
      others++;
    }
  }
  for (size_t i = 0; i < r->view_count; i++) {
    HOLDS(i < others || r->views[i].voice == 0, "a leader looks after others than the members")
    const char *broken = check_view(r, &r->views[i]);
    if (broken != NULL) {
      return broken;
    }
  }
  return NULL;
}

static const char *check_between(const struct raft *r, const struct raft_status *before)
{
  HOLDS(r->term >= before->term, "the term went back")
  HOLDS(r->term > before->term || before->vote == 0 || r->vote == before->vote, "the vote of a term changed")
  HOLDS(r->commit >= before->commit, "the commit index went back")
  HOLDS(r->log.persisted >= before->persisted && r->log.sequence >= before->sequence, "a sequence went back")
  HOLDS(r->log.snapshot_index >= before->snapshot_index && r->log.first >= before->first_index, "the beginning of the log went back")
  HOLDS(r->log.durable_term >= before->durable_term, "the durable term went back")
  HOLDS(r->term > before->term || before->leader == 0 || r->term_leader == before->leader, "a term has got another leader")
  bool led = before->role == RAFT_LEADER && r->role == RAFT_LEADER && r->term == before->term;
  HOLDS(!led || r->log.last >= before->last_index, "a leader truncated its log")
  return NULL;
}

const char *raft_check(const struct raft *r, const struct raft_status *before)
{
  const char *broken = check_log(&r->log);
  if (broken == NULL) {
    broken = check_durability(r);
  }
  if (broken == NULL && r->role == RAFT_LEADER) {
    broken = check_leader(r);
  }
  if (broken == NULL && before != NULL) {
    broken = check_between(r, before);
  }
  if (broken != NULL) {
    return broken;
  }
  HOLDS(r->log.last_term <= r->term, "an entry of a later term")
  HOLDS(r->commit <= r->log.last, "committed beyond the log")
  HOLDS(r->commit >= r->log.snapshot_index, "a snapshot of what is not committed")
  HOLDS(r->verified <= r->log.last, "verified beyond the log")
  HOLDS(r->role != RAFT_CANDIDATE || r->vote == r->config.id, "a candidate did not vote for itself")
  HOLDS(r->role != RAFT_FOLLOWER || r->leader != r->config.id, "a follower follows itself")
  HOLDS(r->leader == 0 || r->leader == r->term_leader, "the leader was not elected in this term")
  HOLDS(r->read_done <= r->read_last, "a read was answered that nobody has begun")
  return NULL;
}
