#!/usr/bin/env vortex-lua
-- A counter that goes up and down, without any store: a CRDT that the nodes send each other and merge.
--
--   maelstrom test -w pn-counter --bin ./examples/pn_counter.lua --node-count 3 --rate 100 --time-limit 20 --nemesis partition
local vortex = require "vortex"

local counter

vortex.on_init(function()
  counter = vortex.crdt.pn_counter.new(vortex.id)
end)

vortex.on("add", function(msg)
  counter:add(msg.body.delta)
  return {}
end)

vortex.on("read", function()
  return { value = counter:value() }
end)

vortex.on("merge", function(msg)
  counter:merge(msg.body.counter)
end)

vortex.every(0.5, function()
  vortex.broadcast { type = "merge", counter = counter:to_json() }
end)
