#!/usr/bin/env vortex-lua
-- Challenge 4, a counter in the sequential store: each node counts under a key of its own, so nobody gets in another
-- one's way, and the value is the sum. seq-kv may show a client an old state, and moves it on to the newest one when
-- it changes something; so a read first writes a value that was never written before. It then sees every addition
-- that was acknowledged before it began.
--
--   maelstrom test -w g-counter --bin ./examples/g_counter.lua --node-count 3 --rate 100 --time-limit 20 \
--     --nemesis partition
--   vortex-lua test --nemesis kill,partition,partition-oneway,loss,duplicate,pause,slow,clock \
--     --seeds 100 examples/g_counter.lua
local vortex = require "vortex"

local kv = vortex.kv "seq-kv"

vortex.on("add", function(msg)
  kv:update(vortex.id, 0, function(count)
    return count + msg.body.delta
  end)
  return {}
end)

vortex.on("read", function()
  kv:write("barrier of " .. vortex.id, vortex.unique_id())
  local sum = 0
  for _, id in ipairs(vortex.ids) do
    sum = sum + kv:read(id, 0)
  end
  return { value = sum }
end)
