--- SIGSTOP and SIGCONT, and answers that come too late. A Maelstrom client gives up after five seconds and leaves, and a line to somebody
--- who has left mutes the node; so such answers are dropped. `--late-reply` makes the limit short enough for a test.
local lu = require "luaunit"

local maelstrom = require "support.maelstrom"
local process = require "support.process"
local suite = require "support.suite"

local SOURCE = [[
local vortex = require "vortex"
local ticks, started = 0, vortex.now()
vortex.every(0.02, function() ticks = ticks + 1 end)
vortex.on("echo", function(msg) return { echo = msg.body.echo } end)
vortex.on("slow", function(msg)
  vortex.sleep(msg.body.seconds)
  return { slept = true }
end)
vortex.on("ticks", function() return { ticks = ticks, seconds = vortex.now() - started } end)
vortex.on("rpc", function(msg)
  local reply, err = vortex.try_rpc("n2", { type = "ping" }, { timeout = msg.body.timeout })
  return { pong = reply and true or false, code = err and err.code }
end)
]]

local function start(late_reply)
  return maelstrom.start { source = SOURCE, ids = { "n1", "n2" }, options = { "--late-reply", late_reply or "0.2" } }
end

-- What the node finds in its input right after a pause counts as old, so the first request that is sent then may be, too.
local function answers_again(node)
  node.process:wait_until(function()
    local id = node:request({ type = "echo", echo = "fresh" }, { src = "c-fresh" })
    return pcall(node.reply_to, node, id, "c-fresh", 0.2)
  end, nil, "an answer after the pause")
end

local TestLate = suite.case "TestLate"

function TestLate.test_an_answer_that_took_too_long_is_dropped()
  local node = start()
  node:request({ type = "slow", seconds = 0.35 }, { src = "c1" })
  lu.assertEquals(node:call({ type = "slow", seconds = 0.01 }, { src = "c2" }).slept, true)
  node.process:expect_stderr "warn"
  node:settle()
  lu.assertEquals(node.inbox, {})
  node:finish()
  lu.assertEquals(#node.judge:unanswered(), 1)
end

function TestLate.test_so_is_an_error()
  local node = maelstrom.start {
    source = [[
      local vortex = require "vortex"
      vortex.on("slow", function()
        vortex.sleep(0.35)
        vortex.error(11, "no")
      end)
    ]],
    options = { "--late-reply", "0.2" },
  }
  node:request { type = "slow" }
  node.process:expect_stderr "warn"
  node:settle()
  lu.assertEquals(node.inbox, {})
  node:finish()
end

-- Members do not leave: they get their answers whenever they are ready.
function TestLate.test_members_are_answered_however_late()
  local node = start()
  node:call { type = "echo", echo = 1 }
  lu.assertEquals(node:call({ type = "slow", seconds = 0.35 }, { src = "n2" }).slept, true)
  node:finish()
end

function TestLate.test_zero_turns_it_off()
  local node = start "0"
  lu.assertEquals(node:call({ type = "slow", seconds = 0.3 }).slept, true)
  node.process:pause()
  local id = node:request { type = "echo", echo = 1 }
  process.let_pass(0.3)
  node.process:resume()
  lu.assertEquals(node:reply_to(id).echo, 1)
  node:finish()
end

local TestPause = suite.case "TestPause"

-- What lay in the pipe while the process stood still is as old as its last turn.
function TestPause.test_requests_that_waited_in_the_pipe_are_too_old()
  local node = start()
  node:call { type = "echo", echo = 1 }
  node.process:pause()
  local old = {}
  for i = 1, 50 do
    old[i] = node:request { type = "echo", echo = i }
  end
  process.let_pass(0.4)
  node.process:resume()
  node.process:expect_stderr "warn"
  answers_again(node)
  lu.assertEquals(node.inbox, {})
  node:finish()
  lu.assertTrue(#node.judge:unanswered() >= #old)
end

function TestPause.test_a_short_pause_costs_nothing()
  local node = start "2"
  node:call { type = "echo", echo = 1 }
  node.process:pause()
  local id = node:request { type = "echo", echo = "waited" }
  process.let_pass(0.1)
  node.process:resume()
  lu.assertEquals(node:reply_to(id).echo, "waited")
  node:finish()
end

-- The handler was waiting when the process stopped: its answer is late when it wakes.
function TestPause.test_a_handler_that_was_asleep()
  local node = start()
  node:request { type = "slow", seconds = 0.05 }
  node:call { type = "echo", echo = 1 }
  node.process:pause()
  process.let_pass(0.4)
  node.process:resume()
  node.process:expect_stderr "warn"
  answers_again(node)
  lu.assertEquals(node.inbox, {})
  node:finish()
end

-- A periodic timer does not make up for what it missed, and goes on.
function TestPause.test_timers_go_on()
  local node = start "0"
  process.let_pass(0.1)
  node.process:pause()
  process.let_pass(0.6)
  node.process:resume()
  local first = node:call { type = "ticks" }
  lu.assertTrue(first.ticks < 15, ("%d ticks after 0.1 s of running"):format(first.ticks))
  process.wait_until(function()
    return node:call({ type = "ticks" }).ticks >= first.ticks + 5
  end, 5)
  node:finish()
end

-- The reply lies in the pipe and the timeout has passed meanwhile: what arrived is handled before the timers that fell due.
function TestPause.test_a_reply_that_waited_in_the_pipe_beats_its_timeout()
  local node = start "0"
  local id = node:request { type = "rpc", timeout = 0.3 }
  local ping = node:expect(maelstrom.to("n2", "ping"))
  node.process:pause()
  node:answer(ping, { type = "pong" })
  process.let_pass(0.5)
  node.process:resume()
  lu.assertEquals(node:reply_to(id).pong, true)
  node:finish()
end

function TestPause.test_an_rpc_times_out_after_a_pause_if_nothing_came()
  local node = start "0"
  local id = node:request { type = "rpc", timeout = 0.3 }
  node:expect(maelstrom.to("n2", "ping"))
  node.process:pause()
  process.let_pass(0.4)
  node.process:resume()
  suite.assert_json(node:reply_to(id), ('{"type":"rpc_ok","pong":false,"code":0,"in_reply_to":%d}'):format(id))
  node:finish()
end

function TestPause.test_many_times()
  local node = start "0"
  for i = 1, 10 do
    node.process:pause()
    local id = node:request { type = "echo", echo = i }
    node.process:resume()
    lu.assertEquals(node:reply_to(id).echo, i)
  end
  node:finish()
end
