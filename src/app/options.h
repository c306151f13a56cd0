/* The command line of `vortex-lua [options] SCRIPT [ARGS…]`. */
#ifndef VORTEX_APP_OPTIONS_H
#define VORTEX_APP_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/env.h"

struct options {
  enum log_level log_level;
  bool log_json;
  const char *check; /* workload; "" = infer it; NULL = no check */
  uint64_t rpc_timeout_ns;
  uint64_t late_reply_ns;
  size_t line_max_bytes;
  const char *data;    /* folder for what must outlive the node; NULL = the parent process's, in the temporary directory */
  bool no_disk;        /* nothing outlives it */
  const char *library; /* folder searched before the embedded library, or NULL */
  const char *script;
  const char *const *argv; /* the script's arguments; borrowed from main's */
  int argc;
};

enum options_result {
  OPTIONS_RUN,  /* go on */
  OPTIONS_DONE, /* --help or --version has been printed: exit 0 */
  OPTIONS_BAD,  /* a message is on stderr: exit 1 */
};

enum options_result options_parse(struct options *o, int argc, char **argv);

#endif
