/* Appends (figure 2) and snapshots (figure 13) at their receiver. */
#include <string.h>

#include "raft/internal.h"

/* ---- answers ---- */

static struct raft_message *answer(struct raft *r, const struct raft_message *m)
{
  struct raft_message *reply = raft_send(r, RAFT_APPENDED, m->from);
  reply->after = raft_after(r);
  reply->appended.session = m->append.session;
  reply->appended.incarnation = r->config.incarnation;
  reply->appended.round = m->append.round;
  reply->appended.rejected = false;
  reply->appended.match = 0;
  reply->appended.hint = 0;
  reply->appended.hint_term = 0;
  return reply;
}

static void accept(struct raft *r, const struct raft_message *m, uint64_t match, bool at_once)
{
  if (at_once && match > r->log.durable_index) {
    match = r->log.durable_index;
  }
  uint64_t covers = raft_log_covers(&r->log, match);
  struct raft_message *reply = answer(r, m);
  reply->appended.match = match;
  if (covers > reply->after) {
    reply->after = covers;
  }
}

static void reject(struct raft *r, const struct raft_message *m)
{
  const struct raft_log *log = &r->log;
  uint64_t hint = raft_log_agree(log, m->append.prev_index - 1, m->append.prev_term);
  if (hint < r->commit) {
    hint = r->commit;
  }
  struct raft_message *reply = answer(r, m);
  reply->appended.rejected = true;
  reply->appended.hint = hint;
  reply->appended.hint_term = raft_log_term(log, hint);
}

static void answer_chunk(struct raft *r, const struct raft_message *m, uint64_t offset, bool done)
{
  struct raft_message *reply = raft_send(r, RAFT_INSTALLED, m->from);
  reply->after = raft_after(r);
  reply->installed.session = m->install.session;
  reply->installed.incarnation = r->config.incarnation;
  reply->installed.index = m->install.index;
  reply->installed.offset = offset;
  reply->installed.done = done;
  reply->installed.round = m->install.round;
  if (done) {
    uint64_t covers = raft_log_covers(&r->log, m->install.index);
    reply->after = covers > reply->after ? covers : reply->after;
  }
}

/* A leader of an earlier term is told of this one: so it steps down, also if this member's votes would not have made it do so. */
void raft_refuse_old_leader(struct raft *r, const struct raft_message *m)
{
  if (m->type == RAFT_INSTALL) {
    answer_chunk(r, m, 0, false);
  } else {
    answer(r, m)->appended.rejected = true;
  }
}

/* ---- appends ---- */

/* Whether entries can be what a leader of this term sends after an entry of prev_term: terms ascend, and configurations are some. */
static bool make_sense(const struct raft_message *m)
{
  uint64_t term = m->append.prev_term;
  const struct raft_entry *e = m->append.entries;
  if (m->append.count > 0 && e == NULL) {
    return false;
  }
  for (size_t i = 0; i < m->append.count; i++) {
    if (e[i].term < term || e[i].type > RAFT_CONFIGURATION) {
      return false;
    }
    if (e[i].type == RAFT_CONFIGURATION && (e[i].configuration == NULL || !raft_configuration_valid(e[i].configuration))) {
      return false;
    }
    term = e[i].term;
  }
  return term <= m->term && (m->append.count == 0 || e[0].term > 0);
}

/* Whether the entry before those of an append is here (figure 2, AppendEntries 2). What is committed is, with every leader. */
static bool follows(struct raft *r, const struct raft_message *m)
{
  uint64_t prev = m->append.prev_index;
  if (prev > r->log.last) {
    return false;
  }
  if (!raft_log_knows(&r->log, prev)) {
    return true; /* before what is kept */
  }
  if (raft_log_term(&r->log, prev) == m->append.prev_term) {
    return true;
  }
  if (prev <= r->commit && prev > 0) {
    raft_fail(r, "member %llu has (%llu, term %llu), here committed of term %llu", (unsigned long long)m->from, (unsigned long long)prev,
              (unsigned long long)m->append.prev_term, (unsigned long long)raft_log_term(&r->log, prev));
  }
  return prev == 0;
}

/* How many of an append's entries are here already. */
static size_t known(const struct raft *r, const struct raft_message *m)
{
  const struct raft_log *log = &r->log;
  uint64_t index = m->append.prev_index + 1;
  size_t i = 0;
  while (i < m->append.count && index + i <= log->last &&
         (!raft_log_knows(log, index + i) || raft_log_term(log, index + i) == m->append.entries[i].term)) {
    i++;
  }
  return i;
}

/* Figure 2, AppendEntries 3 and 4: takes the entries of an append from number `skip` on. */
static bool take(struct raft *r, const struct raft_message *m, size_t skip)
{
  uint64_t first = m->append.prev_index + 1 + skip;
  size_t count = m->append.count - skip;
  struct raft_append *a = &r->update->append;
  if (first <= r->commit) {
    raft_fail(r, "member %llu sends (%llu, term %llu), here committed of term %llu", (unsigned long long)m->from, (unsigned long long)first,
              (unsigned long long)m->append.entries[skip].term, (unsigned long long)raft_log_term(&r->log, first));
    return false;
  }
  bool reconfigured = false;
  if (first <= r->log.last) {
    a->truncate_from = first;
    if (r->verified >= first) {
      r->verified = first - 1;
    }
    reconfigured = raft_log_truncate(&r->log, first);
  }
  raft_asks(r);
  struct raft_entry *entries = raft_entries(r, count);
  memcpy(entries, m->append.entries + skip, count * sizeof *entries);
  a->first = first;
  a->count = count;
  a->skip = skip;
  reconfigured |= raft_log_append(&r->log, entries, count);
  if (reconfigured) {
    raft_reconfigured(r);
  }
  return true;
}

void raft_on_append(struct raft *r, const struct raft_message *m)
{
  if (!raft_hear_leader(r, m->from) || !make_sense(m)) {
    return;
  }
  if (!follows(r, m)) {
    if (r->failure[0] == 0) {
      reject(r, m);
    }
    return;
  }
  size_t here = m->append.prev_index == r->log.last ? 0 : known(r, m);
  uint64_t match = m->append.prev_index + here;
  if (here < m->append.count && !r->full) {
    if (!take(r, m, here)) {
      return;
    }
    match = m->append.prev_index + m->append.count;
  }
  if (match > r->verified) {
    r->verified = match;
  }
  /* Figure 2, AppendEntries 5; what earlier appends of this leader have verified stays so. */
  uint64_t commit = m->append.commit < r->verified ? m->append.commit : r->verified;
  if (commit > r->commit) {
    raft_commit_to(r, commit);
  }
  accept(r, m, match, m->append.count == 0);
}

/* ---- snapshots ---- */

static bool chunk_makes_sense(const struct raft_message *m)
{
  const struct raft_configuration *c = m->install.configuration;
  return m->install.index > 0 && m->install.index < RAFT_NUMBER_MAX && m->install.size < RAFT_NUMBER_MAX && m->install.log_term > 0 &&
         m->install.log_term <= m->term && m->install.offset <= m->install.size &&
         m->install.length <= m->install.size - m->install.offset && (m->install.length > 0 || m->install.size == 0) &&
         m->install.configuration_index <= m->install.index && c != NULL && c->count > 0 && raft_configuration_valid(c);
}

static bool is_of_incoming(const struct raft *r, const struct raft_message *m)
{
  const struct raft_incoming *in = &r->incoming;
  return in->active && in->from == m->from && in->session == m->install.session && in->index == m->install.index &&
         in->log_term == m->install.log_term && in->size == m->install.size;
}

void raft_on_install(struct raft *r, const struct raft_message *m)
{
  if (!raft_hear_leader(r, m->from) || !chunk_makes_sense(m)) {
    return;
  }
  struct raft_incoming *in = &r->incoming;
  if (m->install.index <= r->commit) {
    if (in->index <= r->commit && !in->complete) {
      in->active = false;
    }
    answer_chunk(r, m, m->install.size, true);
    return;
  }
  if (!is_of_incoming(r, m)) {
    if (in->active && in->complete) {
      return; /* one is being restored: another would be written over it */
    }
    *in = (struct raft_incoming){.active = true,
                                 .from = m->from,
                                 .session = m->install.session,
                                 .index = m->install.index,
                                 .log_term = m->install.log_term,
                                 .size = m->install.size};
  }
  if (in->complete || m->install.offset != in->offset) {
    answer_chunk(r, m, in->offset, false);
    return;
  }
  struct raft_chunk *chunk = &r->update->chunk;
  in->offset += m->install.length;
  in->complete = in->offset == in->size;
  in->configuration_index = m->install.configuration_index;
  in->configuration = *m->install.configuration;
  chunk->present = true;
  chunk->last = in->complete;
  chunk->index = in->index;
  chunk->log_term = in->log_term;
  chunk->offset = m->install.offset;
  chunk->length = m->install.length;
  chunk->configuration_index = in->configuration_index;
  chunk->configuration = &in->configuration;
  answer_chunk(r, m, in->offset, false);
}

/* The log begins with the snapshot: what matches it stays, what conflicts goes (figure 13, 6 and 7). */
static void begin_with(struct raft *r, const struct raft_incoming *in)
{
  struct raft_log *log = &r->log;
  struct raft_append *a = &r->update->append;
  if (r->role != RAFT_FOLLOWER) {
    raft_follow(r, r->term, 0); /* its votes are of another configuration */
  }
  bool matches = in->index <= log->last && raft_log_term(log, in->index) == in->log_term;
  if (matches) {
    raft_log_compact(log, in->index, in->size, log->first);
  } else {
    raft_log_reset(log, in->index, in->log_term);
    log->snapshot_size = in->size;
    r->verified = 0;
  }
  raft_log_set_base(log, &in->configuration, in->configuration_index);
  if (log->durable_index < in->index) {
    log->durable_index = in->index;
  }
  r->promised = raft_asks(r);
  a->snapshot = true;
  a->reset = !matches;
  a->snapshot_index = in->index;
  a->snapshot_term = in->log_term;
  a->first_kept = log->first;
  raft_reconfigured(r);
  raft_commit_to(r, in->index);
}

void raft_installed(struct raft *r, uint64_t index, bool ok)
{
  struct raft_incoming *in = &r->incoming;
  if (!in->active || !in->complete || in->index != index) {
    return;
  }
  /* As if the leader had asked how far it is. */
  struct raft_message asked = {.type = RAFT_INSTALL, .from = in->from, .install = {.session = in->session, .index = index}};
  bool ask_again = !ok && index > r->commit;
  if (ask_again) {
    in->complete = false;
    in->offset = 0;
  } else {
    in->active = false;
    if (index > r->commit) {
      begin_with(r, in);
    }
  }
  if (r->leader == asked.from) {
    answer_chunk(r, &asked, ask_again ? 0 : in->size, !ask_again);
  }
}
