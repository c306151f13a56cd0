#!/usr/bin/env vortex-lua
-- Echo in the other model: a service is one function that receives every event.
--
--   maelstrom test -w echo --bin ./examples/echo_step.lua --node-count 1 --time-limit 10
local Echo = {}
Echo.__index = Echo

function Echo.create()
  return setmetatable({}, Echo)
end

function Echo:step(event, network) -- luacheck: no self
  if event.kind == "message" and event.type == "echo" then
    network:reply(event, { type = "echo_ok", echo = event.body.echo })
  end
end

return Echo
