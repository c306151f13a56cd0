/* What a script's leading comment says about how it is tested: command lines of Maelstrom (or of `vortex-lua test`), which may go on behind
 * a `\` at the end of a line:
 *
 *   -- maelstrom test -w broadcast --bin ./broadcast.lua --node-count 5 \
 *   --   --rate 10
 *
 * The first of them that names a workload counts. */
#ifndef VORTEX_LAB_HEADER_H
#define VORTEX_LAB_HEADER_H

#include "base/slice.h"

#define LAB_HEADER_BYTES 16384 /* as much of a script is looked at */

struct lab_header {
  char workload[64]; /* "" = none found */
  unsigned nodes;    /* 0 = it does not say */
};

/* From a script's text. Cannot fail: what makes no sense is as if it were not there. */
void lab_header_parse(struct slice text, struct lab_header *out);

/* From a file. One that cannot be read says nothing: whoever loads the script will report it. */
void lab_header_read(const char *path, struct lab_header *out);

#endif
