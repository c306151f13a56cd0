#!/usr/bin/env vortex-lua
-- Challenge 1, echo: a handler is a function of the message, and the table it returns is the reply.
--
--   maelstrom test -w echo --bin ./examples/echo.lua --node-count 1 --time-limit 10
--   vortex-lua test --nemesis slow,clock --seeds 100 examples/echo.lua
local vortex = require "vortex"

vortex.on("echo", function(msg)
  return { echo = msg.body.echo } -- its type defaults to "echo_ok"
end)
