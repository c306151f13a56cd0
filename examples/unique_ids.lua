#!/usr/bin/env vortex-lua
-- Challenge 2, unique ids: made of the node's id, a random mark of this start of the node, and a counter. No node
-- asks another one, so the service is totally available.
--
--   maelstrom test -w unique-ids --bin ./examples/unique_ids.lua --time-limit 30 --rate 1000 --node-count 3 \
--     --availability total --nemesis partition
--   vortex-lua test --availability total --nemesis partition,partition-oneway,loss,duplicate,slow,clock \
--     --seeds 100 examples/unique_ids.lua
--   vortex-lua test --nemesis kill,pause,partition,loss,duplicate,clock --seeds 100 examples/unique_ids.lua
local vortex = require "vortex"

vortex.on("generate", function()
  return { id = vortex.unique_id() }
end)
