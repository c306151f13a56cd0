/* Life of a script: its Lua state, the main chunk, and the behavior that the node calls. */
#include "script/script.h"

#include <lualib.h>
#include <stdlib.h>

#include "script/codec.h"
#include "script/guard.h"
#include "script/internal.h"
#include "script/library.h"

#define DEFAULT_PAUSE    200
#define TINY_HEAP_PAUSE  600
#define TINY_HEAP_KB     1024
#define TRIM_FRACTION    8    /* config.trim: how much of itself the heap may grow by before its garbage is collected */
#define TUNE_EVERY_CALLS 1024 /* how often the collector's pace is looked at */

struct script *script_of(lua_State *L)
{
  return *(struct script **)lua_getextraspace(L);
}

struct node *script_node(const struct script *s)
{
  return s->node;
}

void script_log(struct script *s, enum log_level level, struct slice text)
{
  if (s->node != NULL) {
    node_log_text(s->node, level, text);
  } else if (s->config.log != NULL) {
    s->config.log(s->config.log_arg, level, text);
  }
}

lua_State *script_lua(struct script *s)
{
  return s->L;
}

/* Lua: (value) -> its text */
static int to_text(lua_State *L)
{
  luaL_tolstring(L, 1, NULL);
  return 1;
}

const char *script_tostring(lua_State *L, int index, size_t *len)
{
  index = lua_absindex(L, index);
  lua_pushcfunction(L, to_text);
  lua_pushvalue(L, index);
  if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
    lua_pop(L, 1);
    lua_pushfstring(L, "(an error object of type %s whose __tostring raised)", luaL_typename(L, index));
  }
  return lua_tolstring(L, -1, len);
}

/* The collector's pace: a heap may grow to twice its size between two collections, one that is tiny to six times, which costs no memory to
 * speak of. More would only push what is in use out of the caches. */
static void tune_collector(struct script *s)
{
  int kb = lua_gc(s->L, LUA_GCCOUNT);
  int pause = kb < TINY_HEAP_KB ? TINY_HEAP_PAUSE : DEFAULT_PAUSE;
  int before = lua_gc(s->L, LUA_GCSETPAUSE, pause);
  if (before != s->gc_pause) { /* the script has chosen a pace of its own */
    lua_gc(s->L, LUA_GCSETPAUSE, before);
    s->gc_pause = -1;
  } else {
    s->gc_pause = pause;
  }
}

static void collect(struct script *s, const void *arg)
{
  (void)arg;
  lua_gc(s->L, LUA_GCCOLLECT);
  s->config.trim(s->config.alloc_arg);
  int kb = lua_gc(s->L, LUA_GCCOUNT);
  s->trim_kb = kb + kb / TRIM_FRACTION;
}

/* Between two pieces of work. */
static inline void save_memory(struct script *s)
{
  if (s->config.trim != NULL && !s->lost && s->gc_pause > 0 && lua_gc(s->L, LUA_GCCOUNT) >= s->trim_kb && lua_gc(s->L, LUA_GCISRUNNING)) {
    limits_guard(s, collect, NULL);
  }
}

/* An error outside every protected call: out of memory, or a mistake of ours. */
static int panic(lua_State *L)
{
  struct script *s = script_of(L);
  if (lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), "not enough memory") == 0) {
    limits_rescue(s);
  }
  if (s->node != NULL && lua_type(L, -1) == LUA_TSTRING) {
    node_log(s->node, LOG_ERROR, "Lua error outside every protected call: %s", lua_tostring(L, -1));
  }
  abort();
}

/* warn(), and errors in finalisers: pieces of a message, the last of them with tocont = 0. Off or on by "@off" and "@on". */
static void warned(void *arg, const char *piece, int tocont)
{
  struct script *s = arg;
  if (s->warning.len == 0 && !tocont && piece[0] == '@') {
    s->warnings_off = strcmp(piece, "@off") == 0 || (s->warnings_off && strcmp(piece, "@on") != 0);
    return;
  }
  buf_append_str(&s->warning, piece);
  if (!tocont) {
    if (!s->warnings_off) {
      script_log(s, LOG_WARN, buf_slice(&s->warning));
    }
    buf_clear(&s->warning);
  }
}

static int new_list(lua_State *L)
{
  lua_newtable(L);
  return luaL_ref(L, LUA_REGISTRYINDEX);
}

struct script *script_new(const struct script_config *config)
{
  struct script *s = calloc(1, sizeof *s);
  if (s == NULL) {
    abort();
  }
  s->config = *config;
  s->config.rpc_timeout_ns = config->rpc_timeout_ns != 0 ? config->rpc_timeout_ns : NODE_S_NS;
  s->queue_last = &s->queue_first;
  s->default_handler = LUA_NOREF;
  s->module_ref = LUA_NOREF;
  s->check_ref = LUA_NOREF;
  s->collect_waiter.kind = WAITER_COLLECT;
  s->run_waiter.kind = WAITER_RUN;
  script_alloc_init(&s->alloc);
  map_init(&s->by_id);
  map_init(&s->by_thread);
  dict_init(&s->handlers);
  bool own = config->alloc == NULL;
  lua_State *L = (config->newstate != NULL ? config->newstate : lua_newstate)(own ? script_alloc_realloc : config->alloc,
                                                                              own ? &s->alloc : config->alloc_arg);
  if (L == NULL) {
    free(s);
    return NULL;
  }
  s->L = L;
  *(struct script **)lua_getextraspace(L) = s; /* coroutines inherit it */
  lua_atpanic(L, panic);
  lua_setwarnf(L, warned, s);
  limits_open(s);
  if (config->no_environment) {
    lua_pushboolean(L, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
  }
  luaL_openlibs(L);
  lua_getglobal(L, "math");
  lua_getfield(L, -1, "randomseed");
  s->randomseed_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pop(L, 1);
  s->inits_ref = new_list(L);
  s->exits_ref = new_list(L);
  codec_open(s);
  errors_open(s);
  message_open(s);
  timer_open(L);
  stdlib_open(s);
  script_library_open(L, config->library);
  if (config->open != NULL) {
    config->open(L, config->open_arg);
  }
  guard_libraries(s);
  s->gc_pause = DEFAULT_PAUSE;
  lua_gc(L, LUA_GCSETPAUSE, DEFAULT_PAUSE);
  return s;
}

/* Frees what lies outside the Lua state. */
static void free_rest(struct script *s)
{
  task_free_all(s);
  raft_close(s);
  for (size_t i = dict_next(&s->handlers, 0); i < s->handlers.cap; i = dict_next(&s->handlers, i + 1)) {
    struct handler *h = s->handlers.slots[i].value;
    buf_free(&h->ok);
    free(h->name);
    free(h);
  }
  dict_free(&s->handlers);
  map_free(&s->by_id);
  map_free(&s->by_thread);
  free(s->fields);
  buf_free(&s->text);
  buf_free(&s->encoded);
  buf_free(&s->written);
  buf_free(&s->warning);
  script_alloc_free(&s->alloc);
  free(s);
}

void script_free(struct script *s)
{
  if (s != NULL) {
    lua_close(s->L);
    free_rest(s);
  }
}

void script_abandon(struct script *s)
{
  assert(s->config.alloc != NULL);
  free_rest(s);
}

void script_attach(struct script *s, struct node *n)
{
  s->node = n;
  /* math.random: seeded by the node's world, not by the clock. */
  lua_State *L = s->L;
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->randomseed_ref);
  lua_pushinteger(L, (lua_Integer)node_random(n));
  lua_pushinteger(L, (lua_Integer)node_random(n));
  lua_call(L, 2, 0);
}

/* ---- the main chunk ---- */

void script_unhook(struct script *s)
{
  lua_sethook(s->hooked, s->own_hook, s->own_hook_mask, s->own_hook_count);
  s->hooked = NULL;
}

/* After a piece of work: a thread that was asked for its traceback and did not get to it is asked no more. Whoever held the loop was in C
 * all the time, or in a coroutine of the script's own, which the hook does not reach. */
static void call_off(struct script *s)
{
  if (s->hooked != NULL) {
    script_unhook(s);
    script_log(s, LOG_WARN, SLICE("a handler held the loop for over a second, in C or in a coroutine of the script's own"));
  }
  s->turn_used = 0;
  s->turn_over = false;
}

static int traceback(lua_State *L)
{
  const char *message = script_tostring(L, 1, NULL);
  luaL_traceback(L, L, message, 1);
  return 1;
}

/* The folder of the script, for package.path: "." if it has none. */
static struct slice folder_of(const char *path)
{
  const char *slash = strrchr(path, '/');
  return slash == NULL ? SLICE(".") : slash == path ? SLICE("/") : slice_of(path, (size_t)(slash - path));
}

static void prefix_path(lua_State *L, const char *field, struct slice folder, const char *pattern)
{
  lua_getglobal(L, "package");
  struct buf text = {0};
  const char *p = pattern;
  for (; *p != '\0'; p++) {
    if (*p == '%') {
      buf_append_slice(&text, folder);
    } else {
      buf_append_char(&text, *p);
    }
  }
  lua_getfield(L, -1, field);
  size_t len;
  const char *old = lua_tolstring(L, -1, &len);
  buf_append(&text, old, len);
  lua_pushlstring(L, text.data, text.len);
  lua_setfield(L, -3, field);
  lua_pop(L, 2);
  buf_free(&text);
}

/* Sets arg; leaves the script's arguments on the stack. Returns how many there are. */
static int push_arguments(struct script *s)
{
  lua_State *L = s->L;
  lua_createtable(L, s->config.argc, 1);
  lua_pushlstring(L, s->config.path, strlen(s->config.path)); /* not lua_pushstring: its cache goes by addresses */
  lua_rawseti(L, -2, 0);
  for (int i = 0; i < s->config.argc; i++) {
    lua_pushlstring(L, s->config.argv[i], strlen(s->config.argv[i]));
    lua_rawseti(L, -2, i + 1);
  }
  lua_setglobal(L, "arg");
  luaL_checkstack(L, s->config.argc + 1, "too many arguments");
  for (int i = 0; i < s->config.argc; i++) {
    lua_pushlstring(L, s->config.argv[i], strlen(s->config.argv[i]));
  }
  return s->config.argc;
}

/* The main chunk has returned a value: a service in the model of create and step. Lua: (service) */
static int start_service(lua_State *L)
{
  lua_getglobal(L, "require");
  lua_pushliteral(L, "vortex.step");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "start");
  lua_pushvalue(L, 1);
  lua_call(L, 1, 0);
  return 0;
}

/* Runs in protected mode. Lua: (chunk, arguments …) */
static int run_main(lua_State *L)
{
  lua_call(L, lua_gettop(L) - 1, 1);
  if (lua_istable(L, -1)) {
    int step = lua_getfield(L, -1, "step");
    lua_pop(L, 1);
    if (step != LUA_TNIL && step != LUA_TFUNCTION) {
      return luaL_error(L, "the script returns a table whose field \"step\" is no function but a %s", lua_typename(L, step));
    }
    if (step == LUA_TFUNCTION) {
      lua_pushcfunction(L, start_service);
      lua_insert(L, -2);
      lua_call(L, 1, 0);
    }
  }
  return 0;
}

int script_load(struct script *s, struct buf *message)
{
  lua_State *L = s->L;
  struct slice folder = folder_of(s->config.path);
  prefix_path(L, "path", folder, "%/?.lua;%/?/init.lua;");
  prefix_path(L, "cpath", folder, "%/?.so;");
  /* The library complains about the command line (--check): that is no matter of tracebacks. */
  lua_getglobal(L, "require");
  lua_pushliteral(L, "vortex");
  int status = lua_pcall(L, 1, 0, 0);
  if (status == LUA_OK) {
    lua_pushcfunction(L, traceback);
    lua_pushcfunction(L, run_main);
    status = script_load_file(L, s->config.path);
  }
  if (status == LUA_OK) {
    int n = push_arguments(s);
    status = lua_pcall(L, 1 + n, 0, 1);
  }
  if (status != LUA_OK) {
    stdlib_flush(s);
    size_t len;
    const char *text = script_tostring(L, -1, &len);
    buf_append(message, text, len);
  }
  lua_settop(L, 0);
  tune_collector(s);
  save_memory(s);
  call_off(s);
  return status == LUA_OK ? 0 : -1;
}

/* ---- the behavior ---- */

/* Runs the functions of a list one after the other, across yields. Lua: (list) */
static int run_hooks(lua_State *L, int status, lua_KContext next)
{
  (void)status;
  lua_Integer n = (lua_Integer)lua_rawlen(L, 1);
  for (lua_Integer i = (lua_Integer)next; i <= n; i++) {
    lua_rawgeti(L, 1, i);
    lua_callk(L, 0, 0, (lua_KContext)(i + 1), run_hooks);
  }
  return 0;
}

static int run_inits(lua_State *L)
{
  return run_hooks(L, LUA_OK, 1);
}

void script_turn(struct script *s, void (*work)(struct script *, const void *), const void *arg)
{
  if (s->config.alloc == NULL) {
    work(s, arg);
  } else if (!s->lost) {
    limits_guard(s, work, arg);
  }
  save_memory(s);
  call_off(s);
}

static void init(struct script *s, const void *arg)
{
  (void)arg;
  s->initialized = true;
  identity_publish(s);
  struct task *t = task_new(s, ROLE_INIT);
  if (t == NULL) { /* the main chunk has spawned too many */
    node_log(s->node, LOG_ERROR, "on_init cannot run: %d tasks are waiting already", SCRIPT_TASKS_MAX);
    s->init_failed = true;
    return;
  }
  lua_pushcfunction(t->co, run_inits);
  lua_rawgeti(t->co, LUA_REGISTRYINDEX, s->inits_ref);
  task_start(s, t, 1);
}

static enum node_init_result on_init(void *self)
{
  struct script *s = self;
  script_turn(s, init, NULL);
  s->init_yielded = true;
  return s->init_failed || s->lost ? NODE_INIT_FAILED : s->started ? NODE_INIT_DONE : NODE_INIT_PENDING;
}

void script_count_call(struct script *s)
{
  if (++s->calls % TUNE_EVERY_CALLS == 0 && s->gc_pause > 0) {
    tune_collector(s);
  }
}

static void handle(struct script *s, const void *in)
{
  script_count_call(s);
  message_receive(s, in);
}

static void on_message(void *self, const struct node_message *in)
{
  script_turn(self, handle, in);
}

struct completion {
  struct waiter *waiter;
  int status;
  const struct node_message *reply;
};

static void complete(struct script *s, const void *arg)
{
  const struct completion *c = arg;
  script_count_call(s);
  switch (c->waiter->kind) {
  case WAITER_TASK:
    task_complete(s, (struct task *)c->waiter, c->status, c->reply);
    break;
  case WAITER_TIMER:
    timer_complete(s, (struct script_timer *)c->waiter);
    break;
  case WAITER_COLLECT:
    message_collect(s);
    break;
  case WAITER_RUN:
    task_run_ready(s);
    break;
  case WAITER_GROUP:
    raft_tell(s, (struct raft_group *)c->waiter);
    break;
  }
}

static void on_complete(void *self, uint64_t token, void *tag, int status, const struct node_message *reply)
{
  (void)token;
  script_turn(self, complete, &(struct completion){tag, status, reply});
}

struct answered {
  struct task *task;
  int status;
  const struct node_answer *answer;
};

static void answered(struct script *s, const void *arg)
{
  const struct answered *a = arg;
  script_count_call(s);
  raft_answer(s, a->task, a->status, a->answer);
}

static void on_answer(void *self, uint64_t token, void *tag, int status, const struct node_answer *answer)
{
  (void)token;
  script_turn(self, answered, &(struct answered){tag, status, answer});
}

static bool on_busy(void *self)
{
  struct script *s = self;
  return s->live > 0 && !s->lost;
}

static void stop(struct script *s, const void *arg)
{
  (void)arg;
  lua_State *L = s->L;
  stdlib_flush(s);
  lua_pushcfunction(L, traceback);
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->exits_ref);
  lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, -1, i);
    if (lua_pcall(L, 0, 0, -3) != LUA_OK) {
      script_report(s, L, "on_exit");
    }
  }
  lua_pop(L, 2);
  stdlib_flush(s);
}

static void on_stop(void *self)
{
  script_turn(self, stop, NULL);
}

struct node_behavior script_behavior(struct script *s)
{
  return (struct node_behavior){
      .self = s,
      .init = on_init,
      .message = on_message,
      .complete = on_complete,
      .apply = machine_apply,
      .snapshot = machine_snapshot,
      .restore = machine_restore,
      .changed = raft_changed,
      .answer = on_answer,
      .busy = on_busy,
      .stop = on_stop,
  };
}

void script_settle(struct script *s)
{
  task_run_ready(s);
  call_off(s);
}

void script_report(struct script *s, lua_State *L, const char *where)
{
  const char *message = script_tostring(L, -1, NULL);
  if (!s->turn_over) { /* that was logged where it was stopped */
    node_log(s->node, LOG_ERROR, "error in %s: %s", where, message);
  }
  lua_pop(L, 2);
}

/* ---- the watchdog ---- */

static void report_busy(lua_State *L, lua_Debug *ar)
{
  (void)ar;
  struct script *s = script_of(L);
  script_unhook(s);
  const char *machine = s->machine;
  lua_pushfstring(L, "%s has held the loop for over a second; it is here now:", machine != NULL ? machine : "a handler");
  luaL_traceback(L, L, lua_tostring(L, -1), 0);
  size_t len;
  const char *text = lua_tolstring(L, -1, &len);
  node_log_text(s->node, LOG_WARN, slice_of(text, len));
  lua_pop(L, 2);
  if (machine != NULL) {
    limits_hold(s, L);
  }
}

void script_interrupt(struct script *s)
{
  if (s->hooked != NULL) {
    return;
  }
  struct task *t = s->current;
  lua_State *L = t != NULL ? t->co : s->machine != NULL ? s->machines : s->L;
  s->own_hook = lua_gethook(L);
  s->own_hook_mask = lua_gethookmask(L);
  s->own_hook_count = lua_gethookcount(L);
  s->hooked = L;
  lua_sethook(L, report_busy, LUA_MASKCOUNT, 1);
}
