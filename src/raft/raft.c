/* A core's life, its events, and how their effects gather. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "raft/internal.h"

/* ---- life ---- */

static void set_defaults(struct raft_config *c)
{
#define DEFAULT(field, value)                                                                                                              \
  if (c->field == 0) {                                                                                                                     \
    c->field = (value);                                                                                                                    \
  }
  DEFAULT(election_timeout_ns, UINT64_C(300000000))
  DEFAULT(heartbeat_ns, UINT64_C(100000000))
  DEFAULT(inflight_messages_max, 64)
  DEFAULT(inflight_bytes_max, 1u << 20)
  DEFAULT(message_bytes_max, 256u << 10)
  DEFAULT(message_entries_max, 4096)
  DEFAULT(chunk_bytes, 64u << 10)
  DEFAULT(uncommitted_bytes_max, 16u << 20)
  DEFAULT(tail_entries, 1024)
#undef DEFAULT
}

struct raft *raft_new(const struct raft_config *config, const struct raft_recovered *recovered)
{
  assert(config->id != 0);
  struct raft *r = memory_zeroed(1, sizeof *r);
  r->config = *config;
  set_defaults(&r->config);
  prng_init(&r->prng, config->seed);
  raft_log_init(&r->log, recovered);
  r->term = recovered->term;
  r->vote = recovered->vote;
  r->commit = r->log.snapshot_index;
  raft_log_committed(&r->log, r->commit);
  raft_reconfigured(r);
  if (r->log.last_term > r->term) {
    raft_fail(r, "recovered: an entry of term %llu in term %llu", (unsigned long long)r->log.last_term, (unsigned long long)r->term);
  }
  return r;
}

void raft_free(struct raft *r)
{
  if (r == NULL) {
    return;
  }
  for (size_t i = 0; i < r->view_cap; i++) {
    free(r->views[i].flights);
  }
  free(r->views);
  free(r->messages);
  free(r->entries);
  raft_log_close(&r->log);
  free(r);
}

/* ---- effects ---- */

void raft_fail(struct raft *r, const char *format, ...)
{
  if (r->failure[0] != 0) {
    return;
  }
  static const char *const roles[] = {"follower", "pre-candidate", "candidate", "leader"};
  int n = snprintf(r->failure, sizeof r->failure,
                   "member %llu, %s in term %llu, leader %llu, commit %llu, log %llu to %llu: ", (unsigned long long)r->config.id,
                   roles[r->role], (unsigned long long)r->term, (unsigned long long)r->term_leader, (unsigned long long)r->commit,
                   (unsigned long long)r->log.first, (unsigned long long)r->log.last);
  va_list args;
  va_start(args, format);
  (void)vsnprintf(r->failure + n, sizeof r->failure - (size_t)n, format, args);
  va_end(args);
}

struct raft_message *raft_send(struct raft *r, enum raft_message_type type, uint64_t to)
{
  if (r->message_count == r->message_cap) {
    r->messages = memory_grow(r->messages, &r->message_cap, r->message_count + 1, sizeof *r->messages);
  }
  struct raft_message *m = &r->messages[r->message_count++];
  m->type = type;
  m->from = r->config.id;
  m->to = to;
  m->term = r->term;
  m->after = 0;
  return m;
}

void raft_set_hard(struct raft *r, uint64_t term, uint64_t vote)
{
  r->term = term;
  r->vote = vote;
  r->update->append.hard = true;
  r->promised = raft_asks(r);
}

struct raft_entry *raft_entries(struct raft *r, size_t count)
{
  r->entries = memory_grow(r->entries, &r->entry_cap, count, sizeof *r->entries);
  return r->entries;
}

void raft_reconfigured(struct raft *r)
{
  const struct raft_configuration *c = &raft_log_effective(&r->log)->configuration;
  const struct raft_member *self = raft_configuration_find(c, r->config.id);
  r->own_voice = self != NULL ? self->voice : 0;
  r->joint = raft_configuration_is_joint(c);
  if (r->update != NULL) {
    r->update->configuration_changed = true;
  }
  if (r->role == RAFT_LEADER) {
    raft_views_update(r);
  }
}

void raft_append_own(struct raft *r, enum raft_entry_type type, const struct raft_configuration *configuration)
{
  struct raft_append *a = &r->update->append;
  assert(a->count == 0 || a->own);
  if (a->count == 0) {
    a->first = r->log.last + 1;
    a->own = true;
  }
  struct raft_entry *e = &raft_entries(r, a->count + 1)[a->count];
  *e = (struct raft_entry){.term = r->term, .type = (uint8_t)type, .configuration = configuration};
  a->count++;
  raft_asks(r);
  if (raft_log_append(&r->log, e, 1)) {
    raft_reconfigured(r);
  }
}

void raft_commit_to(struct raft *r, uint64_t index)
{
  assert(index >= r->commit && index <= r->log.last);
  if (index == r->commit) {
    return;
  }
  r->commit = index;
  r->commit_moved = true;
  if (raft_log_committed(&r->log, index)) {
    r->update->configuration_changed = true;
  }
}

/* ---- events ---- */

/* A message from a member, or a candidate, of a later term (paper 5.1). Returns whether this member is in the message's term now. */
static bool learn_term(struct raft *r, const struct raft_message *m)
{
  bool leads = m->type == RAFT_APPEND || m->type == RAFT_INSTALL || m->type == RAFT_TIMEOUT_NOW || m->type == RAFT_READABLE;
  if (m->term > r->term) {
    if (r->role == RAFT_LEADER && !leads && raft_view_find(r, m->from) == NULL) {
      return false; /* a stranger, or one that was removed, does not depose anybody */
    }
    raft_follow(r, m->term, leads ? m->from : 0);
  }
  return m->term == r->term;
}

static void receive(struct raft *r, const struct raft_message *m)
{
  if (m->from == 0 || m->from == r->config.id || m->term >= RAFT_NUMBER_MAX) {
    return;
  }
  if (m->type == RAFT_REQUEST_VOTE) {
    raft_on_request_vote(r, m);
    return;
  }
  if (m->type == RAFT_VOTE && m->vote.pre && m->vote.granted) {
    raft_on_vote(r, m); /* the term is one that nobody is in yet */
    return;
  }
  if (m->term < r->term && (m->type == RAFT_APPEND || m->type == RAFT_INSTALL)) {
    raft_refuse_old_leader(r, m);
    return;
  }
  if (!learn_term(r, m)) {
    return;
  }
  switch (m->type) {
  case RAFT_VOTE:
    raft_on_vote(r, m);
    break;
  case RAFT_APPEND:
    raft_on_append(r, m);
    break;
  case RAFT_APPENDED:
    raft_on_appended(r, m);
    break;
  case RAFT_INSTALL:
    raft_on_install(r, m);
    break;
  case RAFT_INSTALLED:
    raft_on_installed(r, m);
    break;
  case RAFT_TIMEOUT_NOW:
    if (raft_hear_leader(r, m->from) && raft_may_campaign(r)) {
      raft_campaign(r, true);
    }
    break;
  case RAFT_READ:
    raft_on_read(r, m);
    break;
  case RAFT_READABLE:
    raft_on_readable(r, m);
    break;
  default:
    break;
  }
}

static int propose(struct raft *r, const struct raft_entry *entries, size_t count)
{
  if (r->role != RAFT_LEADER) {
    return ERROR_NOT_LEADER;
  }
  if (r->full) {
    return ERROR_DISK_FULL;
  }
  if (r->transferee != 0) {
    return ERROR_BUSY;
  }
  if (count == 0) {
    return 0;
  }
  struct raft_entry *own = raft_entries(r, count);
  uint64_t bytes = 0;
  for (size_t i = 0; i < count; i++) {
    bytes += entries[i].size;
    own[i] = (struct raft_entry){.term = r->term, .size = entries[i].size, .type = RAFT_COMMAND};
  }
  uint64_t uncommitted = r->commit < r->log.last ? raft_log_bytes(&r->log, r->commit + 1, r->log.last) : 0;
  if (uncommitted > 0 && uncommitted + bytes > r->config.uncommitted_bytes_max) {
    return ERROR_BUSY;
  }
  struct raft_append *a = &r->update->append;
  raft_asks(r);
  a->first = r->log.last + 1;
  a->count = count;
  raft_log_append(&r->log, own, count);
  raft_replicate_all(r);
  return 0;
}

static void persisted(struct raft *r, uint64_t sequence)
{
  uint64_t durable = r->log.durable_index;
  raft_log_persisted(&r->log, sequence);
  if (r->role == RAFT_LEADER) {
    if (r->log.durable_index > durable) {
      raft_leader_commit(r);
    }
  } else if (r->role == RAFT_CANDIDATE) {
    raft_count_votes(r);
  }
}

static void snapshot(struct raft *r, uint64_t index, uint64_t size)
{
  if (index <= r->log.snapshot_index || index > r->commit) {
    return;
  }
  if (raft_log_made_at(&r->log, index)->configuration.count == 0) {
    return; /* a new member does not know yet who founded the cluster: nobody could start from its snapshot */
  }
  uint64_t first_kept = index + 1 > r->config.tail_entries ? index + 1 - r->config.tail_entries : 1;
  if (first_kept < r->log.first) {
    first_kept = r->log.first;
  }
  raft_log_compact(&r->log, index, size, first_kept);
  raft_asks(r);
  struct raft_append *a = &r->update->append;
  a->snapshot = true;
  a->snapshot_index = index;
  a->snapshot_term = r->log.snapshot_term;
  a->first_kept = first_kept;
  for (size_t i = 0; i < r->view_count; i++) {
    struct raft_view *v = &r->views[i];
    /* One that has all of the old snapshot is restoring it: it goes on from there if it can. */
    if (v->progress == RAFT_SNAPSHOT && v->snapshot_offset < v->snapshot_size) {
      raft_view_snapshot(r, v);
      raft_send_chunk(r, v);
    }
  }
}

static void time_has_passed(struct raft *r)
{
  if (r->role == RAFT_LEADER) {
    if (r->now >= r->quorum_ns) {
      r->quorum_ns = r->now + r->config.election_timeout_ns;
      if (!raft_majority(r, raft_view_recent)) {
        raft_follow(r, r->term, 0); /* thesis 6.2 */
        return;
      }
    }
    if (r->transferee != 0 && r->now >= r->transfer_ns) {
      r->transferee = 0; /* thesis 3.10 */
    }
    if (r->now >= r->heartbeat_ns) {
      r->heartbeat_ns = r->now + r->config.heartbeat_ns;
      raft_heartbeat_all(r);
      r->commit_moved = true; /* what waits for more than a commit is looked at again */
    }
    return;
  }
  if (r->now >= r->timer_ns + r->span_ns) {
    if (raft_may_campaign(r)) {
      raft_campaign(r, false);
    } else {
      raft_start_timer(r);
    }
  }
  if (r->read_last > r->read_done && r->leader != 0 && r->now >= r->read_ns + r->config.election_timeout_ns) {
    raft_read_ask(r);
  }
}

static int take(struct raft *r, const struct raft_event *event)
{
  switch (event->type) {
  case RAFT_EVENT_TIME:
    time_has_passed(r);
    return 0;
  case RAFT_EVENT_RECEIVE:
    receive(r, event->message);
    return 0;
  case RAFT_EVENT_PROPOSE:
    return propose(r, event->propose.entries, event->propose.count);
  case RAFT_EVENT_PERSISTED:
    persisted(r, event->sequence);
    return 0;
  case RAFT_EVENT_READ:
    raft_read_begin(r, event->context);
    return 0;
  case RAFT_EVENT_CHANGE:
    return raft_change(r, event->change);
  case RAFT_EVENT_TRANSFER:
    return raft_transfer(r, event->to);
  case RAFT_EVENT_SNAPSHOT:
    snapshot(r, event->snapshot.index, event->snapshot.size);
    return 0;
  case RAFT_EVENT_INSTALL:
    raft_installed(r, event->install.index, event->install.ok);
    return 0;
  case RAFT_EVENT_CAPACITY:
    r->full = event->full;
    return 0;
  }
  return ERROR_MALFORMED;
}

/* Part by part, since compilers clear small parts with plain stores, and the whole with an instruction that takes long to start. */
static void clear(struct raft_update *u)
{
  u->append = (struct raft_append){0};
  u->messages = NULL;
  u->message_count = 0;
  u->commit = 0;
  u->read.through = 0;
  u->read.index = 0;
  u->chunk = (struct raft_chunk){0};
  u->role_changed = false;
  u->configuration_changed = false;
}

/* Completes the update. */
static void finish(struct raft *r, struct raft_update *u)
{
  struct raft_append *a = &u->append;
  if (a->sequence != 0) {
    a->term = r->term;
    a->vote = r->vote;
    a->entries = a->count > 0 ? r->entries : NULL;
    raft_log_asked(&r->log, r->term, r->vote);
  }
  u->messages = r->messages;
  u->message_count = r->message_count;
  u->commit = r->commit;
}

int raft_step(struct raft *r, const struct raft_event *event, struct raft_update *update)
{
  clear(update);
  if (r->failure[0] != 0) {
    return ERROR_INVARIANT;
  }
  r->update = update;
  r->message_count = 0;
  r->commit_moved = false;
  if (event->now_ns > r->now) {
    r->now = event->now_ns;
  }
  if (!r->started) {
    r->started = true;
    raft_start_timer(r);
  }
  enum raft_role role = r->role;
  uint64_t term = r->term;
  uint64_t leader = r->leader;
  int error = take(r, event);
  if (r->commit_moved && r->role == RAFT_LEADER) {
    raft_settle(r);
  }
  if (r->failure[0] != 0) {
    clear(update);
    error = ERROR_INVARIANT;
  } else if (error == 0) {
    finish(r, update);
    update->role_changed = role != r->role || term != r->term || leader != r->leader;
  }
  r->update = NULL;
  return error;
}
