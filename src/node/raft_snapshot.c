/* Snapshots: taken, received, restored.
 *
 * What is kept, and sent to members, is one line of JSON, {"digest":"…","sessions":[…]}, and behind it the service's state. Beside it lie
 * the members at that index: {"configuration":{…},"configuration_index":…}. */
#include <inttypes.h>
#include <stdio.h>

#include "node/raft_internal.h"
#include "node/wire.h"
#include "json/iter.h"
#include "json/scan.h"
#include "json/write.h"

/* ---- the form ---- */

static void write_head(struct node_group *g, struct buf *out)
{
  buf_printf(out, "{\"digest\":\"%016" PRIx64 "\",\"sessions\":", g->digest);
  sessions_encode(g->sessions, out);
  buf_append_str(out, "}\n");
}

static bool read_digest(struct slice value, uint64_t *out)
{
  *out = 0;
  for (size_t i = 1; i + 1 < value.len; i++) {
    char c = value.ptr[i];
    unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0') : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
    if (digit == 16) {
      return false;
    }
    *out = *out << 4 | digit;
  }
  return value.len == 18;
}

/* Splits data into its head, whose parts are found, and the state. */
static bool read_head(struct slice data, uint64_t *digest, struct slice *sessions, struct slice *state)
{
  const char *end = data.len > 0 ? memchr(data.ptr, '\n', data.len) : NULL;
  struct json_error error;
  if (end == NULL) {
    return false;
  }
  struct slice head = slice_of(data.ptr, (size_t)(end - data.ptr));
  if (head.len == 0 || head.ptr[0] != '{' || json_scan(head, &error) != 0) {
    return false;
  }
  struct json_iter it;
  struct slice key;
  struct slice value;
  bool good = false;
  *sessions = slice_of("", 0);
  json_iter_init(&it, head);
  while (json_iter_member(&it, &key, &value)) {
    if (json_key_is(key, SLICE("digest"))) {
      good = read_digest(value, digest);
    } else if (json_key_is(key, SLICE("sessions"))) {
      *sessions = value;
    }
  }
  *state = slice_of(end + 1, data.len - head.len - 1);
  return good && sessions->len > 0;
}

static void write_meta(struct groups *gs, const struct raft_configuration *c, uint64_t index, struct buf *out)
{
  buf_append_str(out, "{\"configuration\":");
  wire_encode_configuration(out, c, &gs->wire);
  buf_append_str(out, ",\"configuration_index\":");
  wire_write_number(out, index);
  buf_append_char(out, '}');
}

int snapshot_read_meta(struct groups *gs, struct slice meta, struct raft_configuration *configuration, uint64_t *configuration_index)
{
  struct json_error error;
  struct json_iter it;
  struct slice key;
  struct slice value;
  bool has_members = false;
  bool has_index = false;
  if (meta.len > 0 && meta.ptr[0] == '{' && json_scan(meta, &error) == 0) {
    json_iter_init(&it, meta);
    while (json_iter_member(&it, &key, &value)) {
      if (json_key_is(key, SLICE("configuration"))) {
        has_members = wire_decode_configuration(value, configuration, &gs->wire) == 0;
      } else if (json_key_is(key, SLICE("configuration_index"))) {
        has_index = wire_read_number(value, configuration_index);
      }
    }
  }
  if (!has_members || !has_index) {
    node_log(gs->node, LOG_ERROR, "a snapshot's members cannot be read: %.*s", (int)meta.len, meta.ptr);
    return ERROR_CORRUPT;
  }
  return 0;
}

/* ---- restoring ---- */

int snapshot_restore(struct node_group *g, uint64_t index, uint64_t term, struct slice data, const struct raft_configuration *members)
{
  struct groups *gs = g->groups;
  struct node *n = gs->node;
  uint64_t digest = 0;
  struct slice sessions;
  struct slice state = slice_of("", 0);
  if (index > 0 && (!read_head(data, &digest, &sessions, &state) || sessions_decode(g->sessions, sessions) != 0)) {
    node_log(n, LOG_ERROR, "raft %.*s: the snapshot of entry %llu cannot be read", (int)g->name.len, g->name.data,
             (unsigned long long)index);
    return ERROR_CORRUPT;
  }
  gs->applying = true;
  int error = n->behavior.restore(n->behavior.self, g->config.tag, state);
  gs->applying = false;
  if (error != 0) {
    node_log(n, LOG_ERROR, "raft %.*s: the state of entry %llu could not be restored: %s", (int)g->name.len, g->name.data,
             (unsigned long long)index, error_text(error));
    return error;
  }
  g->digest = digest;
  g->applied = index;
  g->applied_term = term;
  g->members = *members;
  g->grown = 0;
  g->last_size = data.len;
  return 0;
}

uint64_t snapshot_outcome(struct node_group *g, struct slice data)
{
  uint64_t digest;
  struct slice sessions;
  struct slice state;
  return read_head(data, &digest, &sessions, &state) ? group_outcome(g, g->applied, &state) : 0;
}

/* ---- taking ---- */

static uint64_t growth_wanted(const struct node_group *g)
{
  uint64_t bytes = g->config.snapshot_bytes > g->last_size ? g->config.snapshot_bytes : g->last_size;
  return bytes > UINT64_MAX / g->grow_more ? UINT64_MAX : bytes * g->grow_more;
}

static void take(struct node_group *g)
{
  struct groups *gs = g->groups;
  struct node *n = gs->node;
  struct buf data = {0};
  write_head(g, &data);
  gs->applying = true;
  int error = n->behavior.snapshot(n->behavior.self, g->config.tag, &data);
  gs->applying = false;
  if (error != 0) {
    node_log(n, LOG_WARN, "raft %.*s: no snapshot of entry %llu: %s. The log keeps growing.", (int)g->name.len, g->name.data,
             (unsigned long long)g->applied, error_text(error));
    g->grow_more *= g->grow_more < UINT64_C(1) << 32 ? 2 : 1;
    buf_free(&data);
    return;
  }
  uint64_t made_at;
  const struct raft_configuration *c = raft_configuration_at(g->raft, g->applied, &made_at);
  buf_clear(&gs->scratch);
  write_meta(gs, c, made_at, &gs->scratch);
  g->grow_more = 1;
  g->grown = 0;
  g->last_size = data.len;
  g->snapshot = SNAPSHOT_OWN;
  g->snapshot_index = g->applied;
  g->snapshot_term = g->applied_term;
  wal_snapshot(gs->wal, g->number, g->applied, g->applied_term, buf_slice(&gs->scratch), &data);
  storage_pump(gs);
}

void snapshot_consider(struct node_group *g)
{
  if (g->snapshot == SNAPSHOT_NONE && !g->groups->stopped && g->grown >= growth_wanted(g)) {
    take(g);
  }
}

/* ---- receiving ---- */

void snapshot_chunk(struct node_group *g, const struct raft_chunk *chunk, struct slice bytes)
{
  struct groups *gs = g->groups;
  assert(chunk->length == bytes.len);
  if (chunk->offset == 0) {
    buf_clear(&g->incoming);
  }
  assert(chunk->offset == g->incoming.len);
  buf_append_slice(&g->incoming, bytes);
  if (!chunk->last) {
    return;
  }
  buf_clear(&gs->scratch);
  write_meta(gs, chunk->configuration, chunk->configuration_index, &gs->scratch);
  g->incoming_members = chunk->configuration_index > 0 ? *chunk->configuration : g->first;
  g->snapshot = SNAPSHOT_RECEIVED;
  g->snapshot_index = chunk->index;
  g->snapshot_term = chunk->log_term;
  wal_snapshot(gs->wal, g->number, chunk->index, chunk->log_term, buf_slice(&gs->scratch), &g->incoming);
  storage_pump(gs);
}

/* Whether what was received is a snapshot, and no other can be sent in its place. */
static bool is_snapshot(struct node_group *g, struct slice data)
{
  uint64_t digest;
  struct slice sessions;
  struct slice state;
  if (read_head(data, &digest, &sessions, &state)) {
    return true;
  }
  node_log(g->groups->node, LOG_WARN, "raft %.*s: a snapshot of entry %llu that was received cannot be read", (int)g->name.len,
           g->name.data, (unsigned long long)g->snapshot_index);
  return false;
}

/* The log begins with the received snapshot, and so does the state. */
static void install(struct node_group *g, struct slice data)
{
  struct groups *gs = g->groups;
  const struct node_watch *watch = gs->node->config.watch;
  if (snapshot_restore(g, g->snapshot_index, g->snapshot_term, data, &g->incoming_members) != 0) {
    groups_fail(gs, "raft %.*s: the node stops: its state is lost", (int)g->name.len, g->name.data);
    return;
  }
  node_log(gs->node, LOG_INFO, "raft %.*s: installed a snapshot of entry %llu, %zu bytes", (int)g->name.len, g->name.data,
           (unsigned long long)g->snapshot_index, data.len);
  if (watch != NULL) {
    watch->restored(watch->self, buf_slice(&g->name), gs->self, g->applied, snapshot_outcome(g, data));
  }
  proposals_check_session(g, g->applied);
}

/* The bytes of the snapshot that was being made durable. */
static struct slice settled_data(const struct node_group *g, uint64_t index)
{
  struct slice meta;
  struct slice data;
  bool there = wal_snapshot_get(g->groups->wal, g->number, index, &meta, &data);
  assert(there);
  (void)there;
  return data;
}

/* The core decides whether it is still wanted: it may have got, or been elected, beyond it. */
static void settle_received(struct node_group *g)
{
  uint64_t index = g->snapshot_index;
  bool ok = is_snapshot(g, settled_data(g, index));
  struct raft_event event = {.type = RAFT_EVENT_INSTALL, .install = {.index = index, .ok = ok}};
  if (group_step(g, &event, NULL) == 0 && g->applied < index && g->commit >= index) {
    install(g, settled_data(g, index));
  }
}

static void settle_own(struct node_group *g)
{
  uint64_t index = g->snapshot_index;
  size_t size = settled_data(g, index).len;
  node_log(g->groups->node, LOG_INFO, "raft %.*s: took a snapshot of entry %llu, %zu bytes", (int)g->name.len, g->name.data,
           (unsigned long long)index, size);
  group_step(g, &(struct raft_event){.type = RAFT_EVENT_SNAPSHOT, .snapshot = {.index = index, .size = size}}, NULL);
}

bool snapshot_settle(struct node_group *g)
{
  struct groups *gs = g->groups;
  if (g->snapshot == SNAPSHOT_NONE || gs->stopped || !wal_snapshot_durable(gs->wal, g->number, g->snapshot_index)) {
    return false;
  }
  bool own = g->snapshot == SNAPSHOT_OWN;
  g->snapshot = SNAPSHOT_NONE;
  if (own) {
    settle_own(g);
  } else {
    settle_received(g);
  }
  return true;
}
