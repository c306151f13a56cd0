--- What a script sees of the world that `vortex-lua test` makes for it: virtual time, seeded randomness, a log, and nothing that could
--- differ between two runs; and what becomes of scripts that do not load or do not stop.
local lu = require "luaunit"
local uv = require "luv"

local maelstrom = require "support.maelstrom"
local scratch = require "support.scratch"
local suite = require "support.suite"
local trial = require "support.trial"

local ECHO = [[
vortex.on("echo", function(msg) return { echo = msg.body.echo } end)
]]

local QUICK = "-w echo --time-limit 3 --rate 10 --node-count 2 "

--- Runs an echo service that does `code` (with `vortex` and `say`) when it starts.
local function started(code, options, more)
  local t = { source = ([[
local vortex = require "vortex"
local function say(...) vortex.log.info("SAY %%s", table.concat({ ... }, " ")) end
vortex.on_init(function()
%s
end)
]]):format(code) .. ECHO, options = QUICK .. (options or "") }
  for key, value in pairs(more or {}) do
    t[key] = value
  end
  return trial.run(t)
end

local function said(run, id)
  local words = {}
  for i, found in ipairs(run:logged(id or "n0", "SAY (.*)$")) do
    words[i] = found[1]
  end
  return words
end

-- ---- time, chance, output ----

local TestScript = suite.case "TestSimulatorScript"

local CLOCKS = [[
  local function clocks(label)
    say(label, ("%d %.6f %.6f %s"):format(os.time(), os.clock(), vortex.now(), os.date "!%Y-%m-%d %H:%M:%S"))
  end
  vortex.spawn(function()
    clocks "a"
    vortex.sleep(2.25)
    clocks "b"
    for _ = 1, 1000000 do end
    clocks "c"
  end)
]]

function TestScript.test_time_is_virtual()
  local run = started(CLOCKS)
  local at = {}
  for i, line in ipairs(said(run)) do
    local time, clock, now, date = line:match "^%a (%d+) ([%d.]+) ([%d.]+) (.*)$"
    at[i] = { time = tonumber(time), clock = tonumber(clock), now = tonumber(now), date = date }
  end
  lu.assertEquals(#at, 3)
  lu.assertAlmostEquals(at[2].clock - at[1].clock, 2.25, 0.01)
  lu.assertAlmostEquals(at[2].now - at[1].now, 2.25, 0.01)
  lu.assertTrue(at[2].time - at[1].time == 2 or at[2].time - at[1].time == 3)
  lu.assertNotEquals(at[1].date, at[2].date)
  lu.assertEquals({ at[3].clock, at[3].now }, { at[2].clock, at[2].now }) -- computing takes no time
  for _, one in ipairs(at) do
    local y, mo, d, h, mi, s = one.date:match "^(%d+)-(%d+)-(%d+) (%d+):(%d+):(%d+)$"
    local days = os.time { year = y, month = mo, day = d, hour = 12 } // 86400 -- noon: the same day in zones around UTC
    lu.assertEquals(one.time, days * 86400 + h * 3600 + mi * 60 + s)
  end
  lu.assertEquals(said(started(CLOCKS)), said(run))
end

function TestScript.test_the_time_zone_is_not_the_machines()
  local code = [[ say(os.date "%H %z %Z", os.time { year = 2020, month = 6, day = 1, hour = 12 }) ]]
  local run = started(code, nil, { env = { TZ = "UTC" } })
  lu.assertEquals(#said(run), 1)
  lu.assertEquals(said(started(code, nil, { env = { TZ = "Asia/Kolkata" } })), said(run))
end

local CHANCE = [[
  local list = {}
  for i = 1, 5 do list[i] = math.random(1000000) end
  say(table.concat(list, " "))
  say(math.random())
]]

function TestScript.test_random_is_seeded()
  local run = started(CHANCE)
  lu.assertEquals(said(started(CHANCE)), said(run))
  lu.assertNotEquals(said(started(CHANCE, "--seed 2")), said(run))
  lu.assertNotEquals(said(run, "n1"), said(run, "n0"))
end

function TestScript.test_randomseed_without_arguments_is_seeded_too()
  local code = "math.randomseed() " .. CHANCE
  local run = started(code)
  lu.assertEquals(said(started(code)), said(run))
  lu.assertNotEquals(said(started(code, "--seed 2")), said(run))
  lu.assertNotEquals(said(run, "n1"), said(run, "n0"))
end

function TestScript.test_randomseed_with_a_number_is_what_lua_says()
  math.randomseed(42)
  local expected = {}
  for i = 1, 5 do
    expected[i] = math.random(1000000)
  end
  math.randomseed()
  local run = started("math.randomseed(42)" .. CHANCE)
  lu.assertEquals(said(run)[1], table.concat(expected, " "))
  lu.assertEquals(said(run, "n1"), said(run, "n0"))
  lu.assertEquals(said(started("math.randomseed(42)" .. CHANCE, "--seed 2")), said(run))
end

function TestScript.test_output_reaches_the_log()
  local run = started [[
    print("one", 2, nil)
    io.write("three ", 4, "\n")
    io.stdout:write "five\n"
    io.stderr:write "six\n"
  ]]
  suite.assert_words(run:log "n0", "one\t2\tnil", "three 4", "five", "six")
  suite.assert_no_words(run.text .. run.stderr_text, "three 4")
  suite.assert_words(started([[ print "seven" ]], "--log-stderr").stderr_text, "seven")
end

-- An expression each, and what the error must name besides the script's line.
local FORBIDDEN = {
  { [[ io.open "/etc/passwd" ]], "io.open" },
  { [[ io.lines "/etc/passwd" ]], "io.lines" },
  { [[ io.input "/etc/passwd" ]], "io.input" },
  { [[ io.output "/tmp/never" ]], "io.output" },
  { [[ io.read() ]], "io.read" },
  { [[ io.stdin:read() ]], "read" },
  { [[ io.popen "true" ]], "io.popen" },
  { [[ io.tmpfile() ]], "io.tmpfile" },
  { [[ os.execute "true" ]], "os.execute" },
  { [[ os.remove "/tmp/never" ]], "os.remove" },
  { [[ os.rename("/tmp/never", "/tmp/ever") ]], "os.rename" },
  { [[ os.tmpname() ]], "os.tmpname" },
  { [[ os.setlocale "C" ]], "os.setlocale" },
  { [[ debug.sethook(print, "l") ]], "debug.sethook" },
  { [[ package.loadlib("/nowhere.so", "luaopen_x") ]], "package.loadlib" },
  { [[ require "luv" ]], "luv" },
}

function TestScript.test_what_cannot_be_repeated_raises()
  local code = {}
  for i, case in ipairs(FORBIDDEN) do
    code[i] = ("say(%d, tostring(select(2, pcall(function() return %s end))))"):format(i, case[1])
  end
  local words = said(started(table.concat(code, "\n")))
  lu.assertEquals(#words, #FORBIDDEN)
  for i, case in ipairs(FORBIDDEN) do
    suite.assert_words(words[i], case[2], "not in the simulator")
    lu.assertNotNil(words[i]:find "not in the simulator: %w+ %w+", words[i]) -- and why
  end
end

function TestScript.test_a_module_in_c_raises()
  local text = "not a library"
  scratch.file("c_module/in_c.so", text)
  local script = scratch.file("c_module/main.lua", [[
local vortex = require "vortex"
vortex.log.info("SAY %s", select(2, pcall(require, "in_c")))
]] .. ECHO)
  local words = said(trial.run { script = script, options = QUICK })
  suite.assert_words(words[1], "in_c", "not in the simulator", "in_c.so")
end

function TestScript.test_an_uncaught_one_is_in_the_report()
  local run = trial.run { source = [[
local vortex = require "vortex"
vortex.on("echo", function(msg)
  return { echo = msg.body.echo, x = io.open("x") }
end)
]], options = QUICK, status = 1 }
  suite.assert_words(run.text, "script_", ".lua:3: io.open: not in the simulator")
end

function TestScript.test_the_environment_is_empty()
  local run = started([[ say(tostring(os.getenv "HOME"), tostring(os.getenv "VORTEX_E2E_SEEN")) ]], nil,
    { env = { VORTEX_E2E_SEEN = "1" } })
  lu.assertEquals(said(run), { "nil nil" })
end

function TestScript.test_cjson_works()
  local run = started [[
    local cjson = require "cjson"
    say(cjson.encode { 1, { a = "x" } }, cjson.decode '{"k":[1,2,3]}'.k[3])
  ]]
  lu.assertEquals(#said(run), 1)
  suite.assert_words(said(run)[1], '[1,{"a":"x"}] 3')
end

function TestScript.test_modules_from_its_own_folder()
  scratch.file("own_module/helper.lua", "return { word = 'helped' }")
  local script = scratch.file("own_module/main.lua", [[
local vortex = require "vortex"
vortex.log.info("SAY %s", require "helper".word)
]] .. ECHO)
  lu.assertEquals(said(trial.run { script = script, options = QUICK, cwd = "/" }), { "helped" })
end

function TestScript.test_exit_makes_the_run_invalid()
  local run = trial.run { source = [[
local vortex = require "vortex"
vortex.on("echo", function()
  os.exit(0)
end)
]], options = QUICK, status = 1 }
  suite.assert_words(run.text, "error: n0 ended", "os.exit", "INVALID")
end

-- ---- scripts that do not load, and those that do not stop ----

local TestLoad = suite.case "TestSimulatorLoad"

local function assert_broken(source, ...)
  local run = trial.run { source = source, options = QUICK, status = 3 }
  suite.assert_words(run.text .. run.stderr_text, ...)
  lu.assertNotNil(run.process.lines[#run.process.lines]:find "^BROKEN: ", run.text)
end

function TestLoad.test_scripts_that_do_not_load()
  assert_broken("local vortex = require 'vortex'\nlocal x = = 1\n", ".lua:2:", "=")
  assert_broken("\n\nlocal x = nil .. 'a'\n", ".lua:3:", "concatenate")
  assert_broken("\nrequire 'no.such_module'\n", ".lua:2:", "no.such_module")
  assert_broken("\n\n\nos.exit(0)\n", ".lua:4:", "os.exit")
  assert_broken("local function f()\n  error 'deep'\nend\nf()\n", ".lua:2: deep", "traceback", ".lua:4:")
  assert_broken("error({})\n", "BROKEN")
end

function TestLoad.test_a_module_that_does_not_load()
  scratch.file("bad_module/bad.lua", "\nreturn = 1\n")
  local script = scratch.file("bad_module/main.lua", "\nrequire 'bad'\n")
  local run = trial.run { script = script, options = QUICK, status = 3 }
  suite.assert_words(run.text, "bad.lua:2:")
end

function TestLoad.test_a_script_that_fails_in_some_nodes_only()
  local run = trial.run { source = [[
local vortex = require "vortex"
vortex.on_init(function()
  if vortex.id == "n1" then error "not me" end
end)
]] .. ECHO, options = QUICK, status = 1 }
  suite.assert_words(run.text, "error: n1 did not answer init", ".lua:3: not me", "INVALID")
  suite.assert_no_words(run.text, "error: n0")
end

local TestRunaway = suite.case "TestSimulatorRunaway"

-- Rare requests: each one that runs away costs real time.
local ONCE = "-w echo --time-limit 3 --rate 1 --node-count 1 --seed 3"

local function assert_runs_away(source, status, ...)
  local began = uv.hrtime()
  local run = trial.run { source = source, options = ONCE, status = status, timeout_s = 20 }
  suite.assert_words(run.text .. run.stderr_text, ...)
  lu.assertTrue(uv.hrtime() - began < 20e9)
  return run
end

function TestRunaway.test_in_a_handler()
  assert_runs_away([[
local vortex = require "vortex"
vortex.on("echo", function()
  while true do end
end)
]], 1, "n0 ran away", "traceback", ".lua:3:", "INVALID: n0 ran away")
end

function TestRunaway.test_that_catches_every_error()
  assert_runs_away([[
local vortex = require "vortex"
vortex.on("echo", function()
  while true do
    pcall(function() while true do end end)
  end
end)
]], 1, "n0 ran away", "traceback", ".lua:4:", "INVALID")
end

function TestRunaway.test_in_a_coroutine_of_its_own()
  assert_runs_away([[
local vortex = require "vortex"
vortex.on("echo", function(msg)
  while true do
    coroutine.wrap(function()
      while true do end
    end)()
  end
end)
]], 1, "n0 ran away", "traceback", ".lua:5:", "INVALID")
end

function TestRunaway.test_in_a_timer()
  assert_runs_away([[
local vortex = require "vortex"
vortex.after(1, function()
  while true do end
end)
]] .. ECHO, 1, "n0 ran away", "traceback", ".lua:3:", "INVALID: n0 ran away")
end

function TestRunaway.test_in_on_init()
  local run = assert_runs_away([[
local vortex = require "vortex"
vortex.on_init(function()
  while true do end
end)
]] .. ECHO, 1, "n0 ran away", "traceback", ".lua:3:", "INVALID")
  suite.assert_no_words(run.text, "nodes more") -- there is but one
end

function TestRunaway.test_in_the_main_chunk()
  assert_runs_away("\n\nwhile true do end\n", 3, "stopped", "traceback", ".lua:3:", "BROKEN: ")
end

-- Several requests: the second one finds whatever the first left behind. No task can be made to yield from there.
function TestRunaway.test_below_a_c_function_again_and_again()
  assert_runs_away([[
local vortex = require "vortex"
vortex.on("echo", function()
  table.sort({ 3, 2, 1 }, function()
    while true do end
  end)
end)
]], 1, "n0 ran away", "traceback", ".lua:4:", "INVALID")
  assert_runs_away([[
local vortex = require "vortex"
vortex.on("echo", function()
  return { echo = ("abc"):gsub(".", function()
    while true do end
  end) }
end)
]], 1, "n0 ran away", "traceback", ".lua:4:", "INVALID")
end

-- No handler runs for long, and time stands still.
function TestRunaway.test_that_waits_for_no_time()
  assert_runs_away([[
local vortex = require "vortex"
vortex.on("echo", function()
  while true do vortex.sleep(0) end
end)
]], 1, "INVALID")
end

-- Lua runs finalizers with hooks off.
function TestRunaway.test_in_a_finalizer()
  assert_runs_away([[
local vortex = require "vortex"
vortex.on("echo", function(msg)
  setmetatable({}, { __gc = function() while true do end end })
  collectgarbage()
  return { echo = msg.body.echo }
end)
]], 1, "INVALID", "ran away", "a finaliser")
end

function TestRunaway.test_in_a_campaign()
  local p = trial.command({ "test", "-w", "echo", "--node-count", "1", "--rate", "1", "--time-limit", "4", "--seeds", "3",
    scratch.script [[
local vortex = require "vortex"
vortex.on("echo", function()
  while true do end
end)
]] }, { timeout_s = 60 })
  lu.assertEquals(p.exit_code, 1, p.text .. p.stderr_text)
  suite.assert_words(p.text, "ran away", "traceback", ".lua:3:", "INVALID: ")
end

-- ---- hash seeds ----

local TestOrder = suite.case "TestSimulatorOrder"

local ORDER = [[
  local t, list = {}, {}
  for _, k in ipairs { "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa" } do t[k] = true end
  for k in pairs(t) do list[#list + 1] = k end
  say(table.concat(list, " "))
]]

local function different(list)
  local seen, n = {}, 0
  for _, value in ipairs(list) do
    n = n + (seen[value] and 0 or 1)
    seen[value] = true
  end
  return n
end

function TestOrder.test_pairs_differs_from_node_to_node()
  local run = started(ORDER, "--node-count 5")
  local orders, again = {}, {}
  local rerun = started(ORDER, "--node-count 5")
  for i = 0, 4 do
    orders[i + 1], again[i + 1] = said(run, "n" .. i)[1], said(rerun, "n" .. i)[1]
  end
  lu.assertEquals(#orders, 5)
  lu.assertTrue(different(orders) >= 4, table.concat(orders, "\n"))
  lu.assertEquals(again, orders)
end

function TestOrder.test_pairs_differs_from_life_to_life()
  local options = "-w echo --time-limit 60 --node-count 1 --nemesis kill:all --nemesis-interval 5"
  local run = started(ORDER, options, { status = false })
  local lives = said(run)
  lu.assertTrue(#lives >= 3, run.text)
  lu.assertTrue(different(lives) >= #lives - 1, table.concat(lives, "\n"))
  lu.assertEquals(said(started(ORDER, options, { status = false })), lives)
end

lu.assertNotNil(maelstrom.binary)
