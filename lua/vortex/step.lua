--- Services in the form of two functions instead of handlers: the script returns a table, and every event goes through
--- its `step`.
---
---   return {
---     create = function(network) return { seen = vortex.set() } end,
---     step = function(self, event, network)
---       if event.kind == "message" and event.type == "echo" then
---         network:reply(event, { type = "echo_ok", echo = event.body.echo })
---       end
---     end,
---   }
local core = require "vortex.core"

local M = {}

---@class vortex.Service
---@field create? fun(network: vortex.Network): any makes the state, once the cluster is known
---@field step fun(self: any, event: vortex.Event, network: vortex.Network)

--- What happened: a message arrived, a signal that the service asked for is due, the input has ended.
---@class vortex.Event
---@field kind "message"|"signal"|"eof"
---@field src? string of a message
---@field dest? string of a message
---@field type? string of a message
---@field body? vortex.Body of a message
---@field msg? vortex.Message of a message
---@field name? string of a signal
---@field payload? any of a signal

---@class vortex.Network
---@field id string this node
---@field ids string[] all nodes
---@field peers string[] all nodes but this one
---@field private deliver fun(event: vortex.Event)
---@field private last_id integer
local Network = {}
Network.__index = Network

--- Sends a message. To be answered, give it `msg_id = network:next_id()`: the answer arrives as an event whose body has
--- that in_reply_to.
---@param dest string
---@param body vortex.Body
function Network:send(dest, body)
  core.send(dest, body)
end

--- Answers the message of an event, now or later.
---@param event vortex.Event
---@param body vortex.Body
function Network:reply(event, body)
  if not event.msg then
    error("network: only a message can be answered", 2)
  end
  event.msg:reply(body)
end

--- Delivers an event of kind "signal" every so many seconds, the first after that time.
---@param seconds number
---@param name string the event's name
---@param payload? any the event's payload
---@return vortex.Timer
function Network:every(seconds, name, payload)
  return core.every(seconds, function()
    self.deliver { kind = "signal", name = name, payload = payload }
  end)
end

--- A fresh id for a message of this node.
---@return integer
function Network:next_id()
  self.last_id = self.last_id + 1
  return self.last_id
end

-- Far above the ids of the node's own RPCs, far from those of an earlier life of this node, and exact in a double.
local function first_id()
  return (1 << 52) + ((core.random() & 0x7fffffff) << 20)
end

local function check_service(service)
  if type(service) ~= "table" or type(service.step) ~= "function" then
    error("a service is a table with a function `step`", 0)
  elseif service.create ~= nil and type(service.create) ~= "function" then
    error("a service's `create` is a function", 0)
  end
end

--- Runs a service. Called with what the script returned.
---@param service vortex.Service
function M.start(service)
  check_service(service)
  local network = setmetatable({ last_id = first_id() }, Network)
  local state

  function network.deliver(event)
    service.step(state, event, network)
  end

  core.on_init(function()
    local vortex = require "vortex"
    network.id, network.ids, network.peers = vortex.id, vortex.ids, vortex.peers
    state = service.create and service.create(network) or {}
  end)

  core.on_default(function(msg)
    network.deliver { kind = "message", src = msg.src, dest = msg.dest, type = msg.type, body = msg.body, msg = msg }
  end)

  core.on_exit(function()
    if state ~= nil then -- else init has not come, or create has failed
      network.deliver { kind = "eof" }
    end
  end)
end

return M
