-- A set that stores itself once a second, and loads itself when the node starts. An element that was acknowledged
-- since the last time is forgotten when the node is killed.
--
--   vortex-lua test -w g-set --node-count 3 --rate 20 --nemesis kill --seeds 10 tests/broken/g_set_forgets.lua
-- convicted of: elements lost:
local vortex = require "vortex"

local STORE_PERIOD = 1 -- seconds

local store = vortex.kv "lin-kv"
local elements = vortex.crdt.g_set.new()

vortex.on_init(function()
  elements:merge(store:read("set of " .. vortex.id, elements:to_json()))
end)

vortex.on("add", function(msg)
  elements:add(msg.body.element)
  return {}
end)

vortex.on("read", function()
  return { value = elements:value() }
end)

vortex.on("merge", function(msg)
  elements:merge(msg.body.replica)
end)

vortex.every(STORE_PERIOD, function()
  local replica = elements:to_json()
  store:write("set of " .. vortex.id, replica)
  vortex.broadcast { type = "merge", replica = replica }
end)
