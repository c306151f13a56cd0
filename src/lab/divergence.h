/* Where two runs that should be the same part: the first line that differs in what they wrote. */
#ifndef VORTEX_LAB_DIVERGENCE_H
#define VORTEX_LAB_DIVERGENCE_H

#include <stdbool.h>

#include "base/buf.h"

/* Compares the runs' messages and histories (config.keep of each) and appends words about the first line that differs. False if there is
 * none, or if there is nothing to compare. */
bool lab_divergence_find(const char *folder_a, const char *folder_b, struct buf *out);

#endif
