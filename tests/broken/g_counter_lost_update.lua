-- A counter under one key of the linearizable store, added to by a read and a write. Between the two another node
-- adds, and its addition is written over. No fault is needed.
--
--   vortex-lua test -w g-counter --node-count 3 --rate 50 --latency 10 --seeds 5 \
--     tests/broken/g_counter_lost_update.lua
-- convicted of: possible:
local vortex = require "vortex"

local store = vortex.kv "lin-kv"

vortex.on("add", function(msg)
  local total = store:read("total", 0)
  store:write("total", total + msg.body.delta)
  return {}
end)

vortex.on("read", function()
  return { value = store:read("total", 0) }
end)
