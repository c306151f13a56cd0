#include "check/linear.h"

#include "base/prng.h"
#include "check/cas_register.h"
#include "check/naive.h"
#include "cmocka_all.h"

#define NEVER LINEAR_NEVER

static struct linear_op read_op(size_t invoke, size_t complete, uint64_t a)
{
  return (struct linear_op){.invoke = invoke, .complete = complete, .f = CAS_REGISTER_READ, .a = a};
}

static struct linear_op write_op(size_t invoke, size_t complete, uint64_t a)
{
  return (struct linear_op){.invoke = invoke, .complete = complete, .f = CAS_REGISTER_WRITE, .a = a};
}

static struct linear_op cas_op(size_t invoke, size_t complete, uint64_t a, uint64_t b)
{
  return (struct linear_op){.invoke = invoke, .complete = complete, .f = CAS_REGISTER_CAS, .a = a, .b = b};
}

static struct linear_op failed_op(size_t invoke, size_t complete, uint64_t a)
{
  return (struct linear_op){.invoke = invoke, .complete = complete, .f = CAS_REGISTER_FAILED_CAS, .a = a};
}

static struct linear_op of_key(uint64_t key, struct linear_op op)
{
  op.key = key;
  return op;
}

static void judge(const struct linear_op *ops, size_t count, bool keyed, uint64_t budget, struct linear_result *r)
{
  struct cas_register initial = {0};
  struct linear_model model = cas_register_model(&initial, keyed);
  linear_check(&model, ops, count, budget, r);
}

static enum linear_verdict verdict_of(const struct linear_op *ops, size_t count)
{
  struct linear_result r;
  judge(ops, count, false, LINEAR_BUDGET_DEFAULT, &r);
  enum linear_verdict v = r.verdict;
  assert_int_equal(r.failure_count, v == LINEAR_INVALID);
  linear_result_free(&r);
  return v;
}

#define VERDICT(...)                                                                                                                       \
  verdict_of((const struct linear_op[]){__VA_ARGS__}, sizeof((const struct linear_op[]){__VA_ARGS__}) / sizeof(struct linear_op))

/* ---- one thing wrong at a time ---- */

static void judges_histories_that_are_wrong_in_one_way(void **state)
{
  (void)state;
  struct linear_result r;
  judge(NULL, 0, false, 10, &r);
  assert_int_equal(r.verdict, LINEAR_VALID);
  linear_result_free(&r);

  /* The first value. */
  assert_int_equal(VERDICT(read_op(0, 1, 0)), LINEAR_VALID);
  assert_int_equal(VERDICT(read_op(0, 1, 1)), LINEAR_INVALID);
  /* A stale read, and one that is concurrent with the write. */
  assert_int_equal(VERDICT(write_op(0, 1, 1), read_op(2, 3, 0)), LINEAR_INVALID);
  assert_int_equal(VERDICT(write_op(0, 2, 1), read_op(1, 3, 0)), LINEAR_VALID);
  assert_int_equal(VERDICT(write_op(0, 2, 1), read_op(1, 3, 1)), LINEAR_VALID);
  /* Two reads that see a concurrent write in the wrong order. */
  assert_int_equal(VERDICT(write_op(0, 9, 1), read_op(1, 2, 0), read_op(3, 4, 1)), LINEAR_VALID);
  assert_int_equal(VERDICT(write_op(0, 9, 1), read_op(1, 2, 1), read_op(3, 4, 0)), LINEAR_INVALID);
  /* A cas from another value; one cas of two concurrent ones may succeed. */
  assert_int_equal(VERDICT(write_op(0, 1, 1), cas_op(2, 3, 1, 2), read_op(4, 5, 2)), LINEAR_VALID);
  assert_int_equal(VERDICT(write_op(0, 1, 1), cas_op(2, 3, 0, 2)), LINEAR_INVALID);
  assert_int_equal(VERDICT(cas_op(0, 2, 0, 1), cas_op(1, 3, 0, 2)), LINEAR_INVALID);
  assert_int_equal(VERDICT(cas_op(0, 2, 0, 1), cas_op(1, 3, 1, 2)), LINEAR_VALID);
  /* A failed cas says what the value was not. */
  assert_int_equal(VERDICT(write_op(0, 1, 1), failed_op(2, 3, 1)), LINEAR_INVALID);
  assert_int_equal(VERDICT(write_op(0, 1, 1), failed_op(2, 3, 2)), LINEAR_VALID);
}

static void an_unknown_outcome_may_be_either(void **state)
{
  (void)state;
  assert_int_equal(VERDICT(write_op(0, NEVER, 1), read_op(1, 2, 0)), LINEAR_VALID);
  assert_int_equal(VERDICT(write_op(0, NEVER, 1), read_op(1, 2, 1)), LINEAR_VALID);
  assert_int_equal(VERDICT(write_op(0, NEVER, 1), read_op(1, 2, 0), read_op(3, 4, 1)), LINEAR_VALID);
  /* It happens once only, and not before it begins. */
  assert_int_equal(VERDICT(write_op(0, NEVER, 1), read_op(1, 2, 1), read_op(3, 4, 0)), LINEAR_INVALID);
  assert_int_equal(VERDICT(read_op(0, 1, 1), write_op(2, NEVER, 1)), LINEAR_INVALID);
  assert_int_equal(VERDICT(write_op(0, NEVER, 1), read_op(1, 2, 1), write_op(3, 4, 2), read_op(5, 6, 1)), LINEAR_INVALID);
  /* Two of a kind happen twice, the later one not before it begins. */
  assert_int_equal(VERDICT(write_op(0, NEVER, 1), read_op(1, 2, 1), write_op(3, 4, 2), write_op(5, NEVER, 1), read_op(6, 7, 1)),
                   LINEAR_VALID);
  assert_int_equal(VERDICT(write_op(0, NEVER, 1), read_op(1, 2, 1), write_op(3, 4, 2), read_op(5, 6, 1), write_op(7, NEVER, 1)),
                   LINEAR_INVALID);
  /* A cas of unknown outcome needs its value, too. */
  assert_int_equal(VERDICT(cas_op(0, NEVER, 2, 1), read_op(1, 2, 1)), LINEAR_INVALID);
  assert_int_equal(VERDICT(cas_op(0, NEVER, 2, 1), write_op(1, 2, 2), read_op(3, 4, 1)), LINEAR_VALID);
}

static void explains_what_cannot_be_placed(void **state)
{
  (void)state;
  const struct linear_op ops[] = {
      write_op(0, 1, 3),  read_op(2, 3, 3),   write_op(4, 5, 1), write_op(6, NEVER, 7), /* may have happened long ago */
      write_op(8, 12, 2), read_op(9, 11, 5),                                            /* sees what nobody wrote */
      read_op(10, 13, 2), read_op(14, 15, 2),
  };
  struct linear_result r;
  judge(ops, sizeof ops / sizeof *ops, false, LINEAR_BUDGET_DEFAULT, &r);
  assert_int_equal(r.verdict, LINEAR_INVALID);
  assert_int_equal(r.key_count, 1);
  assert_int_equal(r.failure_count, 1);
  const struct linear_failure *f = &r.failures[0];
  assert_int_equal(f->op, 5);
  assert_int_equal(f->done, 5); /* all but the culprit and the last */
  uint64_t states = 0;
  for (size_t i = 0; i < f->state_count; i++) {
    states |= UINT64_C(1) << f->states[i];
  }
  assert_int_equal(states, 1 << 1 | 1 << 2 | 1 << 7);
  assert_false(f->states_cut);
  const size_t window[] = {2, 3, 4, 5, 6};
  assert_int_equal(f->window_len, 5);
  assert_memory_equal(f->window, window, sizeof window);
  linear_result_free(&r);
  linear_result_free(&r); /* harmless */
}

static void judges_every_key_alone(void **state)
{
  (void)state;
  const struct linear_op ops[] = {
      of_key(7, write_op(0, 1, 1)), of_key(9, write_op(2, 3, 2)), of_key(8, read_op(4, 5, 0)),
      of_key(9, read_op(6, 7, 1)),  of_key(7, read_op(8, 9, 2)),  of_key(8, write_op(10, 11, 1)),
  };
  struct linear_result r;
  judge(ops, 6, true, LINEAR_BUDGET_DEFAULT, &r);
  assert_int_equal(r.verdict, LINEAR_INVALID);
  assert_int_equal(r.key_count, 3);
  assert_int_equal(r.failure_count, 2); /* in the order of their first operation */
  assert_int_equal(r.failures[0].key, 7);
  assert_int_equal(r.failures[0].op, 4);
  assert_int_equal(r.failures[1].key, 9);
  assert_int_equal(r.failures[1].op, 3);
  assert_int_equal(r.unknown_count, 0);
  linear_result_free(&r);
  judge(ops, 6, false, LINEAR_BUDGET_DEFAULT, &r);
  assert_int_equal(r.key_count, 1);
  assert_int_equal(r.failures[0].op, 2);
  linear_result_free(&r);
}

/* ---- against all orders ---- */

static void assert_is_an_order(const struct linear_op *ops, size_t count, const struct linear_failure *f)
{
  uint64_t register_value = 0;
  uint32_t placed = 0;
  size_t done = 0;
  for (size_t i = 0; i < f->order_len; i++) {
    const struct linear_op *op = &ops[f->order[i]];
    assert_true(naive_step(op, &register_value));
    for (size_t k = 0; k < count; k++) {
      assert_true((placed >> k & 1) || ops[k].complete > op->invoke);
    }
    assert_false(placed >> f->order[i] & 1);
    placed |= UINT32_C(1) << f->order[i];
    done += op->complete != NEVER;
  }
  assert_int_equal(done, f->done);
  assert_false(placed >> f->op & 1);
}

/* Judges it both ways; of an invalid one, compares the explanations. Returns whether it is valid. */
static bool compare_with_all_orders(const struct linear_op *ops, size_t count)
{
  struct linear_result r;
  judge(ops, count, false, LINEAR_BUDGET_DEFAULT, &r);
  bool expected = naive_is_linearizable(ops, count, 0, SIZE_MAX - 1);
  assert_int_equal(r.verdict, expected ? LINEAR_VALID : LINEAR_INVALID);
  if (!expected) {
    struct naive n;
    const struct linear_failure *f = &r.failures[0];
    assert_int_equal(f->op, naive_culprit(ops, count, 0, &n));
    assert_int_equal(f->done, n.done);
    uint64_t states = 0;
    for (size_t i = 0; i < f->state_count; i++) {
      assert_false(states >> f->states[i] & 1);
      states |= UINT64_C(1) << f->states[i];
    }
    assert_int_equal(states, n.states);
    assert_is_an_order(ops, count, f);
    bool has_op = false;
    for (size_t i = 0; i < f->window_len; i++) {
      has_op = has_op || f->window[i] == f->op;
      assert_true(i == 0 || f->window[i - 1] < f->window[i]);
    }
    assert_true(has_op);
  }
  linear_result_free(&r);
  return expected;
}

struct tally {
  size_t valid;
  size_t invalid;
};

/* All ways in which `count` operations, each of one of the kinds, may overlap: `open` is the set that has begun and not ended. */
static void all_overlaps(struct linear_op *ops, size_t count, size_t begun, uint32_t open, size_t place, struct tally *t)
{
  if (begun == count && open == 0) {
    bool is_valid = compare_with_all_orders(ops, count);
    t->valid += is_valid;
    t->invalid += !is_valid;
    return;
  }
  if (begun < count) {
    ops[begun].invoke = place;
    bool is_sure = ops[begun].complete != NEVER;
    all_overlaps(ops, count, begun + 1, is_sure ? open | UINT32_C(1) << begun : open, place + 1, t);
  }
  for (size_t i = 0; i < begun; i++) {
    if (open >> i & 1) {
      ops[i].complete = place;
      all_overlaps(ops, count, begun, open & ~(UINT32_C(1) << i), place + 1, t);
    }
  }
}

static void all_histories(const struct linear_op *kinds, size_t kind_count, size_t count, struct tally *t)
{
  size_t choices = 1;
  for (size_t i = 0; i < count; i++) {
    choices *= kind_count;
  }
  for (size_t choice = 0; choice < choices; choice++) {
    struct linear_op ops[4];
    size_t rest = choice;
    for (size_t i = 0; i < count; i++, rest /= kind_count) {
      ops[i] = kinds[rest % kind_count];
    }
    all_overlaps(ops, count, 0, 0, 0, t);
  }
}

static void agrees_with_all_orders_of_up_to_three_operations(void **state)
{
  (void)state;
  const struct linear_op kinds[] = {
      read_op(0, 1, 0),       read_op(0, 1, 1),       read_op(0, 1, 2),      write_op(0, 1, 1),      write_op(0, 1, 2),
      cas_op(0, 1, 0, 1),     cas_op(0, 1, 1, 2),     cas_op(0, 1, 2, 1),    cas_op(0, 1, 1, 1),     failed_op(0, 1, 0),
      failed_op(0, 1, 1),     write_op(0, NEVER, 1),  write_op(0, NEVER, 2), cas_op(0, NEVER, 0, 1), cas_op(0, NEVER, 1, 2),
      cas_op(0, NEVER, 2, 2), failed_op(0, NEVER, 1),
  };
  struct tally t = {0};
  for (size_t count = 1; count <= 3; count++) {
    all_histories(kinds, sizeof kinds / sizeof *kinds, count, &t);
  }
  assert_true(t.valid > 10000);
  assert_true(t.invalid > 10000);
}

static void agrees_with_all_orders_of_four_operations(void **state)
{
  (void)state;
  const struct linear_op kinds[] = {
      read_op(0, 1, 1),   read_op(0, 1, 2),   write_op(0, 1, 1),     write_op(0, 1, 2),
      cas_op(0, 1, 1, 2), failed_op(0, 1, 1), write_op(0, NEVER, 1), cas_op(0, NEVER, 1, 2),
  };
  struct tally t = {0};
  all_histories(kinds, sizeof kinds / sizeof *kinds, 4, &t);
  assert_true(t.valid > 50000);
  assert_true(t.invalid > 50000);
}

/* ---- random histories ---- */

/* A history as `processes` clients would make it on one register that really is one: every operation takes effect between its invocation
 * and its completion; the outcome of some is lost. Returns how many operations there are. */
static size_t simulate(struct prng *p, struct linear_op *ops, size_t count, size_t processes, uint64_t values, unsigned lost_of_100)
{
  struct {
    size_t op; /* plus one; 0 = idle */
    bool happened;
  } client[32] = {0};
  uint64_t value = 0;
  size_t begun = 0;
  for (size_t place = 0; place < 1000000; place++) {
    size_t c = prng_below(p, processes);
    struct linear_op *op = client[c].op == 0 ? NULL : &ops[client[c].op - 1];
    if (op == NULL && begun == count) {
      size_t open = 0;
      for (size_t i = 0; i < processes; i++) {
        open += client[i].op != 0;
      }
      if (open == 0) {
        break;
      }
    } else if (op == NULL) {
      static const int kinds[] = {CAS_REGISTER_READ, CAS_REGISTER_WRITE, CAS_REGISTER_CAS};
      ops[begun] = (struct linear_op){.invoke = place, .complete = NEVER, .f = kinds[prng_below(p, 3)]};
      ops[begun].a = 1 + prng_below(p, values);
      ops[begun].b = 1 + prng_below(p, values);
      client[c].op = ++begun;
      client[c].happened = false;
    } else if (!client[c].happened) {
      if (op->f == CAS_REGISTER_READ) {
        op->a = value;
      } else if (op->f == CAS_REGISTER_CAS && op->a != value) {
        op->f = CAS_REGISTER_FAILED_CAS;
      }
      if (op->f == CAS_REGISTER_FAILED_CAS || op->f == CAS_REGISTER_READ) {
        op->b = 0;
      }
      naive_step(op, &value);
      client[c].happened = true;
    } else {
      op->complete = prng_below(p, 100) < lost_of_100 ? NEVER : place;
      client[c].op = 0;
    }
  }
  return begun;
}

static void random_small_histories_agree_with_all_orders(void **state)
{
  (void)state;
  struct prng p;
  prng_init(&p, 2024);
  size_t invalid = 0;
  for (int i = 0; i < 3000; i++) {
    struct linear_op ops[12];
    size_t count = simulate(&p, ops, 4 + prng_below(&p, 9), 2 + prng_below(&p, 3), 2, 15);
    assert_true(compare_with_all_orders(ops, count));
    size_t at = prng_below(&p, count);
    if (ops[at].f == CAS_REGISTER_READ) {
      ops[at].a = (ops[at].a + 1) % 3;
      invalid += !compare_with_all_orders(ops, count);
    }
  }
  assert_true(invalid > 200);
}

static void a_real_register_is_always_valid(void **state)
{
  (void)state;
  struct prng p;
  prng_init(&p, 7);
  for (int i = 0; i < 100; i++) {
    static struct linear_op ops[600];
    size_t count = simulate(&p, ops, 300 + prng_below(&p, 300), 1 + prng_below(&p, 10), 5, (unsigned)prng_below(&p, 8));
    assert_int_equal(verdict_of(ops, count), LINEAR_VALID);
  }
}

static void a_value_out_of_nowhere_is_always_found(void **state)
{
  (void)state;
  struct prng p;
  prng_init(&p, 8);
  for (int i = 0; i < 100; i++) {
    struct linear_op ops[200];
    size_t count = simulate(&p, ops, 100 + prng_below(&p, 100), 1 + prng_below(&p, 6), 5, (unsigned)prng_below(&p, 5));
    size_t at = count / 2;
    while (ops[at].f != CAS_REGISTER_READ || ops[at].complete == NEVER) {
      at++;
    }
    ops[at].a = 60;
    struct linear_result r;
    judge(ops, count, false, LINEAR_BUDGET_DEFAULT, &r);
    assert_int_equal(r.verdict, LINEAR_INVALID);
    assert_int_equal(r.failures[0].op, at);
    linear_result_free(&r);
  }
}

/* ---- effort ---- */

static void long_histories_take_no_recursion(void **state)
{
  (void)state;
  static struct linear_op ops[50000];
  struct prng p;
  prng_init(&p, 3);
  struct linear_result r;
  size_t count = simulate(&p, ops, 50000, 4, 5, 0);
  judge(ops, count, false, LINEAR_BUDGET_DEFAULT, &r);
  assert_int_equal(r.verdict, LINEAR_VALID);
  assert_true(r.configurations >= count);
  linear_result_free(&r);
}

static void equal_operations_of_unknown_outcome_are_not_tried_in_every_order(void **state)
{
  (void)state;
  struct linear_op ops[42];
  for (size_t i = 0; i < 40; i++) {
    ops[i] = write_op(i, NEVER, 1 + i % 2);
  }
  ops[40] = read_op(50, 51, 1);
  ops[41] = read_op(52, 53, 9);
  struct linear_result r;
  judge(ops, 42, false, 10000, &r);
  assert_int_equal(r.verdict, LINEAR_INVALID);
  assert_int_equal(r.failures[0].op, 41);
  assert_true(r.configurations < 500);
  linear_result_free(&r);
}

/* Concurrent writes of different values, and then a read of none of them: 2^n sets to go through. */
static size_t hopeless(struct linear_op *ops, size_t writes, uint64_t key, size_t place)
{
  for (size_t i = 0; i < writes; i++) {
    ops[i] = of_key(key, write_op(place + i, place + 2 * writes + i, 1 + i));
  }
  ops[writes] = of_key(key, read_op(place + writes, place + 4 * writes, 63));
  return writes + 1;
}

static void a_budget_that_runs_out_is_no_verdict(void **state)
{
  (void)state;
  struct linear_op ops[31];
  size_t count = hopeless(ops, 30, 5, 0);
  struct linear_result r;
  for (uint64_t budget = 1; budget <= 100000; budget *= 10) {
    judge(ops, count, true, budget, &r);
    assert_int_equal(r.verdict, LINEAR_UNKNOWN);
    assert_true(r.configurations <= budget);
    assert_true(r.configurations > budget / 2);
    assert_int_equal(r.failure_count, 0);
    assert_int_equal(r.unknown_count, 1);
    assert_int_equal(r.unknown[0], 5);
    linear_result_free(&r);
  }
  /* With enough of it there is one. */
  count = hopeless(ops, 10, 5, 0);
  judge(ops, count, true, 20000, &r);
  assert_int_equal(r.verdict, LINEAR_INVALID);
  assert_int_equal(r.failures[0].op, 10);
  linear_result_free(&r);
}

static void a_hard_key_does_not_hide_a_wrong_one(void **state)
{
  (void)state;
  struct linear_op ops[100];
  size_t count = hopeless(ops, 30, 1, 0);
  count += hopeless(ops + count, 30, 2, 1000);
  ops[count++] = of_key(3, write_op(2000, 2001, 1));
  struct linear_result r;
  judge(ops, count, true, 50000, &r);
  assert_int_equal(r.verdict, LINEAR_UNKNOWN);
  assert_int_equal(r.unknown_count, 2);
  assert_int_equal(r.unknown[0], 1);
  assert_int_equal(r.unknown[1], 2);
  linear_result_free(&r);
  ops[count++] = of_key(3, read_op(2002, 2003, 2));
  judge(ops, count, true, 50000, &r);
  assert_int_equal(r.verdict, LINEAR_INVALID);
  assert_int_equal(r.failure_count, 1);
  assert_int_equal(r.failures[0].key, 3);
  assert_int_equal(r.unknown_count, 2);
  assert_true(r.configurations < 5000);
  linear_result_free(&r);
}

/* ---- another model ---- */

/* A lock: a = 1 takes it, 0 gives it back. Its first state is told by its key. */
static uint64_t lock_key(void *arg, const struct linear_op *op)
{
  (void)arg;
  return op->b;
}

static uint64_t lock_init(void *arg, uint64_t key)
{
  (void)arg;
  return key % 2;
}

static bool lock_step(void *arg, uint64_t state, const struct linear_op *op, uint64_t *next)
{
  (*(size_t *)arg)++;
  *next = op->a;
  return state != op->a;
}

static void the_model_is_the_callers(void **state)
{
  (void)state;
  size_t steps = 0;
  struct linear_model lock = {.key = lock_key, .init = lock_init, .step = lock_step, .arg = &steps};
  struct linear_op ops[] = {
      {.invoke = 0, .complete = 1, .a = 1, .b = 4},
      {.invoke = 2, .complete = 3, .a = 0, .b = 5},
      {.invoke = 4, .complete = 6, .a = 1, .b = 4},
      {.invoke = 5, .complete = 7, .a = 0, .b = 4},
  };
  struct linear_result r;
  linear_check(&lock, ops, 4, 100, &r);
  assert_int_equal(r.verdict, LINEAR_VALID);
  assert_int_equal(r.key_count, 2);
  assert_true(steps >= 4);
  linear_result_free(&r);
  ops[3].invoke = 8;
  ops[3].complete = 9;
  linear_check(&lock, ops, 4, 100, &r);
  assert_int_equal(r.verdict, LINEAR_INVALID);
  assert_int_equal(r.failures[0].key, 4);
  assert_int_equal(r.failures[0].op, 2);
  linear_result_free(&r);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(judges_histories_that_are_wrong_in_one_way),
      cmocka_unit_test(an_unknown_outcome_may_be_either),
      cmocka_unit_test(explains_what_cannot_be_placed),
      cmocka_unit_test(judges_every_key_alone),
      cmocka_unit_test(agrees_with_all_orders_of_up_to_three_operations),
      cmocka_unit_test(agrees_with_all_orders_of_four_operations),
      cmocka_unit_test(random_small_histories_agree_with_all_orders),
      cmocka_unit_test(a_real_register_is_always_valid),
      cmocka_unit_test(a_value_out_of_nowhere_is_always_found),
      cmocka_unit_test(long_histories_take_no_recursion),
      cmocka_unit_test(equal_operations_of_unknown_outcome_are_not_tried_in_every_order),
      cmocka_unit_test(a_budget_that_runs_out_is_no_verdict),
      cmocka_unit_test(a_hard_key_does_not_hide_a_wrong_one),
      cmocka_unit_test(the_model_is_the_callers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
