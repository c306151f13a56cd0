/* What a watch knows of the cluster as a whole: every entry that anybody ever had, the one committed sequence, who led when.
 *
 * An entry is known by index and term, and by the term of the entry before it. So if every pair of index and term has one predecessor
 * (chain_entry sees to it), equal pairs stand for equal logs up to there (log matching, paper 5.3), and comparing logs is comparing terms.
 * Term 0 is "not known": a watch may start on a cluster that has a past. */
#ifndef VORTEX_RAFT_WATCH_CHAIN_H
#define VORTEX_RAFT_WATCH_CHAIN_H

#include "raft/raft.h"

/* An entry. The first one of an index lies in the array, others hang on it. */
struct chain_cell {
  uint64_t term; /* 0 = free */
  uint64_t prev_term;
  uint64_t hash;
  uint32_t size;
  uint8_t type;
  struct raft_configuration *configuration; /* owned; NULL if it makes none */
  struct chain_cell *next;
};

/* A configuration, and the entry that made it; 0 = the first one. */
struct chain_configuration {
  uint64_t index;
  const struct raft_configuration *configuration;
};

/* One term's leader. */
struct chain_reign {
  uint64_t term;
  uint64_t id;
  uint64_t start;     /* which of the member's lives */
  uint64_t committed; /* newest index known to have been committed in this term or an earlier one */
};

struct chain {
  struct chain_cell *cells; /* of index 1, 2, … */
  size_t cell_cap;
  size_t cell_count;

  uint64_t *committed; /* terms, of index 1, 2, … */
  size_t committed_cap;
  size_t committed_count;

  uint64_t *outcomes; /* of index 1, 2, …; 0 = not known */
  size_t outcome_cap;
  size_t outcome_count;

  struct chain_configuration *configurations; /* committed ones, ascending */
  size_t configuration_cap;
  size_t configuration_count;

  struct raft_configuration **firsts; /* owned: configurations that no entry has made */
  size_t first_cap;
  size_t first_count;

  struct chain_reign *reigns; /* ascending terms */
  size_t reign_cap;
  size_t reign_count;
};

void chain_init(struct chain *c);
void chain_free(struct chain *c);

/* Whether two terms may be of the same entry of one index. */
static inline bool chain_same(uint64_t a, uint64_t b)
{
  return a == b || a == 0 || b == 0;
}

/* Term of a committed entry; 0 = not known, or not committed. */
static inline uint64_t chain_committed_term(const struct chain *c, uint64_t index)
{
  return index - 1 < c->committed_count ? c->committed[index - 1] : 0;
}

/* Whether two configurations are the same; NULL is one without members. */
bool chain_equal(const struct raft_configuration *a, const struct raft_configuration *b);

/* Takes note of an entry. NULL, or what is known differently, for a person. Copies the configuration. */
const char *chain_entry(struct chain *c, uint64_t index, uint64_t prev_term, uint64_t hash, const struct raft_entry *e);

/* A noted entry; NULL = never seen. Valid until the next is noted. */
const struct chain_cell *chain_find(const struct chain *c, uint64_t index, uint64_t term);

/* The log with these terms of index 1, 2, … is committed through `index`. False: something else is. */
bool chain_commit(struct chain *c, const uint64_t *terms, uint64_t index);

/* A log begins with a snapshot of committed state. False: something else is committed. */
bool chain_begins(struct chain *c, uint64_t index, uint64_t term, uint64_t made_at, const struct raft_configuration *configuration);

/* The committed configuration at an index; false = none is known. */
bool chain_configuration_at(const struct chain *c, uint64_t index, struct chain_configuration *out);

/* Takes note of an outcome. False: another one is known. 0 is compared with nothing. */
bool chain_outcome(struct chain *c, uint64_t index, uint64_t outcome);

/* The reign of a term, or NULL. Valid until the next one begins. */
const struct chain_reign *chain_reign(const struct chain *c, uint64_t term);

/* A reign that begins. There is none of this term. What earlier ones are known to have committed. */
uint64_t chain_enthrone(struct chain *c, uint64_t term, uint64_t id, uint64_t start);

/* The leader of a term has committed through an index. */
void chain_reigned(struct chain *c, uint64_t term, uint64_t index);

#endif
