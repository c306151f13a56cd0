/* A leader's side of proposals: batches of what is ready, copies that other nodes have sent, what becomes of them.
 *
 * A copy names the term in which its receiver is to lead, and is refused in any other: so a copy that was refused is never appended,
 * however often the network repeats it. Within a term, the leader takes each copy once, and appends no proposal that it has appended
 * already. */
#include <stdlib.h>

#include "node/raft_internal.h"
#include "node/wire.h"
#include "json/canonical.h"
#include "json/write.h"

enum {
  BATCH_ENTRIES = 1024,
  BATCH_BYTES = 1 << 20,
};

/* Of whom an entry of a batch is. */
struct proposed {
  struct proposal *own; /* NULL: of another node */
  struct copy *copy;
};

/* ---- answers to other nodes ---- */

static void send_refused(struct node_group *g, uint64_t to, uint64_t session, uint64_t sequence, uint64_t attempt, int error)
{
  struct buf *line = group_line(g, to, "raft_refused");
  if (line == NULL) {
    return;
  }
  wire_write_field(line, ",\"session\":", session);
  wire_write_field(line, ",\"sequence\":", sequence);
  wire_write_field(line, ",\"attempt\":", attempt);
  buf_append_str(line, ",\"code\":");
  const char *name = error_name(error);
  json_write_text(line, slice_of(name, strlen(name)));
  group_append_leader(g, line);
  node_line_send(g->groups->node);
}

static struct buf *begin_result(struct node_group *g, uint64_t to, uint64_t session, uint64_t sequence)
{
  struct buf *line = group_line(g, to, "raft_result");
  if (line != NULL) {
    wire_write_field(line, ",\"session\":", session);
    wire_write_field(line, ",\"sequence\":", sequence);
  }
  return line;
}

static void send_result(struct node_group *g, uint64_t to, const struct wire_command *c, long long code, struct slice value)
{
  struct buf *line = begin_result(g, to, c->session, c->sequence);
  if (line == NULL) {
    return;
  }
  buf_append_str(line, ",\"code\":");
  json_write_integer(line, code);
  if (code != 0) {
    buf_append_str(line, ",\"text\":");
    json_write_text(line, value);
  } else if (value.len > 0) {
    buf_append_str(line, ",\"value\":");
    buf_append_slice(line, value);
  }
  node_line_send(g->groups->node);
}

/* ---- what is remembered of origins ---- */

static void forget_origins(struct node_group *g)
{
  for (size_t i = 0; i < g->origins.cap; i++) {
    free(g->origins.slots[i].value);
  }
  map_free(&g->origins);
  map_init(&g->origins);
}

/* Each leadership begins with nothing remembered. */
static void begin_term(struct node_group *g)
{
  uint64_t term = raft_term(g->raft);
  if (g->origins_term != term) {
    g->origins_term = term;
    forget_origins(g);
  }
}

/* The origin of a session; one of an older session of its node is forgotten. NULL: the session is older than one that is known. */
static struct origin *need_origin(struct node_group *g, uint64_t from, uint64_t session)
{
  struct origin *o = map_get(&g->origins, session);
  if (o != NULL) {
    return o->from == from ? o : NULL;
  }
  for (size_t i = 0; i < g->origins.cap; i++) {
    struct origin *other = g->origins.slots[i].value;
    if (other == NULL || other->from != from) {
      continue;
    }
    if (other->session > session) {
      return NULL;
    }
    map_remove(&g->origins, other->session);
    free(other);
    break;
  }
  o = memory_zeroed(1, sizeof *o);
  o->from = from;
  o->session = session;
  map_put(&g->origins, session, o);
  return o;
}

static uint64_t bit(uint64_t sequence)
{
  return UINT64_C(1) << sequence % 64;
}

static uint64_t *word(struct origin *o, uint64_t sequence)
{
  return &o->pending[sequence % NODE_PROPOSALS_IN_FLIGHT / 64];
}

/* Nobody waits for those below any more. */
static void move_mark(struct origin *o, uint64_t below)
{
  if (below <= o->below) {
    return;
  }
  if (below - o->below >= NODE_PROPOSALS_IN_FLIGHT) {
    memset(o->pending, 0, sizeof o->pending);
  } else {
    for (uint64_t s = o->below; s < below; s++) {
      *word(o, s) &= ~bit(s);
    }
  }
  o->below = below;
}

/* ---- copies ---- */

/* Whether this leader has taken it and not applied it yet. */
static void set_pending(struct node_group *g, const struct wire_command *c, bool pending)
{
  struct origin *o = c->kind == WIRE_OPEN ? NULL : map_get(&g->origins, c->session);
  if (o == NULL || c->sequence < o->below) {
    return;
  }
  if (pending) {
    *word(o, c->sequence) |= bit(c->sequence);
  } else {
    *word(o, c->sequence) &= ~bit(c->sequence);
  }
}

static bool keep_copy(struct node_group *g, uint64_t from, uint64_t attempt, const struct wire_command *c)
{
  struct groups *gs = g->groups;
  struct slice text = c->kind == WIRE_OPEN ? c->node : c->command;
  buf_clear(&gs->scratch);
  if (c->kind == WIRE_OPEN) {
    buf_append_slice(&gs->scratch, text);
  } else {
    json_canonical(text, &gs->scratch);
  }
  if (gs->scratch.len > NODE_PROPOSAL_MAX_BYTES || (c->kind == WIRE_PROPOSAL && !wire_fits(buf_slice(&gs->scratch)))) {
    return false;
  }
  struct copy *copy = memory_must(malloc(sizeof *copy + gs->scratch.len));
  *copy = (struct copy){.from = from, .attempt = attempt, .command = *c};
  memcpy(copy->bytes, gs->scratch.data, gs->scratch.len);
  *(c->kind == WIRE_OPEN ? &copy->command.node : &copy->command.command) = slice_of(copy->bytes, gs->scratch.len);
  *g->copies_last = copy;
  g->copies_last = &copy->next;
  set_pending(g, c, true);
  group_want_turn(g);
  return true;
}

/* Whether a copy need not be appended. */
static bool is_settled(struct node_group *g, uint64_t from, uint64_t attempt, const struct wire_command *c)
{
  struct origin *o = need_origin(g, from, c->session);
  long long code;
  struct slice value;
  if (o == NULL || c->sequence < o->below || !window_take(&o->attempts, (int64_t)c->session, (int64_t)attempt)) {
    return true;
  }
  move_mark(o, c->below);
  if (*word(o, c->sequence) & bit(c->sequence)) {
    return true; /* its result will come */
  }
  if (sessions_look(g->sessions, c->session, c->sequence, 0, &code, &value) == SESSION_REPEAT) {
    send_result(g, from, c, code, value);
    return true;
  }
  return false;
}

void serve_take(struct node_group *g, uint64_t from, uint64_t attempt, uint64_t term, const struct wire_command *c)
{
  uint64_t session = c->kind == WIRE_OPEN ? 0 : c->session;
  uint64_t sequence = c->kind == WIRE_OPEN ? 0 : c->sequence;
  if (!proposals_lead(g) || term != raft_term(g->raft)) {
    send_refused(g, from, session, sequence, attempt, ERROR_NOT_LEADER);
    return;
  }
  begin_term(g);
  if (c->kind == WIRE_PROPOSAL && is_settled(g, from, attempt, c)) {
    return;
  }
  if (!keep_copy(g, from, attempt, c)) {
    send_refused(g, from, session, sequence, attempt, ERROR_TOO_LARGE);
  }
}

static struct copy *take_copy(struct node_group *g)
{
  struct copy *copy = g->copies;
  if (copy != NULL) {
    g->copies = copy->next;
    if (g->copies == NULL) {
      g->copies_last = &g->copies;
    }
  }
  return copy;
}

static void refuse_copy(struct node_group *g, struct copy *copy, int error)
{
  const struct wire_command *c = &copy->command;
  set_pending(g, c, false);
  send_refused(g, copy->from, c->kind == WIRE_OPEN ? 0 : c->session, c->kind == WIRE_OPEN ? 0 : c->sequence, copy->attempt, error);
  free(copy);
}

void serve_refuse_all(struct node_group *g, int error)
{
  struct copy *copy;
  while ((copy = take_copy(g)) != NULL) {
    refuse_copy(g, copy, error);
  }
}

/* ---- batches ---- */

static bool next_proposed(struct node_group *g, struct proposed *out)
{
  out->own = proposals_take(g);
  out->copy = out->own != NULL ? NULL : take_copy(g);
  return out->own != NULL || out->copy != NULL;
}

static size_t collect(struct node_group *g)
{
  struct groups *gs = g->groups;
  size_t count = 0;
  struct proposed next;
  buf_clear(&gs->batch_bytes);
  while (count < BATCH_ENTRIES && gs->batch_bytes.len < BATCH_BYTES && next_proposed(g, &next)) {
    gs->batch = memory_grow(gs->batch, &gs->batch_cap, count + 1, sizeof *gs->batch);
    gs->batch_entries = memory_grow(gs->batch_entries, &gs->batch_entry_cap, count + 1, sizeof *gs->batch_entries);
    gs->batch_payloads = memory_grow(gs->batch_payloads, &gs->batch_payload_cap, count + 1, sizeof *gs->batch_payloads);
    gs->batch[count] = next;
    struct wire_command c;
    if (next.own != NULL) {
      proposal_command(g, next.own, &c);
    } else {
      c = next.copy->command;
    }
    size_t before = gs->batch_bytes.len;
    wire_encode_command(&gs->batch_bytes, &c);
    size_t size = gs->batch_bytes.len - before;
    gs->batch_entries[count] = (struct raft_entry){.type = RAFT_COMMAND, .size = (uint32_t)size};
    gs->batch_payloads[count] = (struct wal_entry){.type = RAFT_COMMAND, .bytes = {.len = size}};
    count++;
  }
  const char *at = gs->batch_bytes.data;
  for (size_t i = 0; i < count; i++) {
    gs->batch_payloads[i].bytes.ptr = at;
    at += gs->batch_payloads[i].bytes.len;
  }
  return count;
}

/* Says what became of it, and forgets it. */
static void tell(struct node_group *g, struct proposed *p, int error, uint64_t now)
{
  if (p->own != NULL && error == 0) {
    proposal_appended(p->own);
  } else if (p->own != NULL) {
    proposal_not_appended(p->own, error, now);
  } else if (error == 0) {
    // NOLINTNEXTLINE(clang-analyzer-unix.Malloc): each copy is taken once
    free(p->copy);
  } else if (p->copy != NULL) {
    // NOLINTNEXTLINE(clang-analyzer-unix.Malloc): each copy is taken once
    refuse_copy(g, p->copy, error);
  }
  *p = (struct proposed){0};
}

void serve_lead(struct node_group *g)
{
  struct groups *gs = g->groups;
  uint64_t now = node_now(gs->node);
  int error = 0;
  size_t count;
  begin_term(g);
  while ((count = collect(g)) > 0) {
    struct group_payload payload = {.entries = gs->batch_payloads, .count = count};
    struct raft_event event = {.type = RAFT_EVENT_PROPOSE, .propose = {.entries = gs->batch_entries, .count = count}};
    if (error == 0) {
      error = group_step(g, &event, &payload);
    }
    for (size_t i = 0; i < count; i++) {
      tell(g, &gs->batch[i], error, now);
    }
  }
}

/* ---- what is applied ---- */

void serve_applied(struct node_group *g, const struct wire_command *c, bool skipped, long long code, struct slice value)
{
  struct origin *o = proposals_lead(g) && g->origins_term == raft_term(g->raft) ? map_get(&g->origins, c->session) : NULL;
  if (o == NULL || c->sequence < o->below || (*word(o, c->sequence) & bit(c->sequence)) == 0) {
    return;
  }
  *word(o, c->sequence) &= ~bit(c->sequence);
  if (!skipped) {
    send_result(g, o->from, c, code, value);
    return;
  }
  struct buf *line = begin_result(g, o->from, c->session, c->sequence);
  if (line != NULL) {
    buf_append_str(line, ",\"skipped\":true");
    node_line_send(g->groups->node);
  }
}

void serve_opened(struct node_group *g, const struct wire_command *c, uint64_t session)
{
  struct buf *line = proposals_lead(g) ? begin_result(g, node_raft_id(c->node), session, 0) : NULL;
  if (line != NULL) {
    wire_write_field(line, ",\"nonce\":", c->nonce);
    node_line_send(g->groups->node);
  }
}

void serve_free(struct node_group *g)
{
  struct copy *copy;
  while ((copy = take_copy(g)) != NULL) {
    free(copy);
  }
  forget_origins(g);
  map_free(&g->origins);
}
