#!/usr/bin/env vortex-lua
-- Challenge 2: ids that are unique across the cluster, without a word between the nodes: totally available.
--
--   maelstrom test -w unique-ids --bin ./examples/unique_ids.lua --time-limit 30 --rate 1000 --node-count 3
--     --availability total --nemesis partition
local vortex = require "vortex"

vortex.on("generate", function()
  return { id = vortex.unique_id() }
end)
