-- Broadcast that tries twice: if a neighbour has not acknowledged a message after a second, it is sent once more, and
-- then no more. That is enough for a message that was lost, and too little for a partition of ten seconds.
--
--   vortex-lua test -w broadcast --node-count 5 --nemesis partition --seeds 5 \
--     tests/broken/broadcast_retry_once.lua
-- convicted of: elements lost:
local vortex = require "vortex"

local seen = vortex.set()
local neighbours = {}

local function pass_on(neighbour, message)
  for _ = 1, 2 do
    if vortex.try_rpc(neighbour, { type = "news", message = message }) then
      return
    end
  end
end

local function learn(message, from)
  if seen:add(message) then
    for _, neighbour in ipairs(neighbours) do
      if neighbour ~= from then
        vortex.spawn(pass_on, neighbour, message)
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
  return {}
end)

vortex.on("read", function()
  return { messages = seen:array() }
end)
