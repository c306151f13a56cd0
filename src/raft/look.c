/* Looks at a core from outside. */
#include "raft/internal.h"

uint64_t raft_deadline(const struct raft *r)
{
  if (r->failure[0] != 0) {
    return UINT64_MAX;
  }
  if (!r->started) {
    return 0;
  }
  if (r->role == RAFT_LEADER) {
    uint64_t due = r->heartbeat_ns < r->quorum_ns ? r->heartbeat_ns : r->quorum_ns;
    return r->transferee != 0 && r->transfer_ns < due ? r->transfer_ns : due;
  }
  uint64_t due = r->timer_ns + r->span_ns;
  if (r->read_last > r->read_done && r->leader != 0 && r->read_ns + r->config.election_timeout_ns < due) {
    due = r->read_ns + r->config.election_timeout_ns;
  }
  return due;
}

const char *raft_failure(const struct raft *r)
{
  return r->failure[0] != 0 ? r->failure : NULL;
}

void raft_status(const struct raft *r, struct raft_status *out)
{
  const struct raft_log *log = &r->log;
  *out = (struct raft_status){
      .role = r->role,
      .term = r->term,
      .vote = r->vote,
      .leader = r->leader,
      .commit = r->commit,
      .last_index = log->last,
      .last_term = log->last_term,
      .durable_index = log->durable_index,
      .durable_term = log->durable_term,
      .durable_vote = log->durable_vote,
      .first_index = log->first,
      .snapshot_index = log->snapshot_index,
      .snapshot_term = log->snapshot_term,
      .configuration_index = raft_log_effective(log)->index,
      .committed_configuration_index = log->made[log->committed]->index,
      .transferee = r->transferee,
      .changing = raft_changing(r),
      .sequence = log->sequence,
      .persisted = log->persisted,
  };
}

enum raft_role raft_role(const struct raft *r)
{
  return r->role;
}

uint64_t raft_term(const struct raft *r)
{
  return r->term;
}

uint64_t raft_leader(const struct raft *r)
{
  return r->leader;
}

const struct raft_configuration *raft_configuration(const struct raft *r)
{
  return &raft_log_effective(&r->log)->configuration;
}

const struct raft_configuration *raft_committed_configuration(const struct raft *r)
{
  return &r->log.made[r->log.committed]->configuration;
}

const struct raft_configuration *raft_configuration_at(const struct raft *r, uint64_t index, uint64_t *made_at)
{
  if (index < r->log.made[0]->index || index > r->log.last) {
    return NULL;
  }
  const struct raft_made *made = raft_log_made_at(&r->log, index);
  *made_at = made->index;
  return &made->configuration;
}

size_t raft_peer_count(const struct raft *r)
{
  size_t n = 0;
  while (n < r->view_count && r->views[n].voice != 0) {
    n++;
  }
  return n;
}

void raft_peer(const struct raft *r, size_t i, struct raft_peer_status *out)
{
  const struct raft_view *v = &r->views[i];
  *out = (struct raft_peer_status){
      .id = v->id,
      .voice = v->voice,
      .progress = v->progress,
      .match = v->match,
      .next = v->next,
      .inflight = v->progress == RAFT_REPLICATE ? v->flight_count : v->probing,
      .recent = raft_view_recent(r, v),
      .snapshot_offset = v->progress == RAFT_SNAPSHOT ? v->snapshot_offset : 0,
  };
}

bool raft_entry(const struct raft *r, uint64_t index, struct raft_entry *out)
{
  const struct raft_log *log = &r->log;
  if (index < log->first || index > log->last) {
    bool known = index != 0 && index == log->snapshot_index;
    *out = (struct raft_entry){.term = known ? log->snapshot_term : 0};
    return known;
  }
  uint64_t end = log->ends[index & (log->cap - 1)];
  *out = (struct raft_entry){
      .term = raft_log_term(log, index), .size = (uint32_t)raft_log_bytes(log, index, index), .type = (uint8_t)(end & 3)};
  if (out->type == RAFT_CONFIGURATION) {
    const struct raft_made *made = raft_log_made_at(log, index);
    out->configuration = made->index == index ? &made->configuration : NULL;
  }
  return true;
}
