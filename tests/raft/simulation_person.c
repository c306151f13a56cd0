/* A member: steps its core and carries out what it says. */
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/mix.h"
#include "simulation_world.h"

/* ---- clock ---- */

uint64_t simulation_clock(const struct world *w, const struct person *p)
{
  return p->clock_base + (w->now - p->clock_world) * p->clock_rate / 1024;
}

/* Sees to it that the member wakes at its deadline. A later one is found when an earlier one has come. */
void simulation_arm(struct world *w, struct person *p)
{
  uint64_t deadline = raft_deadline(p->raft);
  if (deadline == UINT64_MAX) {
    return;
  }
  uint64_t clock = simulation_clock(w, p);
  uint64_t wait = deadline <= clock ? 0 : deadline - clock;
  uint64_t at = w->now + wait * 1024 / p->clock_rate + 1;
  if (at < p->wake_at) {
    p->wake_at = at;
    simulation_at(w, simulation_happening(w, WAKE, p), at);
  }
}

void simulation_set_clock(struct world *w, struct person *p, uint64_t ahead_ns, uint64_t rate)
{
  p->clock_base = simulation_clock(w, p) + ahead_ns;
  p->clock_world = w->now;
  p->clock_rate = rate;
  p->wake_at = UINT64_MAX;
  if (p->raft != NULL) {
    simulation_arm(w, p);
  }
}

/* ---- state machine ---- */

static void acknowledge(struct world *w, struct person *p, uint64_t index, const struct item *item)
{
  while (p->proposal_head < p->proposal_count && p->proposals[p->proposal_head].index <= index) {
    const struct proposal *mine = &p->proposals[p->proposal_head++];
    if (mine->index == index && mine->term == item->term) {
      if (mine->token != item->token) {
        simulation_fail(w, "member %llu, index %llu: what was proposed is not what is there", (unsigned long long)p->id,
                        (unsigned long long)index);
      }
      size_t known = w->acknowledged_count;
      if (index > known) {
        w->acknowledged = memory_grow(w->acknowledged, &w->acknowledged_cap, index, sizeof *w->acknowledged);
        memset(&w->acknowledged[known], 0, (index - known) * sizeof *w->acknowledged);
        w->acknowledged_count = index;
      }
      w->acknowledged[index - 1] = item->token;
      w->result->acknowledged++;
    }
  }
  if (p->proposal_head == p->proposal_count) {
    p->proposal_head = p->proposal_count = 0;
  }
}

static void note_applied(struct world *w, struct person *p, uint64_t index, uint64_t token)
{
  if (index <= w->acknowledged_count && w->acknowledged[index - 1] != 0 && w->acknowledged[index - 1] != token) {
    simulation_fail(w, "member %llu, index %llu: a proposer was told that something else is committed", (unsigned long long)p->id,
                    (unsigned long long)index);
  }
}

void simulation_apply(struct world *w, struct person *p)
{
  uint64_t limit = p->status.commit < p->status.durable_index ? p->status.commit : p->status.durable_index;
  if (w->options->lie == SIMULATION_APPLIES_EARLY) {
    limit = p->status.durable_index;
  }
  while (p->applied < limit && w->now >= p->applying_until && !simulation_failed(w)) {
    uint64_t index = p->applied + 1;
    const struct item *item = &p->log[index - 1];
    p->state = mix_pair(p->state, item->token ^ mix_word(item->type));
    p->applied = index;
    acknowledge(w, p, index, item);
    note_applied(w, p, index, item->token);
    raft_watch_applied(w->watch, p->id, index, item->term, p->state | 1);
  }
}

void simulation_snap(struct world *w, struct person *p)
{
  /* A snapshot that was restored may be ahead of the core: it has gone on to receive a newer one. */
  if (p->snapping != NULL || p->applied <= p->status.snapshot_index || p->applied > p->status.commit) {
    return;
  }
  struct blob *blob = memory_zeroed(1, sizeof *blob);
  w->blobs = memory_grow(w->blobs, &w->blob_cap, w->blob_count + 1, sizeof *w->blobs);
  w->blobs[w->blob_count++] = blob;
  blob->index = p->applied;
  blob->term = p->log[p->applied - 1].term;
  blob->state = p->state;
  blob->size = simulation_between(w, 0, w->knobs.snapshot_size);
  blob->configuration = simulation_keep(w, raft_configuration_at(p->raft, p->applied, &blob->made_at));
  p->snapping = blob;
  struct happening *h = simulation_happening(w, SNAPPED, p);
  h->blob = blob;
  simulation_at(w, h, w->now + simulation_between(w, 0, 4 * p->disk_ns));
}

static void restore(struct world *w, struct person *p, const struct blob *blob)
{
  p->applied = blob->index;
  p->state = blob->state;
  raft_watch_restored(w->watch, p->id, blob->index, p->state | 1);
  while (p->proposal_head < p->proposal_count && p->proposals[p->proposal_head].index <= blob->index) {
    p->proposal_head++;
  }
}

/* ---- what an update asks for ---- */

static void carry(struct world *w, struct person *p, const struct raft_message *m)
{
  if (m->from != p->id || m->to == p->id || m->to == 0 || m->to > w->knobs.people || m->after > p->appended) {
    simulation_fail(w, "member %llu sends a message of type %d from %llu to %llu after %llu", (unsigned long long)p->id, m->type,
                    (unsigned long long)m->from, (unsigned long long)m->to, (unsigned long long)m->after);
    return;
  }
  struct happening *h = simulation_happening(w, DELIVER, &w->people[m->to - 1]);
  h->message = *m;
  if (m->type == RAFT_APPEND) {
    simulation_take_entries(w, p, h);
  } else if (m->type == RAFT_INSTALL) {
    const struct blob *b = p->blob;
    if (b == NULL || b->index != m->install.index || b->term != m->install.log_term || b->size != m->install.size ||
        b->made_at != m->install.configuration_index || m->install.offset + m->install.length > b->size ||
        m->install.length > w->knobs.config.chunk_bytes) {
      simulation_fail(w, "member %llu sends a chunk of snapshot %llu that it does not have, from %llu", (unsigned long long)p->id,
                      (unsigned long long)m->install.index, (unsigned long long)m->install.offset);
    }
    h->blob = b;
    h->message.install.configuration = simulation_keep(w, m->install.configuration);
  }
  if (m->after > p->reported && w->options->lie != SIMULATION_SENDS_EARLY) {
    w->result->held++;
    *p->held_end = h;
    p->held_end = &h->next;
  } else {
    simulation_send(w, p, h);
  }
}

static void send_held(struct world *w, struct person *p)
{
  while (p->held != NULL && p->held->message.after <= p->reported) {
    struct happening *h = p->held;
    p->held = h->next;
    if (p->held == NULL) {
      p->held_end = &p->held;
    }
    h->next = NULL;
    simulation_send(w, p, h);
  }
}

static void take_chunk(struct world *w, struct person *p, const struct raft_chunk *c, const struct blob *blob)
{
  w->result->chunks++;
  if (c->offset == 0) {
    p->incoming = blob;
    p->incoming_bytes = 0;
  }
  if (blob == NULL || p->incoming != blob || p->incoming_bytes != c->offset || c->index != blob->index) {
    simulation_fail(w, "member %llu makes a snapshot out of chunks that do not belong together: %llu from %llu, and has %llu bytes",
                    (unsigned long long)p->id, (unsigned long long)c->index, (unsigned long long)c->offset,
                    (unsigned long long)p->incoming_bytes);
    return;
  }
  p->incoming_bytes += c->length;
  if (c->last != (p->incoming_bytes == blob->size)) {
    simulation_fail(w, "member %llu takes chunk from %llu of %llu bytes %sfor the last", (unsigned long long)p->id,
                    (unsigned long long)c->offset, (unsigned long long)blob->size, c->last ? "" : "not ");
    return;
  }
  if (c->last) {
    struct happening *h = simulation_happening(w, INSTALLED, p);
    h->blob = blob;
    p->installs++;
    p->incoming = NULL;
    simulation_at(w, h, w->now + simulation_between(w, 0, 4 * p->disk_ns));
  }
}

static void answer_reads(struct world *w, struct person *p, uint64_t through)
{
  size_t left = 0;
  for (size_t i = 0; i < p->read_count; i++) {
    if (p->reads[i].context > through) {
      p->reads[left++] = p->reads[i];
    } else {
      w->result->answered++;
    }
  }
  p->read_count = left;
}

static bool may_refuse(enum raft_event_type type, int error)
{
  switch (type) {
  case RAFT_EVENT_PROPOSE:
    return error == ERROR_NOT_LEADER || error == ERROR_BUSY || error == ERROR_DISK_FULL;
  case RAFT_EVENT_CHANGE:
    return error == ERROR_NOT_LEADER || error == ERROR_BUSY || error == ERROR_DISK_FULL;
  case RAFT_EVENT_TRANSFER:
    return error == ERROR_NOT_LEADER || error == ERROR_BUSY || error == ERROR_NODE_NOT_FOUND;
  default:
    return false;
  }
}

/* What an update says in short is what has happened. */
static void check_update(struct world *w, const struct person *p, const struct raft_status *before, const struct raft_update *u)
{
  const struct raft_status *now = &p->status;
  bool another_role = now->role != before->role || now->term != before->term || now->leader != before->leader;
  bool another_configuration = now->configuration_index != before->configuration_index ||
                               now->committed_configuration_index != before->committed_configuration_index;
  if (u->commit != now->commit) {
    simulation_fail(w, "member %llu: the update says commit %llu, the status %llu", (unsigned long long)p->id,
                    (unsigned long long)u->commit, (unsigned long long)now->commit);
  } else if (u->role_changed != another_role) {
    simulation_fail(w, "member %llu: the update says role_changed %d", (unsigned long long)p->id, u->role_changed);
  } else if (another_configuration && !u->configuration_changed) {
    simulation_fail(w, "member %llu: the update does not say configuration_changed", (unsigned long long)p->id);
  } else if (p->full && u->append.count > 0 && !u->append.own) {
    simulation_fail(w, "member %llu: takes %zu entries, and the disk is full", (unsigned long long)p->id, u->append.count);
  }
}

int simulation_step(struct world *w, struct person *p, struct raft_event *e, const uint64_t *tokens, const struct happening *h)
{
  struct raft_status before = p->status;
  struct raft_update u;
  e->now_ns = simulation_clock(w, p);
  int error = raft_step(p->raft, e, &u);
  w->result->steps++;
  raft_status(p->raft, &p->status);
  simulation_trace_event(w, p, e, error);
  if (error != 0) {
    if (error == ERROR_INVARIANT) {
      simulation_fail(w, "member %llu: %s", (unsigned long long)p->id, raft_failure(p->raft));
    } else if (!may_refuse(e->type, error) || u.append.sequence != 0 || u.message_count != 0 || u.chunk.present) {
      simulation_fail(w, "member %llu refuses event %d with %s", (unsigned long long)p->id, e->type, error_name(error));
    }
    raft_watch_stepped(w->watch, p->id, &before, e, &u);
    return error;
  }
  simulation_trace_update(w, p, &u);
  const struct blob *blob = h == NULL ? NULL : h->blob;
  if (u.append.sequence != 0) {
    simulation_append(w, p, &u.append, tokens, blob);
    if (u.append.snapshot) {
      p->blob = blob;
    }
  }
  raft_watch_stepped(w->watch, p->id, &before, e, &u);
  if (simulation_failed(w)) {
    return 0;
  }
  check_update(w, p, &before, &u);
  simulation_write(w, p);
  for (size_t i = 0; i < u.message_count; i++) {
    carry(w, p, &u.messages[i]);
  }
  if (u.chunk.present) {
    take_chunk(w, p, &u.chunk, blob);
  }
  if (u.read.through != 0) {
    answer_reads(w, p, u.read.through);
  }
  w->result->configurations += u.configuration_changed;
  if (e->type == RAFT_EVENT_PERSISTED) {
    send_held(w, p);
  }
  simulation_apply(w, p);
  simulation_arm(w, p);
  return 0;
}

/* ---- clients ---- */

int simulation_propose(struct world *w, struct person *p, size_t count, uint32_t size_max, uint64_t *token)
{
  struct raft_entry entries[16];
  uint64_t tokens[16];
  assert(count > 0 && count <= 16);
  for (size_t i = 0; i < count; i++) {
    entries[i] = (struct raft_entry){.type = RAFT_COMMAND, .size = (uint32_t)simulation_between(w, 0, size_max)};
    tokens[i] = ++w->next_token;
  }
  *token = tokens[0];
  struct raft_event e = {.type = RAFT_EVENT_PROPOSE, .propose = {.entries = entries, .count = count}};
  uint64_t first = p->last + 1;
  int error = simulation_step(w, p, &e, tokens, NULL);
  w->result->proposed++;
  w->result->refused += error == ERROR_NOT_LEADER;
  w->result->busy += error == ERROR_BUSY;
  if (error == 0 && !simulation_failed(w) && p->last != first + count - 1) {
    simulation_fail(w, "member %llu took %zu commands, and its log ends at %llu instead of %llu", (unsigned long long)p->id, count,
                    (unsigned long long)p->last, (unsigned long long)(first + count - 1));
  }
  for (size_t i = 0; i < count && error == 0; i++) {
    p->proposals = memory_grow(p->proposals, &p->proposal_cap, p->proposal_count + 1, sizeof *p->proposals);
    p->proposals[p->proposal_count++] = (struct proposal){.index = first + i, .term = p->status.term, .token = tokens[i]};
  }
  return error;
}

void simulation_read(struct world *w, struct person *p)
{
  struct raft_event e = {.type = RAFT_EVENT_READ, .context = ++p->context};
  p->reads = memory_grow(p->reads, &p->read_cap, p->read_count + 1, sizeof *p->reads);
  p->reads[p->read_count++] = (struct waiting_read){.context = p->context, .begun_ns = w->now};
  w->result->reads++;
  simulation_step(w, p, &e, NULL, NULL);
}

/* ---- lives ---- */

static uint64_t hash_of(void *arg, uint64_t index)
{
  const struct person *p = arg;
  return p->log[index - 1].token;
}

void simulation_start(struct world *w, struct person *p)
{
  struct raft_recovered recovered = {0};
  struct raft_entry *entries;
  simulation_recover(w, p, &recovered, &entries);
  p->life++;
  struct raft_config config = w->knobs.config;
  config.id = p->id;
  config.incarnation = prng_next(&w->random);
  config.seed = prng_next(&w->random);
  p->raft = raft_new(&config, &recovered);
  raft_status(p->raft, &p->status);
  p->blob = p->disk_blob;
  p->applied = p->blob == NULL ? 0 : p->blob->index;
  p->state = p->blob == NULL ? 0 : p->blob->state;
  p->wake_at = UINT64_MAX;
  p->idle_wakes = 0;
  p->paused_until = p->applying_until = 0;
  simulation_trace(w, "%llu starts: term %llu vote %llu snapshot %llu first %llu last %llu", (unsigned long long)p->id,
                   (unsigned long long)recovered.term, (unsigned long long)recovered.vote, (unsigned long long)recovered.snapshot_index,
                   (unsigned long long)recovered.first, (unsigned long long)p->last);
  raft_watch_started(w->watch, p->raft, &recovered, p->id, hash_of, p);
  free(entries);
  struct raft_event e = {.type = RAFT_EVENT_TIME};
  simulation_step(w, p, &e, NULL, NULL);
  if (p->full) {
    e = (struct raft_event){.type = RAFT_EVENT_CAPACITY, .full = true};
    simulation_step(w, p, &e, NULL, NULL);
  }
}

void simulation_crash(struct world *w, struct person *p)
{
  raft_watch_ended(w->watch, p->id);
  raft_free(p->raft);
  p->raft = NULL;
  w->result->crashes++;
  simulation_trace(w, "%llu crashes", (unsigned long long)p->id);
  while (p->held != NULL) {
    struct happening *h = p->held;
    p->held = h->next;
    simulation_drop(w, h);
  }
  p->held_end = &p->held;
  p->snapping = p->incoming = NULL;
  p->incoming_bytes = p->installs = 0;
  p->context = 0;
  p->read_count = 0;
  p->proposal_head = p->proposal_count = 0;
  simulation_lose(w, p);
}

/* ---- what happens to a member ---- */

static void deliver(struct world *w, struct person *p, struct happening *h)
{
  if (h->message.type == RAFT_APPEND) {
    h->message.append.entries = h->entries;
  }
  struct raft_event e = {.type = RAFT_EVENT_RECEIVE, .message = &h->message};
  simulation_step(w, p, &e, h->tokens, h);
}

static void wake(struct world *w, struct person *p, const struct happening *h)
{
  if (h->entry.deadline != p->wake_at) {
    return; /* the clock was set */
  }
  p->wake_at = UINT64_MAX;
  if (simulation_clock(w, p) < raft_deadline(p->raft)) {
    simulation_arm(w, p);
    return;
  }
  struct raft_event e = {.type = RAFT_EVENT_TIME};
  simulation_step(w, p, &e, NULL, NULL);
  p->idle_wakes = raft_deadline(p->raft) <= simulation_clock(w, p) ? p->idle_wakes + 1 : 0;
  if (p->idle_wakes > 3 && !simulation_failed(w)) {
    simulation_fail(w, "member %llu: its deadline does not move on", (unsigned long long)p->id);
  }
}

static void report(struct world *w, struct person *p, uint64_t sequence)
{
  if (sequence > p->reported) {
    p->reported = sequence;
    struct raft_event e = {.type = RAFT_EVENT_PERSISTED, .sequence = sequence};
    simulation_step(w, p, &e, NULL, NULL);
  }
}

static void installed(struct world *w, struct person *p, struct happening *h)
{
  bool ok = !(w->turmoil && simulation_chance(w, w->knobs.bad_install));
  w->result->installs += ok;
  w->result->failed_installs += !ok;
  p->installs--;
  if (ok && h->blob->index > p->applied) {
    restore(w, p, h->blob);
  }
  struct raft_event e = {.type = RAFT_EVENT_INSTALL, .install = {.index = h->blob->index, .ok = ok}};
  simulation_step(w, p, &e, NULL, h);
}

static void snapped(struct world *w, struct person *p, struct happening *h)
{
  p->snapping = NULL;
  if (h->blob->index <= p->status.snapshot_index && simulation_chance(w, 512)) {
    return; /* an installed one was faster; a host may or may not say so */
  }
  w->result->snapshots++;
  struct raft_event e = {.type = RAFT_EVENT_SNAPSHOT, .snapshot = {.index = h->blob->index, .size = h->blob->size}};
  simulation_step(w, p, &e, NULL, h);
}

/* The member is up, and its life is that of h. */
void simulation_happen(struct world *w, struct person *p, struct happening *h)
{
  switch (h->type) {
  case DELIVER:
    deliver(w, p, h);
    break;
  case WAKE:
    wake(w, p, h);
    break;
  case WRITTEN:
    simulation_written(w, p, h->sequence);
    simulation_write(w, p);
    if (w->turmoil && simulation_chance(w, w->knobs.slow_report)) {
      struct happening *later = simulation_happening(w, REPORT, p);
      later->sequence = h->sequence;
      simulation_at(w, later, w->now + simulation_between(w, 0, 8 * p->disk_ns));
    } else {
      report(w, p, h->sequence);
    }
    break;
  case REPORT:
    report(w, p, h->sequence);
    break;
  case INSTALLED:
    installed(w, p, h);
    break;
  case SNAPPED:
    snapped(w, p, h);
    break;
  case APPLY:
    simulation_apply(w, p);
    break;
  default:
    break;
  }
}
