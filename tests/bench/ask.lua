-- A load of requests for scripts/bench: on each node, tasks ask the other nodes for ever, one question at a time. So half of
-- the messages start a handler, and the other half continue a task. Run as `-w echo`, whose clients hardly count beside it.
local vortex = require "vortex"

local TASKS = 20 -- on each node

vortex.on("ask", function(msg)
  return { value = msg.body.value + 1, from = vortex.id }
end)

local function ask_for_ever(value)
  while true do
    local peer = vortex.peers[value % #vortex.peers + 1]
    value = vortex.rpc(peer, { type = "ask", value = value, from = vortex.id }).value
  end
end

vortex.on_init(function()
  for task = 1, TASKS do
    vortex.spawn(ask_for_ever, task)
  end
end)

vortex.on("echo", function(msg)
  return { echo = msg.body.echo }
end)
