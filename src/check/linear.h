/* Linearizability: is there an order of a history's operations, each at one moment between its invocation and its completion, that the
 * model of one object allows?
 *
 * The search is Wing and Gong's (1993) with Lowe's memory of configurations already seen (2017: the set of operations placed, and the
 * state), one object at a time, since a history is linearizable if that of each object is (Horn and Kroening 2015).
 *
 * An operation whose outcome is unknown may take effect at any time after its invocation, or never: an order is complete once every
 * operation with a known outcome has its place. Operations that certainly had no effect are left out by the caller.
 *
 * The problem is NP-complete, so the search has a budget. Every object gets a small one at first, which grows eightfold from round to round
 * among the objects not decided yet, until the budget of the whole is spent or some object is found wrong. What is undecided then is
 * unknown. The verdict is a function of the arguments, never of time. */
#ifndef VORTEX_CHECK_LINEAR_H
#define VORTEX_CHECK_LINEAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINEAR_NEVER          SIZE_MAX /* where an operation completes whose outcome is unknown */
#define LINEAR_BUDGET_DEFAULT 1000000  /* configurations; each takes about 120 bytes as a rule, 350 at most */
#define LINEAR_STATES_MAX     64       /* states that a failure lists */

struct linear_op {
  size_t invoke;   /* where in the history it begins */
  size_t complete; /* where its outcome came back; LINEAR_NEVER */
  uint64_t key;    /* of the object, for models with several. What it means, and f, a and b, is the model's: */
  int f;           /* operations of one object with equal f, a and b do the same */
  uint64_t a, b;
};

/* What the object may do. A state is 64 bits of the model's choice; equal states behave alike. Must not change while a check runs. */
struct linear_model {
  /* The object an operation is about. NULL = there is one object, whose key is 0. */
  uint64_t (*key)(void *arg, const struct linear_op *op);

  /* The state of an object before any operation. */
  uint64_t (*init)(void *arg, uint64_t key);

  /* Whether the operation, with its known outcome, may happen in `state`. If so, *next is the state after it. */
  bool (*step)(void *arg, uint64_t state, const struct linear_op *op, uint64_t *next);

  void *arg; /* borrowed */
};

enum linear_verdict {
  LINEAR_VALID,
  LINEAR_INVALID,
  LINEAR_UNKNOWN, /* the budget did not suffice */
};

/* Why an object is not linearizable. The history up to the completion of `op` has no order, up to the completion before it there is one.
 * All arrays are owned; numbers of operations are places in the array that was checked. */
struct linear_failure {
  uint64_t key;
  size_t op;        /* the operation that no order can place */
  uint64_t *states; /* the states in which the object may be when it would have to happen, in the order they were found */
  size_t state_count;
  bool states_cut; /* there are more */
  size_t *window;  /* what is concerned, ascending: the operation, those concurrent with it, and for each state the one that led to it */
  size_t window_len;
  size_t *order; /* the longest order found of operations that precede the completion of `op` */
  size_t order_len;
  size_t done; /* operations with a known outcome in it */
};

struct linear_result {
  enum linear_verdict verdict; /* invalid if one object is; else unknown if one is; else valid */
  size_t key_count;            /* objects */
  uint64_t configurations;     /* examined, all rounds together */
  struct linear_failure *failures;
  size_t failure_count;
  uint64_t *unknown; /* keys of the objects that were not decided, as are those below: in the order of their first operation */
  size_t unknown_count;
};

/* Judges a history. `ops` is in the order of invocation; no two events have the same place, and no operation completes before its
 * invocation. `budget`: configurations that may be examined, all together. *result is owned by the caller (linear_result_free). */
void linear_check(const struct linear_model *model, const struct linear_op *ops, size_t op_count, uint64_t budget,
                  struct linear_result *result);
void linear_result_free(struct linear_result *result);

#endif
