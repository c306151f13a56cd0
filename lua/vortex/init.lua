--- The vortex module: a node of a distributed system, as a script sees it.
---
---   local vortex = require "vortex"
---
---   vortex.on("echo", function(msg)
---     return { echo = msg.body.echo }
---   end)
local core = require "vortex.core"
local kv = require "vortex.kv"
local mutex = require "vortex.mutex"
local order = require "vortex.order"
local quorum = require "vortex.quorum"
local set = require "vortex.set"
local tso = require "vortex.tso"

---@class vortex
---@field id string this node; known from init on
---@field ids string[] all nodes, in the order that all nodes were given; known from init on
---@field peers string[] all nodes but this one; known from init on
local M = {
  -- handlers and hooks
  on = core.on,
  on_init = core.on_init,
  on_exit = core.on_exit,

  -- messages
  send = core.send,
  broadcast = core.broadcast,
  rpc = core.rpc,
  try_rpc = core.try_rpc,
  rpc_all = quorum.rpc_all,
  try_rpc_all = quorum.try_rpc_all,
  error = core.error,

  -- tasks and time
  spawn = core.spawn,
  sleep = core.sleep,
  after = core.after,
  every = core.every,
  now = core.now,
  mutex = mutex.new,

  -- services
  kv = kv.new,
  tso = tso.tso,
  try_tso = tso.try_tso,

  -- values
  array = core.array,
  object = core.object,
  null = core.null,
  json = { encode = core.encode, decode = core.decode },

  -- what distributed programs keep needing
  set = set.new,
  crdt = require "vortex.crdt",
  topology = require "vortex.topology",
  unique_id = require "vortex.unique_id",
  sorted_pairs = order.sorted_pairs,
  log = require "vortex.log",
}

core.set_module(M)
if core.check then
  require("vortex.replies").install(core.check)
end

return M
