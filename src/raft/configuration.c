/* Who the members are. */
#include <string.h>

#include "raft/raft.h"

bool raft_configuration_is_joint(const struct raft_configuration *c)
{
  for (size_t i = 0; i < c->count; i++) {
    if (c->members[i].voice & RAFT_OLD_VOTER) {
      return true;
    }
  }
  return false;
}

/* Where a member is, or would be. */
static size_t place(const struct raft_configuration *c, uint64_t id)
{
  size_t i = 0;
  while (i < c->count && c->members[i].id < id) {
    i++;
  }
  return i;
}

const struct raft_member *raft_configuration_find(const struct raft_configuration *c, uint64_t id)
{
  size_t i = place(c, id);
  return i < c->count && c->members[i].id == id ? &c->members[i] : NULL;
}

bool raft_configuration_set(struct raft_configuration *c, uint64_t id, uint8_t voice)
{
  size_t i = place(c, id);
  if (i == c->count || c->members[i].id != id) {
    if (c->count == RAFT_MEMBERS_MAX) {
      return false;
    }
    memmove(&c->members[i + 1], &c->members[i], (c->count - i) * sizeof c->members[0]);
    c->count++;
  }
  c->members[i] = (struct raft_member){.id = id, .voice = voice};
  return true;
}

void raft_configuration_remove(struct raft_configuration *c, uint64_t id)
{
  size_t i = place(c, id);
  if (i < c->count && c->members[i].id == id) {
    c->count--;
    memmove(&c->members[i], &c->members[i + 1], (c->count - i) * sizeof c->members[0]);
  }
}
