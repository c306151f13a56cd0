/* From what a user asked for and a seed to one run: every choice that was left open is made here.
 *
 * A single run takes Maelstrom's defaults. In a campaign (a swarm of runs) the seed draws what was not given, each choice by itself: giving
 * one option leaves the draws of the others as they were (save that a short run has a high rate). The same options and seed give the same
 * run for ever; tests hold the draws. */
#ifndef VORTEX_LAB_SWARM_H
#define VORTEX_LAB_SWARM_H

#include "lab/config.h"
#include "lab/header.h"

/* Options that were given, as bits. */
enum {
  LAB_GIVEN_WORKLOAD = 1 << 0,
  LAB_GIVEN_NODES = 1 << 1,
  LAB_GIVEN_CONCURRENCY = 1 << 2,
  LAB_GIVEN_TIME_LIMIT = 1 << 3,
  LAB_GIVEN_RATE = 1 << 4,
  LAB_GIVEN_LATENCY = 1 << 5,
  LAB_GIVEN_DISTRIBUTION = 1 << 6,
  LAB_GIVEN_INTERVAL = 1 << 7,
  LAB_GIVEN_TOPOLOGY = 1 << 8,
};

struct lab_options {
  /* What was given, in its place, and Maelstrom's defaults elsewhere (lab_options_default). `seed`, `exact` and `keep` are nobody's. */
  struct lab_config base;
  unsigned given;            /* LAB_GIVEN_* */
  unsigned clients_per_node; /* --concurrency 2n; 0 = base.clients counts */
  struct lab_header header;  /* of the script */
};

void lab_options_default(struct lab_options *o);

/* Makes the run of this seed: a campaign's or a single one. Pure. Strings in *out are borrowed from *o, numbers have their final values. */
void lab_draw(const struct lab_options *o, uint64_t seed, bool campaign, struct lab_config *out);

/* "lin-kv, 5 nodes n1 to n5, 10 clients, 5/s for 60 s, …": the run's parameters in one line, appended to *out. */
void lab_describe(const struct lab_config *config, struct buf *out);

/* As on the command line: "constant", "heavy". Static. */
const char *lab_distribution_name(enum sim_dist dist);

#endif
