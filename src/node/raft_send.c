/* Messages of the core leave, once the log is durable enough for what they say. */
#include <stdlib.h>

#include "node/raft_internal.h"
#include "node/wire.h"
#include "json/write.h"

#define KEPT_MAX 4096 /* messages that wait for the disk; beyond, they are lost as any message may be */

struct buf *group_line(struct node_group *g, uint64_t to, const char *type)
{
  struct groups *gs = g->groups;
  int error;
  struct slice name = groups_name(gs, to);
  struct buf *line = name.len == 0 || to == gs->self ? NULL : node_line_begin(gs->node, name, &error);
  if (line != NULL) {
    buf_append_str(line, "\"type\":\"");
    buf_append_str(line, type);
    buf_append_str(line, "\",\"group\":");
    json_write_text(line, buf_slice(&g->name));
  }
  return line;
}

/* The entries of an append, from the log. False: they are not there any more. */
static bool find_entries(struct node_group *g, const struct raft_message *m)
{
  struct groups *gs = g->groups;
  gs->entries = memory_grow(gs->entries, &gs->entry_cap, m->append.count, sizeof *gs->entries);
  for (size_t i = 0; i < m->append.count; i++) {
    if (!wal_entry(gs->wal, g->number, m->append.prev_index + 1 + i, &gs->entries[i])) {
      return false;
    }
  }
  return true;
}

static bool find_chunk(struct node_group *g, const struct raft_message *m, struct slice *chunk)
{
  struct slice meta;
  struct slice data;
  if (!wal_snapshot_get(g->groups->wal, g->number, m->install.index, &meta, &data) || data.len != m->install.size) {
    return false;
  }
  assert(m->install.offset + m->install.length <= data.len);
  *chunk = slice_of(data.ptr + m->install.offset, (size_t)m->install.length);
  return true;
}

static void deliver(struct node_group *g, const struct raft_message *m)
{
  struct groups *gs = g->groups;
  const struct node_watch *watch = gs->node->config.watch;
  struct slice chunk = {0};
  int error;
  assert(m->after <= g->persisted);
  if ((m->type == RAFT_APPEND && !find_entries(g, m)) || (m->type == RAFT_INSTALL && !find_chunk(g, m, &chunk))) {
    node_log(gs->node, LOG_DEBUG, "raft %.*s: dropped a message: what it carries is gone", (int)g->name.len, g->name.data);
    return;
  }
  struct slice to = groups_name(gs, m->to);
  struct buf *line = to.len == 0 ? NULL : node_line_begin(gs->node, to, &error);
  if (line == NULL) { /* a member that is not of this cluster */
    return;
  }
  if (watch != NULL) {
    watch->sent(watch->self, buf_slice(&g->name), gs->self, m);
  }
  wire_encode(line, buf_slice(&g->name), m, gs->entries, chunk, &gs->wire);
  node_line_send(gs->node);
}

static void keep(struct node_group *g, const struct raft_message *m)
{
  if (g->kept_count == KEPT_MAX) {
    return;
  }
  g->kept = memory_grow(g->kept, &g->kept_cap, g->kept_count + 1, sizeof *g->kept);
  struct kept *k = &g->kept[g->kept_count++];
  *k = (struct kept){.message = *m, .term = raft_term(g->raft)};
  if (m->type == RAFT_INSTALL) {
    k->configuration = memory_must(malloc(sizeof *k->configuration));
    *k->configuration = *m->install.configuration;
    k->message.install.configuration = k->configuration;
  }
}

/* Those that waited for what is durable now leave, in order. What an earlier term wanted to say is of no use any more, and the log may have
 * changed since. */
static void release(struct node_group *g)
{
  uint64_t term = raft_term(g->raft);
  size_t left = 0;
  for (size_t i = 0; i < g->kept_count; i++) {
    struct kept k = g->kept[i];
    if (k.message.after > g->persisted) {
      g->kept[left++] = k;
      continue;
    }
    if (k.term == term) {
      deliver(g, &k.message);
    }
    free(k.configuration);
  }
  g->kept_count = left;
}

void group_send(struct node_group *g, const struct raft_message *messages, size_t count)
{
  assert(g->phase == PHASE_STEP);
  if (g->kept_count > 0) {
    release(g);
  }
  for (size_t i = 0; i < count; i++) {
    if (messages[i].after <= g->persisted) {
      deliver(g, &messages[i]);
    } else {
      keep(g, &messages[i]);
    }
  }
}

void group_forget_kept(struct node_group *g)
{
  for (size_t i = 0; i < g->kept_count; i++) {
    free(g->kept[i].configuration);
  }
  g->kept_count = 0;
}

void group_append_leader(const struct node_group *g, struct buf *line)
{
  struct group_target leader = group_leader(g);
  if (leader.id != 0) {
    buf_append_str(line, ",\"leader\":");
    json_write_text(line, groups_name(g->groups, leader.id));
    wire_write_field(line, ",\"term\":", leader.term);
  }
}
