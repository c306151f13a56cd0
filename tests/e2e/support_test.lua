--- The tests' own tools: the judge finds every fault of a node that commits it, the JSON reader is strict, waits end.
local lu = require "luaunit"

local cluster = require "support.cluster"
local json = require "support.json"
local maelstrom = require "support.maelstrom"
local process = require "support.process"
local scratch = require "support.scratch"
local services = require "support.services"
local suite = require "support.suite"

local STAND_IN = maelstrom.root .. "/tests/e2e/support/stand_in.lua"

local function stand_in(fault, options)
  local all = { program = "lua5.4", args = { STAND_IN, fault }, workload = "echo" }
  for key, value in pairs(options or {}) do
    all[key] = value
  end
  return maelstrom.start(all)
end

local TestJudge = suite.case "TestJudge"

function TestJudge.test_a_good_node_passes()
  local node = stand_in "none"
  for i = 1, 100 do
    lu.assertEquals(node:call({ type = "echo", echo = i }).echo, i)
  end
  node:finish()
  lu.assertEquals(node.judge:unanswered(), {})
end

local function assert_found(fault, words)
  local node = stand_in(fault)
  node:request { type = "echo", echo = 1 }
  node.process:close_stdin()
  node.process:wait()
  node.judge:ended(node.process.partial)
  lu.assertErrorMsgContains(words, node.check, node)
  lu.assertTrue(pcall(node.check, node), "reported once")
end

local FOUND = {
  blank = "a blank line",
  trailing = "something behind the value",
  invalid = "not one JSON value",
  extra_key = 'envelope key "time"',
  dest = "dest does not exist",
  gone = "dest has left",
  null_id = "msg_id is not an integer",
  float = "an answer to a request that the client never made",
  twice = "a request is answered twice",
  unasked = "a message to a client that answers nothing",
  src = "src is not the node's id",
  partial = "a line without an end",
  array_body = "body is not an object",
  schema = "a field trace too many",
}

for fault, words in pairs(FOUND) do
  TestJudge["test_finds_" .. fault] = function()
    assert_found(fault, words)
  end
end

function TestJudge.test_finds_requests_without_an_answer()
  local node = stand_in "silent"
  node:request { type = "echo", echo = 1 }
  node:finish()
  lu.assertEquals(#node.judge:unanswered(), 1)
end

function TestJudge.test_sees_the_order_of_answers()
  local node = stand_in "swap"
  local first = node:request { type = "echo", echo = 1 }
  local second = node:request { type = "echo", echo = 2 }
  node:reply_to(first)
  lu.assertEquals(node.answered_in_order[2].body.in_reply_to, second)
  lu.assertEquals(node.answered_in_order[3].body.in_reply_to, first)
end

function TestJudge.test_an_exit_status_is_noticed()
  local node = stand_in "exit"
  node:request { type = "echo", echo = 1 }
  lu.assertErrorMsgContains("expected exit status 0", node.ended, node)
end

local TestProcess = suite.case "TestProcess"

function TestProcess.test_a_wait_ends()
  local node = stand_in "silent"
  node:request { type = "echo", echo = 1 }
  lu.assertErrorMsgContains("not within", node.expect, node, nil, 0.05)
end

function TestProcess.test_a_reply_that_cannot_come_any_more_is_not_waited_for()
  local node = stand_in "exit"
  lu.assertErrorMsgContains("stdout ended before", node.call, node, { type = "echo", echo = 1 })
end

function TestProcess.test_stop_and_continue()
  local node = stand_in "none"
  node.process:pause()
  node:request { type = "echo", echo = 1 }
  lu.assertErrorMsgContains("not within", node.expect, node, nil, 0.05)
  node.process:resume()
  lu.assertEquals(node:expect().body.echo, 1)
  lu.assertTrue(node.process:rss_bytes() > 100000)
  node.process:kill "sigkill"
  lu.assertEquals(select(2, node.process:wait()), 9)
end

function TestProcess.test_stderr_and_files()
  local path = scratch.file("folder/input", "one\ntwo")
  local input = assert(require("luv").fs_open(path, "r", 0))
  local command = 'cat; echo "$X" >&2; exit 5'
  local p = process.spawn { file = "sh", args = { "-c", command }, stdin = input, env = { X = "seen" } }
  lu.assertEquals(p:wait(), 5)
  lu.assertEquals({ p.lines[1], p.partial, p.stderr_text }, { "one", "two", "seen\n" })
  require("luv").fs_close(input)
end

local TestJson = suite.case "TestJson"

function TestJson.test_keeps_what_lua_would_lose()
  for _, text in ipairs {
    "[]", "{}", "[[],{}]", "3.0", "3", "1e3", "-0", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
    '{"a":[null,{"b":[]}]}', "true", "null", '"\\u0000\\u001f\\"\\\\"', "18446744073709551616", "0.1",
  } do
    lu.assertEquals(json.encode(json.decode(text)), text)
  end
  lu.assertEquals(math.type(json.decode "9223372036854775807"), "integer")
  lu.assertEquals(json.decode '"\\ud83d\\ude00\\u00e9\\/\127"', "\u{1F600}\u{E9}/\127")
  lu.assertTrue(json.is_integer(json.decode "9223372036854775808"))
  lu.assertFalse(json.is_integer(json.decode "3.0"))
end

function TestJson.test_refuses_what_is_not_json()
  for _, text in ipairs {
    "", " ", "[", "]", "{", '{"a"}', '{"a":}', '{"a":1,}', "[1,]", "[1 2]", "{,}", "01", "-", "+1", "1.", ".5", "1e", "1e+",
    "NaN", "Infinity", "nul", "truex", '"', '"\\x"', '"\\u12"', '"\t"', '"\\ud800"', '"\\ude00"', '"\xff"', '"\xc0\x80"',
    "1 2", "{} {}", "'a'", "{a:1}", "[1]]", '{"a":1,"a":2}', "0x10", "\xef\xbb\xbf1",
  } do
    local ok, value = pcall(json.decode, text)
    lu.assertFalse(ok, ("%q was read as %s"):format(text, ok and json.encode(value) or ""))
  end
  lu.assertFalse((pcall(json.decode, ("["):rep(2000) .. ("]"):rep(2000))))
end

local TestServices = suite.case "TestServices"

local function kv(s, service, client)
  return function(body)
    return s:handle(service, client or "n1", json.decode(body))
  end
end

function TestServices.test_lin_kv()
  local call = kv(services.new(), "lin-kv")
  lu.assertEquals(call('{"type":"read","key":1}').code, 20)
  lu.assertEquals(call('{"type":"cas","key":1,"from":0,"to":1}').code, 20)
  lu.assertEquals(call('{"type":"cas","key":1,"from":0,"to":1,"create_if_not_exists":true}').type, "cas_ok")
  lu.assertEquals(call('{"type":"cas","key":1,"from":0,"to":2}').code, 22)
  lu.assertEquals(call('{"type":"cas","key":1,"from":1.0,"to":2}').code, 22)
  lu.assertEquals(call('{"type":"cas","key":1,"from":1,"to":2}').type, "cas_ok")
  lu.assertEquals(call('{"type":"read","key":1}').value, 2)
  lu.assertEquals(call('{"type":"read","key":"1"}').code, 20)
  lu.assertNil(call '{"type":"delete","key":1}')
end

function TestServices.test_seq_kv_is_stale_until_one_changes_something()
  local s = services.new(3)
  local writer, reader = kv(s, "seq-kv", "n1"), kv(s, "seq-kv", "n2")
  writer '{"type":"write","key":"x","value":0}'
  for i = 1, 20 do
    writer(('{"type":"write","key":"x","value":%d}'):format(i))
  end
  lu.assertEquals(writer('{"type":"read","key":"x"}').value, 20)
  local stale = reader '{"type":"read","key":"x"}'
  lu.assertTrue(stale.code == 20 or stale.value < 20, "the seed gives a stale state")
  reader '{"type":"write","key":"mine","value":1}'
  lu.assertEquals(reader('{"type":"read","key":"x"}').value, 20)
end

function TestServices.test_lww_kv_and_tso()
  local s = services.new()
  local lww, tso = kv(s, "lww-kv"), kv(s, "lin-tso")
  lu.assertEquals(lww('{"type":"cas","key":1,"from":0,"to":1,"create_if_not_exists":true}').code, 20)
  lww '{"type":"write","key":1,"value":7}'
  local seen
  for _ = 1, 50 do
    seen = lww('{"type":"read","key":1}').value or seen
  end
  lu.assertEquals(seen, 7)
  lu.assertEquals({ tso('{"type":"ts"}').ts, tso('{"type":"ts"}').ts }, { 0, 1 })
end

local TestCluster = suite.case "TestCluster"

function TestCluster.test_routes_and_loses()
  local dropped
  local c = cluster.start {
    program = "lua5.4",
    args = { STAND_IN },
    count = 2,
    lose = function()
      return dropped
    end,
  }
  c.nodes.n2:send("n1", { type = "echo", echo = 1, msg_id = 1 })
  process.wait_until(function()
    return c.routed == 1
  end)
  dropped = true
  c.nodes.n2:send("n1", { type = "echo", echo = 1, msg_id = 2 })
  process.wait_until(function()
    return c.lost == 1
  end)
  lu.assertEquals(c:call("n1", { type = "echo", echo = "x" }).echo, "x")
end
