--- Replicated data types: every node changes its own replica at once and merges those of others whenever it hears of
--- them. Replicas that have heard of the same changes are equal, in whatever order and however often they were merged.
---
---   local counter = vortex.crdt.g_counter.new()
---   counter:add(3)
---   vortex.broadcast { type = "gossip", counter = counter:to_json() }
---   counter:merge(msg.body.counter)
---
--- `new(actor)` may be given the name under which a replica's changes are known. It must be unique to the replica, also
--- after a restart that lost its state, so the default is a `vortex.unique_id()`, drawn at the first change.
---@class vortex.Crdt
---@field g_set vortex.crdt.g_set
---@field g_counter vortex.crdt.g_counter
---@field pn_counter vortex.crdt.pn_counter
---@field or_set vortex.crdt.or_set
---@field lww_register vortex.crdt.lww_register
local M = {}

local TYPES = { g_set = true, g_counter = true, pn_counter = true, or_set = true, lww_register = true }

-- Loaded when first used: most scripts use none, and a node starts in milliseconds.
return setmetatable(M, {
  __index = function(_, name)
    if TYPES[name] then
      M[name] = require("vortex.crdt." .. name)
      return M[name]
    end
  end,
})
