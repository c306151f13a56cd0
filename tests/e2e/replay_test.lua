--- The same seed is the same run: in another process, environment, folder and memory layout, in a campaign with any number of workers,
--- and when the command of a failure is run again. Where it is not, the campaign says so.
local lu = require "luaunit"

local maelstrom = require "support.maelstrom"
local scratch = require "support.scratch"
local suite = require "support.suite"
local trial = require "support.trial"

-- Everything that tends to differ between processes: addresses, the order of pairs, chance, times, when garbage is collected.
local RESTLESS = [[
local vortex = require "vortex"
local seen, collected = {}, 0
local function order()
  local list = {}
  for key in pairs(seen) do list[#list + 1] = tostring(key):sub(-9) end
  return table.concat(list, " ", 1, math.min(#list, 40))
end
vortex.on("broadcast", function(msg)
  seen[{}], seen["k" .. msg.body.message] = true, true
  seen[function() return msg end] = true
  setmetatable({}, { __gc = function() collected = collected + 1 end })
  vortex.log.info("%s %s %f %d %d", order(), tostring({}), math.random(), os.time(), collected)
  vortex.log.info("%f KiB", collectgarbage "count")
  if math.random(3) == 1 then vortex.broadcast { type = "news", order = order() } end
  return {}
end)
vortex.on("topology", function() return {} end)
vortex.on("news", function(msg) seen[msg.body.order] = true end)
vortex.on("read", function()
  local list = { 3, 1, 2 }
  for i = 1, 300 do list[i] = i * 7919 % 101 end
  table.sort(list, function(a, b) return a // 10 < b // 10 end)
  vortex.log.info("%s", table.concat(list, " "))
  return { messages = vortex.array {} }
end)
vortex.every(0.1, function()
  vortex.kv("seq-kv"):try_write("k" .. math.random(5), math.random(100))
end)
]]

local OPTIONS = "-w broadcast --node-count 3 --time-limit 5 --rate 30 --latency 5 --latency-dist exponential "
  .. "--nemesis kill,partition,loss,duplicate --nemesis-interval 1 "

local TestTrace = suite.case "TestReplayTrace"

local script

local function restless(more)
  script = script or scratch.script(RESTLESS)
  local t = { script = script, options = OPTIONS, status = false }
  for key, value in pairs(more or {}) do
    t[key] = value
  end
  local run = trial.run(t)
  lu.assertNotNil(run.trace, run.text .. run.stderr_text)
  return run
end

local function assert_same(a, b)
  lu.assertEquals(b.trace, a.trace)
  for _, name in ipairs { "history.edn", "history.jsonl", "messages.jsonl", "events.jsonl", "node-logs/n0.log", "node-logs/n2.log" } do
    lu.assertTrue(scratch.read(a:path(name)) == scratch.read(b:path(name)), name)
  end
end

function TestTrace.test_another_process()
  local one = restless()
  assert_same(one, restless())
  lu.assertNotEquals(restless({ options = OPTIONS .. "--seed 2" }).trace, one.trace)
end

function TestTrace.test_another_environment()
  local one = restless()
  for name, value in pairs { -- order-free
    TZ = "Asia/Kolkata", LC_ALL = "C.UTF-8", LUA_INIT = "error 'LUA_INIT'", LUA_INIT_5_4 = "os.exit(9)", HOME = ("/x"):rep(2000),
    MALLOC_PERTURB_ = "85", LUA_CPATH = "/nowhere/?.so", TMPDIR = "/nowhere",
  } do
    lu.assertEquals({ name, restless({ env = { [name] = value } }).trace }, { name, one.trace })
  end
end

function TestTrace.test_the_search_path_in_the_environment()
  local one = restless()
  lu.assertEquals(restless({ env = { LUA_PATH = "/nowhere/?.lua;;" } }).trace, one.trace)
  lu.assertEquals(restless({ env = { LUA_PATH_5_4 = "/nowhere/?.lua;/not/here/either/?.lua" } }).trace, one.trace)
end

function TestTrace.test_another_folder()
  assert_same(restless(), restless({ cwd = "/" }))
end

function TestTrace.test_another_layout_of_the_memory()
  local probe = trial.shell "setarch -R true"
  if probe.exit_code ~= 0 then
    lu.skip("setarch -R: " .. probe.stderr_text)
  end
  assert_same(restless(), restless({ file = "setarch", before = { "-R", maelstrom.binary } }))
end

function TestTrace.test_watching_changes_nothing()
  local one = restless()
  lu.assertEquals(restless({ options = OPTIONS .. "--log-stderr --log-net-send --log-net-recv" }).trace, one.trace)
  local args = { "test", "--seed", "1" }
  for word in OPTIONS:gmatch "%S+" do
    args[#args + 1] = word
  end
  args[#args + 1] = script
  lu.assertEquals(trial.command(args).text:match "trace +(%x+)", one.trace)
end

function TestTrace.test_what_is_shown_of_messages()
  local run = restless({ options = OPTIONS .. "--log-net-send --log-net-recv" })
  suite.assert_words(run.stderr_text, "init", "topology")
end

-- ---- campaigns ----

local TestCampaign = suite.case "TestReplayCampaign"

-- Wrong on some seeds only.
local SOMETIMES = [[
local vortex = require "vortex"
local wrong = math.random(3) == 1
vortex.on("echo", function(msg)
  return { echo = wrong and "no" or msg.body.echo }
end)
]]

local function campaign(source, seeds, jobs)
  return trial.command { "test", "-w", "echo", "--time-limit", "3", "--node-count", "1", "--seeds", seeds, "--jobs", jobs, source }
end

local function failures(p)
  local list = {}
  for _, line in ipairs(p.lines) do
    list[#list + 1] = line:match "^seed %d+: INVALID: .*"
  end
  table.sort(list)
  return list
end

function TestCampaign.test_jobs_change_nothing()
  local source = scratch.script(SOMETIMES)
  local one, two = campaign(source, "60", "1"), campaign(source, "60", "2")
  lu.assertEquals({ one.exit_code, two.exit_code }, { 1, 1 }, one.text)
  local wrong = failures(one)
  lu.assertTrue(#wrong >= 5 and #wrong <= 50, one.text)
  lu.assertEquals(failures(two), wrong)
  lu.assertEquals(two.text:match "60 seeds: [^\n]*", one.text:match "60 seeds: [^\n]*")
  lu.assertEquals(two.text:match "[^\n]* of virtual time", one.text:match "[^\n]* of virtual time")
end

function TestCampaign.test_each_failure_reproduces()
  local source = scratch.script(SOMETIMES)
  local p = campaign(source, "30", "2")
  lu.assertEquals(p.exit_code, 1)
  local last, checked = p.lines[#p.lines], 0
  for _, line in ipairs(p.lines) do
    local seed = line:match "^  seed (%d+): INVALID"
    if seed and checked < 3 then
      local again = trial.shell((last:gsub("%-%-seeds %d+%-%d+", ("--seeds %s-%s"):format(seed, seed))))
      lu.assertEquals(again.exit_code, 1, again.text)
      suite.assert_words(again.text, "seed " .. seed .. ": echo", line:match "INVALID: .*")
      checked = checked + 1
    end
  end
  lu.assertEquals(checked, 3, p.text)
end

-- The kernel gives another one each time it is read; a file that is no Lua is quoted in the error: its first
-- word, and only if that begins with a digit, so many are read.
local ACCIDENT = [[
local vortex = require "vortex"
local accident = ""
for _ = 1, 20 do
  accident = accident .. select(2, loadfile "/proc/sys/kernel/random/uuid") .. " "
end
]]

local function assert_nondeterminism(source)
  local args = { "test", "-w", "echo", "--time-limit", "3", "--node-count", "2", "--seeds", "20", scratch.script(source) }
  local p = trial.command(args, { env = { TMPDIR = scratch.folder() } })
  lu.assertEquals(p.exit_code, 1, p.text .. p.stderr_text)
  suite.assert_words(p.text, "NONDETERMINISM", "INVALID: ")
  return p
end

function TestCampaign.test_nondeterminism_in_a_message()
  local p = assert_nondeterminism(ACCIDENT .. [[
vortex.on_init(function() vortex.broadcast { type = "accident", text = accident } end)
vortex.on("accident", function() end)
vortex.on("echo", function(msg) return { echo = msg.body.echo } end)
]])
  local one, other = p.text:match "the first difference is [^\n]*\n +one: ([^\n]*)\n +another: ([^\n]*)\n"
  lu.assertNotNil(one, p.text)
  suite.assert_words(one, '"accident"')
  suite.assert_words(other, '"accident"')
  lu.assertNotEquals(one, other)
end

function TestCampaign.test_nondeterminism_in_the_log()
  local p = assert_nondeterminism(ACCIDENT .. [[
vortex.on("echo", function(msg)
  vortex.log.info("accident %s", accident)
  return { echo = msg.body.echo }
end)
]])
  suite.assert_words(p.text, "the first difference is ", "accident")
end

function TestCampaign.test_nondeterminism_in_the_verdict()
  local p = assert_nondeterminism(ACCIDENT .. [[
vortex.on("echo", function(msg) return { echo = msg.body.echo .. accident:match "near (.*)" } end)
]])
  suite.assert_words(p.text, "the first difference is ")
end

function TestCampaign.test_nothing_is_reported_of_a_service_that_is_deterministic()
  local p = trial.command { "test", "-w", "broadcast", "--time-limit", "3", "--nemesis", "kill,loss", "--seeds", "40",
    scratch.script(RESTLESS) }
  suite.assert_words(p.text, "2 run twice, with equal traces")
  suite.assert_no_words(p.text, "NONDETERMINISM")
end

-- ---- the command at the end ----

local TestCommand = suite.case "TestReplayCommand"

function TestCommand.test_the_last_line_gives_the_same_run()
  local p = restless()
  local command = p.process.lines[#p.process.lines]
  lu.assertEquals(p.status, 1, p.text)
  local again = trial.shell(command)
  lu.assertEquals(again.exit_code, 1)
  lu.assertEquals(trial.without_times(again.text), trial.without_times(p.text))
end
