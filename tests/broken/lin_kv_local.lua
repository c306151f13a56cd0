-- A store without replication: each node keeps what its own clients write. Clients of two nodes see two stores. No
-- fault is needed.
--
--   vortex-lua test -w lin-kv --node-count 2 --concurrency 4n --rate 20 --seeds 3 tests/broken/lin_kv_local.lua
-- convicted of: is not linearizable:
local vortex = require "vortex"

local store = {}

vortex.on({ "read", "write", "cas" }, function(msg)
  local key, value = msg.body.key, store[msg.body.key]
  if msg.type == "write" then
    store[key] = msg.body.value
    return {}
  elseif value == nil then
    vortex.error "key-does-not-exist"
  elseif msg.type == "read" then
    return { value = value }
  elseif value ~= msg.body.from then
    vortex.error "precondition-failed"
  end
  store[key] = msg.body.to
  return {}
end)
