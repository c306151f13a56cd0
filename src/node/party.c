#include "node/party.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "base/mix.h"

#define TABLE_MIN   16
#define BLOCK_BYTES 1000 /* with its head and malloc's own, just below 1 KiB */

/* The party of a client lies behind these. */
struct party_links {
  struct party_links *newer;
  struct party_links *older;
};

struct party_block {
  struct party_block *next;
  size_t used;
  char bytes[BLOCK_BYTES];
};

/* ---- by name ---- */

static inline uint32_t hash_of(struct slice name)
{
  return (uint32_t)mix_bytes(0, name);
}

/* Where the name is in the table, or the free place where it belongs. */
static inline size_t find(const struct parties *p, struct slice name, uint32_t hash)
{
  size_t mask = p->table_cap - 1;
  size_t i = hash & mask;
  const struct party *party;
  while ((party = p->table[i]) != NULL && !(party->hash == hash && slice_equal(party_name(party), name))) {
    i = (i + 1) & mask;
  }
  return i;
}

static void place(struct parties *p, struct party *party)
{
  size_t i = party->hash & (p->table_cap - 1);
  while (p->table[i] != NULL) {
    i = (i + 1) & (p->table_cap - 1);
  }
  p->table[i] = party;
}

static void insert(struct parties *p, struct party *party)
{
  if ((p->count + 1) * 2 > p->table_cap) {
    struct party **old = p->table;
    size_t old_cap = p->table_cap;
    p->table_cap = old_cap == 0 ? TABLE_MIN : 2 * old_cap;
    p->table = memory_must(calloc(p->table_cap, sizeof(struct party *)));
    for (size_t i = 0; i < old_cap; i++) {
      if (old[i] != NULL) {
        place(p, old[i]);
      }
    }
    free(old);
  }
  place(p, party);
  p->count++;
}

/* Leaves no gap between a party and its home: later ones of the run move up. */
static void take_out(struct parties *p, const struct party *party)
{
  size_t mask = p->table_cap - 1;
  size_t gap = find(p, party_name(party), party->hash);
  assert(p->table[gap] == party);
  for (size_t i = (gap + 1) & mask; p->table[i] != NULL; i = (i + 1) & mask) {
    if (((i - p->table[i]->hash) & mask) >= ((i - gap) & mask)) {
      p->table[gap] = p->table[i];
      gap = i;
    }
  }
  p->table[gap] = NULL;
  p->count--;
}

/* ---- memory ---- */

static void *block_alloc(struct parties *p, size_t size)
{
  size = (size + _Alignof(struct party) - 1) / _Alignof(struct party) * _Alignof(struct party);
  if (p->blocks == NULL || size > BLOCK_BYTES - p->blocks->used) {
    struct party_block *block = memory_must(malloc(sizeof *block));
    block->next = p->blocks;
    block->used = 0;
    p->blocks = block;
  }
  void *memory = p->blocks->bytes + p->blocks->used;
  p->blocks->used += size;
  return memory;
}

static struct party *add(struct parties *p, struct slice name, enum party_kind kind)
{
  assert(name.len <= UINT8_MAX);
  bool single = kind == PARTY_CLIENT;
  size_t size = offsetof(struct party, name) + name.len;
  size = size < sizeof(struct party) ? sizeof(struct party) : size;
  struct party *party =
      single ? (void *)((struct party_links *)memory_must(malloc(sizeof(struct party_links) + size)) + 1) : block_alloc(p, size);
  *party = (struct party){.hash = hash_of(name), .kind = (uint8_t)kind, .single = single, .name_len = (uint8_t)name.len};
  memcpy(party->name, name.ptr, name.len);
  insert(p, party);
  return party;
}

/* ---- clients ---- */

static struct party_links *links_of(struct party *party)
{
  assert(party->single);
  return (struct party_links *)(void *)party - 1;
}

static struct party *party_of(struct party_links *links)
{
  return (void *)(links + 1);
}

static void unlink_client(struct parties *p, struct party_links *links)
{
  *(links->newer != NULL ? &links->newer->older : &p->newest) = links->older;
  *(links->older != NULL ? &links->older->newer : &p->oldest) = links->newer;
  p->client_count--;
}

static void link_newest(struct parties *p, struct party_links *links)
{
  links->newer = NULL;
  links->older = p->newest;
  *(p->newest != NULL ? &p->newest->newer : &p->oldest) = links;
  p->newest = links;
  p->client_count++;
}

static void forget_oldest(struct parties *p)
{
  struct party_links *links = p->oldest;
  while (links != NULL && party_of(links)->refs > 0) {
    links = links->newer;
  }
  if (links != NULL) {
    unlink_client(p, links);
    take_out(p, party_of(links));
    free(links);
  }
}

/* ---- from outside ---- */

void parties_init(struct parties *p, size_t clients_max)
{
  *p = (struct parties){.clients_max = clients_max};
  add(p, SLICE("lin-kv"), PARTY_SERVICE);
  add(p, SLICE("seq-kv"), PARTY_SERVICE);
  add(p, SLICE("lww-kv"), PARTY_SERVICE);
  add(p, SLICE("lin-tso"), PARTY_SERVICE);
}

void parties_free(struct parties *p)
{
  for (size_t i = 0; i < p->table_cap; i++) {
    struct party *party = p->table[i];
    if (party != NULL) {
      free(party->forwarded);
      if (party->single) {
        free(links_of(party));
      }
    }
  }
  while (p->blocks != NULL) {
    struct party_block *block = p->blocks;
    p->blocks = block->next;
    free(block);
  }
  free(p->table);
  free(p->members);
}

void parties_add_member(struct parties *p, struct slice name)
{
  struct party *party = parties_find(p, name);
  if (party == NULL) {
    party = add(p, name, PARTY_MEMBER);
  } else if (party->kind == PARTY_MEMBER) {
    return;
  } else if (party->kind == PARTY_CLIENT) {
    unlink_client(p, links_of(party));
  }
  party->kind = PARTY_MEMBER;
  if (p->member_count == p->member_cap) {
    p->member_cap = p->member_cap == 0 ? 8 : 2 * p->member_cap;
    p->members = memory_must(realloc(p->members, p->member_cap * sizeof *p->members));
  }
  p->members[p->member_count++] = party;
}

struct party *parties_find(const struct parties *p, struct slice name)
{
  return p->table[find(p, name, hash_of(name))];
}

struct party *parties_heard(struct parties *p, struct slice name)
{
  struct party *party = parties_find(p, name);
  if (party == NULL) {
    if (p->client_count >= p->clients_max) {
      forget_oldest(p);
    }
    party = add(p, name, PARTY_CLIENT);
    link_newest(p, links_of(party));
  } else if (party->kind == PARTY_CLIENT && p->newest != links_of(party)) {
    unlink_client(p, links_of(party));
    link_newest(p, links_of(party));
  }
  party->heard = true;
  return party;
}
