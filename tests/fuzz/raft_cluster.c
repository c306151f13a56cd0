#include "raft_cluster.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "check.h"

enum {
  MEMBERS_MAX = 8,
  INDEX_MAX = 1000,
  MAIL_MAX = 400,
  CHUNK = 7,
};

/* What a log holds, by index. */
struct image {
  uint64_t term;
  uint64_t vote;
  uint64_t snapshot_index;
  uint64_t snapshot_term;
  uint64_t snapshot_size;
  uint64_t configuration_index;
  const struct raft_configuration *configuration;
  uint64_t first;
  uint64_t last;
  struct raft_entry entries[INDEX_MAX + 1];
};

struct unit {
  struct raft_append a;
  struct raft_entry *entries;
  uint64_t snapshot_size;
  uint64_t configuration_index;
  const struct raft_configuration *configuration;
};

struct mail {
  struct raft_message m;
  struct raft_entry *entries;
};

struct post {
  struct mail *at;
  size_t count;
  size_t cap;
};

struct member {
  uint64_t id;
  struct raft *r; /* NULL: it is down */
  bool cut_off;   /* nothing gets through */
  uint64_t starts;
  struct image *log;
  struct image *disk;
  struct unit *units;
  size_t unit_count;
  size_t unit_cap;
  uint64_t persisted;
  struct post held;
  struct unit mark; /* of the snapshot that is under way */
  bool restoring;
  uint64_t received; /* bytes of the snapshot */
  uint64_t context;
  uint64_t began[INDEX_MAX]; /* the commit index of all when a read began, by context */
  uint64_t served;
};

struct kept {
  struct kept *next;
  struct raft_configuration configuration;
};

struct cluster {
  unsigned count;
  unsigned voters;
  uint64_t seed;
  uint64_t now;
  uint64_t steps;
  uint64_t commit;
  struct member members[MEMBERS_MAX];
  struct post post;
  struct kept *kept;
  uint64_t leaders[INDEX_MAX]; /* by term */
  struct raft_entry committed[INDEX_MAX + 1];
};

static const struct raft_configuration *keep(struct cluster *c, const struct raft_configuration *configuration)
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
      copy[i].configuration = keep(c, copy[i].configuration);
    }
  }
  return copy;
}

/* ---- the post ---- */

static void put(struct post *post, struct mail mail)
{
  post->at = memory_grow(post->at, &post->cap, post->count + 1, sizeof *post->at);
  post->at[post->count++] = mail;
}

static struct mail take_out(struct post *post, size_t i)
{
  struct mail mail = post->at[i];
  memmove(post->at + i, post->at + i + 1, (--post->count - i) * sizeof *post->at);
  return mail;
}

static void empty(struct post *post)
{
  while (post->count > 0) {
    free(take_out(post, post->count - 1).entries);
  }
  free(post->at);
  *post = (struct post){0};
}

static void post_messages(struct cluster *c, struct member *m, const struct raft_update *u)
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
      mail.m.install.configuration = keep(c, mail.m.install.configuration);
    }
    put(mail.m.after > m->persisted ? &m->held : &c->post, mail);
  }
}

/* ---- logs ---- */

static void carry_out(struct image *log, const struct unit *unit)
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

static void forget_units(struct member *m, size_t count)
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

static void append(struct cluster *c, struct member *m, const struct raft_update *u)
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
  carry_out(m->log, &unit);
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
                            .configuration = keep(c, chunk->configuration)};
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
  append(c, m, &u);
  raft_status(m->r, &now);
  CHECK(now.commit == u.commit);
  check_log(m, &now);
  check_leader(c, m, &now);
  check_matching(c, m);
  check_commit(c, m, &before, &now);
  post_messages(c, m, &u);
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
  forget_units(m, m->unit_count);
  empty(&m->held);
  memcpy(m->log, m->disk, sizeof *m->log);
}

static void persist(struct cluster *c, struct member *m, size_t count)
{
  if (count == 0 || count > m->unit_count) {
    return;
  }
  for (size_t i = 0; i < count; i++) {
    carry_out(m->disk, &m->units[i]);
  }
  forget_units(m, count);
  m->persisted += count;
  for (size_t i = 0; i < m->held.count;) {
    if (m->held.at[i].m.after <= m->persisted) {
      put(&c->post, take_out(&m->held, i));
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
  m->mark = (struct unit){.snapshot_size = how % 40, .configuration_index = made, .configuration = keep(c, configuration)};
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
    e = (struct raft_event){.type = RAFT_EVENT_CAPACITY, .full = how % 4 == 0};
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
      struct mail mail = take_out(&c->post, (what < 90 ? 0 : whom) % c->post.count);
      deliver(c, mail);
      free(mail.entries);
    }
  } else if (what < 124) {
    if (c->post.count > 0) { /* twice, in the end */
      deliver(c, c->post.at[whom % c->post.count]);
    }
  } else if (what < 132) {
    if (c->post.count > 0) {
      free(take_out(&c->post, whom % c->post.count).entries);
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
    m->cut_off = how % 2 > 0;
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
    free(take_out(&c->post, 0).entries);
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
    m->disk->configuration = keep(c, i < voters ? &first : &(struct raft_configuration){0});
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
  empty(&c->post);
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
      struct mail mail = take_out(&c->post, 0);
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
