/* Events for a core, and others that oblige it. */
#include <stdlib.h>
#include <string.h>

#include "raft/core.h"

/* ---- events ---- */

void core_time(struct core *c, uint64_t ns)
{
  c->now += ns;
  struct raft_event event = {.type = RAFT_EVENT_TIME};
  core_step(c, &event, NULL);
}

void core_deadline(struct core *c)
{
  uint64_t due = raft_deadline(c->r);
  core_time(c, due > c->now ? due - c->now : 0);
}

int core_receive(struct core *c, const struct raft_message *m)
{
  struct raft_event event = {.type = RAFT_EVENT_RECEIVE, .message = m};
  return core_step(c, &event, NULL);
}

int core_deliver(struct core *c, const struct core_message *m)
{
  if (m->m.type != RAFT_APPEND) {
    return core_receive(c, &m->m);
  }
  struct raft_message copy = m->m;
  struct raft_entry *entries = calloc(copy.append.count + 1, sizeof(*entries));
  assert_non_null(entries);
  for (size_t i = 0; i < copy.append.count; i++) {
    const struct core_entry *e = &m->entries[i];
    entries[i] = (struct raft_entry){.term = e->term, .size = e->size, .type = e->type, .configuration = e->configuration};
  }
  copy.append.entries = entries;
  struct raft_event event = {.type = RAFT_EVENT_RECEIVE, .message = &copy};
  int error = core_step(c, &event, m->entries);
  free(entries);
  return error;
}

int core_propose_all(struct core *c, const char *const *texts, size_t count)
{
  struct core_entry bytes[64] = {0};
  struct raft_entry entries[64] = {0};
  assert_true(count <= 64);
  for (size_t i = 0; i < count; i++) {
    assert_true(strlen(texts[i]) < sizeof(bytes[i].text));
    strcpy(bytes[i].text, texts[i]);
    entries[i] = (struct raft_entry){.size = (uint32_t)strlen(texts[i]), .type = RAFT_COMMAND};
  }
  struct raft_event event = {.type = RAFT_EVENT_PROPOSE, .propose = {.entries = entries, .count = count}};
  return core_step(c, &event, bytes);
}

int core_propose(struct core *c, const char *text)
{
  return core_propose_all(c, &text, 1);
}

int core_propose_sized(struct core *c, uint32_t size, size_t count)
{
  struct raft_entry *entries = calloc(count, sizeof(*entries));
  assert_non_null(entries);
  for (size_t i = 0; i < count; i++) {
    entries[i] = (struct raft_entry){.size = size, .type = RAFT_COMMAND};
  }
  struct raft_event event = {.type = RAFT_EVENT_PROPOSE, .propose = {.entries = entries, .count = count}};
  int error = core_step(c, &event, NULL);
  free(entries);
  return error;
}

int core_change(struct core *c, const struct raft_configuration *to)
{
  struct raft_event event = {.type = RAFT_EVENT_CHANGE, .change = to};
  return core_step(c, &event, NULL);
}

int core_transfer(struct core *c, uint64_t to)
{
  struct raft_event event = {.type = RAFT_EVENT_TRANSFER, .to = to};
  return core_step(c, &event, NULL);
}

int core_snapshot(struct core *c, uint64_t index, uint64_t size)
{
  uint64_t made_at = 0;
  const struct raft_configuration *configuration = raft_configuration_at(c->r, index, &made_at);
  assert_non_null(configuration);
  c->mark = (struct core_unit){.snapshot_size = size, .configuration_index = made_at, .configuration = core_keep(configuration)};
  struct raft_event event = {.type = RAFT_EVENT_SNAPSHOT, .snapshot = {.index = index, .size = size}};
  return core_step(c, &event, NULL);
}

int core_install(struct core *c, uint64_t index, bool ok)
{
  struct raft_event event = {.type = RAFT_EVENT_INSTALL, .install = {.index = index, .ok = ok}};
  return core_step(c, &event, NULL);
}

int core_capacity(struct core *c, bool full)
{
  struct raft_event event = {.type = RAFT_EVENT_CAPACITY, .full = full};
  return core_step(c, &event, NULL);
}

uint64_t core_read(struct core *c)
{
  struct raft_event event = {.type = RAFT_EVENT_READ, .context = ++c->context};
  core_step(c, &event, NULL);
  return c->context;
}

/* ---- messages to a follower ---- */

int core_append(struct core *c, const struct core_append *a)
{
  struct core_entry *entries = calloc(a->count + 1, sizeof(*entries));
  assert_non_null(entries);
  for (size_t i = 0; i < a->count; i++) {
    entries[i] = (struct core_entry){.term = a->terms[i], .size = 8, .type = RAFT_COMMAND};
  }
  struct core_message m = {.m = {.type = RAFT_APPEND,
                                 .from = a->from,
                                 .to = c->config.id,
                                 .term = a->term,
                                 .append = {.session = a->session > 0 ? a->session : a->term * 100 + a->from,
                                            .prev_index = a->prev_index,
                                            .prev_term = a->prev_term,
                                            .commit = a->commit,
                                            .round = a->round,
                                            .count = a->count}},
                           .entries = entries};
  int error = core_deliver(c, &m);
  free(entries);
  return error;
}

int core_ask(struct core *c, const struct core_ask *a)
{
  struct raft_message m = {
      .type = RAFT_REQUEST_VOTE,
      .from = a->from,
      .to = c->config.id,
      .term = a->term,
      .request_vote = {.last_index = a->last_index, .last_term = a->last_term, .pre = a->pre, .transfer = a->transfer}};
  return core_receive(c, &m);
}

void core_vote(struct core *c, uint64_t from, uint64_t term, bool pre, bool granted)
{
  struct raft_message m = {.type = RAFT_VOTE, .from = from, .to = c->config.id, .term = term, .vote = {.granted = granted, .pre = pre}};
  assert_int_equal(core_receive(c, &m), 0);
}

/* ---- what came of it ---- */

const struct raft_message *core_sent(const struct core *c, enum raft_message_type type, uint64_t to)
{
  for (size_t i = c->sent.count; i > 0; i--) {
    const struct raft_message *m = &c->sent.at[i - 1].m;
    if (m->type == type && (to == 0 || m->to == to)) {
      return m;
    }
  }
  return NULL;
}

size_t core_sent_count(const struct core *c, enum raft_message_type type, uint64_t to)
{
  size_t n = 0;
  for (size_t i = 0; i < c->sent.count; i++) {
    n += c->sent.at[i].m.type == type && (to == 0 || c->sent.at[i].m.to == to);
  }
  return n;
}

void core_clear(struct core *c)
{
  core_post_clear(&c->sent);
}

const struct raft_message *core_must_send(const struct core *c, enum raft_message_type type, uint64_t to)
{
  const struct raft_message *m = core_sent(c, type, to);
  if (m == NULL) {
    fail_msg("no message of type %d to %llu has left", (int)type, (unsigned long long)to);
  }
  return m;
}

bool core_acknowledged(const struct core *c, uint64_t index)
{
  for (size_t i = 0; i < c->sent.count; i++) {
    const struct raft_message *m = &c->sent.at[i].m;
    if (m->type == RAFT_APPENDED && m->term == raft_term(c->r) && !m->appended.rejected && m->appended.match >= index) {
      return true;
    }
  }
  return false;
}

struct raft_peer_status core_peer(const struct core *c, uint64_t id)
{
  struct raft_peer_status p = {0};
  for (size_t i = 0; i < raft_peer_count(c->r); i++) {
    raft_peer(c->r, i, &p);
    if (p.id == id) {
      return p;
    }
  }
  fail_msg("no peer %llu", (unsigned long long)id);
  return p;
}

/* ---- others that oblige ---- */

uint64_t core_incarnation_of(uint64_t id)
{
  return 5000 + id;
}

static struct raft_message reply_to(const struct raft_message *m, enum raft_message_type type)
{
  return (struct raft_message){.type = type, .from = m->to, .to = m->from, .term = m->term};
}

void core_accept(struct core *c, const struct raft_message *append)
{
  struct raft_message m = reply_to(append, RAFT_APPENDED);
  m.appended.session = append->append.session;
  m.appended.incarnation = core_incarnation_of(append->to);
  m.appended.round = append->append.round;
  m.appended.match = append->append.prev_index + append->append.count;
  core_receive(c, &m);
}

void core_reject(struct core *c, const struct raft_message *append, uint64_t hint, uint64_t hint_term)
{
  struct raft_message m = reply_to(append, RAFT_APPENDED);
  m.appended.session = append->append.session;
  m.appended.incarnation = core_incarnation_of(append->to);
  m.appended.round = append->append.round;
  m.appended.rejected = true;
  m.appended.hint = hint;
  m.appended.hint_term = hint_term;
  core_receive(c, &m);
}

static void oblige(struct core *c, const struct raft_message *m)
{
  if (m->type == RAFT_REQUEST_VOTE) {
    core_vote(c, m->to, m->term, m->request_vote.pre, true);
  } else if (m->type == RAFT_APPEND) {
    core_accept(c, m);
  } else if (m->type == RAFT_INSTALL) {
    struct raft_message reply = reply_to(m, RAFT_INSTALLED);
    reply.installed.session = m->install.session;
    reply.installed.incarnation = core_incarnation_of(m->to);
    reply.installed.index = m->install.index;
    reply.installed.offset = m->install.offset + m->install.length;
    reply.installed.done = reply.installed.offset == m->install.size;
    reply.installed.round = m->install.round;
    core_receive(c, &reply);
  }
}

/* Answers what has left so far to `id` (0 = all), or only what asks for votes. */
static size_t oblige_sent(struct core *c, uint64_t id, bool votes_only)
{
  struct core_post asked = {0};
  size_t n = 0;
  for (size_t i = 0; i < c->sent.count;) {
    const struct raft_message *m = &c->sent.at[i].m;
    if ((id == 0 || m->to == id) && (!votes_only || m->type == RAFT_REQUEST_VOTE)) {
      struct core_message taken;
      core_post_take(&c->sent, i, &taken);
      core_post_add(&asked, &taken.m, taken.entries);
      free(taken.entries);
    } else {
      i++;
    }
  }
  n = asked.count;
  for (size_t i = 0; i < n; i++) {
    oblige(c, &asked.at[i].m);
  }
  core_post_clear(&asked);
  return n;
}

size_t core_oblige(struct core *c, uint64_t id)
{
  return oblige_sent(c, id, false);
}

void core_oblige_all(struct core *c)
{
  for (int rounds = 0; oblige_sent(c, 0, false) > 0; rounds++) {
    assert_true(rounds < 1000);
  }
}

void core_elect(struct core *c)
{
  for (int tries = 0; tries < 20 && raft_role(c->r) != RAFT_LEADER; tries++) {
    core_deadline(c);
    for (int rounds = 0; rounds < 4 && raft_role(c->r) != RAFT_LEADER; rounds++) {
      if (!c->auto_persist) {
        core_persist(c);
      }
      oblige_sent(c, 0, true);
    }
  }
  assert_int_equal(raft_role(c->r), RAFT_LEADER);
}

void core_lead(struct core *c)
{
  core_elect(c);
  core_persist(c);
  core_oblige_all(c);
  struct raft_status s = core_status(c);
  assert_int_equal(s.commit, s.last_index);
}
