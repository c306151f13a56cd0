-- Ids from the node's name and a counter: n0-1, n0-2 … They are unique until a node is killed: its next life counts
-- from 1 again.
--
--   vortex-lua test -w unique-ids --node-count 3 --nemesis kill --seeds 10 tests/broken/unique_ids_restart.lua
-- convicted of: given out more than once
local vortex = require "vortex"

local last = 0

vortex.on("generate", function()
  last = last + 1
  return { id = ("%s-%d"):format(vortex.id, last) }
end)
