#!/usr/bin/env vortex-lua
-- Challenge 4: a grow-only counter on the sequential store. Every node keeps its own sum under its own key, so nobody overwrites anybody.
-- seq-kv may serve old states; writing a value that was never written before moves a client to the newest one, so that is done before a read.
--
--   maelstrom test -w g-counter --bin ./examples/g_counter.lua --node-count 3 --rate 100 --time-limit 20 --nemesis partition
local vortex = require "vortex"

local kv = vortex.kv("seq-kv")
local mine = 0 -- only this node writes its key, so it knows the value
local lock = vortex.mutex()

vortex.on("add", function(msg)
  lock:with(function()
    local sum = mine + msg.body.delta
    kv:write(vortex.id, sum)
    mine = sum
  end)
  return {}
end)

vortex.on("read", function()
  kv:write("barrier-" .. vortex.id, vortex.unique_id())
  local sum = 0
  for _, id in ipairs(vortex.ids) do
    sum = sum + kv:read(id, 0)
  end
  return { value = sum }
end)
