-- Echo that says who answered. The workload's replies are closed: a key that it does not know makes the client refuse
-- every one of them, so no echo ever succeeds.
--
--   vortex-lua test -w echo --node-count 1 --seeds 2 tests/broken/echo_extra_key.lua
-- convicted of: malformed
local vortex = require "vortex"

vortex.on("echo", function(msg)
  return { echo = msg.body.echo, served_by = vortex.id }
end)
