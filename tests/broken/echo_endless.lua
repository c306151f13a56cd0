-- Echo that takes its time: a task of its own wakes up a little later and says so, and the handler looks whether it
-- has. But while a handler runs nothing else does, tasks least of all: it looks for ever. (vortex.sleep would let
-- them run.)
--
--   vortex-lua test -w echo --node-count 1 --rate 1 --time-limit 3 --seeds 2 tests/broken/echo_endless.lua
-- convicted of: 100,000,000 instructions without a pause
local vortex = require "vortex"

vortex.on("echo", function(msg)
  local awake = false
  vortex.after(0.01, function()
    awake = true
  end)
  repeat until awake
  return { echo = msg.body.echo }
end)
