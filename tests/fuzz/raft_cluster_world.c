#include "raft_cluster_world.h"

#include <string.h>

#include "base/memory.h"
#include "check.h"

const struct raft_configuration *cluster_keep(struct cluster *c, const struct raft_configuration *configuration)
{
  for (const struct kept *k = c->kept; k != NULL; k = k->next) {
    if (memcmp(&k->configuration, configuration, sizeof k->configuration) == 0) {
      return &k->configuration;
    }
  }
  struct kept *k = memory_zeroed(1, sizeof *k);
  k->configuration = *configuration;
  k->next = c->kept;
  c->kept = k;
  return &k->configuration;
}

static struct raft_entry *copy_entries(struct cluster *c, const struct raft_entry *entries, size_t count)
{
  struct raft_entry *copy = memory_zeroed(count, sizeof *copy);
  for (size_t i = 0; i < count; i++) {
    copy[i] = entries[i];
    if (copy[i].configuration != NULL) {
      copy[i].configuration = cluster_keep(c, copy[i].configuration);
    }
  }
  return copy;
}

/* ---- the post ---- */

void cluster_put(struct post *post, struct mail mail)
{
  post->at = memory_grow(post->at, &post->cap, post->count + 1, sizeof *post->at);
  post->at[post->count++] = mail;
}

struct mail cluster_take_out(struct post *post, size_t i)
{
  struct mail mail = post->at[i];
  memmove(post->at + i, post->at + i + 1, (--post->count - i) * sizeof *post->at);
  return mail;
}

void cluster_empty(struct post *post)
{
  while (post->count > 0) {
    free(cluster_take_out(post, post->count - 1).entries);
  }
  free(post->at);
  *post = (struct post){0};
}

void cluster_post(struct cluster *c, struct member *m, const struct raft_update *u)
{
  for (size_t i = 0; i < u->message_count; i++) {
    struct mail mail = {.m = u->messages[i]};
    CHECK(mail.m.from == m->id && mail.m.to != m->id);
    if (mail.m.type == RAFT_APPEND && mail.m.append.count > 0) {
      uint64_t first = mail.m.append.prev_index + 1;
      CHECK(first >= m->log->first && first + mail.m.append.count - 1 <= m->log->last);
      mail.entries = copy_entries(c, &m->log->entries[first], mail.m.append.count);
    }
    if (mail.m.type == RAFT_INSTALL) {
      CHECK(mail.m.install.index == m->log->snapshot_index);
      mail.m.install.configuration = cluster_keep(c, mail.m.install.configuration);
    }
    cluster_put(mail.m.after > m->persisted ? &m->held : &c->post, mail);
  }
}

/* ---- logs ---- */

void cluster_carry_out(struct image *log, const struct unit *unit)
{
  const struct raft_append *a = &unit->a;
  if (a->truncate_from > 0) {
    CHECK(a->truncate_from > log->snapshot_index && a->truncate_from <= log->last);
    log->last = a->truncate_from - 1;
  }
  if (a->hard) {
    log->term = a->term;
    log->vote = a->vote;
  }
  if (a->snapshot) {
    CHECK(a->snapshot_index > log->snapshot_index && a->first_kept <= a->snapshot_index + 1);
    CHECK(a->reset || a->snapshot_index <= log->last);
    log->snapshot_index = a->snapshot_index;
    log->snapshot_term = a->snapshot_term;
    log->snapshot_size = unit->snapshot_size;
    log->configuration_index = unit->configuration_index;
    log->configuration = unit->configuration;
    log->first = a->first_kept;
    if (a->reset) {
      log->last = a->snapshot_index;
      log->entries[log->last] = (struct raft_entry){.term = a->snapshot_term};
    }
  }
  if (a->count > 0) {
    CHECK(a->first == log->last + 1);
    memcpy(&log->entries[a->first], unit->entries, a->count * sizeof *unit->entries);
    log->last += a->count;
  }
}

void cluster_forget_units(struct member *m, size_t count)
{
  if (count == 0) {
    return;
  }
  for (size_t i = 0; i < count; i++) {
    free(m->units[i].entries);
  }
  m->unit_count -= count;
  memmove(m->units, m->units + count, m->unit_count * sizeof *m->units);
}

void cluster_append(struct cluster *c, struct member *m, const struct raft_update *u)
{
  if (u->append.sequence == 0) {
    return;
  }
  struct unit unit = m->mark;
  unit.a = u->append;
  CHECK(unit.a.sequence == m->persisted + m->unit_count + 1 && unit.a.first + unit.a.count <= INDEX_MAX);
  unit.entries = copy_entries(c, u->append.entries, u->append.count);
  m->units = memory_grow(m->units, &m->unit_cap, m->unit_count + 1, sizeof *m->units);
  m->units[m->unit_count++] = unit;
  cluster_carry_out(m->log, &unit);
}

/* ---- what holds ---- */

static bool same_entry(const struct raft_entry *a, const struct raft_entry *b)
{
  return a->term == b->term && a->type == b->type && a->size == b->size && a->configuration == b->configuration;
}

static bool holds(const struct member *m, uint64_t index, uint64_t term)
{
  const struct image *disk = m->disk;
  return index <= disk->snapshot_index || (index <= disk->last && index >= disk->first && disk->entries[index].term == term);
}

/* The majority of those with a voice hold an index durably. */
static bool is_backed(const struct cluster *c, const struct raft_configuration *configuration, uint8_t voice, uint64_t index, uint64_t term)
{
  size_t all = 0;
  size_t yes = 0;
  for (size_t i = 0; i < configuration->count; i++) {
    if (configuration->members[i].voice & voice) {
      all++;
      yes += holds(&c->members[configuration->members[i].id - 1], index, term);
    }
  }
  return yes > all / 2;
}

static void check_commit(struct cluster *c, const struct member *m, const struct raft_status *before, const struct raft_status *now)
{
  for (uint64_t i = before->commit + 1; i <= now->commit; i++) {
    if (i < m->log->first) {
      continue;
    }
    const struct raft_entry *mine = &m->log->entries[i];
    if (c->committed[i].term == 0) {
      CHECK(before->role == RAFT_LEADER); /* it may have left with this commit */
      c->committed[i] = *mine;
    }
    CHECK(same_entry(&c->committed[i], mine));
  }
  if (now->role == RAFT_LEADER && now->commit > before->commit) {
    /* The one that was effective when it counted: what it committed may have made it append another. */
    const struct raft_configuration *configuration = raft_configuration_at(m->r, before->last_index, &(uint64_t){0});
    CHECK(is_backed(c, configuration, RAFT_VOTER, now->commit, m->log->entries[now->commit].term));
    CHECK(!raft_configuration_is_joint(configuration) ||
          is_backed(c, configuration, RAFT_OLD_VOTER, now->commit, m->log->entries[now->commit].term));
  }
  c->commit = now->commit > c->commit ? now->commit : c->commit;
}

/* A new leader has everything that is committed; whoever it is, it is the only one of its term. */
static void check_leader(struct cluster *c, const struct member *m, const struct raft_status *now)
{
  if (now->role != RAFT_LEADER) {
    return;
  }
  CHECK(now->term < INDEX_MAX);
  CHECK(c->leaders[now->term] == 0 || c->leaders[now->term] == m->id);
  if (c->leaders[now->term] == 0) {
    c->leaders[now->term] = m->id;
    for (uint64_t i = m->log->first; i <= c->commit; i++) {
      CHECK(i <= m->log->last && (c->committed[i].term == 0 || same_entry(&c->committed[i], &m->log->entries[i])));
    }
  }
}

static void check_matching(const struct cluster *c, const struct member *m)
{
  for (unsigned i = 0; i < c->count; i++) {
    const struct image *a = m->log;
    const struct image *b = c->members[i].log;
    bool equal = false;
    uint64_t first = a->first > b->first ? a->first : b->first;
    for (uint64_t at = a->last < b->last ? a->last : b->last; at >= first; at--) {
      equal |= a->entries[at].term == b->entries[at].term;
      CHECK(!equal || same_entry(&a->entries[at], &b->entries[at]));
    }
  }
}

static void check_log(const struct member *m, const struct raft_status *s)
{
  const struct image *log = m->log;
  CHECK(s->first_index == log->first && s->last_index == log->last && s->snapshot_index == log->snapshot_index);
  CHECK(s->term == log->term && s->vote == log->vote && s->durable_term == m->disk->term && s->durable_vote == m->disk->vote);
  for (uint64_t i = log->first; i <= log->last; i++) {
    struct raft_entry e;
    CHECK(raft_entry(m->r, i, &e) && e.term == log->entries[i].term && e.type == log->entries[i].type && e.size == log->entries[i].size);
  }
  for (uint64_t i = log->first; i <= s->durable_index; i++) {
    CHECK(i <= s->snapshot_index || holds(m, i, log->entries[i].term));
  }
}

void cluster_check(struct cluster *c, const struct member *m, const struct raft_status *before, const struct raft_status *now)
{
  check_log(m, now);
  check_leader(c, m, now);
  check_matching(c, m);
  check_commit(c, m, before, now);
}
