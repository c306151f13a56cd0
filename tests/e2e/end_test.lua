--- How a node ends: the end of the input, signals, a reader that is gone, os.exit. In order, with its hooks run and its output written.
local lu = require "luaunit"

local maelstrom = require "support.maelstrom"
local process = require "support.process"
local scratch = require "support.scratch"
local suite = require "support.suite"

-- `rpc` waits for n2, who never answers; `slow` and `forever` sleep; `busy` never gives the loop back.
local SOURCE = [[
local vortex = require "vortex"
vortex.on("echo", function(msg) return { echo = msg.body.echo } end)
vortex.on("rpc", function()
  local reply, err = vortex.try_rpc("n2", { type = "ping" }, { timeout = 60 })
  vortex.log.info("rpc ended: " .. tostring(err))
  return { reply = reply, text = tostring(err) }
end)
vortex.on("slow", function(msg)
  vortex.sleep(msg.body.seconds)
  return { slept = true }
end)
vortex.on("busy", function()
  vortex.log.info "busy now"
  while true do end
end)
vortex.every(0.05, function() end)
vortex.on_exit(function() vortex.log.info "first hook" end)
vortex.on_exit(function()
  vortex.log.info "second hook"
  vortex.send("n2", { type = "bye" })
end)
]]

local function start(options)
  options = options or {}
  options.source = options.source or SOURCE
  options.ids = { "n1", "n2" }
  return maelstrom.start(options)
end

local function assert_hooks_ran(node)
  suite.assert_words(node.process.stderr_text, "first hook", "second hook")
  lu.assertEquals(suite.count(node.process.stderr_text, "hook"), 2)
end

local TestEndOfInput = suite.case "TestEndOfInput"

function TestEndOfInput.test_hooks_run_and_what_they_send_is_written()
  local node = start()
  node:call { type = "echo", echo = 1 }
  node:finish()
  assert_hooks_ran(node)
  lu.assertEquals(node.inbox[1].body.type, "bye")
end

function TestEndOfInput.test_a_waiting_rpc_fails_at_once_and_its_handler_goes_on()
  local node = start()
  local id = node:request { type = "rpc" }
  node:expect(maelstrom.to("n2", "ping"))
  local before = require("luv").hrtime()
  node:finish()
  lu.assertTrue(require("luv").hrtime() - before < 900 * 1000000, "it does not wait for the timeout")
  suite.assert_words(node:reply_to(id).text, "stopped")
  suite.assert_words(node.process.stderr_text, "rpc ended", "first hook")
end

function TestEndOfInput.test_an_error_of_a_waiting_rpc_answers_crash()
  local node = start { source = [[
    local vortex = require "vortex"
    vortex.on("rpc", function() return vortex.rpc("n2", { type = "ping" }) end)
  ]] }
  local id = node:request { type = "rpc" }
  node:expect(maelstrom.to("n2", "ping"))
  node:finish()
  suite.assert_error(node:reply_to(id), 13)
end

function TestEndOfInput.test_tasks_get_their_time()
  local node = start()
  local id = node:request { type = "slow", seconds = 0.2 }
  node:finish()
  lu.assertEquals(node:reply_to(id).slept, true)
end

function TestEndOfInput.test_but_not_more_than_one_second()
  local node = start()
  node:request { type = "slow", seconds = 30 }
  node:settle()
  local before = require("luv").hrtime()
  node:finish()
  local seconds = (require("luv").hrtime() - before) / 1e9
  lu.assertTrue(seconds > 0.5 and seconds < 5, ("ended after %g s"):format(seconds))
  assert_hooks_ran(node)
end

function TestEndOfInput.test_an_error_in_a_hook_stops_neither_the_others_nor_the_end()
  local node = start { source = [[
    local vortex = require "vortex"
    vortex.on_exit(function() error "broken hook" end)
    vortex.on_exit(function() vortex.log.info "other hook" end)
  ]] }
  node:finish()
  suite.assert_words(node.process.stderr_text, "broken hook", "other hook")
end

local TestSignals = suite.case "TestSignals"

for _, signal in ipairs { "sigterm", "sigint" } do
  TestSignals[("test_%s_ends_in_order"):format(signal)] = function()
    local node = start()
    local rpc = node:request { type = "rpc" }
    node:expect(maelstrom.to("n2", "ping"))
    node.process:kill(signal)
    node:ended()
    assert_hooks_ran(node)
    suite.assert_words(node:reply_to(rpc).text, "stopped")
    lu.assertEquals(node.inbox[1].body.type, "bye")
  end
end

function TestSignals.test_before_init()
  local node = start { init = false }
  local p = node.process
  p:send "not json" -- the warning shows that the node runs
  p:expect_stderr "warn"
  p:kill "sigterm"
  node:ended()
end

-- A loop that never yields cannot be ended in order; the second signal ends it at once.
function TestSignals.test_a_second_signal_ends_it_at_once()
  if os.getenv "VORTEX_E2E_SANITIZED" == "thread" then
    lu.skip "ThreadSanitizer delivers a signal only at the next call of the C library, and a busy handler makes none"
  end
  local node = start()
  node:request { type = "busy" }
  node.process:expect_stderr "busy now"
  node.process:kill "sigterm"
  process.let_pass(0.1)
  lu.assertNil(node.process.exit_code)
  node.process:kill "sigterm"
  local code, signal = node.process:wait(2)
  lu.assertTrue(code ~= 0 or signal ~= 0, "not a success")
end

function TestSignals.test_a_second_signal_does_not_wait_for_tasks()
  local node = start()
  node:request { type = "slow", seconds = 30 }
  node:settle()
  node.process:kill "sigterm"
  process.let_pass(0.05)
  lu.assertNil(node.process.exit_code, "tasks have time")
  node.process:kill "sigint"
  node.process:wait(0.5)
end

local TestReaderGone = suite.case "TestReaderGone"

function TestReaderGone.test_the_node_ends_in_order()
  local node = start()
  node:call { type = "echo", echo = 1 }
  node.process.stdout:close()
  node.process.stdout_ended = true
  node:send("c1", { type = "echo", echo = 2, msg_id = 500 })
  local code, signal = node.process:wait(5)
  lu.assertEquals(signal, 0, "SIGPIPE does not kill it")
  lu.assertTrue(code == 0 or code == 1, "status " .. code)
  assert_hooks_ran(node)
end

local TestExit = suite.case "TestExit"

local function exits(how)
  return start { source = ([[
    local vortex = require "vortex"
    vortex.on("echo", function(msg) return { echo = msg.body.echo } end)
    vortex.on("exit", function(msg)
      msg:reply { bye = true }
      %s
    end)
  ]]):format(how) }
end

local function assert_exit(how, status)
  local node = exits(how)
  local ids = {}
  for i = 1, 1000 do
    ids[i] = node:request { type = "echo", echo = i }
  end
  local last = node:request { type = "exit" }
  node:ended(status)
  for _, id in ipairs(ids) do
    node:reply_to(id)
  end
  lu.assertEquals(node:reply_to(last).bye, true)
end

function TestExit.test_os_exit_writes_what_is_queued()
  assert_exit("os.exit()", 0)
end

function TestExit.test_status()
  assert_exit("os.exit(7)", 7)
  assert_exit("os.exit(false)", 1)
  assert_exit("os.exit(true, true)", 0)
end

function TestExit.test_in_a_timer()
  local node = start { source = [[
    local vortex = require "vortex"
    vortex.on("go", function()
      vortex.after(0.02, function()
        vortex.send("n2", { type = "bye" })
        os.exit(4)
      end)
      return {}
    end)
  ]] }
  node:call { type = "go" }
  node:ended(4)
  lu.assertEquals(node.inbox[1].body.type, "bye")
end

-- The main chunk runs before the loop; leaving there is an ordinary way to leave.
function TestExit.test_in_the_main_chunk()
  local p = process.run({ file = maelstrom.binary, args = { scratch.script "print('here') os.exit(6)" } }, "")
  lu.assertEquals({ p.exit_code, p.lines }, { 6, {} })
  suite.assert_words(p.stderr_text, "here")
end

-- os.exit waits for a reader that is slow, though not for ever.
function TestExit.test_os_exit_waits_for_a_slow_reader()
  local node = exits "os.exit(0)"
  node.process:stop_reading()
  local ids = {}
  for i = 1, 30 do
    ids[i] = node:request { type = "echo", echo = ("x"):rep(10000) }
  end
  local last = node:request { type = "exit" }
  process.let_pass(0.2)
  lu.assertNil(node.process.exit_code)
  node.process:read_again()
  node:ended()
  lu.assertEquals(node:reply_to(last).bye, true)
  for _, id in ipairs(ids) do
    node:reply_to(id)
  end
end
