#include "lab/watcher.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/map.h"
#include "base/memory.h"
#include "base/mix.h"
#include "node/raft.h"
#include "sim/random.h"

#define SEQUENCE_MAX (UINT64_C(1) << 24) /* of one session in one run: more is a mistake of whoever counts them */

/* Where a session's commands took effect. */
struct session {
  struct session *next;
  uint64_t id;
  uint64_t *index; /* by sequence; 0 = not yet */
  uint64_t count;
};

struct group {
  struct group *next;
  struct raft_watch *watch;
  struct map sessions;
  struct session *first;
  size_t name_len;
  char name[];
};

struct watched {
  uint64_t id;
  char name[24];
};

struct watcher {
  struct sim *sim;
  struct node_watch hooks;
  struct group *groups; /* in the order of their first members */
  size_t group_count;
  struct watched *nodes;
  unsigned node_count;
  struct buf failure;
  const char *advice;
  void (*failed)(void *arg);
  void *arg;
};

/* ---- groups ---- */

static struct group *need_group(struct watcher *w, struct slice name)
{
  struct group **at = &w->groups;
  for (; *at != NULL; at = &(*at)->next) {
    if ((*at)->name_len == name.len && memcmp((*at)->name, name.ptr, name.len) == 0) {
      return *at;
    }
  }
  struct group *g = memory_must(calloc(1, sizeof *g + name.len + 1));
  g->watch = raft_watch_new();
  map_init(&g->sessions);
  g->name_len = name.len;
  memcpy(g->name, name.ptr, name.len);
  w->group_count++;
  *at = g;
  return g;
}

static void free_group(struct group *g)
{
  while (g->first != NULL) {
    struct session *s = g->first;
    g->first = s->next;
    free(s->index);
    free(s);
  }
  map_free(&g->sessions);
  raft_watch_free(g->watch);
  free(g);
}

static unsigned node_of(const struct watcher *w, uint64_t id)
{
  unsigned i = 0;
  while (i < w->node_count && w->nodes[i].id != id) {
    i++;
  }
  return i < w->node_count ? i : SIM_NOBODY;
}

/* ---- violations ---- */

/* The watch knows members by number: the names say more. */
static void append_named(const struct watcher *w, const char *text, struct buf *out)
{
  while (*text != '\0') {
    size_t digits = strspn(text, "0123456789");
    unsigned node = digits == 0 ? SIM_NOBODY : node_of(w, strtoull(text, NULL, 10));
    if (node != SIM_NOBODY) {
      buf_append_str(out, w->nodes[node].name);
    } else {
      buf_append(out, text, digits == 0 ? 1 : digits);
    }
    text += digits == 0 ? 1 : digits;
  }
}

static const char *advice_of(const char *text)
{
  if (strstr(text, "outcome") != NULL || strstr(text, "state than elsewhere") != NULL) {
    return "the same commands came to something else on another replica: apply (or snapshot and restore) depends on more than the state "
           "and the command, such as the order of pairs, a variable outside the state, or the node";
  }
  return NULL;
}

static void note_failure(struct watcher *w, const struct group *g, const char *text)
{
  buf_printf(&w->failure, "raft: group %s: ", g->name);
  append_named(w, text, &w->failure);
  w->advice = advice_of(text);
  w->failed(w->arg);
}

static void look(struct watcher *w, struct group *g)
{
  const char *failure = w->failure.len > 0 ? NULL : raft_watch_failure(g->watch);
  if (failure != NULL) {
    note_failure(w, g, failure);
  }
}

/* ---- node/watch.h ---- */

static void on_started(void *self, struct slice group, const struct raft *r, const struct raft_recovered *recovered, uint64_t id,
                       uint64_t (*hash)(void *arg, uint64_t index), void *arg)
{
  struct watcher *w = self;
  struct group *g = need_group(w, group);
  sim_trace_mix(w->sim, mix_pair(id, recovered->term) ^ recovered->count);
  raft_watch_started(g->watch, r, recovered, id, hash, arg);
  look(w, g);
}

static void on_stepped(void *self, struct slice group, uint64_t id, const struct raft_status *before, const struct raft_event *event,
                       const struct raft_update *update)
{
  struct watcher *w = self;
  struct group *g = need_group(w, group);
  sim_trace_mix(w->sim, mix_pair(mix_pair(id, event->type), update->commit) ^ update->append.sequence);
  raft_watch_stepped(g->watch, id, before, event, update);
  look(w, g);
}

static void on_sent(void *self, struct slice group, uint64_t id, const struct raft_message *message)
{
  struct watcher *w = self;
  struct group *g = need_group(w, group);
  raft_watch_sent(g->watch, id, message);
  look(w, g);
}

static void on_applied(void *self, struct slice group, uint64_t id, uint64_t index, uint64_t term, uint64_t outcome)
{
  struct watcher *w = self;
  struct group *g = need_group(w, group);
  sim_trace_mix(w->sim, mix_pair(mix_pair(id, index), outcome));
  raft_watch_applied(g->watch, id, index, term, outcome);
  look(w, g);
}

static void on_restored(void *self, struct slice group, uint64_t id, uint64_t index, uint64_t outcome)
{
  struct watcher *w = self;
  struct group *g = need_group(w, group);
  sim_trace_mix(w->sim, mix_pair(mix_pair(id, index), outcome));
  raft_watch_restored(g->watch, id, index, outcome);
  look(w, g);
}

static void on_ended(void *self, struct slice group, uint64_t id)
{
  struct watcher *w = self;
  struct group *g = need_group(w, group);
  raft_watch_ended(g->watch, id);
  look(w, g);
}

/* ---- effects ---- */

static struct session *need_session(struct group *g, uint64_t id)
{
  struct session *s = map_get(&g->sessions, id);
  if (s == NULL) {
    s = memory_must(calloc(1, sizeof *s));
    s->id = id;
    s->next = g->first;
    g->first = s;
    map_put(&g->sessions, id, s);
  }
  return s;
}

static void make_room(struct session *s, uint64_t sequence)
{
  uint64_t count = s->count < 64 ? 64 : s->count;
  while (count <= sequence) {
    count *= 2;
  }
  if (count > s->count) {
    s->index = memory_must(realloc(s->index, (size_t)count * sizeof *s->index));
    memset(s->index + s->count, 0, (size_t)(count - s->count) * sizeof *s->index);
    s->count = count;
  }
}

static void note_twice(struct watcher *w, const struct group *g, uint64_t id, const struct session *s, uint64_t sequence, uint64_t index)
{
  char text[240];
  snprintf(text, sizeof text,
           "member %" PRIu64 ": proposal %" PRIu64 " of session %" PRIu64 " took effect at index %" PRIu64 " and at index %" PRIu64
           " (at most one result per proposal)",
           id, sequence, s->id, s->index[sequence], index);
  note_failure(w, g, text);
}

static void on_effect(void *self, struct slice group, uint64_t id, uint64_t session, uint64_t sequence, uint64_t index)
{
  struct watcher *w = self;
  struct group *g = need_group(w, group);
  struct session *s = need_session(g, session);
  if (sequence >= SEQUENCE_MAX || w->failure.len > 0) {
    return;
  }
  make_room(s, sequence);
  if (s->index[sequence] != 0 && s->index[sequence] != index) {
    note_twice(w, g, id, s, sequence, index);
  }
  s->index[sequence] = index;
}

/* ---- the whole ---- */

struct watcher *watcher_new(struct sim *sim, unsigned count, void (*failed)(void *arg), void *arg)
{
  struct watcher *w = memory_must(calloc(1, sizeof *w));
  w->sim = sim;
  w->nodes = memory_must(calloc(count, sizeof *w->nodes));
  w->node_count = count;
  w->failed = failed;
  w->arg = arg;
  w->hooks = (struct node_watch){
      .self = w,
      .state_every = WATCHER_STATE_EVERY,
      .started = on_started,
      .stepped = on_stepped,
      .sent = on_sent,
      .applied = on_applied,
      .restored = on_restored,
      .effect = on_effect,
      .ended = on_ended,
  };
  return w;
}

void watcher_free(struct watcher *w)
{
  while (w->groups != NULL) {
    struct group *g = w->groups;
    w->groups = g->next;
    free_group(g);
  }
  buf_free(&w->failure);
  free(w->nodes);
  free(w);
}

void watcher_name(struct watcher *w, unsigned node, const char *name)
{
  struct watched *n = &w->nodes[node];
  snprintf(n->name, sizeof n->name, "%s", name);
  n->id = node_raft_id(slice_of(name, strlen(name)));
}

const struct node_watch *watcher_hooks(const struct watcher *w)
{
  return &w->hooks;
}

size_t watcher_groups(const struct watcher *w)
{
  return w->group_count;
}

unsigned watcher_leader(const struct watcher *w, uint64_t word)
{
  unsigned count = 0;
  for (const struct group *g = w->groups; g != NULL; g = g->next) {
    count += raft_watch_leader(g->watch) != 0;
  }
  if (count == 0) {
    return SIM_NOBODY;
  }
  uint64_t left = random_below(word, count);
  for (const struct group *g = w->groups;; g = g->next) {
    assert(g != NULL);
    uint64_t leader = raft_watch_leader(g->watch);
    if (leader != 0 && left-- == 0) {
      return node_of(w, leader);
    }
  }
}

struct slice watcher_failure(const struct watcher *w)
{
  return buf_slice(&w->failure);
}

const char *watcher_advice(const struct watcher *w)
{
  return w->advice;
}

void watcher_stats(const struct watcher *w, struct raft_watch_stats *out)
{
  *out = (struct raft_watch_stats){0};
  for (const struct group *g = w->groups; g != NULL; g = g->next) {
    const struct raft_watch_stats *s = raft_watch_stats(g->watch);
    out->steps += s->steps;
    out->leaders += s->leaders;
    out->committed += s->committed;
    out->applied += s->applied;
    out->restored += s->restored;
    out->starts += s->starts;
  }
}
