-- The smallest message there is use for: a type and a number, which each node counts on and hands to another one for
-- ever. What a message costs at least. Run as `-w echo`, whose clients hardly count beside it.
local vortex = require "vortex"

local COUNTS = 20 -- that each node begins

local function hand_on(n)
  vortex.send(vortex.peers[n % #vortex.peers + 1], { type = "count", n = n })
end

vortex.on("count", function(msg)
  hand_on(msg.body.n + 1)
end)

vortex.on_init(function()
  for n = 1, COUNTS do
    hand_on(n)
  end
end)

vortex.on("echo", function(msg)
  return { echo = msg.body.echo }
end)
