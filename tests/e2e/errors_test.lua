--- What scripts raise: which error the requester gets, what the log says and where, and that the node goes on.
local lu = require "luaunit"

local maelstrom = require "support.maelstrom"
local suite = require "support.suite"

local function start(source, options)
  options = options or {}
  options.source = 'local vortex = require "vortex"\n' .. source
  options.ids = options.ids or { "n1", "n2" }
  return maelstrom.start(options)
end

local TestDeliberate = suite.case "TestDeliberate"

function TestDeliberate.test_by_code_and_by_name()
  local node = start [[
    vortex.on("raise", function(msg) vortex.error(msg.body.what, msg.body.text) end)
  ]]
  local NAMES = {
    [0] = "timeout",
    [1] = "node-not-found",
    [10] = "not-supported",
    [11] = "temporarily-unavailable",
    [12] = "malformed-request",
    [13] = "crash",
    [14] = "abort",
    [20] = "key-does-not-exist",
    [21] = "key-already-exists",
    [22] = "precondition-failed",
    [30] = "txn-conflict",
  }
  for code, name in pairs(NAMES) do
    local text = suite.assert_error(node:call { type = "raise", what = code, text = "why " .. code }, code)
    suite.assert_words(text, "why " .. code)
    suite.assert_words(suite.assert_error(node:call { type = "raise", what = name, text = "by name" }, code), "by name")
    text = suite.assert_error(node:call { type = "raise", what = code }, code)
    lu.assertTrue(#text > 0, "an error has a text of its own")
  end
  suite.assert_error(node:call { type = "raise", what = 1234, text = "custom" }, 1234)
  node:finish()
  suite.assert_no_words(node.process.stderr_text, "traceback")
end

function TestDeliberate.test_a_name_or_code_that_does_not_exist()
  local node = start [[
    vortex.on("raise", function(msg) vortex.error(msg.body.what, "x") end)
  ]]
  suite.assert_error(node:call { type = "raise", what = "no-such-error" }, 13)
  node:finish()
  suite.assert_words(node.process.stderr_text, "no-such-error")
end

function TestDeliberate.test_a_caught_error_is_raised_with_its_own_code()
  local node = start [[
    vortex.on("via", function(msg)
      local reply, err = vortex.try_rpc("n2", { type = "ask" })
      if not reply then vortex.error(err) end
      return {}
    end)
    vortex.on("via_pcall", function()
      local ok, err = pcall(vortex.rpc, "n2", { type = "ask" })
      if not ok then vortex.error(err) end
    end)
    vortex.on("with_text", function()
      local _, err = vortex.try_rpc("n2", { type = "ask" })
      vortex.error(err, "said otherwise")
    end)
  ]]
  for type, text in pairs { via = "no such key", via_pcall = "no such key", with_text = "said otherwise" } do
    local id = node:request { type = type }
    node:answer(node:expect(maelstrom.to("n2", "ask")), { type = "error", code = 20, text = "no such key" })
    suite.assert_words(suite.assert_error(node:reply_to(id), 20), text)
  end
  node:finish()
end

function TestDeliberate.test_it_passes_through_pcall_and_calls()
  local node = start [[
    local function deep(n)
      if n == 0 then vortex.error(14, "from the deep") end
      deep(n - 1)
      return n
    end
    vortex.on("deep", function() deep(50) end)
    vortex.on("caught", function()
      local ok, err = pcall(vortex.error, 30, "again please")
      return { ok = ok, code = err.code, name = err.name, text = err.text, definite = err.definite, shown = tostring(err) }
    end)
  ]]
  suite.assert_error(node:call { type = "deep" }, 14)
  local caught = node:call { type = "caught" }
  lu.assertEquals({ caught.ok, caught.code, caught.name, caught.definite }, { false, 30, "txn-conflict", true })
  suite.assert_words(caught.text, "again please")
  suite.assert_words(caught.shown, "txn-conflict", "30", "again please")
  node:finish()
end

local TestUncaught = suite.case "TestUncaught"

function TestUncaught.test_errors_of_rpc_and_kv_become_crash()
  local node = start([[
    vortex.on("rpc", function() return vortex.rpc("n2", { type = "ask" }) end)
    vortex.on("kv", function() return { value = vortex.kv("lin-kv"):read("k") } end)
    vortex.on("tso", function() return { value = vortex.tso() } end)
    vortex.on("quiet", function() return vortex.rpc("n2", { type = "ask" }, { timeout = 0.05 }) end)
  ]], { options = { "--rpc-timeout", "5" } })
  for type, dest in pairs { rpc = "n2", kv = "lin-kv", tso = "lin-tso" } do
    local id = node:request { type = type }
    node:answer(node:expect(maelstrom.to(dest)), { type = "error", code = 20, text = "no such key" })
    suite.assert_error(node:reply_to(id), 13)
  end
  suite.assert_error(node:call { type = "quiet" }, 13)
  node:finish()
end

local FAILING = [[
local function inner()
  error "on purpose"
end
local function outer()
  inner()
  return 1
end
vortex.on("plain", function() outer() end)
vortex.on("after_yield", function() vortex.sleep(0.001) outer() end)
vortex.on("table", function() error { code = 20 } end)
vortex.on("nothing", function() error() end)
vortex.on("index", function() local t = nil return t.x end)
vortex.on("overflow", function() local function f() return 1 + f() end return f() end)
vortex.on("timer", function() vortex.after(0.001, function() outer() end) return {} end)
vortex.on("every", function() vortex.every(0.001, function() outer() end) return {} end)
vortex.on("spawn", function() vortex.spawn(function() outer() end) return {} end)
vortex.on("spawn_later", function() vortex.spawn(function() vortex.sleep(0.001) outer() end) return {} end)
vortex.on("no_answer", function() outer() end)
vortex.on("fine", function() return {} end)
]]

local function fails(type, ...)
  local node = start(FAILING, { options = { "--late-reply", "0" } }) -- a stack takes its time to overflow
  local reply = node:call({ type = type }, { timeout = 30 })
  node.process:expect_stderr "traceback"
  lu.assertEquals(node:call({ type = "fine" }).type, "fine_ok")
  node:finish()
  suite.assert_words(node.process.stderr_text, ...)
  return reply, node
end

-- The source begins in line 2 of the script.
local INNER, OUTER = ".lua:3:", ".lua:6:"

function TestUncaught.test_any_other_error_is_crash_and_its_traceback_is_logged()
  suite.assert_error(fails("plain", INNER .. " on purpose", "traceback", INNER, OUTER, ".lua:9:"), 13)
  suite.assert_error(fails("after_yield", INNER .. " on purpose", "traceback", INNER, OUTER, ".lua:10:"), 13)
  suite.assert_error(fails("table", "traceback", ".lua:11:"), 13)
  suite.assert_error(fails("nothing", "traceback", ".lua:12:"), 13)
  suite.assert_error(fails("index", ".lua:13:", "attempt to index a nil value", "traceback"), 13)
  suite.assert_error(fails("overflow", "stack overflow", "traceback"), 13)
end

-- The client learns that the request failed; where and why is for the log.
function TestUncaught.test_the_answer_has_a_text()
  lu.assertTrue(#fails("plain", "on purpose").text > 0)
end

function TestUncaught.test_in_timers_and_spawned_tasks()
  for type, line in pairs { timer = 15, every = 16, spawn = 17, spawn_later = 18 } do
    local reply = fails(type, INNER .. " on purpose", "traceback", INNER, OUTER, (".lua:%d:"):format(line))
    lu.assertEquals(reply.type, type .. "_ok")
  end
end

function TestUncaught.test_a_failing_timer_goes_on()
  local node = start(FAILING)
  node:call { type = "every" }
  node.process:wait_until(function()
    return suite.count(node.process.stderr_text, "on purpose") >= 3
  end)
  node:finish()
end

function TestUncaught.test_without_a_msg_id_the_log_is_all()
  local node = start(FAILING)
  node:send("n2", { type = "no_answer" })
  node.process:expect_stderr "on purpose"
  node:settle()
  lu.assertEquals(node.inbox, {})
  node:finish()
end

-- The traceback of a spawned task ends where it was spawned: coroutines do not hide who is responsible.
function TestUncaught.test_the_traceback_crosses_the_coroutine_boundary()
  local _, node = fails("spawn_later", "on purpose")
  suite.assert_words(node.process.stderr_text, "traceback", OUTER, "spawn", ".lua:18")
end

function TestUncaught.test_an_error_inside_a_coroutine_of_the_script()
  local node = start [[
    vortex.on("co", function()
      local co = coroutine.wrap(function() coroutine.yield(1) error "inside" end)
      co()
      co()
    end)
  ]]
  suite.assert_error(node:call { type = "co" }, 13)
  node:finish()
  suite.assert_words(node.process.stderr_text, "inside", "traceback")
end

function TestUncaught.test_a_tostring_that_raises()
  local node = start [[
    vortex.on("evil", function() error(setmetatable({}, { __tostring = function() error "again" end })) end)
    vortex.on("evil_type", function() error(setmetatable({}, { __tostring = function() return {} end })) end)
  ]]
  suite.assert_error(node:call { type = "evil" }, 13)
  suite.assert_error(node:call { type = "evil_type" }, 13)
  node:finish()
end

function TestUncaught.test_a_close_handler_that_raises()
  local node = start [[
    vortex.on("close", function()
      local guard <close> = setmetatable({}, { __close = function() error "while closing" end })
      error "first"
    end)
    vortex.on("gc", function()
      setmetatable({}, { __gc = function() error "in gc" end })
      collectgarbage()
      return {}
    end)
  ]]
  suite.assert_error(node:call { type = "close" }, 13)
  lu.assertEquals(node:call({ type = "gc" }).type, "gc_ok")
  node:finish()
end
