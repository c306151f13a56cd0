--- Tasks: spawn, sleep, after, every, mutex; where one may wait and where not; how many there can be; and one that does not let go.
local lu = require "luaunit"
local uv = require "luv"

local eval = require "support.eval"
local maelstrom = require "support.maelstrom"
local process = require "support.process"
local scratch = require "support.scratch"
local suite = require "support.suite"

local TestTasks = suite.case "TestTasks"

function TestTasks.test_a_spawned_task_starts_when_the_running_one_yields_or_ends()
  local node = eval.start()
  lu.assertEquals(eval.run(node, [[
    local log = {}
    local function note(x) log[#log + 1] = x end
    vortex.spawn(function(a, b)
      note("first " .. a .. b)
      vortex.spawn(note, "grandchild")
      vortex.sleep(0)
      note "first again"
    end, 1, 2)
    vortex.spawn(note, "second")
    note "still here"
    vortex.sleep(0.02)
    return table.concat(log, ", ")
  ]]), "still here, first 12, second, grandchild, first again")
  node:finish()
end

function TestTasks.test_spawn_passes_nils()
  local node = eval.start()
  lu.assertEquals(eval.run(node, [[
    local seen
    vortex.spawn(function(...) seen = select("#", ...) end, nil, 1, nil)
    vortex.sleep(0)
    return seen
  ]]), 3)
  node:finish()
end

function TestTasks.test_sleep()
  local node = eval.start()
  local from = uv.hrtime()
  lu.assertEquals(eval.run(node, [[
    local order = {}
    for i = 5, 1, -1 do
      vortex.spawn(function() vortex.sleep(i * 0.02) order[#order + 1] = i end)
    end
    local before = vortex.now()
    vortex.sleep(0.15)
    return table.concat(order) .. tostring(vortex.now() - before >= 0.1499)
  ]]), "12345true")
  lu.assertTrue((uv.hrtime() - from) / 1e9 < 3)
  node:finish()
end

-- The same deadline: the order in which they went to sleep.
function TestTasks.test_equal_deadlines()
  local node = eval.start()
  lu.assertEquals(eval.run(node, [[
    local order = {}
    for i = 1, 9 do
      vortex.spawn(function() vortex.sleep(0.01) order[#order + 1] = i end)
    end
    vortex.sleep(0.1)
    return table.concat(order)
  ]]), "123456789")
  node:finish()
end

function TestTasks.test_nonsense_raises()
  local node = eval.start()
  for _, call in ipairs {
    "vortex.sleep()", "vortex.sleep(-1)", "vortex.sleep('x')", "vortex.sleep(0/0)", "vortex.spawn()", "vortex.spawn(5)",
    "vortex.after(1)", "vortex.after(-1, print)", "vortex.after(print)", "vortex.every(0/0, print)", "vortex.every(1)",
    "vortex.every(0, print)",
  } do
    lu.assertEquals(eval.run(node, ("return (pcall(function() %s end))"):format(call)), false, call)
  end
  node:finish()
end

local TestTimers = suite.case "TestTimers"

function TestTimers.test_after()
  local node = eval.start()
  suite.assert_json(eval.run(node, [[
    local fired, from = 0, vortex.now()
    local at
    vortex.after(0.05, function()
      fired = fired + 1
      at = vortex.now() - from
      vortex.sleep(0.01)
      fired = fired + 1
    end)
    vortex.sleep(0.04)
    local early = fired
    vortex.sleep(0.2)
    return { early, fired, at >= 0.0499 }
  ]]), "[0,2,true]")
  node:finish()
end

function TestTimers.test_cancel()
  local node = eval.start()
  suite.assert_json(eval.run(node, [[
    local runs = 0
    local timer = vortex.after(0.02, function() runs = runs + 1 end)
    timer:cancel()
    timer:cancel()
    local n = 0
    local every
    every = vortex.every(0.01, function()
      n = n + 1
      if n == 2 then every:cancel() end
    end)
    vortex.sleep(0.2)
    return { runs, n }
  ]]), "[0,2]")
  node:finish()
end

function TestTimers.test_every_runs_first_after_the_delay()
  local node = eval.start()
  suite.assert_json(eval.run(node, [[
    local runs = 0
    local timer = vortex.every(0.1, function() runs = runs + 1 end)
    vortex.sleep(0.05)
    local early = runs
    vortex.sleep(0.5)
    timer:cancel()
    return { early, runs >= 3 and runs <= 6 }
  ]]), "[0,true]")
  node:finish()
end

function TestTimers.test_every_never_overlaps_itself()
  local node = eval.start()
  suite.assert_json(eval.run(node, [[
    local inside, most, runs = 0, 0, 0
    local timer = vortex.every(0.01, function()
      inside = inside + 1
      most = math.max(most, inside)
      vortex.sleep(0.05)
      inside, runs = inside - 1, runs + 1
    end)
    vortex.sleep(0.4)
    timer:cancel()
    return { most, runs >= 3 and runs <= 8 }
  ]]), "[1,true]")
  node:finish()
end

function TestTimers.test_every_is_jittered()
  local node = eval.start()
  lu.assertEquals(eval.run(node, [[
    local times, last = {}, vortex.now()
    local timer = vortex.every(0.05, function()
      times[#times + 1] = vortex.now() - last
      last = vortex.now()
    end)
    while #times < 12 do vortex.sleep(0.01) end
    timer:cancel()
    local least, most = math.huge, 0
    for _, t in ipairs(times) do least, most = math.min(least, t), math.max(most, t) end
    return most - least > 0.001
  ]]), true)
  node:finish()
end

local TestMutex = suite.case "TestMutex"

function TestMutex.test_one_at_a_time_in_order()
  local node = eval.start()
  suite.assert_json(eval.run(node, [[
    local lock, inside, most, order = vortex.mutex(), 0, 0, {}
    local function enter(i)
      inside = inside + 1
      most = math.max(most, inside)
      vortex.sleep(0.003)
      order[#order + 1] = i
      inside = inside - 1
    end
    for i = 1, 10 do
      vortex.spawn(function()
        if i % 2 == 0 then
          lock:with(enter, i)
        else
          local guard <close> = lock:lock()
          enter(i)
        end
      end)
    end
    while #order < 10 do vortex.sleep(0.005) end
    return { most, table.concat(order, ",") }
  ]]), '[1,"1,2,3,4,5,6,7,8,9,10"]')
  node:finish()
end

function TestMutex.test_an_error_releases_it()
  local node = eval.start()
  suite.assert_json(eval.run(node, [[
    local lock = vortex.mutex()
    local ok = pcall(lock.with, lock, function() error "inside" end)
    local kept
    vortex.spawn(function()
      local guard <close> = lock:lock()
      kept = guard
      vortex.sleep(0.01)
      error "while holding it"
    end)
    vortex.sleep(0.001)
    return { ok, lock:with(function() return "free again" end) }
  ]]), '[false,"free again"]')
  node:finish()
end

function TestMutex.test_misuse_raises()
  local node = eval.start()
  suite.assert_json(eval.run(node, [[
    local lock = vortex.mutex()
    local unlocked = pcall(lock.unlock, lock)
    lock:lock()
    local twice = pcall(lock.lock, lock)
    lock:unlock()
    return { unlocked, twice }
  ]]), "[false,false]")
  node:finish()
end

local TestWhereToWait = suite.case "TestWhereToWait"

local CALLS = {
  sleep = "vortex.sleep(0.001)",
  rpc = "vortex.rpc('n2', { type = 'x' }, { timeout = 0.01 })",
  try_rpc = "vortex.try_rpc('n2', { type = 'x' }, { timeout = 0.01 })",
  kv = "vortex.kv('lin-kv'):read('k', 0, { timeout = 0.01 })",
}

-- {place, code around %s}: the call raises there; the node goes on.
local PLACES = {
  coroutine = [[
    local co = coroutine.create(function() %s return "went on" end)
    return select(2, coroutine.resume(co))
  ]],
  wrap = [[return select(2, pcall(coroutine.wrap(function() %s end)))]],
  sort = [[return select(2, pcall(table.sort, { 3, 1, 2 }, function(a, b) %s return a < b end))]],
  gsub = [[return select(2, pcall(string.gsub, "abc", ".", function() %s end))]],
  metamethod = [[
    local t = setmetatable({}, { __tostring = function() %s return "x" end })
    return select(2, pcall(tostring, t))
  ]],
}

for place, code in pairs(PLACES) do
  TestWhereToWait["test_not_in_" .. place] = function()
    local node = eval.start()
    for name, call in pairs(CALLS) do
      local text = eval.run(node, ("local function run() %s end return tostring(run())"):format(code:format(call)))
      suite.assert_words(text, name == "kv" and "" or name)
      lu.assertTrue(#text > 30, "it is explained: " .. text)
      suite.assert_no_words(text, "went on")
      suite.assert_no_words(text, "attempt to yield") -- Lua's own words explain nothing
    end
    lu.assertEquals(eval.run(node, "vortex.sleep(0.001) return 'fine'"), "fine")
    node:finish()
    suite.assert_no_words(node.process.stderr_text, "PANIC")
  end
end

function TestWhereToWait.test_not_under_require()
  scratch.file("waits.lua", "local vortex = require 'vortex'\nvortex.sleep(0.01)\nreturn {}\n")
  local node = eval.start()
  local text = eval.run(node, "return select(2, pcall(require, 'waits'))")
  suite.assert_words(text, "sleep")
  suite.assert_no_words(text, "attempt to yield")
  node:finish()
end

function TestWhereToWait.test_not_in_the_main_chunk()
  for name, call in pairs(CALLS) do
    local script = scratch.script("local vortex = require 'vortex'\n" .. call)
    local p = process.run({ file = maelstrom.binary, args = { script } }, "")
    lu.assertEquals(p.exit_code, 1, call)
    suite.assert_words(p.stderr_text, name == "kv" and "" or name, "traceback", ".lua:2:")
    suite.assert_no_words(p.stderr_text, "attempt to yield")
  end
end

function TestWhereToWait.test_pcall_and_iterators_are_fine()
  local node = eval.start()
  lu.assertEquals(eval.run(node, [[
    local ok, value = pcall(function() vortex.sleep(0.001) return 5 end)
    local function items()
      return function(_, i)
        vortex.sleep(0.001)
        if i < 3 then return i + 1 end
      end, nil, 0
    end
    local sum = 0
    for i in items() do sum = sum + i end
    local _, caught = xpcall(function() vortex.sleep(0.001) error "x" end, function() return "handled" end)
    local t = setmetatable({}, { __index = function(_, k) vortex.sleep(0.001) return k end })
    return tostring(ok) .. value .. sum .. caught .. t.key
  ]]), "true56handledkey")
  node:finish()
end

-- The script's own coroutines work as ever, also when they cross a wait of the task that runs them.
function TestWhereToWait.test_the_scripts_own_coroutines()
  local node = eval.start()
  lu.assertEquals(eval.run(node, [[
    local gen = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end)
    local sum = gen()
    vortex.sleep(0.001)
    return sum + gen() + gen()
  ]]), 6)
  local reply = node:call { type = "eval", code = "coroutine.yield(1)" }
  suite.assert_words(suite.assert_error(reply, 13), "yield")
  lu.assertEquals(eval.run(node, "return 'still alive'"), "still alive")
  node:finish()
end

local TestLimits = suite.case "TestLimits"

local WAITING = [[
  vortex.on("wait", function() vortex.sleep(1000) end)
]]

function TestLimits.test_ten_thousand_tasks()
  local node = eval.start({ options = { "--late-reply", "0" } }, WAITING)
  local text = {}
  for i = 1, 10000 do
    text[i] = maelstrom.line("n2", "n1", { type = "wait", msg_id = i })
  end
  node.process:write(table.concat(text, "\n") .. "\n")
  node.judge:sent { src = "c1", dest = "n1", body = require("support.json").object { type = "wait", msg_id = 1 } }
  node.process:send(maelstrom.line("c1", "n1", { type = "wait", msg_id = 1 }))
  suite.assert_error(node:reply_to(1, "c1", 20), 11)
  node:finish(0, 20)
end

function TestLimits.test_spawn_raises_beyond()
  local node = eval.start()
  suite.assert_json(eval.run(node, [[
    local spawned, err = 0, nil
    for _ = 1, 20000 do
      local ok, e = pcall(vortex.spawn, function() vortex.sleep(0.02) end)
      if not ok then err = e break end
      spawned = spawned + 1
    end
    vortex.sleep(0.1)
    local later = pcall(vortex.spawn, function() end)
    return { spawned >= 9990 and spawned <= 10000, err ~= nil, later }
  ]], 20), "[true,true,true]")
  node:finish(0, 20)
end

function TestLimits.test_a_handler_that_holds_the_loop_is_logged_with_its_traceback()
  local node = eval.start({ options = { "--late-reply", "0" } }, [[
    local function spin(seconds)
      local stop = vortex.now() + seconds
      while vortex.now() < stop do end
    end
    vortex.on("spin", function(msg)
      spin(msg.body.seconds)
      return {}
    end)
  ]])
  node:call { type = "spin", seconds = 0.2 }
  suite.assert_no_words(node.process.stderr_text, "traceback")
  lu.assertEquals(node:call({ type = "spin", seconds = 1.8 }).type, "spin_ok")
  suite.assert_words(node.process.stderr_text, "traceback", ".lua:9:", ".lua:12:")
  lu.assertEquals(suite.count(node.process.stderr_text, "traceback"), 1, "once per turn")
  node:finish()
end
