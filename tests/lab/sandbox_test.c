/* The environment of a simulated node: virtual time, the world's randomness, and refusals that say what is refused. */
#include "lab/sandbox.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "cmocka_all.h"
#include "lab/arena.h"
#include "script/script.h"
#include "sim/node.h"

struct world {
  struct sim *sim;
  struct sim_node *sn;
  struct script *script;
  struct node *node;
  struct sim_observer observer;
  struct buf log;
  struct buf load_error;
  char path[64];
};

static struct node *start(void *self, struct sim_node *sn, unsigned index, unsigned incarnation, const struct node_env *env)
{
  struct world *w = self;
  (void)index;
  (void)incarnation;
  w->script = script_new(&(struct script_config){
      .path = w->path,
      .alloc = arena_realloc,
      .alloc_arg = arena_open(1),
      .newstate = arena_newstate,
      .no_environment = true,
      .open = sandbox_open,
      .open_arg = sn,
  });
  struct node_config config = node_config_default();
  struct node_behavior behavior = script_behavior(w->script);
  w->node = node_new(&config, env, &behavior);
  script_attach(w->script, w->node);
  buf_clear(&w->load_error);
  if (script_load(w->script, &w->load_error) != 0) {
    buf_append_char(&w->load_error, '\0');
  }
  return w->node;
}

static void end(void *self, unsigned index)
{
  struct world *w = self;
  (void)index;
  script_abandon(w->script); /* LeakSanitizer would tell of what hangs in the Lua state */
  node_free(w->node);
  w->node = NULL;
}

static void keep_log(void *self, unsigned node, enum log_level level, struct slice text)
{
  struct world *w = self;
  (void)node;
  (void)level;
  buf_append_slice(&w->log, text);
  buf_append_char(&w->log, '\n');
}

static struct sim_maker maker;

/* Runs a script in a fresh world of this seed, up to one virtual second; its log is in w->log, terminated. */
static void run(struct world *w, uint64_t seed, const char *source)
{
  *w = (struct world){0};
  w->observer = (struct sim_observer){.self = w, .log = keep_log};
  maker = (struct sim_maker){w, start, end};
  snprintf(w->path, sizeof w->path, "/tmp/vortex-sandbox-test.%d", (int)getpid());
  FILE *f = fopen(w->path, "w");
  assert_non_null(f);
  assert_true(fputs(source, f) >= 0);
  assert_int_equal(fclose(f), 0);
  w->sim = sim_new(&(struct sim_config){.seed = seed, .nodes = 1, .observer = &w->observer});
  w->sn = sim_node_new(w->sim, 0, "n0", &maker);
  sim_node_start(w->sn);
  sim_run(w->sim, sim_now(w->sim) + SIM_S);
  buf_append_char(&w->log, '\0');
}

static void finish(struct world *w)
{
  sim_node_free(w->sn);
  sim_free(w->sim);
  unlink(w->path);
  buf_free(&w->log);
  buf_free(&w->load_error);
}

/* Runs a script of asserts: it must load. */
static void run_asserts(const char *source)
{
  struct world w;
  run(&w, 1, source);
  if (w.load_error.len > 0) {
    fail_msg("%s", w.load_error.data);
  }
  finish(&w);
}

static void test_time_is_virtual(void **state)
{
  (void)state;
  struct world w;
  run(&w, 1, "print(os.time(), os.date('%Y-%m-%d'), os.date('!%H'), os.clock() == require 'vortex.core'.now())");
  char expected[100];
  snprintf(expected, sizeof expected, "%lld\t2025-01-01\t00\ttrue\n", (long long)(sim_node_wall_ns(w.sn) / (int64_t)SIM_S - 1));
  assert_string_equal(w.log.data, expected);
  finish(&w);
  run_asserts("local now = os.time() for i = 1, 1e6 do end assert(os.time() == now)");
  run_asserts("assert(os.date('!%c', 0) == 'Thu Jan  1 00:00:00 1970') assert(os.date('%c', 0) == os.date('!%c', 0))\n"
              "local t = os.date('*t', 86399) assert(t.hour == 23 and t.sec == 59 and t.yday == 1 and t.isdst == false)\n"
              "assert(not pcall(os.date, '%Ez', 0) and not pcall(os.date, '%', 0) and not pcall(os.date, '%d', 'x'))\n"
              "assert(os.date('a\\0b', 0) == 'a\\0b' and os.date('', 0) == '')");
}

/* os.time of tables must do what stock Lua does where local time is UTC. */
static void test_dates_are_as_in_stock_lua(void **state)
{
  (void)state;
  static const char compare[] =
      "local out = {}\n"
      "local seed = 1 local function draw(n) seed = (seed * 1103515245 + 12345) % 2147483648 return seed // 65536 % n end\n"
      "local odd = { '7', 7.0, 7.5, 'x', true, 1 << 40, -(1 << 40), math.mininteger, math.maxinteger }\n"
      "for i = 1, 3000 do\n"
      "  local t = { year = 1900 + draw(300), month = draw(40) - 10, day = draw(100) - 30, hour = draw(60) - 20, min = draw(200) - 60,\n"
      "              sec = draw(300) - 90 }\n"
      "  local fields = { 'year', 'month', 'day', 'hour', 'min', 'sec' }\n"
      "  if i % 5 == 0 then t[fields[1 + draw(6)]] = nil end\n"
      "  if i % 7 == 0 then t[fields[1 + draw(6)]] = odd[1 + draw(#odd)] end\n"
      "  local ok, when = pcall(os.time, t)\n"
      "  local line = { tostring(when) }\n"
      "  if ok then for _, f in ipairs { 'year', 'month', 'day', 'hour', 'min', 'sec', 'wday', 'yday', 'isdst' } do\n"
      "    line[#line + 1] = tostring(t[f]) end line[#line + 1] = os.date('%c', when) end\n"
      "  out[i] = table.concat(line, ' ')\n"
      "end\n"
      "print(table.concat(out, '\\n'))";
  setenv("TZ", "UTC0", 1);
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  assert_int_equal(luaL_dostring(L, "function print(s) said = s end"), LUA_OK);
  if (luaL_dostring(L, compare) != LUA_OK) {
    fail_msg("%s", lua_tostring(L, -1));
  }
  lua_getglobal(L, "said");
  setenv("TZ", "Asia/Kolkata", 1); /* must not matter */
  struct world w;
  run(&w, 1, compare);
  w.log.data[w.log.len - 2] = '\0'; /* its newline */
  assert_string_equal(w.log.data, lua_tostring(L, -1));
  finish(&w);
  lua_close(L);
  unsetenv("TZ");
}

static void test_random_comes_from_the_world(void **state)
{
  (void)state;
  static const char source[] = "print(math.random(1 << 40), math.random(), math.random(0), math.random(6), math.random(-3, 3))";
  struct world one;
  struct world same;
  struct world other;
  run(&one, 1, source);
  char *text = strdup(one.log.data);
  finish(&one);
  run(&same, 1, source);
  assert_string_equal(same.log.data, text);
  finish(&same);
  run(&other, 2, source);
  assert_string_not_equal(other.log.data, text);
  finish(&other);
  free(text);
  run_asserts("local seen = {}\n"
              "for _ = 1, 2000 do\n"
              "  local f = math.random() assert(math.type(f) == 'float' and f >= 0 and f < 1)\n"
              "  local d = math.random(6) assert(math.type(d) == 'integer' and d >= 1 and d <= 6) seen[d] = true\n"
              "  local n = math.random(-2, 2) assert(n >= -2 and n <= 2) seen[n * 10] = true\n"
              "  assert(math.random(math.mininteger, math.maxinteger) and math.random(5, 5) == 5)\n"
              "  assert(math.type(math.random(0)) == 'integer' and math.random(3.0) <= 3)\n"
              "end\n"
              "for i = 1, 6 do assert(seen[i]) end for i = -2, 2 do assert(seen[i * 10]) end");
}

static void test_random_errors_are_stock_luas(void **state)
{
  (void)state;
  static const char source[] = "local out = {}\n"
                               "for _, a in ipairs { { -1 }, { 2, 1 }, { 'x' }, { 1.5 }, { 1, {} }, { nil, 1 } } do\n"
                               "  local _, err = pcall(math.random, table.unpack(a, 1, a[2] and 2 or #a)) out[#out + 1] = tostring(err)\n"
                               "end\n"
                               "local _, err = pcall(math.random, 1, 2, 3) out[#out + 1] = err\n"
                               "print(table.concat(out, '\\n'))";
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  assert_int_equal(luaL_dostring(L, "function print(s) said = s .. '\\n' end"), LUA_OK);
  assert_int_equal(luaL_dostring(L, source), LUA_OK);
  lua_getglobal(L, "said");
  struct world w;
  run(&w, 1, source);
  assert_string_equal(w.log.data, lua_tostring(L, -1));
  finish(&w);
  lua_close(L);
}

static void test_a_seed_of_its_own_gives_stock_luas_sequence(void **state)
{
  (void)state;
  static const char source[] = "math.randomseed(42) local a = { math.random(1000), math.random(), math.random(0) }\n"
                               "math.randomseed(1, 2) a[4] = math.random(1 << 50)\n"
                               "print(table.concat(a, ' '))";
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  assert_int_equal(luaL_dostring(L, "function print(s) said = s .. '\\n' end"), LUA_OK);
  assert_int_equal(luaL_dostring(L, source), LUA_OK);
  lua_getglobal(L, "said");
  for (uint64_t seed = 1; seed < 3; seed++) {
    struct world w;
    run(&w, seed, source);
    assert_string_equal(w.log.data, lua_tostring(L, -1));
    finish(&w);
  }
  lua_close(L);
  static const char back[] = "math.randomseed(42) math.randomseed() print(math.random(1 << 50))";
  struct world one;
  struct world two;
  run(&one, 1, back);
  char *text = strdup(one.log.data);
  finish(&one);
  run(&two, 2, back);
  assert_string_not_equal(two.log.data, text);
  finish(&two);
  free(text);
}

static void test_what_cannot_be_repeated_is_refused(void **state)
{
  (void)state;
  run_asserts(
      "local cases = {\n"
      "  ['io.open'] = { io.open, '/etc/passwd' }, ['io.lines'] = { io.lines, 'x' }, ['io.popen'] = { io.popen, 'ls' },\n"
      "  ['io.read'] = { io.read }, ['io.input'] = { io.input }, ['io.output'] = { io.output, 'x' }, ['io.tmpfile'] = { io.tmpfile },\n"
      "  ['io.close'] = { io.close }, ['os.execute'] = { os.execute, 'ls' }, ['os.remove'] = { os.remove, 'x' },\n"
      "  ['os.rename'] = { os.rename, 'x', 'y' }, ['os.tmpname'] = { os.tmpname }, ['os.setlocale'] = { os.setlocale, 'C' },\n"
      "  ['package.loadlib'] = { package.loadlib, 'x', '*' }, ['luv'] = { require, 'luv' }, ['loadfile'] = { loadfile },\n"
      "  ['file:read'] = { io.stdin.read, io.stdin }, ['file:close'] = { io.stdout.close, io.stdout },\n"
      "  ['file:lines'] = { io.stdin.lines, io.stdin }, ['debug.sethook'] = { debug.sethook }, ['debug.debug'] = { debug.debug },\n"
      "}\n"
      "for name, case in pairs(cases) do\n"
      "  local ok, err = pcall(table.unpack(case))\n"
      "  assert(not ok and tostring(err):find(name .. ': not in the simulator: ', 1, true), name .. ': ' .. tostring(err))\n"
      "end\n"
      "assert(os.getenv 'HOME' == nil and os.getenv 'PATH' == nil)");
}

static void test_modules(void **state)
{
  (void)state;
  run_asserts("local cjson, safe = require 'cjson', require 'cjson.safe'\n"
              "for _, c in ipairs { cjson, safe, cjson.new(), safe.new() } do\n"
              "  assert(c.encode { 1, 'x' } == '[1,\"x\"]' and c.decode('[1.5]')[1] == 1.5)\n"
              "  assert(c.encode_keep_buffer() == true and c.encode_keep_buffer(false) == false and c.encode_keep_buffer(true) == true)\n"
              "  assert(c.encode(('x'):rep(100000)) and c.decode(c.encode { a = {} }).a)\n"
              "  pcall(c.encode, print) pcall(c.decode, '[')\n"
              "end\n"
              "assert(cjson.null == require 'vortex'.null)\n"
              "assert(require 'vortex.set' and require 'vortex.crdt')");
  char folder[] = "/tmp/vortex-modules-XXXXXX";
  assert_non_null(mkdtemp(folder));
  struct buf source = {0};
  buf_printf(&source, "package.cpath = '%s/?.so'\nlocal ok, err = pcall(require, 'fast')\nprint(ok, err)\n", folder);
  buf_printf(&source, "package.path = '%s/?.lua'\nprint(require 'slow')\nprint(pcall(require, 'none'))%c", folder, '\0');
  char so[100];
  char lua[100];
  snprintf(so, sizeof so, "%s/fast.so", folder);
  snprintf(lua, sizeof lua, "%s/slow.lua", folder);
  FILE *f = fopen(so, "w");
  assert_non_null(f);
  fclose(f);
  f = fopen(lua, "w");
  assert_non_null(f);
  fputs("return 'slow and steady'", f);
  fclose(f);
  struct world w;
  run(&w, 1, source.data);
  assert_non_null(strstr(w.log.data, "fast: not in the simulator: it is a module in C ("));
  assert_non_null(strstr(w.log.data, "slow and steady\t"));
  assert_non_null(strstr(w.log.data, "module 'none' not found:"));
  finish(&w);
  setenv("LUA_PATH", "/nowhere/?.lua;/tmp/?.lua;;", 1); /* found as a last resort */
  buf_clear(&source);
  buf_printf(&source, "print(package.path:find('/nowhere', 1, true), require '%s.slow')%c", folder + strlen("/tmp/"), '\0');
  run(&w, 1, source.data);
  assert_non_null(strstr(w.log.data, "nil\tslow and steady\t"));
  finish(&w);
  unsetenv("LUA_PATH");
  unlink(so);
  unlink(lua);
  rmdir(folder);
  buf_free(&source);
}

static void test_everything_written_goes_to_the_log(void **state)
{
  (void)state;
  struct world w;
  run(&w, 1,
      "print('a', 1) io.write('b\\n') io.stdout:write('c', 2, '\\n'):write('d\\n') io.stderr:write('e\\n')\n"
      "io.flush() io.stdout:flush() io.stdout:setvbuf 'no' print(io.stdout, io.type(io.stdout))");
  assert_string_equal(w.log.data, "a\t1\nb\nc2\nd\ne\nfile (a standard stream)\tfile\n");
  finish(&w);
}

static void test_exit_ends_the_node(void **state)
{
  (void)state;
  struct world w;
  run(&w, 1, "require 'vortex'.after(0.1, function() os.exit(0) end) require 'vortex'.after(0.2, function() print 'alive' end)");
  const char init[] =
      "{\"src\":\"c0\",\"dest\":\"n0\",\"body\":{\"type\":\"init\",\"node_id\":\"n0\",\"node_ids\":[\"n0\"],\"msg_id\":1}}\n";
  assert_false(sim_node_exited(w.sn));
  node_receive(w.node, slice_of(init, sizeof init - 2), node_now(w.node));
  sim_run(w.sim, sim_now(w.sim) + SIM_S);
  assert_true(sim_node_exited(w.sn));
  assert_false(sim_node_alive(w.sn));
  buf_append_char(&w.log, '\0');
  assert_null(strstr(w.log.data, "alive"));
  finish(&w);
}

static void test_a_state_without_a_node(void **state)
{
  (void)state;
  struct script *s = script_new(&(struct script_config){
      .path = "none", .alloc = arena_realloc, .alloc_arg = arena_open(0), .newstate = arena_newstate, .open = sandbox_open});
  lua_State *L = script_lua(s);
  if (luaL_dostring(L, "assert(os.time() == 1735689600 and os.clock() == 0 and os.date('%F') == '2025-01-01')\n"
                       "assert(math.random(6) <= 6) math.randomseed(1) math.randomseed() print 'dropped'\n"
                       "assert(not pcall(io.open, 'x')) assert(not pcall(os.exit))") != LUA_OK) {
    fail_msg("%s", lua_tostring(L, -1));
  }
  script_abandon(s);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_time_is_virtual),
      cmocka_unit_test(test_dates_are_as_in_stock_lua),
      cmocka_unit_test(test_random_comes_from_the_world),
      cmocka_unit_test(test_random_errors_are_stock_luas),
      cmocka_unit_test(test_a_seed_of_its_own_gives_stock_luas_sequence),
      cmocka_unit_test(test_what_cannot_be_repeated_is_refused),
      cmocka_unit_test(test_modules),
      cmocka_unit_test(test_everything_written_goes_to_the_log),
      cmocka_unit_test(test_exit_ends_the_node),
      cmocka_unit_test(test_a_state_without_a_node),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
