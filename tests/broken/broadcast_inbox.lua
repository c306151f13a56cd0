-- Broadcast that acknowledges what a neighbour sends before it keeps it: messages go to an inbox, and a timer takes
-- them from there. While it passes one on it waits, and what arrives meanwhile is acknowledged, put into the inbox,
-- and thrown away with it. No fault is needed.
--
--   vortex-lua test -w broadcast --node-count 5 --rate 50 --latency 20 --seeds 5 tests/broken/broadcast_inbox.lua
-- convicted of: elements lost:
local vortex = require "vortex"

local seen = vortex.set()
local inbox = {}

local function spread(message)
  for _, peer in ipairs(vortex.peers) do
    while not vortex.try_rpc(peer, { type = "news", message = message }) do
      vortex.log.debug("%s does not answer", peer)
    end
  end
end

vortex.on("broadcast", function(msg)
  inbox[#inbox + 1] = { message = msg.body.message, ours = true }
  return {}
end)

vortex.on("news", function(msg)
  inbox[#inbox + 1] = { message = msg.body.message }
  return {}
end)

vortex.every(0.1, function()
  for i = 1, #inbox do
    local entry = inbox[i]
    seen:add(entry.message)
    if entry.ours then
      spread(entry.message)
    end
  end
  inbox = {}
end)

vortex.on("read", function()
  return { messages = seen:array() }
end)

vortex.on("topology", function()
  return {}
end)
