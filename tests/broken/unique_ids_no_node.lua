-- Ids from a counter alone: every node counts 1, 2, 3 …, so they all give the same ids. No fault is needed.
--
--   vortex-lua test -w unique-ids --node-count 3 --seeds 2 tests/broken/unique_ids_no_node.lua
-- convicted of: given out more than once
local vortex = require "vortex"

local last = 0

vortex.on("generate", function()
  last = last + 1
  return { id = last }
end)
