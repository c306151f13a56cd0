/* vortex-lua: wires a script, a node and the real world together. */
#include <lauxlib.h>
#include <lua-cjson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/check.h"
#include "app/luv.h"
#include "app/options.h"
#include "app/test.h"
#include "host/host.h"
#include "node/node.h"
#include "script/script.h"

#define SEGMENT_BYTES (4u << 20) /* of the durable log: a cluster on one machine shares its temporary directory */

int luaopen_cjson_safe(lua_State *L); /* exported by lua-cjson, missing in its header */

static void open_libraries(lua_State *L, void *arg)
{
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_cjson);
  lua_setfield(L, -2, "cjson");
  lua_pushcfunction(L, luaopen_cjson_safe);
  lua_setfield(L, -2, "cjson.safe");
  lua_pop(L, 1);
  app_luv_preload(L, arg);
}

static void flush(void *host)
{
  host_flush(host, 1000);
}

/* In a signal handler on the loop's thread: `script` points to where run() keeps the script. */
static void interrupt(void *script)
{
  struct script *volatile *watched = script;
  if (*watched != NULL) {
    script_interrupt(*watched);
  }
}

/* The script could not be loaded: says why, and what often is the cause of a file not found. */
static int complain(struct host_log *log, const struct options *o, struct buf *message)
{
  if (o->script[0] != '/' && access(o->script, F_OK) != 0) {
    buf_printf(message, "\n%s is a relative path; Maelstrom starts nodes in the temporary directory, so give it an absolute one",
               o->script);
  }
  if (o->log_json) {
    host_log_write(log, LOG_ERROR, buf_slice(message));
  } else {
    fprintf(stderr, "vortex-lua: %.*s\n", (int)message->len, message->data);
  }
  return 1;
}

static int run(const struct options *o)
{
  struct script *volatile watched = NULL;
  struct host *host = host_new(&(struct host_config){
      .line_max_bytes = o->line_max_bytes,
      .log_level = o->log_level,
      .log_json = o->log_json,
      .data = o->data,
      .no_disk = o->no_disk,
      .on_busy = interrupt,
      .on_busy_arg = (void *)&watched,
  });
  if (host == NULL) {
    return 1;
  }
  struct script *script = script_new(&(struct script_config){
      .path = o->script,
      .argv = o->argv,
      .argc = o->argc,
      .rpc_timeout_ns = o->rpc_timeout_ns,
      .check = o->check,
      .library = o->library,
      .open = open_libraries,
      .open_arg = host,
      .flush = flush,
      .flush_arg = host,
  });
  struct node_env env = host_env(host);
  struct node_config config = node_config_default();
  config.line_max_bytes = o->line_max_bytes;
  config.late_reply_ns = o->late_reply_ns;
  config.segment_bytes = SEGMENT_BYTES;
  struct node_behavior behavior = script_behavior(script);
  struct node *node = node_new(&config, &env, &behavior);
  script_attach(script, node);
  watched = script;
  struct buf message = {0};
  int status;
  if (script_load(script, &message) == 0) {
    status = host_run(host, node);
  } else {
    status = complain(host_log(host), o, &message);
    host_close(host); /* what a script left on the loop ends while its Lua state is there */
  }
  buf_free(&message);
  watched = NULL;
  script_free(script);
  node_free(node);
  if (!host_free(host)) {
    _exit(status); /* a script's thread is still at work: nothing may be torn down below it */
  }
  return status;
}

int main(int argc, char **argv)
{
  if (argc > 1 && strcmp(argv[1], "test") == 0) {
    return app_test(argc, argv);
  }
  if (argc > 1 && strcmp(argv[1], "check") == 0) {
    return app_check(argc - 1, argv + 1);
  }
  struct options o;
  switch (options_parse(&o, argc, argv)) {
  case OPTIONS_RUN:
    return run(&o);
  case OPTIONS_DONE:
    return 0;
  default:
    return 1;
  }
}
