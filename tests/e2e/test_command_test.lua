--- `vortex-lua test`: options, exit statuses, what single runs and campaigns print, and the commands they tell to reproduce something.
local lu = require "luaunit"
local uv = require "luv"

local maelstrom = require "support.maelstrom"
local process = require "support.process"
local scratch = require "support.scratch"
local suite = require "support.suite"

local ECHO = "-- maelstrom test -w echo --bin ./echo.lua --node-count 3\n" .. require "support.echo_source"

-- An echo that is wrong whenever the text has this digit: invalid on most seeds.
local WRONG_ECHO = [[
local vortex = require "vortex"
vortex.on("echo", function(msg)
  return { echo = msg.body.echo:gsub("7", "8") }
end)
]]

local ARGUMENTS = [[
local vortex = require "vortex"
local given = table.concat({ ... }, "|")
vortex.log.info("given: " .. given)
vortex.on("echo", function(msg) return { echo = msg.body.echo } end)
]]

local function run_at(cwd, ...)
  local p = process.run({ file = maelstrom.binary, args = { "test", ... }, cwd = cwd }, "", 60)
  p.text = table.concat(p.lines, "\n") .. "\n"
  return p
end

local function run(...)
  return run_at(nil, ...)
end

local function assert_status(p, status)
  lu.assertEquals({ p.exit_code, p.exit_signal }, { status, 0 }, p.text .. p.stderr_text)
end

-- Few and short, so that a run takes no time.
local QUICK = { "-w", "echo", "--time-limit", "3", "--rate", "20" }

local function quick(...)
  local args = table.move(QUICK, 1, #QUICK, 1, {})
  return table.unpack(table.move({ ... }, 1, select("#", ...), #args + 1, args))
end

local TestOptions = suite.case "TestTestOptions"

function TestOptions.test_help()
  for _, option in ipairs { "--help", "-h" } do
    local p = run(option)
    assert_status(p, 0)
    lu.assertEquals({ p.stderr_text, p.partial }, { "", "" })
    suite.assert_words(p.text, "Usage: vortex-lua test", "SCRIPT", "Workload:", "Cluster:", "Faults:", "Seeds:", "Output:")
    suite.assert_words(p.text, "Exit status", "Examples:")
    for _, name in ipairs {
      "--workload", "--node-count", "--nodes", "--concurrency", "--time-limit", "--rate", "--latency",
      "--latency-dist", "--nemesis", "--nemesis-interval", "--availability", "--consistency-models", "--key-count",
      "--max-txn-length", "--max-writes-per-key", "--topology", "--log-stderr", "--log-net-send", "--log-net-recv",
      "--test-count", "--bin", "--seed", "--seeds", "--budget", "--jobs", "--keep", "--strict", "--seq-kv-window",
      "--lww-kv-merge", "--rpc-timeout", "--late-reply", "--lua-path", "--help",
    } do
      lu.assertNotNil(p.text:find("%f[%-]" .. name:gsub("%-", "%%-") .. "%f[^%w%-]"), name)
    end
    for _, line in ipairs(p.lines) do
      lu.assertTrue(#line <= 80, line)
    end
  end
end

function TestOptions.test_the_nodes_help_tells_of_it()
  local p = process.run({ file = maelstrom.binary, args = { "--help" } }, "")
  suite.assert_words(table.concat(p.lines, "\n"), "vortex-lua test", "vortex-lua check")
end

local function assert_refused(args, ...)
  local p = run(table.unpack(args))
  assert_status(p, 3)
  lu.assertEquals(p.lines, {})
  suite.assert_words(p.stderr_text, ...)
  lu.assertEquals(suite.count(p.stderr_text, "\n"), 1, p.stderr_text)
end

function TestOptions.test_values_that_make_no_sense()
  local script = scratch.script(ECHO)
  for _, case in ipairs {
    { "--rate", "0", "above 0" },
    { "--rate", "many", "number" },
    { "--time-limit", "0", "seconds" },
    { "--time-limit", "-1", "seconds" },
    { "--latency", "-1", "milliseconds" },
    { "--latency", "0x10", "milliseconds" },
    { "--latency-dist", "normal", "constant", "heavy" },
    { "--concurrency", "2m", "2n" },
    { "--concurrency", "0", "2n" },
    { "--concurrency", "n", "2n" },
    { "--node-count", "0", "from 1" },
    { "--nodes", "a,b", "n1,n2,n3" },
    { "--nodes", "n1,n3", "n1,n2,n3" },
    { "--nodes", "n1,", "n1,n2,n3" },
    { "--topology", "ring", "grid", "total" },
    { "--availability", "2", "none, total" },
    { "--nemesis", "kil", "kill" },
    { "--nemesis", "kill:halves", "minority" },
    { "--nemesis-interval", "soon", "seconds" },
    { "--seed", "-1", "integer" },
    { "--seed", "18446744073709551616", "integer" },
    { "--seeds", "0", "from 1" },
    { "--seeds", "5-3", "range" },
    { "--seeds", "1-", "integer" },
    { "--seeds", "-3", "range" },
    { "--test-count", "x", "integer" },
    { "--budget", "5x", "30s" },
    { "--budget", "0", "30s" },
    { "--jobs", "0", "from 1" },
    { "--key-count", "0", "from 1" },
    { "--max-txn-length", "1.5", "integer" },
    { "--max-writes-per-key", "", "integer" },
    { "--seq-kv-window", "0", "from 1" },
    { "--lww-kv-merge", "0", "above 0" },
    { "--rpc-timeout", "0", "above 0" },
    { "--late-reply", "nan", "seconds" },
  } do
    assert_refused({ case[1], case[2], script }, case[1] .. ": ", table.unpack(case, 3))
    assert_refused({ case[1] .. "=" .. case[2], script }, case[1] .. ": ", table.unpack(case, 3))
  end
end

function TestOptions.test_what_is_not_an_option()
  local script = scratch.script(ECHO)
  assert_refused({ "--lattency", "3", script }, "--lattency", "--latency")
  assert_refused({ "--time-limt=3", script }, "--time-limt", "--time-limit")
  assert_refused({ "-x", script }, "-x", "vortex-lua test --help")
  assert_refused({ script, "--seeds", "3" }, "--seeds", "behind the script")
  assert_refused({ script, "a", "-w", "echo" }, "-w", "behind the script")
end

function TestOptions.test_what_is_missing()
  assert_refused({}, "script")
  assert_refused({ "-w", "echo" }, "script")
  assert_refused({ "--bin", "./vortex-lua" }, "script", "--")
  assert_refused({ "--rate" }, "--rate", "value")
end

function TestOptions.test_seed_and_seeds_exclude_each_other()
  assert_refused({ "--seed", "1", "--seeds", "2", scratch.script(ECHO) }, "--seed", "--seeds")
end

function TestOptions.test_only_the_exact_word_is_the_command()
  scratch.file("named/test", ECHO)
  local p = process.run({ file = maelstrom.binary, args = { "./test" }, cwd = scratch.folder() .. "/named" }, "")
  lu.assertEquals(p.exit_code, 0)
end

local TestBroken = suite.case "TestTestBroken"

function TestBroken.test_a_script_that_does_not_load()
  local p = run("-w", "echo", "/no/such/script.lua")
  assert_status(p, 3)
  suite.assert_words(p.text .. p.stderr_text, "/no/such/script.lua")
  p = run("-w", "echo", scratch.file("syntax.lua", "local x = = 1\n"))
  assert_status(p, 3)
  suite.assert_words(p.text .. p.stderr_text, "syntax.lua:1:")
end

function TestBroken.test_a_campaign_stops_at_the_first_one()
  local p = run("-w", "echo", "--jobs", "1", "--seeds", "100000", scratch.file("broken.lua", "\nerror 'at load'\n"))
  assert_status(p, 3)
  suite.assert_words(p.text, "seed 1: BROKEN", "broken.lua:2: at load", "1 seed: 1 broken", "BROKEN: 1 of 1")
end

function TestBroken.test_an_unknown_workload()
  local p = run("-w", "ecoh", scratch.script(ECHO))
  assert_status(p, 3)
  suite.assert_words(p.text .. p.stderr_text, "ecoh", "echo")
end

function TestBroken.test_a_folder_that_cannot_be_made()
  local p = run("-w", "echo", "--keep", "/proc/nothing", scratch.script(ECHO))
  assert_status(p, 3)
  suite.assert_words(p.stderr_text, "--keep", "/proc/nothing")
end

local TestSingle = suite.case "TestTestSingle"

function TestSingle.test_valid()
  local p = run(quick("--seed", "4", "--node-count", "2", scratch.script(ECHO)))
  assert_status(p, 0)
  suite.assert_words(p.text, "seed 4: echo, 2 nodes n0 to n1, 2 clients, 20/s for 3 s")
  lu.assertStrMatches(p.text, ".*trace +%x+\n.*")
end

function TestSingle.test_the_header_says_what_is_not_given()
  local script = scratch.script(ECHO)
  suite.assert_words(run("--time-limit", "2", script).text, ": echo, 3 nodes n0 to n2, 3 clients, 5/s for 2 s")
  suite.assert_words(run("--time-limit", "2", "--nodes", "n4,n5", script).text, ": echo, 2 nodes n4 to n5,")
  local plain = scratch.script(require "support.echo_source")
  suite.assert_words(run("-w", "echo", "--time-limit", "2", plain).text, ": echo, 5 nodes n1 to n5, 5 clients,")
end

function TestSingle.test_a_fresh_seed_is_another_one_and_reproduces()
  local script = scratch.script(ECHO)
  local one, other = run(quick(script)), run(quick(script))
  local seed = one.text:match "^seed (%d+): "
  lu.assertNotNil(seed, one.text)
  lu.assertNotEquals(seed, other.text:match "^seed (%d+): ")
  local again = run(quick("--seed", seed, script))
  lu.assertEquals(again.text:match "trace +(%x+)\n", one.text:match "trace +(%x+)\n")
  lu.assertNotEquals(other.text:match "trace +(%x+)\n", one.text:match "trace +(%x+)\n")
end

function TestSingle.test_invalid_ends_with_the_command()
  local p = run(quick("--seed", "1", scratch.script(WRONG_ECHO)))
  assert_status(p, 1)
  suite.assert_words(p.lines[#p.lines], " test --seed 1 -w echo --time-limit 3 --rate 20 ")
end

local function shell(line, cwd)
  local p = process.run({ file = "/bin/sh", args = { "-c", line }, cwd = cwd }, "", 60)
  p.text = table.concat(p.lines, "\n") .. "\n"
  return p
end

-- Everything but times on this machine.
local function without_times(text)
  return (text:gsub("real time [^\n]*", ""))
end

function TestSingle.test_the_command_reproduces_the_run()
  scratch.file("with blank/wrong echo.lua", WRONG_ECHO)
  local folder = scratch.folder() .. "/with blank"
  local options = { "--latency=3", "--log-stderr", "--nemesis", "partition", "--test-count", "1" }
  local p = run_at(folder, quick(table.unpack(table.move({ "wrong echo.lua", "--", "it's", "" }, 1, 4, #options + 1, options))))
  assert_status(p, 1)
  local command = p.lines[#p.lines]
  suite.assert_words(command, "--latency=3", "--log-stderr", "--nemesis partition", "'wrong echo.lua' -- 'it'\\''s' ''")
  local again = shell(command, folder)
  assert_status(again, 1)
  lu.assertEquals(without_times(again.text), without_times(p.text))
end

function TestSingle.test_arguments_of_the_script()
  local script = scratch.script(ARGUMENTS)
  local function given(...)
    return run(quick("--log-stderr", ...)).stderr_text:match "given: ([^\n]*)"
  end
  lu.assertEquals(given(script, "a", "b c"), "a|b c")
  lu.assertEquals(given(script, "--", "--seed", "-w"), "--seed|-w")
  lu.assertEquals(given("--", script, "--seed"), "--seed")
  lu.assertEquals(given("--bin", script, "--", "x"), "x")
  lu.assertEquals(given("--bin", script, "x"), "x")
  lu.assertEquals(given("--bin", "./vortex-lua", "--", script, "x"), "x")
end

function TestSingle.test_keeping()
  local folder = scratch.folder() .. "/kept/deeper"
  local p = run(quick("--seed", "9", "--keep", folder, scratch.script(ECHO)))
  assert_status(p, 0)
  for _, name in ipairs { "history.edn", "history.jsonl", "messages.jsonl", "report.txt" } do
    lu.assertTrue(#scratch.read(folder .. "/seed-9/" .. name) > 0, name)
  end
  lu.assertEquals(scratch.read(folder .. "/seed-9/report.txt"), p.text)
end

local TestCampaign = suite.case "TestTestCampaign"

function TestCampaign.test_all_valid()
  local p = run("--seeds", "40", "--time-limit", "3", "--nemesis", "partition,pause", scratch.script(ECHO))
  assert_status(p, 0)
  suite.assert_words(p.text, "40 seeds: 40 valid; 2 run twice, with equal traces\n", " of virtual time in ", "VALID: all seeds")
  lu.assertEquals(p.stderr_text, "")
end

function TestCampaign.test_one_seed_gives_the_whole_report_of_its_run()
  local script = scratch.script(ECHO)
  local p = run("--seeds", "7-7", script)
  assert_status(p, 0)
  suite.assert_words(p.text, "seed 7: echo, 3 nodes n0 to n2, ")
  lu.assertEquals(without_times(run("--seeds", "7-7", script).text), without_times(p.text))
  suite.assert_no_words(p.text, "seeds:")
end

function TestCampaign.test_failures()
  local script = scratch.script(WRONG_ECHO)
  local p = run(quick("--seeds", "11-20", "--jobs", "2", script))
  assert_status(p, 1)
  local failed = suite.count(p.text, ": INVALID: ")
  lu.assertTrue(failed > 0)
  suite.assert_words(p.text, "the run to look at first", "10 seeds: ", "INVALID: ", " of 10 seeds failed")
  local command = p.lines[#p.lines]
  suite.assert_words(command, " test --seeds ", "-w echo --time-limit 3 --rate 20 --jobs 2 ", script)
  local again = shell(command)
  assert_status(again, 1)
  suite.assert_words(again.text, "seed " .. command:match "%-%-seeds (%d+)%-" .. ": echo")
  local trace = again.text:match "trace +(%x+)\n"
  lu.assertEquals(p.text:match "trace +(%x+)\n", trace)
end

function TestCampaign.test_keeping_what_failed()
  local folder = scratch.folder() .. "/failed"
  local p = run(quick("--seeds", "6", "--keep", folder, scratch.script(WRONG_ECHO)))
  assert_status(p, 1)
  local seed = p.text:match "seed (%d+): INVALID"
  for _, name in ipairs { "history.edn", "history.jsonl", "messages.jsonl", "report.txt" } do
    lu.assertTrue(#scratch.read(("%s/seed-%s/%s"):format(folder, seed, name)) > 0, name)
  end
  suite.assert_words(scratch.read(("%s/seed-%s/report.txt"):format(folder, seed)), "seed " .. seed, "\nINVALID: ", "--seeds " .. seed)
end

function TestCampaign.test_a_budget()
  local began = uv.hrtime()
  local p = run("--budget", "1s", scratch.script(ECHO))
  assert_status(p, 0)
  lu.assertTrue(uv.hrtime() - began >= 1e9)
  lu.assertTrue(tonumber((p.text:match "([%d,]+) seeds: " or "0"):gsub(",", ""), 10) > 0, p.text)
end

function TestCampaign.test_an_interrupt()
  local p = process.spawn { file = maelstrom.binary, args = { "test", "--seeds", "1000000000", "--jobs", "2", scratch.script(ECHO) } }
  p:expect_line(function(line)
    return line:find " runs, "
  end, 30, "a line of progress")
  p:kill "sigint"
  lu.assertEquals({ p:wait(30) }, { 2, 0 })
  local text = table.concat(p.lines, "\n")
  suite.assert_words(text, " valid", "Interrupted", "UNKNOWN: not all seeds were run")
  p = process.run { file = "/bin/sh", args = { "-c", ("ps -o pid= --ppid %d"):format(p.pid) } }
  lu.assertEquals(p.lines, {})
end

-- A fresh process has another environment and other addresses, and a hash of nothing would always be equal.
function TestCampaign.test_traces_depend_on_nothing_but_the_seed()
  local script = scratch.script(ECHO)
  local function trace(seed, env)
    local p = process.run({ file = maelstrom.binary, args = { "test", quick("--seed", seed, script) }, env = env }, "", 60)
    return table.concat(p.lines, "\n"):match "trace +(%x+)\n"
  end
  local one = trace("1", { VORTEX_E2E_PADDING = ("x"):rep(20000), TZ = "Asia/Kolkata", LUA_PATH = "/nowhere/?.lua" })
  lu.assertNotNil(one)
  lu.assertEquals(trace("1", { TZ = false }), one)
  lu.assertNotEquals(trace("2", {}), one)
end
