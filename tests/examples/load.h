/* A run of a workload, as Maelstrom's: clients bound to nodes, operations at a mean rate for some time, perhaps partitions meanwhile, then
 * ten seconds without any to recover in, then the final operations of every client. */
#ifndef VORTEX_EXAMPLES_LOAD_H
#define VORTEX_EXAMPLES_LOAD_H

#include "harness/cluster.h"

/* An operation of one client; it may take several requests. */
struct load_op {
  unsigned process; /* which client */
  unsigned node;
  uint64_t invoked_ns;
  bool final;
  int kind;      /* the workload's own */
  int64_t value; /* likewise */
};

struct load;

struct workload {
  void *self; /* given back as first argument of each function */

  /* Puts the members of the operation's request into body (cleared). False: there is nothing (more) to do for this client. */
  bool (*invoke)(void *self, struct load *l, struct load_op *op, struct buf *body);

  /* The operation got this reply. If there is text in `next` then, the operation goes on with another request of these members. */
  void (*complete)(void *self, struct load *l, struct load_op *op, const struct reply *reply, struct buf *next);

  /* Asks each node, before the load begins; may be NULL. */
  void (*setup)(void *self, struct load *l, unsigned node, struct buf *body);
};

struct load_config {
  const char *example;  /* file name in examples/ */
  const char *workload; /* whose reply schemas are enforced */
  unsigned nodes;
  unsigned concurrency; /* clients per node */
  unsigned rate;        /* operations per second, over all clients */
  unsigned seconds;
  struct sim_latency latency;
  bool partitions;
  bool restarts; /* every node is killed and started anew before the final operations */
  uint64_t seed;
};

/* What a run was like. */
struct load_result {
  uint64_t ops;      /* operations of clients, final ones included */
  uint64_t failed;   /* of those: an error, or no answer */
  uint64_t messages; /* between servers, from init to the end */
  double per_op;
};

/* The cluster of the run that is going on. */
struct cluster *load_cluster(struct load *l);

/* Virtual time; and a number in [0, bound), drawn from the run's seed. */
uint64_t load_now(const struct load *l);
unsigned load_below(struct load *l, unsigned bound);

/* The client of a process, which must not be waiting, leaves, and a new one takes its place. */
void load_crash(struct load *l, unsigned process);

/* Runs, checks that nothing was sent that Maelstrom would refuse and that no script logged an error, and returns the figures. */
struct load_result load_run(const struct load_config *config, const struct workload *workload);

/* Asserts: end the test program with a message that names the run. */
#define CHECK(condition, ...) ((condition) ? (void)0 : load_fail(__FILE__, __LINE__, #condition, __VA_ARGS__))
_Noreturn void load_fail(const char *file, int line, const char *condition, const char *format, ...) __attribute__((format(printf, 4, 5)));

/* ---- reading replies ---- */

/* Whether the reply is of this type; ends the test if it is another one that is no error. */
bool load_is(const struct reply *reply, const char *type);

/* The value of a member of the body; empty if it has none. Borrowed. */
struct slice load_member(struct slice body, const char *name);
int64_t load_integer(struct slice value);

#endif
