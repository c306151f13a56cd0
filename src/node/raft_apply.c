/* Committed entries reach the service, in order, on every replica alike. */
#include "node/raft_internal.h"

#define ENTRY_OVERHEAD 64 /* bytes of an entry in the log beside its own */

/* What applying an entry was. */
enum effect {
  EFFECT_NOTHING, /* a no-op, or an entry that makes no sense */
  EFFECT_MEMBERS,
  EFFECT_OPENED,
  EFFECT_APPLIED,
  EFFECT_REPEATED,
  EFFECT_SKIPPED,
};

bool groups_applying(const struct node *n)
{
  return n->groups != NULL && n->groups->applying;
}

/* Mixes an entry's effect into the running hash of all of them. */
static void digest(struct node_group *g, uint64_t index, enum effect effect, uint64_t session, uint64_t sequence, long long code,
                   struct slice value)
{
  uint64_t h = mix_pair(mix_pair(g->digest, index), (uint64_t)effect);
  h = mix_pair(mix_pair(h, session), sequence);
  h = mix_pair(h, (uint64_t)code);
  g->digest = code == 0 ? mix_bytes(h, value) : h;
}

/* ---- commands ---- */

static int apply_command(struct node_group *g, uint64_t index, const struct wire_command *c, struct node_outcome *outcome)
{
  struct groups *gs = g->groups;
  struct node *n = gs->node;
  buf_clear(&gs->outcome);
  *outcome = (struct node_outcome){.value = &gs->outcome};
  gs->applying = true;
  int error = n->behavior.apply(n->behavior.self, g->config.tag, index, c->command, outcome);
  gs->applying = false;
  if (error != 0) {
    groups_fail(gs, "raft %.*s: entry %llu could not be applied, and the node stops: %s", (int)g->name.len, g->name.data,
                (unsigned long long)index, error_text(error));
  }
  return error;
}

static int apply_proposal(struct node_group *g, uint64_t index, const struct wire_command *c)
{
  struct groups *gs = g->groups;
  const struct node_watch *watch = gs->node->config.watch;
  long long code = 0;
  struct slice value = {0};
  enum effect effect = EFFECT_REPEATED;
  switch (sessions_look(g->sessions, c->session, c->sequence, c->below, &code, &value)) {
  case SESSION_SKIP:
    digest(g, index, EFFECT_SKIPPED, c->session, c->sequence, 0, slice_of("", 0));
    serve_applied(g, c, true, 0, value);
    proposals_skipped(g, c->session, c->sequence);
    return 0;
  case SESSION_APPLY: {
    struct node_outcome outcome;
    int error = apply_command(g, index, c, &outcome);
    if (error != 0) {
      return error;
    }
    code = outcome.code;
    value = buf_slice(&gs->outcome);
    if (code == 0 && !wire_fits(value)) { /* no message could carry it */
      code = error_protocol_code(ERROR_CRASH);
      value = SLICE("the result is nested too deeply");
    }
    effect = EFFECT_APPLIED;
    sessions_keep(g->sessions, c->session, c->sequence, code, value);
    if (watch != NULL) {
      watch->effect(watch->self, buf_slice(&g->name), gs->self, c->session, c->sequence, index);
    }
    break;
  }
  case SESSION_REPEAT:
    break;
  }
  digest(g, index, effect, c->session, c->sequence, code, value);
  serve_applied(g, c, false, code, value);
  proposals_result(g, c->session, c->sequence, code, value);
  return 0;
}

static void apply_open(struct node_group *g, uint64_t index, uint64_t term, const struct wire_command *c)
{
  uint64_t session = sessions_open(g->sessions, c->node, c->nonce, index);
  digest(g, index, EFFECT_OPENED, session, c->nonce, 0, c->node);
  if (term == raft_term(g->raft)) {
    serve_opened(g, c, session);
  }
  proposals_check_session(g, index);
}

/* ---- members ---- */

/* Who is no member any more has no session. */
static void apply_members(struct node_group *g, uint64_t index, struct slice bytes)
{
  struct groups *gs = g->groups;
  struct raft_configuration now;
  if (wire_decode_configuration(bytes, &now, &gs->wire) != 0) {
    digest(g, index, EFFECT_NOTHING, 0, 0, 0, bytes);
    return;
  }
  for (size_t i = 0; i < g->members.count; i++) {
    uint64_t id = g->members.members[i].id;
    if (raft_configuration_find(&now, id) == NULL) {
      sessions_end(g->sessions, groups_name(gs, id));
    }
  }
  g->members = now;
  digest(g, index, EFFECT_MEMBERS, 0, 0, 0, bytes);
  proposals_check_session(g, index);
}

/* ---- entries ---- */

static uint64_t state_hash(struct node_group *g)
{
  struct groups *gs = g->groups;
  struct node *n = gs->node;
  buf_clear(&gs->state);
  gs->applying = true;
  int error = n->behavior.snapshot(n->behavior.self, g->config.tag, &gs->state);
  gs->applying = false;
  return error == 0 ? mix_bytes(0, buf_slice(&gs->state)) : 0;
}

uint64_t group_outcome(struct node_group *g, uint64_t index, const struct slice *state)
{
  const struct node_watch *watch = g->groups->node->config.watch;
  uint64_t outcome = g->digest;
  if (watch->state_every > 0 && index % watch->state_every == 0) {
    uint64_t hash = state != NULL ? mix_bytes(0, *state) : state_hash(g);
    if (hash == 0) { /* it cannot be had */
      return 0;
    }
    outcome = mix_pair(outcome, hash);
  }
  return outcome == 0 ? 1 : outcome;
}

static int apply_entry(struct node_group *g, uint64_t index, const struct wal_entry *e)
{
  struct wire_command c;
  if (e->type == RAFT_CONFIGURATION) {
    apply_members(g, index, e->bytes);
  } else if (e->type != RAFT_COMMAND || wire_decode_command(e->bytes, &c) != 0) {
    digest(g, index, EFFECT_NOTHING, 0, 0, 0, e->bytes);
  } else if (c.kind == WIRE_OPEN) {
    apply_open(g, index, e->term, &c);
  } else {
    return apply_proposal(g, index, &c);
  }
  return 0;
}

static bool apply_next(struct node_group *g)
{
  struct groups *gs = g->groups;
  const struct node_watch *watch = gs->node->config.watch;
  struct wal_entry e;
  uint64_t index = g->applied + 1;
  bool there = wal_entry(gs->wal, g->number, index, &e);
  assert(there);
  (void)there;
  if (apply_entry(g, index, &e) != 0) {
    return false;
  }
  g->applied = index;
  g->applied_term = e.term;
  g->grown += e.bytes.len + ENTRY_OVERHEAD;
  if (watch != NULL) {
    watch->applied(watch->self, buf_slice(&g->name), gs->self, index, e.term, group_outcome(g, index, NULL));
  }
  return true;
}

bool group_apply(struct node_group *g)
{
  struct groups *gs = g->groups;
  struct node *n = gs->node;
  struct raft_status status;
  if (g->applied >= g->commit || gs->stopped) {
    return false;
  }
  assert(g->phase == PHASE_IDLE); /* what was to be appended and sent has been */
  raft_status(g->raft, &status);
  uint64_t until = status.durable_index < g->commit ? status.durable_index : g->commit;
  uint64_t begun = node_now(n);
  g->phase = PHASE_APPLY;
  while (g->applied < until && apply_next(g)) {
    if (node_now(n) - begun >= NODE_APPLY_TURN_NS) {
      break;
    }
  }
  g->phase = PHASE_IDLE;
  return g->applied < until && !gs->stopped;
}
