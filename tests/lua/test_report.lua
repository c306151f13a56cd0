local lu = require "luaunit"
local core = require "vortex.core"
local lab_support = require "support.lab"
local report = require "vortex.lab.report"
local words = require "vortex.lab.words"

local T = {}

local events = lab_support.events

function T.test_numbers()
  for _, case in ipairs { { 0, "0" }, { 7, "7" }, { 999, "999" }, { 1000, "1,000" }, { 1234567, "1,234,567" }, { -1000, "-1,000" } } do
    lu.assertEquals(words.count(case[1]), case[2])
  end
  lu.assertEquals(words.ms(0), "0.0")
  lu.assertEquals(words.ms(10203449999), "10,203.4")
  lu.assertEquals(words.ms(10203450000), "10,203.5")
  lu.assertEquals(words.duration(420000), "0.42 ms")
  lu.assertEquals(words.duration(3140000), "3.1 ms")
  lu.assertEquals(words.duration(1204400000), "1,204 ms")
  lu.assertEquals(words.plural(1, "node", "nodes"), "1 node")
  lu.assertEquals(words.plural(2000, "node", "nodes"), "2,000 nodes")
end

function T.test_names()
  local test = { nodes = { "n0", "n1", "n2" }, clients = 5 }
  lu.assertEquals(words.who(4, test), "process 4 (n1)")
  lu.assertEquals(words.who(14, test), "process 14 (n1)", "the same client later on")
  lu.assertEquals(words.who(14), "process 14")
  lu.assertEquals(words.value(nil), "null")
  lu.assertEquals(words.value(("ä"):rep(100)), '"' .. ("ä"):rep(58) .. "…")
  lu.assertEquals(words.error "net-timeout", "net-timeout")
  lu.assertEquals(words.error { "abort", "no" }, "abort: no")
  lu.assertEquals(words.error { "abort", core.null }, "abort")
  lu.assertEquals(words.shortened("one\ntwo", 50), "one …")
end

function T.test_columns_are_aligned()
  lu.assertEquals(words.table({ { "a", "1" }, { "äöü", "100", "x" } }, { [2] = true }), { "a      1", "äöü  100  x" })
end

local function run()
  local rows = {}
  for i = 1, 100 do
    rows[#rows + 1] = { i % 3, "invoke", "read", at = 10 * i }
    rows[#rows + 1] = { i % 3, "ok", "read", 1, at = 10 * i + (i == 100 and 2000 or i == 99 and 20 or 3) }
  end
  rows[#rows + 1] = { 0, "invoke", "add", 1 }
  rows[#rows + 1] = { 0, "fail", "add", 1, error = core.array { "abort", "no" } }
  rows[#rows + 1] = { 0, "invoke", "add", 1 }
  rows[#rows + 1] = { 0, "info", "add", 1, error = "net-timeout" }
  rows[#rows + 1] = { "nemesis", "info", "start" }
  rows[#rows + 1] = { 1, "invoke", "add", 1 }
  return report.count(events(rows))
end

function T.test_counts()
  local counts = run()
  lu.assertEquals({ counts.invoked, counts.ok, counts.fail, counts.info }, { 103, 100, 1, 1 })
  lu.assertEquals(counts.names, { "add", "read" })
  lu.assertEquals(counts.by_f.add, { invoked = 3, ok = 0, fail = 1, info = 1, completed = 2 })
  lu.assertEquals(counts.errors, { abort = 1, ["net-timeout"] = 1 })
end

function T.test_the_summary()
  local lines = {}
  report.summary(
    run(),
    { ["0"] = 0, ["0.5"] = 12, ["0.95"] = 340, ["0.99"] = 1200, ["1"] = 1300 },
    {
      server_messages = 12034,
      lost = 3,
      cut = 4,
      faults = { partition = 4, kill = 2, pause = 0 },
      raft = { groups = 1, steps = 99999, leaders = 3, committed = 1240, applied = 3720, restored = 0, starts = 5 },
      errors_logged = 2,
      first_error = "n0: bad\ntrace",
      virtual_ns = 60040000000,
      trace = "0123456789abcdef",
    },
    lines
  )
  lu.assertEquals(lines, {
    "operations   ok 100  failed 1  indeterminate 1",
    "  add        ok 0    failed 1  indeterminate 1",
    "  read       ok 100  failed 0  indeterminate 0",
    "errors       abort 1, net-timeout 1",
    "latency      p50 3.0 ms, p95 3.0 ms, p99 2,000 ms, max 2,000 ms",
    "stable       p0 0 ms, p50 12 ms, p95 340 ms, p99 1,200 ms, max 1,300 ms",
    "messages     12,034 between servers, 116.83 per operation; 3 lost, 4 cut, 0 duplicated",
    "faults       kill 2, partition 4",
    "raft         1 group, 3 elections won, 1,240 entries committed, 0 snapshots restored",
    "logs         2 errors, the first: n0: bad …",
    "time         60.0 s virtual",
    "trace        0123456789abcdef",
  })
end

function T.test_an_empty_run()
  local lines = {}
  report.summary(report.count {}, nil, { server_messages = 0 }, lines)
  lu.assertEquals(lines, {
    "operations   ok 0  failed 0  indeterminate 0",
    "messages     0 between servers; 0 lost, 0 cut, 0 duplicated",
  })
end

-- Everything that can be said at once fits on a screen.
function T.test_a_bad_run_is_told_in_thirty_lines()
  local lab = lab_support.new():open("broadcast", { node_count = 5, clients = 5 })
  for _ = 1, 200 do
    for client = 0, 4 do
      local asked = lab:next(client)
      if asked.type == "read" then
        lab:answer(client, { type = "read_ok", messages = core.array { 99999 } })
      else
        lab:answer(client, { type = "broadcast_ok" })
      end
    end
  end
  local result = lab:verdict { server_messages = 100, virtual_ns = 60000000000, faults = { kill = 3 }, trace = "00" }
  local _, newlines = result.text:gsub("\n", "")
  lu.assertTrue(newlines < 30, result.text)
  lu.assertStrContains(result.reason, "elements lost: 0, 1, 2")
  lu.assertStrContains(result.text, "warning: 1 element was read that nobody had added yet: 99999")
end

return T
