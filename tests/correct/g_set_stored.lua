-- A set that survives kills: each node keeps its elements under a key of its own in the linearizable store,
-- acknowledges an element when it is there, and loads them when it starts. The store is changed by cas, so that a
-- request that an earlier life of the node left on its way cannot undo what a later one has stored.
--
--   vortex-lua test -w g-set --node-count 3 --rate 10 --nemesis kill,partition,loss,duplicate,pause,slow,clock \
--     --seeds 60 tests/correct/g_set_stored.lua
local vortex = require "vortex"

local store = vortex.kv "lin-kv"
local elements = vortex.set()

local function load(id)
  elements:add_all(store:read("set of " .. id, {}))
end

vortex.on("add", function(msg)
  store:update("set of " .. vortex.id, vortex.array {}, function(stored)
    stored[#stored + 1] = msg.body.element
    return stored
  end)
  elements:add(msg.body.element)
  return {}
end)

vortex.on("read", function()
  for _, id in ipairs(vortex.ids) do
    load(id)
  end
  return { value = elements:sorted() }
end)
