/* The logs, judged as Jepsen's kafka checker does: an offset holds one message for everybody, a message has one offset, a poll goes on
 * where the last one ended and skips nothing, and what was acknowledged is there at the end, on every node. */
#include <stdio.h>
#include <stdlib.h>

#include "cmocka_all.h"
#include "load.h"
#include "json/iter.h"

#define KEYS      16
#define ACTIVE    8 /* keys that are written to at a time; they move on */
#define PROCESSES 8
#define MSGS_MAX  60000

enum {
  OP_SEND,
  OP_POLL,
  OP_COMMIT, /* a poll that goes on */
  OP_ASSIGN,
};

struct message {
  int64_t key; /* where it is; -1 = nobody knows */
  int64_t offset;
  bool acked;
};

struct consumer {
  bool assigned[KEYS];
  int64_t position[KEYS]; /* what it polls next */
  int64_t floor[KEYS];    /* what was known to be committed at its node when it asked */
  int64_t polled[KEYS];   /* the highest offset of the last poll; -1 = none */
  int64_t key;            /* final operations: the one it reads from the beginning */
};

struct kafka {
  struct message *messages; /* by message: 0, 1, 2 … */
  int64_t sent;
  int64_t *logs[KEYS];              /* message at each offset, -1 = nobody knows */
  int64_t committed[3][KEYS];       /* by node: the highest that was acknowledged */
  int64_t committed_anywhere[KEYS]; /* the highest that was asked for */
  struct consumer consumers[PROCESSES];
  unsigned polled_messages;
};

static void kafka_init(struct kafka *k)
{
  *k = (struct kafka){0};
  k->messages = calloc(MSGS_MAX, sizeof *k->messages);
  if (k->messages == NULL) {
    abort();
  }
  for (int i = 0; i < KEYS; i++) {
    k->logs[i] = malloc(MSGS_MAX * sizeof *k->logs[i]);
    if (k->logs[i] == NULL) {
      abort();
    }
    memset(k->logs[i], 0xFF, MSGS_MAX * sizeof *k->logs[i]);
    k->committed[0][i] = k->committed[1][i] = k->committed[2][i] = k->committed_anywhere[i] = -1;
  }
}

static void kafka_free(struct kafka *k)
{
  for (int i = 0; i < KEYS; i++) {
    free(k->logs[i]);
  }
  free(k->messages);
}

/* Somebody saw this message there. */
static void observe(struct kafka *k, int64_t key, int64_t offset, int64_t message)
{
  CHECK(key >= 0 && key < KEYS && offset >= 0 && offset < MSGS_MAX, "offset %lld of key %lld", (long long)offset, (long long)key);
  CHECK(message >= 0 && message < k->sent, "nobody sent %lld", (long long)message);
  int64_t *cell = &k->logs[key][offset];
  struct message *m = &k->messages[message];
  CHECK(*cell == -1 || *cell == message, "offset %lld of key %lld holds %lld and %lld", (long long)offset, (long long)key, (long long)*cell,
        (long long)message);
  CHECK(m->key == -1 || (m->key == key && m->offset == offset), "message %lld is at two places", (long long)message);
  *cell = message;
  m->key = key;
  m->offset = offset;
}

/* ---- requests ---- */

static void send(struct kafka *k, struct load *l, int64_t base, struct load_op *op, struct buf *body)
{
  CHECK(k->sent < MSGS_MAX, "more than %d messages", MSGS_MAX);
  op->kind = OP_SEND;
  op->value = (base + load_below(l, ACTIVE)) % KEYS * MSGS_MAX + k->sent;
  k->messages[k->sent].key = -1;
  buf_printf(body, "\"type\":\"send\",\"key\":\"%lld\",\"msg\":%lld", (long long)op->value / MSGS_MAX, (long long)k->sent++);
}

static void poll(struct consumer *c, struct load_op *op, struct buf *body)
{
  const char *comma = "";
  op->kind = OP_POLL;
  buf_append_str(body, "\"type\":\"poll\",\"offsets\":{");
  for (int i = 0; i < KEYS; i++) {
    c->polled[i] = -1;
    if (c->assigned[i]) {
      buf_printf(body, "%s\"%d\":%lld", comma, i, (long long)c->position[i]);
      comma = ",";
    }
  }
  buf_append_char(body, '}');
}

static void commit(struct kafka *k, struct consumer *c, struct load_op *op, struct buf *body)
{
  const char *comma = "";
  op->kind = OP_COMMIT;
  buf_append_str(body, "\"type\":\"commit_offsets\",\"offsets\":{");
  for (int i = 0; i < KEYS; i++) {
    if (c->polled[i] >= 0) {
      buf_printf(body, "%s\"%d\":%lld", comma, i, (long long)c->polled[i]);
      comma = ",";
      k->committed_anywhere[i] = c->polled[i] > k->committed_anywhere[i] ? c->polled[i] : k->committed_anywhere[i];
    }
  }
  buf_append_char(body, '}');
}

static void assign(struct consumer *c, struct load *l, int64_t base, struct load_op *op, struct buf *body)
{
  const char *comma = "";
  op->kind = OP_ASSIGN;
  memset(c->assigned, 0, sizeof c->assigned);
  for (int i = 0; i < 4; i++) {
    c->assigned[(base + load_below(l, ACTIVE)) % KEYS] = true;
  }
  buf_append_str(body, "\"type\":\"list_committed_offsets\",\"keys\":[");
  for (int i = 0; i < KEYS; i++) {
    if (c->assigned[i]) {
      buf_printf(body, "%s\"%d\"", comma, i);
      comma = ",";
    }
  }
  buf_append_char(body, ']');
}

static void assign_only(struct consumer *c, int64_t key)
{
  memset(c->assigned, 0, sizeof c->assigned);
  c->assigned[key] = true;
  c->position[key] = 0;
}

static bool invoke(void *self, struct load *l, struct load_op *op, struct buf *body)
{
  struct kafka *k = self;
  struct consumer *c = &k->consumers[op->process];
  int64_t base = (int64_t)(load_now(l) / SIM_S / 4);
  if (op->final) {
    if (c->key == KEYS) {
      return false;
    }
    assign_only(c, c->key++);
    poll(c, op, body);
    return true;
  }
  unsigned dice = load_below(l, 100);
  if (dice < 2) {
    load_crash(l, op->process);
  }
  if (dice < 10) {
    memcpy(c->floor, k->committed[op->node], sizeof c->floor);
    assign(c, l, base, op, body);
  } else if (dice < 55) {
    send(k, l, base, op, body);
  } else {
    poll(c, op, body);
  }
  return true;
}

/* ---- replies ---- */

static void on_sent(struct kafka *k, struct load_op *op, struct slice body)
{
  int64_t message = op->value % MSGS_MAX;
  observe(k, op->value / MSGS_MAX, load_integer(load_member(body, "offset")), message);
  k->messages[message].acked = true;
}

/* Returns whether there was any message. */
static bool on_polled(struct kafka *k, struct consumer *c, struct slice body)
{
  struct json_iter keys;
  struct slice name;
  struct slice list;
  bool any = false;
  json_iter_init(&keys, load_member(body, "msgs"));
  while (json_iter_member(&keys, &name, &list)) {
    int64_t key = load_integer(name);
    struct json_iter pairs;
    struct slice pair;
    json_iter_init(&pairs, list);
    while (json_iter_element(&pairs, &pair)) {
      struct json_iter it;
      struct slice offset;
      struct slice message;
      json_iter_init(&it, pair);
      CHECK(json_iter_element(&it, &offset) && json_iter_element(&it, &message), "not a pair");
      CHECK(load_integer(offset) == c->position[key], "key %lld: offset %lld after a poll from %lld", (long long)key,
            (long long)load_integer(offset), (long long)c->position[key]);
      observe(k, key, c->position[key], load_integer(message));
      c->polled[key] = c->position[key]++;
      k->polled_messages++;
      any = true;
    }
  }
  return any;
}

static void on_assigned(struct kafka *k, struct consumer *c, struct slice body)
{
  for (int i = 0; i < KEYS; i++) {
    char name[8];
    snprintf(name, sizeof name, "%d", i);
    if (c->assigned[i]) {
      struct slice value = load_member(load_member(body, "offsets"), name);
      int64_t offset = value.len > 0 ? load_integer(value) : -1;
      CHECK(offset >= c->floor[i] && offset <= k->committed_anywhere[i],
            "key %d: %lld is said to be committed, and it was %lld here, %lld anywhere", i, (long long)offset, (long long)c->floor[i],
            (long long)k->committed_anywhere[i]);
      c->position[i] = offset + 1;
    }
  }
}

static void complete(void *self, struct load *l, struct load_op *op, const struct reply *reply, struct buf *next)
{
  struct kafka *k = self;
  struct consumer *c = &k->consumers[op->process];
  (void)l;
  if (op->kind == OP_SEND && load_is(reply, "send_ok")) {
    on_sent(k, op, reply->body);
  } else if (op->kind == OP_POLL && load_is(reply, "poll_ok")) {
    bool any = on_polled(k, c, reply->body);
    if (any && op->final) {
      poll(c, op, next);
    } else if (any) {
      commit(k, c, op, next);
    }
  } else if (op->kind == OP_COMMIT && load_is(reply, "commit_offsets_ok")) {
    for (int i = 0; i < KEYS; i++) {
      int64_t *committed = &k->committed[op->node][i];
      *committed = c->polled[i] > *committed ? c->polled[i] : *committed;
    }
  } else if (op->kind == OP_ASSIGN && load_is(reply, "list_committed_offsets_ok")) {
    on_assigned(k, c, reply->body);
  } else {
    CHECK(!op->final, "the final polls of node %u failed", op->node);
    memset(c->assigned, 0, sizeof c->assigned);
  }
}

/* ---- runs ---- */

static struct load_result run(struct load_config config)
{
  struct kafka k;
  kafka_init(&k);
  struct workload workload = {&k, invoke, complete, NULL};
  config.workload = "kafka";
  config.concurrency = 2;
  config.seconds = 20;
  struct load_result result = load_run(&config, &workload);
  unsigned acked = 0;
  for (int64_t i = 0; i < k.sent; i++) {
    const struct message *m = &k.messages[i];
    acked += m->acked;
    for (unsigned p = 0; m->acked && p < config.nodes * config.concurrency; p++) {
      CHECK(k.consumers[p].position[m->key] > m->offset, "message %lld is lost: process %u read key %lld to its end at %lld", (long long)i,
            p, (long long)m->key, (long long)k.consumers[p].position[m->key]);
    }
  }
  printf("%-22s %-11s seed %llu: %5llu ops %6.2f msgs/op, %u of %lld messages acknowledged, %u polled, %llu failed\n", config.example,
         config.restarts     ? "restarts"
         : config.partitions ? "partitions"
                             : "",
         (unsigned long long)config.seed, (unsigned long long)result.ops, result.per_op, acked, (long long)k.sent, k.polled_messages,
         (unsigned long long)result.failed);
  CHECK(acked > 100 && k.polled_messages > acked, "%u acknowledged, %u polled", acked, k.polled_messages);
  kafka_free(&k);
  return result;
}

static void kafka_single_keeps_logs(void **state)
{
  (void)state;
  for (unsigned seed = 1; seed <= 2; seed++) {
    struct load_result result = run((struct load_config){.example = "kafka_single.lua", .nodes = 1, .rate = 1000, .seed = seed});
    CHECK(result.failed == 0, "%llu operations failed", (unsigned long long)result.failed);
  }
}

/* 5c. Without latency no two sends meet in a batch: the dearest case. */
static void kafka_is_cheap(void **state)
{
  (void)state;
  for (unsigned seed = 1; seed <= 4; seed++) {
    struct load_config config = {.example = "kafka.lua", .nodes = 2, .rate = 1000, .seed = seed};
    config.latency.mean_ns = seed % 2 == 0 ? SIM_MS : 0;
    struct load_result result = run(config);
    CHECK(result.per_op <= 2, "%.2f messages per operation", result.per_op);
    CHECK(result.failed == 0, "%llu operations failed", (unsigned long long)result.failed);
  }
}

static void kafka_keeps_logs(void **state)
{
  (void)state;
  for (unsigned seed = 1; seed <= 6; seed++) {
    run((struct load_config){.example = "kafka.lua",
                             .nodes = 2,
                             .rate = 1000,
                             .latency = {(enum sim_dist)(seed % 3), (seed % 2 == 0 ? 5 : 50) * SIM_MS},
                             .partitions = seed > 2,
                             .restarts = seed > 4,
                             .seed = seed});
  }
}

/* Replicated by Raft: operations may fail while there is no majority; what was acknowledged stays, also when all nodes were killed. */
static void kafka_raft_keeps_logs(void **state)
{
  (void)state;
  for (unsigned seed = 1; seed <= 6; seed++) {
    run((struct load_config){.example = "kafka_raft.lua",
                             .nodes = 3,
                             .rate = 300,
                             .latency = {(enum sim_dist)(seed % 3), (seed % 2 == 0 ? 1 : 10) * SIM_MS},
                             .partitions = seed > 2,
                             .restarts = seed > 4,
                             .seed = seed});
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(kafka_single_keeps_logs),
      cmocka_unit_test(kafka_is_cheap),
      cmocka_unit_test(kafka_keeps_logs),
      cmocka_unit_test(kafka_raft_keeps_logs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
