/* How fast a state machine in Lua is replicated: three nodes in one process and one thread, joined by queues of lines in memory, each with
 * a Lua state and a Raft group whose log is in memory. Tasks on the leader propose; each proposal is replicated, applied in Lua on all
 * three, and its result comes back to the task. Times are of the processor: nothing here waits.
 *
 *   raft_lua [SECONDS [TASKS]]     (of the measurement; 2. Tasks that propose at once; 256)
 *
 * Prints: proposals per second, and lines between the nodes per proposal. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/prng.h"
#include "node/node.h"
#include "script/script.h"

enum {
  NODES = 3
};

static const char source[] = "local vortex = require 'vortex'\n"
                             "local raft = vortex.raft { apply = function(store, op)\n"
                             "  store[op.key] = op.value\n"
                             "  return { value = op.value }\n"
                             "end }\n"
                             "local done = 0\n"
                             "vortex.on('work', function(msg)\n"
                             "  for task = 1, msg.body.tasks do\n"
                             "    vortex.spawn(function()\n"
                             "      for i = 1, math.maxinteger do\n"
                             "        local reply = raft:propose { type = 'write', key = task, value = i }\n"
                             "        assert(reply.value == i)\n"
                             "        done = done + 1\n"
                             "      end\n"
                             "    end)\n"
                             "  end\n"
                             "  return {}\n"
                             "end)\n"
                             "vortex.on('count', function() return { done = done, leads = raft:is_leader() } end)\n";

struct seat {
  char name[4];
  struct node *node;
  struct script *script;
  struct buf inbox; /* lines that have been sent to it */
  struct buf reading;
  uint64_t wake_ns; /* UINT64_MAX = nothing is asked for */
};

static struct seat seats[NODES];
static struct prng prng;
static uint64_t lines;
static struct buf replies;

static uint64_t clock_ns(clockid_t id)
{
  struct timespec t;
  clock_gettime(id, &t);
  return (uint64_t)t.tv_sec * NODE_S_NS + (uint64_t)t.tv_nsec;
}

static uint64_t env_now(void *self)
{
  (void)self;
  return clock_ns(CLOCK_MONOTONIC);
}

static uint64_t env_random(void *self)
{
  (void)self;
  return prng_next(&prng);
}

static void env_send(void *self, struct slice dest, struct slice line, bool originated)
{
  (void)self;
  (void)originated;
  for (unsigned i = 0; i < NODES; i++) {
    if (slice_equal(dest, slice_of(seats[i].name, strlen(seats[i].name)))) {
      lines++;
      buf_append_slice(&seats[i].inbox, line);
      return;
    }
  }
  buf_append_slice(&replies, line);
}

static void env_wake_at(void *self, uint64_t deadline_ns)
{
  ((struct seat *)self)->wake_ns = deadline_ns;
}

static void env_log(void *self, enum log_level level, struct slice text)
{
  if (level >= LOG_WARN) {
    fprintf(stderr, "%s: %.*s\n", ((struct seat *)self)->name, (int)text.len, text.ptr);
  }
}

static void receive(struct seat *s, struct slice lines_of)
{
  while (lines_of.len > 0) {
    const char *end = memchr(lines_of.ptr, '\n', lines_of.len);
    size_t len = (size_t)(end - lines_of.ptr);
    node_receive(s->node, slice_of(lines_of.ptr, len), clock_ns(CLOCK_MONOTONIC));
    lines_of = slice_of(end + 1, lines_of.len - len - 1);
  }
}

/* One turn of everybody: what has arrived, then what is due. */
static void turn(void)
{
  for (unsigned i = 0; i < NODES; i++) {
    struct seat *s = &seats[i];
    struct buf arrived = s->inbox;
    s->inbox = s->reading;
    s->reading = arrived;
    receive(s, buf_slice(&s->reading));
    buf_clear(&s->reading);
    if (s->wake_ns <= clock_ns(CLOCK_MONOTONIC)) {
      s->wake_ns = UINT64_MAX;
      node_wake(s->node);
    }
  }
}

static void ask(struct seat *s, const char *members)
{
  static int id;
  struct buf line = {0};
  buf_clear(&replies);
  buf_printf(&line, "{\"src\":\"c1\",\"dest\":\"%s\",\"body\":{%s,\"msg_id\":%d}}\n", s->name, members, ++id);
  receive(s, buf_slice(&line));
  buf_free(&line);
}

static void start(struct seat *s, unsigned i, const char *script)
{
  snprintf(s->name, sizeof s->name, "n%u", i % NODES);
  s->wake_ns = UINT64_MAX;
  s->script = script_new(&(struct script_config){.path = script, .name = "bench"});
  struct node_config config = node_config_default();
  config.hold_ns = 0;
  config.late_reply_ns = 0;
  struct node_env env = {.self = s, .now = env_now, .random = env_random, .send = env_send, .wake_at = env_wake_at, .log = env_log};
  struct node_behavior behavior = script_behavior(s->script);
  s->node = node_new(&config, &env, &behavior);
  script_attach(s->script, s->node);
  struct buf message = {0};
  if (script_load(s->script, &message) != 0) {
    fprintf(stderr, "%.*s\n", (int)message.len, message.data);
    exit(1);
  }
  buf_free(&message);
  char init[400];
  snprintf(init, sizeof init, "\"type\":\"init\",\"node_id\":\"%s\",\"node_ids\":[\"n0\",\"n1\",\"n2\"]", s->name);
  ask(s, init);
}

/* The number behind a key in the reply; -1 = there is none. */
static long long number(const char *key)
{
  buf_append_char(&replies, '\0');
  const char *at = strstr(replies.data, key);
  return at == NULL ? -1 : atoll(at + strlen(key));
}

static struct seat *leader(void)
{
  for (;;) {
    turn();
    for (unsigned i = 0; i < NODES; i++) {
      ask(&seats[i], "\"type\":\"count\"");
      buf_append_char(&replies, '\0');
      if (strstr(replies.data, "\"leads\":true") != NULL) {
        return &seats[i];
      }
    }
  }
}

static long long done(struct seat *s)
{
  ask(s, "\"type\":\"count\"");
  return number("\"done\":");
}

static void run_for(uint64_t ns)
{
  uint64_t until = clock_ns(CLOCK_PROCESS_CPUTIME_ID) + ns;
  while (clock_ns(CLOCK_PROCESS_CPUTIME_ID) < until) {
    for (int i = 0; i < 16; i++) {
      turn();
    }
  }
}

int main(int argc, char **argv)
{
  double seconds = argc > 1 ? atof(argv[1]) : 2;
  int tasks = argc > 2 ? atoi(argv[2]) : 256;
  char path[] = "/tmp/vortex-raft-lua-XXXXXX";
  int fd = mkstemp(path);
  assert(fd >= 0);
  ssize_t written = write(fd, source, sizeof source - 1);
  assert(written == (ssize_t)sizeof source - 1);
  (void)written;
  close(fd);
  prng_init(&prng, 1);
  for (unsigned i = 0; i < NODES; i++) {
    start(&seats[i], i, path);
  }
  unlink(path);
  struct seat *s = leader();
  char members[60];
  snprintf(members, sizeof members, "\"type\":\"work\",\"tasks\":%d", tasks);
  ask(s, members);
  run_for((uint64_t)(seconds * 0.1e9));
  long long before = done(s);
  uint64_t lines_before = lines;
  uint64_t from = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
  run_for((uint64_t)(seconds * 1e9));
  uint64_t took = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - from;
  long long count = done(s) - before;
  printf("%.0f proposals/s, %.3f lines per proposal\n", (double)count * 1e9 / (double)took,
         (double)(lines - lines_before) / (double)(count > 0 ? count : 1));
  for (unsigned i = 0; i < NODES; i++) {
    node_free(seats[i].node);
    script_free(seats[i].script);
  }
  return count > 0 ? 0 : 1;
}
