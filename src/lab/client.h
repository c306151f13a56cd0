/* The clients of a simulated cluster: endpoints with a name, one request in flight each, at no distance from the nodes. As Maelstrom's: a
 * client is known by its id, counts its requests, and waits for the reply to the last of them. */
#ifndef VORTEX_LAB_CLIENT_H
#define VORTEX_LAB_CLIENT_H

#include "base/buf.h"
#include "sim/sim.h"

struct client;

/* The reply to what it asked; body NULL = none came in time. The client may ask again from within. */
typedef void (*client_fn)(void *arg, struct client *client, const struct slice *body, struct slice type);

/* Joins the network under the next free name: `names` counts the clients there have been. Borrows node's name. Returns owned. */
struct client *client_new(struct sim *sim, unsigned *names, const char *node, client_fn fn, void *arg);

/* Leaves. What it waited for is forgotten. */
void client_free(struct client *c);

/* Sends a request with these members of a body (JSON, without braces and msg_id). It must not be waiting. Borrows members. */
void client_request(struct client *c, struct slice members, uint64_t timeout_ns);

/* Leaves the network and comes back as a new client: what is still under way to it is lost. */
void client_renew(struct client *c);

bool client_waits(const struct client *c);

#endif
