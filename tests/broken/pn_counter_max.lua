-- A counter that goes down too, merged like one that only goes up: each node keeps one sum per node and takes the
-- larger one. A node that subtracts is outvoted by what the others remember. No fault is needed.
--
--   vortex-lua test -w pn-counter --node-count 3 --rate 20 --seeds 5 tests/broken/pn_counter_max.lua
-- convicted of: possible:
local vortex = require "vortex"

local sums = {}

vortex.on_init(function()
  for _, id in ipairs(vortex.ids) do
    sums[id] = 0
  end
end)

vortex.on("add", function(msg)
  sums[vortex.id] = sums[vortex.id] + msg.body.delta
  return {}
end)

vortex.on("merge", function(msg)
  for _, id in ipairs(vortex.ids) do
    sums[id] = math.max(sums[id], msg.body.sums[id])
  end
end)

vortex.every(0.2, function()
  vortex.broadcast { type = "merge", sums = sums }
end)

vortex.on("read", function()
  local total = 0
  for _, id in ipairs(vortex.ids) do
    total = total + sums[id]
  end
  return { value = total }
end)
