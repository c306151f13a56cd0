#include "app/test_help.h"

#include <stdio.h>

/* Apart, since compilers need not take longer strings than 4095 bytes. */
static const char usage[] = "Usage: vortex-lua test [options] SCRIPT [-- ARGS...]\n"
                            "\n"
                            "Runs SCRIPT as every node of a simulated cluster, on virtual time: clients load\n"
                            "it, faults disturb it, and what the clients saw is judged as Maelstrom would.\n"
                            "The same seed gives the same run, always. A command line of Maelstrom moves over\n"
                            "as it is: `maelstrom test ... --bin X` becomes `vortex-lua test ... --bin X`.\n"
                            "\n"
                            "Without -w and --node-count, those of the first such command line in SCRIPT's\n"
                            "leading comment are taken.\n"
                            "\n";

static const char workload[] = "Workload:\n"
                               "  -w, --workload NAME        echo, unique-ids, broadcast, g-set, g-counter,\n"
                               "                             pn-counter or lin-kv (the default)\n"
                               "      --rate HZ              operations per second, all clients together\n"
                               "                             (default: 5)\n"
                               "      --time-limit SECONDS   how long clients are at work (default: 60)\n"
                               "      --concurrency N|Nn     clients; with an n, N times the number of nodes\n"
                               "                             (default: 1n; lin-kv: 2n)\n"
                               "      --topology NAME        whom broadcast's nodes are told to talk to: grid\n"
                               "                             (default), line, tree, tree2, tree3, tree4, total\n"
                               "      --availability WHAT    how many operations must succeed: none (default),\n"
                               "                             total, or a fraction from 0 to 1\n"
                               "      --consistency-models M,..., --key-count N, --max-txn-length N,\n"
                               "      --max-writes-per-key N taken, so that a line of Maelstrom moves over: for\n"
                               "                             workloads that are not here yet\n"
                               "      --strict               what Maelstrom lets pass with a warning is an error\n"
                               "\n";

static const char cluster[] = "Cluster:\n"
                              "      --bin FILE             SCRIPT, in Maelstrom's way; what stands behind the\n"
                              "                             options are its arguments then. If FILE is\n"
                              "                             vortex-lua, SCRIPT is the first of them\n"
                              "      --node-count N         nodes n0, n1, ... (default: 5, named n1 to n5)\n"
                              "      --nodes n1,n2,...      nodes of these names, which count up\n"
                              "      --latency MS           mean time of a message between nodes, or between a\n"
                              "                             node and a service (default: 0)\n"
                              "      --latency-dist NAME    constant (default), uniform, exponential, heavy\n"
                              "      --seq-kv-window N      how many past states seq-kv may show (default: 32)\n"
                              "      --lww-kv-merge SECONDS mean time between merges of lww-kv's replicas\n"
                              "                             (default: 1)\n"
                              "      --rpc-timeout SECONDS  default timeout of an RPC (default: 1)\n"
                              "      --late-reply SECONDS   drop answers to requests older than this\n"
                              "                             (default: 4.5; 0: never)\n"
                              "      --lua-path DIR         take vortex's own Lua files from DIR\n"
                              "\n";

static const char faults[] = "Faults:\n"
                             "      --nemesis KIND[:TARGET],...\n"
                             "                             what happens to the cluster, each on a schedule\n"
                             "                             of its own: partition, partition-oneway, kill,\n"
                             "                             pause, slow, loss, duplicate, clock, disk; or\n"
                             "                             none (default). Targets: one, minority,\n"
                             "                             majority, all, leader (of a Raft group); of\n"
                             "                             partitions also halves, ring, bridge (default:\n"
                             "                             drawn each time)\n"
                             "      --nemesis-interval SECONDS\n"
                             "                             mean time from a fault to its end, and from\n"
                             "                             there to the next one (default: 10)\n"
                             "\n";

static const char seeds[] = "Seeds:\n"
                            "      --seed N               one run, of this seed (default: a fresh one)\n"
                            "      --seeds N | A-B        a campaign: a run of each seed from 1 to N, or\n"
                            "                             from A to B. The seed also draws what was not\n"
                            "                             given: rate, latency, concurrency, node count,\n"
                            "                             ..., and which of the faults take part\n"
                            "      --test-count N         the same as --seeds N\n"
                            "      --budget TIME          a campaign of as many seeds as fit in 30s, 5m, 1h;\n"
                            "                             from --seed or --seeds on, or from 1 on\n"
                            "      --jobs N               processes at a time (default: all processors)\n"
                            "\n";

static const char output[] = "Output:\n"
                             "      --keep DIR             write DIR/seed-N/: history, messages, logs of the\n"
                             "                             nodes, report. In a campaign, of the first 20 seeds\n"
                             "                             that fail\n"
                             "      --log-stderr           show what nodes log\n"
                             "      --log-net-send         show messages as they are sent\n"
                             "      --log-net-recv         show messages as they arrive\n"
                             "  -h, --help                 this text\n"
                             "\n";

static const char status[] = "Exit status: 0 valid, 1 invalid, 2 unknown, 3 the test itself could not run.\n"
                             "\n";

static const char examples[] = "Examples:\n"
                               "  vortex-lua test -w echo echo.lua\n"
                               "  vortex-lua test -w broadcast --node-count 5 --rate 100 --latency 50 \\\n"
                               "      --nemesis partition broadcast.lua\n"
                               "  vortex-lua test -w lin-kv --nemesis partition:halves,kill,pause --seeds 200 \\\n"
                               "      kv.lua -- --replicas 3\n"
                               "  vortex-lua test --budget 5m --nemesis kill --keep failures counter.lua\n"
                               "  vortex-lua test -w echo --bin ./echo.lua --node-count 1 --time-limit 10\n";

void test_help_print(void)
{
  const char *const parts[] = {usage, workload, cluster, faults, seeds, output, status, examples};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    fputs(parts[i], stdout);
  }
}
