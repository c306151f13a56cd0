/* State machines: what they may not do, what stops the node, and states that go from one replica to another. */
#include "raft_world.h"

/* ---- what a state machine may not do ---- */

static void test_guards(void **state)
{
  static const struct {
    const char *code, *message;
  } cases[] = {
      {"os.time()", "apply: os.time differs between replicas: put the time into the command"},
      {"os.time { year = 2000, month = 1, day = 1 }", "apply: os.time"},
      {"os.clock()", "apply: os.clock"},
      {"os.date()", "apply: os.date"},
      {"os.getenv 'HOME'", "apply: os.getenv"},
      {"os.execute 'true'", "apply: os.execute would happen on every replica"},
      {"os.remove '/tmp/vortex-no-such-file'", "apply: os.remove"},
      {"os.rename('/tmp/vortex-no-such-file', '/tmp/vortex-no-such-file')", "apply: os.rename"},
      {"os.tmpname()", "apply: os.tmpname"},
      {"os.setlocale 'C'", "apply: os.setlocale"},
      {"os.exit()", "apply: os.exit"},
      {"io.open '/dev/null'", "apply: io.open"},
      {"io.lines '/dev/null'", "apply: io.lines"},
      {"io.popen 'true'", "apply: io.popen"},
      {"io.read()", "apply: io.read"},
      {"io.write 'x'", "apply: io.write"},
      {"io.stderr:write 'x'", "apply: file:write"},
      {"file:read()", "apply: file:read"},
      {"math.random()", "apply: math.random differs between replicas: draw before proposing"},
      {"math.randomseed(1)", "apply: math.randomseed"},
      {"collectgarbage 'count'", "apply: collectgarbage"},
      {"loadfile '/dev/null'", "apply: loadfile"},
      {"dofile '/dev/null'", "apply: dofile"},
      {"random()", "apply: math.random"}, /* taken before the group was declared */
      {"v.now()", "apply: vortex.now"},
      {"require 'vortex.core'.random()", "apply: vortex.random"},
      {"v.unique_id()", "apply: vortex.random"},
      {"v.send('n2', { type = 'x' })", "apply: vortex.send would happen on every replica: do it in the task that proposes"},
      {"v.broadcast { type = 'x' }", "apply: vortex.broadcast"},
      {"v.rpc('n2', { type = 'x' })", "apply: vortex.rpc cannot be used"},
      {"v.try_rpc('n2', { type = 'x' })", "apply: vortex.try_rpc"},
      {"v.rpc_all({ 'n2' }, { type = 'x' })", "apply: rpc_all cannot wait: a state machine's functions run to their end at once"},
      {"v.kv 'lin-kv':read 'x'", "apply: vortex.try_rpc"},
      {"v.tso()", "apply: vortex."},
      {"v.sleep(1)", "apply: vortex.sleep"},
      {"v.spawn(print)", "apply: vortex.spawn"},
      {"v.after(1, print)", "apply: vortex.after"},
      {"v.every(1, print)", "apply: vortex.every"},
      {"v.mutex():lock()", "apply: mutex:lock cannot wait"},
      {"timer:cancel()", "apply: timer:cancel"},
      {"message:reply {}", "apply: msg:reply"},
      {"message:forward 'n2'", "apply: msg:forward"},
      {"v.on('late', print)", "apply: vortex.on is for the main chunk and for tasks"},
      {"v.raft { apply = print, name = 'second' }", "apply: vortex.raft_open"},
      {"raft:propose {}", "apply: raft:propose"},
      {"raft:read(print)", "apply: raft:read"},
      {"raft:status()", "apply: raft:status"},
      {"raft:is_leader()", "apply: raft:is_leader"},
      {"coroutine.yield()", "attempt to yield"},
      {"coroutine.wrap(function() return os.time() end)()", "apply: os.time"},
      {"pcall(error) os.time()", "apply: os.time"},
  };
  struct world *w = *state;
  struct buf source = {0};
  buf_append_str(&source, "local raft, message\nlocal random, file = math.random, io.open '/dev/null'\nlocal timer = v.after(1000, print)\n"
                          "local cases = {}\n");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    buf_printf(&source, "cases[%zu] = function() %s%s end\n", i, strchr(cases[i].code, ' ') == NULL ? "return " : "", cases[i].code);
  }
  buf_append_str(&source, "raft = v.raft { apply = function(_, i) cases[i]() end }\n"
                          "v.on('x', function(msg) message = msg return raft:propose(msg.body.i) end)\n"
                          "v.on('plain', function() return { t = os.time() > 0, r = math.random(3) <= 3, n = v.now() > 0 } end)\n");
  buf_append_char(&source, '\0');
  load(w, source.data);
  buf_free(&source);
  init(w, "[\"n1\"]");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char request[60];
    snprintf(request, sizeof request, "\"type\":\"x\",\"i\":%zu", i);
    buf_clear(&w->env.log);
    expect(w, request, cases[i].message);
    expect(w, "\"type\":\"plain\"", "\"n\":true,\"r\":true,\"t\":true");
  }
}

static void test_the_other_functions_are_guarded_too(void **state)
{
  struct world *w = *state;
  load(w, "v.raft { name = 'a', apply = print, init = function() return { os.time() } end }\n"
          "v.raft { name = 'b', apply = print, snapshot = function() return os.time() end, restore = function() return os.time() end }");
  struct buf out = {0};
  struct raft_group *b = w->script->groups;
  struct raft_group *a = b->next;
  assert_int_not_equal(w->behavior.restore(w->script, a, (struct slice){0}), 0);
  assert_int_not_equal(w->behavior.snapshot(w->script, b, &out), 0);
  assert_int_equal(out.len, 0);
  assert_int_not_equal(w->behavior.restore(w->script, b, SLICE("{}")), 0);
  assert_int_equal(occurrences(&w->env.log, "raft group \"a\": init: "), 1);
  assert_int_equal(occurrences(&w->env.log, "raft group \"b\": no snapshot: "), 1);
  assert_int_equal(occurrences(&w->env.log, "raft group \"b\": restore: "), 1);
  assert_int_equal(occurrences(&w->env.log, "error in init: "), 1);
  assert_int_equal(occurrences(&w->env.log, "error in snapshot: "), 1);
  assert_int_equal(occurrences(&w->env.log, "error in restore: "), 1);
}

static void test_what_a_state_machine_may_do(void **state)
{
  struct world *w = *state;
  load(w, "local raft = v.raft { apply = function(state, op)\n"
          "  print('applying')\n"
          "  v.log.info('at', op.n)\n"
          "  local got = {}\n"
          "  for x in coroutine.wrap(function() for i = 1, op.n do coroutine.yield(i) end end) do got[#got + 1] = x end\n"
          "  local ok, e = pcall(v.error, 20)\n"
          "  local set = v.set(got)\n"
          "  for k in v.sorted_pairs { b = 1, a = 2 } do got[#got + 1] = k end\n"
          "  got[#got + 1] = v.json.encode { x = v.array {} }\n"
          "  got[#got + 1] = ('%d'):format(e.code)\n"
          "  table.sort(got, function(a, b) return tostring(a) < tostring(b) end)\n"
          "  state.got = got\n"
          "  return { got = got, size = set:size() }\n"
          "end }\n"
          "v.on('x', function(msg) return raft:propose(msg.body) end)");
  init(w, "[\"n1\"]");
  expect(w, "\"type\":\"x\",\"n\":3", "\"got\":[1,2,\"20\",3,\"a\",\"b\",\"{\\\"x\\\":[]}\"],\"size\":3");
  assert_int_equal(occurrences(&w->env.log, "applying"), 1);
  assert_int_equal(occurrences(&w->env.log, "at 3"), 1);
}

/* table.sort takes pivots from it, and so the order of what compares equal. */
static void test_the_libraries_clock_stands_still(void **state)
{
#ifndef __linux__
  skip();
#endif
  struct world *w = *state;
  load(w, "local raft = v.raft { apply = function(_, op) if op.fail then error 'x' end return { t = ticks() } end }\n"
          "v.on('x', function(msg) return raft:propose(msg.body) end)\n"
          "v.on('outside', function() return { goes = ticks() > 0 } end)");
  init(w, "[\"n1\"]");
  expect(w, "\"type\":\"x\"", "\"t\":0");
  expect(w, "\"type\":\"outside\"", "\"goes\":true");
  expect(w, "\"type\":\"x\",\"fail\":true", "\"code\":13");
  expect(w, "\"type\":\"outside\"", "\"goes\":true");
}

static void test_deep_recursion_is_a_result(void **state)
{
  struct world *w = *state;
  load(w, "local function f() return 1 + f() end\n"
          "local function g() return select('#', pcall(string.rep, 'x', 1), string.gsub('x', 'x', g)) end\n"
          "local depth\n"
          "local function h() depth = depth + 1 return 1 + h() end\n"
          "local raft = v.raft { apply = function(_, op)\n"
          "  if op.h then depth = 0 pcall(h) return { depth = depth } end\n"
          "  return op.c and g() or f()\n"
          "end }\n"
          "v.on('x', function(msg) return raft:propose(msg.body) end)\n"
          "local function deeper(n, body) if n == 0 then return raft:propose(body) end local r = deeper(n - 1, body) return r end\n"
          "v.on('deep', function(msg) return deeper(msg.body.n, msg.body) end)");
  init(w, "[\"n1\"]");
  expect(w, "\"type\":\"x\"", "stack overflow");
  expect(w, "\"type\":\"x\",\"c\":true", "stack overflow");
  buf_clear(&w->env.out);
  ask(w, "\"type\":\"x\",\"h\":true");
  ask(w, "\"type\":\"deep\",\"h\":true,\"n\":1000");
  buf_append_char(&w->env.out, '\0');
  const char *first = strstr(w->env.out.data, "\"depth\":");
  assert_non_null(first);
  const char *second = strstr(first + 1, "\"depth\":");
  assert_non_null(second);
  assert_int_equal(atoi(first + 8), atoi(second + 8)); /* whoever asks from wherever */
  assert_false(node_failed(w->node));
}

/* ---- what stops the node ---- */

static void test_a_runaway_stops_the_node(void **state)
{
  static const char *const endless[] = {
      "while true do end",
      "while true do pcall(function() while true do end end) end",
      "coroutine.wrap(function() while true do pcall(function() while true do end end) end end)()",
  };
  for (size_t i = 0; i < sizeof endless / sizeof *endless; i++) {
    struct world *w = *state;
    struct buf source = {0};
    buf_printf(&source,
               "local raft = v.raft { apply = function(_, op) %s end }\nv.on('x', function(msg) return raft:propose(msg.body) end)%c",
               endless[i], '\0');
    assert_int_equal(load_in(w, source.data, 1000000), 0);
    buf_free(&source);
    init(w, "[\"n1\"]");
    ask(w, "\"type\":\"x\"");
    assert_true(node_failed(w->node));
    assert_true(script_ran_away(w->script));
    assert_int_equal(occurrences(&w->env.log, "stopped: apply has run 1,000,000 instructions without a pause\nstack traceback:"), 1);
    assert_int_equal(occurrences(&w->env.log, "this replica does not know what the others do, and stops"), 1);
    teardown(state);
    setup(state);
  }
  load(*state, "");
}

/* In the real world nobody counts: the watchdog finds it, and it gets a few seconds more. */
static void test_a_runaway_that_the_watchdog_finds_stops_the_node(void **state)
{
  struct world *w = *state;
  load(w, "local raft = v.raft { apply = function(_, op)\n"
          "  interrupt()\n"
          "  if op.ends then for i = 1, 100000 do end return {} end\n"
          "  while true do pcall(function() while true do end end) end\n"
          "end }\n"
          "v.on('x', function(msg) return raft:propose(msg.body) end)");
  init(w, "[\"n1\"]");
  expect(w, "\"type\":\"x\",\"ends\":true", "\"type\":\"x_ok\"");
  assert_int_equal(occurrences(&w->env.log, "apply has held the loop for over a second; it is here now:"), 1);
  ask(w, "\"type\":\"x\"");
  assert_true(node_failed(w->node));
  assert_int_equal(occurrences(&w->env.log, "stopped: apply does not end"), 1);
}

static void test_want_of_memory_stops_the_node(void **state)
{
  static const char *const greedy[] = {
      "local s = 'x' while true do s = s .. s end",
      "pcall(function() local t = {} while true do t[#t + 1] = {} end end) return {}",
      "pcall(string.rep, 'x', 1 << 30) return {}",
  };
  for (size_t i = 0; i < sizeof greedy / sizeof *greedy; i++) {
    struct world *w = *state;
    struct buf source = {0};
    w->memory_left = 8u << 20;
    buf_printf(&source,
               "local raft = v.raft { apply = function(_, op) if op.go then %s end end }\n"
               "v.on('x', function(msg) return raft:propose(msg.body) end)%c",
               greedy[i], '\0');
    assert_int_equal(load_in(w, source.data, 0), 0);
    buf_free(&source);
    init(w, "[\"n1\"]");
    expect(w, "\"type\":\"x\"", "\"type\":\"x_ok\"");
    ask(w, "\"type\":\"x\",\"go\":true");
    if (!node_failed(w->node)) {
      fail_msg("not stopped: %s", greedy[i]);
    }
    assert_int_equal(occurrences(&w->env.log, "apply: not enough memory; this replica does not know what the others do, and stops"), 1);
    teardown(state);
    setup(state);
  }
  load(*state, "");
}

/* ---- snapshots ---- */

#define KEEPER                                                                                                                             \
  "v.raft {\n"                                                                                                                             \
  "  init = function() return { log = v.array {}, by_id = {} } end,\n"                                                                     \
  "  apply = function(s, op) s.log[#s.log + 1] = op s.by_id[op.id] = { op.x / 2, bytes = '\\xff', [0.5] = op.x } return #s.log end,\n"     \
  "}\n"

static void test_a_state_goes_from_one_replica_to_another(void **state)
{
  struct world *w = *state;
  load(w, KEEPER);
  struct raft_group *g = w->script->groups;
  apply(w, g, 3, "{\"id\":7,\"x\":1}", "1");
  apply(w, g, 4, "{\"id\":\"7\",\"x\":2,\"y\":[]}", "2");
  struct buf kept = {0};
  assert_int_equal(w->behavior.snapshot(w->script, g, &kept), 0);
  buf_append_char(&kept, '\0');
  assert_string_equal(kept.data, "{\"by_id\":{7:{0.5,0.5:1,\"bytes\":'\\xff'},\"7\":{1.0,0.5:2,\"bytes\":'\\xff'}},"
                                 "\"log\":[{\"id\":7,\"x\":1},{\"id\":\"7\",\"x\":2,\"y\":[]}]}");
  kept.len--;

  struct world *other;
  setup((void **)&other);
  load(other, KEEPER);
  struct raft_group *h = other->script->groups;
  apply(other, h, 1, "{\"id\":1,\"x\":1}", "1");
  assert_int_equal(other->behavior.restore(other->script, h, buf_slice(&kept)), 0);
  struct buf again = {0};
  assert_int_equal(other->behavior.snapshot(other->script, h, &again), 0);
  assert_true(slice_equal(buf_slice(&again), buf_slice(&kept)));
  apply(w, g, 5, "{\"id\":8,\"x\":3}", "3");
  apply(other, h, 5, "{\"id\":8,\"x\":3}", "3");
  buf_clear(&kept);
  buf_clear(&again);
  assert_int_equal(w->behavior.snapshot(w->script, g, &kept), 0);
  assert_int_equal(other->behavior.snapshot(other->script, h, &again), 0);
  assert_true(slice_equal(buf_slice(&again), buf_slice(&kept)));
  assert_int_equal(other->behavior.restore(other->script, h, (struct slice){0}), 0);
  apply(other, h, 1, "{\"id\":1,\"x\":1}", "1");
  buf_free(&kept);
  buf_free(&again);
  teardown((void **)&other);
}

static void test_snapshots_of_the_scripts_own(void **state)
{
  struct world *w = *state;
  load(w, "v.raft {\n"
          "  init = function() return v.set() end,\n"
          "  apply = function(set, x) set:add(x) return set:sorted() end,\n"
          "  snapshot = function(set) return set:sorted() end,\n"
          "  restore = function(elements) return v.set(elements) end,\n"
          "}");
  struct raft_group *g = w->script->groups;
  struct buf kept = {0};
  apply(w, g, 1, "2", "[2]");
  apply(w, g, 2, "1", "[1,2]");
  assert_int_equal(w->behavior.snapshot(w->script, g, &kept), 0);
  assert_true(slice_equal(buf_slice(&kept), SLICE("[1,2]")));
  apply(w, g, 3, "3", "[1,2,3]");
  assert_int_equal(w->behavior.restore(w->script, g, buf_slice(&kept)), 0);
  apply(w, g, 3, "0", "[0,1,2]");
  buf_free(&kept);
}

static void test_a_state_that_cannot_be_kept_is_said_once(void **state)
{
  struct world *w = *state;
  load(w, "v.raft { apply = function(s, op) if op.fix then s.list = nil else s.list = { 1, { fn = print } } end end }");
  struct raft_group *g = w->script->groups;
  struct buf out = {0};
  for (int round = 0; round < 2; round++) {
    apply(w, g, 1, "{}", "{}");
    for (int i = 0; i < 3; i++) {
      assert_int_not_equal(w->behavior.snapshot(w->script, g, &out), 0);
      assert_int_equal(out.len, 0);
    }
    assert_int_equal(occurrences(&w->env.log, "raft group \"main\": no snapshot: state.list[2].fn: a function cannot be kept"), round + 1);
    apply(w, g, 2, "{\"fix\":true}", "{}");
    assert_int_equal(w->behavior.snapshot(w->script, g, &out), 0);
    buf_clear(&out);
  }
  buf_free(&out);
}

static void test_damaged_snapshots_are_refused(void **state)
{
  struct world *w = *state;
  load(w, KEEPER);
  assert_int_not_equal(w->behavior.restore(w->script, w->script->groups, SLICE("{1,2")), 0);
  assert_int_equal(occurrences(&w->env.log, "restore: "), 2); /* with its traceback, and what follows from it */
  assert_int_equal(occurrences(&w->env.log, "the snapshot is damaged: byte 4: unexpected end"), 2);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      T(test_guards),
      T(test_the_other_functions_are_guarded_too),
      T(test_what_a_state_machine_may_do),
      T(test_the_libraries_clock_stands_still),
      T(test_deep_recursion_is_a_result),
      T(test_a_runaway_stops_the_node),
      T(test_a_runaway_that_the_watchdog_finds_stops_the_node),
      T(test_want_of_memory_stops_the_node),
      T(test_a_state_goes_from_one_replica_to_another),
      T(test_snapshots_of_the_scripts_own),
      T(test_a_state_that_cannot_be_kept_is_said_once),
      T(test_damaged_snapshots_are_refused),
  };
  return cmocka_run_group_tests_name("script.machine", tests, NULL, NULL);
}
