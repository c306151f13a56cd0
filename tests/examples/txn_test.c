/* The transactions. Registers: read committed, totally available, and equal on all nodes at the end. Lists on one node: every answer is
 * that of a run of one transaction after the other. */
#include <stdio.h>
#include <stdlib.h>

#include "cmocka_all.h"
#include "load.h"
#include "json/iter.h"

#define KEYS      256
#define ACTIVE    10 /* keys that are used at a time */
#define VALUES    64 /* a key is given up when this many values were written to it */
#define OPS_MAX   4  /* in a transaction */
#define TXNS_MAX  30000
#define PROCESSES 8
#define INITIAL   (-1) /* the transaction that wrote null */
#define NOBODY    (-2)
#define NONE_LEFT (-3)

struct micro_op {
  bool write;
  int key;
  int64_t value; /* 0 = null */
};

struct txn {
  struct micro_op ops[OPS_MAX];
  int len;
  bool acked;
  int reads_from[OPS_MAX]; /* by op: the transaction it read from, or NOBODY */
};

struct registers {
  struct txn *txns;
  int count;
  int written[KEYS];                  /* values 1, 2 … written, per key */
  int writer[KEYS][VALUES + 1];       /* which transaction wrote a value */
  bool overwritten[KEYS][VALUES + 1]; /* by that transaction itself: nobody else may see it */
  int first_key;
  int running[PROCESSES];
  int64_t final[PROCESSES][KEYS];
  bool done[PROCESSES];
};

/* ---- requests ---- */

static int pick_key(struct registers *r, struct load *l)
{
  while (r->written[r->first_key] >= VALUES - OPS_MAX * PROCESSES) {
    r->first_key++;
    CHECK(r->first_key + ACTIVE < KEYS, "more than %d keys", KEYS);
  }
  for (;;) {
    int key = r->first_key + (int)load_below(l, ACTIVE);
    if (r->written[key] < VALUES) {
      return key;
    }
  }
}

static void write_ops(const struct txn *t, const char *write, struct buf *body)
{
  buf_append_str(body, "\"type\":\"txn\",\"txn\":[");
  for (int i = 0; i < t->len; i++) {
    const struct micro_op *op = &t->ops[i];
    buf_append_str(body, i > 0 ? "," : "");
    if (op->write) {
      buf_printf(body, "[\"%s\",%d,%lld]", write, op->key, (long long)op->value);
    } else {
      buf_printf(body, "[\"r\",%d,null]", op->key);
    }
  }
  buf_append_char(body, ']');
}

static void make_txn(struct registers *r, struct load *l, struct txn *t, int number)
{
  t->len = 1 + (int)load_below(l, OPS_MAX);
  for (int i = 0; i < t->len; i++) {
    struct micro_op *op = &t->ops[i];
    t->reads_from[i] = NOBODY;
    op->key = pick_key(r, l);
    op->write = load_below(l, 2) == 0;
    if (op->write) {
      op->value = ++r->written[op->key];
      r->writer[op->key][op->value] = number;
      for (int j = 0; j < i; j++) {
        if (t->ops[j].write && t->ops[j].key == op->key) {
          r->overwritten[op->key][t->ops[j].value] = true;
        }
      }
    }
  }
}

static bool invoke(void *self, struct load *l, struct load_op *op, struct buf *body)
{
  struct registers *r = self;
  if (op->final) {
    if (r->done[op->process]) {
      return false;
    }
    buf_append_str(body, "\"type\":\"txn\",\"txn\":[");
    for (int key = 0; key < KEYS; key++) {
      buf_printf(body, "%s[\"r\",%d,null]", key > 0 ? "," : "", key);
    }
    buf_append_char(body, ']');
    return true;
  }
  CHECK(r->count < TXNS_MAX, "more than %d transactions", TXNS_MAX);
  r->running[op->process] = r->count;
  make_txn(r, l, &r->txns[r->count], r->count);
  write_ops(&r->txns[r->count++], "w", body);
  return true;
}

/* ---- replies ---- */

/* The third element of a micro-operation: 0 for null. */
static int64_t op_value(struct slice op)
{
  struct json_iter it;
  struct slice value;
  json_iter_init(&it, op);
  for (int i = 0; i < 3; i++) {
    CHECK(json_iter_element(&it, &value), "not three elements: %.*s", (int)op.len, op.ptr);
  }
  return slice_equal(value, SLICE("null")) ? 0 : load_integer(value);
}

/* A read shows what the transaction itself wrote last; else something that was committed. */
static void check_read(struct registers *r, int number, int i, int64_t value)
{
  struct txn *t = &r->txns[number];
  int key = t->ops[i].key;
  for (int j = i - 1; j >= 0; j--) {
    if (t->ops[j].write && t->ops[j].key == key) {
      CHECK(value == t->ops[j].value, "a transaction wrote %lld to key %d, and read %lld", (long long)t->ops[j].value, key,
            (long long)value);
      return;
    }
  }
  CHECK(value >= 0 && value <= r->written[key], "nobody wrote %lld to key %d (G1a)", (long long)value, key);
  CHECK(value == 0 || !r->overwritten[key][value], "value %lld of key %d is an intermediate one (G1b)", (long long)value, key);
  int writer = value == 0 ? INITIAL : r->writer[key][value];
  CHECK(writer != number, "a transaction read what it wrote later");
  t->reads_from[i] = writer;
}

static void complete(void *self, struct load *l, struct load_op *op, const struct reply *reply, struct buf *next)
{
  struct registers *r = self;
  struct json_iter it;
  struct slice text;
  int i = 0;
  (void)l;
  (void)next;
  CHECK(load_is(reply, "txn_ok"), "node %u is not available", op->node);
  json_iter_init(&it, load_member(reply->body, "txn"));
  if (op->final) {
    for (; json_iter_element(&it, &text) && i < KEYS; i++) {
      r->final[op->process][i] = op_value(text);
    }
    r->done[op->process] = i == KEYS;
    return;
  }
  struct txn *t = &r->txns[r->running[op->process]];
  for (; json_iter_element(&it, &text) && i < t->len; i++) {
    if (t->ops[i].write) {
      CHECK(op_value(text) == t->ops[i].value, "a write came back as %.*s", (int)text.len, text.ptr);
    } else {
      check_read(r, r->running[op->process], i, op_value(text));
    }
  }
  CHECK(i == t->len, "%d micro-operations of %d", i, t->len);
  t->acked = true;
}

/* ---- verdict ---- */

/* All nodes read the same at the end. */
static void check_final(const struct registers *r, unsigned processes)
{
  for (unsigned p = 0; p < processes; p++) {
    CHECK(r->done[p], "process %u did not read at the end", p);
    for (int key = 0; key < KEYS; key++) {
      int64_t value = r->final[p][key];
      CHECK(value == r->final[0][key], "key %d is %lld for process 0 and %lld for process %u", key, (long long)r->final[0][key],
            (long long)value, p);
      CHECK(value <= r->written[key] && (value > 0 || r->written[key] == 0), "key %d is %lld at the end", key, (long long)value);
      CHECK(value == 0 || !r->overwritten[key][value], "key %d ends with an intermediate value", key);
    }
  }
}

/* The graph of what certainly came before what: a transaction before those that read from it (wr), and all writers of a key before the one
 * whose value stayed (ww). The second by way of a node for each key, count + key, between the last writer and all others. */

static int last_writer(const struct registers *r, int key)
{
  int64_t value = r->final[0][key];
  return value == 0 ? INITIAL : r->writer[key][value];
}

/* The i-th that came directly before a node; INITIAL or NOBODY if that one is none; NONE_LEFT behind the last. */
static int predecessor(const struct registers *r, int node, int i)
{
  if (node >= r->count) {
    int key = node - r->count;
    int writer = i < r->written[key] ? r->writer[key][i + 1] : NONE_LEFT;
    return writer == last_writer(r, key) ? NOBODY : writer;
  }
  const struct txn *t = &r->txns[node];
  if (i >= t->len) {
    return NONE_LEFT;
  }
  const struct micro_op *op = &t->ops[i];
  return !op->write ? t->reads_from[i] : last_writer(r, op->key) == node ? r->count + op->key : NOBODY;
}

struct walk {
  char *state; /* of each node: 0 new, 1 on the path, 2 done */
  int *path;
  int *next; /* of each node on the path: the predecessor to look at next */
};

static void visit(const struct registers *r, int first, struct walk *w)
{
  int depth = 0;
  w->path[0] = first;
  w->next[0] = 0;
  w->state[first] = 1;
  while (depth >= 0) {
    int before = predecessor(r, w->path[depth], w->next[depth]++);
    if (before == NONE_LEFT) {
      w->state[w->path[depth--]] = 2;
    } else if (before >= 0) {
      CHECK(w->state[before] != 1, "a transaction that comes before itself: %d (G0 or G1c)", before);
      if (w->state[before] == 0) {
        w->state[before] = 1;
        w->path[++depth] = before;
        w->next[depth] = 0;
      }
    }
  }
}

static void find_cycles(const struct registers *r)
{
  size_t nodes = (size_t)r->count + KEYS;
  struct walk w = {calloc(nodes, 1), calloc(nodes, sizeof(int)), calloc(nodes, sizeof(int))};
  if (w.state == NULL || w.path == NULL || w.next == NULL) {
    abort();
  }
  for (int i = 0; i < r->count; i++) {
    if (w.state[i] == 0) {
      visit(r, i, &w);
    }
  }
  free(w.state);
  free(w.path);
  free(w.next);
}

static void run_registers(struct load_config config)
{
  struct registers *r = calloc(1, sizeof *r);
  if (r == NULL || (r->txns = calloc(TXNS_MAX, sizeof *r->txns)) == NULL) {
    abort();
  }
  struct workload workload = {r, invoke, complete, NULL};
  config.example = config.example != NULL ? config.example : "txn_rw_register.lua";
  config.workload = "txn-rw-register";
  config.concurrency = 2;
  config.seconds = 20;
  struct load_result result = load_run(&config, &workload);
  check_final(r, config.nodes * config.concurrency);
  find_cycles(r);
  CHECK(result.failed == 0, "%llu transactions failed", (unsigned long long)result.failed);
  printf("%-22s %u nodes %-11s seed %llu: %5llu ops %6.2f msgs/op\n", config.example, config.nodes, config.partitions ? "partitions" : "",
         (unsigned long long)config.seed, (unsigned long long)result.ops, result.per_op);
  free(r->txns);
  free(r);
}

static void registers_are_read_committed(void **state)
{
  (void)state;
  run_registers((struct load_config){.nodes = 1, .rate = 100, .seed = 1});
  run_registers((struct load_config){.nodes = 2, .rate = 300, .seed = 1});
  for (unsigned seed = 1; seed <= 6; seed++) {
    run_registers((struct load_config){.nodes = seed % 2 == 0 ? 2 : 4,
                                       .rate = 300,
                                       .latency = {(enum sim_dist)(seed % 3), 50 * SIM_MS},
                                       .partitions = true,
                                       .seed = seed});
  }
}

/* The same checks, and every node has what every other has acknowledged. */
static void replicated_registers_are_read_committed(void **state)
{
  (void)state;
  for (unsigned seed = 1; seed <= 4; seed++) {
    run_registers((struct load_config){.example = "txn_rw_register_serializable.lua",
                                       .nodes = 3,
                                       .rate = 200,
                                       .latency = {(enum sim_dist)(seed % 3), 5 * SIM_MS},
                                       .seed = seed});
  }
}

/* ---- lists: each transaction sees exactly those that ended before it ---- */

struct lists {
  bool busy;              /* a transaction is under way: real time has one order only if they do not overlap */
  struct buf lists[KEYS]; /* as JSON, without the closing bracket; empty = null */
  struct buf expected[PROCESSES];
  struct registers *values; /* for make_txn */
};

static bool invoke_lists(void *self, struct load *l, struct load_op *op, struct buf *body)
{
  struct lists *s = self;
  struct txn t;
  if (op->final || s->busy) {
    return false;
  }
  s->busy = true;
  make_txn(s->values, l, &t, 0);
  write_ops(&t, "append", body);
  struct buf *expected = &s->expected[op->process];
  buf_clear(expected);
  for (int i = 0; i < t.len; i++) {
    struct buf *list = &s->lists[t.ops[i].key];
    buf_append_str(expected, i > 0 ? "," : "[");
    if (t.ops[i].write) {
      buf_printf(list, "%s%lld", list->len > 0 ? "," : "[", (long long)t.ops[i].value);
      buf_printf(expected, "[\"append\",%d,%lld]", t.ops[i].key, (long long)t.ops[i].value);
    } else if (list->len > 0) {
      buf_printf(expected, "[\"r\",%d,%.*s]]", t.ops[i].key, (int)list->len, list->data);
    } else {
      buf_printf(expected, "[\"r\",%d,null]", t.ops[i].key);
    }
  }
  buf_append_char(expected, ']');
  return true;
}

static void complete_lists(void *self, struct load *l, struct load_op *op, const struct reply *reply, struct buf *next)
{
  struct lists *s = self;
  (void)l;
  (void)next;
  s->busy = false;
  CHECK(load_is(reply, "txn_ok"), "no answer");
  struct slice txn = load_member(reply->body, "txn");
  struct buf *expected = &s->expected[op->process];
  CHECK(slice_equal(txn, buf_slice(expected)), "%.*s, expected %.*s", (int)txn.len, txn.ptr, (int)expected->len, expected->data);
}

static void run_lists(struct load_config config)
{
  struct lists *s = calloc(1, sizeof *s);
  if (s == NULL || (s->values = calloc(1, sizeof *s->values)) == NULL) {
    abort();
  }
  struct workload workload = {s, invoke_lists, complete_lists, NULL};
  config.workload = "txn-list-append";
  config.rate = 100;
  config.seconds = 20;
  struct load_result result = load_run(&config, &workload);
  printf("%-22s seed %llu: %llu transactions, one after the other\n", config.example, (unsigned long long)config.seed,
         (unsigned long long)result.ops);
  CHECK(result.ops > 300, "%llu transactions", (unsigned long long)result.ops);
  for (int i = 0; i < KEYS; i++) {
    buf_free(&s->lists[i]);
  }
  for (int i = 0; i < PROCESSES; i++) {
    buf_free(&s->expected[i]);
  }
  free(s->values);
  free(s);
}

static void lists_are_serial(void **state)
{
  (void)state;
  run_lists((struct load_config){.example = "txn_list_append_single.lua", .nodes = 1, .concurrency = 4, .seed = 1});
}

/* Whichever node is asked. */
static void replicated_lists_are_strictly_serial(void **state)
{
  (void)state;
  for (unsigned seed = 1; seed <= 4; seed++) {
    run_lists((struct load_config){
        .example = "txn_list_append.lua", .nodes = 3, .concurrency = 2, .latency = {(enum sim_dist)(seed % 3), 2 * SIM_MS}, .seed = seed});
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(registers_are_read_committed),
      cmocka_unit_test(replicated_registers_are_read_committed),
      cmocka_unit_test(lists_are_serial),
      cmocka_unit_test(replicated_lists_are_strictly_serial),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
