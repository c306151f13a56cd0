-- Broadcast that asks the others for everything when it starts, so that a node that was killed has it all again;
-- except what it had acknowledged to its client and not yet passed on. A kill in that fraction of a second takes the
-- message with it.
--
--   vortex-lua test -w broadcast --node-count 5 --rate 100 --nemesis kill --seeds 5 \
--     tests/broken/broadcast_forgets.lua
-- convicted of: elements lost:
local vortex = require "vortex"

local GOSSIP_PERIOD = 0.2 -- seconds

local seen = vortex.set()

vortex.on("broadcast", function(msg)
  seen:add(msg.body.message)
  return {}
end)

vortex.on("all", function()
  return { messages = seen:array() }
end)

vortex.on("gossip", function(msg)
  seen:add_all(msg.body.messages)
end)

local function ask(peer)
  local reply = vortex.try_rpc(peer, { type = "all" })
  seen:add_all(reply and reply.messages or {})
end

vortex.on_init(function()
  for _, peer in ipairs(vortex.peers) do
    vortex.spawn(ask, peer)
  end
end)

vortex.every(GOSSIP_PERIOD, function()
  vortex.broadcast { type = "gossip", messages = seen:array() }
end)

vortex.on("read", function()
  return { messages = seen:array() }
end)

vortex.on("topology", function()
  return {}
end)
