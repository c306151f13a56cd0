-- Ids drawn at random from a million. It looks like plenty; after a thousand ids two of them are equal with a
-- probability of four in ten.
--
--   vortex-lua test -w unique-ids --node-count 3 --rate 1000 --time-limit 10 --seeds 2 \
--     tests/broken/unique_ids_random.lua
-- convicted of: given out more than once
local vortex = require "vortex"

vortex.on("generate", function()
  return { id = math.random(1000000) }
end)
