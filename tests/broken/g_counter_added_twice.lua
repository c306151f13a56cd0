-- A counter that sends each addition to the others until they acknowledge it, and they add it to theirs. A message
-- that arrives twice, or whose acknowledgement was lost and that is therefore sent again, is added twice.
--
--   vortex-lua test -w g-counter --node-count 3 --rate 20 --nemesis duplicate,loss --seeds 5 \
--     tests/broken/g_counter_added_twice.lua
-- convicted of: possible:
local vortex = require "vortex"

local total = 0

local function replicate(peer, delta)
  while not vortex.try_rpc(peer, { type = "added", delta = delta }) do
    vortex.sleep(0.1)
  end
end

vortex.on("add", function(msg)
  total = total + msg.body.delta
  for _, peer in ipairs(vortex.peers) do
    vortex.spawn(replicate, peer, msg.body.delta)
  end
  return {}
end)

vortex.on("added", function(msg)
  total = total + msg.body.delta
  return {}
end)

vortex.on("read", function()
  return { value = total }
end)
