-- Ids that one node gives out for all. They are unique; but the challenge asks for a service that is totally
-- available, and a node that cannot reach the first one has no ids to give.
--
--   vortex-lua test -w unique-ids --node-count 3 --availability total --nemesis partition --seeds 10 \
--     tests/broken/unique_ids_central.lua
-- convicted of: availability:
local vortex = require "vortex"

local last = 0

vortex.on("next", function()
  last = last + 1
  return { id = last }
end)

vortex.on("generate", function()
  return { id = vortex.rpc(vortex.ids[1], { type = "next" }).id }
end)
