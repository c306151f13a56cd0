/* The parties a node may talk to: members, services, and the clients it has heard from. Private to node.
 *
 * Every name is known once. Members and services stay for good; of clients at most NODE_CLIENTS_MAX are remembered, and the one not heard
 * from for longest is forgotten first, unless an operation still refers to it. A party stays where it is in memory for as long as it is
 * known. A member costs about 50 bytes: a simulated cluster of a thousand nodes has a million of them. */
#ifndef VORTEX_NODE_PARTY_H
#define VORTEX_NODE_PARTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "node/window.h"

enum party_kind {
  PARTY_MEMBER,
  PARTY_SERVICE,
  PARTY_CLIENT,
};

struct party {
  struct window *forwarded; /* a member's forwarded requests that have been taken; NULL = none yet. Owned. */
  unsigned refs;            /* operations that refer to it; it is not forgotten while there are any */
  uint32_t hash;            /* of its name */
  uint8_t kind;             /* enum party_kind */
  bool heard;               /* a message from it has arrived since init */
  bool single;              /* it began as a client: in memory of its own, behind its links */
  uint8_t name_len;
  char name[];
};

struct party_links; /* a client's place in the order in which they were heard from */
struct party_block; /* memory of members and services */

struct parties {
  struct party **table; /* by name: open addressing, linear probing, load factor at most 1/2; NULL = free */
  size_t table_cap;     /* a power of two */
  size_t count;
  struct party_block *blocks;
  struct party **members; /* in the order of init's node_ids */
  size_t member_count;
  size_t member_cap;
  struct party_links *newest;
  struct party_links *oldest;
  size_t client_count;
  size_t clients_max;
};

/* Knows the services of Maelstrom from the start. */
void parties_init(struct parties *p, size_t clients_max);
void parties_free(struct parties *p);

/* Adds a member; a name that is known already keeps its place. Names have at most NODE_NAME_MAX_BYTES, here as below. */
void parties_add_member(struct parties *p, struct slice name);

/* The party of that name, or NULL. The name may be of any length. */
struct party *parties_find(const struct parties *p, struct slice name);

/* Notes that `name` has sent a message: a name that is neither member nor service is a client. Returns the party. */
struct party *parties_heard(struct parties *p, struct slice name);

static inline struct slice party_name(const struct party *party)
{
  return slice_of(party->name, party->name_len);
}

#endif
