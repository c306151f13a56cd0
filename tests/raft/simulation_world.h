/* The inside of the simulation: what simulation*.c share. */
#ifndef VORTEX_TESTS_RAFT_SIMULATION_WORLD_H
#define VORTEX_TESTS_RAFT_SIMULATION_WORLD_H

#include "base/heap.h"
#include "base/prng.h"
#include "raft/raft.h"
#include "raft/watch.h"
#include "simulation.h"

#define MS           UINT64_C(1000000)
#define PAUSE_MAX_NS (600 * MS)

enum {
  PEOPLE_MAX = 12, /* members, and those who may become members */
};

/* An entry as a host knows it: a number stands for its bytes. */
struct item {
  uint64_t term;
  uint64_t token;
  uint32_t size;
  uint8_t type;
  const struct raft_configuration *configuration;
};

/* A snapshot: immutable, and as long as the world. */
struct blob {
  uint64_t index;
  uint64_t term;
  uint64_t size;
  uint64_t state;
  uint64_t made_at;
  const struct raft_configuration *configuration;
};

/* A raft_append on its way to the disk. */
struct unit {
  uint64_t sequence;
  uint64_t truncate_from;
  bool hard;
  uint64_t term;
  uint64_t vote;
  bool reset;
  const struct blob *blob; /* of a snapshot, else NULL */
  uint64_t first_kept;
  uint64_t first;
  size_t count;
  size_t at; /* in unit_items */
};

enum happening_type {
  DELIVER, /* a message, from here on */
  WAKE,
  WRITTEN, /* what was being written is on the disk */
  REPORT,  /* and the member is told */
  INSTALLED,
  SNAPPED, /* a snapshot that was taken is durable */
  APPLY,
  RESTART,
  TROUBLE, /* the nemesis acts */
  ERRAND,  /* the operator acts */
  LOAD,    /* the clients act */
};

struct happening {
  struct heap_entry entry; /* deadline: world time */
  enum happening_type type;
  size_t who;
  uint64_t life; /* of `who`; another life does not see it */
  uint64_t sequence;
  const struct blob *blob;

  struct raft_message message;
  struct raft_entry *entries; /* room, reused */
  uint64_t *tokens;
  size_t entry_cap;
  size_t token_cap;
  struct happening *next; /* in the pool, or in a queue of held messages */
};

struct proposal {
  uint64_t index;
  uint64_t term;
  uint64_t token;
};

struct waiting_read {
  uint64_t context;
  uint64_t begun_ns;
};

struct person {
  size_t place;
  uint64_t id;
  struct raft *raft; /* NULL = down */
  uint64_t life;
  bool stays_down;
  bool founder; /* starts with the first configuration */
  uint64_t paused_until;
  struct raft_status status; /* after the last step */

  struct item *log; /* index 1 at 0 */
  size_t log_cap;
  uint64_t last;
  struct item *disk;
  size_t disk_cap;
  uint64_t disk_last;
  uint64_t disk_floor; /* entries before it are gone for certain */
  uint64_t disk_first; /* entries before it can go */
  uint64_t disk_term;
  uint64_t disk_vote;
  const struct blob *disk_blob;

  struct unit *units; /* unit_head … unit_count - 1 are not on the disk */
  size_t unit_cap;
  size_t unit_head;
  size_t unit_count;
  struct item *unit_items;
  size_t unit_item_cap;
  size_t unit_item_count;
  uint64_t appended;
  uint64_t writing; /* through this sequence; 0 = idle */
  uint64_t written;
  uint64_t reported;
  uint64_t disk_ns; /* how long a write takes at most */
  bool full;

  struct happening *held; /* messages that wait for the disk, in order */
  struct happening **held_end;

  uint64_t applied;
  uint64_t state;
  uint64_t applying_until; /* the state machine is busy */
  const struct blob *blob; /* its newest snapshot */
  const struct blob *snapping;
  const struct blob *incoming; /* a snapshot of which this much is there */
  uint64_t incoming_bytes;
  uint64_t installs; /* that are under way */

  uint64_t clock_base;  /* local time, from 1 s on */
  uint64_t clock_world; /* world time at which the clock showed clock_base */
  uint64_t clock_rate;  /* in 1024ths */
  uint64_t wake_at;     /* of the earliest WAKE that is due; UINT64_MAX = none */
  unsigned idle_wakes;

  uint64_t context;
  struct waiting_read *reads;
  size_t read_cap;
  size_t read_count;
  struct proposal *proposals;
  size_t proposal_cap;
  size_t proposal_head;
  size_t proposal_count;
};

/* What a seed makes of the world. Times in ns, chances in 1024ths. */
struct knobs {
  size_t initial;
  size_t people;
  struct raft_config config;
  uint64_t net_min_ns;
  uint64_t net_max_ns;
  uint64_t late_max_ns;
  uint32_t late;
  uint32_t loss;
  uint32_t chunk_loss;
  uint32_t repeat;
  uint64_t disk_ns;
  uint64_t slow_disk_ns;
  uint32_t slow_report; /* PERSISTED comes long after it is so */
  uint32_t bad_install;
  uint64_t trouble_ns; /* between two acts of the nemesis, on average */
  uint64_t errand_ns;
  uint64_t load_ns;
  uint32_t entry_size;
  uint32_t burst; /* commands of one proposal, at most */
  uint32_t snapshot_size;
  uint32_t weights[20]; /* of what the nemesis and the operator do */
  uint64_t round_steps;
};

struct world {
  const struct simulation_options *options;
  struct simulation_result *result;
  struct prng random;
  uint64_t now;
  struct heap heap;
  struct happening *pool;
  struct raft_watch *watch;
  struct knobs knobs;
  bool turmoil;                     /* faults happen */
  bool load;                        /* clients act */
  bool cut[PEOPLE_MAX][PEOPLE_MAX]; /* from, to */
  struct person people[PEOPLE_MAX];
  struct raft_configuration first; /* of those who found the cluster */

  struct raft_configuration **configurations; /* every one that was ever seen, once */
  size_t configuration_cap;
  size_t configuration_count;
  struct blob **blobs;
  size_t blob_cap;
  size_t blob_count;
  uint64_t *acknowledged; /* tokens, by index - 1 */
  size_t acknowledged_cap;
  size_t acknowledged_count;
  uint64_t next_token;
  struct happening **all; /* everything that the pool ever made */
  size_t all_cap;
  size_t all_count;

  char (*trace)[240]; /* a ring of lines; NULL = none is kept */
  size_t trace_count;
};

/* ---- simulation.c ---- */

/* Ends the run: the first failure counts. */
__attribute__((format(printf, 2, 3))) void simulation_fail(struct world *w, const char *format, ...);
bool simulation_failed(const struct world *w);

/* A fresh happening, zeroed but for its room, to be given to simulation_at or simulation_drop. */
struct happening *simulation_happening(struct world *w, enum happening_type type, const struct person *p);
void simulation_at(struct world *w, struct happening *h, uint64_t time);
void simulation_drop(struct world *w, struct happening *h);

/* True this often, in 1024ths; a number from lo to hi. */
static inline bool simulation_chance(struct world *w, uint32_t of_1024)
{
  return of_1024 > 0 && (prng_next(&w->random) & 1023) < of_1024;
}
uint64_t simulation_between(struct world *w, uint64_t lo, uint64_t hi);

const struct raft_configuration *simulation_keep(struct world *w, const struct raft_configuration *c);

/* ---- simulation_person.c ---- */

void simulation_start(struct world *w, struct person *p);
void simulation_crash(struct world *w, struct person *p);
int simulation_step(struct world *w, struct person *p, struct raft_event *e, const uint64_t *tokens, const struct happening *h);
void simulation_apply(struct world *w, struct person *p);
void simulation_happen(struct world *w, struct person *p, struct happening *h);
uint64_t simulation_clock(const struct world *w, const struct person *p);
void simulation_arm(struct world *w, struct person *p);
void simulation_set_clock(struct world *w, struct person *p, uint64_t ahead_ns, uint64_t rate);

/* A snapshot of the state as it is now: durable a little later. */
void simulation_snap(struct world *w, struct person *p);

/* Proposes commands; their first token. 0 or the core's refusal. */
int simulation_propose(struct world *w, struct person *p, size_t count, uint32_t size_max, uint64_t *token);
void simulation_read(struct world *w, struct person *p);

/* ---- simulation_disk.c ---- */

/* Takes over what is to be appended; bytes of its entries are found in `tokens`, or are the core's own. */
void simulation_append(struct world *w, struct person *p, const struct raft_append *a, const uint64_t *tokens, const struct blob *blob);
void simulation_write(struct world *w, struct person *p);
void simulation_written(struct world *w, struct person *p, uint64_t sequence);

/* What the disk holds after a crash, maybe with more than was reported; the log becomes that. */
void simulation_lose(struct world *w, struct person *p);
void simulation_wipe(struct person *p);
void simulation_recover(struct world *w, struct person *p, struct raft_recovered *out, struct raft_entry **entries);

/* ---- simulation_net.c ---- */

void simulation_send(struct world *w, struct person *p, struct happening *h);
void simulation_take_entries(struct world *w, struct person *p, struct happening *h);

/* ---- simulation_trouble.c ---- */

void simulation_choose(struct world *w);
void simulation_trouble(struct world *w);
void simulation_errand(struct world *w);
void simulation_load(struct world *w);
void simulation_heal(struct world *w);
void simulation_cut(struct world *w, const struct person *a, bool in, bool out);

/* ---- simulation_life.c ---- */

/* Runs the world on until a time. */
void simulation_until(struct world *w, uint64_t time);
void simulation_prove_life(struct world *w);

/* ---- simulation_trace.c ---- */

void simulation_trace_event(struct world *w, const struct person *p, const struct raft_event *e, int error);
void simulation_trace_update(struct world *w, const struct person *p, const struct raft_update *u);
__attribute__((format(printf, 2, 3))) void simulation_trace(struct world *w, const char *format, ...);
void simulation_trace_print(const struct world *w, FILE *to);

#endif
