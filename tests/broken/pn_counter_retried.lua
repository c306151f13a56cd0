-- A counter that lives on the first node; the others pass on what they are asked to add, and try again if no answer
-- comes. When only the answer was lost, the same addition counts twice.
--
--   vortex-lua test -w pn-counter --node-count 3 --rate 20 --nemesis loss --seeds 10 \
--     tests/broken/pn_counter_retried.lua
-- convicted of: possible:
local vortex = require "vortex"

local total = 0

local function ask_first(body)
  local reply
  repeat
    reply = vortex.try_rpc(vortex.ids[1], body, { timeout = 0.5 })
  until reply
  return reply
end

vortex.on("change", function(msg)
  total = total + msg.body.delta
  return { value = total }
end)

vortex.on("add", function(msg)
  ask_first { type = "change", delta = msg.body.delta }
  return {}
end)

vortex.on("read", function()
  return { value = ask_first({ type = "change", delta = 0 }).value }
end)
