/* A world for tests of scripts with Raft groups: one node in a world of strings, which leads if it is alone in its cluster. */
#ifndef VORTEX_TESTS_RAFT_WORLD_H
#define VORTEX_TESTS_RAFT_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "script/internal.h"
#include "script/raft.h"
#include "string_world.h"

struct world {
  struct script *script;
  struct node *node;
  struct string_world env;
  struct node_behavior behavior;
  char path[64];
  size_t memory_left; /* what the allocator still gives; 0 = the script has its own */
};

static inline int setup(void **state)
{
  struct world *w = calloc(1, sizeof *w);
  assert_non_null(w);
  w->env.now = NODE_S_NS;
  *state = w;
  return 0;
}

static inline int teardown(void **state)
{
  struct world *w = *state;
  if (w->node != NULL) {
    node_free(w->node);
  }
  script_free(w->script);
  unlink(w->path);
  string_world_free(&w->env);
  free(w);
  return 0;
}

static inline void *limited(void *arg, void *ptr, size_t old_size, size_t new_size)
{
  struct world *w = arg;
  size_t old = ptr != NULL ? old_size : 0;
  if (new_size > old && new_size - old > w->memory_left) {
    return NULL;
  }
  w->memory_left = w->memory_left + old - new_size;
  if (new_size == 0) {
    free(ptr);
    return NULL;
  }
  return realloc(ptr, new_size);
}

/* Lua: interrupt(): what a watchdog does. */
static inline int interrupt(lua_State *L)
{
  script_interrupt(script_of(L));
  return 0;
}

/* Lua: ticks(): the clock that Lua's libraries see. */
static inline int ticks(lua_State *L)
{
  lua_pushinteger(L, (lua_Integer)time(NULL) + (lua_Integer)clock());
  return 1;
}

static inline void open(lua_State *L, void *arg)
{
  (void)arg;
  lua_register(L, "ticks", ticks);
  lua_register(L, "interrupt", interrupt);
}

#define PROLOGUE "local v = require 'vortex'\n"

/* Loads a script of this source behind the prologue; its node knows of the members. Returns what script_load says. */
static inline int load_in(struct world *w, const char *source, uint64_t instructions)
{
  snprintf(w->path, sizeof w->path, "/tmp/vortex-raft-XXXXXX");
  int fd = mkstemp(w->path);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, PROLOGUE, strlen(PROLOGUE)), strlen(PROLOGUE));
  assert_int_equal(write(fd, source, strlen(source)), strlen(source));
  close(fd);
  w->script = script_new(&(struct script_config){
      .path = w->path,
      .turn_instructions = instructions,
      .alloc = w->memory_left > 0 ? limited : NULL,
      .alloc_arg = w,
      .open = open,
  });
  struct node_config config = node_config_default();
  w->behavior = script_behavior(w->script);
  struct node_env env = string_world_env(&w->env);
  w->node = node_new(&config, &env, &w->behavior);
  script_attach(w->script, w->node);
  return script_load(w->script, &w->env.log);
}

static inline void load(struct world *w, const char *source)
{
  if (load_in(w, source, 0) != 0) {
    fail_msg("%.*s", (int)w->env.log.len, w->env.log.data);
  }
}

static inline void receive(struct world *w, const char *line)
{
  node_receive(w->node, slice_of(line, strlen(line)), w->env.now);
}

static inline void pass(struct world *w, uint64_t ms)
{
  for (uint64_t i = 0; i < ms; i += 10) {
    w->env.now += 10 * NODE_MS_NS;
    node_wake(w->node);
  }
}

/* Starts the node, in a cluster of these members (JSON), and lets it become the leader if it can. */
static inline void init(struct world *w, const char *members)
{
  char line[300];
  snprintf(line, sizeof line,
           "{\"src\":\"c0\",\"dest\":\"n1\",\"body\":{\"type\":\"init\",\"node_id\":\"n1\",\"node_ids\":%s,\"msg_id\":1}}", members);
  receive(w, line);
  pass(w, 1000);
  buf_clear(&w->env.out);
}

static inline void ask(struct world *w, const char *members)
{
  struct buf line = {0};
  buf_printf(&line, "{\"src\":\"c1\",\"dest\":\"n1\",\"body\":{\"msg_id\":7,%s}}%c", members, '\0');
  receive(w, line.data);
  buf_free(&line);
  pass(w, 100);
}

/* Asks, and fails unless the answer has this part. */
static inline void expect(struct world *w, const char *members, const char *part)
{
  buf_clear(&w->env.out);
  ask(w, members);
  buf_append_char(&w->env.out, '\0');
  if (strstr(w->env.out.data, part) == NULL) {
    fail_msg("no %s in %s\nlog: %.*s", part, w->env.out.data, (int)w->env.log.len, w->env.log.data);
  }
}

static inline unsigned occurrences(struct buf *text, const char *part)
{
  unsigned n = 0;
  buf_append_char(text, '\0');
  for (const char *at = text->data; (at = strstr(at, part)) != NULL; at++) {
    n++;
  }
  text->len--;
  return n;
}

/* Has the group apply a command, which must succeed with this result. */
static inline void apply(struct world *w, struct raft_group *g, uint64_t index, const char *command, const char *result)
{
  struct buf value = {0};
  struct node_outcome outcome = {.value = &value};
  assert_int_equal(w->behavior.apply(w->script, g, index, slice_of(command, strlen(command)), &outcome), 0);
  assert_int_equal(outcome.code, 0);
  if (!slice_equal(buf_slice(&value), slice_of(result, strlen(result)))) {
    fail_msg("%s: %.*s", command, (int)value.len, value.data);
  }
  buf_free(&value);
}

#endif
