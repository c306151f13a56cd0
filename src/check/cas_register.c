#include "check/cas_register.h"

static uint64_t key(void *arg, const struct linear_op *op)
{
  (void)arg;
  return op->key;
}

static uint64_t init(void *arg, uint64_t key_of_register)
{
  (void)key_of_register;
  return ((const struct cas_register *)arg)->initial;
}

static bool step(void *arg, uint64_t state, const struct linear_op *op, uint64_t *next)
{
  (void)arg;
  *next = state;
  switch ((enum cas_register_f)op->f) {
  case CAS_REGISTER_READ:
    return state == op->a;
  case CAS_REGISTER_WRITE:
    *next = op->a;
    return true;
  case CAS_REGISTER_CAS:
    *next = op->b;
    return state == op->a;
  case CAS_REGISTER_FAILED_CAS:
    return state != op->a;
  }
  return false;
}

struct linear_model cas_register_model(struct cas_register *r, bool keyed)
{
  return (struct linear_model){.key = keyed ? key : NULL, .init = init, .step = step, .arg = r};
}
