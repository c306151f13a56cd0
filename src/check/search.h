/* The search for an order of the operations of one object (internal to check/linear.c). */
#ifndef VORTEX_CHECK_SEARCH_H
#define VORTEX_CHECK_SEARCH_H

#include "check/linear.h"
#include "check/seen.h"

/* A state that the object may be in, and the operation that led to it (NULL: it is the first state). */
struct search_state {
  uint64_t state;
  const struct linear_op *by;
};

/* How far the search came: everything known about the operation whose completion no order has passed. */
struct search_block {
  const struct linear_op *op; /* NULL: no order was stopped yet */
  struct search_state states[LINEAR_STATES_MAX];
  size_t state_count;
  bool states_cut;
  const struct linear_op **order; /* the longest order; room for every operation */
  size_t order_len;
  size_t done; /* operations with a known outcome in the longest order */
};

struct search {
  const struct linear_model *model;

  /* Operations with a known outcome, in the order of invocation, and the list of their calls and returns that are not placed yet, in the
   * order of the history. */
  const struct linear_op **sure;
  size_t sure_len;
  struct search_entry *entries; /* the first is the list's head */

  /* Operations with an unknown outcome, those that do the same side by side, in the order of invocation. Only the first of such a class
   * that is not placed yet is ever tried: it has begun earlier than the others, and none of them ever ends. */
  const struct linear_op **maybe;
  size_t maybe_len;
  struct search_class *classes; /* in the order of their first invocation */
  size_t class_count;

  /* The configuration: what is placed, and the state. */
  uint64_t *sure_bits;
  uint32_t sure_from, sure_to; /* words before the one are full, words from the other on are empty */
  uint64_t *maybe_bits;
  size_t maybe_words;
  uint64_t sure_hash; /* of the bits */
  uint64_t maybe_hash;
  uint64_t state;
  const struct linear_op *by; /* the operation that last changed the state */
  size_t left;                /* operations with a known outcome that are not placed */

  struct search_frame *frames; /* the operations placed, in order, and what to go back to */
  size_t depth;

  struct search_block block;
};

/* Prepares the search. `ops` (borrowed until search_free) are all operations of one object, in the order of invocation. */
void search_init(struct search *s, const struct linear_model *model, const struct linear_op *const *ops, size_t op_count, uint64_t key);
void search_free(struct search *s);

/* Searches until an order is found, there is none, or `budget` configurations are in `seen` (emptied first). Once per search_init. After
 * LINEAR_INVALID the block says why. */
enum linear_verdict search_run(struct search *s, struct seen *seen, uint64_t budget);

#endif
