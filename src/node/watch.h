/* For who watches the Raft groups of a whole cluster from outside (raft/watch.h): a simulator. Nothing here may change what the node does.
 */
#ifndef VORTEX_NODE_WATCH_H
#define VORTEX_NODE_WATCH_H

#include "base/slice.h"
#include "raft/raft.h"

struct node_group;

struct node_watch {
  void *self; /* given back as first argument of each function */

  /* How often the state itself goes into the outcome: at every index that is a multiple of this. 0 = never. */
  uint64_t state_every;

  /* As the functions of raft/watch.h; `id` is the member's (node_raft_id). `hash` gives a hash of an entry's canonical bytes. */
  void (*started)(void *self, struct slice group, const struct raft *r, const struct raft_recovered *recovered, uint64_t id,
                  uint64_t (*hash)(void *arg, uint64_t index), void *arg);
  void (*stepped)(void *self, struct slice group, uint64_t id, const struct raft_status *before, const struct raft_event *event,
                  const struct raft_update *update);
  void (*sent)(void *self, struct slice group, uint64_t id, const struct raft_message *message);
  void (*applied)(void *self, struct slice group, uint64_t id, uint64_t index, uint64_t term, uint64_t outcome);
  void (*restored)(void *self, struct slice group, uint64_t id, uint64_t index, uint64_t outcome);

  /* A command of a session took effect, and is none that was skipped: (session, sequence) is seen once per replica and index, and always
   * at the same index. */
  void (*effect)(void *self, struct slice group, uint64_t id, uint64_t session, uint64_t sequence, uint64_t index);

  /* The node frees the core: `r` is not to be looked at any more. */
  void (*ended)(void *self, struct slice group, uint64_t id);
};

#endif
