/* Bodies whose types begin with "raft_": those of the core, and the driver's own:
 *
 *   raft_propose   {group, term, attempt, session, sequence, below, command}, or {group, term, attempt, open, nonce}: to be appended, if
 * the receiver leads in this term raft_refused   {group, session, sequence, attempt, code, leader?, term?}: it was not, and never will be
 *   raft_result    {group, session, sequence, code, value | text}: it was applied; with "skipped": it was not, since its session has ended;
 *                  with sequence 0 and "nonce": the session is open
 *   raft_change    {group, ask, members, at}: these are to be the members, if nobody has changed them since entry `at`
 *   raft_transfer  {group, ask, term, to?}
 *   raft_done      {group, ask, code, at, leader?, term?}: what came of the last two so far; code is "ok" or an error's name
 *
 * They count only from members of the cluster. */
#include <stddef.h>

#include "node/raft_internal.h"
#include "node/wire.h"
#include "json/iter.h"
#include "json/write.h"

/* ---- fields ---- */

/* The text of the fields that any of the driver's bodies has; empty = it is not there. */
struct fields {
  struct slice group;
  struct slice term;
  struct slice attempt;
  struct slice session;
  struct slice sequence;
  struct slice below;
  struct slice command;
  struct slice open;
  struct slice nonce;
  struct slice code;
  struct slice value;
  struct slice text;
  struct slice skipped;
  struct slice leader;
  struct slice ask;
  struct slice members;
  struct slice at;
  struct slice to;
};

static const struct {
  struct slice name;
  size_t offset;
} field_names[] = {
#define FIELD(name)                                                                                                                        \
  {                                                                                                                                        \
    {#name, sizeof #name - 1}, offsetof(struct fields, name)                                                                               \
  }
    FIELD(group), FIELD(term),  FIELD(attempt), FIELD(session), FIELD(sequence), FIELD(below), FIELD(command), FIELD(open), FIELD(nonce),
    FIELD(code),  FIELD(value), FIELD(text),    FIELD(skipped), FIELD(leader),   FIELD(ask),   FIELD(members), FIELD(at),   FIELD(to),
#undef FIELD
};

static void read_fields(struct slice body, struct fields *f)
{
  struct json_iter it;
  struct slice key;
  struct slice value;
  *f = (struct fields){0};
  json_iter_init(&it, body);
  while (json_iter_member(&it, &key, &value)) {
    for (size_t i = 0; i < sizeof field_names / sizeof *field_names; i++) {
      if (json_key_is(key, field_names[i].name)) {
        memcpy((char *)f + field_names[i].offset, &value, sizeof value);
        break;
      }
    }
  }
}

static bool number(struct slice value, uint64_t *out)
{
  return value.len > 0 && wire_read_number(value, out) && (int64_t)*out >= 0;
}

/* The name in a string; 0: it is none that can be known. */
static uint64_t name(struct groups *gs, struct slice value)
{
  bool is = value.len > 0 && json_value_string(value, &gs->scratch);
  return is ? groups_learn(gs, buf_slice(&gs->scratch)) : 0;
}

/* A code by its name: 0 for "ok", an error, or ERROR_UNAVAILABLE for one that is not known here. False: it is no name. */
static bool code_named(struct groups *gs, struct slice value, int *out)
{
  if (value.len == 0 || !json_value_string(value, &gs->scratch)) {
    return false;
  }
  buf_append_char(&gs->scratch, '\0');
  const char *text = gs->scratch.data;
  *out = strcmp(text, "ok") == 0 ? 0 : error_from_name(text);
  if (*out == 0 && strcmp(text, "ok") != 0) {
    *out = ERROR_UNAVAILABLE;
  }
  return true;
}

static void take_hint(struct node_group *g, const struct fields *f)
{
  uint64_t term;
  if (f->leader.len > 0 && number(f->term, &term)) {
    group_hint(g, name(g->groups, f->leader), term);
  }
}

/* ---- the driver's bodies: NULL, or what is wrong ---- */

static const char *on_propose(struct node_group *g, uint64_t from, const struct fields *f)
{
  struct groups *gs = g->groups;
  uint64_t term;
  uint64_t attempt;
  struct wire_command c = {.kind = WIRE_PROPOSAL};
  if (!number(f->term, &term) || !number(f->attempt, &attempt) || attempt == 0) {
    return "term or attempt is not a number";
  }
  if (f->open.len > 0) {
    c.kind = WIRE_OPEN;
    if (name(gs, f->open) != from) {
      return "open is not the name of the sender";
    }
    c.node = groups_name(gs, from);
    if (!number(f->nonce, &c.nonce)) {
      return "nonce is not a number";
    }
  } else {
    bool good = number(f->session, &c.session) && number(f->sequence, &c.sequence) && number(f->below, &c.below);
    if (!good || c.session == 0 || c.below == 0 || c.sequence < c.below || c.sequence - c.below >= NODE_PROPOSALS_IN_FLIGHT) {
      return "session, sequence or below is not a number in its range";
    }
    if (f->command.len == 0) {
      return "command is missing";
    }
    c.command = f->command;
  }
  serve_take(g, from, attempt, term, &c);
  return NULL;
}

static const char *on_refused(struct node_group *g, const struct fields *f)
{
  uint64_t session;
  uint64_t sequence;
  uint64_t attempt;
  int code;
  if (!number(f->session, &session) || !number(f->sequence, &sequence) || !number(f->attempt, &attempt) ||
      !code_named(g->groups, f->code, &code) || code == 0) {
    return "session, sequence, attempt or code is missing";
  }
  proposals_refused(g, session, sequence, attempt, code);
  take_hint(g, f);
  return NULL;
}

static const char *on_result(struct node_group *g, const struct fields *f)
{
  struct groups *gs = g->groups;
  uint64_t session;
  uint64_t sequence;
  uint64_t value;
  if (!number(f->session, &session) || !number(f->sequence, &sequence)) {
    return "session or sequence is not a number";
  }
  if (sequence == 0) {
    if (!number(f->nonce, &value)) {
      return "nonce is not a number";
    }
    proposals_opened(g, session, value);
    return NULL;
  }
  if (f->skipped.len > 0) {
    proposals_skipped(g, session, sequence);
    return NULL;
  }
  if (f->code.len == 0 || !wire_read_number(f->code, &value)) {
    return "code is not a number";
  }
  long long code = (long long)value;
  if (code == 0 && f->value.len == 0) {
    return "value is missing";
  }
  buf_clear(&gs->scratch);
  if (code != 0 && f->text.len > 0 && !json_value_string(f->text, &gs->scratch)) {
    return "text is not a string";
  }
  proposals_result(g, session, sequence, code, code == 0 ? f->value : buf_slice(&gs->scratch));
  return NULL;
}

static void send_done(struct node_group *g, uint64_t to, uint64_t ask, int error)
{
  struct raft_status status;
  struct buf *line = group_line(g, to, "raft_done");
  if (line == NULL) {
    return;
  }
  raft_status(g->raft, &status);
  wire_write_field(line, ",\"ask\":", ask);
  buf_append_str(line, ",\"code\":");
  const char *text = error == 0 ? "ok" : error_name(error);
  json_write_text(line, slice_of(text, strlen(text)));
  wire_write_field(line, ",\"at\":", status.committed_configuration_index);
  group_append_leader(g, line);
  node_line_send(g->groups->node);
}

static const char *on_change(struct node_group *g, uint64_t from, const struct fields *f)
{
  uint64_t ask;
  uint64_t at;
  struct raft_configuration target;
  if (!number(f->ask, &ask) || !number(f->at, &at)) {
    return "ask or at is not a number";
  }
  if (f->members.len == 0 || wire_decode_configuration(f->members, &target, &g->groups->wire) != 0 ||
      raft_configuration_is_joint(&target)) {
    return "members is no configuration";
  }
  send_done(g, from, ask, serve_change(g, &target, at));
  return NULL;
}

static const char *on_transfer(struct node_group *g, uint64_t from, const struct fields *f)
{
  uint64_t ask;
  uint64_t term;
  uint64_t to = f->to.len == 0 ? 0 : name(g->groups, f->to);
  if (!number(f->ask, &ask) || !number(f->term, &term) || (f->to.len > 0 && to == 0)) {
    return "ask, term or to does not fit";
  }
  send_done(g, from, ask, serve_transfer(g, to, term));
  return NULL;
}

static const char *on_done(struct node_group *g, const struct fields *f)
{
  uint64_t ask;
  uint64_t at;
  int code;
  if (!number(f->ask, &ask) || !number(f->at, &at) || !code_named(g->groups, f->code, &code)) {
    return "ask, at or code is missing";
  }
  take_hint(g, f);
  ask_replied(g, ask, code, at);
  return NULL;
}

/* ---- dispatch ---- */

static void unknown_group(struct node *n, struct slice group)
{
  n->stats.skipped++;
  node_log(n, LOG_DEBUG, "dropped a message of the Raft group \"%.*s\", which is not open here", (int)group.len, group.ptr);
}

static const char *receive_core(struct groups *gs, uint64_t from, const struct node_message *m)
{
  const char *why = NULL;
  int error = wire_decode(&gs->in, m->type, m->body, &gs->wire, &why);
  struct node_group *g = groups_find(gs, gs->in.group);
  if (gs->in.group.len > 0 && (g == NULL || g->raft == NULL)) {
    unknown_group(gs->node, gs->in.group);
    return NULL;
  }
  if (error != 0) {
    return why;
  }
  struct raft_message *message = &gs->in.message;
  for (size_t i = 0; i < (message->type == RAFT_APPEND ? message->append.count : 0); i++) {
    gs->in.entries[i].size = entry_size(gs->in.entries[i].type, gs->in.payloads[i].bytes);
  }
  message->from = from;
  message->to = gs->self;
  struct group_payload payload = {
      .entries = gs->in.payloads,
      .count = message->type == RAFT_APPEND ? message->append.count : 0,
      .chunk = message->type == RAFT_INSTALL ? buf_slice(&gs->in.bytes) : slice_of("", 0),
  };
  group_step(g, &(struct raft_event){.type = RAFT_EVENT_RECEIVE, .message = message}, &payload);
  group_settle(g);
  return NULL;
}

static const char *receive_own(struct groups *gs, uint64_t from, const struct node_message *m)
{
  struct fields f;
  read_fields(m->body, &f);
  if (f.group.len == 0 || !json_value_string(f.group, &gs->scratch)) {
    return "group is not a name";
  }
  struct node_group *g = groups_find(gs, buf_slice(&gs->scratch));
  if (g == NULL || g->raft == NULL) {
    unknown_group(gs->node, buf_slice(&gs->scratch));
    return NULL;
  }
  g->touched = true;
  const char *wrong = "no such type of Raft's";
  if (slice_equal(m->type, SLICE("raft_propose"))) {
    wrong = on_propose(g, from, &f);
  } else if (slice_equal(m->type, SLICE("raft_refused"))) {
    wrong = on_refused(g, &f);
  } else if (slice_equal(m->type, SLICE("raft_result"))) {
    wrong = on_result(g, &f);
  } else if (slice_equal(m->type, SLICE("raft_change"))) {
    wrong = on_change(g, from, &f);
  } else if (slice_equal(m->type, SLICE("raft_transfer"))) {
    wrong = on_transfer(g, from, &f);
  } else if (slice_equal(m->type, SLICE("raft_done"))) {
    wrong = on_done(g, &f);
  }
  group_settle(g);
  return wrong;
}

bool groups_receive(struct node *n, struct slice line, const struct party *from, const struct node_message *m)
{
  struct groups *gs = n->groups;
  if (m->type.len < 5 || memcmp(m->type.ptr, "raft_", 5) != 0) {
    return false;
  }
  if (from->kind != PARTY_MEMBER || from == n->self) {
    n->stats.skipped++;
    node_log(n, LOG_DEBUG, "refused a %.*s of %.*s: it is no other member", (int)m->type.len, m->type.ptr, (int)m->src.len, m->src.ptr);
    receive_refuse(n, m, ERROR_NOT_SUPPORTED, SLICE("raft_ messages are for members of the cluster only"));
    return true;
  }
  if (gs->stopped || gs->wal == NULL) {
    return true;
  }
  uint64_t id = groups_learn(gs, party_name(from));
  const char *wrong = id == 0 ? "too many names are known" : wire_is_core(m->type) ? receive_core(gs, id, m) : receive_own(gs, id, m);
  if (wrong != NULL) {
    receive_skip(n, line, (size_t)(m->body.ptr - line.ptr), wrong);
  }
  groups_finish(gs);
  return true;
}
