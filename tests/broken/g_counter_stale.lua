-- A counter in the sequential store, each node under its own key, read without a barrier: seq-kv may show a reader an
-- old state, as long as it likes if the reader writes nothing. The final reads miss what others added.
--
--   vortex-lua test -w g-counter --node-count 3 --rate 20 --seeds 70 tests/broken/g_counter_stale.lua
-- convicted of: possible:
local vortex = require "vortex"

local store = vortex.kv "seq-kv"

vortex.on("add", function(msg)
  store:update(vortex.id, 0, function(count)
    return count + msg.body.delta
  end)
  return {}
end)

vortex.on("read", function()
  local sum = 0
  for _, id in ipairs(vortex.ids) do
    sum = sum + store:read(id, 0)
  end
  return { value = sum }
end)
