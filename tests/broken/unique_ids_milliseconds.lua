-- Ids from the node's name and the time in milliseconds: two requests in the same millisecond get the same id.
-- Clients of one node that ask at the same time show it.
--
--   vortex-lua test -w unique-ids --node-count 3 --concurrency 4n --rate 1000 --time-limit 10 --seeds 2 \
--     tests/broken/unique_ids_milliseconds.lua
-- convicted of: given out more than once
local vortex = require "vortex"

vortex.on("generate", function()
  return { id = ("%s-%d"):format(vortex.id, vortex.now() * 1000 // 1) }
end)
