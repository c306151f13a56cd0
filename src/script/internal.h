/* What the files of this room share. Private to script.
 *
 *   script.c    life: Lua state, main chunk, the behavior that the node calls
 *   task.c      tasks: start, yield, resume, the queue of runnable ones, what happens to errors
 *   message.c   the msg object: handlers, answers, forwarding
 *   api.c       the module vortex.core: what scripts call
 *   timer.c     after and every
 *   identity.c  vortex.id, ids and peers
 *   raft.c      Raft groups: what scripts ask of them
 *   machine.c   the state machines of Raft groups, which the node runs
 *   guard.c     what state machines may not use
 *   errors.c    error objects
 *   encode.c, decode.c   the codec between JSON text and Lua values (codec.h)
 *   image_write.c, image_read.c   the typed encoding of states (image.h)
 *   stdlib.c    print, io.write and os.exit, which must not touch the protocol
 *   library.c   require: the library's Lua half
 *   cache.c     chunks that are compiled once for many states
 *   limits.c    instructions and memory that a script may use
 *   frozen.c    the clock behind hash seeds
 *   alloc.c     memory for small objects */
#ifndef VORTEX_SCRIPT_INTERNAL_H
#define VORTEX_SCRIPT_INTERNAL_H

#include <lauxlib.h>
#include <lua.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/map.h"
#include "node/raft.h"
#include "script/alloc.h"
#include "script/codec.h"
#include "script/limits.h"
#include "script/script.h"

#define MESSAGE_MT "vortex.message"
#define TIMER_MT   "vortex.timer"

/* ---- what waits for the node: the tag of an operation points to one of these ---- */

enum waiter_kind {
  WAITER_TASK,
  WAITER_TIMER,
  WAITER_COLLECT, /* the script's own: a look for requests that ended unanswered */
  WAITER_RUN,     /* the script's own: tasks became runnable outside the node's calls */
  WAITER_GROUP,   /* a Raft group: those who want to know of changes are told */
};

struct waiter {
  enum waiter_kind kind;
};

enum task_state {
  TASK_FREE,
  TASK_READY, /* in the queue, with nargs values on its stack */
  TASK_RUNNING,
  TASK_WAITING, /* for the node's operation `token` */
  TASK_PARKED,  /* for core.unpark, or for `token` if it has a timeout */
};

enum task_wait {
  WAIT_NONE,
  WAIT_SLEEP,
  WAIT_RPC,
  WAIT_TRY_RPC,
  WAIT_PARK,
  WAIT_RAFT, /* for a Raft group */
  WAIT_TRY_RAFT,
};

enum task_role {
  ROLE_HANDLER, /* subject: the msg */
  ROLE_TIMER,   /* subject: the timer */
  ROLE_SPAWNED,
  ROLE_INIT,
};

/* A coroutine of ours. Slot 1 of its stack holds its subject (or nil) for as long as it lives. */
struct task {
  struct waiter waiter; /* first, so that a tag is its task */
  enum task_state state;
  enum task_wait wait;
  enum task_role role;
  bool raise;   /* the value it is resumed with is to be raised */
  bool reads;   /* WAIT_RAFT: what it waits for is the moment to read */
  bool starved; /* it has raised for want of memory */
  int nargs;
  int ref; /* keeps co alive: it goes back to the pool */
  lua_State *co;
  void *subject; /* the msg or the timer in slot 1, or NULL */
  uint64_t token;
  uint64_t id;       /* known to scripts by core.task(); 0 = not asked for */
  struct task *next; /* in the queue or in the pool */
  struct task *all;  /* every task there is */
  char origin[96];   /* of a spawned task: where */
};

/* A handler that a script registered. */
struct handler {
  int ref;       /* the function */
  struct buf ok; /* JSON: "type":"<type>_ok" */
  char *name;    /* owned */
  bool warned;   /* that a request of this type ended unanswered */
};

struct script_field; /* encode.c */

struct script {
  struct script_config config;
  struct script_alloc alloc;
  lua_State *L;
  struct node *node;

  /* tasks */
  struct task *volatile current; /* the running one, or NULL. Read by a signal handler. */
  lua_State *volatile hooked;    /* the thread that the watchdog has asked for its traceback, or NULL */
  lua_Hook own_hook;             /* of that thread, before */
  int own_hook_mask;
  int own_hook_count;
  struct task *queue_first;
  struct task **queue_last;
  struct task *pool;
  struct task *tasks;
  int live;
  struct map by_id;
  struct map by_thread; /* the address of a task's coroutine -> the task */
  uint64_t next_task_id;
  bool running_queue;
  struct waiter run_waiter;

  /* handlers and hooks: references into the registry */
  struct dict handlers;
  int default_handler; /* LUA_NOREF = none */
  int inits_ref;       /* a sequence of functions */
  int exits_ref;
  int randomseed_ref; /* the original, whatever the world puts in its place */
  int module_ref;     /* the table that gets id, ids and peers */
  const void *module_mt;
  int check_ref;

  bool initialized;  /* init has arrived */
  bool started;      /* on_init has ended */
  bool init_yielded; /* on_init has yielded: init_ok has left */
  bool init_failed;
  struct script_timer *pending_timers; /* created before on_init has ended */

  /* requests that end unanswered */
  bool collect_due;
  struct waiter collect_waiter;

  int message_mt_ref;
  const void *message_mt;
  int unanswered_mt_ref;
  const void *unanswered_mt;
  int gc_pause;   /* as we set it; -1 = the script's own */
  int trim_kb;    /* config.trim: how large the heap is when its garbage is collected */
  unsigned calls; /* of the node's, for tuning the collector now and then */

  /* Raft */
  struct raft_group *groups;
  const char *volatile machine; /* which function of a state machine runs ("apply" …); NULL = none. Read by a signal handler. */
  lua_State *machines;          /* the thread that they run on; NULL = there is no group */
  int machines_ref;
  const void *group_mt;
  bool asked;          /* the node waits for what one comes to, and stops if that is an error: it is not to be called */
  bool starved;        /* one ran out of memory, even if it has caught the error */
  size_t refused_want; /* what the allocator has refused and may be asked for again; 0 = nothing */
  void *refused_ptr;
  uint64_t held_ns; /* processor time when the watchdog found one to hold the loop; 0 = it has not */

  /* the codec */
  int name_ref; /* the strings "__name" and "__mode" */
  int mode_ref;
  int array_mt_ref;
  const void *array_mt;
  const void *object_mt;
  int object_mt_ref;
  int error_mt_ref;
  const void *error_mt;
  struct script_field *fields; /* scratch of the encoder */
  size_t fields_len;
  size_t fields_cap;
  struct buf text;    /* scratch of the decoder: strings with escapes */
  struct buf encoded; /* scratch: a text that is encoded before it is used */

  struct buf warning; /* of warn(): pieces of a message that is not complete yet */
  bool warnings_off;
  struct buf written; /* io.write: a line that is not complete yet */

  /* limits */
  uint64_t turn_used; /* instructions of this piece of work */
  bool turn_over;     /* it was stopped: whatever else it runs raises */
  bool ran_away;
  bool lost; /* out of memory where nothing could catch it: Lua is not entered again */
  struct rescue *rescue;
};

/* ---- task.c ---- */

/* Takes a task from the pool. Its stack holds nil as subject. NULL if SCRIPT_TASKS_MAX are live. */
struct task *task_new(struct script *s, enum task_role role);

/* Starts a task whose stack holds subject, function and `nargs` arguments; runs it to its first yield. Then other runnable tasks run. */
void task_start(struct script *s, struct task *t, int nargs);

/* Appends a task to the queue; `nargs` values on its stack are what it is started or resumed with. */
void task_enqueue(struct script *s, struct task *t, int nargs);

/* Resumes a waiting task at once with `nargs` values on its stack; then other runnable tasks run. */
void task_resume(struct script *s, struct task *t, int nargs);

/* The task that runs on L, or raises and says why `what` cannot yield here. `level`: whose line the error names, 1 = our caller's. */
struct task *task_check_yield(lua_State *L, const char *what, int level);

/* Runs the tasks in the queue, unless one is running. */
void task_run_ready(struct script *s);

/* The node's operation of a task is over. */
void task_complete(struct script *s, struct task *t, int status, const struct node_message *reply);

/* Frees all tasks; the Lua state is closed already. */
void task_free_all(struct script *s);

/* Logs the error on top of the main stack with the task's traceback, and where it was spawned. `what` is what failed. */
void task_log_error(struct script *s, struct task *t, const char *what);

/* Yields the task that runs on L until its operation is over, with an empty stack. To be returned. */
int task_wait(lua_State *L, struct task *t, enum task_wait wait);

/* The same, going on in `then`, with the stack below what the task is resumed with as it is. */
int task_wait_then(lua_State *L, struct task *t, enum task_wait wait, lua_KFunction then);

/* ---- message.c ---- */

void message_open(struct script *s);
void message_receive(struct script *s, const struct node_message *message);

/* The handler's task has returned: its result (slot 2 of its stack, if there is one) is the answer. */
void message_finish(struct script *s, struct task *t);

/* The handler's task has raised; the error is on top of the main stack. Logs it unless it was deliberate, and answers. */
void message_fail(struct script *s, struct task *t);

/* Looks for requests that ended unanswered (WAITER_COLLECT). */
void message_collect(struct script *s);

/* ---- timer.c ---- */

struct script_timer;
void timer_open(lua_State *L);
void timer_complete(struct script *s, struct script_timer *timer);
void timer_finish(struct script *s, struct script_timer *timer); /* its task has ended */
void timer_arm_pending(struct script *s);
int timer_after(lua_State *L); /* Lua: after(seconds, fn) -> timer */
int timer_every(lua_State *L); /* Lua: every(seconds, fn) -> timer */

/* ---- raft.c ---- */

struct raft_group;
void raft_close(struct script *s); /* frees what lies outside the Lua state */
int raft_declare(lua_State *L);    /* Lua: raft_open(options) -> group */
void raft_tell(struct script *s, struct raft_group *g);
void raft_answer(struct script *s, struct task *t, int status, const struct node_answer *answer);
void raft_changed(void *self, void *group); /* of the behavior */

/* ---- machine.c: of the behavior ---- */

int machine_apply(void *self, void *group, uint64_t index, struct slice command, struct node_outcome *outcome);
int machine_snapshot(void *self, void *group, struct buf *out);
int machine_restore(void *self, void *group, struct slice state);

/* ---- identity.c ---- */

int identity_set_module(lua_State *L);   /* Lua: set_module(table): gets id, ids and peers at init */
void identity_publish(struct script *s); /* init has arrived */

/* ---- errors.c ---- */

void errors_open(struct script *s);

/* Pushes an error object. `text` may be empty: the list's text is used then. */
void errors_push(lua_State *L, long long code, const char *name, struct slice text, bool remote);
void errors_push_code(lua_State *L, int error, bool remote);

/* Whether the value is an error object; reads it. `text` is borrowed from the object. */
bool errors_get(lua_State *L, int index, long long *code, bool *remote, struct slice *text);

int errors_raise(lua_State *L); /* Lua: error(code | name | err, text) */
int errors_new(lua_State *L);   /* Lua: error_new(code | name, text, fields) */
int errors_is(lua_State *L);    /* Lua: is_error(v) */

/* ---- others ---- */

/* Runs a piece of work that the node asks for: protected where memory may run out, and limited where instructions are. */
void script_turn(struct script *s, void (*work)(struct script *, const void *), const void *arg);

/* Tunes the collector now and then. */
void script_count_call(struct script *s);

/* Puts back the hook that the thread had which the watchdog has asked for its traceback. */
void script_unhook(struct script *s);

/* While held, time() and clock(), as Lua's libraries see them, stand still: so that table.sort, which takes pivots from them, brings what
 * compares equal into the same order on every replica. */
void script_hold_clock(bool hold);

/* A time in seconds as nanoseconds, cut to NODE_RPC_TIMEOUT_MAX_NS. */
uint64_t script_seconds_ns(lua_Number seconds);

/* Writes to the node's log; without a node, to the configuration's. */
void script_log(struct script *s, enum log_level level, struct slice text);

/* Compile a chunk of the library or a file, or take it from the cache; as luaL_loadbufferx and luaL_loadfilex. */
int script_load_text(lua_State *L, struct slice source, const char *name);
int script_load_file(lua_State *L, const char *path);

int api_open(lua_State *L); /* lua_CFunction: vortex.core */
void stdlib_open(struct script *s);
void stdlib_flush(struct script *s); /* logs what io.write was given without a newline */

/* Pushes a value as text and returns it, as luaL_tolstring; a __tostring that raises does no harm. */
const char *script_tostring(lua_State *L, int index, size_t *len);

/* Encodes the body at `index` apart from any line, so that none is begun for a body that cannot be encoded. Returns it, or NULL with *error
 * filled in; the text holds until the next call. As codec_encode_body. */
struct buf *script_encode_body(struct script *s, lua_State *L, int index, struct slice type, enum codec_body kind,
                               struct codec_error *error);

/* Seconds (a Lua number at `arg`) as nanoseconds; raises if it is not a number or negative. */
uint64_t script_check_seconds(lua_State *L, int arg);

#endif
