#!/usr/bin/env vortex-lua
-- Challenge 3d, fast broadcast: the node that is given a message sends it straight to everybody. That is one hop, and 24
-- messages per broadcast among 25 nodes, since nobody acknowledges anything. What a partition swallowed is found by
-- anti-entropy: now and then each node compares its messages with those of a random peer, and whichever of the two
-- learns of a message in that way sends it to everybody again. So nothing is lost, and a partition is repaired within
-- one period after its end.
--
--   maelstrom test -w broadcast --bin ./examples/broadcast_fast.lua --node-count 25 --time-limit 20 --rate 100 \
--     --latency 100
--   vortex-lua test --nemesis partition,partition-oneway,loss,duplicate,pause,slow,clock \
--     --seeds 100 examples/broadcast_fast.lua
local vortex = require "vortex"

local SYNC_PERIOD = 3 -- seconds; two messages each time

local seen = vortex.set()

local function spread(messages)
  local new = seen:add_all(messages)
  if #new > 0 then
    vortex.broadcast { type = "news", messages = new }
  end
end

vortex.on("broadcast", function(msg)
  spread { msg.body.message }
  return {}
end)

vortex.on("news", function(msg)
  seen:add_all(msg.body.messages)
end)

vortex.on("sync", function(msg)
  spread(msg.body.messages)
  return { messages = (seen - msg.body.messages):array() }
end)

vortex.every(SYNC_PERIOD, function()
  if #vortex.peers > 0 then
    local peer = vortex.peers[math.random(#vortex.peers)]
    local reply = vortex.try_rpc(peer, { type = "sync", messages = seen:array() })
    spread(reply and reply.messages or {})
  end
end)

vortex.on("read", function()
  return { messages = seen:array() }
end)

vortex.on("topology", function()
  return {}
end)
