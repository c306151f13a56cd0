/* The state of a run. Private to trial.c and facts.c. */
#ifndef VORTEX_LAB_TRIAL_STATE_H
#define VORTEX_LAB_TRIAL_STATE_H

#include "lab/client.h"
#include "lab/member.h"
#include "lab/record.h"
#include "lab/service.h"
#include "lab/trial.h"
#include "lab/watcher.h"
#include "lab/workload.h"

#define CRASHES_MAX 16

enum phase {
  PHASE_START,
  PHASE_LOAD,
  PHASE_DRAIN, /* what is in flight comes back; nothing new */
  PHASE_FINAL,
};

/* A request of the run itself to a node: init, or the workload's set-up. */
struct errand {
  struct trial *trial;
  struct errand *next;
  struct client *client;
  unsigned node;
  bool init;
  bool first;           /* the run waits for it */
  unsigned incarnation; /* of the node, when it was asked */
  unsigned pauses;
  bool done;
  bool ok;
};

/* One of the workload's clients. */
struct worker {
  struct trial *trial;
  struct client *client;
  unsigned index;
  unsigned node;
  uint64_t count;   /* of operations it was due for */
  uint64_t finals;  /* of tries of its final operation */
  uint64_t next_ns; /* when the next one is due */
  struct sim_event *due;
  bool done; /* in the final phase: served, or given up */
};

/* Something about a node that makes the run invalid. */
struct crash {
  unsigned node;
  const char *what;
  struct buf text;
};

struct trial {
  const struct lab_config *config;
  struct record record;
  struct sim *sim;
  struct services *services;
  struct watcher *watcher;
  struct members *members;
  struct workload *workload;
  struct sim_nemesis *nemesis;
  enum phase phase;
  uint64_t start_ns; /* of the load */
  uint64_t load_end_ns;
  uint64_t final_end_ns;
  uint64_t operations;
  unsigned names; /* of clients there have been */
  struct worker *workers;
  struct errand *errands;
  bool setup_failed;
  bool over;        /* the run ends now: consensus is broken, or a script ran away (each further handler would take as long) */
  unsigned waiting; /* errands that the run waits for */
  struct buf init_ids;
  bool *served; /* per node: it did something useful in the final phase */
  struct crash crashes[CRASHES_MAX];
  size_t crash_count;
  struct crash overflow; /* takes what is beyond CRASHES_MAX */
  struct script_cache *cache;
};

static inline const char *trial_node_name(struct trial *t, unsigned node)
{
  return sim_node_name(members_node(t->members, node));
}

/* facts.c */

/* Notes something about a node that makes the run invalid; the caller appends to its text. */
struct crash *facts_add_crash(struct trial *t, unsigned node, const char *what);

/* Notes the nodes that ended by themselves, or were stopped. */
void facts_collect_crashes(struct trial *t);

/* Pushes what the verdict rests on beside the history (lua/vortex/lab/trial.lua says what is in it): for workload_verdict, `arg` is the
 * struct trial. */
void facts_push(void *L, void *arg);

#endif
