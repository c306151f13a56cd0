-- Ids from the node's name, the number of its start, and a counter. The number of the start is taken from a store,
-- but as if there were only the first one: on the second, the cas fails, on_init raises, and the node never comes
-- back.
--
--   vortex-lua test -w unique-ids --node-count 3 --nemesis kill --seeds 10 \
--     tests/broken/unique_ids_second_start.lua
-- convicted of: its process ended
local vortex = require "vortex"

local store = vortex.kv "lin-kv"
local start, last = 0, 0

vortex.on_init(function()
  store:cas("starts of " .. vortex.id, 0, 1, { create = true })
  start = 1
end)

vortex.on("generate", function()
  last = last + 1
  return { id = ("%s-%d-%d"):format(vortex.id, start, last) }
end)
