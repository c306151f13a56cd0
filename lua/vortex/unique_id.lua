--- Ids that no other node, and no earlier life of this one, has given or will give.
local core = require "vortex.core"

local prefix
local count = 0

--- A fresh id: the node's id, the random mark of this life of the node, and a counter, as in "n1-5f0c93ab27d4-42".
--- Raises before the node has its own id (call it from on_init or later).
---@return string
local function unique_id()
  if not prefix then
    local id = require("vortex").id or error("unique_id: the node has no id before init", 2)
    prefix = ("%s-%012x-"):format(id, core.random() & 0xffffffffffff)
  end
  count = count + 1
  return prefix .. count
end

return unique_id
