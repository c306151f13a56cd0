--- The vortex module: a node of a distributed system, as a script sees it.
---
---   local vortex = require "vortex"
---
---   vortex.on("echo", function(msg)
---     return { echo = msg.body.echo }
---   end)
local core = require "vortex.core"
local order = require "vortex.order"

-- A function of a module that is loaded when it is first called: few scripts use much of the library, and a simulated
-- cluster has it in memory once per node. The call is a tail call, so that errors name the script's line as ever.
---@param module string
---@param field string
---@return function
local function later(module, field)
  local fn
  return function(...)
    fn = fn or require(module)[field]
    return fn(...)
  end
end

---@param module string
---@param fields string[]
---@return table<string, function>
local function all_later(module, fields)
  local functions = {}
  for _, field in ipairs(fields) do
    functions[field] = later(module, field)
  end
  return functions
end

---@class vortex
---@field id string this node; known from init on
---@field ids string[] all nodes, in the order that all nodes were given; known from init on
---@field peers string[] all nodes but this one; known from init on
---@field rpc_all fun(dests: string[], body: vortex.Body, opts?: vortex.RpcAllOptions): table, table
---@field try_rpc_all fun(dests: string[], body: vortex.Body, opts?: vortex.RpcAllOptions): table?, table
---@field mutex fun(): vortex.Mutex
---@field kv fun(service: "lin-kv"|"seq-kv"|"lww-kv"): vortex.Kv
---@field tso fun(opts?: vortex.RpcOptions): integer
---@field try_tso fun(opts?: vortex.RpcOptions): integer?, vortex.Error?
---@field raft fun(options: vortex.Raft.Options): vortex.Raft
---@field set fun(elements?: vortex.Scalar[]|vortex.Set): vortex.Set
---@field topology vortex.topology
---@field log vortex.log
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
  rpc_all = later("vortex.quorum", "rpc_all"),
  try_rpc_all = later("vortex.quorum", "try_rpc_all"),
  error = core.error,

  -- tasks and time
  spawn = core.spawn,
  sleep = core.sleep,
  after = core.after,
  every = core.every,
  now = core.now,
  mutex = later("vortex.mutex", "new"),

  -- replicated state machines
  raft = later("vortex.raft", "new"),

  -- services
  kv = later("vortex.kv", "new"),
  tso = later("vortex.tso", "tso"),
  try_tso = later("vortex.tso", "try_tso"),

  -- values
  array = core.array,
  object = core.object,
  null = core.null,
  json = { encode = core.encode, decode = core.decode },

  -- what distributed programs keep needing
  set = later("vortex.set", "new"),
  crdt = require "vortex.crdt",
  topology = all_later("vortex.topology", { "line", "ring", "grid", "tree", "star", "full", "sqrt" }),
  unique_id = require "vortex.unique_id",
  sorted_pairs = order.sorted_pairs,
  log = all_later("vortex.log", { "debug", "info", "warn", "error" }),
}

core.set_module(M)
if core.check then
  require("vortex.replies").install(core.check)
end

return M
