--- Scripts that use Raft, in the simulator: valid under what hits leaders and disks, the same in every process, and convicted by the watch
--- over all replicas when `apply` depends on more than the state and the command.
local lu = require "luaunit"

local scratch = require "support.scratch"
local suite = require "support.suite"
local trial = require "support.trial"

-- A store on a replicated log. The texts go before everything, into apply before a command takes effect, and behind everything.
local STORE = [[
local vortex = require "vortex"
%s
local raft = vortex.raft {
  init = function() return {} end,
  apply = function(kv, op)
    local key = tostring(op.key)
    %s
    if op.type == "write" then
      kv[key] = op.value
      return {}
    elseif kv[key] == nil then
      vortex.error("key-does-not-exist", "there is no such key")
    elseif op.type == "read" then
      return { value = kv[key] }
    elseif kv[key] ~= op.from then
      vortex.error("precondition-failed", "the value is another one")
    end
    kv[key] = op.to
    return {}
  end,
}
vortex.on({ "read", "write", "cas" }, function(msg)
  local body = msg.body
  return raft:propose { type = body.type, key = body.key, value = body.value, from = body.from, to = body.to }
end)
%s
]]

local function store(before, in_apply, behind)
  return STORE:format(before or "", in_apply or "", behind or "")
end

local OPTIONS = "-w lin-kv --node-count 3 --concurrency 2n --rate 30 "

local TestValid = suite.case "TestRaftValid"

local function assert_valid(options, seed)
  local run = trial.run { source = store(), options = OPTIONS .. ("--time-limit 20 --seed %d "):format(seed) .. options, status = false }
  lu.assertEquals(run.verdict, "VALID", run.text)
  suite.assert_words(run.text:match "\nraft[^\n]*", "1 group", "won", "committed")
  return run
end

function TestValid.test_calm()
  local run = assert_valid("", 1)
  lu.assertTrue(tonumber((run.text:match "ok (%d+)")) > 300, run.text)
end

function TestValid.test_kills_of_the_leader()
  local run = assert_valid("--nemesis kill:leader --nemesis-interval 3", 2)
  local leaders = {}
  for _, window in ipairs(run:faults()) do
    lu.assertStrContains(window.what, "kill leader: n")
    leaders[window.what] = true
  end
  lu.assertNotNil(next(leaders, next(leaders)), "always the same") -- each time somebody else takes over
end

-- Who is cut off leads: the others elect another one, and clients of two nodes are served meanwhile.
function TestValid.test_partitions_of_the_leader()
  local run = assert_valid("--nemesis partition:leader --nemesis-interval 4", 3)
  local won = run.text:match "\nraft[^\n]* ([%d,]+) elections won"
  lu.assertTrue(tonumber(won) > #run:faults(), run.text)
end

local WORDS = { "%d+ %% fail", "full", "%d+ times as slow", "power lost" }

function TestValid.test_disks()
  local seen, ended = {}, 0
  for seed = 1, 6 do
    local run = assert_valid("--nemesis disk --nemesis-interval 2", seed)
    for _, window in ipairs(run:faults()) do
      for _, word in ipairs(WORDS) do
        seen[word] = seen[word] or window.what:find(", " .. word .. "$") ~= nil
      end
    end
    local down = {}
    for _, event in ipairs(run:lines "events.jsonl") do
      if event.kind == "error" then
        down[event.who] = event.what
      elseif event.kind == "node" and event.what == "ended: its disk failed" then
        ended = ended + 1
        lu.assertNotNil(down[event.who], "it did not say why it ended")
      end
    end
  end
  for _, word in ipairs(WORDS) do
    lu.assertTrue(seen[word], word)
  end
  lu.assertTrue(ended > 0)
end

-- Nobody leads where there is no Raft.
function TestValid.test_without_raft_the_leader_is_one()
  local source = [[
local vortex = require "vortex"
vortex.on("generate", function() return { id = vortex.unique_id() } end)
]]
  local run = trial.run { source = source, options = "-w unique-ids --nemesis kill:leader --nemesis-interval 2 --time-limit 20" }
  lu.assertTrue(#run:faults() > 2)
  for _, window in ipairs(run:faults()) do
    lu.assertStrContains(window.what, "kill one: n")
  end
  suite.assert_no_words(run.text, "\nraft ")
end

-- ---- convicted ----

local TestConvicted = suite.case "TestRaftConvicted"

local function assert_convicted(source, options)
  local run = trial.run { source = source, options = OPTIONS .. "--time-limit 30 " .. (options or ""), status = 1 }
  suite.assert_words(run.text, "error: raft: group main: ", "state machine safety", "order of pairs", "INVALID: raft: group main: ")
  suite.assert_no_words(run.text, "no operation succeeded")
  local violation
  for _, event in ipairs(run:lines "events.jsonl") do
    violation = violation or event.kind == "raft" and event
  end
  lu.assertNotNil(violation)
  lu.assertStrContains(run.text, violation.what)
  lu.assertStrContains(scratch.read(run:path "report.txt"), violation.what)
  lu.assertTrue(violation.time < 30e9, "the run ends at once")
  local time = tonumber(run.text:match "\ntime +([%d.]+) s virtual")
  lu.assertTrue(math.abs(time - violation.time / 1e9) < 0.1, run.text)
  return run
end

-- What differs is the result, on replicas that nobody has asked.
function TestConvicted.test_a_result_that_depends_on_the_node()
  assert_convicted(store("", "if op.type == 'read' then return { value = #vortex.id + (vortex.id == 'n0' and 1 or 0) } end"))
end

-- A variable outside the state, which each node counts for itself.
function TestConvicted.test_a_counter_outside_the_state()
  local handler = "vortex.on('count', function() asked = asked + 1 end)\n"
    .. "vortex.every(0.2, function() vortex.broadcast { type = 'count' } end)"
  assert_convicted(store("local asked = 0", "kv.asked = asked", handler), "--latency 3")
end

-- Right until a node starts again from a snapshot, in which its count is not.
function TestConvicted.test_a_count_that_a_snapshot_does_not_have()
  local source = store("local calls = 0", "calls = calls + 1\n    kv.calls = calls")
  source = source:gsub("vortex.raft {", "%0 snapshot_bytes = 10000, tail_entries = 10,", 1)
  assert_convicted(source, "--nemesis kill:one --nemesis-interval 2 --seed 3")
end

-- The state differs, and no result does: found when the states are compared.
function TestConvicted.test_an_order_of_pairs_in_the_state()
  local mark = "kv[op.type], kv['!' .. op.type] = 1, 1\n    kv.first = nil\n"
    .. "    for name in pairs(kv) do kv.first = kv.first or name end -- order-free"
  assert_convicted(store("", mark))
end

-- ---- the same in every process ----

local TestSame = suite.case "TestRaftSame"

function TestSame.test_equal_traces()
  local options = OPTIONS .. "--time-limit 15 --latency 5 --nemesis kill:leader,partition,disk,loss --nemesis-interval 2 --seed 11"
  local source = store()
  local one = trial.run { source = source, options = options, status = false }
  local other = trial.run { source = source, options = options, status = false, env = { FILLER = ("x"):rep(5000) } }
  lu.assertNotNil(one.trace, one.text)
  lu.assertEquals(other.trace, one.trace)
  lu.assertEquals(scratch.read(other:path "messages.jsonl"), scratch.read(one:path "messages.jsonl"))
end

-- What the replicas' results are is part of the trace, also where no message and no log shows it.
function TestSame.test_the_trace_includes_what_is_applied()
  local function trace(value)
    local source = store("", ("if op.type == 'write' then kv.hidden = %d end"):format(value))
    return trial.run({ source = source, options = OPTIONS .. "--time-limit 10", status = false }).trace
  end
  lu.assertEquals(trace(1), trace(1))
  lu.assertNotEquals(trace(1), trace(2))
end
