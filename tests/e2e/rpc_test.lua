--- Requests of the node's own: rpc, try_rpc, rpc_all, their timeouts, and which reply belongs to which.
local lu = require "luaunit"
local uv = require "luv"

local eval = require "support.eval"
local json = require "support.json"
local maelstrom = require "support.maelstrom"
local suite = require "support.suite"

local TestRpc = suite.case "TestRpc"

-- Starts a call in the node and returns the id of its result, and the request that left.
local function asks(node, code, dest)
  local id = eval.request(node, code)
  return id, node:expect(maelstrom.to(dest or "n2", "ask"))
end

function TestRpc.test_it_returns_the_body_of_the_reply()
  local node = eval.start()
  local id, ask = asks(node, "return vortex.rpc('n2', { type = 'ask', q = { 1 } })")
  suite.assert_json(ask.body.q, "[1]")
  node:answer(ask, { type = "ask_ok", answer = { 42, json.array() } })
  local body = eval.result(node, id)
  lu.assertEquals(body.type, "ask_ok")
  suite.assert_json(body.answer, "[42,[]]")
  node:finish()
end

function TestRpc.test_an_error_raises_or_is_returned()
  local node = eval.start()
  for code, expected in pairs {
    [20] = { "key-does-not-exist", true },
    [13] = { "crash", false },
    [11] = { "temporarily-unavailable", true },
    [0] = { "timeout", false },
  } do
    local id, ask = asks(node, [[
      local ok, err = pcall(vortex.rpc, 'n2', { type = 'ask' })
      return { ok, err.code, err.name, err.text, err.definite, tostring(err) }
    ]])
    node:answer(ask, { type = "error", code = code, text = "so it is" })
    local result = eval.result(node, id)
    lu.assertEquals({ result[1], result[2], result[3], result[5] }, { false, code, expected[1], expected[2] })
    suite.assert_words(result[4], "so it is")
    suite.assert_words(result[6], expected[1], "so it is")
    id, ask = asks(node, [[
      local reply, err = vortex.try_rpc('n2', { type = 'ask' })
      return { tostring(reply), err.code, err.text }
    ]])
    node:answer(ask, { type = "error", code = code, text = "so it is" })
    result = eval.result(node, id)
    lu.assertEquals({ result[1], result[2] }, { "nil", code })
  end
  node:finish()
end

function TestRpc.test_errors_without_a_proper_code_or_text()
  local node = eval.start()
  for _, body in ipairs {
    { type = "error" }, { type = "error", code = "x" }, { type = "error", code = json.number "1.5", text = 5 },
    { type = "error", code = 1234 }, { type = "error", code = json.null, text = json.null },
  } do
    local id, ask = asks(node, [[
      local r, err = vortex.try_rpc('n2', { type = 'ask' })
      return { tostring(r), math.type(err.code), type(err.text) }
    ]])
    node:answer(ask, body)
    suite.assert_json(eval.result(node, id), '["nil","integer","string"]')
  end
  node:finish()
end

function TestRpc.test_timeout()
  local node = eval.start()
  local from = uv.hrtime()
  local id = asks(node, [[
    local reply, err = vortex.try_rpc('n2', { type = 'ask' }, { timeout = 0.1 })
    return { tostring(reply), err.code, err.name, err.definite }
  ]])
  suite.assert_json(eval.result(node, id), '["nil",0,"timeout",false]')
  local seconds = (uv.hrtime() - from) / 1e9
  lu.assertTrue(seconds >= 0.099 and seconds < 2, seconds)
  node:finish()
end

function TestRpc.test_the_default_timeout_is_an_option()
  local node = eval.start { options = { "--rpc-timeout", "0.15" } }
  local from = uv.hrtime()
  local id = asks(node, "return select(2, vortex.try_rpc('n2', { type = 'ask' })).code")
  lu.assertEquals(eval.result(node, id), 0)
  local seconds = (uv.hrtime() - from) / 1e9
  lu.assertTrue(seconds >= 0.149 and seconds < 0.9, seconds)
  id = eval.request(node, "return select(2, pcall(vortex.kv('lin-kv').read, vortex.kv('lin-kv'), 'k')).code")
  lu.assertEquals(eval.result(node, id), 0)
  node:finish()
end

function TestRpc.test_the_default_timeout_is_one_second()
  local node = eval.start()
  local from = uv.hrtime()
  local id = asks(node, "return select(2, vortex.try_rpc('n2', { type = 'ask' })).code")
  lu.assertEquals(eval.result(node, id), 0)
  local seconds = (uv.hrtime() - from) / 1e9
  lu.assertTrue(seconds >= 0.99 and seconds < 2, seconds)
  node:finish()
end

-- The answer to an rpc that is over goes nowhere: not to the waiting one, and not to the handler of its type.
function TestRpc.test_a_late_reply_is_dropped()
  local node = eval.start(nil, "vortex.on('ask_ok', function() print 'in the handler' end)")
  local id, late = asks(node, "return select(2, vortex.try_rpc('n2', { type = 'ask' }, { timeout = 0.05 })).code")
  lu.assertEquals(eval.result(node, id), 0)
  node:answer(late, { type = "ask_ok", n = 1 })
  local again, ask = asks(node, "return vortex.rpc('n2', { type = 'ask' }).n")
  node:answer(late, { type = "ask_ok", n = 1 })
  node:answer(ask, { type = "ask_ok", n = 2 })
  lu.assertEquals(eval.result(node, again), 2)
  node:finish()
  suite.assert_no_words(node.process.stderr_text, "in the handler")
end

function TestRpc.test_the_second_reply_is_dropped()
  local node = eval.start(nil, "vortex.on('ask_ok', function() print 'in the handler' end)")
  local id, ask = asks(node, "return vortex.rpc('n2', { type = 'ask' }).n")
  node:answer(ask, { type = "ask_ok", n = 1 })
  node:answer(ask, { type = "ask_ok", n = 2 })
  lu.assertEquals(eval.result(node, id), 1)
  node:settle()
  node:finish()
  suite.assert_no_words(node.process.stderr_text, "in the handler")
end

-- Only who was asked can answer.
function TestRpc.test_the_source_counts()
  local node = eval.start()
  local id, ask = asks(node, "return vortex.rpc('n2', { type = 'ask' }).from")
  for _, src in ipairs { "n3", "c1", "lin-kv", "n1" } do
    node:send(src, { type = "ask_ok", from = src, in_reply_to = ask.body.msg_id })
  end
  node:settle()
  lu.assertEquals(node.inbox, {}, "the caller still waits")
  node:answer(ask, { type = "ask_ok", from = "n2" })
  lu.assertEquals(eval.result(node, id), "n2")
  node:finish()
end

function TestRpc.test_another_id_does_not_match()
  local node = eval.start()
  local id, ask = asks(node, "return vortex.rpc('n2', { type = 'ask' }).n")
  node:send("n2", { type = "ask_ok", n = 1, in_reply_to = json.number(ask.body.msg_id .. "5") })
  node:answer(ask, { type = "ask_ok", n = 2 })
  lu.assertEquals(eval.result(node, id), 2)
  node:finish()
end

function TestRpc.test_many_at_once_in_any_order()
  local node = eval.start()
  local id = eval.request(node, [[
    local sum, open = 0, 0
    for i = 1, 500 do
      open = open + 1
      vortex.spawn(function()
        local r = vortex.rpc(i % 2 == 0 and 'n2' or 'n3', { type = 'ask', i = i }, { timeout = 10 })
        assert(r.i == i)
        sum, open = sum + r.i, open - 1
      end)
    end
    while open > 0 do vortex.sleep(0.005) end
    return sum
  ]])
  local open = {}
  for i = 1, 500 do
    open[i] = node:expect(function(msg)
      return msg.body.type == "ask"
    end)
  end
  for i = 500, 1, -1 do
    node:answer(open[i], { type = "ask_ok", i = open[i].body.i })
  end
  lu.assertEquals(eval.result(node, id), 125250)
  node:finish()
end

-- The request of a peer and our own request to it use ids independently.
function TestRpc.test_requests_of_a_peer_with_the_same_id()
  local node = eval.start(nil, "vortex.on('their', function() return { n = 7 } end)")
  local id, ask = asks(node, "return vortex.rpc('n2', { type = 'ask' }).n")
  node:send("n2", { type = "their", msg_id = ask.body.msg_id })
  lu.assertEquals(node:expect(maelstrom.to("n2", "their_ok")).body.n, 7)
  node:answer(ask, { type = "ask_ok", n = 8 })
  lu.assertEquals(eval.result(node, id), 8)
  node:finish()
end

local TestRpcAll = suite.case "TestRpcAll"

local function asked(node, dest)
  return node:expect(maelstrom.to(dest, "ask"))
end

function TestRpcAll.test_all()
  local node = eval.start()
  local id = eval.request(node, [[
    local replies = vortex.rpc_all(vortex.peers, { type = 'ask' })
    return { replies.n2.n, replies.n3.n }
  ]])
  node:answer(asked(node, "n3"), { type = "ask_ok", n = 3 })
  node:answer(asked(node, "n2"), { type = "ask_ok", n = 2 })
  suite.assert_json(eval.result(node, id), "[2,3]")
  node:finish()
end

function TestRpcAll.test_it_returns_as_soon_as_enough_have_answered()
  local node = eval.start()
  local id = eval.request(node, [[
    local replies = vortex.rpc_all(vortex.peers, { type = 'ask' }, { need = 1, timeout = 30 })
    return { n2 = replies.n2 and replies.n2.n, n3 = replies.n3 and replies.n3.n }
  ]])
  asked(node, "n2")
  node:answer(asked(node, "n3"), { type = "ask_ok", n = 3 })
  suite.assert_json(eval.result(node, id, 2), '{"n3":3}')
  node:finish()
end

function TestRpcAll.test_it_fails_as_soon_as_it_cannot_succeed()
  local node = eval.start()
  local id = eval.request(node, [[
    local ok, err = pcall(vortex.rpc_all, vortex.peers, { type = 'ask' }, { need = 2, timeout = 30 })
    return { ok, err.code, err.definite, err.errors.n2.code }
  ]])
  asked(node, "n3")
  node:answer(asked(node, "n2"), { type = "error", code = 14, text = "no" })
  suite.assert_json(eval.result(node, id, 2), "[false,11,false,14]")
  node:finish()
end

function TestRpcAll.test_timeout_and_nobody()
  local node = eval.start()
  local id = eval.request(node, [[
    local ok, err = pcall(vortex.rpc_all, vortex.peers, { type = 'ask' }, { timeout = 0.05 })
    return { ok, err.code }
  ]])
  suite.assert_json(eval.result(node, id, 2), "[false,11]")
  lu.assertEquals(eval.run(node, "return next((vortex.rpc_all({}, { type = 'ask' }))) == nil"), true)
  node:finish()
end

local TestManualIds = suite.case "TestManualIds"

-- A reply to an id that rpc never issued goes to the handler of its type.
function TestManualIds.test_send_with_a_msg_id_of_its_own()
  local node = eval.start(nil, [[
    vortex.on("ask_ok", function(msg) print("answer to " .. msg.body.in_reply_to .. " from " .. msg.src) end)
  ]])
  eval.run(node, "vortex.send('n2', { type = 'ask', msg_id = 77 })")
  local ask = node:expect(maelstrom.to("n2", "ask"))
  lu.assertEquals(ask.body.msg_id, 77)
  node:answer(ask, { type = "ask_ok" })
  node.process:expect_stderr "answer to 77 from n2"
  node:finish()
end
