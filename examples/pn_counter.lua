#!/usr/bin/env vortex-lua
-- A counter that goes up and down: its replicas keep apart what was added and what was taken away, two numbers that
-- only grow, so that merging stays a matter of taking the larger one. Totally available; all nodes end up with the
-- same value as soon as they can talk.
--
--   maelstrom test -w pn-counter --bin ./examples/pn_counter.lua --node-count 3 --rate 100 --time-limit 20 \
--     --nemesis partition
--   vortex-lua test --nemesis partition,partition-oneway,loss,duplicate,pause,slow,clock \
--     --seeds 100 examples/pn_counter.lua
local vortex = require "vortex"

local counter = vortex.crdt.pn_counter.new()

vortex.on("add", function(msg)
  counter:add(msg.body.delta) -- may be negative
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
