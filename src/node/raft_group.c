/* Life of the groups; a turn: steps, what they ask for, in order, and who is woken. */
#include <stdlib.h>

#include "node/raft_internal.h"

static struct slice wire_name(void *self, uint64_t id)
{
  return groups_name(self, id);
}

static uint64_t wire_id(void *self, struct slice name)
{
  return groups_learn(self, name);
}

/* ---- life ---- */

static struct groups *need_groups(struct node *n)
{
  if (n->groups == NULL) {
    struct groups *gs = memory_zeroed(1, sizeof *gs);
    gs->node = n;
    gs->wire = (struct wire_names){gs, wire_name, wire_id};
    map_init(&gs->names);
    dict_init(&gs->by_name);
    n->groups = gs;
  }
  return n->groups;
}

static void free_group(struct node_group *g)
{
  const struct node_watch *watch = g->groups->node->config.watch;
  if (watch != NULL && g->raft != NULL) {
    watch->ended(watch->self, buf_slice(&g->name), g->groups->self);
  }
  raft_free(g->raft);
  sessions_free(g->sessions);
  group_forget_kept(g);
  free(g->kept);
  proposals_free(g);
  serve_free(g);
  asks_free(g);
  buf_free(&g->incoming);
  buf_free(&g->name);
  free(g);
}

void groups_free(struct node *n)
{
  struct groups *gs = n->groups;
  if (gs == NULL) {
    return;
  }
  for (size_t i = 0; i < gs->count; i++) {
    free_group(gs->list[i]);
  }
  for (size_t i = 0; i < gs->names.cap; i++) {
    free(gs->names.slots[i].value);
  }
  wal_free(gs->wal);
  map_free(&gs->names);
  dict_free(&gs->by_name);
  wire_message_free(&gs->in);
  buf_free(&gs->batch_bytes);
  buf_free(&gs->finished_bytes);
  buf_free(&gs->outcome);
  buf_free(&gs->scratch);
  buf_free(&gs->state);
  free(gs->batch);
  free(gs->batch_entries);
  free(gs->batch_payloads);
  free(gs->finished);
  free(gs->entries);
  free(gs->list);
  free(gs);
  n->groups = NULL;
}

struct node_group *groups_find(const struct groups *gs, struct slice name)
{
  return dict_get(&gs->by_name, name);
}

static bool fits_name(struct slice name)
{
  for (size_t i = 0; i < name.len; i++) {
    char c = name.ptr[i];
    bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (!letter && c != '_' && c != '.' && c != '-') {
      return false;
    }
  }
  return name.len > 0 && name.len <= NODE_GROUP_NAME_MAX_BYTES;
}

static bool add_voices(struct groups *gs, struct raft_configuration *c, const struct slice *names, size_t count, uint8_t voice)
{
  for (size_t i = 0; i < count; i++) {
    uint64_t id = groups_learn(gs, names[i]);
    if (id == 0 || raft_configuration_find(c, id) != NULL || !raft_configuration_set(c, id, voice)) {
      return false;
    }
  }
  return true;
}

/* The first members, as far as the config names them. */
static bool read_members(struct groups *gs, const struct node_group_config *config, struct raft_configuration *out, bool *all_members)
{
  *out = (struct raft_configuration){0};
  *all_members = config->voters == NULL;
  return (*all_members || config->voter_count > 0) &&
         add_voices(gs, out, config->voters, *all_members ? 0 : config->voter_count, RAFT_VOTER) &&
         add_voices(gs, out, config->learners, config->learner_count, RAFT_LEARNER);
}

static void set_defaults(struct node_group_config *config)
{
  config->name = slice_of("", 0);
  config->voters = NULL;
  config->learners = NULL;
  if (config->election_timeout_ns == 0) {
    config->election_timeout_ns = 300 * NODE_MS_NS;
  }
  if (config->heartbeat_ns == 0) {
    config->heartbeat_ns = 100 * NODE_MS_NS;
  }
  if (config->snapshot_bytes == 0) {
    config->snapshot_bytes = 4u << 20;
  }
}

struct node_group *node_group_open(struct node *n, const struct node_group_config *config, int *error)
{
  struct groups *gs = need_groups(n);
  struct slice name = config->name.len == 0 ? SLICE("main") : config->name;
  struct node_group_config mine = *config;
  struct raft_configuration first;
  bool all_members;
  assert(!gs->applying);
  set_defaults(&mine);
  *error = ERROR_MALFORMED;
  if (!fits_name(name) || groups_find(gs, name) != NULL || mine.heartbeat_ns >= (mine.election_timeout_ns + 1) / 2 ||
      !read_members(gs, config, &first, &all_members)) {
    return NULL;
  }
  if (gs->count == NODE_GROUPS_MAX) {
    *error = ERROR_TOO_LARGE;
    return NULL;
  }
  *error = 0;
  struct node_group *g = memory_zeroed(1, sizeof *g);
  g->groups = gs;
  buf_append_slice(&g->name, name);
  g->config = mine;
  g->first = first;
  g->all_members = all_members;
  g->sessions = sessions_new();
  g->copies_last = &g->copies;
  g->grow_more = 1;
  map_init(&g->origins);
  gs->list = memory_grow(gs->list, &gs->cap, gs->count + 1, sizeof(struct node_group *));
  gs->list[gs->count++] = g;
  dict_put(&gs->by_name, name, g);
  if (n->self != NULL) {
    group_want_turn(g);
  }
  return g;
}

/* ---- start ---- */

static int fill_members(struct node_group *g)
{
  struct groups *gs = g->groups;
  const struct node *n = gs->node;
  for (size_t i = 0; g->all_members && i < node_member_count(n); i++) {
    uint64_t id = groups_learn(gs, node_member(n, i));
    if (id == 0 || (raft_configuration_find(&g->first, id) == NULL && !raft_configuration_set(&g->first, id, RAFT_VOTER))) {
      node_log(n, LOG_ERROR, "raft %.*s: the cluster has %zu members, and a group at most %d: name its voters", (int)g->name.len,
               g->name.data, node_member_count(n), RAFT_MEMBERS_MAX);
      return ERROR_TOO_LARGE;
    }
  }
  return 0;
}

static int start_group(struct node_group *g)
{
  struct groups *gs = g->groups;
  int error = gs->wal == NULL ? storage_open(gs) : 0;
  if (error == 0) {
    error = fill_members(g);
  }
  if (error == 0) {
    error = storage_recover_group(g);
  }
  if (error == 0) {
    g->timer = op_new(gs->node, OP_GROUP_TIME, NULL);
    g->timer->subject = g;
    g->changed = g->applied > 0;
    group_want_turn(g);
  }
  return error;
}

int groups_start(struct node *n)
{
  struct groups *gs = n->groups;
  int error = 0;
  for (size_t i = 0; gs != NULL && i < gs->count && error == 0; i++) {
    error = start_group(gs->list[i]);
  }
  return error;
}

void groups_fail(struct groups *gs, const char *format, ...)
{
  if (gs->stopped) {
    return;
  }
  va_list args;
  va_start(args, format);
  node_log_args(gs->node, LOG_ERROR, format, args);
  va_end(args);
  gs->stopped = true;
  node_fail(gs->node);
}

/* ---- what the service waits for ---- */

static void ask_turn(struct groups *gs)
{
  if (gs->turn_asked) {
    return;
  }
  gs->turn_asked = true;
  if (gs->turn == NULL) {
    gs->turn = op_new(gs->node, OP_GROUPS_TURN, NULL);
  }
  op_arm(gs->node, gs->turn, node_now(gs->node));
}

void group_want_turn(struct node_group *g)
{
  g->due = true;
  ask_turn(g->groups);
}

void groups_answer(struct groups *gs, struct op *op, int status, long long code, const struct slice *value)
{
  if (op == NULL) {
    return;
  }
  op->subject = NULL;
  op_disarm(gs->node, op);
  gs->finished = memory_grow(gs->finished, &gs->finished_cap, gs->finished_count + 1, sizeof *gs->finished);
  struct finished *f = &gs->finished[gs->finished_count++];
  *f = (struct finished){.token = op->token, .status = status, .has_value = value != NULL, .code = code, .at = gs->finished_bytes.len};
  if (value != NULL) {
    f->len = value->len;
    buf_append_slice(&gs->finished_bytes, *value);
  }
  ask_turn(gs);
}

/* Calls the service for each operation that is over. Those that end meanwhile wait for the next turn. */
static void answer_finished(struct groups *gs)
{
  struct node *n = gs->node;
  size_t count = gs->finished_count;
  for (size_t i = 0; i < count; i++) {
    struct finished f = gs->finished[i];
    struct op *op = map_get(&n->ops, f.token);
    if (op == NULL) { /* cancelled */
      continue;
    }
    const char *bytes = gs->finished_bytes.data;
    struct node_answer answer = {.code = f.code, .value = slice_of(f.len > 0 ? bytes + f.at : "", f.len)};
    op_answer(n, op, f.status, f.has_value ? &answer : NULL);
  }
  gs->finished_count -= count;
  if (gs->finished_count == 0) {
    buf_clear(&gs->finished_bytes);
  } else {
    memmove(gs->finished, gs->finished + count, gs->finished_count * sizeof *gs->finished);
  }
}

/* ---- steps ---- */

bool group_is_member(const struct node_group *g)
{
  return raft_configuration_find(raft_configuration(g->raft), g->groups->self) != NULL;
}

static void log_members(struct node_group *g)
{
  struct groups *gs = g->groups;
  const struct raft_configuration *c = raft_configuration(g->raft);
  struct raft_status status;
  raft_status(g->raft, &status);
  struct buf text = {0};
  wire_encode_configuration(&text, c, &gs->wire);
  bool committed = status.configuration_index == status.committed_configuration_index;
  node_log(gs->node, LOG_INFO, "raft %.*s: members are %.*s (entry %llu, %s)", (int)g->name.len, g->name.data, (int)text.len, text.data,
           (unsigned long long)status.configuration_index, committed ? "committed" : "not committed yet");
  buf_free(&text);
}

static void note_role(struct node_group *g)
{
  const struct node *n = g->groups->node;
  enum raft_role role = raft_role(g->raft);
  uint64_t leader = raft_leader(g->raft);
  uint64_t term = raft_term(g->raft);
  bool leads = role == RAFT_LEADER;
  int len = (int)g->name.len;
  if (leads && (g->told_role != RAFT_LEADER || g->told_term != term)) {
    node_log(n, LOG_INFO, "raft %.*s: leads in term %llu", len, g->name.data, (unsigned long long)term);
  } else if (!leads && leader != 0 && (g->told_leader != leader || g->told_term != term)) {
    struct slice name = groups_name(g->groups, leader);
    node_log(n, LOG_INFO, "raft %.*s: follows %.*s in term %llu", len, g->name.data, (int)name.len, name.ptr, (unsigned long long)term);
  } else if (leader == 0 && g->told_leader != 0) {
    node_log(n, LOG_INFO, "raft %.*s: knows no leader, term %llu", len, g->name.data, (unsigned long long)term);
  }
  g->changed |= leads != (g->told_role == RAFT_LEADER) || leader != g->told_leader;
  g->told_role = role;
  g->told_leader = leader;
  g->told_term = term;
  if (!leads) {
    serve_refuse_all(g, ERROR_NOT_LEADER);
  }
  group_want_turn(g);
}

/* Carries out what a step asks for: first what is to be kept, then what others are told. */
static void carry_out(struct node_group *g, const struct raft_status *before, const struct raft_event *event,
                      const struct raft_update *update, const struct group_payload *payload)
{
  struct groups *gs = g->groups;
  const struct node_watch *watch = gs->node->config.watch;
  assert(g->phase == PHASE_STEP);
  if (update->append.sequence != 0) {
    storage_append(g, &update->append, payload);
  }
  if (event->type == RAFT_EVENT_PERSISTED) {
    g->persisted = event->sequence;
  }
  if (watch != NULL) {
    watch->stepped(watch->self, buf_slice(&g->name), gs->self, before, event, update);
  }
  storage_pump(gs);
  group_send(g, update->messages, update->message_count);
  g->phase = PHASE_SENT;
  if (update->chunk.present) {
    snapshot_chunk(g, &update->chunk, payload != NULL ? payload->chunk : slice_of("", 0));
  }
  assert(update->commit >= g->commit);
  g->commit = update->commit;
  reads_confirm(g, update->read.through, update->read.index);
  if (update->role_changed) {
    note_role(g);
  }
  if (update->configuration_changed) {
    g->changed = true;
    log_members(g);
    group_want_turn(g);
  }
}

int group_step(struct node_group *g, struct raft_event *event, const struct group_payload *payload)
{
  struct groups *gs = g->groups;
  struct raft_status before;
  struct raft_update update;
  if (gs->stopped) {
    return ERROR_STOPPED;
  }
  assert(!gs->applying && !gs->answering); /* what the service asks for meanwhile waits for a turn of its own */
  assert(g->phase == PHASE_IDLE || g->phase == PHASE_SENT);
  g->phase = PHASE_STEP;
  event->now_ns = node_now(gs->node);
  if (gs->node->config.watch != NULL) {
    raft_status(g->raft, &before);
  }
  int error = raft_step(g->raft, event, &update);
  if (error == ERROR_INVARIANT) {
    groups_fail(gs, "raft %.*s: %s", (int)g->name.len, g->name.data, raft_failure(g->raft));
  } else if (error == 0) {
    carry_out(g, &before, event, &update, payload);
  }
  g->touched = true;
  g->phase = PHASE_IDLE;
  return error;
}

/* Tells the core what has become durable; true if something has. */
static bool step_persisted(struct node_group *g)
{
  struct wal_group_state state;
  wal_state(g->groups->wal, g->number, &state);
  if (state.durable <= g->sequence_base + g->persisted) {
    return false;
  }
  uint64_t durable = state.durable - g->sequence_base;
  return group_step(g, &(struct raft_event){.type = RAFT_EVENT_PERSISTED, .sequence = durable}, NULL) == 0;
}

void group_settle(struct node_group *g)
{
  if (g->raft == NULL) {
    return;
  }
  bool again = true;
  while (again && !g->groups->stopped) {
    while (step_persisted(g) || snapshot_settle(g)) {
    }
    bool left = group_apply(g);
    snapshot_consider(g);
    again = g->snapshot != SNAPSHOT_NONE && wal_snapshot_durable(g->groups->wal, g->number, g->snapshot_index);
    if (left) {
      group_want_turn(g);
    }
  }
}

/* ---- turns ---- */

static void set_timer(struct node_group *g)
{
  struct node *n = g->groups->node;
  uint64_t at = raft_deadline(g->raft);
  uint64_t later = proposals_later(g);
  at = later < at ? later : at;
  later = asks_later(g);
  at = later < at ? later : at;
  /* One that comes early does no harm, and the deadline moves with every message. */
  if (!heap_contains(&g->timer->timer) || at < g->timer->timer.deadline) {
    op_arm(n, g->timer, at);
  }
}

void groups_finish(struct groups *gs)
{
  struct node *n = gs->node;
  assert(!gs->answering);
  for (size_t i = 0; i < gs->count; i++) {
    assert(gs->list[i]->phase == PHASE_IDLE);
    reads_finish(gs->list[i]);
  }
  gs->answering = true;
  answer_finished(gs);
  for (size_t i = 0; i < gs->count; i++) {
    struct node_group *g = gs->list[i];
    if (g->changed && !gs->stopped) {
      g->changed = false;
      n->behavior.changed(n->behavior.self, g->config.tag);
    }
  }
  gs->answering = false;
  for (size_t i = 0; i < gs->count && !gs->stopped; i++) {
    struct node_group *g = gs->list[i];
    if (g->raft != NULL && g->touched) {
      g->touched = false;
      set_timer(g);
    }
  }
  if (gs->finished_count > 0) {
    ask_turn(gs);
  }
}

static void turn_of(struct node_group *g)
{
  struct groups *gs = g->groups;
  g->due = false;
  if (gs->node->self == NULL) { /* it starts at init */
    return;
  }
  if (g->raft == NULL && start_group(g) != 0) {
    gs->stopped = true;
    node_fail(gs->node);
    return;
  }
  uint64_t now = node_now(gs->node);
  g->touched = true;
  if (!g->begun) {
    g->begun = true;
    group_step(g, &(struct raft_event){.type = RAFT_EVENT_TIME}, NULL);
  }
  proposals_turn(g, now);
  reads_turn(g);
  asks_turn(g, now);
  group_settle(g);
}

void groups_turn(struct node *n)
{
  struct groups *gs = n->groups;
  op_disarm(n, gs->turn);
  gs->turn_asked = false;
  for (size_t i = 0; i < gs->count && !gs->stopped; i++) {
    if (gs->list[i]->due) {
      turn_of(gs->list[i]);
    }
  }
  groups_finish(gs);
}

void groups_time(struct node *n, struct op *op)
{
  struct node_group *g = op->subject;
  op_disarm(n, op);
  if (n->groups->stopped) {
    return;
  }
  if (group_step(g, &(struct raft_event){.type = RAFT_EVENT_TIME}, NULL) == 0) {
    turn_of(g);
  }
  groups_finish(n->groups);
}

void groups_retry(struct node *n)
{
  op_disarm(n, n->groups->retry);
  storage_retry(n->groups);
}

/* ---- the end ---- */

void groups_stop(struct node *n)
{
  struct groups *gs = n->groups;
  if (gs == NULL) {
    return;
  }
  gs->stopped = true;
  for (size_t i = 0; i < gs->count; i++) {
    proposals_stop(gs->list[i]);
    asks_stop(gs->list[i]);
  }
  groups_finish(gs);
}

/* ---- operations of the service ---- */

void groups_op_due(struct op *op)
{
  if (op->kind == OP_PROPOSAL) {
    proposal_due(op);
  } else {
    ask_due(op);
  }
}

void groups_op_forget(struct op *op)
{
  if (op->kind == OP_PROPOSAL) {
    proposal_forget(op->subject);
  } else if (op->kind == OP_READ) {
    read_free(op->subject);
  } else if (op->kind == OP_ASK) {
    ask_free(op->subject);
  }
}
