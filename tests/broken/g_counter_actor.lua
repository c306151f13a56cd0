-- A replicated counter whose replicas are named after their nodes. A node that was killed begins at 0 under its old
-- name, and what it adds from then on hides behind the larger number that the others remember of its earlier life,
-- until a merge brings that number home: up to half a second of acknowledged additions are lost, not only those that
-- had not been sent.
--
--   vortex-lua test -w g-counter --node-count 3 --rate 50 --nemesis kill --seeds 10 \
--     tests/broken/g_counter_actor.lua
-- convicted of: possible:
local vortex = require "vortex"

local counter

vortex.on_init(function()
  counter = vortex.crdt.g_counter.new(vortex.id)
end)

vortex.on("add", function(msg)
  counter:add(msg.body.delta)
  return {}
end)

vortex.on("read", function()
  return { value = counter:value() }
end)

vortex.on("merge", function(msg)
  counter:merge(msg.body.replica)
end)

vortex.every(0.5, function()
  vortex.broadcast { type = "merge", replica = counter:to_json() }
end)
