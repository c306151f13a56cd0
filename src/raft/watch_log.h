/* A member's log as a watch sees it: what it is, and what of it is durable. Terms only; the chain knows the rest.
 *
 * Index 1 is always there: entries before a snapshot are those that were committed. Functions that judge return NULL, or what is wrong,
 * for a person, and put the index that it is about into *at. */
#ifndef VORTEX_RAFT_WATCH_LOG_H
#define VORTEX_RAFT_WATCH_LOG_H

#include "raft/watch.h"
#include "raft/watch_chain.h"

struct watch_unit {
  uint64_t sequence;
  uint64_t truncate_from;
  bool hard;
  uint64_t term;
  uint64_t vote;
  bool reset;
  uint64_t snapshot; /* 0 = none */
  uint64_t first;
  size_t count;
  size_t at; /* of the first term in unit_terms */
};

struct watch_log {
  bool lived; /* the rest is what a life has left behind */

  uint64_t *terms;
  size_t term_cap;
  uint64_t last;
  uint64_t *durable_terms;
  size_t durable_cap;
  uint64_t durable_last;

  uint64_t term;
  uint64_t vote;
  uint64_t durable_term;
  uint64_t durable_vote;
  uint64_t snapshot;
  uint64_t durable_snapshot;
  uint64_t sequence;
  uint64_t persisted;

  struct watch_unit *units; /* that are not durable: unit_head … unit_count - 1 */
  size_t unit_cap;
  size_t unit_head;
  size_t unit_count;
  uint64_t *unit_terms;
  size_t unit_term_cap;
  size_t unit_term_count;

  struct chain_configuration base;            /* at the beginning of the log */
  struct chain_configuration *configurations; /* that entries after it have made */
  size_t configuration_cap;
  size_t configuration_count;
};

void watch_log_free(struct watch_log *l);

/* Judges what a member comes back with by what it left behind, and makes that the log. */
const char *watch_log_recover(struct watch_log *l, struct chain *c, const struct raft_recovered *recovered, raft_watch_hash_fn hash,
                              void *arg, uint64_t *at);

/* Judges an append by itself and by what is known of its entries, and makes it. */
const char *watch_log_append(struct watch_log *l, struct chain *c, const struct raft_append *a, raft_watch_hash_fn hash, void *arg,
                             uint64_t *at);

/* Makes units durable through a sequence. */
void watch_log_persist(struct watch_log *l, const struct chain *c, uint64_t sequence);

static inline uint64_t watch_log_term(const struct watch_log *l, uint64_t index)
{
  return index - 1 < l->last ? l->terms[index - 1] : 0;
}

/* Whether the entry of this index and term is durable. */
static inline bool watch_log_holds(const struct watch_log *l, uint64_t index, uint64_t term)
{
  return index == 0 || (index <= l->durable_last && chain_same(l->durable_terms[index - 1], term));
}

/* The configuration of the newest entry up to an index that makes one. */
struct chain_configuration watch_log_configuration(const struct watch_log *l, uint64_t index);

#endif
