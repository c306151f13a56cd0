/* Linearizability by trying every order: what check/linear.c is compared with on small histories. Shares nothing with it but the model's
 * definition of an operation. */
#ifndef VORTEX_TESTS_CHECK_NAIVE_H
#define VORTEX_TESTS_CHECK_NAIVE_H

#include "check/cas_register.h"

struct naive {
  const struct linear_op *ops;
  size_t count; /* at most 32 */
  uint64_t initial;

  /* With a limit: only what is invoked before this place counts, and what completes behind it may or may not have happened. */
  size_t limit;

  /* Of the orders that hold everything that completes before `limit` and lack the operation that completes there: */
  uint64_t states; /* a bit for each state that one of them ends in; values are below 64 */
  size_t done;     /* the most operations that complete at all in one of them */
};

static bool naive_step(const struct linear_op *op, uint64_t *state)
{
  switch (op->f) {
  case CAS_REGISTER_READ:
    return *state == op->a;
  case CAS_REGISTER_WRITE:
    *state = op->a;
    return true;
  case CAS_REGISTER_CAS:
    if (*state != op->a) {
      return false;
    }
    *state = op->b;
    return true;
  default:
    return *state != op->a;
  }
}

static bool naive_must(const struct naive *n, size_t i)
{
  return n->ops[i].complete <= n->limit && n->ops[i].complete != LINEAR_NEVER;
}

static void naive_note(struct naive *n, uint32_t placed, uint64_t state)
{
  size_t done = 0;
  for (size_t i = 0; i < n->count; i++) {
    bool is_placed = placed >> i & 1;
    if (is_placed ? n->ops[i].complete == n->limit : naive_must(n, i) && n->ops[i].complete < n->limit) {
      return;
    }
    done += is_placed && n->ops[i].complete != LINEAR_NEVER;
  }
  n->states |= UINT64_C(1) << state;
  n->done = done > n->done ? done : n->done;
}

/* Whether what is placed can be completed. Goes through all orders if `all`. */
static bool naive_search(struct naive *n, uint32_t placed, uint64_t state, bool all)
{
  bool is_complete = true;
  size_t first_return = SIZE_MAX;
  for (size_t i = 0; i < n->count; i++) {
    if (naive_must(n, i) && !(placed >> i & 1)) {
      is_complete = false;
      first_return = n->ops[i].complete < first_return ? n->ops[i].complete : first_return;
    }
  }
  if (is_complete) {
    return true;
  }
  if (all) {
    naive_note(n, placed, state);
  }
  bool found = false;
  for (size_t i = 0; i < n->count && (all || !found); i++) {
    uint64_t next = state;
    if (!(placed >> i & 1) && n->ops[i].invoke < n->limit && n->ops[i].invoke < first_return && naive_step(&n->ops[i], &next)) {
      found = naive_search(n, placed | UINT32_C(1) << i, next, all) || found;
    }
  }
  return found;
}

static bool naive_is_linearizable(const struct linear_op *ops, size_t count, uint64_t initial, size_t limit)
{
  struct naive n = {.ops = ops, .count = count, .initial = initial, .limit = limit};
  return naive_search(&n, 0, initial, false);
}

/* Of a history that is not linearizable: the operation at whose completion it stops being so. */
static size_t naive_culprit(const struct linear_op *ops, size_t count, uint64_t initial, struct naive *n)
{
  size_t culprit = count;
  for (size_t i = 0; i < count; i++) {
    size_t limit = ops[i].complete;
    bool is_earlier = culprit == count || limit < ops[culprit].complete;
    if (limit != LINEAR_NEVER && is_earlier && !naive_is_linearizable(ops, count, initial, limit)) {
      culprit = i;
    }
  }
  *n = (struct naive){.ops = ops, .count = count, .initial = initial, .limit = ops[culprit].complete};
  naive_search(n, 0, initial, true);
  return culprit;
}

#endif
