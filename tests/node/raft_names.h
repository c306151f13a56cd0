/* What the tests of Raft's wire form share: a table of names, and random entries. */
#ifndef VORTEX_TESTS_RAFT_NAMES_H
#define VORTEX_TESTS_RAFT_NAMES_H

#include <stdio.h>
#include <string.h>

#include "base/mix.h"
#include "base/prng.h"
#include "cmocka_all.h"
#include "node/raft_wire.h"

enum {
  NAMES_MAX = 256
};

struct book {
  char names[NAMES_MAX][264];
  size_t count;
};

static inline uint64_t book_id(void *self, struct slice name)
{
  struct book *b = self;
  for (size_t i = 0; i < b->count; i++) {
    if (slice_equal(name, slice_of(b->names[i], strlen(b->names[i])))) {
      return mix_word(i + 1);
    }
  }
  assert_true(b->count < NAMES_MAX);
  assert_true(name.len < sizeof b->names[0]);
  memcpy(b->names[b->count], name.ptr, name.len);
  return mix_word(++b->count);
}

static inline struct slice book_name(void *self, uint64_t id)
{
  struct book *b = self;
  for (size_t i = 0; i < b->count; i++) {
    if (mix_word(i + 1) == id) {
      return slice_of(b->names[i], strlen(b->names[i]));
    }
  }
  return slice_of("", 0);
}

static struct book book;
static const struct wire_names names = {.self = &book, .name = book_name, .id = book_id};

static inline struct slice text_of(const char *text)
{
  return slice_of(text, strlen(text));
}

static inline uint64_t id_of(const char *name)
{
  return book_id(&book, text_of(name));
}

#define PROPOSAL "{\"below\":1,\"command\":{\"key\":1,\"value\":[2.5,null]},\"sequence\":2,\"session\":3}"

/* ---- random ---- */

static inline uint64_t any_number(struct prng *p)
{
  static const uint64_t extremes[] = {0,
                                      1,
                                      (UINT64_C(1) << 53) - 1,
                                      (UINT64_C(1) << 53) + 1,
                                      999999999999999999,
                                      1000000000000000000,
                                      INT64_MAX,
                                      (uint64_t)INT64_MAX + 1,
                                      UINT64_MAX - 1,
                                      UINT64_MAX};
  return prng_below(p, 3) == 0 ? extremes[prng_below(p, 10)] : prng_next(p) >> prng_below(p, 64);
}

static inline void any_configuration(struct prng *p, struct raft_configuration *c)
{
  c->count = 0;
  size_t members = prng_below(p, 8) == 0 ? RAFT_MEMBERS_MAX : prng_below(p, 6);
  while (c->count < members) {
    static const uint8_t voices[] = {RAFT_VOTER, RAFT_OLD_VOTER, RAFT_LEARNER, RAFT_VOTER | RAFT_OLD_VOTER, RAFT_LEARNER | RAFT_OLD_VOTER};
    char name[264];
    unsigned which = (unsigned)prng_below(p, 100);
    snprintf(name, sizeof name, which == 0 ? "%0255u" : which == 1 ? "\"\\\n\xc3\xa9\xf0\x9f\x98\x80%u" : "n%u", which);
    assert_true(raft_configuration_set(c, id_of(name), voices[prng_below(p, 5)]));
  }
}

/* Bytes of an entry, behind what is in `out`. */
static inline struct wal_entry any_entry(struct prng *p, struct buf *out)
{
  struct wal_entry e = {.term = any_number(p), .type = RAFT_COMMAND};
  size_t before = out->len;
  static const char *const commands[] = {"null",
                                         "[]",
                                         "-7",
                                         "\"\\u0001\\\\\xc3\xa9\"",
                                         "{\"key\":1,\"type\":\"write\",\"value\":2}",
                                         "{\"a\":{\"b\":[1.5,1e300,{}]},\"voters\":[1]}",
                                         "{\"sequence\":1,\"session\":2}"};
  struct wire_command command = {.session = any_number(p),
                                 .sequence = any_number(p),
                                 .below = any_number(p),
                                 .command = text_of(commands[prng_below(p, 7)]),
                                 .node = prng_below(p, 2) == 0 ? SLICE("n1") : SLICE("caf\xc3\xa9/1"),
                                 .nonce = any_number(p)};
  struct raft_configuration c;
  switch (prng_below(p, 6)) {
  case 0:
    e.type = RAFT_NOOP;
    break;
  case 1:
    e.type = RAFT_CONFIGURATION;
    any_configuration(p, &c);
    wire_encode_configuration(out, &c, &names);
    break;
  case 2:
    command.kind = WIRE_OPEN;
    wire_encode_command(out, &command);
    break;
  default:
    wire_encode_command(out, &command);
  }
  e.bytes.len = out->len - before;
  return e;
}

#endif
