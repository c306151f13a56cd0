/* What the files of the cluster (raft_cluster.h) share: members with their logs and disks, the post, and what is looked at after a step. */
#ifndef VORTEX_TESTS_FUZZ_RAFT_CLUSTER_WORLD_H
#define VORTEX_TESTS_FUZZ_RAFT_CLUSTER_WORLD_H

#include "raft/raft.h"

enum {
  MEMBERS_MAX = 8,
  INDEX_MAX = 1000,
  MAIL_MAX = 400,
  CHUNK = 7,
};

/* What a log holds, by index. */
struct image {
  uint64_t term;
  uint64_t vote;
  uint64_t snapshot_index;
  uint64_t snapshot_term;
  uint64_t snapshot_size;
  uint64_t configuration_index;
  const struct raft_configuration *configuration;
  uint64_t first;
  uint64_t last;
  struct raft_entry entries[INDEX_MAX + 1];
};

struct unit {
  struct raft_append a;
  struct raft_entry *entries;
  uint64_t snapshot_size;
  uint64_t configuration_index;
  const struct raft_configuration *configuration;
};

struct mail {
  struct raft_message m;
  struct raft_entry *entries;
};

struct post {
  struct mail *at;
  size_t count;
  size_t cap;
};

struct member {
  uint64_t id;
  struct raft *r; /* NULL: it is down */
  bool cut_off;   /* nothing gets through */
  uint64_t starts;
  struct image *log;
  struct image *disk;
  struct unit *units;
  size_t unit_count;
  size_t unit_cap;
  uint64_t persisted;
  struct post held;
  struct unit mark; /* of the snapshot that is under way */
  bool restoring;
  uint64_t received; /* bytes of the snapshot */
  uint64_t context;
  uint64_t began[INDEX_MAX]; /* the commit index of all when a read began, by context */
  uint64_t served;
};

struct kept {
  struct kept *next;
  struct raft_configuration configuration;
};

struct cluster {
  unsigned count;
  unsigned voters;
  uint64_t seed;
  uint64_t now;
  uint64_t steps;
  uint64_t commit;
  struct member members[MEMBERS_MAX];
  struct post post;
  struct kept *kept;
  uint64_t leaders[INDEX_MAX]; /* by term */
  struct raft_entry committed[INDEX_MAX + 1];
};

/* A copy that holds as long as the cluster. */
const struct raft_configuration *cluster_keep(struct cluster *c, const struct raft_configuration *configuration);

/* ---- the post ---- */

void cluster_put(struct post *post, struct mail mail);
struct mail cluster_take_out(struct post *post, size_t i);
void cluster_empty(struct post *post);

/* Sends what may leave, and holds the rest. */
void cluster_post(struct cluster *c, struct member *m, const struct raft_update *u);

/* ---- logs ---- */

void cluster_carry_out(struct image *log, const struct unit *unit);
void cluster_forget_units(struct member *m, size_t count);
void cluster_append(struct cluster *c, struct member *m, const struct raft_update *u);

/* What must hold after a step (CHECK). */
void cluster_check(struct cluster *c, const struct member *m, const struct raft_status *before, const struct raft_status *now);

#endif
