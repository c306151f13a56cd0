#include "check/linear.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/map.h"
#include "base/memory.h"
#include "check/search.h"

enum {
  FIRST_BUDGET = 1024, /* of an object, in the first round */
  GROWTH = 8,
};

/* One object's part of the history. */
struct part {
  uint64_t key;
  const struct linear_op **ops;
  size_t op_count;
  size_t op_cap;
  enum linear_verdict verdict;
};

struct check {
  const struct linear_model *model;
  const struct linear_op *ops;
  struct part *parts; /* in the order of their first operation */
  size_t part_count;
  size_t part_cap;
  struct seen seen;
  struct linear_result *result;
};

static void split(struct check *c, size_t op_count)
{
  const struct linear_model *model = c->model;
  struct map places; /* key -> place of its part plus one */
  map_init(&places);
  for (size_t i = 0; i < op_count; i++) {
    uint64_t key = model->key == NULL ? 0 : model->key(model->arg, &c->ops[i]);
    size_t at = (size_t)(uintptr_t)map_get(&places, key);
    if (at == 0) {
      c->parts = memory_grow(c->parts, &c->part_cap, c->part_count + 1, sizeof *c->parts);
      c->parts[c->part_count++] = (struct part){.key = key, .verdict = LINEAR_UNKNOWN};
      at = c->part_count;
      map_put(&places, key, (void *)(uintptr_t)at);
    }
    struct part *p = &c->parts[at - 1];
    p->ops = memory_grow(p->ops, &p->op_cap, p->op_count + 1, sizeof *p->ops);
    p->ops[p->op_count++] = &c->ops[i];
  }
  map_free(&places);
}

/* ---- explanation ---- */

static bool is_concerned(const struct search_block *b, const struct linear_op *op)
{
  for (size_t i = 0; i < b->state_count; i++) {
    if (b->states[i].by == op) {
      return true;
    }
  }
  if (op == b->op) {
    return true;
  }
  /* One whose outcome is unknown is concurrent with everything behind it. It matters here if it is a source of a state or has just begun.
   */
  bool begins_before = op->invoke < b->op->complete;
  bool ends_after = op->complete == LINEAR_NEVER ? op->invoke > b->op->invoke : op->complete > b->op->invoke;
  return begins_before && ends_after;
}

static void explain(struct check *c, const struct part *p, const struct search_block *b)
{
  struct linear_result *r = c->result;
  r->failures = realloc(r->failures, (r->failure_count + 1) * sizeof *r->failures);
  if (r->failures == NULL) {
    abort();
  }
  struct linear_failure *f = &r->failures[r->failure_count++];
  *f = (struct linear_failure){
      .key = p->key,
      .op = (size_t)(b->op - c->ops),
      .states = memory_zeroed(b->state_count, sizeof *f->states),
      .state_count = b->state_count,
      .states_cut = b->states_cut,
      .window = memory_zeroed(p->op_count, sizeof *f->window),
      .order = memory_zeroed(b->order_len, sizeof *f->order),
      .order_len = b->order_len,
      .done = b->done,
  };
  for (size_t i = 0; i < b->state_count; i++) {
    f->states[i] = b->states[i].state;
  }
  for (size_t i = 0; i < p->op_count; i++) {
    if (is_concerned(b, p->ops[i])) {
      f->window[f->window_len++] = (size_t)(p->ops[i] - c->ops);
    }
  }
  for (size_t i = 0; i < b->order_len; i++) {
    f->order[i] = (size_t)(b->order[i] - c->ops);
  }
}

/* ---- rounds ---- */

static void judge_part(struct check *c, struct part *p, uint64_t budget)
{
  struct search s;
  search_init(&s, c->model, p->ops, p->op_count, p->key);
  p->verdict = search_run(&s, &c->seen, budget);
  c->result->configurations += c->seen.len;
  if (p->verdict == LINEAR_INVALID) {
    explain(c, p, &s.block);
  }
  search_free(&s);
}

static size_t count_unknown(const struct check *c)
{
  size_t n = 0;
  for (size_t i = 0; i < c->part_count; i++) {
    n += c->parts[i].verdict == LINEAR_UNKNOWN;
  }
  return n;
}

static void judge_parts(struct check *c, uint64_t budget)
{
  uint64_t last = 0;
  uint64_t share = FIRST_BUDGET;
  size_t undecided = c->part_count;
  while (undecided > 0 && c->result->failure_count == 0) {
    uint64_t used = c->result->configurations;
    uint64_t most = used < budget ? (budget - used) / undecided : 0;
    if (share > most / 2) {
      share = most; /* what another round would be left with is less than it needs */
    }
    if (share <= last) {
      break; /* a search starts anew each time, so with no more than before it gets no further */
    }
    for (size_t i = 0; i < c->part_count; i++) {
      if (c->parts[i].verdict == LINEAR_UNKNOWN) {
        judge_part(c, &c->parts[i], share);
      }
    }
    undecided = count_unknown(c);
    last = share;
    share *= GROWTH;
  }
}

static void conclude(struct check *c)
{
  struct linear_result *r = c->result;
  r->key_count = c->part_count;
  r->unknown = memory_zeroed(count_unknown(c), sizeof *r->unknown);
  for (size_t i = 0; i < c->part_count; i++) {
    if (c->parts[i].verdict == LINEAR_UNKNOWN) {
      r->unknown[r->unknown_count++] = c->parts[i].key;
    }
  }
  r->verdict = r->failure_count > 0 ? LINEAR_INVALID : r->unknown_count > 0 ? LINEAR_UNKNOWN : LINEAR_VALID;
}

void linear_check(const struct linear_model *model, const struct linear_op *ops, size_t op_count, uint64_t budget,
                  struct linear_result *result)
{
  *result = (struct linear_result){0};
  struct check c = {.model = model, .ops = ops, .result = result};
  seen_init(&c.seen);
  split(&c, op_count);
  judge_parts(&c, budget);
  conclude(&c);
  seen_free(&c.seen);
  for (size_t i = 0; i < c.part_count; i++) {
    free(c.parts[i].ops);
  }
  free(c.parts);
}

void linear_result_free(struct linear_result *result)
{
  for (size_t i = 0; i < result->failure_count; i++) {
    free(result->failures[i].states);
    free(result->failures[i].window);
    free(result->failures[i].order);
  }
  free(result->failures);
  free(result->unknown);
  *result = (struct linear_result){0};
}
