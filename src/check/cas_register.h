/* The model of a register with compare-and-set, for check/linear.h. Values are numbers that the caller gave them; the state is the value.
 *
 * An operation's key is the register's. A read, or a failed cas, whose outcome is unknown restricts nothing and may be left out. */
#ifndef VORTEX_CHECK_CAS_REGISTER_H
#define VORTEX_CHECK_CAS_REGISTER_H

#include "check/linear.h"

enum cas_register_f {
  CAS_REGISTER_READ,       /* found a */
  CAS_REGISTER_WRITE,      /* of a */
  CAS_REGISTER_CAS,        /* from a to b, which took effect */
  CAS_REGISTER_FAILED_CAS, /* from a: the register held something else */
};

struct cas_register {
  uint64_t initial; /* the value of every register before it is written */
};

/* One register for each key; or one for all operations, whatever their key. Borrows `r`. */
struct linear_model cas_register_model(struct cas_register *r, bool keyed);

#endif
