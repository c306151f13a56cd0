#include "raft/trace.h"

#include <stdlib.h>
#include <string.h>

enum {
  TRACE_NODES = 9,
  TRACE_WORDS = 40,
  TRACE_STEPS_MAX = 2000, /* of one command: more is a loop */
};

struct trace {
  const char *name;
  size_t line;
  struct buf *out;
  struct core *nodes[TRACE_NODES + 1]; /* by id */
  bool up[TRACE_NODES + 1];
  bool slow[TRACE_NODES + 1]; /* its appends are durable only when the script says so */
  int side[TRACE_NODES + 1];  /* of the partition; 0 = all */
  struct core_post net;
  struct core_post held;
  struct raft_config config;
  struct raft_configuration first;
  struct raft_watch *watch;
  size_t count; /* words of the command */
  char *words[TRACE_WORDS];
};

#define trace_fail(t, ...)                                                                                                                 \
  do {                                                                                                                                     \
    print_error("%s:%zu: ", (t)->name, (t)->line);                                                                                         \
    fail_msg(__VA_ARGS__);                                                                                                                 \
  } while (0)

/* ---- words ---- */

static const char *word(const struct trace *t, size_t i)
{
  if (i >= t->count) {
    trace_fail(t, "a word is missing");
  }
  return t->words[i];
}

static bool is(const struct trace *t, size_t i, const char *text)
{
  return i < t->count && strcmp(t->words[i], text) == 0;
}

static uint64_t number_of(const struct trace *t, const char *text, const char *unit)
{
  char *end;
  unsigned long long n = strtoull(text, &end, 10);
  if (end == text || strcmp(end, unit) != 0) {
    trace_fail(t, "not a number%s%s: %s", *unit ? " of " : "", unit, text);
  }
  return n;
}

static uint64_t number(const struct trace *t, size_t i)
{
  return number_of(t, word(t, i), "");
}

static uint64_t node_id(const struct trace *t, size_t i)
{
  uint64_t id = number(t, i);
  if (id == 0 || id > TRACE_NODES || t->nodes[id] == NULL) {
    trace_fail(t, "no such node: %s", word(t, i));
  }
  return id;
}

static struct core *running(const struct trace *t, size_t i)
{
  uint64_t id = node_id(t, i);
  if (!t->up[id]) {
    trace_fail(t, "node %s is down", word(t, i));
  }
  return t->nodes[id];
}

/* `1 2 learners 3`, from word i on. */
static struct raft_configuration configuration(const struct trace *t, size_t i)
{
  struct raft_configuration c = {0};
  uint8_t voice = RAFT_VOTER;
  for (; i < t->count; i++) {
    if (is(t, i, "voters")) {
      voice = RAFT_VOTER;
    } else if (is(t, i, "learners")) {
      voice = RAFT_LEARNER;
    } else {
      raft_configuration_set(&c, number(t, i), voice);
    }
  }
  return c;
}

/* ---- steps ---- */

/* Prints what the node's last step has done, and puts its messages on the way. */
static void look(struct trace *t, struct core *c, const struct raft_status *before)
{
  trace_put_step(t->out, c, before);
  while (c->sent.count > 0) {
    struct core_message m;
    core_post_take(&c->sent, 0, &m);
    buf_append_str(t->out, "  ");
    trace_put_message(t->out, &m);
    buf_append_char(t->out, '\n');
    core_post_add(&t->net, &m.m, m.entries);
    free(m.entries);
  }
}

static void persist(struct trace *t, struct core *c)
{
  struct raft_status before = core_status(c);
  core_persist(c);
  look(t, c, &before);
}

/* And does what a host would do at once: keeps the log, and restores a snapshot. */
static void settle(struct trace *t, struct core *c, const struct raft_status *before)
{
  look(t, c, before);
  if (c->error != 0) {
    return;
  }
  struct raft_chunk chunk = c->u.chunk;
  if (chunk.present && chunk.last) {
    c->mark = (struct core_unit){.snapshot_size = chunk.offset + chunk.length,
                                 .configuration_index = chunk.configuration_index,
                                 .configuration = core_keep(chunk.configuration)};
    struct raft_status s = core_status(c);
    core_install(c, chunk.index, true);
    look(t, c, &s);
  }
  if (!t->slow[c->config.id] && c->unit_count > 0) {
    persist(t, c);
  }
}

static void start_node(struct trace *t, const struct core_given *given)
{
  uint64_t id = given->config.id;
  if (id == 0 || id > TRACE_NODES) {
    trace_fail(t, "nodes are 1 to %d", TRACE_NODES);
  }
  if (t->nodes[id] == NULL) {
    t->nodes[id] = calloc(1, sizeof(struct core));
    assert_non_null(t->nodes[id]);
  } else {
    if (t->up[id]) {
      core_stop(t->nodes[id]);
    }
    raft_watch_forgot(t->watch, id);
  }
  core_start_given(t->nodes[id], given);
  t->up[id] = true;
  core_clear(t->nodes[id]);
}

static struct core_given new_node(const struct trace *t, uint64_t id)
{
  struct core_given given = {.config = t->config, .watch = t->watch};
  given.config.id = id;
  given.config.seed = 100 + id;
  return given;
}

/* ---- setting the scene ---- */

static void do_config(struct trace *t)
{
  for (size_t i = 1; i + 1 < t->count; i += 2) {
    size_t value = number(t, i + 1);
    if (is(t, i, "tail")) {
      t->config.tail_entries = value;
    } else if (is(t, i, "chunk")) {
      t->config.chunk_bytes = value;
    } else if (is(t, i, "entries")) {
      t->config.message_entries_max = value;
    } else if (is(t, i, "window")) {
      t->config.inflight_messages_max = value;
    } else {
      trace_fail(t, "config: no %s", word(t, i));
    }
  }
}

static void do_nodes(struct trace *t)
{
  t->first = configuration(t, 1);
  for (size_t i = 0; i < t->first.count; i++) {
    struct core_given given = new_node(t, t->first.members[i].id);
    given.configuration = t->first;
    start_node(t, &given);
  }
}

static void do_join(struct trace *t)
{
  struct core_given given = new_node(t, number(t, 1));
  start_node(t, &given);
}

/* `given 1 term 8 vote 2 log 1 1 2` */
static void do_given(struct trace *t)
{
  struct core_given given = new_node(t, node_id(t, 1));
  given.configuration = t->first;
  uint64_t terms[TRACE_WORDS];
  for (size_t i = 2; i < t->count;) {
    if (is(t, i, "term")) {
      given.term = number(t, i + 1);
      i += 2;
    } else if (is(t, i, "vote")) {
      given.vote = number(t, i + 1);
      i += 2;
    } else if (is(t, i, "log")) {
      for (i++; i < t->count; i++) {
        terms[given.count++] = number(t, i);
      }
    } else {
      trace_fail(t, "given: no %s", word(t, i));
    }
  }
  given.terms = terms;
  start_node(t, &given);
}

/* ---- time ---- */

static void do_tick(struct trace *t)
{
  uint64_t ms = number_of(t, word(t, t->count - 1), "ms");
  for (size_t i = 1; i + 1 < t->count; i++) {
    struct core *c = running(t, i);
    struct raft_status before = core_status(c);
    core_time(c, MS(ms));
    settle(t, c, &before);
  }
}

/* Moves one node's clock until it campaigns. */
static void do_timeout(struct trace *t)
{
  struct core *c = running(t, 1);
  bool asked = false;
  for (int i = 0; i < 20 && !asked; i++) {
    struct raft_status before = core_status(c);
    core_deadline(c);
    asked = core_sent(c, RAFT_REQUEST_VOTE, 0) != NULL || core_status(c).role != before.role;
    settle(t, c, &before);
  }
  if (!asked) {
    trace_fail(t, "node %s does not campaign", word(t, 1));
  }
}

/* ---- the network ---- */

static bool connected(const struct trace *t, const struct raft_message *m)
{
  return m->to <= TRACE_NODES && t->nodes[m->to] != NULL && t->up[m->to] && t->side[m->from] == t->side[m->to];
}

static void put_lost(struct trace *t, const struct core_message *m)
{
  buf_append_str(t->out, "  lost: ");
  trace_put_message(t->out, m);
  buf_append_char(t->out, '\n');
}

static void deliver(struct trace *t, struct core_message *m)
{
  if (!connected(t, &m->m)) {
    put_lost(t, m);
  } else {
    struct core *c = t->nodes[m->m.to];
    struct raft_status before = core_status(c);
    core_deliver(c, m);
    settle(t, c, &before);
  }
  free(m->entries);
}

static bool on_link(const struct trace *t, size_t i, const struct raft_message *m)
{
  const char *text = word(t, i);
  const char *arrow = strchr(text, '>');
  if (arrow == NULL) {
    trace_fail(t, "not a link: %s", text);
  }
  return (arrow == text || strtoull(text, NULL, 10) == m->from) && (arrow[1] == '\0' || strtoull(arrow + 1, NULL, 10) == m->to);
}

/* Takes what is on the links that are named from word 1 on. */
static size_t take_named(struct trace *t, struct core_post *from, struct core_post *out)
{
  size_t before = out->count;
  for (size_t i = 0; i < from->count;) {
    bool named = false;
    for (size_t k = 1; k < t->count; k++) {
      named |= on_link(t, k, &from->at[i].m);
    }
    if (named) {
      struct core_message m;
      core_post_take(from, i, &m);
      core_post_add(out, &m.m, m.entries);
      free(m.entries);
    } else {
      i++;
    }
  }
  if (out->count == before) {
    trace_fail(t, "nothing is on the way there");
  }
  return out->count - before;
}

static void do_deliver(struct trace *t)
{
  struct core_message m;
  if (t->count == 1) {
    for (int steps = 0; t->net.count > 0; steps++) {
      if (steps == TRACE_STEPS_MAX) {
        trace_fail(t, "messages without end");
      }
      core_post_take(&t->net, 0, &m);
      deliver(t, &m);
    }
    return;
  }
  struct core_post now = {0};
  take_named(t, &t->net, &now);
  while (now.count > 0) {
    core_post_take(&now, 0, &m);
    deliver(t, &m);
  }
  core_post_clear(&now);
}

static void do_drop(struct trace *t)
{
  struct core_post gone = {0};
  take_named(t, &t->net, &gone);
  for (size_t i = 0; i < gone.count; i++) {
    put_lost(t, &gone.at[i]);
  }
  core_post_clear(&gone);
}

static void do_hold(struct trace *t)
{
  take_named(t, &t->net, &t->held);
}

/* The network delivers twice: once now, once when it is released. */
static void do_copy(struct trace *t)
{
  struct core_post taken = {0};
  take_named(t, &t->net, &taken);
  for (size_t i = 0; i < taken.count; i++) {
    core_post_add(&t->net, &taken.at[i].m, taken.at[i].entries);
    core_post_add(&t->held, &taken.at[i].m, taken.at[i].entries);
  }
  core_post_clear(&taken);
}

static void do_release(struct trace *t)
{
  take_named(t, &t->held, &t->net);
}

static void do_partition(struct trace *t)
{
  int side = 1;
  for (size_t i = 1; i < t->count; i++) {
    if (is(t, i, "|")) {
      side++;
    } else {
      t->side[node_id(t, i)] = side;
    }
  }
}

static void do_heal(struct trace *t)
{
  memset(t->side, 0, sizeof(t->side));
}

/* An election that is not what the script is about: `timeout`, `deliver`, `tick` by a heartbeat, `deliver`, in silence. */
static void do_elect(struct trace *t)
{
  size_t before = t->out->len;
  struct core *c = running(t, 1);
  do_timeout(t);
  t->count = 1;
  do_deliver(t);
  struct raft_status s = core_status(c);
  core_time(c, HEARTBEAT);
  settle(t, c, &s);
  do_deliver(t);
  t->out->len = before;
  if (raft_role(c->r) != RAFT_LEADER) {
    trace_fail(t, "node %llu is not elected", (unsigned long long)c->config.id);
  }
  trace_put_status(t->out, c);
}

/* ---- disks and deaths ---- */

static void do_disk(struct trace *t)
{
  t->slow[node_id(t, 1)] = is(t, 2, "slow");
}

static void do_persist(struct trace *t)
{
  persist(t, running(t, 1));
}

static void do_crash(struct trace *t)
{
  core_crash(running(t, 1));
  t->up[node_id(t, 1)] = false;
}

static void do_restart(struct trace *t)
{
  uint64_t id = node_id(t, 1);
  if (t->up[id]) {
    do_crash(t);
  }
  core_restart(t->nodes[id]);
  core_clear(t->nodes[id]);
  t->up[id] = true;
  trace_put_status(t->out, t->nodes[id]);
  uint64_t vote = core_status(t->nodes[id]).vote;
  if (vote != 0) {
    buf_printf(t->out, "  %llu has voted for %llu in this term\n", (unsigned long long)id, (unsigned long long)vote);
  }
  buf_printf(t->out, "  %llu goes by ", (unsigned long long)id);
  trace_put_configuration(t->out, raft_configuration(t->nodes[id]->r));
  buf_append_char(t->out, '\n');
}

/* ---- what clients and operators do ---- */

static void do_propose(struct trace *t)
{
  struct core *c = running(t, 1);
  struct raft_status before = core_status(c);
  word(t, 2);
  core_propose_all(c, (const char *const *)&t->words[2], t->count - 2);
  settle(t, c, &before);
}

static void do_read(struct trace *t)
{
  struct core *c = running(t, 1);
  struct raft_status before = core_status(c);
  core_read(c);
  settle(t, c, &before);
}

static void do_change(struct trace *t)
{
  struct core *c = running(t, 1);
  struct raft_status before = core_status(c);
  struct raft_configuration to = configuration(t, 2);
  core_change(c, &to);
  settle(t, c, &before);
}

static void do_transfer(struct trace *t)
{
  struct core *c = running(t, 1);
  struct raft_status before = core_status(c);
  core_transfer(c, t->count > 2 ? number(t, 2) : 0);
  settle(t, c, &before);
}

static void do_snapshot(struct trace *t)
{
  struct core *c = running(t, 1);
  struct raft_status before = core_status(c);
  core_snapshot(c, number(t, 2), t->count > 3 ? number(t, 3) : 100);
  settle(t, c, &before);
}

static void do_status(struct trace *t)
{
  for (uint64_t id = 1; id <= TRACE_NODES; id++) {
    if (t->nodes[id] == NULL) {
      continue;
    }
    if (t->up[id]) {
      trace_put_status(t->out, t->nodes[id]);
    } else {
      buf_printf(t->out, "  %llu is down\n", (unsigned long long)id);
    }
  }
}

static void do_peers(struct trace *t)
{
  static const char *const progress[] = {[RAFT_PROBE] = "probed", [RAFT_REPLICATE] = "replicating", [RAFT_SNAPSHOT] = "gets a snapshot"};
  struct core *c = running(t, 1);
  for (size_t i = 0; i < raft_peer_count(c->r); i++) {
    struct raft_peer_status p;
    raft_peer(c->r, i, &p);
    buf_printf(t->out, "  %llu: %s, match %llu, next %llu, %zu under way\n", (unsigned long long)p.id, progress[p.progress],
               (unsigned long long)p.match, (unsigned long long)p.next, p.inflight);
  }
}

/* ---- running ---- */

static const struct {
  const char *name;
  void (*run)(struct trace *t);
} commands[] = {
    {"config", do_config},   {"nodes", do_nodes},       {"join", do_join},           {"given", do_given},     {"tick", do_tick},
    {"elect", do_elect},     {"timeout", do_timeout},   {"deliver", do_deliver},     {"drop", do_drop},       {"copy", do_copy},
    {"hold", do_hold},       {"release", do_release},   {"partition", do_partition}, {"heal", do_heal},       {"disk", do_disk},
    {"persist", do_persist}, {"crash", do_crash},       {"restart", do_restart},     {"propose", do_propose}, {"read", do_read},
    {"change", do_change},   {"transfer", do_transfer}, {"snapshot", do_snapshot},   {"status", do_status},   {"peers", do_peers},
};

static void run_command(struct trace *t, char *line)
{
  t->count = 0;
  for (char *rest = NULL, *w = strtok_r(line, " ", &rest); w != NULL; w = strtok_r(NULL, " ", &rest)) {
    if (t->count == TRACE_WORDS) {
      trace_fail(t, "too many words");
    }
    t->words[t->count++] = w;
  }
  for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
    if (is(t, 0, commands[i].name)) {
      commands[i].run(t);
      return;
    }
  }
  trace_fail(t, "no such command: %s", line);
}

void trace_run(const char *name, const char *script, struct buf *out)
{
  struct trace t = {.name = name, .out = out, .watch = raft_watch_new()};
  for (const char *at = script; *at != '\0';) {
    const char *end = strchr(at, '\n');
    size_t length = end == NULL ? strlen(at) : (size_t)(end - at);
    t.line++;
    if (length == 0 || (at[0] != ' ')) {
      buf_append(out, at, length);
      buf_append_char(out, '\n');
    }
    if (length > 0 && at[0] != ' ' && at[0] != '#') {
      char *line = strndup(at, length);
      assert_non_null(line);
      run_command(&t, line);
      free(line);
    }
    at += length + (end != NULL);
  }
  for (size_t id = 1; id <= TRACE_NODES; id++) {
    if (t.nodes[id] != NULL && t.up[id]) {
      core_stop(t.nodes[id]);
    }
    free(t.nodes[id]);
  }
  core_post_clear(&t.net);
  core_post_clear(&t.held);
  raft_watch_free(t.watch);
}
