/* Prints a line anew as Maelstrom does on its way: objects of up to eight members keep their order, larger ones come out in the order of a
 * hash map. Here that order is a function of `key`. Everything else (values, spellings, spaces) stays as it is. */
#ifndef VORTEX_SIM_REPRINT_H
#define VORTEX_SIM_REPRINT_H

#include <stdint.h>

#include "base/buf.h"

#define REPRINT_KEEPS_MEMBERS 8

/* Appends the JSON text of `value` (accepted by the scanner) to `out` with the members of large objects, at any depth, reordered. */
void sim_reprint(struct slice value, uint64_t key, struct buf *out);

#endif
