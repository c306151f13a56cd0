/* This node's own proposals: its session, copies on their way, results, refusals.
 *
 * A proposal waits until the session is open and the window has room, gets its sequence number, and is then ready; given to a leader
 * elsewhere, it flies; refused there, it pauses for a heartbeat. One that this node has appended as a leader is in no queue until another
 * leads. It is answered when its result comes, or its deadline; definitely only if no copy of it can ever be applied. */
#include <stdlib.h>

#include "node/raft_internal.h"
#include "node/wire.h"
#include "json/canonical.h"
#include "json/write.h"

/* ---- queues ---- */

static void put_last(struct proposals *q, struct proposal *p)
{
  assert(p->queue == NULL);
  p->queue = q;
  p->prev = q->last;
  p->next = NULL;
  *(q->last != NULL ? &q->last->next : &q->first) = p;
  q->last = p;
  q->count++;
}

static void put_before(struct proposals *q, struct proposal *next, struct proposal *p)
{
  if (next == NULL) {
    put_last(q, p);
    return;
  }
  assert(p->queue == NULL);
  p->queue = q;
  p->prev = next->prev;
  p->next = next;
  *(next->prev != NULL ? &next->prev->next : &q->first) = p;
  next->prev = p;
  q->count++;
}

static void take_out(struct proposal *p)
{
  struct proposals *q = p->queue;
  if (q == NULL) {
    return;
  }
  assert(implies(q->first == p, p->prev == NULL) && implies(q->last == p, p->next == NULL));
  *(p->prev != NULL ? &p->prev->next : &q->first) = p->next;
  *(p->next != NULL ? &p->next->prev : &q->last) = p->prev;
  q->count--;
  p->queue = NULL;
}

/* Into the ready ones, by sequence: mostly it is the last. */
static void make_ready(struct node_group *g, struct proposal *p)
{
  take_out(p);
  struct proposal *after = g->ready.last;
  while (after != NULL && after->sequence > p->sequence) {
    after = after->prev;
  }
  put_before(&g->ready, after == NULL ? g->ready.first : after->next, p);
}

/* ---- the window ---- */

static struct proposal **place(struct node_group *g, uint64_t sequence)
{
  return &g->session.ring[sequence % NODE_PROPOSALS_IN_FLIGHT];
}

static struct proposal *find(struct node_group *g, uint64_t session, uint64_t sequence)
{
  const struct group_session *s = &g->session;
  bool ours = s->id != 0 && session == s->id && sequence >= s->lowest && sequence < s->next;
  return ours ? *place(g, sequence) : NULL;
}

/* Nobody asks about it any more. */
static void leave_window(struct proposal *p)
{
  struct node_group *g = p->group;
  struct group_session *s = &g->session;
  take_out(p);
  if (p->sequence == 0) {
    return;
  }
  assert(*place(g, p->sequence) == p);
  *place(g, p->sequence) = NULL;
  while (s->lowest < s->next && *place(g, s->lowest) == NULL) {
    s->lowest++;
  }
  if (g->waiting.count > 0) {
    group_want_turn(g);
  }
}

static bool may_be_applied(const struct proposal *p)
{
  return p->appended || p->unsure || p->copies > 0;
}

/* What one is answered with that has no result. */
static int verdict(const struct proposal *p, int otherwise)
{
  if (may_be_applied(p)) {
    return ERROR_TIMEOUT;
  }
  return p->refusal == 0 || p->refusal == ERROR_NOT_LEADER ? otherwise : p->refusal;
}

void proposal_forget(struct proposal *p)
{
  p->group->proposal_count--;
  leave_window(p);
  free(p);
}

static void finish(struct proposal *p, int status, long long code, const struct slice *value)
{
  groups_answer(p->group->groups, p->op, status, code, value);
  proposal_forget(p);
}

/* ---- what the service calls ---- */

uint64_t node_group_propose(struct node_group *g, struct slice command, uint64_t timeout_ns, void *tag)
{
  struct groups *gs = g->groups;
  struct node *n = gs->node;
  struct op *op = op_new(n, OP_PROPOSAL, tag);
  uint64_t token = op->token;
  buf_clear(&gs->scratch);
  json_canonical(command, &gs->scratch);
  int error = 0;
  if (gs->stopped || n->state > NODE_RUNNING) {
    error = ERROR_STOPPED;
  } else if (gs->scratch.len > NODE_PROPOSAL_MAX_BYTES || !wire_fits(buf_slice(&gs->scratch))) {
    error = ERROR_TOO_LARGE;
  } else if (g->proposal_count >= NODE_PROPOSALS_MAX) {
    error = ERROR_BUSY;
  }
  if (error != 0) {
    groups_answer(gs, op, error, 0, NULL);
    return token;
  }
  struct proposal *p = memory_must(malloc(sizeof *p + gs->scratch.len));
  *p = (struct proposal){.group = g, .op = op, .len = gs->scratch.len};
  memcpy(p->command, gs->scratch.data, gs->scratch.len);
  op->subject = p;
  g->proposal_count++;
  put_last(&g->waiting, p);
  op_arm_after(n, op, timeout_ns);
  group_want_turn(g);
  return token;
}

void proposal_due(struct op *op)
{
  struct proposal *p = op->subject;
  const struct node_group *g = p->group;
  int status = verdict(p, g->raft == NULL ? ERROR_UNAVAILABLE : ERROR_NO_QUORUM);
  struct node *n = g->groups->node;
  proposal_forget(p);
  op_answer(n, op, status, NULL);
}

/* ---- the session ---- */

static void open_session(struct node_group *g)
{
  struct node *n = g->groups->node;
  g->session.nonce = RANDOM_BITS(node_random(n));
  g->opening = memory_zeroed(1, sizeof *g->opening);
  g->opening->group = g;
  put_before(&g->ready, g->ready.first, g->opening);
}

void proposals_opened(struct node_group *g, uint64_t session, uint64_t nonce)
{
  if (g->opening == NULL || nonce != g->session.nonce) {
    return;
  }
  take_out(g->opening);
  free(g->opening);
  g->opening = NULL;
  if (g->session.ring == NULL) {
    g->session.ring = memory_zeroed(NODE_PROPOSALS_IN_FLIGHT, sizeof(struct proposal *));
  }
  g->session.id = session;
  g->session.next = 1;
  g->session.lowest = 1;
  group_want_turn(g);
}

/* The session has ended. What may have been appended is skipped wherever it comes up, or was applied before: nobody here knows. The others
 * go on in a new session. */
static void lose_session(struct node_group *g)
{
  struct group_session *s = &g->session;
  struct proposal *front = g->waiting.first;
  node_log(g->groups->node, LOG_INFO, "raft %.*s: session %llu of this node has ended", (int)g->name.len, g->name.data,
           (unsigned long long)s->id);
  s->id = 0;
  for (uint64_t sequence = s->lowest; sequence < s->next; sequence++) {
    struct proposal *p = *place(g, sequence);
    if (p == NULL) {
      continue;
    }
    *place(g, sequence) = NULL;
    p->sequence = 0;
    if (may_be_applied(p)) {
      finish(p, ERROR_TIMEOUT, 0, NULL);
    } else {
      take_out(p);
      put_before(&g->waiting, front, p);
    }
  }
  s->lowest = s->next = 1;
  group_want_turn(g);
}

void proposals_check_session(struct node_group *g, uint64_t index)
{
  struct groups *gs = g->groups;
  uint64_t nonce;
  uint64_t session = sessions_of(g->sessions, node_id(gs->node), &nonce);
  if (session != 0) {
    proposals_opened(g, session, nonce);
  }
  if (g->session.id != 0 && index >= g->session.id && session != g->session.id) {
    lose_session(g);
  }
}

/* ---- what became of them ---- */

void proposals_result(struct node_group *g, uint64_t session, uint64_t sequence, long long code, struct slice value)
{
  struct proposal *p = find(g, session, sequence);
  if (p != NULL) {
    finish(p, 0, code, &value);
  }
}

void proposals_skipped(struct node_group *g, uint64_t session, uint64_t sequence)
{
  if (find(g, session, sequence) != NULL) {
    lose_session(g);
  }
}

static void pause(struct node_group *g, struct proposal *p, uint64_t now)
{
  take_out(p);
  p->at_ns = now + g->config.heartbeat_ns;
  put_last(&g->paused, p);
}

/* What will not get better soon is said at once. */
static bool is_final(const struct proposal *p)
{
  return p->op != NULL && !may_be_applied(p) && (p->refusal == ERROR_TOO_LARGE || p->refusal == ERROR_DISK_FULL);
}

static void refused(struct node_group *g, struct proposal *p, int error, uint64_t now)
{
  p->refusal = error;
  if (is_final(p)) {
    finish(p, error, 0, NULL);
  } else {
    pause(g, p, now);
  }
}

void proposals_refused(struct node_group *g, uint64_t session, uint64_t sequence, uint64_t attempt, int error)
{
  struct proposal *p = sequence == 0 ? g->opening : find(g, session, sequence);
  if (p == NULL) {
    return;
  }
  for (unsigned i = 0; i < p->copies; i++) { /* a refusal may come twice, too */
    if (p->attempts[i] == attempt) {
      p->attempts[i] = p->attempts[--p->copies];
      break;
    }
  }
  if (p->queue == &g->flying && p->last_attempt == attempt) {
    if (g->target.term == 0) { /* it was a guess */
      g->guess++;
    }
    refused(g, p, error, node_now(g->groups->node));
    group_want_turn(g);
  }
}

/* ---- whom to ask ---- */

void group_hint(struct node_group *g, uint64_t leader, uint64_t term)
{
  if (leader != 0 && term > 0 && term >= g->hint.term && leader != g->groups->self) {
    g->hint = (struct group_target){leader, term};
    group_want_turn(g);
  }
}

static struct group_target guess(const struct node_group *g)
{
  const struct raft_configuration *c = raft_configuration(g->raft);
  c = c->count == 0 ? &g->first : c;
  for (size_t i = 0; i < c->count; i++) {
    uint64_t id = c->members[(g->guess + i) % c->count].id;
    if (id != g->groups->self) {
      return (struct group_target){.id = id};
    }
  }
  return (struct group_target){0};
}

bool proposals_lead(const struct node_group *g)
{
  return raft_role(g->raft) == RAFT_LEADER;
}

struct group_target group_leader(const struct node_group *g)
{
  uint64_t leader = raft_leader(g->raft);
  return leader != 0 ? (struct group_target){leader, raft_term(g->raft)} : g->hint;
}

struct group_target group_target(const struct node_group *g)
{
  if (raft_leader(g->raft) == 0 && group_is_member(g)) { /* it will hear */
    return (struct group_target){0};
  }
  struct group_target leader = group_leader(g);
  return leader.id != 0 ? leader : guess(g);
}

/* Another leader: whatever has no answer is sent again, under its old sequence. */
static void ask_anew(struct node_group *g)
{
  if (g->opening != NULL) {
    take_out(g->opening);
    put_before(&g->ready, g->ready.first, g->opening);
  }
  for (uint64_t s = g->session.lowest; g->session.id != 0 && s < g->session.next; s++) {
    struct proposal *p = *place(g, s);
    if (p != NULL) {
      take_out(p);
      put_last(&g->ready, p);
    }
  }
}

/* ---- on their way ---- */

static void fill_window(struct node_group *g)
{
  struct group_session *s = &g->session;
  if (s->id == 0) {
    if (g->waiting.count > 0 && g->opening == NULL) {
      open_session(g);
    }
    return;
  }
  while (g->waiting.count > 0 && s->next - s->lowest < NODE_PROPOSALS_IN_FLIGHT) {
    struct proposal *p = g->waiting.first;
    take_out(p);
    p->sequence = s->next++;
    *place(g, p->sequence) = p;
    put_last(&g->ready, p);
  }
}

void proposal_command(const struct node_group *g, const struct proposal *p, struct wire_command *out)
{
  const struct group_session *s = &g->session;
  if (p == g->opening) {
    *out = (struct wire_command){.kind = WIRE_OPEN, .node = node_id(g->groups->node), .nonce = s->nonce};
    return;
  }
  *out = (struct wire_command){
      .kind = WIRE_PROPOSAL,
      .session = s->id,
      .sequence = p->sequence,
      .below = s->lowest,
      .command = slice_of(p->command, p->len),
  };
}

/* Sends a copy to a leader elsewhere. */
static void forward(struct node_group *g, struct proposal *p, struct group_target to, uint64_t now)
{
  struct wire_command c;
  struct buf *line = group_line(g, to.id, "raft_propose");
  if (line == NULL) {
    pause(g, p, now);
    return;
  }
  uint64_t attempt = ++g->attempts;
  proposal_command(g, p, &c);
  wire_write_field(line, ",\"term\":", to.term);
  wire_write_field(line, ",\"attempt\":", attempt);
  if (c.kind == WIRE_OPEN) {
    buf_append_str(line, ",\"open\":");
    json_write_text(line, c.node);
    wire_write_field(line, ",\"nonce\":", c.nonce);
  } else {
    wire_write_field(line, ",\"session\":", c.session);
    wire_write_field(line, ",\"sequence\":", c.sequence);
    wire_write_field(line, ",\"below\":", c.below);
    buf_append_str(line, ",\"command\":");
    buf_append_slice(line, c.command);
  }
  node_line_send(g->groups->node);
  take_out(p);
  p->at_ns = now;
  p->last_attempt = attempt;
  put_last(&g->flying, p);
  if (to.term == 0) { /* nobody appends what was sent on a guess */
    return;
  }
  if (p->copies == COPIES_MAX) {
    p->unsure = true;
  } else {
    p->attempts[p->copies++] = attempt;
  }
}

/* Nothing has been heard of some for an election timeout: they are sent again. */
static void send_silent_again(struct node_group *g, uint64_t now)
{
  bool guessed = raft_leader(g->raft) == 0;
  while (g->flying.first != NULL && g->flying.first->at_ns + g->config.election_timeout_ns <= now) {
    make_ready(g, g->flying.first);
    if (guessed) {
      guessed = false;
      g->hint.id = 0;
      g->guess++;
    }
  }
}

void proposals_turn(struct node_group *g, uint64_t now)
{
  while (g->paused.first != NULL && g->paused.first->at_ns <= now) {
    make_ready(g, g->paused.first);
  }
  fill_window(g);
  if (group_target(g).id != 0) {
    send_silent_again(g, now);
  }
  struct group_target to = group_target(g);
  if (to.id == 0) {
    return;
  }
  if (to.id != g->target.id || to.term != g->target.term) {
    g->target = to;
    ask_anew(g);
  }
  if (to.id == g->groups->self) {
    serve_lead(g);
    return;
  }
  size_t count = g->ready.count;
  for (size_t i = 0; i < count; i++) {
    if (to.term == 0 && g->flying.count > 0) {
      break;
    }
    forward(g, g->ready.first, to, now);
  }
}

struct proposal *proposals_take(struct node_group *g)
{
  struct proposal *p = g->ready.first;
  if (p != NULL) {
    take_out(p);
  }
  return p;
}

void proposal_appended(struct proposal *p)
{
  p->appended = true;
}

void proposal_not_appended(struct proposal *p, int error, uint64_t now)
{
  refused(p->group, p, error, now);
}

uint64_t proposals_later(const struct node_group *g)
{
  uint64_t at = UINT64_MAX;
  if (g->paused.first != NULL) {
    at = g->paused.first->at_ns;
  }
  if (g->flying.first != NULL && group_target(g).id != 0) {
    uint64_t silent = g->flying.first->at_ns + g->config.election_timeout_ns;
    at = silent < at ? silent : at;
  }
  return at;
}

/* ---- the end ---- */

void proposals_stop(struct node_group *g)
{
  for (uint64_t s = g->session.lowest, end = g->session.next; s < end; s++) {
    struct proposal *p = *place(g, s);
    if (p != NULL) {
      finish(p, verdict(p, ERROR_STOPPED), 0, NULL);
    }
  }
  while (g->waiting.first != NULL) {
    // NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what is freed leaves the queue
    finish(g->waiting.first, verdict(g->waiting.first, ERROR_STOPPED), 0, NULL);
  }
}

void proposals_free(struct node_group *g)
{
  for (size_t i = 0; g->session.ring != NULL && i < NODE_PROPOSALS_IN_FLIGHT; i++) {
    free(g->session.ring[i]);
  }
  free(g->session.ring);
  while (g->waiting.first != NULL) {
    struct proposal *p = g->waiting.first;
    // NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what is freed leaves the queue
    take_out(p);
    free(p);
  }
  free(g->opening);
}
