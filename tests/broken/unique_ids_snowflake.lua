-- Ids as a "snowflake" makes them: the second of the wall clock, the node, and a counter that begins anew with each
-- second. Right as long as the clock goes forward; when it is set back, seconds come again, and so do their ids.
--
--   vortex-lua test -w unique-ids --node-count 3 --rate 200 --nemesis clock --seeds 25 \
--     tests/broken/unique_ids_snowflake.lua
-- convicted of: given out more than once
local vortex = require "vortex"

local second, count = 0, 0

vortex.on("generate", function()
  local now = os.time()
  if now ~= second then
    second, count = now, 0
  end
  count = count + 1
  return { id = ("%d-%s-%d"):format(second, vortex.id, count) }
end)
