/* Scripts of a cluster's life, and what its members do in it: golden traces.
 *
 * A script has a command per line; what it makes the members do follows it, indented by two spaces. Lines that are empty or begin with #
 * are comments. traces/README.md has the commands and the notation. Everything is deterministic: nothing moves but by a command. */
#ifndef VORTEX_TESTS_RAFT_TRACE_H
#define VORTEX_TESTS_RAFT_TRACE_H

#include "base/buf.h"
#include "raft/core.h"

/* Runs a script, and appends it to `out` with what came of it now. Indented lines of the script are left out. A command that cannot be, or
 * a broken invariant (raft_check, raft_watch), fails the cmocka test that is running. */
void trace_run(const char *name, const char *script, struct buf *out);

/* ---- in words ---- */

void trace_put_configuration(struct buf *out, const struct raft_configuration *c);
void trace_put_entry(struct buf *out, uint64_t index, const struct core_entry *e);
void trace_put_message(struct buf *out, const struct core_message *m);

/* What the member's last step did, but for its messages, `before` being its status before it. A line each, indented. */
void trace_put_step(struct buf *out, const struct core *c, const struct raft_status *before);

/* Its status. One line. */
void trace_put_status(struct buf *out, const struct core *c);

#endif
