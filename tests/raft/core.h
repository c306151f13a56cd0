/* One core under test, with a log that the test makes durable when it likes and a post that the test carries.
 *
 * core_start, then core_… until core_stop. Every step is checked on its way: raft_check, sequence numbers without gaps, an empty update
 * on refusal, what is appended against what the event brought, the core's view of its log against the log that its appends make. A broken
 * rule fails the cmocka test that is running.
 *
 * Messages wait in `held` until the log is durable through their `after` and are in `sent` from then on, until core_clear. Appends are
 * durable when core_persist says so, or at once if `auto_persist`. Times move only by core_time. */
#ifndef VORTEX_TESTS_RAFT_CORE_H
#define VORTEX_TESTS_RAFT_CORE_H

#include "base/error.h"
#include "cmocka_all.h"
#include "raft/raft.h"
#include "raft/watch.h"

enum {
  CORE_TEXT_MAX = 16,
  CORE_ENTRIES_MAX = 2048,
};

#define MS(n)     ((uint64_t)(n)*1000000)
#define TIMEOUT   MS(300) /* the default election timeout */
#define HEARTBEAT MS(100)

struct core_entry {
  uint64_t term;
  uint32_t size;
  uint8_t type;
  char text[CORE_TEXT_MAX]; /* its bytes, as far as tests care */
  const struct raft_configuration *configuration;
};

/* What a log holds. */
struct core_image {
  uint64_t term;
  uint64_t vote;
  uint64_t snapshot_index;
  uint64_t snapshot_term;
  uint64_t snapshot_size;
  uint64_t configuration_index;
  const struct raft_configuration *configuration; /* at the snapshot, or the first one */
  uint64_t first;
  uint64_t first_prev_term;
  size_t count;
  struct core_entry entries[CORE_ENTRIES_MAX];
};

/* A message with its entries. */
struct core_message {
  struct raft_message m;
  struct core_entry *entries; /* owned */
};

struct core_post {
  struct core_message *at;
  size_t count;
  size_t cap;
};

/* An append that is not durable yet. */
struct core_unit {
  struct raft_append a;
  uint64_t snapshot_size;
  uint64_t configuration_index;
  const struct raft_configuration *configuration;
  struct core_entry *entries; /* owned */
};

struct core {
  struct raft_config config;
  struct raft *r;
  uint64_t now;
  bool auto_persist;
  struct core_image log;  /* with everything that was appended */
  struct core_image disk; /* what would be there after a crash */
  struct core_unit units[CORE_ENTRIES_MAX];
  size_t unit_count;
  uint64_t sequence;
  uint64_t persisted;
  struct core_post held;
  struct core_post sent;
  struct core_unit mark; /* a snapshot that is to become the beginning of the log */
  uint64_t context;      /* of the newest read */
  uint64_t applied;
  struct raft_watch *watch; /* borrowed; looks on if it is there */

  /* The last step. */
  int error;
  struct raft_update u;
};

/* A member `id` of a new cluster of these voters: an empty log, default times, durable at once. */
void core_start(struct core *c, uint64_t id, const uint64_t *voters, size_t count);
#define core_start_of(c, id, ...)                                                                                                          \
  core_start(c, id, (const uint64_t[]){__VA_ARGS__}, sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

/* A member whose log holds entries of these terms. config.id must be set, what else is 0 has its default. */
struct core_given {
  struct raft_config config;
  struct raft_configuration configuration;
  uint64_t term; /* 0 = that of the last entry */
  uint64_t vote;
  const uint64_t *terms;
  size_t count;
  const struct raft_configuration *appended; /* by an entry that follows, of the last one's term; NULL = none */
  struct raft_watch *watch;
};
void core_start_given(struct core *c, const struct core_given *given);
#define TERMS(...) .terms = (const uint64_t[]){__VA_ARGS__}, .count = sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t)

void core_stop(struct core *c);

/* Ends the process; what is not durable is lost. */
void core_crash(struct core *c);
void core_restart(struct core *c);

/* Takes a step now. `bytes`: the event's entries with their texts, or NULL. Returns the step's error. */
int core_step(struct core *c, struct raft_event *event, const struct core_entry *bytes);

/* Moves the clock, and steps. */
void core_time(struct core *c, uint64_t ns);

/* Moves the clock to the core's deadline, and steps. */
void core_deadline(struct core *c);

/* The log is durable through everything appended, or through a sequence. */
void core_persist(struct core *c);
void core_persist_through(struct core *c, uint64_t sequence);

int core_receive(struct core *c, const struct raft_message *m);
int core_deliver(struct core *c, const struct core_message *m);
int core_propose(struct core *c, const char *text);
int core_propose_all(struct core *c, const char *const *texts, size_t count);
int core_propose_sized(struct core *c, uint32_t size, size_t count); /* so many entries of that size, at once */
int core_change(struct core *c, const struct raft_configuration *to);
int core_transfer(struct core *c, uint64_t to);
int core_snapshot(struct core *c, uint64_t index, uint64_t size);
int core_install(struct core *c, uint64_t index, bool ok);
int core_capacity(struct core *c, bool full);
uint64_t core_read(struct core *c); /* returns the context */

/* ---- messages to a follower ---- */

struct core_append {
  uint64_t from;
  uint64_t term;
  uint64_t prev_index;
  uint64_t prev_term;
  uint64_t commit;
  const uint64_t *terms; /* of the entries, commands of 8 bytes; TERMS(…) */
  size_t count;
  uint64_t session; /* 0 = one for each (from, term) */
  uint64_t round;
};
int core_append(struct core *c, const struct core_append *a);
#define core_append_of(c, ...) core_append(c, &(struct core_append){__VA_ARGS__})

struct core_ask {
  uint64_t from;
  uint64_t term;
  uint64_t last_index;
  uint64_t last_term;
  bool pre;
  bool transfer;
};
int core_ask(struct core *c, const struct core_ask *a);
#define core_ask_of(c, ...) core_ask(c, &(struct core_ask){__VA_ARGS__})

void core_vote(struct core *c, uint64_t from, uint64_t term, bool pre, bool granted);

/* ---- what came of it ---- */

/* The newest message of a type to somebody (0 = anybody) that has left since core_clear, or NULL. */
const struct raft_message *core_sent(const struct core *c, enum raft_message_type type, uint64_t to);
size_t core_sent_count(const struct core *c, enum raft_message_type type, uint64_t to);
void core_clear(struct core *c);

/* Fails if there is none. */
const struct raft_message *core_must_send(const struct core *c, enum raft_message_type type, uint64_t to);

/* Whether an acknowledgement through this index or a later one has left, in the current term. */
bool core_acknowledged(const struct core *c, uint64_t index);

struct raft_status core_status(const struct core *c);
struct raft_peer_status core_peer(const struct core *c, uint64_t id); /* fails if there is none */

/* ---- a leader and obliging others ---- */

/* Answers what has left to this one, as a member would that has everything, and forgets it. Returns how much that was. */
size_t core_oblige(struct core *c, uint64_t id);

/* Obliges everybody until nothing is left to answer. */
void core_oblige_all(struct core *c);

/* Accepts, or rejects, one append. */
void core_accept(struct core *c, const struct raft_message *append);
void core_reject(struct core *c, const struct raft_message *append, uint64_t hint, uint64_t hint_term);

/* Campaigns, gets all the votes: leader, its no-op not yet answered by anybody. */
void core_elect(struct core *c);

/* And all that it has is committed; nothing is under way. */
void core_lead(struct core *c);

/* ---- configurations ---- */

struct raft_configuration core_voters(const uint64_t *ids, size_t count);
#define voters_of(...) core_voters((const uint64_t[]){__VA_ARGS__}, sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

/* A copy that holds until the end of the program. */
const struct raft_configuration *core_keep(const struct raft_configuration *c);

uint64_t core_incarnation_of(uint64_t id); /* the one that obliging members have */

/* ---- parts that traces use as well ---- */

void core_post_add(struct core_post *post, const struct raft_message *m, const struct core_entry *entries);
void core_post_take(struct core_post *post, size_t i, struct core_message *out); /* out owns it then */
void core_post_clear(struct core_post *post);
uint64_t core_image_last(const struct core_image *image);
const struct core_entry *core_image_entry(const struct core_image *image, uint64_t index); /* NULL = not there */

#endif
