#include "app/test_options.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __APPLE__
#include <sys/random.h>
#endif

#include "app/suggest.h"
#include "app/test_help.h"
#include "app/values.h"
#include "base/buf.h"

#define JOBS_MAX    1024
#define CLIENTS_MAX 100000
#define RATE_MAX    1e6
#define COUNT_MAX   1000000

enum {
  OPT_AVAILABILITY = 256,
  OPT_BIN,
  OPT_BUDGET,
  OPT_CONCURRENCY,
  OPT_CONSISTENCY,
  OPT_JOBS,
  OPT_KEEP,
  OPT_KEY_COUNT,
  OPT_LATE_REPLY,
  OPT_LATENCY,
  OPT_LATENCY_DIST,
  OPT_LIBRARY,
  OPT_LOG_NET_RECV,
  OPT_LOG_NET_SEND,
  OPT_LOG_STDERR,
  OPT_LWW_MERGE,
  OPT_MAX_TXN_LENGTH,
  OPT_MAX_WRITES,
  OPT_NEMESIS,
  OPT_NEMESIS_INTERVAL,
  OPT_NODE_COUNT,
  OPT_NODES,
  OPT_RATE,
  OPT_RPC_TIMEOUT,
  OPT_SEED,
  OPT_SEEDS,
  OPT_SEQ_WINDOW,
  OPT_STRICT,
  OPT_TEST_COUNT,
  OPT_TIME_LIMIT,
  OPT_TOPOLOGY,
};

static const struct option long_options[] = {
    {"availability", required_argument, NULL, OPT_AVAILABILITY},
    {"bin", required_argument, NULL, OPT_BIN},
    {"budget", required_argument, NULL, OPT_BUDGET},
    {"concurrency", required_argument, NULL, OPT_CONCURRENCY},
    {"consistency-models", required_argument, NULL, OPT_CONSISTENCY},
    {"help", no_argument, NULL, 'h'},
    {"jobs", required_argument, NULL, OPT_JOBS},
    {"keep", required_argument, NULL, OPT_KEEP},
    {"key-count", required_argument, NULL, OPT_KEY_COUNT},
    {"late-reply", required_argument, NULL, OPT_LATE_REPLY},
    {"latency", required_argument, NULL, OPT_LATENCY},
    {"latency-dist", required_argument, NULL, OPT_LATENCY_DIST},
    {"log-net-recv", no_argument, NULL, OPT_LOG_NET_RECV},
    {"log-net-send", no_argument, NULL, OPT_LOG_NET_SEND},
    {"log-stderr", no_argument, NULL, OPT_LOG_STDERR},
    {"lua-path", required_argument, NULL, OPT_LIBRARY},
    {"lww-kv-merge", required_argument, NULL, OPT_LWW_MERGE},
    {"max-txn-length", required_argument, NULL, OPT_MAX_TXN_LENGTH},
    {"max-writes-per-key", required_argument, NULL, OPT_MAX_WRITES},
    {"nemesis", required_argument, NULL, OPT_NEMESIS},
    {"nemesis-interval", required_argument, NULL, OPT_NEMESIS_INTERVAL},
    {"node-count", required_argument, NULL, OPT_NODE_COUNT},
    {"nodes", required_argument, NULL, OPT_NODES},
    {"rate", required_argument, NULL, OPT_RATE},
    {"rpc-timeout", required_argument, NULL, OPT_RPC_TIMEOUT},
    {"seed", required_argument, NULL, OPT_SEED},
    {"seeds", required_argument, NULL, OPT_SEEDS},
    {"seq-kv-window", required_argument, NULL, OPT_SEQ_WINDOW},
    {"strict", no_argument, NULL, OPT_STRICT},
    {"test-count", required_argument, NULL, OPT_TEST_COUNT},
    {"time-limit", required_argument, NULL, OPT_TIME_LIMIT},
    {"topology", required_argument, NULL, OPT_TOPOLOGY},
    {"workload", required_argument, NULL, 'w'},
    {NULL, 0, NULL, 0},
};

/* What is seen on the way. */
struct parse {
  struct test_options *o;
  const char *bin;
  bool seed, seeds; /* given */
};

/* ---- single values ---- */

static bool complain(const char *option, const char *expected, const char *text)
{
  fprintf(stderr, "vortex-lua: %s: %s expected, not \"%s\"\n", option, expected, text);
  return false;
}

static bool parse_concurrency(struct lab_options *o, const char *text)
{
  static const char expected[] = "a number of clients, such as 10, or a multiple of the node count, such as 2n,";
  const char *end = text + strspn(text, "0123456789");
  unsigned long n = strtoul(text, NULL, 10);
  if (end == text || n == 0 || n > CLIENTS_MAX || (strcmp(end, "") != 0 && strcmp(end, "n") != 0)) {
    return complain("--concurrency", expected, text);
  }
  bool per_node = *end == 'n';
  o->clients_per_node = per_node ? (unsigned)n : 0;
  o->base.clients = per_node ? 0 : (unsigned)n;
  o->given |= LAB_GIVEN_CONCURRENCY;
  return true;
}

/* Names that count up: "n1,n2,n3". */
static bool parse_nodes(struct lab_options *o, const char *text)
{
  static const char expected[] = "names that count up, such as n1,n2,n3 (all nodes have such names here),";
  unsigned count = 0, first = 0;
  for (const char *p = text;; p++) {
    size_t len = p[0] == 'n' ? strspn(p + 1, "0123456789") : 0;
    if (len == 0 || len > 6 || (len > 1 && p[1] == '0')) {
      return complain("--nodes", expected, text);
    }
    unsigned number = (unsigned)strtoul(p + 1, NULL, 10);
    first = count == 0 ? number : first;
    p += 1 + len;
    if (number != first + count++ || count > SIM_NODES_MAX || (*p != ',' && *p != '\0')) {
      return complain("--nodes", expected, text);
    }
    if (*p == '\0') {
      break;
    }
  }
  o->base.nodes = count;
  o->base.first_name = first;
  o->given |= LAB_GIVEN_NODES;
  return true;
}

static bool parse_node_count(struct lab_options *o, const char *text)
{
  o->base.first_name = 0;
  o->given |= LAB_GIVEN_NODES;
  return app_parse_unsigned("--node-count", text, 1, SIM_NODES_MAX, &o->base.nodes);
}

static bool parse_availability(struct lab_options *o, const char *text)
{
  bool is_number = text[0] != '\0' && text[strspn(text, "0123456789.")] == '\0' && strcmp(text, ".") != 0;
  double fraction = is_number ? strtod(text, NULL) : -1;
  bool is_fraction = fraction >= 0 && fraction <= 1;
  if (!is_fraction && strcmp(text, "none") != 0 && strcmp(text, "total") != 0) {
    return complain("--availability", "none, total or a fraction from 0 to 1", text);
  }
  o->base.availability = text;
  return true;
}

static bool add_fault(struct lab_options *o, struct slice text)
{
  struct sim_fault_spec spec;
  struct buf why = {0};
  if (!sim_fault_parse(text, &spec, &why)) {
    fprintf(stderr, "vortex-lua: --nemesis: %.*s\n", (int)why.len, why.data);
    buf_free(&why);
    return false;
  }
  buf_free(&why);
  for (size_t i = 0; i < o->base.fault_count; i++) {
    if (o->base.faults[i].fault == spec.fault && o->base.faults[i].target == spec.target) {
      return true;
    }
  }
  if (o->base.fault_count == LAB_FAULTS_MAX) {
    fprintf(stderr, "vortex-lua: --nemesis: at most %d faults\n", LAB_FAULTS_MAX);
    return false;
  }
  o->base.faults[o->base.fault_count++] = spec;
  return true;
}

static bool parse_nemesis(struct lab_options *o, const char *text)
{
  for (;;) {
    size_t len = strcspn(text, ",");
    struct slice name = slice_of(text, len);
    while (name.len > 0 && name.ptr[0] == ' ') {
      name = slice_of(name.ptr + 1, name.len - 1);
    }
    if (!slice_equal(name, SLICE("none")) && !add_fault(o, name)) {
      return false;
    }
    if (text[len] == '\0') {
      return true;
    }
    text += len + 1;
  }
}

static bool parse_seeds(struct parse *p, const char *option, const char *text)
{
  struct test_options *o = p->o;
  const char *dash = strchr(text, '-');
  char first[24] = "1";
  size_t len = dash != NULL ? (size_t)(dash - text) : 0;
  p->seeds = true;
  if (dash != NULL && len > 0 && len < sizeof first && text[strspn(text, "0123456789-")] == '\0' && strchr(dash + 1, '-') == NULL) {
    memcpy(first, text, len);
    first[len] = '\0';
  } else if (dash != NULL) {
    return complain(option, "a number of seeds, such as 100, or a range, such as 17-42,", text);
  }
  if (!app_parse_count(option, first, 0, UINT64_MAX, &o->first) ||
      !app_parse_count(option, dash != NULL ? dash + 1 : text, dash != NULL ? 0 : 1, UINT64_MAX, &o->last)) {
    return false;
  }
  if (o->last < o->first) {
    return complain(option, "a range that counts up", text);
  }
  return true;
}

static bool parse_test_count(struct parse *p, const char *text)
{
  return strcmp(text, "1") == 0 || parse_seeds(p, "--test-count", text); /* one run is what there is anyway */
}

/* ---- options ---- */

static bool parse_load(struct lab_options *o, int option)
{
  static const char *const topologies[] = {"grid", "line", "tree", "tree2", "tree3", "tree4", "total"};
  struct lab_config *base = &o->base;
  unsigned index;
  switch (option) {
  case 'w':
    o->given |= LAB_GIVEN_WORKLOAD;
    base->workload = optarg;
    return true;
  case OPT_RATE:
    o->given |= LAB_GIVEN_RATE;
    return app_parse_rate("--rate", optarg, RATE_MAX, &base->rate);
  case OPT_TIME_LIMIT:
    o->given |= LAB_GIVEN_TIME_LIMIT;
    return app_parse_positive_seconds("--time-limit", optarg, &base->time_limit_ns);
  case OPT_CONCURRENCY:
    return parse_concurrency(o, optarg);
  case OPT_TOPOLOGY:
    o->given |= LAB_GIVEN_TOPOLOGY;
    base->topology = optarg;
    return app_parse_name("--topology", optarg, topologies, sizeof topologies / sizeof *topologies, &index);
  case OPT_AVAILABILITY:
    return parse_availability(o, optarg);
  case OPT_CONSISTENCY:
    base->consistency_models = optarg;
    return true;
  case OPT_KEY_COUNT:
    return app_parse_unsigned("--key-count", optarg, 1, COUNT_MAX, &base->key_count);
  case OPT_MAX_TXN_LENGTH:
    return app_parse_unsigned("--max-txn-length", optarg, 1, COUNT_MAX, &base->max_txn_length);
  case OPT_MAX_WRITES:
    return app_parse_unsigned("--max-writes-per-key", optarg, 1, COUNT_MAX, &base->max_writes_per_key);
  default:
    base->strict = true;
    return true;
  }
}

static bool parse_cluster(struct lab_options *o, int option)
{
  static const char *const dists[] = {"constant", "uniform", "exponential", "heavy"};
  struct lab_config *base = &o->base;
  unsigned index;
  switch (option) {
  case OPT_NODE_COUNT:
    return parse_node_count(o, optarg);
  case OPT_NODES:
    return parse_nodes(o, optarg);
  case OPT_LATENCY:
    o->given |= LAB_GIVEN_LATENCY;
    return app_parse_milliseconds("--latency", optarg, &base->latency.mean_ns);
  case OPT_LATENCY_DIST:
    o->given |= LAB_GIVEN_DISTRIBUTION;
    if (!app_parse_name("--latency-dist", optarg, dists, sizeof dists / sizeof *dists, &index)) {
      return false;
    }
    base->latency.dist = (enum sim_dist)index;
    return true;
  case OPT_SEQ_WINDOW:
    return app_parse_unsigned("--seq-kv-window", optarg, 1, COUNT_MAX, &base->seq_window);
  case OPT_LWW_MERGE:
    return app_parse_positive_seconds("--lww-kv-merge", optarg, &base->lww_merge_ns);
  case OPT_RPC_TIMEOUT:
    return app_parse_positive_seconds("--rpc-timeout", optarg, &base->rpc_timeout_ns);
  case OPT_LATE_REPLY:
    return app_parse_seconds("--late-reply", optarg, &base->late_reply_ns);
  case OPT_LIBRARY:
    base->library = optarg;
    return true;
  case OPT_NEMESIS:
    return parse_nemesis(o, optarg);
  default:
    o->given |= LAB_GIVEN_INTERVAL;
    return app_parse_positive_seconds("--nemesis-interval", optarg, &base->nemesis_interval_ns);
  }
}

static bool parse_one(struct parse *p, int option)
{
  struct test_options *o = p->o;
  switch (option) {
  case OPT_BIN:
    p->bin = optarg;
    return true;
  case OPT_BUDGET:
    return app_parse_duration("--budget", optarg, &o->budget_ns);
  case OPT_JOBS:
    return app_parse_unsigned("--jobs", optarg, 1, JOBS_MAX, &o->jobs);
  case OPT_KEEP:
    o->keep = optarg;
    return optarg[0] != '\0' || complain("--keep", "a folder", optarg);
  case OPT_SEED:
    p->seed = true;
    return app_parse_count("--seed", optarg, 0, UINT64_MAX, &o->first);
  case OPT_SEEDS:
    return parse_seeds(p, "--seeds", optarg);
  case OPT_TEST_COUNT:
    return parse_test_count(p, optarg);
  case OPT_LOG_STDERR:
    o->lab.base.log_stderr = true;
    return true;
  case OPT_LOG_NET_SEND:
    o->lab.base.log_net_send = true;
    return true;
  case OPT_LOG_NET_RECV:
    o->lab.base.log_net_recv = true;
    return true;
  case 'w':
  case OPT_RATE:
  case OPT_TIME_LIMIT:
  case OPT_CONCURRENCY:
  case OPT_TOPOLOGY:
  case OPT_AVAILABILITY:
  case OPT_STRICT:
    return parse_load(&o->lab, option);
  case OPT_CONSISTENCY:
  case OPT_KEY_COUNT:
  case OPT_MAX_TXN_LENGTH:
  case OPT_MAX_WRITES:
    o->idle = option == OPT_CONSISTENCY      ? "--consistency-models"
              : option == OPT_KEY_COUNT      ? "--key-count"
              : option == OPT_MAX_TXN_LENGTH ? "--max-txn-length"
                                             : "--max-writes-per-key";
    return parse_load(&o->lab, option);
  default:
    return parse_cluster(&o->lab, option);
  }
}

/* ---- the whole line ---- */

/* Whether an option is about which seeds are run: the command that reproduces a run has another one in its place. */
static bool chooses_seeds(int option)
{
  return option == OPT_SEED || option == OPT_SEEDS || option == OPT_TEST_COUNT || option == OPT_BUDGET;
}

static void keep_words(struct test_options *o, char **argv, int from, int to)
{
  for (int i = from; i < to; i++) {
    o->command[o->command_count++] = argv[i];
  }
}

/* Options behind the script would be taken for its arguments: that is rarely what is meant, and never said. */
static bool is_late_option(const char *word)
{
  if (strncmp(word, "-w", 2) == 0) {
    return true;
  }
  size_t len = strcspn(word, "=");
  for (const struct option *o = long_options; o->name != NULL; o++) {
    if (len > 2 && strncmp(word, "--", 2) == 0 && len - 2 == strlen(o->name) && strncmp(word + 2, o->name, len - 2) == 0) {
      return true;
    }
  }
  return false;
}

/* Finds the script and its arguments in what stands behind the options. */
static bool take_script(struct parse *p, int argc, char **argv)
{
  struct lab_config *base = &p->o->lab.base;
  int at = optind;
  bool raw = strcmp(argv[at - 1], "--") == 0; /* it makes no sense as an option's value */
  const char *slash = p->bin != NULL ? strrchr(p->bin, '/') : NULL;
  const char *program = slash != NULL ? slash + 1 : p->bin;
  if (p->bin != NULL && strcmp(program, "vortex-lua") != 0) {
    base->script = p->bin;
  } else if (at < argc) {
    base->script = argv[at++];
  } else {
    fprintf(stderr, "vortex-lua: a script expected%s (vortex-lua test --help shows how)\n",
            p->bin != NULL ? " behind --, since --bin names vortex-lua itself" : "");
    return false;
  }
  if (!raw && at < argc && strcmp(argv[at], "--") == 0) {
    at++;
    raw = true;
  }
  for (int i = at; i < argc && !raw; i++) {
    if (is_late_option(argv[i])) {
      fprintf(stderr, "vortex-lua: %s stands behind the script: options come before it, and -- before arguments of the script\n", argv[i]);
      return false;
    }
  }
  base->argv = (const char *const *)(argv + at);
  base->argc = argc - at;
  return true;
}

/* A seed for whoever gave none: short enough to be typed. */
static uint64_t fresh_seed(void)
{
  uint32_t seed;
  if (getentropy(&seed, sizeof seed) != 0) {
    return (uint64_t)getpid();
  }
  return seed;
}

static bool settle_seeds(struct parse *p)
{
  struct test_options *o = p->o;
  o->swarm = p->seeds || o->budget_ns > 0;
  if (p->seed && p->seeds) {
    fputs("vortex-lua: --seed and --seeds (or --test-count) exclude each other: --seeds A-B is a campaign of these seeds\n", stderr);
    return false;
  }
  if (!p->seed && !p->seeds) {
    o->first = o->budget_ns > 0 ? 1 : fresh_seed();
  }
  if (!p->seeds) {
    o->last = o->budget_ns > 0 ? UINT64_MAX : o->first;
  }
  return true;
}

/* How a campaign starts a worker in a new process: nobody else's option, and in no help. Returns where the options begin. */
static int take_descriptors(struct test_options *o, int argc, char **argv)
{
  size_t len = strlen(TEST_WORKER_OPTION);
  if (argc < 3 || strncmp(argv[2], TEST_WORKER_OPTION, len) != 0 || sscanf(argv[2] + len, "%d,%d", &o->tasks_fd, &o->results_fd) != 2) {
    return 2;
  }
  return 3;
}

static enum options_result parse_all(struct parse *p, int argc, char **argv)
{
  struct test_options *o = p->o;
  int option;
  int begin = take_descriptors(o, argc, argv);
  keep_words(o, argv, 0, 2);
  optind = begin;
  opterr = 0;
  while ((option = getopt_long(argc, argv, "+:hw:", long_options, NULL)) != -1) {
    if (option == 'h') {
      test_help_print();
      return OPTIONS_DONE;
    }
    if (option == ':') {
      fprintf(stderr, "vortex-lua: %s needs a value\n", argv[optind - 1]);
      return OPTIONS_BAD;
    }
    if (option == '?') {
      app_complain_unknown(argv[optind - 1], long_options, "vortex-lua test --help");
      return OPTIONS_BAD;
    }
    if (!parse_one(p, option)) {
      return OPTIONS_BAD;
    }
    if (!chooses_seeds(option)) {
      keep_words(o, argv, begin, optind);
    }
    begin = optind;
  }
  keep_words(o, argv, begin, argc);
  return take_script(p, argc, argv) && settle_seeds(p) ? OPTIONS_RUN : OPTIONS_BAD;
}

enum options_result test_options_parse(struct test_options *o, int argc, char **argv)
{
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  *o = (struct test_options){.jobs = cores < 1 ? 1 : cores > JOBS_MAX ? JOBS_MAX : (unsigned)cores, .tasks_fd = -1, .results_fd = -1};
  lab_options_default(&o->lab);
  o->command = calloc((size_t)argc + 1, sizeof *o->command);
  if (o->command == NULL) {
    abort();
  }
  enum options_result result = parse_all(&(struct parse){.o = o}, argc, argv);
  if (result == OPTIONS_RUN) {
    lab_header_read(o->lab.base.script, &o->lab.header);
  }
  return result;
}

void test_options_free(struct test_options *o)
{
  free(o->command);
}
