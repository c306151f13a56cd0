/* The workload of a run: the lab's own Lua state (arena 0), which makes the operations, keeps the history and reaches the verdict
 * (lua/vortex/lab/trial.lua and lua/vortex/workload).
 *
 * What Lua raises here is a broken test: the first such error is kept, and every later call does nothing. */
#ifndef VORTEX_LAB_WORKLOAD_H
#define VORTEX_LAB_WORKLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "lab/config.h"
#include "lab/trial.h"

struct script_cache;
struct workload;

/* What the workload asks of the run. */
struct workload_hooks {
  void *self;
  void (*request)(void *self, unsigned client, struct slice members); /* of the body, without braces and msg_id. Borrowed. */
  void (*leave)(void *self, unsigned client);                         /* the client goes, and a new one takes its place */
  uint64_t (*now)(void *self);                                        /* ns since the start */
  uint64_t (*random)(void *self, uint64_t a, uint64_t b);             /* a function of the seed and these */
};

/* Creates the Lua state and opens the workload. `names` are the nodes'. Borrows all but hooks. Returns owned. */
struct workload *workload_new(const struct lab_config *config, const struct workload_hooks *hooks, const char *const *names,
                              struct script_cache *cache);
void workload_free(struct workload *w);

/* What went wrong with the test itself; empty = nothing. */
struct slice workload_error(const struct workload *w);

uint64_t workload_reply_timeout_ns(const struct workload *w);
bool workload_has_final(const struct workload *w);

/* The members of the body of the request that node `index` gets before the load, in *out; false = none. */
bool workload_setup(struct workload *w, unsigned index, struct buf *out);

/* What the node answered to it; NULL = nothing in time. */
void workload_setup_done(struct workload *w, unsigned index, const struct slice *body);

/* A fault began or ended: goes into the history. `what` is as sim_observer.fault has it. */
void workload_nemesis(struct workload *w, bool begins, const char *what);

/* The client is due: it makes an operation through hooks.request, or none (false). */
bool workload_next(struct workload *w, unsigned client);
bool workload_final(struct workload *w, unsigned client);

/* What its request came to. True if the node did something useful. */
bool workload_reply(struct workload *w, unsigned client, struct slice body);
void workload_timeout(struct workload *w, unsigned client);

/* Judges the run: `facts` pushes its table of facts on the Lua stack (lua/vortex/lab/trial.lua says what is in it). Appends text and
 * reason. */
enum lab_verdict workload_verdict(struct workload *w, void (*facts)(void *L, void *arg), void *arg, struct buf *text, struct buf *reason);

/* The history as text: `form` is "edn" or "jsonl". */
void workload_history(struct workload *w, const char *form, struct buf *out);

#endif
