--- The other model: a script that returns a service of two functions, `create` and `step`, through which every event goes.
local lu = require "luaunit"

local json = require "support.json"
local maelstrom = require "support.maelstrom"
local suite = require "support.suite"

local SERVICE = [[
local vortex = require "vortex"
local Service = {}

function Service.create(network)
  local self = { id = network.id, ids = network.ids, count = 0, signals = 0, waiting = {} }
  network:every(0.02, "tick", { n = 5 })
  return self
end

function Service.step(self, event, network)
  if event.kind == "eof" then
    vortex.log.info("eof after " .. self.count)
  elseif event.kind == "signal" then
    if event.name == "tick" and event.payload.n == 5 then self.signals = self.signals + 1 end
  elseif event.type == "count" then
    self.count = self.count + 1
    network:reply(event, { type = "count_ok", count = self.count, id = self.id, ids = self.ids, src = event.src })
  elseif event.type == "signals" then
    network:reply(event, { type = "signals_ok", signals = self.signals })
  elseif event.type == "relay" then
    local id = network:next_id()
    self.waiting[id] = event
    network:send("n2", { type = "ask", msg_id = id, value = event.body.value })
  elseif event.type == "ask_ok" then
    local request = self.waiting[event.body.in_reply_to]
    network:reply(request, { type = "relay_ok", value = event.body.value })
  elseif event.type == "fail" then
    error "in the step"
  elseif event.type == "refuse" then
    vortex.error(11, "not now")
  end
end

return Service
]]

local TestStep = suite.case "TestStep"

local function start()
  return maelstrom.start { source = SERVICE, ids = { "n1", "n2" } }
end

function TestStep.test_messages()
  local node = start()
  suite.assert_json(node:call { type = "count" },
    '{"type":"count_ok","count":1,"id":"n1","ids":["n1","n2"],"src":"c1","in_reply_to":1}')
  lu.assertEquals(node:call({ type = "count" }, { src = "n2" }).count, 2)
  node:finish()
  suite.assert_words(node.process.stderr_text, "eof after 2")
end

function TestStep.test_signals()
  local node = start()
  node.process:wait_until(function()
    return node:call({ type = "signals" }).signals >= 3
  end)
  node:finish()
end

function TestStep.test_a_reply_is_an_event_and_a_request_can_be_answered_later()
  local node = start()
  local first = node:request { type = "relay", value = 1 }
  local second = node:request { type = "relay", value = 2 }
  local a, b = node:expect(maelstrom.to("n2", "ask")), node:expect(maelstrom.to("n2", "ask"))
  lu.assertTrue(json.is_integer(a.body.msg_id))
  lu.assertNotEquals(a.body.msg_id, b.body.msg_id)
  node:answer(b, { type = "ask_ok", value = b.body.value * 10 })
  node:answer(a, { type = "ask_ok", value = a.body.value * 10 })
  lu.assertEquals(node:reply_to(second).value, 20)
  lu.assertEquals(node:reply_to(first).value, 10)
  node:finish()
end

function TestStep.test_errors()
  local node = start()
  suite.assert_error(node:call { type = "fail" }, 13)
  suite.assert_error(node:call { type = "refuse" }, 11)
  lu.assertEquals(node:call({ type = "count" }).count, 1)
  node:finish()
  suite.assert_words(node.process.stderr_text, "in the step", "traceback")
end

function TestStep.test_an_error_in_create_ends_the_node()
  local node = maelstrom.start { source = [[
    return { create = function() error "cannot create" end, step = function() end }
  ]], init = false }
  node:request({ type = "init", node_id = "n1", node_ids = { "n1" } }, { src = "c9" })
  node:ended(1)
  suite.assert_words(node.process.stderr_text, "cannot create", "traceback")
end
