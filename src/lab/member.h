/* The scripts of a simulated cluster: one Lua state per node, in an arena of its own, made when the node starts and dropped when it is
 * killed. */
#ifndef VORTEX_LAB_MEMBER_H
#define VORTEX_LAB_MEMBER_H

#include "base/buf.h"
#include "lab/config.h"
#include "lab/watcher.h"
#include "script/script.h"
#include "sim/node.h"

struct members;

/* Creates as many dead nodes as the configuration says, which are watched. `cache` may be NULL. Borrows all. Returns owned. */
struct members *members_new(struct sim *sim, const struct lab_config *config, struct script_cache *cache, struct watcher *watcher);
void members_free(struct members *m);

unsigned members_count(const struct members *m);
struct sim_node *members_node(struct members *m, unsigned index);
struct sim_node *const *members_nodes(struct members *m);

/* Why a script could not be loaded, the last time it could not; empty = it could. */
struct slice members_load_error(const struct members *m);

/* Whether a script of this node has run more than LAB_TURN_INSTRUCTIONS in one turn (config.exact). */
bool members_ran_away(const struct members *m, unsigned index);

#endif
