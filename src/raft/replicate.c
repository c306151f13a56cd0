/* What a leader sends to the others, and what it learns from their answers (paper 5.3, 7).
 *
 * PROBE: one append at a time, until an answer says where the logs agree. REPLICATE: appends follow each other without waiting, within the
 * windows. An append that got lost is found by the next one, or by a heartbeat, which names the entry before `next`: a member that has a
 * gap there rejects it, and is probed. SNAPSHOT: what it needs next is not in the log any more. */
#include "base/error.h"
#include "raft/internal.h"

/* ---- sending ---- */

static void send_append(struct raft *r, const struct raft_view *v, uint64_t prev, uint64_t count)
{
  struct raft_message *m = raft_send(r, RAFT_APPEND, v->id);
  m->append.session = v->session;
  m->append.prev_index = prev;
  m->append.prev_term = raft_log_term(&r->log, prev);
  m->append.commit = r->commit < prev + count ? r->commit : prev + count; /* no more than the receiver can verify */
  m->append.round = r->round;
  m->append.count = (size_t)count;
  m->append.entries = NULL;
}

static void send_snapshot(struct raft *r, struct raft_view *v)
{
  raft_view_snapshot(r, v);
  raft_send_chunk(r, v);
}

void raft_replicate(struct raft *r, struct raft_view *v)
{
  const struct raft_log *log = &r->log;
  if (v->progress == RAFT_SNAPSHOT || (v->progress == RAFT_PROBE && v->probing)) {
    return;
  }
  if (v->next < log->first) {
    send_snapshot(r, v);
    return;
  }
  if (v->progress == RAFT_PROBE) {
    uint64_t count = v->next <= log->last ? raft_log_fit(log, v->next, r->config.message_bytes_max, r->config.message_entries_max) : 0;
    v->probing = true;
    send_append(r, v, v->next - 1, count);
    return;
  }
  while (v->next <= log->last && v->flight_count < r->config.inflight_messages_max) {
    uint64_t count = raft_log_fit(log, v->next, r->config.message_bytes_max, r->config.message_entries_max);
    uint64_t bytes = raft_log_bytes(log, v->next, v->next + count - 1);
    if (v->flight_count > 0 && v->flight_bytes + bytes > r->config.inflight_bytes_max) {
      return;
    }
    send_append(r, v, v->next - 1, count);
    v->next += count;
    v->sent_ns = r->now;
    raft_view_fly(v, v->next - 1, bytes);
  }
}

void raft_replicate_all(struct raft *r)
{
  for (size_t i = 0; i < r->view_count; i++) {
    raft_replicate(r, &r->views[i]);
  }
}

/* An append without entries. It is answered at once, also by a member whose disk is slow. */
void raft_heartbeat(struct raft *r, struct raft_view *v)
{
  if (v->progress != RAFT_SNAPSHOT && v->next < r->log.first) {
    send_snapshot(r, v);
  }
  /* A heartbeat may overtake entries that were sent just now: then it must not look for a gap. */
  bool overtakes = v->flight_count > 0 && r->now < v->sent_ns + r->config.heartbeat_ns;
  uint64_t prev = v->progress == RAFT_SNAPSHOT || overtakes ? v->match : v->next - 1;
  send_append(r, v, raft_log_knows(&r->log, prev) ? prev : 0, 0);
}

/* A chunk, or its answer, got lost; or the member has the whole snapshot and has not told what became of it. */
static void resume_snapshot(struct raft *r, struct raft_view *v)
{
  if (v->snapshot_offset < v->snapshot_size || v->snapshot_size == 0) {
    if (r->now >= v->snapshot_ns + r->config.heartbeat_ns) {
      raft_send_chunk(r, v);
    }
  } else if (r->now >= v->snapshot_ns + r->config.election_timeout_ns) {
    v->snapshot_offset = v->snapshot_size > r->config.chunk_bytes ? v->snapshot_size - r->config.chunk_bytes : 0;
    raft_send_chunk(r, v);
  }
}

void raft_heartbeat_all(struct raft *r)
{
  for (size_t i = 0; i < r->view_count; i++) {
    struct raft_view *v = &r->views[i];
    v->probing = false;
    if (v->progress == RAFT_SNAPSHOT) {
      resume_snapshot(r, v);
    }
    raft_heartbeat(r, v);
  }
}

void raft_send_chunk(struct raft *r, struct raft_view *v)
{
  if (v->snapshot_index != r->log.snapshot_index) {
    raft_view_snapshot(r, v);
  }
  uint64_t left = v->snapshot_size - v->snapshot_offset;
  const struct raft_made *made = raft_log_made_at(&r->log, v->snapshot_index);
  struct raft_message *m = raft_send(r, RAFT_INSTALL, v->id);
  m->install.session = v->session;
  m->install.index = v->snapshot_index;
  m->install.log_term = r->log.snapshot_term;
  m->install.size = v->snapshot_size;
  m->install.offset = v->snapshot_offset;
  m->install.length = left < r->config.chunk_bytes ? left : r->config.chunk_bytes;
  m->install.configuration_index = made->index;
  m->install.configuration = &made->configuration;
  m->install.round = r->round;
  v->snapshot_ns = r->now;
}

/* ---- transfer ---- */

static void hand_over(struct raft *r, const struct raft_view *v)
{
  if (v->id == r->transferee && !r->transfer_told && v->match == r->log.last) {
    r->transfer_told = true;
    raft_send(r, RAFT_TIMEOUT_NOW, v->id);
  }
}

int raft_transfer(struct raft *r, uint64_t to)
{
  if (r->role != RAFT_LEADER) {
    return ERROR_NOT_LEADER;
  }
  if (r->transferee != 0) {
    return ERROR_BUSY;
  }
  struct raft_view *v = to == 0 ? raft_view_furthest(r) : raft_view_find(r, to);
  if (v == NULL || !(v->voice & RAFT_VOTER)) {
    return ERROR_NODE_NOT_FOUND;
  }
  r->transferee = v->id;
  r->transfer_ns = r->now + r->config.election_timeout_ns;
  r->transfer_told = false;
  hand_over(r, v);
  raft_replicate(r, v);
  return 0;
}

/* ---- answers ---- */

/* Who has answered, if the answer counts: it names the session, and the incarnation that the session is with. */
static struct raft_view *answered_by(struct raft *r, const struct raft_message *m, uint64_t session, uint64_t incarnation)
{
  struct raft_view *v = r->role == RAFT_LEADER ? raft_view_find(r, m->from) : NULL;
  if (v == NULL || v->session != session) {
    return NULL;
  }
  if (v->incarnation != 0 && v->incarnation != incarnation) {
    raft_view_restart(r, v); /* it has started again: what it had acknowledged is not counted on */
    v->incarnation = incarnation;
    raft_replicate(r, v);
    return NULL;
  }
  v->incarnation = incarnation;
  v->heard = true;
  v->heard_ns = r->now;
  return v;
}

/* Its log is this one, and durable, up to an index. */
static void matched(struct raft *r, struct raft_view *v, uint64_t index)
{
  if (index <= v->match) {
    return;
  }
  v->match = index;
  if (v->progress == RAFT_REPLICATE) {
    raft_view_land(v, index);
    if (v->next <= index) {
      v->next = index + 1;
    }
  } else if (v->progress == RAFT_PROBE || index + 1 >= r->log.first) {
    raft_view_replicate(v);
  }
  raft_change_heard(r, v);
  if (index > r->commit) {
    raft_leader_commit(r);
  }
  if (r->transferee != 0) {
    hand_over(r, v);
  }
}

/* Paper 5.3: go back to where the logs can agree, at most to what is known to match. */
static void rejected(struct raft *r, struct raft_view *v, uint64_t hint, uint64_t hint_term)
{
  if (v->progress == RAFT_SNAPSHOT || hint < v->match || hint + 1 >= v->next) {
    return; /* of an append that is not under way any more */
  }
  uint64_t agree = raft_log_agree(&r->log, hint, hint_term);
  if (agree > hint) {
    agree = hint;
  }
  raft_view_probe(v, (agree > v->match ? agree : v->match) + 1);
}

void raft_on_appended(struct raft *r, const struct raft_message *m)
{
  struct raft_view *v = answered_by(r, m, m->appended.session, m->appended.incarnation);
  if (v == NULL) {
    return;
  }
  if (m->appended.rejected) {
    rejected(r, v, m->appended.hint, m->appended.hint_term);
  } else if (m->appended.match <= r->log.last) {
    matched(r, v, m->appended.match);
  }
  if (v->next <= r->log.last || v->progress == RAFT_PROBE) {
    raft_replicate(r, v);
  }
  raft_read_confirm(r, v, m->appended.round);
}

void raft_on_installed(struct raft *r, const struct raft_message *m)
{
  struct raft_view *v = answered_by(r, m, m->installed.session, m->installed.incarnation);
  if (v == NULL) {
    return;
  }
  bool current = v->progress == RAFT_SNAPSHOT && m->installed.index == v->snapshot_index;
  if (m->installed.done && m->installed.index <= r->commit) {
    matched(r, v, m->installed.index);
    if (current && v->progress == RAFT_SNAPSHOT) {
      raft_view_replicate(v); /* starts over if more has gone meanwhile */
    }
    raft_replicate(r, v);
  } else if (current && m->installed.offset > v->snapshot_offset && m->installed.offset <= v->snapshot_size) {
    v->snapshot_offset = m->installed.offset;
    v->snapshot_ns = r->now;
    raft_change_heard(r, v);
    if (v->snapshot_offset < v->snapshot_size) {
      raft_send_chunk(r, v);
    }
  } else if (current && m->installed.offset < v->snapshot_offset) {
    v->snapshot_offset = m->installed.offset;
    if (v->snapshot_offset == 0) {
      raft_send_chunk(r, v); /* it has to begin anew; else this may be an old answer, and there is time */
    }
  }
  raft_read_confirm(r, v, m->installed.round);
}
