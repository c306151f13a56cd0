/* A script in a world of strings: loading, handlers, tasks and errors, without a process around it. */
#include "script/script.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "string_world.h"

struct world {
  struct script *script;
  struct node *node;
  struct string_world env;
  char path[64];
};

static int setup(void **state)
{
  struct world *w = calloc(1, sizeof *w);
  assert_non_null(w);
  w->env.now = NODE_S_NS;
  *state = w;
  return 0;
}

/* Loads a script of this source; returns what script_load says, with its message in the log. */
static int load(struct world *w, const char *source)
{
  snprintf(w->path, sizeof w->path, "/tmp/vortex-script-XXXXXX");
  int fd = mkstemp(w->path);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, source, strlen(source)), strlen(source));
  close(fd);
  w->script = script_new(&(struct script_config){.path = w->path});
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
  node_free(w->node);
  unlink(w->path);
  string_world_free(&w->env);
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

static void test_load_errors(void **state)
{
  struct world *w = *state;
  assert_int_equal(load(w, "local x =\n= 1"), -1);
  expect_part(&w->env.log, ":2: unexpected symbol");
}

static void test_a_load_error_has_a_traceback(void **state)
{
  struct world *w = *state;
  assert_int_equal(load(w, "local function f() error 'boom' end\nf()"), -1);
  expect_part(&w->env.log, ":1: boom\nstack traceback:");
}

static void test_spawned_tasks_run_in_order_after_the_current_one(void **state)
{
  struct world *w = *state;
  assert_int_equal(load(w, "local v = require 'vortex'\n"
                           "v.on('x', function(msg)\n"
                           "  local order = v.array {}\n"
                           "  for i = 1, 3 do v.spawn(function() order[#order + 1] = i v.sleep(0.1) order[#order + 1] = 10 * i end) end\n"
                           "  order[1] = 0\n"
                           "  v.sleep(0.5)\n"
                           "  return { order = order }\n"
                           "end)"),
                   0);
  init(w);
  ask(w, "x");
  pass(w, 100);
  pass(w, 400);
  expect_part(&w->env.out, "\"order\":[0,1,2,3,10,20,30]");
}

static void test_every_does_not_overlap_and_can_be_cancelled(void **state)
{
  struct world *w = *state;
  assert_int_equal(load(w, "local v = require 'vortex'\n"
                           "local runs, t = 0, nil\n"
                           "t = v.every(1, function() runs = runs + 1 v.sleep(3) if runs == 2 then t:cancel() end end)\n"
                           "v.on('runs', function() return { runs = runs } end)"),
                   0);
  init(w);
  for (int i = 0; i < 30; i++) {
    pass(w, 500);
    if (i == 5) {
      ask(w, "runs");
      expect_part(&w->env.out, "\"runs\":1");
    }
  }
  ask(w, "runs");
  expect_part(&w->env.out, "\"runs\":2");
}

static void test_a_timer_that_raises_goes_on(void **state)
{
  struct world *w = *state;
  assert_int_equal(load(w, "local v = require 'vortex'\nlocal n = 0\n"
                           "v.every(1, function() n = n + 1 error('tick ' .. n) end)"),
                   0);
  init(w);
  pass(w, 1200);
  expect_part(&w->env.log, "error in a timer: ");
  pass(w, 1200);
  expect_part(&w->env.log, "tick 2");
}

static void test_tasks_that_wait_at_the_end_are_told(void **state)
{
  struct world *w = *state;
  assert_int_equal(load(w, "local v = require 'vortex'\n"
                           "v.on('x', function() local r, err = v.try_rpc('n2', { type = 'q' }) return { why = err.name } end)\n"
                           "v.on_exit(function() print 'bye' end)"),
                   0);
  init(w);
  ask(w, "x");
  node_stop(w->node);
  expect_part(&w->env.out, "\"why\":\"stopped\"");
  expect_part(&w->env.log, "bye");
  assert_int_equal(node_state(w->node), NODE_STOPPED);
}

static void test_an_init_cut_short_by_the_end_is_no_failure(void **state)
{
  struct world *w = *state;
  assert_int_equal(load(w, "local v = require 'vortex'\nv.on_init(function() v.rpc('n2', { type = 'held' }) end)"), 0);
  init(w);
  node_stop(w->node);
  assert_false(node_failed(w->node));
  assert_int_equal(node_state(w->node), NODE_STOPPED);
  buf_append_char(&w->env.out, '\0');
  assert_non_null(strstr(w->env.out.data, "init_ok"));
  assert_null(strstr(w->env.out.data, "held")); /* its RPC has failed: nobody would hear the reply */
}

static void test_an_init_that_raises_at_the_end_is_logged(void **state)
{
  struct world *w = *state;
  assert_int_equal(load(w, "local v = require 'vortex'\nv.on_init(function() v.sleep(0.3) local x x.y = 1 end)"), 0);
  init(w);
  node_stop(w->node);
  pass(w, 300);
  assert_int_equal(node_state(w->node), NODE_STOPPED);
  expect_part(&w->env.log, "error in on_init");
}

static void test_an_init_that_raises_is_a_failure(void **state)
{
  struct world *w = *state;
  assert_int_equal(load(w, "local v = require 'vortex'\nv.on_init(function() v.sleep(1) error 'no' end)"), 0);
  init(w);
  expect_part(&w->env.out, "init_ok");
  pass(w, 1000);
  assert_true(node_failed(w->node));
  assert_int_equal(node_state(w->node), NODE_STOPPED);
  expect_part(&w->env.log, "error in on_init");
}

static void test_a_task_of_the_pool_is_clean(void **state)
{
  struct world *w = *state;
  assert_int_equal(
      load(w, "local v = require 'vortex'\n"
              "v.on('deep', function() local function f(n) if n == 0 then error {} end return 1 + f(n - 1) end f(150) end)\n"
              "v.on('overflow', function() local function f() return 1 + f() end f() end)\n"
              "v.on('close', function() local c <close> = setmetatable({}, { __close = function() error 'closing' end }) error 'x' end)\n"
              "v.on('fine', function() return { ok = true } end)"),
      0);
  init(w);
  for (int i = 0; i < 50; i++) {
    ask(w, "deep");
    ask(w, "overflow");
    ask(w, "close");
    buf_clear(&w->env.out);
    ask(w, "fine");
    expect_part(&w->env.out, "\"ok\":true");
  }
  expect_part(&w->env.log, "closing");
}

/* vortex.id, ids and peers: whatever the script does with the module, they are there once init has arrived. */
static void test_identity(void **state)
{
  struct world *w = *state;
  assert_int_equal(load(w, "local v = require 'vortex'\n"
                           "v.ids, v.peers = 'mine', 'mine'\n"
                           "v.on_init(function()\n"
                           "  assert(v.id == 'n1' and #v.ids == 2 and v.ids[2] == 'n2' and #v.peers == 1)\n"
                           "  assert(rawequal(v.ids, v.ids) and rawequal(v.peers, rawget(v, 'peers')))\n"
                           "  v.ids = v.array { 'other' }\n"
                           "end)\n"
                           "v.on('x', function() return { ids = v.ids, peers = v.peers, none = tostring(v.nothing) } end)"),
                   0);
  init(w);
  ask(w, "x");
  expect_part(&w->env.out, "\"ids\":[\"other\"],\"none\":\"nil\",\"peers\":[\"n2\"]");
}

static void test_identity_in_a_loop_over_the_module(void **state)
{
  struct world *w = *state;
  assert_int_equal(load(w,
                        "local v = require 'vortex'\n"
                        "local function names() local n = 0 for k, x in pairs(v) do n = n + (x and 1 or 0) end return n end\n"
                        "local before = names()\n"
                        "v.on('x', function()\n"
                        "  local more = names() - before\n"
                        "  local has = {}\n"
                        "  for k in pairs(v) do has[k] = true end\n"
                        "  return { more = more, all = has.id and has.ids and has.peers and has.kv and has.log, has_not = has.nothing }\n"
                        "end)"),
                   0);
  init(w);
  ask(w, "x");
  expect_part(&w->env.out, "\"all\":true,\"more\":3");
}

static void test_identity_under_a_metatable_of_the_script(void **state)
{
  struct world *w = *state;
  assert_int_equal(load(w,
                        "local v = require 'vortex'\n"
                        "setmetatable(v, { __index = function(_, k) error('no ' .. k) end, __newindex = function() error('sealed') end })\n"
                        "v.on('x', function()\n"
                        "  local ok = pcall(function() return v.nothing end)\n"
                        "  v.log.info('still')\n"
                        "  return { id = v.id, ids = v.ids, peers = v.peers, none = not ok, set = v.set({ 1 }):array() }\n"
                        "end)"),
                   0);
  init(w);
  ask(w, "x");
  expect_part(&w->env.out, "\"ids\":[\"n1\",\"n2\"],\"none\":true,\"peers\":[\"n2\"],\"set\":[1]");
}

/* Defects that were found once and must not come back: each source is run with three requests, and the node must go on answering. */
static const char *const hostile[] = {
    /* a finaliser that sends while a reply is encoded */
    "v.on('x', function() collectgarbage('setpause', 0) local r = { list = {} } for i = 1, 60 do r['key' .. i] = tostring(i):rep(50) end\n"
    "  for i = 1, 50 do setmetatable({}, { __gc = function() v.send('n2', { type = 'gone', i = i }) end }) end return r end)",
    /* finalisers that change what is being encoded: an object with many long keys, an array of tagged objects */
    "v.on('x', function() collectgarbage() collectgarbage('stop') local reg = {}\n"
    "  for i = 1, 3000 do reg[('a rather long key, longer than forty characters, %05d'):format(i)] = v.object { [1] = i } end\n"
    "  setmetatable({}, { __gc = function() for k in pairs(reg) do reg[k] = nil end end })\n"
    "  collectgarbage('incremental', 100, 10000, 13) local r = { reg = reg } collectgarbage('restart') return r end)",
    "v.on('x', function() collectgarbage() collectgarbage('stop') local t = {}\n"
    "  for i = 1, 50 do t[i] = v.object { a = 1, b = { c = v.object {} } } end\n"
    "  setmetatable({}, { __gc = function() for i = 1, 50 do t[i] = nil end for i = 1, 100 do t['x' .. i] = i end end })\n"
    "  collectgarbage('incremental', 100, 10000, 13) local r = { t = t } collectgarbage('restart') return r end)",
    /* more returned than anybody asked for */
    "v.on('x', function() return {}, table.unpack({}, 1, 200000) end)",
    /* a coroutine of a task, closed or resumed by another */
    "local co v.on('x', function() if co then pcall(coroutine.close, co) pcall(coroutine.resume, co) end\n"
    "  co = coroutine.running() v.sleep(0.01) collectgarbage() return {} end)",
    /* a module that may not be changed */
    "setmetatable(v, { __newindex = function() error 'read only' end }) v.on('x', function() return { id = v.id } end)",
    /* a weak table in a reply */
    "v.on('x', function() local t = setmetatable({}, { __mode = 'v' }) for i = 1, 100 do t['k' .. i] = { i } end return { t = t } end)",
    /* a finaliser called by hand, and on the wrong value */
    "v.on('x', function(msg) pcall(getmetatable(msg).__gc or print) pcall(getmetatable(msg).__index) return {} end)",
    /* an error whose text cannot be had, and a print that cannot be done */
    "v.on('x', function() local bad = setmetatable({}, { __tostring = function() error 'no' end }) pcall(print, 1, bad) error(bad) end)",
    /* a request to nobody among several */
    "v.on('x', function() v.rpc_all({ 'n2', 'n9' }, { type = 'q' }) end)",
    /* a reply as deep as it can be, and deeper */
    "v.on('x', function() local t = {} local top = t for _ = 1, 520 do t.t = {} t = t.t end return { t = top } end)",
};

static void test_nothing_a_script_does_stops_the_node(void **state)
{
  for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
    struct world *w = *state;
    struct buf source = {0};
    buf_printf(&source, "local v = require 'vortex'\n%s\nv.on('fine', function() return { ok = true } end)%c", hostile[i], '\0');
    assert_int_equal(load(w, source.data), 0);
    buf_free(&source);
    init(w);
    for (int k = 0; k < 3; k++) {
      ask(w, "x");
      pass(w, 20);
    }
    pass(w, 2000);
    buf_clear(&w->env.out);
    ask(w, "fine");
    expect_part(&w->env.out, "\"ok\":true");
    teardown(state);
    setup(state);
  }
  struct world *w = *state;
  assert_int_equal(load(w, ""), 0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_load_errors, setup, teardown),
      cmocka_unit_test_setup_teardown(test_a_load_error_has_a_traceback, setup, teardown),
      cmocka_unit_test_setup_teardown(test_spawned_tasks_run_in_order_after_the_current_one, setup, teardown),
      cmocka_unit_test_setup_teardown(test_every_does_not_overlap_and_can_be_cancelled, setup, teardown),
      cmocka_unit_test_setup_teardown(test_a_timer_that_raises_goes_on, setup, teardown),
      cmocka_unit_test_setup_teardown(test_tasks_that_wait_at_the_end_are_told, setup, teardown),
      cmocka_unit_test_setup_teardown(test_an_init_cut_short_by_the_end_is_no_failure, setup, teardown),
      cmocka_unit_test_setup_teardown(test_an_init_that_raises_at_the_end_is_logged, setup, teardown),
      cmocka_unit_test_setup_teardown(test_an_init_that_raises_is_a_failure, setup, teardown),
      cmocka_unit_test_setup_teardown(test_nothing_a_script_does_stops_the_node, setup, teardown),
      cmocka_unit_test_setup_teardown(test_a_task_of_the_pool_is_clean, setup, teardown),
      cmocka_unit_test_setup_teardown(test_identity, setup, teardown),
      cmocka_unit_test_setup_teardown(test_identity_in_a_loop_over_the_module, setup, teardown),
      cmocka_unit_test_setup_teardown(test_identity_under_a_metatable_of_the_script, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
