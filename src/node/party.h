/* The parties a node may talk to: members, services, and the clients it has heard from. Private to node.
 *
 * Every name is known once. Members and services stay for good; of clients at most NODE_CLIENTS_MAX are remembered, and the one not heard
 * from for longest is forgotten first, unless an operation still refers to it. */
#ifndef VORTEX_NODE_PARTY_H
#define VORTEX_NODE_PARTY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/map.h"
#include "base/slice.h"
#include "node/window.h"

enum party_kind {
  PARTY_MEMBER,
  PARTY_SERVICE,
  PARTY_CLIENT,
};

struct party {
  enum party_kind kind;
  bool heard;               /* a message from it has arrived since init */
  struct window *forwarded; /* a member's forwarded requests that have been taken; NULL = none yet. Owned. */
  unsigned refs;            /* operations that refer to it; it is not forgotten while there are any */
  struct party *newer;      /* clients, in the order in which they were heard from */
  struct party *older;
  size_t name_len;
  char name[];
};

struct parties {
  struct dict by_name;
  struct party **members; /* in the order of init's node_ids */
  size_t member_count;
  size_t member_cap;
  struct party *newest;
  struct party *oldest;
  size_t client_count;
  size_t clients_max;
};

/* Knows the services of Maelstrom from the start. */
void parties_init(struct parties *p, size_t clients_max);
void parties_free(struct parties *p);

/* Adds a member; a name that is known already keeps its place. */
void parties_add_member(struct parties *p, struct slice name);

/* The party of that name, or NULL. */
struct party *parties_find(const struct parties *p, struct slice name);

/* Notes that `name` has sent a message: a name that is neither member nor service is a client. Returns the party. */
struct party *parties_heard(struct parties *p, struct slice name);

static inline struct slice party_name(const struct party *party)
{
  return slice_of(party->name, party->name_len);
}

#endif
