#!/usr/bin/env vortex-lua
-- A linearizable store by handing every request to Maelstrom's lin-kv service. An error of the service is passed on with its own code.
--
--   maelstrom test -w lin-kv --bin ./examples/lin_kv_proxy.lua --node-count 2 --time-limit 20 --rate 10 --concurrency 4n
local vortex = require "vortex"

local function passed_on(result, err)
  if err then
    vortex.error(err)
  end
  return result
end

local kv = vortex.kv("lin-kv")

vortex.on("read", function(msg)
  return { value = passed_on(kv:try_read(msg.body.key)) }
end)

vortex.on("write", function(msg)
  passed_on(kv:try_write(msg.body.key, msg.body.value))
  return {}
end)

vortex.on("cas", function(msg)
  passed_on(kv:try_cas(msg.body.key, msg.body.from, msg.body.to))
  return {}
end)
