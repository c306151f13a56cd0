-- A set whose nodes keep telling each other the newest element, and only that: an element is sent until the next one
-- is added. If it is lost that often, nobody sends it again.
--
--   vortex-lua test -w g-set --node-count 3 --rate 10 --nemesis partition,loss --seeds 5 \
--     tests/broken/g_set_newest.lua
-- convicted of: elements lost:
local vortex = require "vortex"

local elements = vortex.crdt.g_set.new()
local newest

vortex.on("add", function(msg)
  newest = msg.body.element
  elements:add(newest)
  return {}
end)

vortex.on("read", function()
  return { value = elements:value() }
end)

vortex.on("news", function(msg)
  elements:add(msg.body.element)
end)

vortex.every(0.05, function()
  if newest then
    vortex.broadcast { type = "news", element = newest }
  end
end)
