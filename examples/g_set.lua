#!/usr/bin/env vortex-lua
-- A set that grows: each node adds to its own replica at once and keeps sending that replica to all. Merging is a
-- union, so replicas may be lost, repeated or late, and all nodes end up with the same set as soon as they can talk.
-- Totally available.
--
--   maelstrom test -w g-set --bin ./examples/g_set.lua --node-count 3 --time-limit 20 --rate 10 --nemesis partition
--   vortex-lua test --nemesis partition,partition-oneway,loss,duplicate,pause,slow,clock --seeds 100 examples/g_set.lua
local vortex = require "vortex"

local elements = vortex.crdt.g_set.new()

vortex.on("add", function(msg)
  elements:add(msg.body.element)
  return {}
end)

vortex.on("read", function()
  return { value = elements:value() }
end)

vortex.on("merge", function(msg)
  elements:merge(msg.body.replica)
end)

vortex.every(0.5, function()
  vortex.broadcast { type = "merge", replica = elements:to_json() }
end)
