/* The log, its way to the disk, recovery. */
#include <stdlib.h>

#include "node/raft_internal.h"

#define RETRY_NS NODE_S_NS

static const struct node_disk *disk_of(const struct groups *gs)
{
  return gs->node->env.disk;
}

/* ---- opening ---- */

static unsigned read_next(void *self, unsigned file)
{
  const struct node_disk *disk = self;
  return disk->next(disk->self, file);
}

static uint64_t read_size(void *self, unsigned file)
{
  const struct node_disk *disk = self;
  return disk->size(disk->self, file);
}

static int read_bytes(void *self, unsigned file, uint64_t offset, void *to, size_t len)
{
  const struct node_disk *disk = self;
  return disk->read(disk->self, file, offset, to, len);
}

static int recover(struct groups *gs)
{
  struct node *n = gs->node;
  const struct node_disk *disk = disk_of(gs);
  if (disk->open != NULL) {
    int error = disk->open(disk->self, node_id(n), buf_slice(&n->start));
    if (error != 0) {
      return error;
    }
  }
  struct buf report = {0};
  struct wal_reader reader = {(void *)disk, read_next, read_size, read_bytes};
  int error = wal_recover(gs->wal, &reader, &report);
  if (report.len > 0) {
    node_log_text(n, error == 0 ? LOG_INFO : LOG_ERROR, buf_slice(&report));
  }
  if (error != 0) {
    node_log(n, LOG_ERROR, "the log cannot be used: %s", error_text(error));
  }
  buf_free(&report);
  return error;
}

/* Entries carry names as they are (node/raft_wire.h). */
static bool is_plain(struct slice name)
{
  for (size_t i = 0; i < name.len; i++) {
    if ((unsigned char)name.ptr[i] < 0x20 || name.ptr[i] == '"' || name.ptr[i] == '\\') {
      return false;
    }
  }
  return true;
}

int storage_open(struct groups *gs)
{
  struct node *n = gs->node;
  const struct node_disk *disk = disk_of(gs);
  if (!is_plain(node_id(n))) {
    node_log(n, LOG_ERROR, "a node with quotes, backslashes or control characters in its id can be no member of a Raft group");
    return ERROR_MALFORMED;
  }
  gs->self = groups_learn(gs, node_id(n));
  struct wal_config config = {
      .node = gs->self,
      .salt = node_random(n),
      .segment_bytes = n->config.segment_bytes,
      .block_bytes = n->config.block_bytes,
      .sync = disk != NULL && !disk->keeps_cache,
  };
  gs->wal = wal_new(&config);
  if (disk == NULL) {
    wal_set_volatile(gs->wal);
    return 0;
  }
  int error = recover(gs);
  if (error == 0) {
    storage_pump(gs);
  }
  return error;
}

/* ---- recovery of a group ---- */

/* What the log kept of a group. Entries and their configurations are owned. */
struct kept_log {
  struct raft_entry *entries;
  struct raft_configuration **configurations;
  size_t configuration_count;
  size_t configuration_cap;
};

static void free_kept(struct kept_log *k)
{
  for (size_t i = 0; i < k->configuration_count; i++) {
    free(k->configurations[i]);
  }
  free(k->configurations);
  free(k->entries);
}

static int read_entry(struct node_group *g, uint64_t index, struct kept_log *k, struct raft_entry *out)
{
  struct groups *gs = g->groups;
  struct wal_entry e;
  bool there = wal_entry(gs->wal, g->number, index, &e);
  assert(there);
  (void)there;
  *out = (struct raft_entry){.term = e.term, .size = entry_size(e.type, e.bytes), .type = e.type};
  if (e.type != RAFT_CONFIGURATION) {
    return 0;
  }
  struct raft_configuration *c = memory_must(malloc(sizeof *c));
  k->configurations =
      memory_grow(k->configurations, &k->configuration_cap, k->configuration_count + 1, sizeof(struct raft_configuration *));
  k->configurations[k->configuration_count++] = c;
  out->configuration = c;
  int error = wire_decode_configuration(e.bytes, c, &gs->wire);
  if (error != 0) {
    node_log(gs->node, LOG_ERROR, "raft %.*s: entry %llu of the log is no configuration: %.*s", (int)g->name.len, g->name.data,
             (unsigned long long)index, (int)e.bytes.len, e.bytes.ptr);
  }
  return error;
}

static int read_entries(struct node_group *g, const struct wal_group_state *state, struct kept_log *k, struct raft_recovered *out)
{
  size_t count = (size_t)(state->last + 1 - state->first);
  k->entries = memory_zeroed(count, sizeof *k->entries);
  for (size_t i = 0; i < count; i++) {
    int error = read_entry(g, state->first + i, k, &k->entries[i]);
    if (error != 0) {
      return error;
    }
  }
  out->entries = k->entries;
  out->count = count;
  return 0;
}

/* The configuration that the log begins with. A node that is not in the first one starts with none: it is to be added later. */
static int read_base(struct node_group *g, const struct wal_group_state *state, struct raft_recovered *out)
{
  struct groups *gs = g->groups;
  if (state->snapshot_index > 0) {
    return snapshot_read_meta(gs, state->snapshot_meta, &out->configuration, &out->configuration_index);
  }
  if (raft_configuration_find(&g->first, gs->self) != NULL) {
    out->configuration = g->first;
  }
  return 0;
}

static void make_core(struct node_group *g, const struct raft_recovered *recovered)
{
  struct groups *gs = g->groups;
  struct node *n = gs->node;
  struct raft_config config = {
      .id = gs->self,
      .incarnation = RANDOM_BITS(node_random(n)),
      .seed = node_random(n),
      .election_timeout_ns = g->config.election_timeout_ns,
      .heartbeat_ns = g->config.heartbeat_ns,
      .tail_entries = g->config.tail_entries,
  };
  g->raft = raft_new(&config, recovered);
}

static uint64_t hash_entry(void *arg, uint64_t index)
{
  const struct node_group *g = arg;
  struct wal_entry e;
  return wal_entry(g->groups->wal, g->number, index, &e) ? mix_bytes(0, e.bytes) : 0;
}

static void tell_watch(struct node_group *g, const struct raft_recovered *recovered, struct slice snapshot)
{
  const struct node_watch *watch = g->groups->node->config.watch;
  if (watch == NULL) {
    return;
  }
  watch->started(watch->self, buf_slice(&g->name), g->raft, recovered, g->groups->self, hash_entry, g);
  if (g->applied > 0) {
    uint64_t outcome = snapshot_outcome(g, snapshot);
    watch->restored(watch->self, buf_slice(&g->name), g->groups->self, g->applied, outcome);
  }
}

int storage_recover_group(struct node_group *g)
{
  struct groups *gs = g->groups;
  struct wal_group_state state;
  struct kept_log kept = {0};
  g->number = wal_group(gs->wal, buf_slice(&g->name));
  if (g->number == 0) {
    node_log(gs->node, LOG_ERROR, "raft %.*s: the log has no room for another group", (int)g->name.len, g->name.data);
    return ERROR_TOO_LARGE;
  }
  wal_state(gs->wal, g->number, &state);
  struct raft_recovered recovered = {
      .term = state.term,
      .vote = state.vote,
      .snapshot_index = state.snapshot_index,
      .snapshot_term = state.snapshot_term,
      .snapshot_size = state.snapshot_data.len,
      .first = state.first,
      .first_prev_term = state.first_prev_term,
  };
  g->sequence_base = state.appended;
  g->last_size = state.snapshot_data.len;
  int error = read_base(g, &state, &recovered);
  if (error == 0) {
    error = read_entries(g, &state, &kept, &recovered);
  }
  if (error == 0) {
    error = snapshot_restore(g, state.snapshot_index, state.snapshot_term, state.snapshot_data,
                             recovered.configuration_index > 0 ? &recovered.configuration : &g->first);
  }
  if (error == 0) {
    make_core(g, &recovered);
    tell_watch(g, &recovered, state.snapshot_data);
    if (state.term > 0) {
      node_log(gs->node, LOG_INFO, "raft %.*s: recovered %zu entries, up to %llu, of term %llu", (int)g->name.len, g->name.data,
               recovered.count, (unsigned long long)state.last, (unsigned long long)state.term);
    }
  }
  free_kept(&kept);
  return error;
}

/* ---- appending ---- */

/* The bytes of what the core makes itself. */
static void encode_own(struct node_group *g, const struct raft_append *append)
{
  struct groups *gs = g->groups;
  buf_clear(&gs->batch_bytes);
  for (size_t i = 0; i < append->count; i++) {
    const struct raft_entry *e = &append->entries[i];
    size_t before = gs->batch_bytes.len;
    if (e->type == RAFT_CONFIGURATION) {
      wire_encode_configuration(&gs->batch_bytes, e->configuration, &gs->wire);
    }
    gs->entries[i].bytes.len = gs->batch_bytes.len - before;
  }
  const char *at = gs->batch_bytes.data != NULL ? gs->batch_bytes.data : "";
  for (size_t i = 0; i < append->count; i++) {
    gs->entries[i].bytes.ptr = at;
    at += gs->entries[i].bytes.len;
  }
}

void storage_append(struct node_group *g, const struct raft_append *append, const struct group_payload *payload)
{
  struct groups *gs = g->groups;
  gs->entries = memory_grow(gs->entries, &gs->entry_cap, append->count, sizeof *gs->entries);
  for (size_t i = 0; i < append->count; i++) {
    gs->entries[i] = (struct wal_entry){.term = append->entries[i].term, .type = append->entries[i].type};
    if (!append->own) {
      assert(payload != NULL && append->skip + i < payload->count);
      gs->entries[i].bytes = payload->entries[append->skip + i].bytes;
    }
  }
  if (append->own) {
    encode_own(g, append);
  }
  struct wal_batch batch = {
      .sequence = g->sequence_base + append->sequence,
      .truncate_from = append->truncate_from,
      .hard = append->hard,
      .term = append->term,
      .vote = append->vote,
      .snapshot = append->snapshot,
      .reset = append->reset,
      .snapshot_index = append->snapshot_index,
      .first_kept = append->first_kept,
      .first = append->first,
      .count = append->count,
      .entries = gs->entries,
  };
  wal_append(gs->wal, g->number, &batch);
}

/* ---- the disk ---- */

static void on_done(void *arg, int error);

void storage_pump(struct groups *gs)
{
  const struct node_disk *disk = disk_of(gs);
  struct wal_op *op = &gs->disk_op;
  while (disk != NULL && wal_next(gs->wal, op)) {
    switch (op->kind) {
    case WAL_ALLOCATE:
      disk->allocate(disk->self, op->file, op->size, on_done, gs);
      break;
    case WAL_WRITE:
      disk->write(disk->self, op->file, op->offset, op->bytes, on_done, gs);
      break;
    case WAL_SYNC:
      disk->sync(disk->self, op->file, on_done, gs);
      break;
    case WAL_REMOVE:
      disk->remove(disk->self, op->file);
      wal_done(gs->wal, 0);
      break;
    }
  }
  if (wal_failed(gs->wal) != 0) {
    groups_fail(gs, "the log has failed, and the node stops: its last segment has no room left, and there is none for another: %s",
                error_text(wal_failed(gs->wal)));
  }
}

static void tell_capacity(struct groups *gs)
{
  bool full = wal_full(gs->wal);
  struct node *n = gs->node;
  if (full && gs->retry == NULL) {
    gs->retry = op_new(n, OP_GROUPS_RETRY, NULL);
  }
  if (full) {
    op_arm(n, gs->retry, node_now(n) + RETRY_NS);
  }
  if (full == gs->full) {
    return;
  }
  gs->full = full;
  node_log(n, full ? LOG_WARN : LOG_INFO,
           full ? "the disk is full: proposals are refused until the log gets space" : "the log has got space on the disk again");
  for (size_t i = 0; i < gs->count; i++) {
    if (gs->list[i]->raft != NULL) {
      group_step(gs->list[i], &(struct raft_event){.type = RAFT_EVENT_CAPACITY, .full = full}, NULL);
    }
  }
}

static void fail(struct groups *gs)
{
  static const char *const names[] = {"allocating", "writing", "syncing", "removing"};
  const struct wal_op *op = &gs->disk_op;
  int error = wal_failed(gs->wal);
  groups_fail(gs, "the log has failed, and the node stops: %s file %u at %llu: %s", names[op->kind], op->file,
              (unsigned long long)op->offset, error_text(error));
}

static void on_done(void *arg, int error)
{
  struct groups *gs = arg;
  struct node *n = gs->node;
  if (gs->stopped || n->state == NODE_STOPPED) {
    return;
  }
  wal_done(gs->wal, error);
  if (wal_failed(gs->wal) != 0) {
    fail(gs);
    node_settle(n);
    return;
  }
  storage_pump(gs);
  tell_capacity(gs);
  for (size_t i = 0; i < gs->count; i++) {
    group_settle(gs->list[i]);
  }
  groups_finish(gs);
  node_settle(n);
}

void storage_retry(struct groups *gs)
{
  if (!gs->stopped && wal_full(gs->wal)) {
    wal_retry(gs->wal);
    storage_pump(gs);
  }
}
