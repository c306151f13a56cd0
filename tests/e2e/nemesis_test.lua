--- When faults begin and end, that they overlap, that the cluster is whole in the end, and that it must work again then.
local lu = require "luaunit"

local suite = require "support.suite"
local trial = require "support.trial"

local ECHO = [[
local vortex = require "vortex"
vortex.on("echo", function(msg) return { echo = msg.body.echo } end)
]]

local KINDS = { "partition", "partition-oneway", "kill", "pause", "slow", "loss", "duplicate", "clock", "disk" }

local function echo(options)
  local run = trial.run { source = ECHO, options = "-w echo --node-count 5 --rate 5 " .. options, status = false }
  run.windows = run:faults()
  return run
end

local TestTimes = suite.case "TestNemesisTimes"

--- Faults of a kind: lengths and pauses are from half an interval to one and a half; the end of the load may cut one short.
local function assert_stable(windows, kind, interval, limit)
  local last, n = 0, 0
  for _, window in ipairs(windows) do
    if window.kind == kind then
      local calm, length = window.from - last, window.to - window.from
      lu.assertTrue(calm >= 0.5 * interval and calm <= 1.5 * interval, ("%s: after %.3f s"):format(kind, calm))
      lu.assertTrue(length <= 1.5 * interval, ("%s: for %.3f s"):format(kind, length))
      lu.assertTrue(length >= 0.5 * interval or window.to >= limit, ("%s: for %.3f s"):format(kind, length))
      last, n = window.to, n + 1
    end
  end
  return n
end

function TestTimes.test_minimum_stability()
  for _, case in ipairs { { 10, 300 }, { 2, 60 }, { 0.5, 20 } } do
    local interval, limit = case[1], case[2]
    for seed = 1, 2 do
      local run = echo(("--nemesis partition --nemesis-interval %s --time-limit %d --seed %d"):format(interval, limit, seed))
      local n = assert_stable(run.windows, "partition", interval, limit)
      lu.assertTrue(n >= limit / interval / 3 - 1 and n <= limit / interval, run.text)
    end
  end
end

function TestTimes.test_the_lengths_vary()
  local run = echo "--nemesis partition --nemesis-interval 10 --time-limit 600"
  local shortest, longest, sum = math.huge, 0, 0
  for i = 1, #run.windows - 1 do
    local length = run.windows[i].to - run.windows[i].from
    shortest, longest, sum = math.min(shortest, length), math.max(longest, length), sum + length
  end
  lu.assertTrue(shortest < 8 and longest > 12, run.text)
  local mean = sum / (#run.windows - 1)
  lu.assertTrue(mean > 8 and mean < 12, tostring(mean))
end

function TestTimes.test_several_at_once()
  local run = echo("--nemesis " .. table.concat(KINDS, ",") .. " --nemesis-interval 5 --time-limit 100")
  local overlaps = 0
  for i, one in ipairs(run.windows) do
    for j = i + 1, #run.windows do
      local other = run.windows[j]
      if other.kind ~= one.kind and other.from < one.to then
        overlaps = overlaps + 1
      end
    end
  end
  lu.assertTrue(overlaps > 20, tostring(overlaps))
  for _, kind in ipairs(KINDS) do
    lu.assertTrue(assert_stable(run.windows, kind, 5, 100) >= 5, kind)
    suite.assert_words(run.text:match "\nfaults[^\n]*", kind .. " ")
  end
end

function TestTimes.test_in_the_end_everything_heals()
  for seed = 1, 4 do
    local run = echo(("--nemesis %s --nemesis-interval 7 --time-limit 30 --seed %d"):format(table.concat(KINDS, ","), seed))
    local dead, paused = {}, {}
    for _, window in ipairs(run.windows) do
      lu.assertTrue(window.to <= 30.001, window.what)
    end
    for _, event in ipairs(run:lines "events.jsonl") do
      if event.kind == "node" then
        if event.what == "kill" then
          dead[event.who], paused[event.who] = true, nil -- what starts again is another process
        elseif event.what == "start" then
          dead[event.who] = nil
        elseif event.what == "pause" then
          paused[event.who] = true
        elseif event.what == "resume" then
          paused[event.who] = nil
        end
      end
    end
    lu.assertEquals({ dead, paused }, { {}, {} })
    suite.assert_no_words(run.text, "answered nothing")
  end
end

function TestTimes.test_no_nemesis()
  for _, options in ipairs { "--time-limit 30", "--time-limit 30 --nemesis none" } do
    local run = echo(options)
    lu.assertEquals(run.windows, {})
    lu.assertEquals(run.status, 0, run.text)
  end
end

function TestTimes.test_a_target_of_its_own_for_each()
  local run = echo "--nemesis kill:one,pause:all,partition:halves --nemesis-interval 4 --time-limit 60"
  local seen = {}
  for _, window in ipairs(run.windows) do
    seen[window.kind .. " " .. window.what:match "^[%w-]+ (%w+)"] = true
  end
  lu.assertEquals(seen, { ["kill one"] = true, ["pause all"] = true, ["partition halves"] = true })
end

-- ---- liveness ----

local TestLiveness = suite.case "TestNemesisLiveness"

-- Right in what it says; silent for ever once a peer did not answer.
local GIVES_UP = [[
local vortex = require "vortex"
local alive = true
vortex.on("ping", function() return {} end)
vortex.every(0.2, function()
  for _, peer in ipairs(vortex.peers) do
    if not vortex.try_rpc(peer, { type = "ping" }) then alive = false end
  end
end)
vortex.on("%s", function(msg)
  if alive then return %s end
  %s
end)
]]

local FAULTY = "--node-count 3 --rate 10 --time-limit 20 --nemesis-interval 5 "

function TestLiveness.test_silence_after_the_first_partition()
  local source = GIVES_UP:format("generate", "{ id = vortex.unique_id() }", "")
  local calm = trial.run { source = source, options = "-w unique-ids --node-count 3 --time-limit 20 --rate 10" }
  lu.assertEquals(calm.verdict, "VALID")
  local run = trial.run { source = source, options = "-w unique-ids --nemesis partition:one " .. FAULTY, status = 1 }
  suite.assert_words(run.text, "error: ", "n0", "INVALID: ")
  -- the data are right
  local status, text = trial.check("unique-ids", run:path "history.edn")
  lu.assertEquals(status, 0, text)
end

function TestLiveness.test_refusing_for_ever_is_no_progress()
  local source = GIVES_UP:format("generate", "{ id = vortex.unique_id() }", "vortex.error('temporarily-unavailable')")
  local run = trial.run { source = source, options = "-w unique-ids --nemesis partition:one " .. FAULTY, status = 1 }
  suite.assert_words(run.text, "error: ", "n0", "INVALID: ")
  lu.assertEquals((trial.check("unique-ids", run:path "history.edn")), 0)
end

function TestLiveness.test_a_node_that_never_comes_back()
  local run = trial.run { source = [[
local vortex = require "vortex"
local lives = vortex.kv "lin-kv"
local ready = false
vortex.on_init(function()
  vortex.spawn(function()
    ready = lives:update(vortex.id, 0, function(n) return n + 1 end) == 1
  end)
end)
vortex.on("generate", function()
  if ready then return { id = vortex.unique_id() } end
end)
]], options = "-w unique-ids --nemesis kill:one " .. FAULTY, status = 1 }
  suite.assert_words(run.text, "error: ", run:faults()[1].what:match "n%d")
end

function TestLiveness.test_one_that_recovers_is_valid()
  local run = trial.run { source = [[
local vortex = require "vortex"
vortex.on("ping", function() return {} end)
vortex.on("generate", function()
  vortex.rpc_all(vortex.ids, { type = "ping" }, { timeout = 0.5 })
  return { id = vortex.unique_id() }
end)
]], options = "-w unique-ids --nemesis partition,kill,pause,loss " .. FAULTY }
  lu.assertEquals(run.verdict, "VALID")
end
