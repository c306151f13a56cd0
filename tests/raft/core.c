#include "raft/core.h"

#include <stdlib.h>
#include <string.h>

/* ---- configurations ---- */

struct kept {
  struct kept *next;
  struct raft_configuration configuration;
};

static struct kept *kept;

static bool same_configuration(const struct raft_configuration *a, const struct raft_configuration *b)
{
  bool same = a->count == b->count;
  for (size_t i = 0; same && i < a->count; i++) {
    same = a->members[i].id == b->members[i].id && a->members[i].voice == b->members[i].voice;
  }
  return same;
}

const struct raft_configuration *core_keep(const struct raft_configuration *c)
{
  for (const struct kept *k = kept; k != NULL; k = k->next) {
    if (same_configuration(&k->configuration, c)) {
      return &k->configuration;
    }
  }
  struct kept *k = calloc(1, sizeof(*k));
  assert_non_null(k);
  k->configuration = *c;
  k->next = kept;
  kept = k;
  return &k->configuration;
}

struct raft_configuration core_voters(const uint64_t *ids, size_t count)
{
  struct raft_configuration c = {0};
  for (size_t i = 0; i < count; i++) {
    assert_true(raft_configuration_set(&c, ids[i], RAFT_VOTER));
  }
  return c;
}

/* ---- the post ---- */

void core_post_add(struct core_post *post, const struct raft_message *m, const struct core_entry *entries)
{
  if (post->count == post->cap) {
    post->cap = post->cap * 2 + 16;
    post->at = realloc(post->at, post->cap * sizeof(*post->at));
    assert_non_null(post->at);
  }
  struct core_message *copy = &post->at[post->count++];
  *copy = (struct core_message){.m = *m};
  if (m->type == RAFT_INSTALL && m->install.configuration != NULL) {
    copy->m.install.configuration = core_keep(m->install.configuration);
  }
  if (m->type == RAFT_APPEND && m->append.count > 0) {
    copy->entries = calloc(m->append.count, sizeof(*copy->entries));
    assert_non_null(copy->entries);
    memcpy(copy->entries, entries, m->append.count * sizeof(*copy->entries));
  }
}

void core_post_take(struct core_post *post, size_t i, struct core_message *out)
{
  *out = post->at[i];
  post->count--;
  memmove(post->at + i, post->at + i + 1, (post->count - i) * sizeof(*post->at));
}

void core_post_clear(struct core_post *post)
{
  for (size_t i = 0; i < post->count; i++) {
    free(post->at[i].entries);
  }
  free(post->at);
  *post = (struct core_post){0};
}

/* ---- the log ---- */

uint64_t core_image_last(const struct core_image *image)
{
  return image->first + image->count - 1;
}

const struct core_entry *core_image_entry(const struct core_image *image, uint64_t index)
{
  return index >= image->first && index <= core_image_last(image) ? &image->entries[index - image->first] : NULL;
}

static void image_mark(struct core_image *image, const struct core_unit *unit)
{
  const struct raft_append *a = &unit->a;
  if (a->reset) {
    image->count = 0;
    image->first = a->snapshot_index + 1;
    image->first_prev_term = a->snapshot_term;
  } else if (a->first_kept > image->first) {
    assert_true(a->first_kept <= a->snapshot_index + 1);
    size_t gone = (size_t)(a->first_kept - image->first);
    assert_true(gone <= image->count);
    image->first_prev_term = image->entries[gone - 1].term;
    image->count -= gone;
    memmove(image->entries, image->entries + gone, image->count * sizeof(image->entries[0]));
    image->first = a->first_kept;
  }
  image->snapshot_index = a->snapshot_index;
  image->snapshot_term = a->snapshot_term;
  image->snapshot_size = unit->snapshot_size;
  image->configuration_index = unit->configuration_index;
  image->configuration = unit->configuration;
}

/* In the order that raft.h gives. */
static void image_append(struct core_image *image, const struct core_unit *unit)
{
  const struct raft_append *a = &unit->a;
  if (a->truncate_from > 0) {
    assert_true(a->truncate_from >= image->first && a->truncate_from <= core_image_last(image));
    image->count = (size_t)(a->truncate_from - image->first);
  }
  if (a->hard) {
    image->term = a->term;
    image->vote = a->vote;
  }
  if (a->snapshot) {
    image_mark(image, unit);
  }
  if (a->count > 0) {
    assert_int_equal(a->first, core_image_last(image) + 1);
    assert_true(image->count + a->count <= CORE_ENTRIES_MAX);
    memcpy(image->entries + image->count, unit->entries, a->count * sizeof(image->entries[0]));
    image->count += a->count;
  }
}

static void forget_units(struct core *c, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    free(c->units[i].entries);
  }
  c->unit_count -= count;
  memmove(c->units, c->units + count, c->unit_count * sizeof(c->units[0]));
}

/* ---- the watch ---- */

static uint64_t hash_entry(void *arg, uint64_t index)
{
  const struct core *c = arg;
  const struct core_entry *e = core_image_entry(&c->log, index);
  assert_non_null(e);
  uint64_t hash = e->type + 1;
  for (const char *p = e->text; *p != '\0'; p++) {
    hash = hash * 131 + (unsigned char)*p;
  }
  return hash;
}

static void expect_sound(const struct core *c)
{
  if (c->watch != NULL && raft_watch_failure(c->watch) != NULL) {
    fail_msg("%s", raft_watch_failure(c->watch));
  }
}

/* Applies what may be applied: what is committed, and durable here. */
static void apply(struct core *c)
{
  struct raft_status s = core_status(c);
  if (c->log.snapshot_index > c->applied) {
    c->applied = c->log.snapshot_index;
    raft_watch_restored(c->watch, c->config.id, c->applied, 0);
  }
  while (c->applied < s.commit && c->applied < s.durable_index) {
    const struct core_entry *e = core_image_entry(&c->log, ++c->applied);
    assert_non_null(e);
    raft_watch_applied(c->watch, c->config.id, c->applied, e->term, 0);
  }
  expect_sound(c);
}

/* ---- life ---- */

static void begin(struct core *c)
{
  struct raft_entry *entries = calloc(c->disk.count + 1, sizeof(*entries));
  assert_non_null(entries);
  for (size_t i = 0; i < c->disk.count; i++) {
    const struct core_entry *e = &c->disk.entries[i];
    entries[i] = (struct raft_entry){.term = e->term, .size = e->size, .type = e->type, .configuration = e->configuration};
  }
  struct raft_recovered recovered = {.term = c->disk.term,
                                     .vote = c->disk.vote,
                                     .snapshot_index = c->disk.snapshot_index,
                                     .snapshot_term = c->disk.snapshot_term,
                                     .snapshot_size = c->disk.snapshot_size,
                                     .configuration_index = c->disk.configuration_index,
                                     .configuration = *c->disk.configuration,
                                     .first = c->disk.first,
                                     .first_prev_term = c->disk.first_prev_term,
                                     .entries = entries,
                                     .count = c->disk.count};
  c->r = raft_new(&c->config, &recovered);
  assert_non_null(c->r);
  c->log = c->disk;
  c->applied = c->disk.snapshot_index;
  if (c->watch != NULL) {
    raft_watch_started(c->watch, c->r, &recovered, c->config.id, hash_entry, c);
  }
  free(entries);
  c->sequence = 0;
  c->persisted = 0;
  c->context = 0;
  core_time(c, 0);
}

void core_start_given(struct core *c, const struct core_given *given)
{
  *c = (struct core){.config = given->config, .now = MS(1000), .auto_persist = given->watch == NULL, .watch = given->watch};
  if (c->config.incarnation == 0) {
    c->config.incarnation = 1000 + c->config.id;
  }
  if (c->config.seed == 0) {
    c->config.seed = c->config.id;
  }
  c->disk.configuration = core_keep(&given->configuration);
  c->disk.first = 1;
  c->disk.count = given->count;
  assert_true(given->count < CORE_ENTRIES_MAX);
  for (size_t i = 0; i < given->count; i++) {
    c->disk.entries[i] = (struct core_entry){.term = given->terms[i], .size = 8, .type = RAFT_COMMAND};
    c->disk.term = given->terms[i];
  }
  if (given->appended != NULL) {
    c->disk.entries[c->disk.count++] =
        (struct core_entry){.term = c->disk.term, .size = 40, .type = RAFT_CONFIGURATION, .configuration = core_keep(given->appended)};
  }
  if (given->term > 0) {
    c->disk.term = given->term;
  }
  c->disk.vote = given->vote;
  begin(c);
}

void core_start(struct core *c, uint64_t id, const uint64_t *voters, size_t count)
{
  struct core_given given = {.config = {.id = id}, .configuration = core_voters(voters, count)};
  core_start_given(c, &given);
}

void core_crash(struct core *c)
{
  if (c->watch != NULL) {
    raft_watch_ended(c->watch, c->config.id);
  }
  raft_free(c->r);
  c->r = NULL;
  forget_units(c, c->unit_count);
  core_post_clear(&c->held);
  core_post_clear(&c->sent);
}

void core_restart(struct core *c)
{
  c->config.incarnation += 1000;
  begin(c);
}

void core_stop(struct core *c)
{
  core_crash(c);
}

/* ---- a step ---- */

static struct core_entry appended_entry(const struct core *c, const struct raft_event *event, const struct core_entry *bytes, size_t i)
{
  const struct raft_append *a = &c->u.append;
  const struct raft_entry *e = &a->entries[i];
  struct core_entry copy = {.term = e->term, .size = e->size, .type = e->type};
  if (a->own) {
    assert_true(e->type == RAFT_NOOP || e->type == RAFT_CONFIGURATION);
  } else {
    const struct raft_entry *brought = event->type == RAFT_EVENT_PROPOSE ? event->propose.entries : event->message->append.entries;
    size_t count = event->type == RAFT_EVENT_PROPOSE ? event->propose.count : event->message->append.count;
    assert_true(a->skip + a->count <= count);
    assert_int_equal(e->type, brought[a->skip + i].type);
    assert_int_equal(e->size, brought[a->skip + i].size);
    assert_int_equal(e->term, event->type == RAFT_EVENT_PROPOSE ? raft_term(c->r) : brought[a->skip + i].term);
    if (bytes != NULL) {
      memcpy(copy.text, bytes[a->skip + i].text, sizeof(copy.text));
    }
  }
  if (e->type == RAFT_CONFIGURATION) {
    assert_non_null(e->configuration);
    copy.configuration = core_keep(e->configuration);
  }
  return copy;
}

static void take_append(struct core *c, const struct raft_event *event, const struct core_entry *bytes)
{
  const struct raft_append *a = &c->u.append;
  if (a->sequence == 0) {
    return;
  }
  assert_int_equal(a->sequence, c->sequence + 1);
  c->sequence = a->sequence;
  assert_true(c->unit_count < CORE_ENTRIES_MAX);
  struct core_unit *unit = &c->units[c->unit_count++];
  *unit = c->mark;
  unit->a = *a;
  unit->a.entries = NULL;
  unit->entries = calloc(a->count + 1, sizeof(*unit->entries));
  assert_non_null(unit->entries);
  for (size_t i = 0; i < a->count; i++) {
    unit->entries[i] = appended_entry(c, event, bytes, i);
  }
  image_append(&c->log, unit);
}

static void leave(struct core *c, const struct raft_message *m, const struct core_entry *entries)
{
  core_post_add(&c->sent, m, entries);
  if (c->watch != NULL) {
    raft_watch_sent(c->watch, c->config.id, m);
    expect_sound(c);
  }
}

/* What waited for the log to be durable. */
static void release(struct core *c)
{
  size_t kept_count = 0;
  for (size_t i = 0; i < c->held.count; i++) {
    struct core_message m = c->held.at[i];
    if (m.m.after > c->persisted) {
      c->held.at[kept_count++] = m;
    } else {
      leave(c, &m.m, m.entries);
      free(m.entries);
    }
  }
  c->held.count = kept_count;
}

static void take_messages(struct core *c)
{
  for (size_t i = 0; i < c->u.message_count; i++) {
    const struct raft_message *m = &c->u.messages[i];
    assert_int_equal(m->from, c->config.id);
    assert_int_not_equal(m->to, c->config.id);
    assert_true(m->after <= c->sequence);
    const struct core_entry *entries = NULL;
    if (m->type == RAFT_APPEND && m->append.count > 0) {
      entries = core_image_entry(&c->log, m->append.prev_index + 1);
      assert_non_null(entries);
      assert_non_null(core_image_entry(&c->log, m->append.prev_index + m->append.count));
    }
    if (m->after > c->persisted) {
      core_post_add(&c->held, m, entries);
    } else {
      leave(c, m, entries);
    }
  }
}

static void compare_with_log(const struct core *c)
{
  struct raft_status s = core_status(c);
  assert_int_equal(s.sequence, c->sequence);
  assert_int_equal(s.persisted, c->persisted);
  assert_int_equal(s.last_index, core_image_last(&c->log));
  assert_int_equal(s.term, c->log.term);
  assert_int_equal(s.vote, c->log.vote);
  assert_int_equal(s.durable_term, c->disk.term);
  assert_int_equal(s.durable_vote, c->disk.vote);
  assert_true(s.commit <= s.last_index);
  for (uint64_t i = c->log.first; i <= s.last_index; i++) {
    struct raft_entry e;
    const struct core_entry *mine = core_image_entry(&c->log, i);
    assert_true(raft_entry(c->r, i, &e));
    assert_int_equal(e.term, mine->term);
    assert_int_equal(e.type, mine->type);
    assert_int_equal(e.size, mine->size);
  }
}

/* The update of the step stays to be looked at, with what its durability has brought; what it pointed to is gone. */
static void persist_and_merge(struct core *c)
{
  struct raft_update asked = c->u;
  core_persist(c);
  asked.append.entries = NULL;
  asked.messages = NULL;
  asked.message_count = 0;
  asked.commit = c->u.commit;
  asked.role_changed |= c->u.role_changed;
  asked.configuration_changed |= c->u.configuration_changed;
  if (c->u.read.through > 0) {
    asked.read = c->u.read;
  }
  if (asked.chunk.configuration != NULL) {
    asked.chunk.configuration = core_keep(asked.chunk.configuration);
  }
  c->u = asked;
}

int core_step(struct core *c, struct raft_event *event, const struct core_entry *bytes)
{
  event->now_ns = c->now;
  struct raft_status before = core_status(c);
  memset(&c->u, 0xa5, sizeof(c->u)); /* the core has to set it all */
  c->error = raft_step(c->r, event, &c->u);
  if (c->error == ERROR_INVARIANT) {
    return c->error;
  }
  if (c->error != 0) {
    assert_int_equal(c->u.append.sequence, 0);
    assert_int_equal(c->u.message_count, 0);
    assert_int_equal(c->u.read.through, 0);
    assert_false(c->u.chunk.present);
    return c->error;
  }
  const char *broken = raft_check(c->r, &before);
  if (broken != NULL) {
    fail_msg("member %llu: %s", (unsigned long long)c->config.id, broken);
  }
  take_append(c, event, bytes);
  if (c->watch != NULL) {
    raft_watch_stepped(c->watch, c->config.id, &before, event, &c->u);
  }
  release(c);
  take_messages(c);
  compare_with_log(c);
  if (c->watch != NULL) {
    apply(c);
  }
  if (c->auto_persist && c->unit_count > 0) {
    persist_and_merge(c);
  }
  return c->error;
}

void core_persist_through(struct core *c, uint64_t sequence)
{
  size_t n = 0;
  for (; n < c->unit_count && c->units[n].a.sequence <= sequence; n++) {
    image_append(&c->disk, &c->units[n]);
  }
  forget_units(c, n);
  c->persisted = sequence > c->persisted ? sequence : c->persisted;
  struct raft_event event = {.type = RAFT_EVENT_PERSISTED, .sequence = sequence};
  core_step(c, &event, NULL);
}

void core_persist(struct core *c)
{
  core_persist_through(c, c->sequence);
}

struct raft_status core_status(const struct core *c)
{
  struct raft_status s;
  raft_status(c->r, &s);
  return s;
}
