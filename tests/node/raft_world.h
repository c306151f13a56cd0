/* A small world for tests of the Raft driver: nodes in C on virtual time, a network that the test cuts, duplicates and looks at, disks that
 * lose what was not synced, and the watch over all members. The service is a text to which each command is appended. */
#ifndef VORTEX_TESTS_NODE_RAFT_WORLD_H
#define VORTEX_TESTS_NODE_RAFT_WORLD_H

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/prng.h"
#include "cmocka_all.h"
#include "node/raft.h"
#include "node/watch.h"
#include "raft/watch.h"
#include "json/envelope.h"

#define WORLD_NODES 5
#define WORLD_FILES 64
#define WORLD_TAGS  4096
#define LATENCY_NS  NODE_MS_NS
#define WRITE_NS    (NODE_MS_NS / 5)

/* What has happened to an operation. */
struct outcome {
  bool done;
  int status;
  long long code;
  bool has_value;
  char value[120];
};

enum act_kind {
  ACT_WRITE,
  ACT_SEND,
  ACT_APPLY,
  ACT_ANSWER
};

struct file {
  bool exists;
  struct buf cache;
  struct buf durable;
};

struct world;

struct member {
  struct world *world;
  unsigned index;
  char name[16];
  struct node *node; /* NULL = dead */
  struct node_group *group;
  unsigned incarnation;
  uint64_t wake_ns;

  /* the service */
  struct buf text;
  uint64_t count; /* commands applied by this incarnation */
  unsigned changes;
  bool stopped;
  int snapshot_error;
  const char *refuses; /* apply stops the node at a command with this in it */
  bool reads_text;     /* an answered read keeps the text's length in its outcome's code */

  /* the disk */
  struct node_disk disk;
  struct file files[WORLD_FILES];
  int sync_error;
  bool full;
  uint64_t slow_ns;
};

struct event {
  uint64_t at_ns;
  uint64_t sequence;
  unsigned to;
  unsigned incarnation; /* of the member that it is for; 0 = any */
  enum {
    EVENT_LINE,
    EVENT_DISK
  } kind;
  char *line; /* owned */
  size_t len;
  node_disk_fn done;
  void *arg;
  int error;
  unsigned file; /* whose cache becomes durable; 0 = none */
};

struct world {
  uint64_t now;
  struct prng prng;
  unsigned count;
  bool disks;
  struct node_group_config config;
  const char *voters[WORLD_NODES]; /* the first ones; none = all */
  unsigned voter_count;
  struct member members[WORLD_NODES];
  struct event *events;
  size_t event_count;
  size_t event_cap;
  uint64_t event_sequence;
  bool cut[WORLD_NODES][WORLD_NODES];
  unsigned copies; /* of each message between members: 1 */
  bool (*drop)(struct world *w, const char *line);
  struct outcome outcomes[WORLD_TAGS];
  struct buf log;
  struct raft_watch *watch;
  bool unwatched; /* somebody here speaks for a member, and need not be right */
  struct node_watch hooks;
  unsigned sends; /* lines between members */
  unsigned sends_with[2];
  const char *count_with[2]; /* … that contain this */

  /* acts of one call into a node, in order */
  enum act_kind acts[4096];
  size_t act_count;
  bool watch_order; /* a call's acts must be in the order of their kinds */
};

/* ---- order ---- */

static inline void act(struct member *m, enum act_kind kind)
{
  struct world *w = m->world;
  if (w->act_count < sizeof w->acts / sizeof *w->acts) {
    w->acts[w->act_count++] = kind;
  }
}

static inline void begin_call(struct world *w)
{
  w->act_count = 0;
}

static inline void end_call(struct world *w)
{
  for (size_t i = 1; w->watch_order && i < w->act_count; i++) {
    if (w->acts[i] < w->acts[i - 1]) {
      fail_msg("act %d after act %d in one turn", w->acts[i], w->acts[i - 1]);
    }
  }
  const char *failure = w->watch == NULL ? NULL : raft_watch_failure(w->watch);
  if (failure != NULL) {
    fail_msg("%s\n%.*s", failure, (int)w->log.len, w->log.data);
  }
}

/* ---- events ---- */

static inline struct event *post(struct world *w, uint64_t delay_ns)
{
  w->events = memory_grow(w->events, &w->event_cap, w->event_count + 1, sizeof *w->events);
  struct event *e = &w->events[w->event_count++];
  *e = (struct event){.at_ns = w->now + delay_ns, .sequence = ++w->event_sequence};
  return e;
}

static inline void post_line(struct world *w, unsigned to, struct slice line, uint64_t delay_ns)
{
  struct event *e = post(w, delay_ns);
  e->to = to;
  e->line = memory_must(malloc(line.len + 1));
  memcpy(e->line, line.ptr, line.len);
  e->line[line.len] = '\n';
  e->len = line.len;
}

/* ---- node/env.h ---- */

static inline uint64_t env_now(void *self)
{
  return ((struct member *)self)->world->now;
}

static inline uint64_t env_random(void *self)
{
  return prng_next(&((struct member *)self)->world->prng);
}

static inline int member_index(const struct world *w, struct slice name)
{
  for (unsigned i = 0; i < w->count; i++) {
    if (slice_equal(slice_of(w->members[i].name, strlen(w->members[i].name)), name)) {
      return (int)i;
    }
  }
  return -1;
}

static inline bool holds(struct slice line, const char *part)
{
  return part != NULL && memmem(line.ptr, line.len, part, strlen(part)) != NULL;
}

static inline void env_send(void *self, struct slice dest, struct slice line, bool originated)
{
  struct member *m = self;
  struct world *w = m->world;
  int to = member_index(w, dest);
  line.len--; /* the newline */
  (void)originated;
  if (holds(line, "\"type\":\"raft_append\"") && to >= 0) {
    act(m, ACT_SEND);
  }
  if (to < 0) {
    return;
  }
  w->sends++;
  for (unsigned i = 0; i < 2; i++) {
    w->sends_with[i] += holds(line, w->count_with[i]);
  }
  struct buf text = {0};
  buf_append_slice(&text, line);
  buf_append_char(&text, '\0');
  bool lost = w->cut[m->index][to] || (w->drop != NULL && w->drop(w, text.data));
  for (unsigned i = 0; !lost && i < w->copies; i++) {
    post_line(w, (unsigned)to, line, LATENCY_NS + prng_below(&w->prng, LATENCY_NS));
  }
  buf_free(&text);
}

static inline void env_wake_at(void *self, uint64_t deadline_ns)
{
  struct member *m = self;
  m->wake_ns = deadline_ns;
}

static inline void env_log(void *self, enum log_level level, struct slice text)
{
  struct member *m = self;
  static const char *const levels[] = {"debug", "info", "warn", "error"};
  buf_printf(&m->world->log, "%llu %s %s: ", (unsigned long long)(m->world->now / NODE_MS_NS), m->name, levels[level]);
  buf_append_slice(&m->world->log, text);
  buf_append_char(&m->world->log, '\n');
  if (getenv("VORTEX_TEST_LOG") != NULL) {
    fprintf(stderr, "%llu %s %s: %.*s\n", (unsigned long long)(m->world->now / NODE_MS_NS), m->name, levels[level], (int)text.len,
            text.ptr);
  }
}

/* ---- the disk ---- */

static inline struct file *file_of(struct member *m, unsigned number)
{
  assert_in_range(number, 1, WORLD_FILES);
  return &m->files[number - 1];
}

static inline void copy(struct buf *to, const struct buf *from)
{
  buf_clear(to);
  buf_append(to, from->data, from->len);
}

static inline void complete(struct member *m, unsigned durable, node_disk_fn done, void *arg, int error)
{
  struct event *e = post(m->world, WRITE_NS + m->slow_ns);
  e->kind = EVENT_DISK;
  e->to = m->index;
  e->incarnation = m->incarnation;
  e->done = done;
  e->arg = arg;
  e->error = error;
  e->file = error == 0 ? durable : 0;
}

static inline void resize(struct file *f, size_t size)
{
  f->exists = true;
  while (f->cache.len < size) {
    buf_append_char(&f->cache, '\0');
  }
}

static inline void disk_allocate(void *self, unsigned file, uint64_t size, node_disk_fn done, void *arg)
{
  struct member *m = self;
  if (m->full) {
    complete(m, 0, done, arg, ERROR_DISK_FULL);
    return;
  }
  resize(file_of(m, file), (size_t)size);
  complete(m, file, done, arg, 0);
}

static inline void disk_write(void *self, unsigned file, uint64_t offset, struct slice bytes, node_disk_fn done, void *arg)
{
  struct member *m = self;
  act(m, ACT_WRITE);
  resize(file_of(m, file), (size_t)offset + bytes.len);
  memcpy(file_of(m, file)->cache.data + offset, bytes.ptr, bytes.len);
  complete(m, 0, done, arg, 0);
}

static inline void disk_sync(void *self, unsigned file, node_disk_fn done, void *arg)
{
  struct member *m = self;
  complete(m, file, done, arg, m->sync_error);
}

static inline unsigned disk_next(void *self, unsigned file)
{
  struct member *m = self;
  for (unsigned i = file + 1; i <= WORLD_FILES; i++) {
    if (file_of(m, i)->exists) {
      return i;
    }
  }
  return 0;
}

static inline uint64_t disk_size(void *self, unsigned file)
{
  return file_of(self, file)->cache.len;
}

static inline int disk_read(void *self, unsigned file, uint64_t offset, void *to, size_t len)
{
  const struct file *f = file_of(self, file);
  if (offset + len > f->cache.len) {
    return ERROR_IO;
  }
  memcpy(to, f->cache.data + offset, len);
  return 0;
}

static inline void disk_remove(void *self, unsigned file)
{
  struct file *f = file_of(self, file);
  f->exists = false;
  buf_clear(&f->cache);
  buf_clear(&f->durable);
}

/* ---- the service ---- */

static inline enum node_init_result on_init(void *self)
{
  (void)self;
  return NODE_INIT_DONE;
}

static inline void on_message(void *self, const struct node_message *message)
{
  (void)self;
  (void)message;
}

static inline void on_complete(void *self, uint64_t token, void *tag, int status, const struct node_message *reply)
{
  (void)self;
  (void)token;
  (void)tag;
  (void)status;
  (void)reply;
}

static inline int on_apply(void *self, void *group, uint64_t index, struct slice command, struct node_outcome *outcome)
{
  struct member *m = self;
  (void)group;
  (void)index;
  act(m, ACT_APPLY);
  if (holds(command, m->refuses)) {
    return ERROR_CRASH;
  }
  if (holds(command, "fail")) {
    outcome->code = 22;
    buf_append_str(outcome->value, "it is to fail");
    return 0;
  }
  m->count++;
  buf_append_slice(&m->text, command);
  buf_printf(outcome->value, "{\"size\":%zu,\"was\":%.*s}", m->text.len, (int)command.len, command.ptr);
  return 0;
}

static inline int on_snapshot(void *self, void *group, struct buf *out)
{
  struct member *m = self;
  (void)group;
  buf_append_slice(out, buf_slice(&m->text));
  return m->snapshot_error;
}

static inline int on_restore(void *self, void *group, struct slice state)
{
  struct member *m = self;
  (void)group;
  buf_clear(&m->text);
  buf_append_slice(&m->text, state);
  return 0;
}

static inline void on_changed(void *self, void *group)
{
  (void)group;
  ((struct member *)self)->changes++;
}

static inline void on_answer(void *self, uint64_t token, void *tag, int status, const struct node_answer *answer)
{
  struct member *m = self;
  struct outcome *o = tag;
  (void)token;
  act(m, ACT_ANSWER);
  assert_false(o->done);
  o->done = true;
  o->status = status;
  if (answer != NULL) {
    o->has_value = true;
    o->code = answer->code;
    snprintf(o->value, sizeof o->value, "%.*s", (int)answer->value.len, answer->value.ptr);
  } else if (m->reads_text) {
    o->code = (long long)m->text.len;
  }
}

static inline bool on_busy(void *self)
{
  (void)self;
  return false;
}

static inline void on_stop(void *self)
{
  ((struct member *)self)->stopped = true;
}

/* ---- the watch ---- */

static inline void watch_started(void *self, struct slice group, const struct raft *r, const struct raft_recovered *recovered, uint64_t id,
                                 uint64_t (*hash)(void *arg, uint64_t index), void *arg)
{
  if (slice_equal(group, SLICE("main"))) {
    raft_watch_started(((struct world *)self)->watch, r, recovered, id, hash, arg);
  }
}

static inline void watch_stepped(void *self, struct slice group, uint64_t id, const struct raft_status *before,
                                 const struct raft_event *event, const struct raft_update *update)
{
  if (slice_equal(group, SLICE("main"))) {
    raft_watch_stepped(((struct world *)self)->watch, id, before, event, update);
  }
}

static inline void watch_sent(void *self, struct slice group, uint64_t id, const struct raft_message *message)
{
  if (slice_equal(group, SLICE("main"))) {
    raft_watch_sent(((struct world *)self)->watch, id, message);
  }
}

static inline void watch_applied(void *self, struct slice group, uint64_t id, uint64_t index, uint64_t term, uint64_t outcome)
{
  assert_int_not_equal(outcome, 0);
  if (slice_equal(group, SLICE("main"))) {
    raft_watch_applied(((struct world *)self)->watch, id, index, term, outcome);
  }
}

static inline void watch_restored(void *self, struct slice group, uint64_t id, uint64_t index, uint64_t outcome)
{
  assert_int_not_equal(outcome, 0);
  if (slice_equal(group, SLICE("main"))) {
    raft_watch_restored(((struct world *)self)->watch, id, index, outcome);
  }
}

static inline void watch_effect(void *self, struct slice group, uint64_t id, uint64_t session, uint64_t sequence, uint64_t index)
{
  (void)self;
  (void)group;
  (void)id;
  (void)session;
  (void)sequence;
  (void)index;
}

static inline void watch_ended(void *self, struct slice group, uint64_t id)
{
  if (slice_equal(group, SLICE("main"))) {
    raft_watch_ended(((struct world *)self)->watch, id);
  }
}

/* ---- life ---- */

static inline void init_member(struct member *m)
{
  struct world *w = m->world;
  struct buf line = {0};
  buf_printf(&line, "{\"id\":1,\"src\":\"c0\",\"dest\":\"%s\",\"body\":{\"type\":\"init\",\"msg_id\":1,\"node_id\":\"%s\",\"node_ids\":[",
             m->name, m->name);
  for (unsigned i = 0; i < w->count; i++) {
    buf_printf(&line, "%s\"%s\"", i > 0 ? "," : "", w->members[i].name);
  }
  buf_append_str(&line, "]}}\n");
  begin_call(w);
  node_receive(m->node, slice_of(line.data, line.len - 1), w->now);
  end_call(w);
  buf_free(&line);
}

static inline void start_member(struct world *w, unsigned index)
{
  struct member *m = &w->members[index];
  m->incarnation++;
  m->wake_ns = UINT64_MAX;
  m->stopped = false;
  buf_clear(&m->text);
  m->disk = (struct node_disk){.self = m,
                               .allocate = disk_allocate,
                               .write = disk_write,
                               .sync = disk_sync,
                               .next = disk_next,
                               .size = disk_size,
                               .read = disk_read,
                               .remove = disk_remove};
  struct node_env env = {.self = m,
                         .now = env_now,
                         .random = env_random,
                         .send = env_send,
                         .wake_at = env_wake_at,
                         .log = env_log,
                         .disk = w->disks ? &m->disk : NULL};
  struct node_behavior behavior = {.self = m,
                                   .init = on_init,
                                   .message = on_message,
                                   .complete = on_complete,
                                   .apply = on_apply,
                                   .snapshot = on_snapshot,
                                   .restore = on_restore,
                                   .changed = on_changed,
                                   .answer = on_answer,
                                   .busy = on_busy,
                                   .stop = on_stop};
  struct node_config config = node_config_default();
  config.hold_ns = 0;
  config.segment_bytes = 64u << 10;
  config.watch = w->unwatched ? NULL : &w->hooks;
  m->node = node_new(&config, &env, &behavior);
  struct slice voters[WORLD_NODES];
  struct node_group_config group = w->config;
  for (unsigned i = 0; i < w->voter_count; i++) {
    voters[i] = slice_of(w->voters[i], strlen(w->voters[i]));
    group.voters = voters;
    group.voter_count = w->voter_count;
  }
  int error = 0;
  m->group = node_group_open(m->node, &group, &error);
  assert_non_null(m->group);
  init_member(m);
}

static inline struct world *world_new(unsigned count, bool disks)
{
  struct world *w = memory_zeroed(1, sizeof *w);
  w->now = NODE_S_NS;
  w->count = count;
  w->disks = disks;
  w->copies = 1;
  prng_init(&w->prng, 1);
  w->watch = raft_watch_new();
  w->hooks = (struct node_watch){.self = w,
                                 .state_every = 4,
                                 .started = watch_started,
                                 .stepped = watch_stepped,
                                 .sent = watch_sent,
                                 .applied = watch_applied,
                                 .restored = watch_restored,
                                 .effect = watch_effect,
                                 .ended = watch_ended};
  for (unsigned i = 0; i < count; i++) {
    struct member *m = &w->members[i];
    m->world = w;
    m->index = i;
    snprintf(m->name, sizeof m->name, "n%u", i);
  }
  return w;
}

static inline void start_all(struct world *w)
{
  for (unsigned i = 0; i < w->count; i++) {
    start_member(w, i);
  }
}

/* The process is gone, and what was not synced. */
static inline void kill_member(struct world *w, unsigned index)
{
  struct member *m = &w->members[index];
  node_free(m->node);
  m->node = NULL;
  m->group = NULL;
  for (unsigned i = 0; i < WORLD_FILES; i++) {
    copy(&m->files[i].cache, &m->files[i].durable);
    m->files[i].exists = m->files[i].durable.len > 0;
  }
}

static inline void world_free(struct world *w)
{
  for (unsigned i = 0; i < w->count; i++) {
    struct member *m = &w->members[i];
    node_free(m->node);
    buf_free(&m->text);
    for (unsigned k = 0; k < WORLD_FILES; k++) {
      buf_free(&m->files[k].cache);
      buf_free(&m->files[k].durable);
    }
  }
  for (size_t i = 0; i < w->event_count; i++) {
    free(w->events[i].line);
  }
  free(w->events);
  buf_free(&w->log);
  raft_watch_free(w->watch);
  free(w);
}

/* ---- time ---- */

static inline void run_event(struct world *w, size_t at)
{
  struct event e = w->events[at];
  w->events[at] = w->events[--w->event_count];
  struct member *m = &w->members[e.to];
  if (m->node != NULL && (e.incarnation == 0 || e.incarnation == m->incarnation)) {
    begin_call(w);
    if (e.kind == EVENT_LINE) {
      node_receive(m->node, slice_of(e.line, e.len), w->now);
    } else {
      if (e.file != 0) {
        copy(&file_of(m, e.file)->durable, &file_of(m, e.file)->cache);
      }
      e.done(e.arg, e.error);
    }
    end_call(w);
  }
  free(e.line);
}

/* Runs what comes first, if that is before `until`. */
static inline bool run_one(struct world *w, uint64_t until)
{
  size_t first = SIZE_MAX;
  struct member *wakes = NULL;
  uint64_t at = UINT64_MAX;
  uint64_t sequence = UINT64_MAX;
  for (size_t i = 0; i < w->event_count; i++) {
    const struct event *e = &w->events[i];
    if (e->at_ns < at || (e->at_ns == at && e->sequence < sequence)) {
      at = e->at_ns;
      sequence = e->sequence;
      first = i;
    }
  }
  for (unsigned i = 0; i < w->count; i++) {
    struct member *m = &w->members[i];
    if (m->node != NULL && m->wake_ns < at) {
      at = m->wake_ns;
      wakes = m;
    }
  }
  if (at > until) {
    w->now = until;
    return false;
  }
  w->now = at > w->now ? at : w->now;
  if (wakes != NULL) {
    wakes->wake_ns = UINT64_MAX;
    begin_call(w);
    node_wake(wakes->node);
    end_call(w);
  } else {
    run_event(w, first);
  }
  return true;
}

static inline void run_for(struct world *w, uint64_t ms)
{
  uint64_t until = w->now + ms * NODE_MS_NS;
  while (run_one(w, until)) {
  }
}

static inline void cut_off(struct world *w, unsigned index, bool cut)
{
  for (unsigned i = 0; i < w->count; i++) {
    w->cut[i][index] = w->cut[index][i] = cut;
  }
}

/* ---- what tests do ---- */

static inline struct outcome *propose(struct world *w, unsigned index, const char *command, uint64_t timeout_ms)
{
  for (unsigned i = 0; i < WORLD_TAGS; i++) {
    struct outcome *o = &w->outcomes[i];
    if (!o->done && o->status == 0) {
      o->status = 1; /* taken */
      node_group_propose(w->members[index].group, slice_of(command, strlen(command)), timeout_ms * NODE_MS_NS, o);
      return o;
    }
  }
  fail_msg("too many operations");
  return NULL;
}

static inline struct outcome *taken(struct world *w)
{
  for (unsigned i = 0; i < WORLD_TAGS; i++) {
    if (!w->outcomes[i].done && w->outcomes[i].status == 0) {
      w->outcomes[i].status = 1;
      return &w->outcomes[i];
    }
  }
  fail_msg("too many operations");
  return NULL;
}

static inline void run_until(struct world *w, const struct outcome *o, uint64_t ms)
{
  uint64_t until = w->now + ms * NODE_MS_NS;
  while (!o->done && run_one(w, until)) {
  }
  if (!o->done) {
    fail_msg("not answered in time:\n%.*s", (int)w->log.len, w->log.data);
  }
}

/* The index of the leader that a majority follows; waits for one. */
static inline unsigned leader(struct world *w)
{
  for (int tries = 0; tries < 100; tries++) {
    for (unsigned i = 0; i < w->count; i++) {
      if (w->members[i].node != NULL && node_group_leads(w->members[i].group)) {
        unsigned follow = 0;
        for (unsigned k = 0; k < w->count; k++) {
          follow += w->members[k].node != NULL && member_index(w, node_group_leader(w->members[k].group)) == (int)i;
        }
        if (follow * 2 > w->count || w->count == 1 || w->voter_count > 0) {
          return i;
        }
      }
    }
    run_for(w, 100);
  }
  fail_msg("no leader:\n%.*s", (int)w->log.len, w->log.data);
  return 0;
}

static inline void expect_log(struct world *w, const char *part)
{
  buf_append_char(&w->log, '\0');
  if (strstr(w->log.data, part) == NULL) {
    fail_msg("no \"%s\" in the log:\n%s", part, w->log.data);
  }
  w->log.len--;
}

static inline void expect_text(struct world *w, unsigned index, const char *text)
{
  struct buf *b = &w->members[index].text;
  buf_append_char(b, '\0');
  assert_string_equal(b->data, text);
  b->len--;
}

/* The text of a member of the status, from its colon to the next comma or brace. */
static inline void status(struct world *w, unsigned index, struct buf *out)
{
  buf_clear(out);
  node_group_status(w->members[index].group, out);
  struct json_error error;
  if (json_scan(buf_slice(out), &error) != 0) {
    fail_msg("status: %s at %zu: %.*s", error.reason, error.offset, (int)out->len, out->data);
  }
  buf_append_char(out, '\0');
}

#endif
