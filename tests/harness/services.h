/* Maelstrom's services (its service.clj): lin-kv, seq-kv, lww-kv and lin-tso, as endpoints of a network.
 *
 *   lin-kv   one state, the newest.
 *   seq-kv   the last 32 states. A request runs on any of them that is not older than what its client has seen; only if it would change
 *            that state, it runs on the newest one instead. So writing what a state holds already moves nobody forward.
 *   lww-kv   replicas, of which each request meets a random one; they merge now and then, and the later write wins. No
 * create_if_not_exists. lin-tso  counts from 0.
 *
 * Keys and values are the same if their JSON text is: the codec has one text for every value. */
#ifndef VORTEX_HARNESS_SERVICES_H
#define VORTEX_HARNESS_SERVICES_H

#include "harness/net.h"

struct services;

/* Adds the services to a network, which must outlive them. Returns owned. */
struct services *services_new(struct net *net);
void services_free(struct services *s);

#endif
