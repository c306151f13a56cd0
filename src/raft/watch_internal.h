/* The inside of a watch: what watch*.c share. Private to raft. */
#ifndef VORTEX_RAFT_WATCH_INTERNAL_H
#define VORTEX_RAFT_WATCH_INTERNAL_H

#include "raft/watch.h"
#include "raft/watch_log.h"

struct watch_ballot {
  uint64_t term;
  uint64_t candidate;
};

struct watch_read {
  uint64_t context;
  uint64_t floor; /* what was committed then */
};

struct watch_member {
  uint64_t id;
  const struct raft *raft; /* NULL = not alive */
  raft_watch_hash_fn hash;
  void *arg;
  uint64_t start; /* how many lives there were, with this one */
  struct watch_log log;

  struct watch_ballot *ballots; /* votes that left it, ascending terms */
  size_t ballot_cap;
  size_t ballot_count;

  struct watch_read *reads;
  size_t read_cap;
  size_t read_head;
  size_t read_count;
  uint64_t read_context;

  enum raft_role role;
  uint64_t commit;
  uint64_t applied;
};

struct raft_watch {
  struct watch_member **members;
  size_t member_cap;
  size_t member_count;
  struct chain chain;
  struct raft_watch_stats stats;
  char failure[400]; /* "" = none */
};

/* NULL = never seen. */
struct watch_member *watch_find(const struct raft_watch *w, uint64_t id);

/* Keeps the first violation. index 0 = it is about none. */
__attribute__((format(printf, 4, 5))) void watch_fail(struct raft_watch *w, const struct watch_member *m, uint64_t index,
                                                      const char *format, ...);

static inline bool watch_failed(const struct raft_watch *w)
{
  return w->failure[0] != '\0';
}

/* Whom a member is known to have voted for; 0 = nobody. */
uint64_t watch_ballot_of(const struct watch_member *m, uint64_t term);

/* A vote that counts; two in one term are a violation. */
void watch_cast_ballot(struct raft_watch *w, struct watch_member *m, uint64_t term, uint64_t candidate);

/* What a status says of the log and of the configurations is true of what was appended. */
void watch_check_status(struct raft_watch *w, const struct watch_member *m, const struct raft_status *now);
void watch_check_configuration(struct raft_watch *w, const struct watch_member *m, const struct raft_status *now, bool compare);

#endif
