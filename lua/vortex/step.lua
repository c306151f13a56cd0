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
---
--- With `raft = true`, or options of vortex.raft, `network.raft:request(entry)` has an entry committed, and every node gets
--- it as an event of kind "committed", all of them in the same order.
local core = require "vortex.core"

local M = {}

---@class vortex.Service
---@field create? fun(network: vortex.Network): any makes the state, once the cluster is known
---@field step fun(self: any, event: vortex.Event, network: vortex.Network)
---@field raft? true|vortex.Service.Raft the service has a Raft group

--- The options of a service's Raft group: those of vortex.raft, but for `apply` and `init`.
---@class vortex.Service.Raft
---@field snapshot? fun(self: any): any what to keep of the state; without it the log is never shortened
---@field restore? fun(self: any, kept: any) brings back what snapshot gave
---@field [string] any

--- What happened: a message arrived, a signal that the service asked for is due, an entry is committed, an entry that
--- this node has requested is not, or perhaps not; the input has ended.
---@class vortex.Event
---@field kind "message"|"signal"|"committed"|"failed"|"eof"
---@field src? string of a message
---@field dest? string of a message
---@field type? string of a message
---@field body? vortex.Body of a message
---@field msg? vortex.Message of a message
---@field name? string of a signal
---@field payload? any of a signal
---@field entry? any that is committed, or failed
---@field index? integer of an entry that is committed: its place in the log
---@field error? vortex.Error of an entry that failed

---@class vortex.Network
---@field id string this node
---@field ids string[] all nodes
---@field peers string[] all nodes but this one
---@field raft vortex.Network.Raft if the service has it
---@field private deliver fun(event: vortex.Event)
---@field private later fun(value: any, fn: fun(value: any)) calls fn, with a copy, once no state machine runs any more
---@field private last_id integer
local Network = {}

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
  self.later(body, function(copy)
    event.msg:reply(copy)
  end)
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

function Network.__index(_, key)
  if key == "raft" then
    error("network.raft: there is no Raft group: the service has no `raft = true`, or `create` has not returned yet", 2)
  end
  return Network[key]
end

local function check_service(service)
  if type(service) ~= "table" or type(service.step) ~= "function" then
    error("a service is a table with a function `step`", 0)
  elseif service.create ~= nil and type(service.create) ~= "function" then
    error("a service's `create` is a function", 0)
  elseif service.raft ~= nil and type(service.raft) ~= "table" and type(service.raft) ~= "boolean" then
    error("a service's `raft` is true, or a table of options", 0)
  elseif type(service.raft) == "table" and (service.raft.apply or service.raft.init) then
    error("a service's `raft` has neither `apply` nor `init`: that is what `step` and `create` are for", 0)
  end
end

--- Runs a service. Called with what the script returned.
---@param service vortex.Service
function M.start(service)
  check_service(service)
  local network = setmetatable({ last_id = first_id() }, Network)
  local state

  function network.later(value, fn)
    fn(value)
  end

  function network.deliver(event)
    service.step(state, event, network)
  end

  core.on_init(function()
    local vortex = require "vortex"
    network.id, network.ids, network.peers = vortex.id, vortex.ids, vortex.peers
    state = service.create and service.create(network) or {}
    if service.raft then
      require("vortex.step_raft").open(service, network, state)
    end
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
