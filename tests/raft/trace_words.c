/* What members do, in words. */
#include <string.h>

#include "raft/trace.h"

typedef unsigned long long number;

static void put_voices(struct buf *out, const struct raft_configuration *c, uint8_t voice, const char *name, const char **separator)
{
  bool first = true;
  for (size_t i = 0; i < c->count; i++) {
    if (c->members[i].voice & voice) {
      if (first) {
        buf_printf(out, "%s%s", *separator, name);
        *separator = ", ";
      }
      buf_printf(out, " %llu", (number)c->members[i].id);
      first = false;
    }
  }
}

void trace_put_configuration(struct buf *out, const struct raft_configuration *c)
{
  const char *separator = "";
  put_voices(out, c, RAFT_VOTER, "voters", &separator);
  put_voices(out, c, RAFT_OLD_VOTER, "old voters", &separator);
  put_voices(out, c, RAFT_LEARNER, "learners", &separator);
  if (*separator == '\0') {
    buf_append_str(out, "nobody");
  }
}

static void put_position(struct buf *out, uint64_t index, uint64_t term)
{
  buf_printf(out, "%llu^%llu", (number)index, (number)term);
}

void trace_put_entry(struct buf *out, uint64_t index, const struct core_entry *e)
{
  put_position(out, index, e->term);
  if (e->type == RAFT_NOOP) {
    buf_append_str(out, " no-op");
  } else if (e->type == RAFT_CONFIGURATION) {
    buf_append_str(out, " [");
    trace_put_configuration(out, e->configuration);
    buf_append_char(out, ']');
  } else if (e->text[0] != '\0') {
    buf_printf(out, " %s", e->text);
  }
}

/* ---- messages ---- */

static void put_append(struct buf *out, const struct core_message *m)
{
  if (m->m.append.count == 0) {
    buf_append_str(out, "append nothing");
  } else {
    buf_append_str(out, "append ");
  }
  for (size_t i = 0; i < m->m.append.count; i++) {
    buf_append_str(out, i > 0 ? ", " : "");
    trace_put_entry(out, m->m.append.prev_index + 1 + i, &m->entries[i]);
  }
  buf_append_str(out, " after ");
  put_position(out, m->m.append.prev_index, m->m.append.prev_term);
  buf_printf(out, ", commit %llu", (number)m->m.append.commit);
}

static void put_vote(struct buf *out, const struct raft_message *m)
{
  buf_printf(out, "%s %s", m->vote.pre ? "pre-vote" : "vote", m->vote.granted ? "granted" : "refused");
}

static void put_install(struct buf *out, const struct raft_message *m)
{
  buf_append_str(out, "snapshot ");
  put_position(out, m->install.index, m->install.log_term);
  buf_printf(out, ", bytes %llu to %llu of %llu", (number)m->install.offset, (number)(m->install.offset + m->install.length),
             (number)m->install.size);
}

void trace_put_message(struct buf *out, const struct core_message *message)
{
  const struct raft_message *m = &message->m;
  buf_printf(out, "%llu>%llu term %llu: ", (number)m->from, (number)m->to, (number)m->term);
  switch (m->type) {
  case RAFT_REQUEST_VOTE:
    buf_printf(out, "%s for %llu? log ends at ", m->request_vote.pre ? "pre-vote" : "vote", (number)m->from);
    put_position(out, m->request_vote.last_index, m->request_vote.last_term);
    buf_append_str(out, m->request_vote.transfer ? ", the leader wants it" : "");
    break;
  case RAFT_VOTE:
    put_vote(out, m);
    break;
  case RAFT_APPEND:
    put_append(out, message);
    break;
  case RAFT_APPENDED:
    if (m->appended.rejected) {
      buf_append_str(out, "no match, at most ");
      put_position(out, m->appended.hint, m->appended.hint_term);
    } else {
      buf_printf(out, "match up to %llu", (number)m->appended.match);
    }
    break;
  case RAFT_INSTALL:
    put_install(out, m);
    break;
  case RAFT_INSTALLED:
    buf_printf(out, m->installed.done ? "snapshot %llu installed" : "snapshot %llu, next from byte ", (number)m->installed.index);
    if (!m->installed.done) {
      buf_printf(out, "%llu", (number)m->installed.offset);
    }
    break;
  case RAFT_TIMEOUT_NOW:
    buf_append_str(out, "campaign now");
    break;
  case RAFT_READ:
    buf_printf(out, "read index? for read %llu", (number)m->read.context);
    break;
  case RAFT_READABLE:
    buf_printf(out, "read index %llu, for read %llu", (number)m->readable.index, (number)m->readable.context);
    break;
  case RAFT_MESSAGE_TYPES:
    break;
  }
}

/* ---- steps ---- */

static void put_role(struct buf *out, const struct raft_status *s)
{
  switch (s->role) {
  case RAFT_FOLLOWER:
    if (s->leader > 0) {
      buf_printf(out, "follows %llu in term %llu", (number)s->leader, (number)s->term);
    } else {
      buf_printf(out, "follows nobody in term %llu", (number)s->term);
    }
    break;
  case RAFT_PRE_CANDIDATE:
    buf_printf(out, "is a pre-candidate in term %llu", (number)s->term);
    break;
  case RAFT_CANDIDATE:
    buf_printf(out, "is a candidate in term %llu", (number)s->term);
    break;
  case RAFT_LEADER:
    buf_printf(out, "leads term %llu", (number)s->term);
    break;
  }
}

static void put_append_unit(struct buf *out, const struct core *c)
{
  const struct raft_append *a = &c->u.append;
  number id = c->config.id;
  if (a->sequence == 0) {
    return;
  }
  if (a->truncate_from > 0) {
    buf_printf(out, "  %llu deletes its log from %llu on\n", id, (number)a->truncate_from);
  }
  if (a->hard) {
    buf_printf(out, "  %llu keeps term %llu and %s", id, (number)a->term, a->vote == 0 ? "no vote" : "its vote for");
    if (a->vote > 0) {
      buf_printf(out, " %llu", (number)a->vote);
    }
    buf_append_char(out, '\n');
  }
  if (a->snapshot) {
    buf_printf(out, "  %llu begins its log with snapshot ", id);
    put_position(out, a->snapshot_index, a->snapshot_term);
    buf_printf(out, a->reset ? " and keeps nothing else\n" : " and keeps what is from %llu on\n", (number)a->first_kept);
  }
  if (a->count > 0) {
    buf_printf(out, "  %llu appends ", id);
    for (size_t i = 0; i < a->count; i++) {
      buf_append_str(out, i > 0 ? ", " : "");
      trace_put_entry(out, a->first + i, core_image_entry(&c->log, a->first + i));
    }
    buf_append_char(out, '\n');
  }
}

static void put_commit(struct buf *out, const struct core *c, uint64_t from, uint64_t to)
{
  if (to <= from) {
    return;
  }
  buf_printf(out, "  %llu commits ", (number)c->config.id);
  const char *separator = "";
  if (from + 1 < c->log.first) { /* through a snapshot */
    from = c->log.first - 1 < to ? c->log.first - 1 : to;
    buf_printf(out, "up to %llu", (number)from);
    separator = ", ";
  }
  for (uint64_t i = from + 1; i <= to; i++) {
    buf_append_str(out, separator);
    trace_put_entry(out, i, core_image_entry(&c->log, i));
    separator = ", ";
  }
  buf_append_char(out, '\n');
}

/* A configuration that is effective because others are gone, or because of a snapshot: not seen from what is appended. */
static void put_fallback(struct buf *out, const struct core *c, const struct raft_status *before, const struct raft_status *now)
{
  if (now->configuration_index == before->configuration_index) {
    return;
  }
  const struct core_entry *e = core_image_entry(&c->log, now->configuration_index);
  if (now->configuration_index < before->configuration_index || e == NULL) {
    buf_printf(out, "  %llu goes by ", (number)c->config.id);
    trace_put_configuration(out, raft_configuration(c->r));
    buf_append_char(out, '\n');
  }
}

void trace_put_step(struct buf *out, const struct core *c, const struct raft_status *before)
{
  number id = c->config.id;
  if (c->error == ERROR_INVARIANT) {
    buf_printf(out, "  %llu fails for good: %s\n", id, error_text(c->error));
    return;
  }
  if (c->error != 0) {
    buf_printf(out, "  %llu refuses: %s\n", id, error_name(c->error));
    return;
  }
  struct raft_status now = core_status(c);
  if (now.role != before->role || now.term != before->term || now.leader != before->leader) {
    buf_printf(out, "  %llu ", id);
    put_role(out, &now);
    buf_append_char(out, '\n');
  }
  put_append_unit(out, c);
  put_fallback(out, c, before, &now);
  if (c->u.chunk.present) {
    buf_printf(out, "  %llu takes bytes %llu to %llu of snapshot ", id, (number)c->u.chunk.offset,
               (number)(c->u.chunk.offset + c->u.chunk.length));
    put_position(out, c->u.chunk.index, c->u.chunk.log_term);
    buf_append_str(out, c->u.chunk.last ? ", the last\n" : "\n");
  }
  put_commit(out, c, before->commit, now.commit);
  if (c->u.read.through > 0) {
    buf_printf(out, "  %llu may serve its reads up to number %llu, at index %llu\n", id, (number)c->u.read.through,
               (number)c->u.read.index);
  }
}

void trace_put_status(struct buf *out, const struct core *c)
{
  struct raft_status s = core_status(c);
  buf_printf(out, "  %llu ", (number)c->config.id);
  put_role(out, &s);
  buf_printf(out, ", commit %llu, log", (number)s.commit);
  if (c->log.first > 1) {
    buf_printf(out, " from %llu:", (number)c->log.first);
  }
  for (uint64_t i = c->log.first; i <= core_image_last(&c->log); i++) {
    buf_printf(out, " %llu", (number)core_image_entry(&c->log, i)->term);
  }
  if (c->log.count == 0) {
    buf_append_str(out, " empty");
  }
  if (s.durable_index < s.last_index) {
    buf_printf(out, ", durable up to %llu", (number)s.durable_index);
  }
  buf_append_char(out, '\n');
}
