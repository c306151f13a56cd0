#include "check/search.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "base/mix.h"

/* A call or a return in the list of what is not placed. */
struct search_entry {
  uint32_t prev, next;
  uint32_t op;    /* place in `sure` */
  uint32_t match; /* of a call: the entry of its return; of a return: 0 */
};

struct search_class {
  uint32_t first; /* place in `maybe` */
  uint32_t len;
  uint32_t placed;
};

/* What is tried next in a configuration: first the calls before the first return, then the classes of operations with unknown outcome. */
struct cursor {
  const struct linear_op *blocked; /* whose return is the first one, once it has been reached; NULL before */
  uint32_t entry;
  size_t class;
};

struct search_frame {
  const struct linear_op *op;
  struct cursor cursor; /* where the operation was found */
  uint64_t state;       /* before it, as the following */
  const struct linear_op *by;
  uint32_t sure_from, sure_to;
};

enum placing {
  REFUSED,
  PLACED,
};

/* ---- preparation ---- */

struct event {
  size_t place;
  uint32_t op;
  bool is_return;
};

static int compare_events(const void *a, const void *b)
{
  size_t x = ((const struct event *)a)->place;
  size_t y = ((const struct event *)b)->place;
  return (x > y) - (x < y);
}

static void link_entries(struct search *s)
{
  size_t n = s->sure_len * 2;
  struct event *events = memory_zeroed(n, sizeof *events);
  for (size_t i = 0; i < s->sure_len; i++) {
    const struct linear_op *op = s->sure[i];
    assert(op != NULL && op->complete > op->invoke);
    events[2 * i] = (struct event){.place = op->invoke, .op = (uint32_t)i};
    events[2 * i + 1] = (struct event){.place = op->complete, .op = (uint32_t)i, .is_return = true};
  }
  qsort(events, n, sizeof *events, compare_events);
  s->entries = memory_zeroed(n + 1, sizeof *s->entries);
  uint32_t *call = memory_zeroed(n, sizeof *call); /* by operation: where its call is */
  for (uint32_t i = 0; i < n; i++) {
    uint32_t op = events[i].op;
    s->entries[i + 1] = (struct search_entry){.prev = i, .next = i + 2, .op = op};
    if (events[i].is_return) {
      s->entries[call[op]].match = i + 1;
    } else {
      call[op] = i + 1;
    }
  }
  s->entries[0].next = 1;
  s->entries[n].next = 0;
  s->entries[0].prev = (uint32_t)n;
  free(call);
  free(events);
}

static bool same_effect(const struct linear_op *x, const struct linear_op *y)
{
  return x->f == y->f && x->a == y->a && x->b == y->b;
}

static int compare_effects(const void *a, const void *b)
{
  const struct linear_op *x = *(const struct linear_op *const *)a;
  const struct linear_op *y = *(const struct linear_op *const *)b;
  if (x->f != y->f) {
    return x->f < y->f ? -1 : 1;
  }
  if (x->a != y->a) {
    return x->a < y->a ? -1 : 1;
  }
  if (x->b != y->b) {
    return x->b < y->b ? -1 : 1;
  }
  return (x->invoke > y->invoke) - (x->invoke < y->invoke);
}

/* A class and when its first operation begins, for sorting. */
struct dated_class {
  size_t invoke;
  struct search_class class;
};

static int compare_classes(const void *a, const void *b)
{
  size_t x = ((const struct dated_class *)a)->invoke;
  size_t y = ((const struct dated_class *)b)->invoke;
  return (x > y) - (x < y);
}

static void find_classes(struct search *s)
{
  qsort(s->maybe, s->maybe_len, sizeof *s->maybe, compare_effects);
  struct dated_class *dated = memory_zeroed(s->maybe_len, sizeof *dated);
  for (uint32_t i = 0; i < s->maybe_len; i++) {
    if (i == 0 || !same_effect(s->maybe[i - 1], s->maybe[i])) {
      dated[s->class_count++] = (struct dated_class){.invoke = s->maybe[i]->invoke, .class = {.first = i}};
    }
    dated[s->class_count - 1].class.len++;
  }
  qsort(dated, s->class_count, sizeof *dated, compare_classes);
  s->classes = memory_zeroed(s->class_count, sizeof *s->classes);
  for (size_t i = 0; i < s->class_count; i++) {
    s->classes[i] = dated[i].class;
  }
  free(dated);
}

void search_init(struct search *s, const struct linear_model *model, const struct linear_op *const *ops, size_t op_count, uint64_t key)
{
  assert(op_count < UINT32_MAX / 4);
  memset(s, 0, sizeof *s);
  s->model = model;
  s->sure = memory_zeroed(op_count, sizeof *s->sure);
  s->maybe = memory_zeroed(op_count, sizeof *s->maybe);
  for (size_t i = 0; i < op_count; i++) {
    assert(i == 0 || ops[i - 1]->invoke < ops[i]->invoke);
    if (ops[i]->complete == LINEAR_NEVER) {
      s->maybe[s->maybe_len++] = ops[i];
    } else {
      s->sure[s->sure_len++] = ops[i];
    }
  }
  link_entries(s);
  find_classes(s);
  s->sure_bits = memory_zeroed(s->sure_len / 64 + 1, sizeof *s->sure_bits);
  s->maybe_words = (s->maybe_len + 63) / 64;
  s->maybe_bits = memory_zeroed(s->maybe_words + 1, sizeof *s->maybe_bits);
  s->state = model->init(model->arg, key);
  s->left = s->sure_len;
  s->frames = memory_zeroed(op_count + 1, sizeof *s->frames);
  s->block.order = memory_zeroed(op_count + 1, sizeof *s->block.order);
}

void search_free(struct search *s)
{
  free(s->sure);
  free(s->entries);
  free(s->maybe);
  free(s->classes);
  free(s->sure_bits);
  free(s->maybe_bits);
  free(s->frames);
  free(s->block.order);
}

/* ---- the configuration ---- */

/* The hash of a set is the exclusive or of a random number for each of its elements (Zobrist 1970). */
static void flip_sure(struct search *s, uint32_t i)
{
  s->sure_bits[i / 64] ^= UINT64_C(1) << i % 64;
  s->sure_hash ^= mix_word(i);
}

static void flip_maybe(struct search *s, uint32_t i)
{
  s->maybe_bits[i / 64] ^= UINT64_C(1) << i % 64;
  s->maybe_hash ^= mix_word(i);
}

static void widen_sure(struct search *s, uint32_t i)
{
  s->sure_to = i / 64 + 1 > s->sure_to ? i / 64 + 1 : s->sure_to;
  while (s->sure_from < s->sure_to && s->sure_bits[s->sure_from] == UINT64_MAX) {
    s->sure_from++;
  }
}

static void unlink_entry(struct search *s, uint32_t at)
{
  const struct search_entry *e = &s->entries[at];
  s->entries[e->prev].next = e->next;
  s->entries[e->next].prev = e->prev;
}

/* The reverse of unlink_entry, to be done in the reverse order. */
static void relink_entry(struct search *s, uint32_t at)
{
  const struct search_entry *e = &s->entries[at];
  s->entries[e->prev].next = at;
  s->entries[e->next].prev = at;
}

static bool is_new(struct search *s, struct seen *seen)
{
  uint64_t group = mix_pair(s->sure_hash, s->state);
  return seen_add(seen, &(struct seen_configuration){
                            .group = group,
                            .hash = mix_pair(group, s->maybe_hash),
                            .state = s->state,
                            .sure = s->sure_bits,
                            .from = s->sure_from,
                            .to = s->sure_to,
                            .maybe = s->maybe_bits,
                            .maybe_len = s->maybe_words,
                        });
}

static void enter_state(struct search *s, const struct linear_op *op, uint64_t next)
{
  if (next != s->state) {
    s->state = next;
    s->by = op;
  }
}

static void leave_state(struct search *s, const struct search_frame *frame)
{
  s->state = frame->state;
  s->by = frame->by;
  s->sure_from = frame->sure_from;
  s->sure_to = frame->sure_to;
}

static struct search_frame frame_of(const struct search *s, const struct linear_op *op, const struct cursor *c)
{
  return (struct search_frame){.op = op, .cursor = *c, .state = s->state, .by = s->by, .sure_from = s->sure_from, .sure_to = s->sure_to};
}

static enum placing place_sure(struct search *s, struct seen *seen, const struct cursor *c)
{
  const struct search_entry *e = &s->entries[c->entry];
  const struct linear_op *op = s->sure[e->op];
  uint64_t next;
  if (!s->model->step(s->model->arg, s->state, op, &next)) {
    return REFUSED;
  }
  struct search_frame frame = frame_of(s, op, c);
  flip_sure(s, e->op);
  widen_sure(s, e->op);
  enter_state(s, op, next);
  if (!is_new(s, seen)) {
    flip_sure(s, e->op);
    leave_state(s, &frame);
    return REFUSED;
  }
  unlink_entry(s, c->entry);
  unlink_entry(s, e->match);
  s->left--;
  s->frames[s->depth++] = frame;
  return PLACED;
}

static enum placing place_maybe(struct search *s, struct seen *seen, const struct cursor *c)
{
  struct search_class *class = &s->classes[c->class];
  uint32_t at = class->first + class->placed;
  if (class->placed == class->len || s->maybe[at]->invoke > c->blocked->complete) {
    return REFUSED;
  }
  uint64_t next;
  /* One that changes nothing might as well not have happened. */
  if (!s->model->step(s->model->arg, s->state, s->maybe[at], &next) || next == s->state) {
    return REFUSED;
  }
  struct search_frame frame = frame_of(s, s->maybe[at], c);
  flip_maybe(s, at);
  enter_state(s, s->maybe[at], next);
  if (!is_new(s, seen)) {
    flip_maybe(s, at);
    leave_state(s, &frame);
    return REFUSED;
  }
  class->placed++;
  s->frames[s->depth++] = frame;
  return PLACED;
}

/* Takes the last operation out of the order; the cursor goes on behind it. */
static void take_back(struct search *s, struct cursor *c)
{
  const struct search_frame *frame = &s->frames[--s->depth];
  *c = frame->cursor;
  leave_state(s, frame);
  if (c->blocked == NULL) {
    relink_entry(s, s->entries[c->entry].match);
    relink_entry(s, c->entry);
    flip_sure(s, s->entries[c->entry].op);
    s->left++;
    c->entry = s->entries[c->entry].next;
  } else {
    struct search_class *class = &s->classes[c->class];
    class->placed--;
    flip_maybe(s, class->first + class->placed);
    c->class ++;
  }
}

/* ---- what stopped it ---- */

static void add_state(struct search_block *b, uint64_t state, const struct linear_op *by)
{
  for (size_t i = 0; i < b->state_count; i++) {
    if (b->states[i].state == state) {
      return;
    }
  }
  if (b->state_count == LINEAR_STATES_MAX) {
    b->states_cut = true;
    return;
  }
  b->states[b->state_count++] = (struct search_state){.state = state, .by = by};
}

/* Nothing more can be placed before the completion of `op` in this configuration. */
static void note_block(struct search *s, const struct linear_op *op)
{
  struct search_block *b = &s->block;
  if (b->op != NULL && op->complete < b->op->complete) {
    return;
  }
  bool is_further = b->op == NULL || op->complete > b->op->complete;
  if (is_further) {
    b->op = op;
    b->state_count = 0;
    b->states_cut = false;
  }
  add_state(b, s->state, s->by);
  size_t done = s->sure_len - s->left;
  if (is_further || done > b->done) {
    b->done = done;
    b->order_len = s->depth;
    for (size_t i = 0; i < s->depth; i++) {
      b->order[i] = s->frames[i].op;
    }
  }
}

/* ---- the search ---- */

enum linear_verdict search_run(struct search *s, struct seen *seen, uint64_t budget)
{
  seen_clear(seen);
  is_new(s, seen);
  struct cursor c = {.entry = s->entries[0].next};
  enum placing placing = PLACED;
  while (s->left > 0) {
    if (placing == PLACED && seen_is_full(seen, budget)) {
      return LINEAR_UNKNOWN;
    }
    placing = REFUSED;
    const struct search_entry *e = &s->entries[c.entry];
    if (c.blocked == NULL && e->match == 0) {
      c.blocked = s->sure[e->op];
      c.class = 0;
    } else if (c.blocked == NULL) {
      placing = place_sure(s, seen, &c);
      c.entry = placing == PLACED ? c.entry : e->next;
    } else if (c.class < s->class_count) {
      placing = place_maybe(s, seen, &c);
      c.class += placing == PLACED ? 0 : 1;
    } else {
      note_block(s, c.blocked);
      if (s->depth == 0) {
        return LINEAR_INVALID;
      }
      take_back(s, &c);
    }
    if (placing == PLACED) {
      c = (struct cursor){.entry = s->entries[0].next};
    }
  }
  return LINEAR_VALID;
}
