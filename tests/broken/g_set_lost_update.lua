-- A set under one key of the linearizable store: read it, add the element, write it back. Of two nodes that do so at
-- the same time, the second one to write takes away what the first one added. No fault is needed.
--
--   vortex-lua test -w g-set --node-count 3 --rate 20 --latency 10 --seeds 5 tests/broken/g_set_lost_update.lua
-- convicted of: elements lost:
local vortex = require "vortex"

local store = vortex.kv "lin-kv"

vortex.on("add", function(msg)
  local elements = vortex.set(store:read("set", {}))
  elements:add(msg.body.element)
  store:write("set", elements:array())
  return {}
end)

vortex.on("read", function()
  return { value = store:read("set", vortex.array {}) }
end)
