#include "node/party.h"

#include <stdlib.h>

#include "base/assert.h"

static struct party *add(struct parties *p, struct slice name, enum party_kind kind)
{
  struct party *party = calloc(1, sizeof *party + name.len);
  if (party == NULL) {
    abort();
  }
  party->kind = kind;
  party->name_len = name.len;
  memcpy(party->name, name.ptr, name.len);
  struct party *before = dict_put(&p->by_name, name, party);
  assert(before == NULL);
  (void)before;
  return party;
}

static void unlink_client(struct parties *p, struct party *party)
{
  *(party->newer != NULL ? &party->newer->older : &p->newest) = party->older;
  *(party->older != NULL ? &party->older->newer : &p->oldest) = party->newer;
  party->newer = NULL;
  party->older = NULL;
  p->client_count--;
}

static void link_newest(struct parties *p, struct party *party)
{
  party->newer = NULL;
  party->older = p->newest;
  *(p->newest != NULL ? &p->newest->newer : &p->oldest) = party;
  p->newest = party;
  p->client_count++;
}

void parties_init(struct parties *p, size_t clients_max)
{
  *p = (struct parties){.clients_max = clients_max};
  dict_init(&p->by_name);
  add(p, SLICE("lin-kv"), PARTY_SERVICE);
  add(p, SLICE("seq-kv"), PARTY_SERVICE);
  add(p, SLICE("lww-kv"), PARTY_SERVICE);
  add(p, SLICE("lin-tso"), PARTY_SERVICE);
}

void parties_free(struct parties *p)
{
  for (size_t i = dict_next(&p->by_name, 0); i < p->by_name.cap; i = dict_next(&p->by_name, i + 1)) {
    struct party *party = p->by_name.slots[i].value;
    free(party->forwarded);
    free(party);
  }
  dict_free(&p->by_name);
  free(p->members);
}

void parties_add_member(struct parties *p, struct slice name)
{
  struct party *party = dict_get(&p->by_name, name);
  if (party == NULL) {
    party = add(p, name, PARTY_MEMBER);
  } else if (party->kind == PARTY_MEMBER) {
    return;
  } else if (party->kind == PARTY_CLIENT) {
    unlink_client(p, party);
  }
  party->kind = PARTY_MEMBER;
  if (p->member_count == p->member_cap) {
    p->member_cap = p->member_cap == 0 ? 8 : 2 * p->member_cap;
    p->members = realloc(p->members, p->member_cap * sizeof *p->members);
    if (p->members == NULL) {
      abort();
    }
  }
  p->members[p->member_count++] = party;
}

struct party *parties_find(const struct parties *p, struct slice name)
{
  return dict_get(&p->by_name, name);
}

static void forget_oldest(struct parties *p)
{
  struct party *party = p->oldest;
  while (party != NULL && party->refs > 0) {
    party = party->newer;
  }
  if (party != NULL) {
    unlink_client(p, party);
    dict_remove(&p->by_name, party_name(party));
    free(party);
  }
}

struct party *parties_heard(struct parties *p, struct slice name)
{
  struct party *party = dict_get(&p->by_name, name);
  if (party == NULL) {
    if (p->client_count >= p->clients_max) {
      forget_oldest(p);
    }
    party = add(p, name, PARTY_CLIENT);
    link_newest(p, party);
  } else if (party->kind == PARTY_CLIENT && p->newest != party) {
    unlink_client(p, party);
    link_newest(p, party);
  }
  party->heard = true;
  return party;
}
