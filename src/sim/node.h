/* A node in the simulated world: started, killed, paused, with a clock and a disk of its own. The simulated node/env.h.
 *
 * What runs in it is made by a sim_maker: whoever wires the world with services (the sim does not know them). */
#ifndef VORTEX_SIM_NODE_H
#define VORTEX_SIM_NODE_H

#include "node/node.h"
#include "sim/disk.h"
#include "sim/sim.h"

struct sim_node;

/* Makes and ends what runs in a node. */
struct sim_maker {
  void *self;

  /* A node starts, for the `incarnation`th time (from 1). Creates the struct node with this env (copied by node_new) and returns it
   * owned by the maker; NULL = it cannot start: the node is dead, and sim_node_failed() is true. */
  struct node *(*start)(void *self, struct sim_node *sn, unsigned index, unsigned incarnation, const struct node_env *env);

  /* The node is killed: frees what start made, without another word of the service. */
  void (*end)(void *self, unsigned index);
};

/* Creates a dead node named `name` with an empty disk: it joins the network, where what is sent to it is lost until it starts. Copies name;
 * borrows maker. Returns owned; freed before the world. */
struct sim_node *sim_node_new(struct sim *sim, unsigned index, const char *name, const struct sim_maker *maker);
void sim_node_free(struct sim_node *sn);

/* Starts a dead node: it waits for its init. */
void sim_node_start(struct sim_node *sn);

/* Kills a node that lives: its disk loses what was not durable. Dead already: nothing. */
void sim_node_kill(struct sim_node *sn);

/* Stops it as SIGSTOP does: what arrives waits, no timer fires. Resuming hands it everything at once, in the order of arrival. */
void sim_node_pause(struct sim_node *sn);
void sim_node_resume(struct sim_node *sn);

/* The service has ended its own process (os.exit): it is killed after the running event, and stays dead. */
void sim_node_exit(struct sim_node *sn);

/* Whether it has ended because of its disk, and not been started since: the node failed (node_failed) after an operation of its disk had,
 * and said why in its log. Whoever ends in another way has exited. */
bool sim_node_broken(const struct sim_node *sn);

/* Has fn(arg, index) called when that has happened; NULL = no more. */
void sim_node_on_broken(struct sim_node *sn, void (*fn)(void *arg, unsigned index), void *arg);

/* Its disk, for those who disturb it. */
struct sim_disk *sim_node_disk(struct sim_node *sn);

bool sim_node_exited(const struct sim_node *sn);
bool sim_node_alive(const struct sim_node *sn);
bool sim_node_paused(const struct sim_node *sn);
bool sim_node_failed(const struct sim_node *sn);
bool sim_node_mute(const struct sim_node *sn); /* a line of its was refused in this incarnation */

/* What its clocks do from now on. `drift_ppm` is how much faster its seconds pass (both clocks; may be negative, above -500,000);
 * `offset_ns` is added to the wall clock at once (a jump; may be negative). The monotonic clock never jumps back. */
void sim_node_set_clock(struct sim_node *sn, int64_t drift_ppm, int64_t offset_ns);

/* Its wall clock in ns since 1970 (begins at SIM_EPOCH_S), for os.time. */
#define SIM_EPOCH_S INT64_C(1735689600) /* 2025-01-01 */
int64_t sim_node_wall_ns(const struct sim_node *sn);

const char *sim_node_name(const struct sim_node *sn);
unsigned sim_node_index(const struct sim_node *sn);
unsigned sim_node_incarnation(const struct sim_node *sn); /* 0 = never started */
unsigned sim_node_pauses(const struct sim_node *sn);      /* how often it has been paused */

#endif
