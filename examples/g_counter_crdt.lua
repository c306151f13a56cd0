#!/usr/bin/env vortex-lua
-- Challenge 4 without a store: a replica of the counter remembers how much each node has added, and merging takes the
-- larger number of each. Totally available; all nodes end up with the same value as soon as they can talk.
--
--   maelstrom test -w g-counter --bin ./examples/g_counter_crdt.lua --node-count 3 --rate 100 --time-limit 20 \
--     --nemesis partition
--   vortex-lua test --nemesis partition,partition-oneway,loss,duplicate,pause,slow,clock \
--     --seeds 100 examples/g_counter_crdt.lua
local vortex = require "vortex"

local counter = vortex.crdt.g_counter.new()

vortex.on("add", function(msg)
  counter:add(msg.body.delta)
  return {}
end)

vortex.on("read", function()
  return { value = counter:value() }
end)

vortex.on("merge", function(msg)
  counter:merge(msg.body.replica)
end)

vortex.every(0.5, function()
  vortex.broadcast { type = "merge", replica = counter:to_json() }
end)
