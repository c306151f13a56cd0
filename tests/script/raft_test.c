/* Raft as a script sees it: proposals, reads, members, the step model. */
#include "raft_world.h"

#define COUNTER                                                                                                                            \
  "local raft = v.raft {\n"                                                                                                                \
  "  init = function() return { n = 0 } end,\n"                                                                                            \
  "  apply = function(state, op, index)\n"                                                                                                 \
  "    if op.fail then v.error(op.fail, op.text) end\n"                                                                                    \
  "    if op.raise then error(op.raise) end\n"                                                                                             \
  "    if op.quiet then return nil end\n"                                                                                                  \
  "    if op.bad then return { deep = { print } } end\n"                                                                                   \
  "    state.n = state.n + (op.by or 0)\n"                                                                                                 \
  "    return { n = state.n, index_is = math.type(index) }\n"                                                                              \
  "  end,\n"                                                                                                                               \
  "}\n"                                                                                                                                    \
  "v.on('add', function(msg) return raft:propose(msg.body) end)\n"                                                                         \
  "v.on('try', function(msg) local r, e = raft:try_propose(msg.body) return { r = r or v.null, e = e and e.code, d = e and e.definite } "  \
  "end)\n"                                                                                                                                 \
  "v.on('get', function(msg) return raft:read(function(s) return { n = s.n } end) end)\n"

/* ---- proposals ---- */

static void test_a_proposal_is_applied_and_answered(void **state)
{
  struct world *w = *state;
  load(w, COUNTER);
  init(w, "[\"n1\"]");
  expect(w, "\"type\":\"add\",\"by\":2", "\"type\":\"add_ok\",\"index_is\":\"integer\",\"n\":2,\"in_reply_to\":7");
  expect(w, "\"type\":\"add\",\"by\":5", "\"n\":7");
  expect(w, "\"type\":\"add\",\"quiet\":true", "{\"type\":\"add_ok\",\"in_reply_to\":7}");
  expect(w, "\"type\":\"get\"", "\"type\":\"get_ok\",\"n\":7");
}

static void test_errors_of_apply_are_results(void **state)
{
  struct world *w = *state;
  load(w, COUNTER);
  init(w, "[\"n1\"]");
  expect(w, "\"type\":\"add\",\"fail\":22,\"text\":\"not so\"", "\"type\":\"error\",\"code\":22,\"text\":\"not so\"");
  expect(w, "\"type\":\"add\",\"fail\":\"key-does-not-exist\"", "\"code\":20,\"text\":\"the key does not exist\"");
  expect(w, "\"type\":\"try\",\"fail\":1001", "\"e\":1001,\"r\":null");
  assert_int_equal(occurrences(&w->env.log, "traceback"), 0);
  expect(w, "\"type\":\"add\",\"fail\":0", "\"code\":13");
  expect(w, "\"type\":\"add\",\"raise\":\"boom\"", ":6: boom\"");
  expect_part(&w->env.log, "error in apply: ");
  expect(w, "\"type\":\"add\",\"raise\":{}", "\"code\":13,\"text\":\"table: ");
  expect(w, "\"type\":\"add\",\"bad\":true",
         "\"code\":13,\"text\":\"what apply returned cannot be encoded: result.deep[1]: a function cannot be encoded\"");
  expect(w, "\"type\":\"add\",\"by\":1", "\"n\":1");
}

static void test_what_cannot_be_encoded_is_not_proposed(void **state)
{
  struct world *w = *state;
  load(w, "local raft = v.raft { apply = function() end }\n"
          "v.on('x', function() return raft:propose { a = { 0/0 } } end)\n"
          "v.on('y', function() return raft:propose() end)\n"
          "v.on('z', function() return raft:propose({}, { timeout = -1 }) end)");
  init(w, "[\"n1\"]");
  expect(w, "\"type\":\"x\"", "raft:propose: command.a[1]: NaN");
  expect(w, "\"type\":\"y\"", "value expected");
  expect(w, "\"type\":\"z\"", "timeout: a time in seconds, 0 or more, expected");
}

static void test_scalars_may_be_commands_and_results(void **state)
{
  struct world *w = *state;
  load(w, "local raft = v.raft { apply = function(state, op) if op == v.null then return v.null end return op end }\n"
          "v.on('x', function(msg)\n"
          "  local out = v.array {}\n"
          "  for _, c in ipairs { 12, -7, 1.5, 'text', true, false, v.null, v.array {}, 9223372036854775807 } do\n"
          "    out[#out + 1] = raft:propose(c)\n"
          "  end\n"
          "  return { out = out }\n"
          "end)");
  init(w, "[\"n1\"]");
  ask(w, "\"type\":\"x\"");
  pass(w, 1000);
  expect_part(&w->env.out, "\"out\":[12,-7,1.5,\"text\",true,false,null,[],9223372036854775807]");
}

/* Nobody shares a table with the state: neither who proposed the command, nor who got the result. */
static void test_commands_and_results_are_copies(void **state)
{
  struct world *w = *state;
  load(w, "local raft = v.raft { apply = function(state, op) state.last = op return op end }\n"
          "v.on('x', function()\n"
          "  local command = { list = { 1 } }\n"
          "  local result = raft:propose(command)\n"
          "  command.list[1], result.list[1] = 'spoilt', 'spoilt'\n"
          "  return { same = result == command, kept = raft:read(function(s) return s.last.list[1] end) }\n"
          "end)");
  init(w, "[\"n1\"]");
  expect(w, "\"type\":\"x\"", "\"kept\":1,\"same\":false");
}

static void test_without_a_majority(void **state)
{
  struct world *w = *state;
  load(w, COUNTER
       "v.on('try_get', function() local n, e = raft:try_read(function() return 1 end) return { n = n, e = e.code, d = e.definite } end)");
  init(w, "[\"n1\",\"n2\",\"n3\"]");
  ask(w, "\"type\":\"add\",\"by\":1");
  assert_int_equal(occurrences(&w->env.out, "\"c1\""), 0);
  pass(w, 900);
  expect_part(&w->env.out, "\"type\":\"error\",\"code\":11,");
  ask(w, "\"type\":\"try\",\"by\":1");
  ask(w, "\"type\":\"get\"");
  ask(w, "\"type\":\"try_get\"");
  pass(w, 900);
  assert_int_equal(occurrences(&w->env.out, "\"type\":\"try_ok\",\"d\":true,\"e\":11,\"r\":null"), 1);
  assert_int_equal(occurrences(&w->env.out, "\"type\":\"error\",\"code\":11,"), 1);
  assert_int_equal(occurrences(&w->env.out, "\"type\":\"try_get_ok\",\"d\":true,\"e\":11"), 1);
}

static void test_operations_want_a_task(void **state)
{
  struct world *w = *state;
  load(w,
       COUNTER "local ok, e = pcall(raft.propose, raft, {})\nprint('propose', e)\nok, e = pcall(raft.read, raft, print)\nprint('read', e)\n"
               "ok, e = pcall(coroutine.wrap(function() raft:change { voters = { 'n1' } } end))\nprint('change', e)\n"
               "print('leader', raft:leader(), raft:is_leader())");
  assert_int_equal(occurrences(&w->env.log, "raft:propose waits, so it must be called in a handler"), 1);
  assert_int_equal(occurrences(&w->env.log, "raft:read waits, so it must be called in a handler"), 1);
  assert_int_equal(occurrences(&w->env.log, "raft:change waits, so it must be called in a handler"), 1);
  assert_int_equal(occurrences(&w->env.log, "leader\tnil\tfalse"), 1);
}

/* ---- reads ---- */

static void test_reads(void **state)
{
  struct world *w = *state;
  load(
      w, COUNTER
      "v.on('many', function() local a, b, c = raft:read(function(s) return s.n, nil, 'x' end) return { a = a, b = b == nil, c = c } end)\n"
      "v.on('err', function() return raft:read(function() v.error(20, 'none') end) end)\n"
      "v.on('try_err', function() return raft:try_read(function() v.error(21, 'some') end) end)\n"
      "v.on('wait', function() return raft:read(function() v.sleep(1) end) end)\n"
      "v.on('nest', function() return raft:read(function() return raft:propose { by = 1 } end) end)\n"
      "v.on('clock', function() return { t = raft:read(function() return v.now() > 0 and os.time() > 0 end) } end)\n"
      "v.on('trace', function() return raft:read(function(s) return s.n.x.y end) end)");
  init(w, "[\"n1\"]");
  expect(w, "\"type\":\"many\"", "\"a\":0,\"b\":true,\"c\":\"x\"");
  expect(w, "\"type\":\"err\"", "\"code\":20,\"text\":\"none\"");
  expect(w, "\"type\":\"try_err\"", "\"code\":21,\"text\":\"some\"");
  expect(w, "\"type\":\"wait\"", "sleep cannot wait here: below raft:read");
  expect(w, "\"type\":\"nest\"", "raft:propose cannot wait here: below raft:read");
  expect(w, "\"type\":\"clock\"", "\"t\":true");
  expect(w, "\"type\":\"trace\"", "\"code\":13");
  expect_part(&w->env.log, "in method 'read'");
}

/* ---- looks ---- */

static void test_status_and_changes(void **state)
{
  struct world *w = *state;
  load(w, COUNTER "local seen = v.array {}\n"
                  "raft:on_change(function(status) v.sleep(0.01) seen[#seen + 1] = status.role end)\n"
                  "v.on('status', function() local s = raft:status() return { s = s, seen = seen, leader = raft:leader(), leads = "
                  "raft:is_leader() } end)\n"
                  "print(tostring(raft))");
  expect_part(&w->env.log, "raft group \"main\"");
  init(w, "[\"n1\"]");
  expect(w, "\"type\":\"status\"", "\"leader\":\"n1\",\"leads\":true,");
  assert_int_equal(occurrences(&w->env.out, "\"role\":\"leader\""), 1);
  assert_int_equal(occurrences(&w->env.out, "\"voters\":[\"n1\"]"), 1);
  assert_int_equal(occurrences(&w->env.out, "\"seen\":[\"leader\"]"), 1);
}

static void test_changes_of_members(void **state)
{
  struct world *w = *state;
  load(w,
       COUNTER "v.on('same', function() return { ok = raft:change { voters = { 'n1' } } } end)\n"
               "v.on('none', function() return { ok = raft:change {} } end)\n"
               "v.on('odd', function() return { ok = raft:change { voters = { 7 } } } end)\n"
               "v.on('unknown', function() local ok, e = raft:try_change { voters = { 'n1', 'x9' } } return { ok = ok, e = e.code } end)\n"
               "v.on('transfer', function() return { ok = raft:transfer 'n1' } end)");
  init(w, "[\"n1\"]");
  expect(w, "\"type\":\"same\"", "\"ok\":true");
  expect(w, "\"type\":\"none\"", "raft:change: no voters");
  expect(w, "\"type\":\"odd\"", "voters: element 1 is a number, not a node id");
  expect(w, "\"type\":\"unknown\"", "\"e\":12");
  expect(w, "\"type\":\"transfer\"", "\"ok\":true");
}

static void test_several_groups(void **state)
{
  struct world *w = *state;
  load(w, "local a = v.raft { name = 'a', apply = function(s, x) s.x = x end }\n"
          "local b\n"
          "v.on_init(function() b = v.raft { name = 'b', voters = { v.ids[1] }, apply = function(s, x) s.x = -x end } end)\n"
          "print(pcall(v.raft, { name = 'a', apply = print }))\n"
          "v.on('x', function()\n"
          "  a:propose(1) b:propose(2)\n"
          "  return { a = a:read(function(s) return s.x end), b = b:read(function(s) return s.x end) }\n"
          "end)");
  assert_int_equal(occurrences(&w->env.log, "raft: group \"a\": its name is taken"), 1);
  init(w, "[\"n1\"]");
  ask(w, "\"type\":\"x\"");
  pass(w, 1000);
  expect_part(&w->env.out, "\"a\":1,\"b\":-2");
}

/* ---- the step model ---- */

static void test_committed_entries_come_to_step(void **state)
{
  struct world *w = *state;
  load(w, "return {\n"
          "  raft = true,\n"
          "  create = function() return { n = 0, asked = {}, next = 0 } end,\n"
          "  step = function(self, event, network)\n"
          "    if event.kind == 'message' then\n"
          "      self.next = self.next + 1\n"
          "      self.asked[self.next] = event\n"
          "      network.raft:request { question = self.next, by = event.body.by, bad = event.body.bad }\n"
          "    elseif event.kind == 'committed' then\n"
          "      if event.entry.bad then os.time() end\n"
          "      self.n = self.n + event.entry.by\n"
          "      local answer = { type = 'add_ok', n = self.n, where = math.type(event.index) }\n"
          "      network:reply(self.asked[event.entry.question], answer)\n"
          "      answer.n = 'spoilt'\n"
          "    elseif event.kind == 'failed' then\n"
          "      local e = event.error\n"
          "      network:reply(self.asked[event.entry.question], { type = 'error', code = e.code, text = e.text })\n"
          "    end\n"
          "  end,\n"
          "}");
  init(w, "[\"n1\"]");
  expect(w, "\"type\":\"add\",\"by\":2", "\"n\":2,\"where\":\"integer\"");
  expect(w, "\"type\":\"add\",\"by\":3", "\"n\":5");
  expect(w, "\"type\":\"add\",\"by\":3,\"bad\":true", "apply: os.time differs between replicas");
  expect(w, "\"type\":\"add\",\"by\":1", "\"n\":6");
  struct buf out = {0};
  assert_int_not_equal(w->behavior.snapshot(w->script, w->script->groups, &out), 0);
  assert_int_equal(occurrences(&w->env.log, "no snapshot: not-supported (10): the service's `raft` has neither snapshot nor restore"), 1);
  buf_free(&out);
}

static void test_a_request_may_fail(void **state)
{
  struct world *w = *state;
  load(w, "return {\n"
          "  raft = true,\n"
          "  step = function(self, event, network)\n"
          "    if event.kind == 'message' and event.type == 'x' then\n"
          "      self.asked = event\n"
          "      network.raft:request 'entry'\n"
          "    elseif event.kind == 'failed' then\n"
          "      network:reply(self.asked, { type = 'x_ok', entry = event.entry, code = event.error.code })\n"
          "    end\n"
          "  end,\n"
          "}");
  init(w, "[\"n1\",\"n2\",\"n3\"]");
  ask(w, "\"type\":\"x\"");
  pass(w, 1000);
  expect_part(&w->env.out, "\"code\":11,\"entry\":\"entry\"");
}

static void test_snapshots_of_a_service(void **state)
{
  struct world *w = *state;
  load(w, "return {\n"
          "  raft = { name = 'svc',\n"
          "    snapshot = function(self) return self.n end,\n"
          "    restore = function(self, n) self.n = n end },\n"
          "  create = function() return { n = 0 } end,\n"
          "  step = function(self, event) if event.kind == 'committed' then self.n = self.n + event.entry end end,\n"
          "}");
  init(w, "[\"n1\"]");
  struct raft_group *g = w->script->groups;
  struct buf out = {0};
  assert_int_equal(w->behavior.restore(w->script, g, SLICE("40")), 0);
  apply(w, g, 9, "2", "{}");
  assert_int_equal(w->behavior.snapshot(w->script, g, &out), 0);
  assert_true(slice_equal(buf_slice(&out), SLICE("42")));
  buf_free(&out);
}

static void test_no_group_without_being_asked(void **state)
{
  struct world *w = *state;
  load(w, "return { step = function(self, event, network) if event.kind == 'message' then network.raft:request {} end end }");
  assert_null(w->script->groups);
  init(w, "[\"n1\"]");
  expect(w, "\"type\":\"x\"", "network.raft: there is no Raft group: the service has no `raft = true`");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      T(test_a_proposal_is_applied_and_answered),
      T(test_errors_of_apply_are_results),
      T(test_what_cannot_be_encoded_is_not_proposed),
      T(test_scalars_may_be_commands_and_results),
      T(test_commands_and_results_are_copies),
      T(test_without_a_majority),
      T(test_operations_want_a_task),
      T(test_reads),
      T(test_status_and_changes),
      T(test_changes_of_members),
      T(test_several_groups),
      T(test_committed_entries_come_to_step),
      T(test_a_request_may_fail),
      T(test_snapshots_of_a_service),
      T(test_no_group_without_being_asked),
  };
  return cmocka_run_group_tests_name("script.raft", tests, NULL, NULL);
}
