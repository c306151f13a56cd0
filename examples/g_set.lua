#!/usr/bin/env vortex-lua
-- A grow-only set: every node sends its whole set to every other one now and then; merging is a union, so order and repetition do not matter.
--
--   maelstrom test -w g-set --bin ./examples/g_set.lua --node-count 3 --time-limit 20 --rate 10 --nemesis partition
local vortex = require "vortex"

local elements = vortex.set()

vortex.on("add", function(msg)
  elements:add(msg.body.element)
  return {}
end)

vortex.on("read", function()
  return { value = elements:array() }
end)

vortex.on("merge", function(msg)
  elements:add_all(msg.body.elements)
end)

vortex.every(1, function()
  vortex.broadcast { type = "merge", elements = elements:array() }
end)
