--- Much at once: floods of requests, a reader that stops reading, replies and requests at the same time. Nothing is lost, nothing is out of
--- order, and memory stays bounded.
local lu = require "luaunit"

local maelstrom = require "support.maelstrom"
local process = require "support.process"
local scratch = require "support.scratch"
local suite = require "support.suite"

local ECHO = require "support.echo_source"
local SANITIZED = os.getenv "VORTEX_E2E_SANITIZED" ~= nil
local MIB = 1 << 20

local INIT = '{"id":0,"src":"c0","dest":"n1","body":{"type":"init","node_id":"n1","node_ids":["n1","n2"],"msg_id":1}}\n'
local INIT_OK = '{"src":"n1","dest":"c0","body":{"type":"init_ok","in_reply_to":1}}'

local function request_line(i)
  return ('{"id":%d,"src":"c1","dest":"n1","body":{"type":"echo","echo":"Please echo %d","msg_id":%d}}\n'):format(i, i, i)
end

local function reply_line(i)
  return ('{"src":"n1","dest":"c1","body":{"type":"echo_ok","echo":"Please echo %d","in_reply_to":%d}}'):format(i, i)
end

-- A process whose lines are compared with the expected replies as they come: counts them in `replies`, notes the first mismatch.
local function echo_process(options)
  local p
  p = process.spawn {
    file = maelstrom.binary,
    args = { scratch.script(ECHO) },
    stdin = options and options.stdin,
    stdout = options and options.stdout,
    on_line = function(line)
      local expected = p.replies < 0 and INIT_OK or reply_line(p.replies + 1)
      if line ~= expected and not p.mismatch then
        p.mismatch = ("line %d is %s, expected %s"):format(p.replies + 1, line, expected)
      end
      p.replies = p.replies + 1
    end,
  }
  p.replies = -1
  return p
end

local function requests(from, to)
  local lines = {}
  for i = from, to do
    lines[#lines + 1] = request_line(i)
  end
  return table.concat(lines)
end

local function assert_all(p, count)
  p:wait_until(function()
    return p.replies == count or p.mismatch
  end, 60, ("%d replies, there are %d"):format(count, p.replies))
  lu.assertNil(p.mismatch)
end

local function assert_ends_well(p)
  p:close_stdin()
  local code, signal = p:wait(30)
  lu.assertEquals({ code, signal, p.partial }, { 0, 0, "" }, p:about())
  lu.assertNil(p.mismatch)
end

local TestFlood = suite.case "TestFlood"

local FLOOD = 200000

local function flood(options)
  local p = echo_process(options)
  p:write(INIT)
  for from = 1, FLOOD, 10000 do
    p:write(requests(from, from + 9999))
  end
  assert_all(p, FLOOD)
  if not SANITIZED then
    lu.assertTrue(p:rss_bytes() < 32 * MIB, ("%d bytes resident"):format(p:rss_bytes()))
  end
  assert_ends_well(p)
end

function TestFlood.test_through_pipes()
  flood()
end

function TestFlood.test_through_sockets()
  flood { stdin = "socket", stdout = "socket" }
end

-- The end of the input comes while most of the output is still to be written.
function TestFlood.test_nothing_is_lost_at_the_end_of_input()
  local p = echo_process()
  p:write(INIT)
  p:write(requests(1, 50000))
  p:close_stdin()
  local code = p:wait(60)
  lu.assertEquals(code, 0)
  lu.assertNil(p.mismatch)
  lu.assertEquals({ p.replies, p.partial }, { 50000, "" })
end

local TestSlowReader = suite.case "TestSlowReader"

-- 64 MiB of requests are offered, and nothing is read: the node must stop reading instead of piling answers up.
function TestSlowReader.test_the_input_waits_and_everything_arrives_afterwards()
  local p = echo_process()
  p:write(INIT)
  p:wait_until(function()
    return p.replies == 0
  end)
  p:stop_reading()
  local total = 600000
  local unread
  for from = 1, total, 20000 do
    p:write(requests(from, from + 19999))
  end
  -- Everything stands still when the input's queue has not become shorter for a while.
  repeat
    local before = p.stdin:get_write_queue_size()
    process.let_pass(0.3)
    unread = p.stdin:get_write_queue_size()
  until unread == before
  lu.assertTrue(unread > 10 * MIB, ("the node has read nearly everything: %d bytes are left"):format(unread))
  if not SANITIZED then
    lu.assertTrue(p:rss_bytes() < 48 * MIB, ("%d bytes resident"):format(p:rss_bytes()))
  end
  p:read_again()
  assert_all(p, total)
  assert_ends_well(p)
end

-- What a script originates cannot wait for ever: beyond a limit it is dropped, and the log says so. Answers are kept.
function TestSlowReader.test_what_the_node_originates_is_bounded()
  local others, answer = 0, nil
  local p = process.spawn {
    file = maelstrom.binary,
    args = { "--late-reply", "0", scratch.script [[
      local vortex = require "vortex"
      local text = ("x"):rep(1000)
      vortex.on("burst", function()
        for _ = 1, 150000 do
          vortex.send("n2", { type = "gossip", text = text })
        end
        return { done = true }
      end)
    ]] },
    on_line = function(line)
      if line:find('"done":true', 1, true) then
        answer = line
      else
        others = others + 1
      end
    end,
  }
  p:write(INIT)
  p:wait_until(function()
    return others == 1
  end)
  p:stop_reading()
  p:send '{"src":"c1","dest":"n1","body":{"type":"burst","msg_id":1}}'
  p:expect_stderr("warn", 30)
  if not SANITIZED then
    lu.assertTrue(p:rss_bytes() < 200 * MIB, ("%d bytes resident"):format(p:rss_bytes()))
  end
  p:read_again()
  p:wait_until(function()
    return answer
  end, 60, "the answer")
  lu.assertTrue(others > 1000 and others < 150000, others .. " arrived")
  assert_ends_well(p)
end

-- A reader that takes a little at a time gets whole lines, in order.
function TestSlowReader.test_a_trickle()
  local p = echo_process()
  p:write(INIT)
  local total = 20000
  p:write(requests(1, total))
  for _ = 1, 50 do
    p:stop_reading()
    process.let_pass(0.002)
    p:read_again()
    process.let_pass(0.001)
  end
  assert_all(p, total)
  assert_ends_well(p)
end

local TestMemory = suite.case "TestMemory"

-- Ids, clients and bodies come and go; what stays must not grow with them.
function TestMemory.test_many_clients()
  if SANITIZED then
    lu.skip "resident memory means nothing under a sanitizer"
  end
  local answered = 0
  local p = process.spawn {
    file = maelstrom.binary,
    args = { scratch.script(ECHO) },
    on_line = function()
      answered = answered + 1
    end,
  }
  p:write(INIT)
  local line = '{"src":"c%d","dest":"n1","body":{"type":"echo","echo":[%d,{"a":"%s"}],"msg_id":%d}}\n'
  local function round(from)
    local lines = {}
    for i = from, from + 99999 do
      lines[#lines + 1] = line:format(i, i, ("x"):rep(i % 50), i)
    end
    p:write(table.concat(lines))
    p:wait_until(function()
      return answered == from + 100001 -- init_ok is one
    end, 60, "all answers")
    return p:rss_bytes()
  end
  local first, second
  first = round(0)
  round(100000)
  second = round(200000)
  lu.assertTrue(second < first + 8 * MIB, ("%d bytes, then %d"):format(first, second))
  p:close_stdin()
  lu.assertEquals(p:wait(), 0)
end
