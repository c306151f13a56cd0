--- One request to many nodes, and as many answers as it takes.
local core = require "vortex.core"

local M = {}

local UNAVAILABLE = 11

---@class vortex.RpcAllOptions: vortex.RpcOptions
---@field need? integer how many replies are enough; default: all

local function check_arguments(dests, need)
  if type(dests) ~= "table" then
    error(("rpc_all: a list of node ids expected, not a %s"):format(type(dests)), 3)
  end
  local seen = {}
  for i = 1, #dests do
    local dest = dests[i]
    if type(dest) ~= "string" then
      error(("rpc_all: destination %d is a %s, not a node id"):format(i, type(dest)), 3)
    elseif seen[dest] then
      error(("rpc_all: %s is named twice"):format(dest), 3)
    end
    seen[dest] = true
  end
  if math.type(need) ~= "integer" or need < 0 or need > #dests then
    error(("rpc_all: need is %s of %d destinations"):format(tostring(need), #dests), 3)
  end
end

local function out_of_reach(dests, need, replies, errors)
  local answered, failures = 0, {}
  for _, dest in ipairs(dests) do
    if replies[dest] then
      answered = answered + 1
    elseif errors[dest] then
      failures[#failures + 1] = dest .. ": " .. tostring(errors[dest])
    end
  end
  local outcome = ("rpc_all: %d of %d answered, %d needed"):format(answered, #dests, need)
  local text = outcome .. "; " .. table.concat(failures, "; ")
  -- Some may have done what they were asked, so nothing is certain.
  return core.error_new(UNAVAILABLE, text, { remote = true, definite = false, replies = replies, errors = errors })
end

---@param dests string[]
---@param body vortex.Body
---@param opts? vortex.RpcAllOptions
---@return table<string, vortex.Body>? replies
---@return table<string, vortex.Error>|vortex.Error errors by node; if there are no replies, the one error that says so
function M.try_rpc_all(dests, body, opts)
  local need = opts and opts.need or type(dests) == "table" and #dests or 0
  check_arguments(dests, need)
  local replies, errors = {}, {}
  local missing, spare = need, #dests - need
  core.check_wait "rpc_all"
  local caller, settled, waiting = core.task(), need == 0, false
  local mistake -- a request that could not even be sent: the caller's, so it is raised there

  local function ask(dest)
    local sent, reply, err = pcall(core.try_rpc, dest, body, opts and { timeout = opts.timeout })
    if not sent and settled then
      core.log("error", ("rpc_all: %s"):format(reply)) -- the caller has gone on already
      return
    elseif not sent then
      mistake, settled = mistake or reply, true
      if waiting then
        core.unpark(caller, true)
      end
      return
    end
    if settled then
      return -- the caller has its answer: what it was given must not change under it
    elseif reply then
      replies[dest], missing = reply, missing - 1
    else
      errors[dest], spare = err, spare - 1
    end
    settled = missing == 0 or spare < 0
    if settled and waiting then
      core.unpark(caller, true)
    end
  end

  for _, dest in ipairs(dests) do
    core.spawn(ask, dest)
  end
  if not settled then
    waiting = true
    local ok, err = core.park()
    waiting = false
    if not ok then
      settled = true
      return nil, err
    end
  end
  if mistake then
    error("rpc_all: " .. tostring(mistake):gsub("^try_rpc: ", ""), 0)
  end
  if missing > 0 then
    return nil, out_of_reach(dests, need, replies, errors)
  end
  return replies, errors
end

--- Sends a request to every destination and returns, as soon as `need` of them have answered, the replies by node id,
--- and the errors that came before. Raises (11, but not definite: some may have done it) as soon as so many failed that
--- `need` cannot be reached; the error's `replies` and `errors` tell them apart.
---@param dests string[]
---@param body vortex.Body
---@param opts? vortex.RpcAllOptions
---@return table<string, vortex.Body> replies
---@return table<string, vortex.Error> errors
function M.rpc_all(dests, body, opts)
  local replies, errors = M.try_rpc_all(dests, body, opts)
  if not replies then
    error(errors, 0)
  end
  return replies, errors --[[@as table<string, vortex.Error>]]
end

return M
