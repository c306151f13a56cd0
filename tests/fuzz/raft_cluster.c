#include "raft_cluster.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "check.h"
#include "raft_cluster_world.h"

/* ---- steps ---- */

static void take_chunk(struct cluster *c, struct member *m, const struct raft_chunk *chunk)
{
  if (!chunk->present) {
    return;
  }
  m->received = chunk->offset == 0 ? 0 : m->received;
  CHECK(chunk->offset == m->received);
  m->received += chunk->length;
  m->restoring = chunk->last;
  if (chunk->last) {
    m->mark = (struct unit){.a = {.snapshot_index = chunk->index},
                            .snapshot_size = m->received,
                            .configuration_index = chunk->configuration_index,
                            .configuration = cluster_keep(c, chunk->configuration)};
  }
}

static int step(struct cluster *c, struct member *m, struct raft_event *e)
{
  struct raft_status before;
  struct raft_status now;
  struct raft_update u;
  e->now_ns = c->now;
  c->steps++;
  raft_status(m->r, &before);
  int error = raft_step(m->r, e, &u);
  if (error == ERROR_INVARIANT) {
    fprintf(stderr, "%s\n", raft_failure(m->r));
  }
  CHECK(error != ERROR_INVARIANT);
  const char *broken = raft_check(m->r, &before);
  if (broken != NULL) {
    fprintf(stderr, "member %llu: %s\n", (unsigned long long)m->id, broken);
  }
  CHECK(broken == NULL);
  if (error != 0) {
    return error;
  }
  cluster_append(c, m, &u);
  raft_status(m->r, &now);
  CHECK(now.commit == u.commit);
  cluster_check(c, m, &before, &now);
  cluster_post(c, m, &u);
  take_chunk(c, m, &u.chunk);
  if (u.read.through > 0) {
    CHECK(u.read.through <= m->context && u.read.through > m->served);
    m->served = u.read.through;
    CHECK(u.read.index >= m->began[u.read.through]);
  }
  return 0;
}

static void start(struct cluster *c, struct member *m)
{
  struct raft_recovered recovered = {.term = m->disk->term,
                                     .vote = m->disk->vote,
                                     .snapshot_index = m->disk->snapshot_index,
                                     .snapshot_term = m->disk->snapshot_term,
                                     .snapshot_size = m->disk->snapshot_size,
                                     .configuration_index = m->disk->configuration_index,
                                     .configuration = *m->disk->configuration,
                                     .first = m->disk->first,
                                     .first_prev_term = m->disk->entries[m->disk->first - 1].term,
                                     .entries = &m->disk->entries[m->disk->first],
                                     .count = (size_t)(m->disk->last + 1 - m->disk->first)};
  struct raft_config config = {.id = m->id,
                               .incarnation = m->id * 1000 + ++m->starts,
                               .seed = c->seed * 31 + m->id * 7 + m->starts,
                               .inflight_messages_max = 4,
                               .inflight_bytes_max = 300,
                               .message_bytes_max = 100,
                               .message_entries_max = 5,
                               .chunk_bytes = CHUNK,
                               .uncommitted_bytes_max = 400,
                               .tail_entries = 3};
  if (recovered.first == recovered.snapshot_index + 1) {
    recovered.first_prev_term = recovered.snapshot_term;
  }
  m->r = raft_new(&config, &recovered);
  memcpy(m->log, m->disk, sizeof *m->log);
  m->persisted = 0;
  m->context = 0;
  m->served = 0;
  m->restoring = false;
  m->received = 0;
  m->mark = (struct unit){0};
}

static void crash(struct member *m)
{
  raft_free(m->r);
  m->r = NULL;
  cluster_forget_units(m, m->unit_count);
  cluster_empty(&m->held);
  memcpy(m->log, m->disk, sizeof *m->log);
}

static void persist(struct cluster *c, struct member *m, size_t count)
{
  if (count == 0 || count > m->unit_count) {
    return;
  }
  for (size_t i = 0; i < count; i++) {
    cluster_carry_out(m->disk, &m->units[i]);
  }
  cluster_forget_units(m, count);
  m->persisted += count;
  for (size_t i = 0; i < m->held.count;) {
    if (m->held.at[i].m.after <= m->persisted) {
      cluster_put(&c->post, cluster_take_out(&m->held, i));
    } else {
      i++;
    }
  }
  struct raft_event e = {.type = RAFT_EVENT_PERSISTED, .sequence = m->persisted};
  step(c, m, &e);
}

static void deliver(struct cluster *c, struct mail mail)
{
  struct member *to = &c->members[mail.m.to - 1];
  if (to->r != NULL && !to->cut_off && !c->members[mail.m.from - 1].cut_off) {
    if (mail.m.type == RAFT_APPEND) {
      mail.m.append.entries = mail.entries;
    }
    struct raft_event e = {.type = RAFT_EVENT_RECEIVE, .message = &mail.m};
    step(c, to, &e);
  }
}

static void propose(struct cluster *c, struct member *m, unsigned how)
{
  struct raft_entry entries[4];
  for (size_t i = 0; i < 4; i++) {
    entries[i] = (struct raft_entry){.type = RAFT_COMMAND, .size = (how * 13 + (uint32_t)i * 29) % 90};
  }
  struct raft_event e = {.type = RAFT_EVENT_PROPOSE, .propose = {.entries = entries, .count = 1 + how % 4}};
  step(c, m, &e);
}

static void read_state(struct cluster *c, struct member *m)
{
  if (m->context + 1 < INDEX_MAX) {
    struct raft_event e = {.type = RAFT_EVENT_READ, .context = ++m->context};
    m->began[m->context] = c->commit;
    step(c, m, &e);
  }
}

static void change(struct cluster *c, struct member *m, unsigned how)
{
  struct raft_configuration to = {0};
  for (unsigned i = 0; i < c->count; i++) {
    unsigned v = (how >> i) & 1;
    if (v || i == how % c->count) {
      raft_configuration_set(&to, i + 1, RAFT_VOTER);
    } else if ((how * 5 + i) % 3 == 0) {
      raft_configuration_set(&to, i + 1, RAFT_LEARNER);
    }
  }
  struct raft_event e = {.type = RAFT_EVENT_CHANGE, .change = &to};
  step(c, m, &e);
}

static void snapshot(struct cluster *c, struct member *m, unsigned how)
{
  struct raft_status s;
  raft_status(m->r, &s);
  uint64_t applied = s.commit < s.durable_index ? s.commit : s.durable_index;
  if (m->restoring || applied <= s.snapshot_index) {
    return;
  }
  uint64_t index = applied - how % (applied - s.snapshot_index);
  uint64_t made = 0;
  const struct raft_configuration *configuration = raft_configuration_at(m->r, index, &made);
  m->mark = (struct unit){.snapshot_size = how % 40, .configuration_index = made, .configuration = cluster_keep(c, configuration)};
  struct raft_event e = {.type = RAFT_EVENT_SNAPSHOT, .snapshot = {.index = index, .size = how % 40}};
  step(c, m, &e);
}

static void install(struct cluster *c, struct member *m, bool ok)
{
  if (m->restoring) {
    struct raft_event e = {.type = RAFT_EVENT_INSTALL, .install = {.index = m->mark.a.snapshot_index, .ok = ok}};
    m->restoring = false;
    step(c, m, &e);
  }
}

static void pass_time(struct cluster *c, struct member *m, uint64_t ns)
{
  c->now += ns;
  if (m->r != NULL && raft_deadline(m->r) <= c->now) {
    struct raft_event e = {.type = RAFT_EVENT_TIME};
    step(c, m, &e);
  }
}

static void ask(struct cluster *c, struct member *m, unsigned what, unsigned how)
{
  struct raft_event e = {.type = RAFT_EVENT_TRANSFER, .to = how % (c->count + 1)};
  switch (what) {
  case 0:
    step(c, m, &e);
    break;
  case 1:
    e = (struct raft_event){.type = RAFT_EVENT_CAPACITY, .full = how % 16 == 0};
    step(c, m, &e);
    break;
  case 2:
  case 3:
    change(c, m, how);
    break;
  case 4:
  case 5:
    snapshot(c, m, how);
    break;
  default:
    install(c, m, how % 8 > 0);
    break;
  }
}

/* Requests go to whoever leads, mostly. */
static struct member *somebody(struct cluster *c, unsigned whom)
{
  for (unsigned i = 0; whom % 4 > 0 && i < c->count; i++) {
    if (c->members[i].r != NULL && raft_role(c->members[i].r) == RAFT_LEADER) {
      return &c->members[i];
    }
  }
  return &c->members[whom / 4 % c->count];
}

void cluster_do(struct cluster *c, unsigned what, unsigned whom, unsigned how)
{
  struct member *m = &c->members[whom % c->count];
  if (what < 120) {
    for (unsigned n = what < 90 ? 1 + how % 16 : 1; n > 0 && c->post.count > 0; n--) {
      struct mail mail = cluster_take_out(&c->post, (what < 90 ? 0 : whom) % c->post.count);
      deliver(c, mail);
      free(mail.entries);
    }
  } else if (what < 124) {
    if (c->post.count > 0) { /* twice, in the end */
      deliver(c, c->post.at[whom % c->post.count]);
    }
  } else if (what < 132) {
    if (c->post.count > 0) {
      free(cluster_take_out(&c->post, whom % c->post.count).entries);
    }
  } else if (what < 170) {
    if (m->r != NULL) {
      persist(c, m, how % 3 == 0 ? 1 + how % 5 : m->unit_count);
    }
  } else if (what < 200) {
    pass_time(c, m, (uint64_t)how * how * 2500);
  } else if (what < 204) {
    if (m->r != NULL && how < 50) {
      crash(m);
    } else if (m->r == NULL) {
      start(c, m);
    }
  } else if (what < 208) {
    m->cut_off = how % 6 == 0;
  } else if (what < 212) {
    if (m->r == NULL) {
      start(c, m);
    }
  } else {
    m = what < 248 ? somebody(c, whom) : &c->members[how % c->count];
    if (m->r == NULL) {
      return;
    }
    if (what < 230) {
      propose(c, m, how);
    } else if (what < 240) {
      read_state(c, m);
    } else {
      ask(c, m, what % 8, how);
    }
  }
  while (c->post.count > MAIL_MAX) {
    free(cluster_take_out(&c->post, 0).entries);
  }
}

/* ---- life ---- */

struct cluster *cluster_new(unsigned voters, uint64_t seed)
{
  struct cluster *c = memory_zeroed(1, sizeof *c);
  c->voters = voters;
  c->count = voters + 2;
  c->seed = seed;
  c->now = 1;
  CHECK(c->count <= MEMBERS_MAX);
  struct raft_configuration first = {0};
  for (uint64_t id = 1; id <= voters; id++) {
    raft_configuration_set(&first, id, RAFT_VOTER);
  }
  for (unsigned i = 0; i < c->count; i++) {
    struct member *m = &c->members[i];
    m->id = i + 1;
    m->log = memory_zeroed(1, sizeof *m->log);
    m->disk = memory_zeroed(1, sizeof *m->disk);
    m->disk->first = 1;
    m->disk->configuration = cluster_keep(c, i < voters ? &first : &(struct raft_configuration){0});
    start(c, m);
  }
  return c;
}

void cluster_free(struct cluster *c)
{
  for (unsigned i = 0; i < c->count; i++) {
    struct member *m = &c->members[i];
    crash(m);
    free(m->units);
    free(m->log);
    free(m->disk);
  }
  cluster_empty(&c->post);
  while (c->kept != NULL) {
    struct kept *k = c->kept;
    c->kept = k->next;
    free(k);
  }
  free(c);
}

bool cluster_goes_on(const struct cluster *c)
{
  for (unsigned i = 0; i < c->count; i++) {
    if (c->members[i].log->last + 16 > INDEX_MAX || c->members[i].log->term + 16 > INDEX_MAX || c->members[i].context + 2 > INDEX_MAX) {
      return false;
    }
  }
  return true;
}

void cluster_heal(struct cluster *c)
{
  uint64_t before = c->commit;
  for (unsigned round = 0; round < 600; round++) {
    for (unsigned i = 0; i < c->count; i++) {
      struct member *m = &c->members[i];
      m->cut_off = false;
      if (m->r == NULL) {
        start(c, m);
      }
      struct raft_event e = {.type = RAFT_EVENT_CAPACITY};
      step(c, m, &e);
      persist(c, m, m->unit_count);
      install(c, m, true);
      pass_time(c, m, UINT64_C(2000000));
      if (round % 50 == 49 && raft_role(m->r) == RAFT_LEADER) {
        propose(c, m, 0);
      }
    }
    for (size_t n = c->post.count; n > 0; n--) {
      struct mail mail = cluster_take_out(&c->post, 0);
      deliver(c, mail);
      free(mail.entries);
    }
  }
  CHECK(c->commit > before);
}

uint64_t cluster_commit(const struct cluster *c)
{
  return c->commit;
}

uint64_t cluster_steps(const struct cluster *c)
{
  return c->steps;
}
