/* Members by name and by the number under which the core knows them. */
#include <stdlib.h>

#include "node/raft_internal.h"

uint64_t node_raft_id(struct slice name)
{
  uint64_t id = mix_bytes(UINT64_C(0x72616674), name);
  return id == 0 ? 1 : id;
}

struct slice groups_name(const struct groups *gs, uint64_t id)
{
  const struct known *known = map_get(&gs->names, id);
  return known == NULL ? slice_of("", 0) : slice_of(known->name, known->len);
}

uint64_t groups_learn(struct groups *gs, struct slice name)
{
  uint64_t id = node_raft_id(name);
  const struct known *known = map_get(&gs->names, id);
  if (known != NULL) {
    return slice_equal(slice_of(known->name, known->len), name) ? id : 0;
  }
  if (name.len == 0 || name.len > NODE_NAME_MAX_BYTES || gs->names.len >= GROUP_NAMES_MAX) {
    return 0;
  }
  struct known *one = memory_must(malloc(sizeof *one + name.len));
  one->len = name.len;
  memcpy(one->name, name.ptr, name.len);
  map_put(&gs->names, id, one);
  return id;
}
