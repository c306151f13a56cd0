-- A load of messages for scripts/bench: balls are thrown from node to node for ever, one message a throw. Each is decoded,
-- looked into and encoded anew. Run as `-w echo`, whose clients hardly count beside it.
local vortex = require "vortex"

local BALLS = 20 -- that each node throws first

local function pass_on(ball, hops)
  local to = vortex.peers[hops % #vortex.peers + 1]
  vortex.send(to, { type = "ball", ball = ball, hops = hops, from = vortex.id })
end

vortex.on("ball", function(msg)
  local body = msg.body
  pass_on(body.ball, body.hops + 1)
end)

vortex.on_init(function()
  for ball = 1, BALLS do
    pass_on(ball, ball)
  end
end)

vortex.on("echo", function(msg)
  return { echo = msg.body.echo }
end)
