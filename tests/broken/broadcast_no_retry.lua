-- Broadcast without retry: each node passes a new message on to its neighbours, once. What a partition or the network
-- swallows is not sent again, and a neighbour that has no other way to it never sees it.
--
--   vortex-lua test -w broadcast --node-count 5 --nemesis partition,loss --seeds 5 \
--     tests/broken/broadcast_no_retry.lua
-- convicted of: elements lost:
local vortex = require "vortex"

local seen = vortex.set()
local neighbours = {}

local function learn(message, from)
  if seen:add(message) then
    for _, neighbour in ipairs(neighbours) do
      if neighbour ~= from then
        vortex.send(neighbour, { type = "news", message = message })
      end
    end
  end
end

vortex.on("topology", function(msg)
  neighbours = msg.body.topology[vortex.id]
  return {}
end)

vortex.on("broadcast", function(msg)
  learn(msg.body.message)
  return {}
end)

vortex.on("news", function(msg)
  learn(msg.body.message, msg.src)
end)

vortex.on("read", function()
  return { messages = seen:array() }
end)
