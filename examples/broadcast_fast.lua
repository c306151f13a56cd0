#!/usr/bin/env vortex-lua
-- Challenge 3d, fast broadcast: a message goes straight to everybody, once, and nobody acknowledges it; that is one
-- hop, and 24 messages per broadcast among 25 nodes. What a partition swallowed is found by anti-entropy: now and
-- then each node compares its messages with those of a random peer, and either gives the other what it lacks. After a
-- partition that takes a few rounds.
--
--   maelstrom test -w broadcast --bin ./examples/broadcast_fast.lua --node-count 25 --time-limit 20 --rate 100 \
--     --latency 100
local vortex = require "vortex"

local SYNC_PERIOD = 1.2 -- seconds; two messages each time

local seen = vortex.set()

vortex.on("broadcast", function(msg)
  if seen:add(msg.body.message) then
    vortex.broadcast { type = "news", message = msg.body.message }
  end
  return {}
end)

vortex.on("news", function(msg)
  seen:add(msg.body.message)
end)

vortex.on("sync", function(msg)
  seen:add_all(msg.body.messages)
  return { messages = (seen - msg.body.messages):array() }
end)

vortex.every(SYNC_PERIOD, function()
  if #vortex.peers > 0 then
    local peer = vortex.peers[math.random(#vortex.peers)]
    local reply = vortex.try_rpc(peer, { type = "sync", messages = seen:array() })
    seen:add_all(reply and reply.messages or {})
  end
end)

vortex.on("read", function()
  return { messages = seen:array() }
end)

vortex.on("topology", function()
  return {}
end)
