--- `--check`: holds every reply to a client against what the workload accepts, before it leaves. Maelstrom refuses a
--- wrong reply with little more than a stack trace, or stops listening to the node for good; this says what is wrong
--- with it.
local core = require "vortex.core"
local near = require "vortex.near"
local order = require "vortex.order"
local schema = require "vortex.schema"
local validate = require "vortex.validate"

local M = {}

-- Request types that one workload alone knows. `read`, without a key, may belong to four.
local DISTINCTIVE = {
  echo = "echo",
  generate = "unique-ids",
  topology = "broadcast",
  broadcast = "broadcast",
  send = "kafka",
  poll = "kafka",
  commit_offsets = "kafka",
  list_committed_offsets = "kafka",
  write = "lin-kv",
  cas = "lin-kv",
}

local function infer_txn(ops)
  for _, op in ipairs(type(ops) == "table" and ops or {}) do
    if type(op) == "table" and op[1] == "append" then
      return "txn-list-append"
    elseif type(op) == "table" and op[1] == "w" then
      return "txn-rw-register"
    end
  end
end

--- The workload that a request belongs to, if it tells.
---@param request_type string
---@param body table
---@return string? workload
function M.infer(request_type, body)
  if request_type == "add" then
    local counts = body.delta ~= nil and "g-counter" -- a pn-counter's replies look the same
    return body.element ~= nil and "g-set" or counts or nil
  elseif request_type == "txn" then
    return infer_txn(body.txn)
  elseif request_type == "read" then
    return body.key ~= nil and "lin-kv" or nil
  end
  return DISTINCTIVE[request_type]
end

local function unknown_workload(name)
  local all = {}
  for known in order.sorted_pairs(schema.workloads) do
    all[#all + 1] = known
  end
  return ("check: no workload %q; %s"):format(name, near.advice(name, all))
end

--- A function that says what is wrong with a reply, as `core.set_check` wants it.
---@param workload string "" = the one that the requests belong to, once one of them tells
---@return fun(request_type: string, request: table, reply: table): string?
function M.checker(workload)
  local schemas = schema.workloads[workload]
  if workload ~= "" and not schemas then
    error(unknown_workload(workload), 0)
  end
  return function(request_type, request, reply)
    if not schemas then
      local inferred = M.infer(request_type, request)
      if inferred then
        schemas = schema.workloads[inferred]
        core.log("info", ("check: this looks like the %s workload"):format(inferred))
      end
    end
    return validate.reply(schemas and schemas[request_type] or schema.common[request_type], reply)
  end
end

--- Checks all replies from now on.
---@param workload string
function M.install(workload)
  core.set_check(M.checker(workload))
end

return M
