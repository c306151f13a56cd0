-- Echo that notes each request in a store before it answers. What is to be answered lies in a variable that all
-- requests share, and while the store is being written, the next request puts its own text there. Two clients per
-- node are enough to show it.
--
--   vortex-lua test -w echo --node-count 1 --concurrency 4n --rate 100 --seeds 5 \
--     tests/broken/echo_shared_global.lua
-- convicted of: not what had been asked for
local vortex = require "vortex"

local journal = vortex.kv "lww-kv"
local text

vortex.on("echo", function(msg)
  text = msg.body.echo
  journal:write("last request of " .. vortex.id, text)
  return { echo = text }
end)
