/* A simulated world: virtual time, a network, nodes that die and come back, disks; all of it a function of a seed.
 *
 * One thread runs events in the order of (time, posting). Whatever is random about an event is drawn from the event's key, and the key of
 * an event is a mix of its cause's key and its index among the cause's children. So randomness follows causality, not the order of draws:
 * taking one message out of a run leaves the fate of all messages that it did not cause as it was.
 *
 *   struct sim *sim = sim_new(&config);
 *   sim_join(sim, &endpoint);                       clients and services; nodes join by sim_node_start (sim/node.h)
 *   sim_run(sim, until_ns);
 *   sim_trace(sim);                                 equal in every process that ran the same
 *   sim_free(sim);
 *
 * The room reaches no clock, no file and no libc randomness, and knows nothing of Lua. */
#ifndef VORTEX_SIM_SIM_H
#define VORTEX_SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "node/env.h"
#include "json/envelope.h"

#define SIM_US UINT64_C(1000)
#define SIM_MS UINT64_C(1000000)
#define SIM_S  UINT64_C(1000000000)

#define SIM_NODES_MAX 4096

enum sim_dist {
  SIM_CONSTANT,
  SIM_UNIFORM,     /* from 0 to twice the mean */
  SIM_EXPONENTIAL, /* with this mean */
  SIM_HEAVY,       /* Pareto: mostly short, now and then very long */
};

struct sim_latency {
  enum sim_dist dist;
  uint64_t mean_ns;
};

struct sim_observer;

struct sim_config {
  uint64_t seed;
  unsigned nodes;                      /* how many there will be; 1 to SIM_NODES_MAX */
  struct sim_latency latency;          /* between nodes, and between nodes and services; clients are at no distance */
  uint64_t service_min_ns;             /* what handling a message costs beside, uniform: keeps a ping-pong from freezing time */
  uint64_t service_max_ns;             /* 0 and 0 = nothing */
  bool reorder_keys;                   /* objects of more than eight members change their order in transit */
  const struct sim_observer *observer; /* told what happens; NULL = nobody. Borrowed. */
};

struct sim;

/* Copies config. Returns owned. Aborts when out of memory, as everything here. */
struct sim *sim_new(const struct sim_config *config);

/* Frees the world: drops all events. Nodes must have been freed before. */
void sim_free(struct sim *sim);

/* ---- time and events ---- */

/* Virtual time in ns. Starts at one second, so that 0 can mean "never". */
uint64_t sim_now(const struct sim *sim);

typedef void (*sim_fn)(void *arg);
struct sim_event;

/* Has fn(arg) called at `at_ns`, or now if that is past, as a child of the running event. An event that never runs has drop(arg) called
 * instead (NULL = nothing). The handle is valid until the event has run. */
struct sim_event *sim_post(struct sim *sim, uint64_t at_ns, sim_fn fn, void *arg, sim_fn drop);
void sim_cancel(struct sim *sim, struct sim_event *e);

/* Names a cause that is no event: what is posted, sent and drawn until the next event (or the next call) descends from the seed and these
 * three numbers, wherever in the run it happens. For clients' operations and faults. */
void sim_cause(struct sim *sim, uint64_t kind, uint64_t a, uint64_t b);

/* 64 random bits, keyed by the running event and the number of draws and children it has had. */
uint64_t sim_random(struct sim *sim);

/* 64 random bits that depend on the seed and these numbers alone. */
uint64_t sim_random_of(const struct sim *sim, uint64_t kind, uint64_t a, uint64_t b);

/* Runs all events up to and including `until_ns`; the clock then stands there. Returns early, with the clock at the last event, after
 * sim_stop(). */
void sim_run(struct sim *sim, uint64_t until_ns);

/* Makes sim_run return after the running event. */
void sim_stop(struct sim *sim);

/* A hash over everything that has happened: each event's time and key, each line, each fate. */
uint64_t sim_trace(const struct sim *sim);

/* Mixes something that the world does not see into the trace (a history, an end state). */
void sim_trace_mix(struct sim *sim, uint64_t value);

/* How many events have run: changes whenever the run gets on. May be read by a signal handler. */
const volatile uint64_t *sim_progress(const struct sim *sim);

/* Counts as progress what is done outside of events: a thousand nodes that are started, one after the other. */
void sim_note_progress(struct sim *sim);

/* ---- the network ---- */

enum sim_kind {
  SIM_NODE,
  SIM_SERVICE,
  SIM_CLIENT,
};

/* Somebody with a name. Lives in its owner's memory. */
struct sim_endpoint {
  char name[24];
  enum sim_kind kind;
  unsigned index; /* of a node */
  void *self;     /* given back to receive */
  bool mute;      /* a line of its was refused: nothing that it sends is heard any more */
  bool away;      /* a node that is dead: it is known, and what arrives is lost */

  /* A line (without its newline, which lies behind it) and what its envelope says. Borrowed for the call. May send, post and leave. */
  void (*receive)(void *self, struct slice line, const struct json_envelope *e);
};

/* Joins, leaves. The name must be free. What is under way to a name that left is lost. */
void sim_join(struct sim *sim, struct sim_endpoint *e);
void sim_leave(struct sim *sim, struct sim_endpoint *e);

/* Sends a line, newline included, that names its destination itself. Judged as Maelstrom judges what a node prints (process.clj,
 * net/message.clj): if it would stop listening to the sender, the sender is mute from now on. That is a line that is not one line of JSON,
 * has a wrong envelope or a key too many, a foreign src, or a dest that is not there. Borrows line. */
void sim_send(struct sim *sim, struct sim_endpoint *from, struct slice line);

/* What faults do to the network. `from` and `to` are node indices. All but partitions concern nodes only as well: messages of clients and
 * services are never lost, duplicated or cut. */
void sim_net_cut(struct sim *sim, unsigned from, unsigned to, bool cut); /* decided where and when a message would be delivered */
void sim_net_heal(struct sim *sim);                                      /* ends all cuts */
void sim_net_lose(struct sim *sim, unsigned node, uint32_t ppm);         /* messages from or to it; 0 = ends */
void sim_net_duplicate(struct sim *sim, unsigned node, uint32_t ppm);
void sim_net_slow(struct sim *sim, unsigned node, unsigned factor); /* latencies from and to it, services included; 1 = ends */

struct sim_stats {
  uint64_t sent; /* messages that were put under way */
  uint64_t delivered;
  uint64_t server_messages; /* of those sent: between nodes, or between nodes and services */
  uint64_t lost;            /* by chance */
  uint64_t cut;             /* by partitions */
  uint64_t duplicated;
  uint64_t gone;    /* the receiver had left or was dead */
  uint64_t refused; /* lines that Maelstrom would refuse; their senders are mute */
  uint64_t events;
};
const struct sim_stats *sim_stats(const struct sim *sim);

/* ---- watching ---- */

enum sim_fate {
  SIM_SENT,
  SIM_DELIVERED,
  SIM_LOST,       /* by chance, when it was sent */
  SIM_CUT,        /* by a partition, when it would have been delivered */
  SIM_GONE,       /* its receiver had left or was dead */
  SIM_DUPLICATED, /* a second copy was put under way; its id is its own */
  SIM_REFUSED,    /* `why` says what Maelstrom would not have accepted */
};

/* What happens, told as it happens. Every function may be NULL. Nothing here may change the run. */
struct sim_observer {
  void *self;
  void (*message)(void *self, enum sim_fate fate, uint64_t id, struct slice from, struct slice to, struct slice line, const char *why);
  void (*log)(void *self, unsigned node, enum log_level level, struct slice text);
  void (*node)(void *self, unsigned node, const char *what); /* "start", "kill", "pause", "resume", "clock …" */
  void (*fault)(void *self, bool begins, const char *what);  /* "partition one: n2 | n0 n1" */
};

/* Who watches; NULL = nobody. */
const struct sim_observer *sim_observer(const struct sim *sim);

#endif
