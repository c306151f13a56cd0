/* Maelstrom's services (its service.clj): lin-kv, seq-kv, lww-kv and lin-tso, as endpoints of a simulated network.
 *
 *   lin-kv   one state, the newest.
 *   seq-kv   the last states, `seq_window` of them (32 in Maelstrom). A request runs on any of them that is not older than what its client
 *            has seen; only if it would change that state, it runs on the newest one instead. So writing what a state holds already moves
 *            nobody forward.
 *   lww-kv   replicas, of which each request meets a random one; they merge now and then, and the later write wins. No
 *            create_if_not_exists.
 *   lin-tso  counts from 0.
 *
 * Keys and values are the same if their JSON text is: the codec has one text for every value. */
#ifndef VORTEX_LAB_SERVICE_H
#define VORTEX_LAB_SERVICE_H

#include "sim/sim.h"

struct services_config {
  unsigned seq_window;   /* how many states seq-kv remembers, at least 1 */
  uint64_t lww_merge_ns; /* mean time between two merges of lww-kv's replicas; 0 = two of them merge after each request */
};

struct services;

/* Joins the services to a network. Returns owned; to be freed before it. */
struct services *services_new(struct sim *sim, const struct services_config *config);
void services_free(struct services *s);

#endif
