--- The Raft group of a service in the form of `step`: entries go in by `network.raft:request`, and come to `step` as
--- events of kind "committed", on every node in the same order.
---
--- `step` handles such an event as the state machine that it is: what differs between replicas raises. Answers, and
--- further requests, are kept until it has ended.
local core = require "vortex.core"
local raft = require "vortex.raft"

local M = {}

---@class vortex.Network.Raft
---@field group vortex.Raft the group itself
---@field private network vortex.Network
local Requests = {}
Requests.__index = Requests

--- Has an entry committed. It comes to `step` as an event of kind "committed", on every node; or, on this one alone, as
--- one of kind "failed" with an error: definite (11), or not (0, it may be committed later all the same).
---@param entry any what JSON can say
function Requests:request(entry)
  self.network.later(entry, function(copy)
    core.spawn(function()
      local _, err = self.group:try_propose(copy)
      if err then
        self.network.deliver { kind = "failed", entry = copy, error = err }
      end
    end)
  end)
end

--- Whether this node leads, as far as it knows.
---@return boolean
function Requests:is_leader()
  return self.group:is_leader()
end

--- Who leads, as far as this node knows.
---@return string?
function Requests:leader()
  return self.group:leader()
end

-- What a state machine does to the outside happens when it has ended.
local function new_outbox()
  local outbox = { applying = false, waiting = {} }

  local function flush()
    local effects = outbox.waiting
    outbox.waiting = {}
    for _, effect in ipairs(effects) do
      local ok, err = xpcall(effect, debug.traceback)
      if not ok then
        core.log("error", "after a committed event: " .. tostring(err))
      end
    end
  end

  function outbox.later(value, fn)
    local text = core.encode(value) -- as it is now: the state goes on changing
    if not outbox.applying then
      fn(core.decode(text))
      return
    end
    if #outbox.waiting == 0 then
      core.defer(flush)
    end
    table.insert(outbox.waiting, function()
      fn(core.decode(text))
    end)
  end

  return outbox
end

local function no_snapshot()
  core.error("not-supported", "the service's `raft` has neither snapshot nor restore: the log is never shortened")
end

--- Opens the group of a service and puts it into the network.
---@param service vortex.Service
---@param network vortex.Network
---@param self any what `step` works on
function M.open(service, network, self)
  local options = {}
  for key, value in pairs(type(service.raft) == "table" and service.raft or {}) do -- order-free
    options[key] = value
  end
  local outbox = new_outbox()
  local ended = setmetatable({}, {
    __close = function()
      outbox.applying = false
    end,
  })

  function options.apply(_, entry, index)
    local guard <close> = ended -- luacheck: ignore guard
    outbox.applying = true
    service.step(self, { kind = "committed", entry = entry, index = index }, network)
  end

  local snapshot, restore = options.snapshot, options.restore
  options.snapshot = snapshot and function()
    return snapshot(self)
  end or no_snapshot
  options.restore = restore and function(kept)
    restore(self, kept)
    return self
  end or no_snapshot
  if (snapshot == nil) ~= (restore == nil) then
    error("a service's `raft`: snapshot and restore belong together: one is missing", 0)
  end
  network.later = outbox.later
  network.raft = setmetatable({ network = network, group = raft.new(options) }, Requests)
end

return M
