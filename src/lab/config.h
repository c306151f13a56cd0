/* What one run is made of, every choice made. Plain data; strings are borrowed for the run. */
#ifndef VORTEX_LAB_CONFIG_H
#define VORTEX_LAB_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/nemesis.h"
#include "sim/sim.h"

#define LAB_FAULTS_MAX 16

struct lab_config {
  /* the script */
  const char *script;
  const char *const *argv;
  int argc;
  const char *library;     /* --lua-path; NULL = embedded */
  uint64_t rpc_timeout_ns; /* default timeout of an RPC */
  uint64_t late_reply_ns;

  /* the cluster */
  unsigned nodes;
  unsigned first_name; /* n0 … or, as Maelstrom without --node-count, n1 … */
  struct sim_latency latency;
  uint64_t service_min_ns;
  uint64_t service_max_ns;
  bool reorder_keys;
  unsigned seq_window;   /* seq-kv: how many past states a read may be shown, at least 1 */
  uint64_t lww_merge_ns; /* lww-kv: mean time between merges of its replicas */

  /* the load */
  const char *workload;
  unsigned clients;
  double rate; /* operations per second, all clients together */
  uint64_t time_limit_ns;
  const char *topology;           /* grid, line, tree, tree2, tree3, tree4, total */
  const char *availability;       /* "none", "total" or a fraction as text */
  const char *consistency_models; /* as given, comma-separated */
  unsigned key_count;             /* 0 = the workload's own default */
  unsigned max_txn_length;
  unsigned max_writes_per_key;
  bool strict; /* what we judge more strictly than Maelstrom is an error, not a warning */

  /* the faults */
  struct sim_fault_spec faults[LAB_FAULTS_MAX];
  size_t fault_count;
  uint64_t nemesis_interval_ns;

  uint64_t seed;
  bool exact; /* count instructions: slower; a turn beyond LAB_TURN_INSTRUCTIONS is an error in the script */
  bool log_stderr, log_net_send, log_net_recv; /* to stderr, while it runs */
  const char *keep;                            /* folder for history, messages and logs of this run (it exists); NULL = none */
};

/* A turn of a script that is stopped: VM instructions between two returns to the simulator. */
#define LAB_TURN_INSTRUCTIONS      100000000
#define LAB_TURN_INSTRUCTIONS_TEXT "100,000,000"

#endif
