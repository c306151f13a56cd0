/* What a script may use: instructions and memory. And life without a node, and the frozen clock. */
#include "script/script.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "string_world.h"

struct world {
  struct script *script;
  struct node *node;
  struct string_world env;
  char path[64];
  size_t memory_left;
  struct block *blocks;
  struct buf unattached; /* what was logged without a node */
};

/* An allocator with an end. What is left in it is freed with the world. */
struct block {
  struct block *next;
  struct block **previous; /* what points here */
};

static void *limited(void *arg, void *ptr, size_t old_size, size_t new_size)
{
  struct world *w = arg;
  size_t old = ptr != NULL ? old_size : 0;
  if (new_size > old && new_size - old > w->memory_left) {
    return NULL;
  }
  w->memory_left = w->memory_left + old - new_size;
  void *moved = NULL;
  if (new_size > 0) {
    struct block *b = malloc(sizeof *b + new_size);
    assert_non_null(b);
    *b = (struct block){w->blocks, &w->blocks};
    if (b->next != NULL) {
      b->next->previous = &b->next;
    }
    w->blocks = b;
    moved = b + 1;
    if (ptr != NULL) {
      memcpy(moved, ptr, old < new_size ? old : new_size);
    }
  }
  if (ptr != NULL) {
    struct block *b = (struct block *)ptr - 1;
    *b->previous = b->next;
    if (b->next != NULL) {
      b->next->previous = b->previous;
    }
    free(b);
  }
  return moved;
}

static void log_unattached(void *arg, enum log_level level, struct slice text)
{
  (void)level;
  buf_append_slice(arg, text);
  buf_append_char(arg, '\n');
}

static int setup(void **state)
{
  struct world *w = calloc(1, sizeof *w);
  assert_non_null(w);
  w->env.now = NODE_S_NS;
  w->memory_left = 8u << 20;
  *state = w;
  return 0;
}

static void create(struct world *w, const char *source, uint64_t instructions)
{
  snprintf(w->path, sizeof w->path, "/tmp/vortex-limits-XXXXXX");
  int fd = mkstemp(w->path);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, source, strlen(source)), strlen(source));
  close(fd);
  w->script = script_new(&(struct script_config){
      .path = w->path,
      .alloc = limited,
      .alloc_arg = w,
      .turn_instructions = instructions,
      .log = log_unattached,
      .log_arg = &w->unattached,
  });
}

static int load(struct world *w, const char *source, uint64_t instructions)
{
  create(w, source, instructions);
  struct node_config config = node_config_default();
  struct node_behavior behavior = script_behavior(w->script);
  struct node_env env = string_world_env(&w->env);
  w->node = node_new(&config, &env, &behavior);
  script_attach(w->script, w->node);
  return script_load(w->script, &w->env.log);
}

static int teardown(void **state)
{
  struct world *w = *state;
  script_free(w->script);
  if (w->node != NULL) {
    node_free(w->node);
  }
  while (w->blocks != NULL) {
    struct block *b = w->blocks;
    w->blocks = b->next;
    free(b);
  }
  unlink(w->path);
  string_world_free(&w->env);
  buf_free(&w->unattached);
  free(w);
  return 0;
}

static void receive(struct world *w, const char *line)
{
  node_receive(w->node, slice_of(line, strlen(line)), w->env.now);
}

static void pass(struct world *w, uint64_t ms)
{
  w->env.now += ms * NODE_MS_NS;
  node_wake(w->node);
}

static void init(struct world *w)
{
  receive(w, "{\"src\":\"c0\",\"dest\":\"n1\",\"body\":{\"type\":\"init\",\"node_id\":\"n1\",\"node_ids\":[\"n1\",\"n2\"],\"msg_id\":1}}");
}

static void ask(struct world *w, const char *type)
{
  char line[200];
  snprintf(line, sizeof line, "{\"src\":\"c1\",\"dest\":\"n1\",\"body\":{\"type\":\"%s\",\"msg_id\":7}}", type);
  receive(w, line);
}

static unsigned occurrences(struct buf *text, const char *part)
{
  unsigned n = 0;
  buf_append_char(text, '\0');
  for (const char *at = text->data; (at = strstr(at, part)) != NULL; at++) {
    n++;
  }
  text->len--;
  return n;
}

/* ---- instructions ---- */

#define LIMIT 100000

/* Each never ends by itself, and holds on to its life as well as it can. */
static const char *const endless[] = {
    "while true do end",
    "while true do pcall(function() while true do end end) end",
    "while true do pcall(error, 'x') end",
    "local function f() while true do pcall(f) end end f()",
    "while true do xpcall(function() while true do end end, function(e) while true do end end) end",
    "while true do coroutine.wrap(function() while true do end end)() end",
    "while true do pcall(coroutine.wrap(function() while true do pcall(function() while true do end end) end end)) end",
    "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
    "local function f() local c <close> = setmetatable({}, { __close = function() f() end }) while true do end end f()",
    "table.sort({ 3, 1, 2 }, function() while true do end end)",
    "local t = setmetatable({}, { __index = function() while true do end end }) return t.x",
    "local function again() v.spawn(again) end again()",
    "local s = setmetatable({}, { __tostring = function() while true do end end }) error(s)",
};

static void test_what_runs_without_end_is_stopped(void **state)
{
  for (size_t i = 0; i < sizeof endless / sizeof *endless; i++) {
    struct world *w = *state;
    struct buf source = {0};
    buf_printf(&source,
               "local v = require 'vortex'\nv.on('x', function() %s end)\n"
               "v.on('work', function() local n = 0 for i = 1, 20000 do n = n + i end return { n = n } end)%c",
               endless[i], '\0');
    assert_int_equal(load(w, source.data, LIMIT), 0);
    init(w);
    ask(w, "work");
    assert_false(script_ran_away(w->script));
    buf_clear(&w->env.log);
    ask(w, "x");
    if (!script_ran_away(w->script)) {
      fail_msg("not stopped: %s", endless[i]);
    }
    if (occurrences(&w->env.log, "has run 100,000 instructions without a pause") != 1) {
      fail_msg("not said once of: %s\n%s", endless[i], w->env.log.data);
    }
    assert_int_equal(occurrences(&w->env.log, "stack traceback:") >= 1, 1);
    assert_non_null(strstr(w->env.log.data, ":2: in"));
    buf_clear(&w->env.out);
    for (int k = 0; k < 20; k++) { /* each gets its own allowance */
      ask(w, "work");
    }
    assert_int_equal(occurrences(&w->env.out, "\"n\":200010000"), 20);
    buf_free(&source);
    teardown(state);
    setup(state);
  }
  struct world *w = *state;
  assert_int_equal(load(w, "", LIMIT), 0);
}

static void test_a_stopped_handler_answers_with_a_crash(void **state)
{
  struct world *w = *state;
  assert_int_equal(load(w, "local v = require 'vortex'\nv.on('x', function() while true do end end)", LIMIT), 0);
  init(w);
  ask(w, "x");
  expect_part(&w->env.out, "\"code\":13,\"text\":\"stopped: this handler has run 100,000 instructions without a pause\"");
}

static void test_loading_and_timers_are_limited(void **state)
{
  struct world *w = *state;
  assert_int_equal(load(w, "while true do end", LIMIT), -1);
  assert_true(script_ran_away(w->script));
  expect_part(&w->env.log, "stopped: this script has run 100,000 instructions");
  teardown(state);
  setup(state);
  w = *state;
  assert_int_equal(load(w, "local v = require 'vortex'\nv.after(1, function() while true do end end)", LIMIT), 0);
  init(w);
  pass(w, 1000);
  expect_part(&w->env.log, "stopped: this timer has run");
}

static void test_a_pause_begins_a_new_piece_of_work(void **state)
{
  struct world *w = *state;
  assert_int_equal(load(w,
                        "local v = require 'vortex'\n"
                        "v.on('x', function() for _ = 1, 10 do for i = 1, 40000 do end v.sleep(0.001) end return { done = true } end)",
                        LIMIT),
                   0);
  init(w);
  ask(w, "x");
  for (int i = 0; i < 10; i++) {
    pass(w, 1);
  }
  assert_false(script_ran_away(w->script));
  expect_part(&w->env.out, "\"done\":true");
}

/* ---- memory ---- */

static void test_a_handler_that_takes_all_memory_fails_alone(void **state)
{
  static const char *const greedy[] = {
      "local t = {} while true do t[#t + 1] = {} end",
      "local s = 'x' while true do s = s .. s end",
      "local t = {} while true do t[#t + 1] = ('x'):rep(10000) .. #t end",
      "local function f(...) return f(1, ...) end f()",
      "local t <close> = setmetatable({}, { __close = function(t) while true do t[#t + 1] = {} end end }) error 'x'",
  };
  for (size_t i = 0; i < sizeof greedy / sizeof *greedy; i++) {
    struct world *w = *state;
    struct buf source = {0};
    buf_printf(&source, "local v = require 'vortex'\nv.on('x', function() %s end)\nv.on('fine', function() return { ok = true } end)%c",
               greedy[i], '\0');
    assert_int_equal(load(w, source.data, 0), 0);
    buf_free(&source);
    init(w);
    for (int k = 0; k < 3; k++) {
      buf_clear(&w->env.log);
      ask(w, "x");
      expect_part(&w->env.log, "error in the handler for \"x\": ");
      buf_clear(&w->env.out);
      ask(w, "fine");
      expect_part(&w->env.out, "\"ok\":true");
    }
    teardown(state);
    setup(state);
  }
  struct world *w = *state;
  assert_int_equal(load(w, "", 0), 0);
}

static void test_a_service_that_keeps_everything_ends_as_a_failure(void **state)
{
  for (size_t left = 0; left < 400; left += 16) { /* wherever the end of memory is met */
    struct world *w = *state;
    w->memory_left = (2u << 20) + left;
    assert_int_equal(load(w,
                          "local v = require 'vortex'\nlocal kept = {}\n"
                          "v.on('x', function(msg) kept[#kept + 1] = msg kept[#kept + 1] = { msg.body } return {} end)",
                          0),
                     0);
    init(w);
    for (int i = 0; i < 20000 && !node_failed(w->node); i++) {
      ask(w, "x");
    }
    assert_true(node_failed(w->node));
    assert_true(occurrences(&w->env.log, "not enough memory") >= 1);
    ask(w, "x"); /* nothing runs any more */
    pass(w, 2000);
    assert_int_equal(node_state(w->node), NODE_STOPPED);
    script_abandon(w->script);
    w->script = NULL;
    teardown(state);
    setup(state);
  }
}

/* ---- without a node ---- */

static void test_a_script_without_a_node_can_print(void **state)
{
  struct world *w = *state;
  create(w,
         "local v = require 'vortex'\nprint('printed', 1)\nio.write('written\\n')\nv.log.warn('logged')\nwarn('warned')\n"
         "assert(v.json.encode { a = v.json.decode('[1,\"\\\\ud800\"]') } == '{\"a\":[1,\"\\u{fffd}\"]}')\n"
         "for _, f in ipairs { v.now, function() v.send('n1', {}) end, function() v.rpc('n1', {}) end, function() v.sleep(1) end } do\n"
         "  local ok, err = pcall(f) assert(not ok) print(err)\n"
         "end",
         0);
  assert_int_equal(script_load(w->script, &w->env.log), 0);
  buf_append_char(&w->unattached, '\0');
  static const char *const parts[] = {"printed\t1\n", "written\n", "logged\n", "warned\n", "now: this script is not run as a node"};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    assert_non_null(strstr(w->unattached.data, parts[i]));
  }
}

static void test_a_script_without_log_drops_it(void **state)
{
  struct world *w = *state;
  create(w, "", 0);
  script_free(w->script);
  w->script = script_new(&(struct script_config){.path = w->path});
  assert_int_equal(luaL_dostring(script_lua(w->script), "print 'x' io.write 'y' warn 'z'"), 0);
}

static void test_abandoning_runs_no_finaliser(void **state)
{
  struct world *w = *state;
  assert_int_equal(load(w,
                        "local v = require 'vortex'\nkept = setmetatable({}, { __gc = function() print 'finalised' end })\n"
                        "v.on('x', function() v.sleep(10) end)\nv.every(1, print)",
                        0),
                   0);
  init(w);
  ask(w, "x");
  script_abandon(w->script);
  assert_int_equal(occurrences(&w->env.log, "finalised"), 0);
  w->script = NULL;
}

#ifdef __linux__
static void test_the_clock_can_be_frozen(void **state)
{
  struct world *w = *state;
  assert_true(time(NULL) > 1000000000);
  script_freeze_clock(4000000000u);
  time_t out;
  assert_int_equal(time(&out), 4000000000);
  assert_int_equal(out, 4000000000);
  assert_int_equal(clock(), 4000000000);
  create(w, "print(os.time())", 0);
  assert_int_equal(script_load(w->script, &w->env.log), 0);
  expect_part(&w->unattached, "4000000000\n");
}
#endif

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_what_runs_without_end_is_stopped, setup, teardown),
      cmocka_unit_test_setup_teardown(test_a_stopped_handler_answers_with_a_crash, setup, teardown),
      cmocka_unit_test_setup_teardown(test_loading_and_timers_are_limited, setup, teardown),
      cmocka_unit_test_setup_teardown(test_a_pause_begins_a_new_piece_of_work, setup, teardown),
      cmocka_unit_test_setup_teardown(test_a_handler_that_takes_all_memory_fails_alone, setup, teardown),
      cmocka_unit_test_setup_teardown(test_a_service_that_keeps_everything_ends_as_a_failure, setup, teardown),
      cmocka_unit_test_setup_teardown(test_a_script_without_a_node_can_print, setup, teardown),
      cmocka_unit_test_setup_teardown(test_a_script_without_log_drops_it, setup, teardown),
      cmocka_unit_test_setup_teardown(test_abandoning_runs_no_finaliser, setup, teardown),
#ifdef __linux__
      cmocka_unit_test_setup_teardown(test_the_clock_can_be_frozen, setup, teardown),
#endif
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
