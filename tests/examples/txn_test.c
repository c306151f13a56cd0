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

static int pick_key(struct registers *r, struct world *w)
{
  while (r->written[r->first_key] >= VALUES - OPS_MAX * PROCESSES) {
    r->first_key++;
    CHECK(r->first_key + ACTIVE < KEYS, "more than %d keys", KEYS);
  }
  for (;;) {
    int key = r->first_key + (int)world_below(w, ACTIVE);
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

static void make_txn(struct registers *r, struct world *w, struct txn *t, int number)
{
  t->len = 1 + (int)world_below(w, OPS_MAX);
  for (int i = 0; i < t->len; i++) {
    struct micro_op *op = &t->ops[i];
    t->reads_from[i] = NOBODY;
    op->key = pick_key(r, w);
    op->write = world_below(w, 2) == 0;
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
  make_txn(r, &load_cluster(l)->world, &r->txns[r->count], r->count);
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

/* Follows reads backwards, each to the transaction that wrote what it saw. state: 0 new, 1 on the path, 2 done. */
static void visit(struct registers *r, int first, char *state, int *path, int *next_op)
{
  int depth = 0;
  path[0] = first;
  next_op[0] = 0;
  state[first] = 1;
  while (depth >= 0) {
    const struct txn *t = &r->txns[path[depth]];
    int from = NOBODY;
    while (next_op[depth] < t->len && from < 0) {
      from = t->ops[next_op[depth]].write ? NOBODY : t->reads_from[next_op[depth]];
      next_op[depth]++;
    }
    if (from < 0) {
      state[path[depth--]] = 2;
    } else {
      CHECK(state[from] != 1, "a cycle of reads through transaction %d (G1c)", from);
      if (state[from] == 0) {
        state[from] = 1;
        path[++depth] = from;
        next_op[depth] = 0;
      }
    }
  }
}

static void find_cycles(struct registers *r)
{
  char *state = calloc((size_t)r->count + 1, 1);
  int *path = calloc((size_t)r->count + 1, sizeof *path);
  int *next_op = calloc((size_t)r->count + 1, sizeof *next_op);
  if (state == NULL || path == NULL || next_op == NULL) {
    abort();
  }
  for (int i = 0; i < r->count; i++) {
    if (state[i] == 0) {
      visit(r, i, state, path, next_op);
    }
  }
  free(state);
  free(path);
  free(next_op);
}

/* Of two transactions that both wrote two keys, the same one must be the later for both at the end (no G0 that shows). */
static void check_final(struct registers *r, unsigned processes)
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
  for (int i = 0; i < r->count; i++) {
    const struct txn *t = &r->txns[i];
    for (int j = 0; j < t->len; j++) {
      int64_t value = r->final[0][t->ops[j].key];
      int last = value == 0 ? INITIAL : r->writer[t->ops[j].key][value];
      if (!t->ops[j].write || last != i) {
        continue;
      }
      /* t wrote last to this key: whoever wrote last to another key of t, and to this one too, contradicts that. */
      for (int k = 0; k < t->len; k++) {
        int64_t other = t->ops[k].write ? r->final[0][t->ops[k].key] : 0;
        int rival = other == 0 ? INITIAL : r->writer[t->ops[k].key][other];
        for (int m = 0; rival >= 0 && rival != i && m < r->txns[rival].len; m++) {
          CHECK(!r->txns[rival].ops[m].write || r->txns[rival].ops[m].key != t->ops[j].key,
                "transactions %d and %d overwrote each other (G0)", i, rival);
        }
      }
    }
  }
}

static void run_registers(struct load_config config)
{
  struct registers *r = calloc(1, sizeof *r);
  if (r == NULL || (r->txns = calloc(TXNS_MAX, sizeof *r->txns)) == NULL) {
    abort();
  }
  struct workload workload = {r, invoke, complete, NULL};
  config.example = "txn_rw_register.lua";
  config.workload = "txn-rw-register";
  config.concurrency = 2;
  config.seconds = 20;
  struct load_result result = load_run(&config, &workload);
  find_cycles(r);
  check_final(r, config.nodes * config.concurrency);
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
                                       .latency = {(enum latency_kind)(seed % 3), 50 * WORLD_MS},
                                       .partitions = true,
                                       .seed = seed});
  }
}

/* ---- lists on one node ---- */

struct lists {
  struct buf lists[KEYS]; /* as JSON, without the closing bracket; empty = null */
  struct buf expected[PROCESSES];
  struct registers *values; /* for make_txn */
};

static bool invoke_lists(void *self, struct load *l, struct load_op *op, struct buf *body)
{
  struct lists *s = self;
  struct txn t;
  if (op->final) {
    return false;
  }
  make_txn(s->values, &load_cluster(l)->world, &t, 0);
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
  CHECK(load_is(reply, "txn_ok"), "no answer");
  struct slice txn = load_member(reply->body, "txn");
  struct buf *expected = &s->expected[op->process];
  CHECK(slice_equal(txn, buf_slice(expected)), "%.*s, expected %.*s", (int)txn.len, txn.ptr, (int)expected->len, expected->data);
}

static void lists_are_serial(void **state)
{
  (void)state;
  struct lists *s = calloc(1, sizeof *s);
  if (s == NULL || (s->values = calloc(1, sizeof *s->values)) == NULL) {
    abort();
  }
  struct workload workload = {s, invoke_lists, complete_lists, NULL};
  struct load_config config = {.example = "txn_list_append_single.lua",
                               .workload = "txn-list-append",
                               .nodes = 1,
                               .concurrency = 4,
                               .rate = 100,
                               .seconds = 20,
                               .seed = 1};
  struct load_result result = load_run(&config, &workload);
  printf("%-22s %llu transactions, as if one after the other\n", config.example, (unsigned long long)result.ops);
  CHECK(result.ops > 1000, "%llu transactions", (unsigned long long)result.ops);
  for (int i = 0; i < KEYS; i++) {
    buf_free(&s->lists[i]);
  }
  for (int i = 0; i < PROCESSES; i++) {
    buf_free(&s->expected[i]);
  }
  free(s->values);
  free(s);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(registers_are_read_committed),
      cmocka_unit_test(lists_are_serial),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
