#!/usr/bin/env vortex-lua
-- Challenge 1: echo. A returned table is the reply; its type defaults to "echo_ok".
--
--   maelstrom test -w echo --bin ./examples/echo.lua --node-count 1 --time-limit 10
local vortex = require "vortex"

vortex.on("echo", function(msg)
  return { echo = msg.body.echo }
end)
