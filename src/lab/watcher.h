/* Watches what Raft does in a simulated cluster: a raft_watch (raft/watch.h) over each group, by its name, and that no command takes effect
 * twice. The first violation ends the run. Nothing here changes what the nodes do; what is seen goes into the run's trace. */
#ifndef VORTEX_LAB_WATCHER_H
#define VORTEX_LAB_WATCHER_H

#include "base/buf.h"
#include "node/watch.h"
#include "raft/watch.h"
#include "sim/nemesis.h"

/* How often the whole state is compared between replicas: at every index that is a multiple of this. Each comparison encodes the state. */
#define WATCHER_STATE_EVERY 64

struct watcher;

/* Creates it for so many nodes. `failed` is called at the first violation, from within the node's turn. Borrows sim. Returns owned; freed
 * after the nodes. */
struct watcher *watcher_new(struct sim *sim, unsigned count, void (*failed)(void *arg), void *arg);
void watcher_free(struct watcher *w);

/* Which node this name belongs to: copied. Before the node starts. */
void watcher_name(struct watcher *w, unsigned node, const char *name);

/* For node_config.watch. Valid as long as the watcher. */
const struct node_watch *watcher_hooks(const struct watcher *w);

/* How many groups there have been: 0 = no script uses Raft. */
size_t watcher_groups(const struct watcher *w);

/* Who leads a group, by its index; if several groups have leaders, the word says which one is meant. SIM_NOBODY = none has. */
unsigned watcher_leader(const struct watcher *w, uint64_t word);

/* The first violation, for a person: one line. Empty = none. */
struct slice watcher_failure(const struct watcher *w);

/* What that may come from: one line, static; NULL = nothing to be said. */
const char *watcher_advice(const struct watcher *w);

/* Sums over all groups. */
void watcher_stats(const struct watcher *w, struct raft_watch_stats *out);

#endif
