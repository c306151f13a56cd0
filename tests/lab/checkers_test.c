#include "lab/checkers.h"

#include <lauxlib.h>
#include <lualib.h>

#include "cmocka_all.h"
#include "script/script.h"

static struct script *script;

static int start(void **state)
{
  (void)state;
  script = script_new(&(struct script_config){.path = "checkers_test"});
  luaL_requiref(script_lua(script), "vortex.check.core", checkers_open, 0);
  lua_pop(script_lua(script), 1);
  return 0;
}

static int stop(void **state)
{
  (void)state;
  script_free(script);
  return 0;
}

/* What the chunks below share: a history is written as a list of {process, type, f, value, time-or-fields}. */
static const char prelude[] =
    "local core = require 'vortex.check.core'\n"
    "local vortex_null = ...\n"
    "local function history(list)\n"
    "  local h = {}\n"
    "  for i, e in ipairs(list) do\n"
    "    h[i] = { index = i - 1, process = e[1], type = e[2], f = e[3], value = e[4], time = (e[5] or i) * 1000000,\n"
    "             final = e.final }\n"
    "  end\n"
    "  return h\n"
    "end\n"
    "local function show(v)\n"
    "  if type(v) ~= 'table' then return v == vortex_null and 'null' or tostring(v) end\n"
    "  local keys, out = {}, {}\n"
    "  for k in pairs(v) do keys[#keys + 1] = k end\n"
    "  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)\n"
    "  for _, k in ipairs(keys) do\n"
    "    out[#out + 1] = #v == #keys and show(v[k]) or tostring(k) .. '=' .. show(v[k])\n"
    "  end\n"
    "  return '{' .. table.concat(out, ' ') .. '}'\n"
    "end\n"
    "local function is(expected, v)\n"
    "  local text = show(v)\n"
    "  if text ~= expected then error('is ' .. text .. '\\nnot ' .. expected, 2) end\n"
    "end\n"
    "local function raises(pattern, f, ...)\n"
    "  local ok, message = pcall(f, ...)\n"
    "  if ok or not message:find(pattern) then error(tostring(message) .. '\\nnot ' .. pattern, 2) end\n"
    "end\n";

static void run(const char *chunk)
{
  lua_State *L = script_lua(script);
  lua_pushfstring(L, "%s%s", prelude, chunk);
  int status = luaL_loadbuffer(L, lua_tostring(L, -1), lua_rawlen(L, -1), "=chunk");
  lua_pushlightuserdata(L, NULL);
  status = status == LUA_OK ? lua_pcall(L, 1, 0, 0) : status;
  if (status != LUA_OK) {
    fail_msg("%s", lua_tostring(L, -1));
  }
  lua_settop(L, 0);
}

static void linearizable_over_keys(void **state)
{
  (void)state;
  run("local h = history {\n"
      "  {0, 'invoke', 'write', {0, 2}}, {0, 'ok', 'write', {0, 2}},\n"
      "  {1, 'invoke', 'read', {0, vortex_null}}, {'nemesis', 'info', 'start', 'majority'}, {1, 'ok', 'read', {0, 2}},\n"
      "  {1, 'invoke', 'cas', {'k', {1, 2}}}, {1, 'fail', 'cas', {'k', {1, 2}}},\n"
      "  {0, 'invoke', 'cas', {0, {2, 3}}}, {0, 'info', 'cas', {0, {2, 3}}},\n"
      "  {1, 'invoke', 'read', {0, vortex_null}}, {1, 'ok', 'read', {0, 3}},\n"
      "}\n"
      "is('{configurations=5 failures={} key_count=1 op_count=4 unknown={} valid=true}', core.linearizable(h, { keyed = true }))\n"
      "h[11].value[2] = 4\n"
      "local r = core.linearizable(h, { keyed = true })\n"
      "is('false', r.valid)\n"
      "is('{done=2 key=0 op=10 ops={1 8 10} order={1 3 8} states={3 2} states_cut=false}', r.failures[1])\n");
}

static void linearizable_values_are_compared_as_json(void **state)
{
  (void)state;
  run("local function verdict(written, read, opts)\n"
      "  return core.linearizable(history {\n"
      "    {0, 'invoke', 'write', written}, {0, 'ok', 'write', written},\n"
      "    {0, 'invoke', 'read'}, {0, 'ok', 'read', read} }, opts or {}).valid\n"
      "end\n"
      "is('true', verdict(1, 1))\n"
      "is('false', verdict(1, 2))\n"
      "is('false', verdict(1, '1'))\n"
      "is('true', verdict(-5, -5))\n"
      "is('true', verdict(math.maxinteger, math.maxinteger))\n"
      "is('false', verdict(math.maxinteger, math.mininteger))\n"
      "is('false', verdict(1, 1.0))\n"
      "is('true', verdict(1.5, 1.5))\n"
      "is('true', verdict({ a = 1, b = { 2 } }, { b = { 2 }, a = 1 }))\n"
      "is('false', verdict({ a = 1 }, { a = 2 }))\n"
      "is('false', verdict('{\"a\":1}', { a = 1 }))\n"
      "is('true', verdict('x', 'x'))\n"
      "is('true', verdict(true, true))\n"
      "is('false', verdict(true, false))\n"
      "is('true', verdict(vortex_null, nil))\n"
      "local first = history { {0, 'invoke', 'read'}, {0, 'ok', 'read', 7} }\n"
      "local r = core.linearizable(first, {})\n"
      "is('{done=0 key=null op=1 ops={1} order={} states={null} states_cut=false}', r.failures[1])\n"
      "is('true', core.linearizable(first, { initial = 7 }).valid)\n"
      "first[2].value = nil\n"
      "is('true', core.linearizable(first).valid)\n");
}

static void linearizable_failed_and_crashed_operations(void **state)
{
  (void)state;
  run("local h = history {\n"
      "  {0, 'invoke', 'write', 1}, {0, 'ok', 'write', 1},\n"
      "  {0, 'invoke', 'cas', {1, 2}}, {0, 'fail', 'cas', {1, 2}},\n"
      "  {1, 'invoke', 'write', 5}, {1, 'fail', 'write', 5},\n"
      "  {2, 'invoke', 'read'}, {2, 'info', 'read'},\n"
      "  {3, 'invoke', 'write', 6},\n"
      "  {4, 'invoke', 'read'}, {4, 'ok', 'read', 6},\n"
      "}\n"
      "local r = core.linearizable(h, {})\n"
      "is('true', r.valid)\n"
      "is('3', r.op_count)\n"
      "r = core.linearizable(h, { failed_cas = 'observed' })\n"
      "is('false', r.valid)\n"
      "is('{done=1 key=null op=3 ops={1 3} order={1} states={1} states_cut=false}', r.failures[1])\n"
      "h[11].value = 5\n"
      "is('false', core.linearizable(h, {}).valid)\n");
}

static void linearizable_stops_at_its_budget(void **state)
{
  (void)state;
  run("local list = {}\n"
      "for i = 1, 30 do list[i] = { i, 'invoke', 'write', { 'k', i } } end\n"
      "list[31] = { 31, 'invoke', 'read', { 'k' } }\n"
      "for i = 1, 30 do list[31 + i] = { i, 'ok', 'write', { 'k', i } } end\n"
      "list[62] = { 31, 'ok', 'read', { 'k', 'x' } }\n"
      "local r = core.linearizable(history(list), { keyed = true, budget = 5000 })\n"
      "is('unknown', r.valid)\n"
      "is('{k}', r.unknown)\n"
      "assert(r.configurations <= 5000)\n"
      "r = core.linearizable(history(list), { budget = 1, keyed = true })\n"
      "is('unknown', r.valid)\n");
}

static void what_is_no_history_is_told_with_its_position(void **state)
{
  (void)state;
  run("local function lin(list, opts) return function() return core.linearizable(list, opts or {}) end end\n"
      "raises('history%[1%]: a number, not an event', lin { 5 })\n"
      "raises('history%[1%]: process is nil', lin { {} })\n"
      "raises('history%[2%]: process 0 invokes an operation while another',\n"
      "  lin(history { {0, 'invoke', 'read'}, {0, 'invoke', 'read'} }))\n"
      "raises('history%[1%]: process 3 completes an operation, but has none', lin(history { {3, 'ok', 'read'} }))\n"
      "raises('history%[1%]: type is done', lin(history { {3, 'done', 'read'} }))\n"
      "raises('history%[1%]: f is a nil', lin(history { {3, 'invoke'} }))\n"
      "raises('history%[1%]: f is swap', lin(history { {3, 'invoke', 'swap'} }))\n"
      "raises('history%[1%]: the value of a cas is 4', lin(history { {3, 'invoke', 'cas', 4} }))\n"
      "raises('history%[1%]: value is 4, not an array', lin(history { {3, 'invoke', 'read', 4} }, { keyed = true }))\n"
      "raises('history%[2%]: the read is of another key than its invocation at history%[1%]',\n"
      "  lin(history { {3, 'invoke', 'read', {1}}, {3, 'ok', 'read', {2, 3}} }, { keyed = true }))\n"
      "raises('history%[1%]: value%.x: a function', lin(history { {3, 'invoke', 'write', { x = print }} }))\n"
      "raises('failed_cas must be', lin({}, { failed_cas = 'maybe' }))\n"
      "raises('budget must be', lin({}, { budget = 0 }))\n"
      "raises('table expected', core.linearizable, 5)\n"
      "raises('table expected', core.set_full, {}, 5)\n"
      "raises('history%[2%]: the value of a read is null, not a list',\n"
      "  core.set_full, history { {3, 'invoke', 'read'}, {3, 'ok', 'read', vortex_null} })\n"
      "raises('history%[1%]: value is x, not an integer', core.counter, history { {3, 'invoke', 'add', 'x'} })\n"
      "raises('history%[1%]: value is 1.5, not an integer', core.counter, history { {3, 'invoke', 'add', 1.5} })\n");
}

static void set_full_tells_what_became_of_each_element(void **state)
{
  (void)state;
  run("local h = history {\n"
      "  {0, 'invoke', 'broadcast', 7, 0}, {0, 'ok', 'broadcast', 7, 10},\n"
      "  {1, 'invoke', 'broadcast', 3, 10}, {1, 'ok', 'broadcast', 3, 11},\n"
      "  {2, 'invoke', 'broadcast', 5, 12}, {2, 'info', 'broadcast', 5, 13},\n"
      "  {0, 'invoke', 'read', nil, 100}, {0, 'ok', 'read', { 3, 3, 'x' }, 101},\n"
      "  {0, 'invoke', 'read', nil, 200}, {0, 'ok', 'read', { 7 }, 201},\n"
      "  {1, 'invoke', 'read', nil, 200}, {1, 'fail', 'read', nil, 201},\n"
      "}\n"
      "local r = core.set_full(h, { add = 'broadcast', read = 'read' })\n"
      "is('{acknowledged_count=2 attempt_count=3 duplicate_count=1 duplicates={3} lost={3} lost_count=1'\n"
      "  .. ' lost_latencies={0=89 0.5=89 0.95=89 0.99=89 1=89} never_read={5} never_read_count=1 phantom_count=1 phantoms={x}'\n"
      "  .. ' stable_count=1 stable_latencies={0=90 0.5=90 0.95=90 0.99=90 1=90} stale={7} stale_count=1 valid=false'\n"
      "  .. ' worst_stale={{element=7 outcome=stable stable_latency_ms=90}}}', r)\n"
      "r = core.set_full(h, {})\n"
      "is('unknown', r.valid)\n"
      "is('0', r.attempt_count)\n"
      "is('nil', r.stable_latencies)\n");
}

static void set_full_lists_are_sorted_and_cut(void **state)
{
  (void)state;
  run("local list, all = {}, {}\n"
      "for i = 100, 1, -1 do\n"
      "  list[#list + 1] = { i, 'invoke', 'add', i, 0 }\n"
      "  list[#list + 1] = { i, 'ok', 'add', i, i // 10 }\n"
      "  all[#all + 1] = i\n"
      "end\n"
      "for _, e in ipairs { {0, 'invoke', 'read', nil, 100}, {0, 'ok', 'read', {}, 101} } do list[#list + 1] = e end\n"
      "local r = core.set_full(history(list), {})\n"
      "is('100', r.lost_count)\n"
      "is('48', #r.lost)\n"
      "is('1', r.lost[1])\n"
      "is('48', r.lost[48])\n"
      "for _, e in ipairs { {0, 'invoke', 'read', nil, 200}, {0, 'ok', 'read', all, 201} } do list[#list + 1] = e end\n"
      "r = core.set_full(history(list), {})\n"
      "is('true', r.valid)\n"
      "is('100', r.stale_count)\n"
      "is('8', #r.worst_stale)\n"
      "is('{element=9 outcome=stable stable_latency_ms=100}', r.worst_stale[1])\n"
      "is('{element=2 outcome=stable stable_latency_ms=100}', r.worst_stale[8])\n"
      "is('{0=90 0.5=95 0.95=100 0.99=100 1=100}', r.stable_latencies)\n");
}

static void counter_looks_at_final_reads(void **state)
{
  (void)state;
  run("local h = history {\n"
      "  {0, 'invoke', 'add', 3}, {0, 'ok', 'add', 3},\n"
      "  {0, 'invoke', 'add', 50}, {0, 'fail', 'add', 50},\n"
      "  {1, 'invoke', 'add', 1}, {1, 'info', 'add', 1},\n"
      "  {2, 'invoke', 'add', -10},\n"
      "  {0, 'invoke', 'read'}, {0, 'ok', 'read', 999},\n"
      "  {0, 'invoke', 'read', final = true}, {0, 'ok', 'read', -6},\n"
      "  {3, 'invoke', 'read'}, {3, 'ok', 'read', 4, final = true},\n"
      "}\n"
      "is('{ranges={{-7 -6} {3 4}} reads={-6 4} valid=true wrong={}}', core.counter(h))\n"
      "h[13].value = 5\n"
      "is('{ranges={{-7 -6} {3 4}} reads={-6 5} valid=false wrong={{index=12 process=3 value=5}}}', core.counter(h))\n"
      "is('{ranges={{0 0}} reads={} valid=true wrong={}}', core.counter {})\n"
      "local list, delta = {}, 2\n"
      "for i = 1, 20 do\n"
      "  list[i] = { i, 'invoke', 'add', delta }\n"
      "  delta = delta * 3\n"
      "end\n"
      "list[21] = { 0, 'invoke', 'read', final = true }\n"
      "list[22] = { 0, 'ok', 'read', 2 }\n"
      "is('unknown', core.counter(history(list)).valid)\n");
}

static void quantiles_are_taken_as_jepsen_does(void **state)
{
  (void)state;
  run("is('{1 3 5 5 5}', core.quantiles({ 5, 3, 1, 4, 2 }, { 0, 0.5, 0.95, 0.99, 1 }))\n"
      "is('{2.5}', core.quantiles({ 2.5 }, { 0.5 }))\n"
      "is('{}', core.quantiles({}, { 0.5 }))\n"
      "raises('element 2 is x', core.quantiles, { 1, 'x' }, { 0 })\n"
      "raises('not between 0 and 1', core.quantiles, { 1 }, { 2 })\n");
}

static void large_histories_are_judged(void **state)
{
  (void)state;
  run("local list = {}\n"
      "for i = 0, 2999 do\n"
      "  local k = i // 100\n"
      "  list[#list + 1] = { i % 5, 'invoke', 'write', { k, i % 5 } }\n"
      "  list[#list + 1] = { i % 5, 'ok', 'write', { k, i % 5 } }\n"
      "  list[#list + 1] = { 9, 'invoke', 'read', { k, vortex_null } }\n"
      "  list[#list + 1] = { 9, 'ok', 'read', { k, i % 5 } }\n"
      "end\n"
      "local h = history(list)\n"
      "local r = core.linearizable(h, { keyed = true })\n"
      "is('true', r.valid)\n"
      "is('6000', r.op_count)\n"
      "is('30', r.key_count)\n"
      "list = {}\n"
      "local all = {}\n"
      "for i = 1, 1000 do\n"
      "  all[i] = i\n"
      "  list[#list + 1] = { 0, 'invoke', 'add', i }\n"
      "  list[#list + 1] = { 0, 'ok', 'add', i }\n"
      "end\n"
      "for _ = 1, 1000 do\n"
      "  list[#list + 1] = { 0, 'invoke', 'read' }\n"
      "  list[#list + 1] = { 0, 'ok', 'read', all }\n"
      "end\n"
      "h = history(list)\n"
      "r = core.set_full(h, {})\n"
      "is('1000', r.stable_count)\n");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(linearizable_over_keys),
      cmocka_unit_test(linearizable_values_are_compared_as_json),
      cmocka_unit_test(linearizable_failed_and_crashed_operations),
      cmocka_unit_test(linearizable_stops_at_its_budget),
      cmocka_unit_test(what_is_no_history_is_told_with_its_position),
      cmocka_unit_test(set_full_tells_what_became_of_each_element),
      cmocka_unit_test(set_full_lists_are_sorted_and_cut),
      cmocka_unit_test(counter_looks_at_final_reads),
      cmocka_unit_test(quantiles_are_taken_as_jepsen_does),
      cmocka_unit_test(large_histories_are_judged),
  };
  return cmocka_run_group_tests(tests, start, stop);
}
