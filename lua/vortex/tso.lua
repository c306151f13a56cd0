--- The timestamp oracle that Maelstrom offers beside the nodes ("lin-tso"): integers from 0 up, each larger than all
--- before it.
local core = require "vortex.core"

local M = {}

---@param opts? vortex.RpcOptions
---@return integer? ts
---@return vortex.Error? err
function M.try_tso(opts)
  local reply, err = core.try_rpc("lin-tso", { type = "ts" }, opts)
  if reply then
    return reply.ts
  end
  err.remote = true
  return nil, err
end

--- A fresh timestamp.
---@param opts? vortex.RpcOptions
---@return integer ts
function M.tso(opts)
  local ts, err = M.try_tso(opts)
  return ts or error(err, 0)
end

return M
