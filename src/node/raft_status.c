/* Looks at a group. */
#include <inttypes.h>
#include <stdio.h>

#include "node/raft_internal.h"
#include "json/write.h"

struct slice node_group_name(const struct node_group *g)
{
  return buf_slice(&g->name);
}

bool node_group_leads(const struct node_group *g)
{
  return g->raft != NULL && proposals_lead(g);
}

struct slice node_group_leader(const struct node_group *g)
{
  return g->raft == NULL ? slice_of("", 0) : groups_name(g->groups, group_leader(g).id);
}

/* ---- members of the object ---- */

static void write_key(struct buf *out, const char *key)
{
  if (out->data[out->len - 1] != '{') {
    buf_append_char(out, ',');
  }
  buf_append_char(out, '"');
  buf_append_str(out, key);
  buf_append_str(out, "\":");
}

static void write_number(struct buf *out, const char *key, uint64_t value)
{
  write_key(out, key);
  json_write_integer(out, (int64_t)value);
}

static void write_flag(struct buf *out, const char *key, bool value)
{
  write_key(out, key);
  buf_append_str(out, value ? "true" : "false");
}

static void write_text(struct buf *out, const char *key, const char *value)
{
  write_key(out, key);
  json_write_text(out, slice_of(value, strlen(value)));
}

/* A member's name, or null. */
static void write_name(struct buf *out, const char *key, const struct node_group *g, uint64_t id)
{
  struct slice name = groups_name(g->groups, id);
  write_key(out, key);
  if (id == 0 || name.len == 0) {
    buf_append_str(out, "null");
  } else {
    json_write_text(out, name);
  }
}

static void write_voices(struct buf *out, const char *key, const struct node_group *g, const struct raft_configuration *c, uint8_t voice)
{
  const char *before = "";
  write_key(out, key);
  buf_append_char(out, '[');
  for (size_t i = 0; i < c->count; i++) {
    if (c->members[i].voice & voice) {
      buf_append_str(out, before);
      json_write_text(out, groups_name(g->groups, c->members[i].id));
      before = ",";
    }
  }
  buf_append_char(out, ']');
}

static void write_peers(struct buf *out, const struct node_group *g)
{
  static const char *const states[] = {"probe", "replicate", "snapshot"};
  write_key(out, "peers");
  buf_append_char(out, '{');
  for (size_t i = 0; i < raft_peer_count(g->raft); i++) {
    struct raft_peer_status p;
    raft_peer(g->raft, i, &p);
    if (i > 0) {
      buf_append_char(out, ',');
    }
    json_write_text(out, groups_name(g->groups, p.id));
    buf_append_str(out, ":{");
    write_text(out, "state", states[p.progress]);
    write_number(out, "match", p.match);
    write_number(out, "next", p.next);
    write_number(out, "in_flight", p.inflight);
    write_flag(out, "recent", p.recent);
    buf_append_char(out, '}');
  }
  buf_append_char(out, '}');
}

static void write_sessions(struct buf *out, const struct node_group *g)
{
  write_key(out, "sessions");
  buf_append_char(out, '[');
  for (size_t i = 0; i < sessions_count(g->sessions); i++) {
    uint64_t id;
    struct slice node;
    size_t results;
    sessions_at(g->sessions, i, &id, &node, &results);
    buf_append_str(out, i > 0 ? ",{" : "{");
    write_number(out, "id", id);
    write_key(out, "node");
    json_write_text(out, node);
    write_number(out, "results", results);
    buf_append_char(out, '}');
  }
  buf_append_char(out, ']');
}

static void write_log(struct buf *out, const struct node_group *g, const struct raft_status *s)
{
  struct wal_group_state log;
  wal_state(g->groups->wal, g->number, &log);
  write_number(out, "commit", s->commit);
  write_number(out, "applied", g->applied);
  write_number(out, "last", s->last_index);
  write_number(out, "durable", s->durable_index);
  write_number(out, "first", s->first_index);
  write_key(out, "snapshot");
  buf_append_char(out, '{');
  write_number(out, "index", s->snapshot_index);
  write_number(out, "term", s->snapshot_term);
  write_number(out, "bytes", log.snapshot_data.len);
  buf_append_char(out, '}');
  write_number(out, "log_bytes", log.bytes);
}

static void write_members(struct buf *out, const struct node_group *g, const struct raft_status *s)
{
  const struct raft_configuration *c = raft_configuration(g->raft);
  write_voices(out, "voters", g, c, RAFT_VOTER);
  write_voices(out, "learners", g, c, RAFT_LEARNER);
  if (raft_configuration_is_joint(c)) {
    write_voices(out, "old_voters", g, c, RAFT_OLD_VOTER);
  }
  write_flag(out, "changing", s->changing);
  write_name(out, "transferring_to", g, s->transferee);
}

static void write_proposals(struct buf *out, const struct node_group *g)
{
  write_key(out, "proposals");
  buf_append_char(out, '{');
  write_number(out, "waiting", g->waiting.count);
  write_number(out, "in_flight", g->proposal_count - g->waiting.count);
  buf_append_char(out, '}');
}

void node_group_status(const struct node_group *g, struct buf *out)
{
  static const char *const roles[] = {"follower", "candidate", "candidate", "leader"};
  struct raft_status s;
  char digest[20];
  buf_append_char(out, '{');
  write_key(out, "name");
  json_write_text(out, buf_slice(&g->name));
  if (g->raft == NULL) {
    write_text(out, "role", "starting");
    write_proposals(out, g);
    buf_append_char(out, '}');
    return;
  }
  raft_status(g->raft, &s);
  write_key(out, "id");
  json_write_text(out, node_id(g->groups->node));
  write_text(out, "role", roles[s.role]);
  write_number(out, "term", s.term);
  write_name(out, "leader", g, s.role == RAFT_LEADER ? g->groups->self : s.leader);
  write_name(out, "vote", g, s.vote);
  write_log(out, g, &s);
  write_members(out, g, &s);
  if (s.role == RAFT_LEADER) {
    write_peers(out, g);
  }
  write_sessions(out, g);
  write_proposals(out, g);
  snprintf(digest, sizeof digest, "%016" PRIx64, g->digest);
  write_text(out, "digest", digest);
  buf_append_char(out, '}');
}
