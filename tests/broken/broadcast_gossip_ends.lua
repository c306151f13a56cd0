-- Broadcast with one task per neighbour that sends what the neighbour has not acknowledged, for ever; or so it looks.
-- `rpc` raises when no answer comes, nobody catches that, and the task ends at the first message that a partition
-- swallows. After the partition the neighbour gets nothing more from this node.
--
--   vortex-lua test -w broadcast --node-count 5 --nemesis partition --seeds 5 \
--     tests/broken/broadcast_gossip_ends.lua
-- convicted of: elements lost:
local vortex = require "vortex"

local GOSSIP_PERIOD = 0.1 -- seconds

local seen = vortex.set()

local function gossip_with(neighbour)
  local acknowledged = vortex.set()
  while true do
    local batch = (seen - acknowledged):array()
    if #batch > 0 then
      vortex.rpc(neighbour, { type = "gossip", messages = batch })
      acknowledged:add_all(batch)
    end
    vortex.sleep(GOSSIP_PERIOD)
  end
end

vortex.on("topology", function(msg)
  for _, neighbour in ipairs(msg.body.topology[vortex.id]) do
    vortex.spawn(gossip_with, neighbour)
  end
  return {}
end)

vortex.on("broadcast", function(msg)
  seen:add(msg.body.message)
  return {}
end)

vortex.on("gossip", function(msg)
  seen:add_all(msg.body.messages)
  return {}
end)

vortex.on("read", function()
  return { messages = seen:array() }
end)
