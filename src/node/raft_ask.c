/* Reads, changes of members, transfers of leadership, as this node asks for them and as a leader is asked by others. */
#include <stdlib.h>

#include "node/raft_internal.h"
#include "node/wire.h"
#include "json/write.h"

/* ---- reads ---- */

static void unlink_read(struct read *r)
{
  struct node_group *g = r->group;
  assert(implies(g->reads == r, r->prev == NULL) && implies(g->reads_last == r, r->next == NULL));
  *(r->prev != NULL ? &r->prev->next : &g->reads) = r->next;
  *(r->next != NULL ? &r->next->prev : &g->reads_last) = r->prev;
}

void read_free(struct read *r)
{
  unlink_read(r);
  free(r);
}

static void finish_read(struct read *r, int status)
{
  groups_answer(r->group->groups, r->op, status, 0, NULL);
  read_free(r);
}

uint64_t node_group_read(struct node_group *g, uint64_t timeout_ns, void *tag)
{
  struct groups *gs = g->groups;
  struct node *n = gs->node;
  struct op *op = op_new(n, OP_READ, tag);
  uint64_t token = op->token;
  if (gs->stopped || n->state > NODE_RUNNING) {
    groups_answer(gs, op, ERROR_STOPPED, 0, NULL);
    return token;
  }
  struct read *r = memory_must(malloc(sizeof *r));
  *r = (struct read){.group = g, .op = op, .prev = g->reads_last, .index = UINT64_MAX};
  *(g->reads_last != NULL ? &g->reads_last->next : &g->reads) = r;
  g->reads_last = r;
  op->subject = r;
  op_arm_after(n, op, timeout_ns);
  group_want_turn(g);
  return token;
}

/* All that have come since the last turn are one question. */
void reads_turn(struct node_group *g)
{
  struct read *first = g->reads_last;
  if (first == NULL || first->context != 0) {
    return;
  }
  if (!group_is_member(g)) {
    while (g->reads_last != NULL && g->reads_last->context == 0) { // NOLINT(clang-analyzer-unix.Malloc): what is freed leaves the list
      finish_read(g->reads_last, ERROR_UNAVAILABLE);
    }
    return;
  }
  uint64_t context = ++g->context;
  for (; first != NULL && first->context == 0; first = first->prev) {
    first->context = context;
  }
  group_step(g, &(struct raft_event){.type = RAFT_EVENT_READ, .context = context}, NULL);
}

void reads_confirm(struct node_group *g, uint64_t through, uint64_t index)
{
  if (through == 0) {
    return;
  }
  for (struct read *r = g->reads; r != NULL && r->context != 0 && r->context <= through; r = r->next) {
    if (r->index == UINT64_MAX) {
      r->index = index;
    }
  }
}

void reads_finish(struct node_group *g)
{
  while (g->reads != NULL && g->reads->index <= g->applied) { // NOLINT(clang-analyzer-unix.Malloc): what is freed leaves the list
    finish_read(g->reads, 0);
  }
}

/* ---- asks of this node ---- */

static void unlink_ask(struct ask *a)
{
  assert(implies(a->group->asks == a, a->prev == NULL));
  *(a->prev != NULL ? &a->prev->next : &a->group->asks) = a->next;
  if (a->next != NULL) {
    a->next->prev = a->prev;
  }
}

void ask_free(struct ask *a)
{
  unlink_ask(a);
  free(a);
}

static void finish_ask(struct ask *a, int status)
{
  groups_answer(a->group->groups, a->op, status, 0, NULL);
  ask_free(a);
}

/* NULL: it is answered with this error. */
static struct ask *new_ask(struct node_group *g, enum ask_kind kind, int error, uint64_t timeout_ns, void *tag, uint64_t *token)
{
  struct groups *gs = g->groups;
  struct node *n = gs->node;
  struct op *op = op_new(n, OP_ASK, tag);
  *token = op->token;
  if (gs->stopped || n->state > NODE_RUNNING) {
    error = ERROR_STOPPED;
  }
  if (error != 0) {
    groups_answer(gs, op, error, 0, NULL);
    return NULL;
  }
  struct ask *a = memory_zeroed(1, sizeof *a);
  a->group = g;
  a->op = op;
  a->kind = kind;
  a->number = ++g->ask_numbers;
  a->since = UINT64_MAX;
  a->next = g->asks;
  if (g->asks != NULL) {
    g->asks->prev = a;
  }
  g->asks = a;
  op->subject = a;
  op_arm_after(n, op, timeout_ns);
  group_want_turn(g);
  return a;
}

static bool add(struct node_group *g, struct raft_configuration *c, const struct slice *names, size_t count, uint8_t voice)
{
  const struct node *n = g->groups->node;
  for (size_t i = 0; i < count; i++) {
    bool ours = n->self != NULL && node_is_member(n, names[i]);
    uint64_t id = ours ? groups_learn(g->groups, names[i]) : 0;
    if (id == 0 || raft_configuration_find(c, id) != NULL || !raft_configuration_set(c, id, voice)) {
      return false;
    }
  }
  return true;
}

uint64_t node_group_change(struct node_group *g, const struct slice *voters, size_t voter_count, const struct slice *learners,
                           size_t learner_count, uint64_t timeout_ns, void *tag)
{
  struct raft_configuration target = {0};
  uint64_t token;
  bool good = voter_count > 0 && add(g, &target, voters, voter_count, RAFT_VOTER) && add(g, &target, learners, learner_count, RAFT_LEARNER);
  struct ask *a = new_ask(g, ASK_CHANGE, good ? 0 : ERROR_MALFORMED, timeout_ns, tag, &token);
  if (a != NULL) {
    a->target = target;
  }
  return token;
}

uint64_t node_group_transfer(struct node_group *g, struct slice to, uint64_t timeout_ns, void *tag)
{
  const struct node *n = g->groups->node;
  uint64_t token;
  bool known = to.len == 0 || (n->self != NULL && node_is_member(n, to));
  uint64_t id = known && to.len > 0 ? groups_learn(g->groups, to) : 0;
  struct ask *a = new_ask(g, ASK_TRANSFER, known ? 0 : ERROR_NODE_NOT_FOUND, timeout_ns, tag, &token);
  if (a != NULL) {
    a->to = id;
  }
  return token;
}

static bool equal(const struct raft_configuration *a, const struct raft_configuration *b)
{
  bool same = a->count == b->count;
  for (size_t i = 0; same && i < a->count; i++) {
    same = a->members[i].id == b->members[i].id && a->members[i].voice == b->members[i].voice;
  }
  return same;
}

static void append_members(struct buf *line, const struct node_group *g, const struct raft_configuration *c)
{
  buf_append_str(line, ",\"members\":");
  wire_encode_configuration(line, c, &g->groups->wire);
}

/* Asks a leader elsewhere; it may be lost, and is asked again. */
static void send_ask(struct ask *a, struct group_target to)
{
  struct node_group *g = a->group;
  struct raft_status status;
  struct buf *line = group_line(g, to.id, a->kind == ASK_CHANGE ? "raft_change" : "raft_transfer");
  if (line == NULL) {
    return;
  }
  raft_status(g->raft, &status);
  wire_write_field(line, ",\"ask\":", a->number);
  if (a->kind == ASK_CHANGE) {
    uint64_t at = status.committed_configuration_index;
    append_members(line, g, &a->target);
    wire_write_field(line, ",\"at\":", at > a->at ? at : a->at);
  } else {
    wire_write_field(line, ",\"term\":", to.term);
    if (a->to != 0) {
      buf_append_str(line, ",\"to\":");
      json_write_text(line, groups_name(g->groups, a->to));
    }
  }
  node_line_send(g->groups->node);
  a->sent = true;
}

/* ---- a leader is asked, by this node or another ---- */

int serve_change(struct node_group *g, const struct raft_configuration *target, uint64_t at)
{
  struct raft_status status;
  if (!proposals_lead(g)) {
    return ERROR_NOT_LEADER;
  }
  if (equal(raft_committed_configuration(g->raft), target)) {
    return 0;
  }
  raft_status(g->raft, &status);
  if (at != status.committed_configuration_index) { /* made with other members in mind, or repeated by the network */
    return ERROR_BUSY;
  }
  int error = group_step(g, &(struct raft_event){.type = RAFT_EVENT_CHANGE, .change = target}, NULL);
  return error == 0 ? ERROR_TIMEOUT : error;
}

int serve_transfer(struct node_group *g, uint64_t to, uint64_t term)
{
  if (!proposals_lead(g)) {
    return ERROR_NOT_LEADER;
  }
  if (to == g->groups->self) {
    return 0;
  }
  if (term != raft_term(g->raft)) {
    return ERROR_BUSY;
  }
  int error = group_step(g, &(struct raft_event){.type = RAFT_EVENT_TRANSFER, .to = to}, NULL);
  return error == 0 ? ERROR_TIMEOUT : error;
}

/* ---- a turn ---- */

/* What an error of the leader's means to who asked: 0 and those that will not change end it; the others are tried again. */
static bool is_answer(int error)
{
  return error == 0 || error == ERROR_MALFORMED || error == ERROR_NODE_NOT_FOUND;
}

/* Whether this node sees that it has come true. A configuration must have been committed since the question: this node may be behind. */
static bool has_come_true(struct ask *a, struct group_target leader)
{
  const struct node_group *g = a->group;
  struct raft_status status;
  if (a->kind == ASK_CHANGE) {
    raft_status(g->raft, &status);
    if (a->since == UINT64_MAX) {
      a->since = status.committed_configuration_index;
    }
    return status.committed_configuration_index > a->since && equal(raft_committed_configuration(g->raft), &a->target);
  }
  if (leader.id == 0 || leader.term == 0) {
    return false;
  }
  if (a->to != 0) {
    return leader.id == a->to;
  }
  if (a->from.id == 0) {
    a->from = leader;
  }
  return leader.id != a->from.id;
}

static void ask_turn_of(struct ask *a, uint64_t now)
{
  struct node_group *g = a->group;
  struct group_target leader = group_target(g);
  if (has_come_true(a, leader)) {
    finish_ask(a, 0);
    return;
  }
  if (leader.id == 0) {
    a->next_ns = 0; /* a leader's coming is a turn of its own: a time that has passed would be waited for over and over */
    return;
  }
  if (a->next_ns > now) {
    return;
  }
  a->next_ns = now + g->config.election_timeout_ns;
  if (leader.id != g->groups->self) {
    send_ask(a, leader);
    return;
  }
  struct raft_status status;
  raft_status(g->raft, &status);
  int error = a->kind == ASK_CHANGE ? serve_change(g, &a->target, status.committed_configuration_index)
                                    : serve_transfer(g, a->to, raft_term(g->raft));
  a->sent = a->sent || error == ERROR_TIMEOUT;
  if (is_answer(error)) {
    finish_ask(a, error);
  }
}

void asks_turn(struct node_group *g, uint64_t now)
{
  for (struct ask *a = g->asks, *next; a != NULL; a = next) {
    next = a->next;
    ask_turn_of(a, now);
  }
}

uint64_t asks_later(const struct node_group *g)
{
  uint64_t at = UINT64_MAX;
  for (const struct ask *a = g->asks; a != NULL; a = a->next) {
    at = a->next_ns > 0 && a->next_ns < at ? a->next_ns : at;
  }
  return at;
}

void ask_replied(struct node_group *g, uint64_t number, int error, uint64_t at)
{
  for (struct ask *a = g->asks; a != NULL; a = a->next) {
    if (a->number != number) {
      continue;
    }
    if (is_answer(error)) {
      finish_ask(a, error);
    } else if (at > a->at) {
      a->at = at;
      a->next_ns = 1;
      group_want_turn(g);
    }
    return;
  }
}

/* ---- the end ---- */

void ask_due(struct op *op)
{
  bool is_read = op->kind == OP_READ;
  struct node_group *g = is_read ? ((struct read *)op->subject)->group : ((struct ask *)op->subject)->group;
  int status = g->raft == NULL ? ERROR_UNAVAILABLE : ERROR_NO_QUORUM;
  if (is_read) {
    read_free(op->subject);
  } else {
    struct ask *a = op->subject;
    status = a->sent ? ERROR_TIMEOUT : status;
    ask_free(a);
  }
  op_answer(g->groups->node, op, status, NULL);
}

void asks_stop(struct node_group *g)
{
  while (g->reads != NULL) {
    finish_read(g->reads, ERROR_STOPPED); // NOLINT(clang-analyzer-unix.Malloc): what is freed leaves the list
  }
  while (g->asks != NULL) {
    finish_ask(g->asks, g->asks->sent ? ERROR_TIMEOUT : ERROR_STOPPED); // NOLINT(clang-analyzer-unix.Malloc): what is freed leaves the list
  }
}

void asks_free(struct node_group *g)
{
  while (g->reads != NULL) {
    read_free(g->reads); // NOLINT(clang-analyzer-unix.Malloc): what is freed leaves the list
  }
  while (g->asks != NULL) {
    ask_free(g->asks); // NOLINT(clang-analyzer-unix.Malloc): what is freed leaves the list
  }
}
