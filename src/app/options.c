#include "app/options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "app/suggest.h"
#include "app/values.h"
#include "host/log.h"

enum {
  OPT_LOG_LEVEL = 256,
  OPT_LOG_JSON,
  OPT_CHECK,
  OPT_RPC_TIMEOUT,
  OPT_LATE_REPLY,
  OPT_MAX_LINE,
  OPT_DATA,
  OPT_LIBRARY
};

static const struct option long_options[] = {
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {"log-level", required_argument, NULL, OPT_LOG_LEVEL},
    {"log-json", no_argument, NULL, OPT_LOG_JSON},
    {"check", optional_argument, NULL, OPT_CHECK},
    {"rpc-timeout", required_argument, NULL, OPT_RPC_TIMEOUT},
    {"late-reply", required_argument, NULL, OPT_LATE_REPLY},
    {"max-line", required_argument, NULL, OPT_MAX_LINE},
    {"data", required_argument, NULL, OPT_DATA},
    {"lua-path", required_argument, NULL, OPT_LIBRARY},
    {NULL, 0, NULL, 0},
};

static const char help[] = "Usage: vortex-lua [options] SCRIPT [ARGS...]\n"
                           "       vortex-lua test [options] SCRIPT [-- ARGS...]\n"
                           "       vortex-lua check -w WORKLOAD HISTORY...\n"
                           "\n"
                           "Runs a Lua script as a node that speaks Maelstrom's protocol on stdin and stdout.\n"
                           "`test` runs it as a whole simulated cluster, under faults, and judges what clients\n"
                           "saw; `check` judges a history that was stored. Both have a --help of their own. (A\n"
                           "script of such a name is run by its path: ./test)\n"
                           "\n"
                           "Options:\n"
                           "  --log-level LEVEL      debug, info, warn or error (default: info)\n"
                           "  --log-json             write the log as JSON lines\n"
                           "  --check[=WORKLOAD]     refuse replies that Maelstrom's schemas would refuse; without a\n"
                           "                         workload, infer it from the requests\n"
                           "  --rpc-timeout SECONDS  default timeout of an RPC (default: 1)\n"
                           "  --late-reply SECONDS   drop answers to clients' requests older than this (default: 4.5; 0: never)\n"
                           "  --max-line BYTES       skip longer input lines (default: 16777216)\n"
                           "  --data DIR|auto|none   where Raft keeps its log: in DIR/<node id>, in memory (none), or in the\n"
                           "                         temporary directory, for the parent process's lifetime (default: auto)\n"
                           "  --lua-path DIR         take vortex's own Lua files from DIR instead of the binary\n"
                           "  -h, --help             this text\n"
                           "  -V, --version          the version\n"
                           "\n"
                           "Examples:\n"
                           "  vortex-lua echo.lua < requests.jsonl\n"
                           "  maelstrom test -w echo --bin ./echo.lua --node-count 1 --time-limit 10\n"
                           "                         (echo.lua is executable and begins with #!/usr/bin/env vortex-lua)\n"
                           "  maelstrom test -w echo --bin ./vortex-lua --node-count 1 --time-limit 10 -- /path/to/echo.lua\n"
                           "  vortex-lua --check=broadcast --log-level debug broadcast.lua\n";

static bool parse_one(struct options *o, int option)
{
  switch (option) {
  case OPT_LOG_LEVEL: {
    int level = host_log_level_from_name(optarg);
    if (level < 0) {
      fprintf(stderr, "vortex-lua: --log-level: debug, info, warn or error expected, not \"%s\"\n", optarg);
      return false;
    }
    o->log_level = (enum log_level)level;
    return true;
  }
  case OPT_LOG_JSON:
    o->log_json = true;
    return true;
  case OPT_CHECK:
    o->check = optarg != NULL ? optarg : "";
    return true;
  case OPT_RPC_TIMEOUT:
    return app_parse_positive_seconds("--rpc-timeout", optarg, &o->rpc_timeout_ns);
  case OPT_LATE_REPLY:
    return app_parse_seconds("--late-reply", optarg, &o->late_reply_ns);
  case OPT_MAX_LINE: {
    uint64_t bytes;
    if (!app_parse_count("--max-line", optarg, 1, UINT64_C(1) << 30, &bytes)) {
      return false;
    }
    o->line_max_bytes = (size_t)bytes;
    return true;
  }
  case OPT_DATA:
    o->no_disk = strcmp(optarg, "none") == 0;
    o->data = o->no_disk || strcmp(optarg, "auto") == 0 ? NULL : optarg;
    if (optarg[0] == '\0') {
      fputs("vortex-lua: --data: a folder, auto or none expected, not \"\"\n", stderr);
      return false;
    }
    return true;
  default:
    o->library = optarg;
    return true;
  }
}

enum options_result options_parse(struct options *o, int argc, char **argv)
{
  *o = (struct options){
      .log_level = LOG_INFO, .rpc_timeout_ns = UINT64_C(1000000000), .late_reply_ns = UINT64_C(4500000000), .line_max_bytes = 16u << 20};
  opterr = 0;
  int option;
  while ((option = getopt_long(argc, argv, "+:hV", long_options, NULL)) != -1) {
    if (option == 'h') {
      fputs(help, stdout);
      return OPTIONS_DONE;
    }
    if (option == 'V') {
      puts("vortex-lua " VORTEX_VERSION);
      return OPTIONS_DONE;
    }
    if (option == ':') {
      fprintf(stderr, "vortex-lua: %s needs a value\n", argv[optind - 1]);
      return OPTIONS_BAD;
    }
    if (option == '?') {
      app_complain_unknown(argv[optind - 1], long_options, "vortex-lua --help");
      return OPTIONS_BAD;
    }
    if (!parse_one(o, option)) {
      return OPTIONS_BAD;
    }
  }
  if (optind >= argc) {
    fputs("vortex-lua: a script expected (vortex-lua --help shows how)\n", stderr);
    return OPTIONS_BAD;
  }
  o->script = argv[optind];
  o->argv = (const char *const *)(argv + optind + 1);
  o->argc = argc - optind - 1;
  return OPTIONS_RUN;
}
