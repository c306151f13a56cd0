--- on_init, identity, and what is held back until the others can be expected to listen.
local lu = require "luaunit"
local uv = require "luv"

local maelstrom = require "support.maelstrom"
local process = require "support.process"
local suite = require "support.suite"

local INIT_CLIENT = "c-init-n1"

local function start(source, options)
  options = options or {}
  options.source = 'local vortex = require "vortex"\n' .. source
  options.ids = options.ids or { "n1", "n2", "n3" }
  return maelstrom.start(options)
end

local function request_init(node)
  return node:request({ type = "init", node_id = node.id, node_ids = node.ids }, { src = INIT_CLIENT })
end

local TestIdentity = suite.case "TestIdentity"

function TestIdentity.test_id_ids_and_peers()
  local node = start([[
    local before = vortex.id == nil
    vortex.on("who", function()
      return { id = vortex.id, ids = vortex.ids, peers = vortex.peers, before = before }
    end)
  ]], { id = "n2", ids = { "n3", "n1", "n2" } })
  local reply = node:call { type = "who" }
  suite.assert_json({ reply.id, reply.ids, reply.peers, reply.before }, '["n2",["n3","n1","n2"],["n3","n1"],true]')
  node:finish()
end

function TestIdentity.test_alone()
  local node = start('vortex.on("who", function() return { peers = vortex.peers } end)', { ids = { "n1" } })
  suite.assert_json(node:call({ type = "who" }).peers, "[]")
  node:finish()
end

local TestOnInit = suite.case "TestOnInit"

function TestOnInit.test_it_runs_before_init_ok()
  local node = start([[
    vortex.on_init(function() print("first " .. vortex.id .. " of " .. #vortex.ids) end)
    vortex.on_init(function() print "second" end)
  ]], { init = false })
  node:initialize()
  node:finish()
  suite.assert_words(node.process.stderr_text, "first n1 of 3", "second")
end

-- The node asks n2 during its init: init_ok leaves at that point, requests wait until the answer is there, the answer does not.
function TestOnInit.test_init_ok_leaves_at_its_first_yield_and_requests_wait()
  local node = start [[
    local value
    vortex.on_init(function()
      local reply = vortex.rpc("n2", { type = "state" }, { timeout = 10 })
      value = reply.value
      vortex.sleep(0.05)
    end)
    vortex.on("value", function() return { value = value } end)
  ]]
  local first = node:request { type = "value" }
  local ask = node:expect(maelstrom.to("n2", "state"))
  process.let_pass(0.05)
  lu.assertEquals(node.inbox, {})
  node:answer(ask, { type = "state_ok", value = 17 })
  lu.assertEquals(node:reply_to(first).value, 17)
  lu.assertEquals(node:call({ type = "value" }).value, 17)
  node:finish()
end

function TestOnInit.test_waiting_requests_are_handled_in_order()
  local node = start [[
    local order = {}
    vortex.on_init(function() vortex.sleep(0.1) end)
    vortex.on("enter", function(msg) order[#order + 1] = msg.body.n return { order = order } end)
  ]]
  local last
  for i = 1, 50 do
    last = node:request { type = "enter", n = i }
  end
  local order = node:reply_to(last).order
  for i = 1, 50 do
    lu.assertEquals(order[i], i)
  end
  node:finish()
  lu.assertEquals(node.judge:unanswered(), {})
end

for name, code in pairs {
  at_once = "error 'cannot start'",
  after_a_yield = "vortex.sleep(0.02) error 'cannot start'",
  deliberately = "vortex.error(11, 'cannot start')",
} do
  TestOnInit["test_an_error_ends_the_node_" .. name] = function()
    local node = start(("vortex.on_init(function() %s end)"):format(code), { init = false })
    request_init(node)
    node:ended(1)
    suite.assert_words(node.process.stderr_text, "cannot start", "traceback", ".lua:2:")
    for _, msg in ipairs(node.inbox) do
      local right = name == "after_a_yield" and "init_ok" or "error"
      lu.assertEquals(msg.body.type, right)
    end
  end
end

function TestOnInit.test_timers_made_earlier_start_when_it_has_ended()
  local node = start [[
    local started
    local fired = {}
    vortex.after(0.05, function() fired[1] = vortex.now() - started end)
    vortex.on_init(function()
      vortex.sleep(0.15)
      started = vortex.now()
    end)
    vortex.on("fired", function()
      while not fired[1] do vortex.sleep(0.005) end
      return { after = fired[1] }
    end)
  ]]
  local after = tonumber(require("support.json").encode(node:call({ type = "fired" }).after))
  lu.assertTrue(after >= 0.049 and after < 1, after)
  node:finish()
end

local TestHold = suite.case "TestHold"

-- What on_init and a spawned task send, to a peer and to a service.
local SENDING = [[
  vortex.on_init(function()
    vortex.send("n2", { type = "hello" })
    vortex.send("lin-kv", { type = "read", key = 1 })
    vortex.spawn(function() vortex.try_rpc("n3", { type = "hello" }, { timeout = 5 }) end)
  end)
  vortex.on("ping", function() return { pong = true } end)
]]

local function elapsed_s(from)
  return (uv.hrtime() - from) / 1e9
end

function TestHold.test_nothing_leaves_before_a_client_speaks()
  local node = start(SENDING)
  process.let_pass(0.2)
  lu.assertEquals(node.inbox, {})
  node:call({ type = "ping" }, { src = "c9" })
  node:expect(maelstrom.to("n2", "hello"), 0.5)
  node:expect(maelstrom.to("n3", "hello"), 0.5)
  node:expect(maelstrom.to("lin-kv", "read"), 0.5)
  node:finish()
end

function TestHold.test_a_peer_that_speaks_gets_its_own_at_once()
  local node = start(SENDING)
  local from = uv.hrtime()
  node:send("n2", { type = "anything" })
  node:expect(maelstrom.to("n2", "hello"), 0.5)
  lu.assertTrue(elapsed_s(from) < 0.5)
  lu.assertEquals(node.inbox, {}, "n3 and the service have not been heard from")
  node:finish()
end

function TestHold.test_replies_are_never_held()
  local node = start(SENDING)
  local from = uv.hrtime()
  lu.assertEquals(node:call({ type = "ping" }, { src = "n3" }).pong, true)
  lu.assertTrue(elapsed_s(from) < 0.5)
  node:finish()
end

function TestHold.test_at_most_one_second()
  local node = start(SENDING)
  local from = uv.hrtime()
  node:expect(maelstrom.to("n2", "hello"), 3)
  lu.assertTrue(elapsed_s(from) > 0.5, "held at all")
  lu.assertTrue(elapsed_s(from) < 1.8, "not for longer than a second")
  node:expect(maelstrom.to("n3", "hello"), 0.5)
  node:finish()
end

-- The init client has spoken, but that is not the sign that everybody is there.
function TestHold.test_a_second_init_is_no_sign()
  local node = start(SENDING)
  node:call({ type = "init", node_id = "n1", node_ids = node.ids }, { src = "c8" })
  process.let_pass(0.1)
  lu.assertEquals(node.inbox, {})
  node:finish()
end

-- The timeout of an rpc runs from when it leaves.
function TestHold.test_a_held_rpc_does_not_time_out_before_it_leaves()
  local node = start [[
    local result
    vortex.on_init(function()
      vortex.spawn(function()
        local reply, err = vortex.try_rpc("n2", { type = "hello" }, { timeout = 0.2 })
        result = reply and "answered" or tostring(err)
      end)
    end)
    vortex.on("result", function()
      while not result do vortex.sleep(0.005) end
      return { result = result }
    end)
  ]]
  process.let_pass(0.4)
  local id = node:request { type = "result" }
  node:answer(node:expect(maelstrom.to("n2", "hello"), 0.5), { type = "hello_ok" })
  lu.assertEquals(node:reply_to(id).result, "answered")
  node:finish()
end

function TestHold.test_the_order_is_kept()
  local node = start [[
    vortex.on_init(function()
      for i = 1, 100 do vortex.send(i % 2 == 0 and "n2" or "n3", { type = "numbered", n = i }) end
    end)
    vortex.on("ping", function()
      vortex.send("n2", { type = "numbered", n = 102 })
      return {}
    end)
  ]]
  node:call { type = "ping" }
  for _, dest in ipairs { "n2", "n3" } do
    local last = 0
    for _ = 1, 50 do
      local n = node:expect(maelstrom.to(dest)).body.n
      lu.assertTrue(n > last)
      last = n
    end
  end
  node:finish()
end
