local lu = require "luaunit"
local new_world = require("support.world").new

local T = {}

-- Starts a service on a stub of the node that is as far as `init`. Returns what the node would call.
local function start(service)
  local world = new_world()
  local core, hooks = world.core, { timers = {}, sent = {} }
  function core.set_module(module)
    module.id, module.ids, module.peers = "n1", { "n1", "n2" }, { "n2" }
  end
  function core.on_init(fn)
    hooks.init = fn
  end
  function core.on_default(fn)
    hooks.message = fn
  end
  function core.on_exit(fn)
    hooks.exit = fn
  end
  function core.every(seconds, fn)
    table.insert(hooks.timers, { seconds = seconds, fn = fn })
    return "timer"
  end
  function core.send(dest, body)
    table.insert(hooks.sent, { dest, body })
  end
  local step = world:require "vortex.step"
  local vortex = world:require "vortex"
  package.loaded.vortex, hooks.saved = vortex, package.loaded.vortex
  step.start(service)
  return hooks
end

local function finish(hooks)
  package.loaded.vortex = hooks.saved
end

local function message(fields)
  local msg = { src = "c1", dest = "n1", type = fields.type, body = fields, replies = {} }
  function msg:reply(body)
    table.insert(self.replies, body)
  end
  return msg
end

function T.test_every_event_goes_through_step()
  local events, seen_network = {}, nil
  local hooks = start {
    create = function(network)
      seen_network = { network.id, network.ids, network.peers }
      network:every(0.5, "gossip", { round = 1 })
      return { n = 0 }
    end,
    step = function(self, event, network)
      self.n = self.n + 1
      events[self.n] = event
      if event.type == "echo" then
        network:reply(event, { type = "echo_ok", echo = event.body.echo })
      elseif event.kind == "signal" then
        network:send("n2", { type = "hello", msg_id = network:next_id() })
      end
    end,
  }
  hooks.init()
  local msg = message { type = "echo", echo = "hi", msg_id = 1 }
  lu.assertNil(hooks.message(msg))
  hooks.timers[1].fn()
  hooks.exit()
  finish(hooks)

  lu.assertEquals(seen_network, { "n1", { "n1", "n2" }, { "n2" } })
  lu.assertEquals(hooks.timers[1].seconds, 0.5)
  lu.assertEquals(msg.replies, { { type = "echo_ok", echo = "hi" } })
  lu.assertEquals(events[1], { kind = "message", src = "c1", dest = "n1", type = "echo", body = msg.body, msg = msg })
  lu.assertEquals(events[2], { kind = "signal", name = "gossip", payload = { round = 1 } })
  lu.assertEquals(events[3], { kind = "eof" })
  lu.assertEquals(hooks.sent[1][1], "n2")
end

function T.test_an_event_may_be_answered_later()
  local waiting
  local hooks = start {
    step = function(_, event, network)
      if event.kind == "message" then
        waiting = event
      else
        network:reply(waiting, { type = "read_ok" })
        lu.assertErrorMsgContains("only a message can be answered", network.reply, network, event, {})
      end
    end,
  }
  hooks.init()
  local msg = message { type = "read", msg_id = 1 }
  hooks.message(msg)
  lu.assertEquals(msg.replies, {})
  hooks.exit()
  finish(hooks)
  lu.assertEquals(msg.replies, { { type = "read_ok" } })
end

function T.test_ids_are_fresh_exact_in_a_double_and_above_the_nodes_own()
  local ids = {}
  for _ = 1, 3 do -- lives of the node
    local network
    local hooks = start {
      create = function(given)
        network = given
      end,
      step = function() end,
    }
    hooks.init()
    finish(hooks)
    for _ = 1, 100 do
      local id = network:next_id()
      lu.assertNil(ids[id])
      ids[id] = true
      lu.assertTrue(id >= 1 << 52 and id < 1 << 53, id)
    end
  end
end

function T.test_a_service_is_a_table_with_step()
  local step = new_world():require "vortex.step"
  lu.assertErrorMsgContains("a function `step`", step.start, {})
  lu.assertErrorMsgContains("a function `step`", step.start, 7)
  lu.assertErrorMsgContains("`create` is a function", step.start, { step = print, create = 1 })
end

return T
