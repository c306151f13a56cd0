#include "app/check.h"

#include <errno.h>
#include <getopt.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/suggest.h"
#include "base/buf.h"
#include "lab/checkers.h"
#include "lab/history.h"
#include "script/script.h"

enum {
  STATUS_VALID = 0,
  STATUS_INVALID = 1,
  STATUS_UNKNOWN = 2,
  STATUS_BROKEN = 3,
};

#define READ_CHUNK_BYTES (1u << 16)

static const char help[] = "Usage: vortex-lua check [options] -w WORKLOAD HISTORY...\n"
                           "\n"
                           "Judges stored histories: was what the clients saw correct for this workload?\n"
                           "\n"
                           "A history is Jepsen's EDN (.edn), JSON lines (.jsonl, .json) or the text of a Jepsen log (.log);\n"
                           "of a file with another ending, the first bytes say what it is. In a log, a compare-and-set that\n"
                           "failed is an observation (the value was another one); in EDN and JSON lines it did not happen.\n"
                           "\n"
                           "Options:\n"
                           "  -w, --workload NAME    what was tested: broadcast, echo, g-counter, g-set, lin-kv, pn-counter or\n"
                           "                         unique-ids\n"
                           "  --strict               warnings count as errors\n"
                           "  --lua-path DIR         take vortex's own Lua files from DIR instead of the binary\n"
                           "  -h, --help             this text\n"
                           "\n"
                           "Of one history, the explanation is printed, and the verdict as the last line; of several, a line\n"
                           "each: FILE: valid, FILE: invalid: REASON, or FILE: unknown: REASON\n"
                           "\n"
                           "Exit status:\n"
                           "  0  all are valid\n"
                           "  1  one is invalid\n"
                           "  2  one could not be decided, and none is invalid\n"
                           "  3  a file could not be read or judged (the others are all the same), or the command line is wrong\n"
                           "\n"
                           "Examples:\n"
                           "  vortex-lua check -w lin-kv store/lin-kv/latest/history.edn\n"
                           "  vortex-lua check -w broadcast --strict run-*/history.jsonl\n";

struct check {
  const char *workload;
  const char *library;
  bool strict;
  bool several;
  char **files;
  int file_count;
  int judge_ref; /* the function judge of vortex.lab.stored */
};

/* ---- the command line ---- */

enum {
  OPT_STRICT = 256,
  OPT_LIBRARY,
};

static const struct option long_options[] = {
    {"workload", required_argument, NULL, 'w'},
    {"strict", no_argument, NULL, OPT_STRICT},
    {"lua-path", required_argument, NULL, OPT_LIBRARY},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* -1 = go on; otherwise the exit status. */
static int parse(struct check *c, int argc, char **argv)
{
  int option;
  opterr = 0;
  optind = 1;
  while ((option = getopt_long(argc, argv, ":w:h", long_options, NULL)) != -1) {
    switch (option) {
    case 'h':
      fputs(help, stdout);
      return STATUS_VALID;
    case 'w':
      c->workload = optarg;
      break;
    case OPT_STRICT:
      c->strict = true;
      break;
    case OPT_LIBRARY:
      c->library = optarg;
      break;
    case ':':
      fprintf(stderr, "vortex-lua check: %s needs a value\n", argv[optind - 1]);
      return STATUS_BROKEN;
    default:
      app_complain_unknown(argv[optind - 1], long_options, "vortex-lua check --help");
      return STATUS_BROKEN;
    }
  }
  c->files = argv + optind;
  c->file_count = argc - optind;
  c->several = c->file_count > 1;
  return -1;
}

/* ---- Lua ---- */

static void log_line(void *arg, enum log_level level, struct slice text)
{
  (void)arg;
  (void)level;
  fprintf(stderr, "%.*s\n", (int)text.len, text.ptr);
}

static void preload(lua_State *L, const char *module, lua_CFunction open)
{
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, open);
  lua_setfield(L, -2, module);
  lua_pop(L, 1);
}

/* vortex.lab.trial asks for the simulator when it is loaded. Nothing runs here: there is none. */
static int open_nothing(lua_State *L)
{
  lua_newtable(L);
  return 1;
}

static void open_libraries(lua_State *L, void *arg)
{
  (void)arg;
  preload(L, "vortex.check.core", checkers_open);
  preload(L, "vortex.history.core", history_open);
  preload(L, "vortex.lab.core", open_nothing);
}

static void require(lua_State *L, const char *module)
{
  lua_getglobal(L, "require");
  lua_pushstring(L, module);
  lua_call(L, 1, 1);
}

/* Loads the judge, and makes sure that a workload is given and that there is one of that name. Lua: (check) */
static int prepare(lua_State *L)
{
  struct check *c = lua_touserdata(L, 1);
  require(L, "vortex.lab.stored");
  if (c->workload == NULL) {
    lua_pushliteral(L, "-w WORKLOAD expected, one of ");
    require(L, "table");
    lua_getfield(L, -1, "concat");
    lua_getfield(L, 2, "names");
    lua_pushliteral(L, ", ");
    lua_call(L, 2, 1);
    lua_remove(L, -2);
    lua_concat(L, 2);
    return lua_error(L);
  }
  lua_getfield(L, 2, "find"); /* raises a line for a person */
  lua_pushstring(L, c->workload);
  lua_call(L, 1, 0);
  lua_getfield(L, 2, "judge");
  c->judge_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

struct job {
  const struct check *check;
  const char *file;
  struct slice text;
  int status;
};

static void print_verdict(const struct job *job, lua_State *L, int result)
{
  size_t len = 0;
  if (!job->check->several && lua_getfield(L, result, "text") == LUA_TSTRING) {
    const char *text = lua_tolstring(L, -1, &len);
    if (len > 0) {
      printf("%s%s", text, text[len - 1] == '\n' ? "" : "\n");
    }
  }
  lua_getfield(L, result, "reason");
  const char *reason = lua_tostring(L, -1);
  const char *verdict = job->status == STATUS_VALID ? "valid" : job->status == STATUS_INVALID ? "invalid" : "unknown";
  bool explained = job->status != STATUS_VALID && reason != NULL && *reason != '\0';
  printf("%s: %s%s%s\n", job->file, verdict, explained ? ": " : "", explained ? reason : "");
  (void)fflush(stdout); /* before what stderr says of the next file; the end looks for errors */
}

/* Reads and judges one history. Lua: (job) */
static int judge(lua_State *L)
{
  struct job *job = lua_touserdata(L, 1);
  struct buf message = {0};
  enum history_format format = HISTORY_EDN;
  if (history_read(L, job->text, job->file, &format, &message) != 0) {
    fprintf(stderr, "vortex-lua check: %.*s\n", (int)message.len, message.data);
    buf_free(&message);
    return 0;
  }
  int history = lua_gettop(L);
  lua_rawgeti(L, LUA_REGISTRYINDEX, job->check->judge_ref);
  lua_pushstring(L, job->check->workload);
  lua_pushvalue(L, history);
  lua_createtable(L, 0, 2);
  lua_pushstring(L, format == HISTORY_LOG ? "observed" : "dropped");
  lua_setfield(L, -2, "failed_cas");
  lua_pushboolean(L, job->check->strict);
  lua_setfield(L, -2, "strict");
  lua_call(L, 3, 1);
  int result = lua_gettop(L);
  lua_getfield(L, result, "valid");
  job->status = lua_isstring(L, -1) ? STATUS_UNKNOWN : lua_toboolean(L, -1) ? STATUS_VALID : STATUS_INVALID;
  print_verdict(job, L, result);
  return 0;
}

/* Calls a function with a pointer. False with what it raised on stderr, behind `about`. */
static bool call(struct script *s, lua_CFunction function, void *arg, const char *about)
{
  lua_State *L = script_lua(s);
  lua_settop(L, 0);
  lua_pushcfunction(L, function);
  lua_pushlightuserdata(L, arg);
  bool ok = lua_pcall(L, 1, 0, 0) == LUA_OK;
  if (!ok) {
    const char *text = lua_tostring(L, -1);
    fprintf(stderr, "vortex-lua check: %s%s\n", about, text != NULL ? text : "an error without a text was raised");
  }
  lua_settop(L, 0);
  return ok;
}

/* ---- files ---- */

/* Reads a file and appends a byte behind it. False, with a message on stderr. */
static bool read_file(const char *path, struct buf *out)
{
  FILE *file = fopen(path, "rb");
  size_t n = 1;
  if (file == NULL) {
    fprintf(stderr, "vortex-lua check: %s: %s\n", path, strerror(errno));
    return false;
  }
  while (n > 0 && out->len <= HISTORY_SIZE_MAX_BYTES) {
    n = fread(buf_reserve(out, READ_CHUNK_BYTES), 1, READ_CHUNK_BYTES, file);
    out->len += n;
  }
  bool ok = !ferror(file);
  if (!ok) {
    fprintf(stderr, "vortex-lua check: %s: %s\n", path, strerror(errno));
  }
  (void)fclose(file);
  *buf_reserve(out, 1) = '\0';
  return ok;
}

static int worse(int a, int b)
{
  static const int rank[] = {[STATUS_VALID] = 0, [STATUS_UNKNOWN] = 1, [STATUS_INVALID] = 2, [STATUS_BROKEN] = 3};
  return rank[a] > rank[b] ? a : b;
}

static int judge_file(struct check *c, struct script *s, const char *path)
{
  struct buf text = {0};
  struct job job = {.check = c, .file = path, .status = STATUS_BROKEN};
  if (read_file(path, &text)) {
    struct buf about = {0};
    buf_printf(&about, "%s: cannot be judged: ", path);
    buf_append_char(&about, '\0');
    job.text = buf_slice(&text);
    if (!call(s, judge, &job, about.data)) {
      job.status = STATUS_BROKEN;
    }
    buf_free(&about);
  }
  buf_free(&text);
  return job.status;
}

int app_check(int argc, char **argv)
{
  struct check c = {0};
  int status = parse(&c, argc, argv);
  if (status >= 0) {
    return status;
  }
  struct script *s = script_new(&(struct script_config){
      .path = "check",
      .library = c.library,
      .log = log_line,
      .open = open_libraries,
  });
  if (s == NULL) {
    fputs("vortex-lua check: out of memory\n", stderr);
    return STATUS_BROKEN;
  }
  if (!call(s, prepare, &c, "")) {
    status = STATUS_BROKEN;
  } else if (c.file_count == 0) {
    fputs("vortex-lua check: a history expected (--help shows how)\n", stderr);
    status = STATUS_BROKEN;
  } else {
    status = STATUS_VALID;
    for (int i = 0; i < c.file_count; i++) {
      status = worse(status, judge_file(&c, s, c.files[i]));
    }
  }
  script_free(s);
  if (fflush(stdout) != 0 || ferror(stdout)) {
    fprintf(stderr, "vortex-lua check: cannot write: %s\n", strerror(errno));
    status = STATUS_BROKEN;
  }
  return status;
}
