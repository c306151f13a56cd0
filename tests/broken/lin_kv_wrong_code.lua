-- A store on the first node, which wants a majority to have a copy of every change. When it does not get one, it
-- answers that it is "temporarily unavailable": code 11, certainly not done. But it has been done, and the next read
-- shows it. (It ought to answer 0 or 13.)
--
--   vortex-lua test -w lin-kv --node-count 5 --concurrency 2n --rate 20 --nemesis partition --seeds 12 \
--     tests/broken/lin_kv_wrong_code.lua
-- convicted of: is not linearizable:
local vortex = require "vortex"

local store = {} -- on the others, copies

vortex.on("copy", function(msg)
  store[msg.body.key] = msg.body.value
  return {}
end)

local function put(key, value)
  store[key] = value
  local need = (#vortex.ids + 1) // 2 -- with this node, a majority
  if not vortex.try_rpc_all(vortex.peers, { type = "copy", key = key, value = value }, { need = need, timeout = 0.3 }) then
    vortex.error("temporarily-unavailable", "no majority has a copy")
  end
  return {}
end

vortex.on({ "read", "write", "cas" }, function(msg)
  if vortex.id ~= vortex.ids[1] then
    msg:forward(vortex.ids[1])
    return nil
  end
  local key, value = msg.body.key, store[msg.body.key]
  if msg.type == "write" then
    return put(key, msg.body.value)
  elseif value == nil then
    vortex.error "key-does-not-exist"
  elseif msg.type == "read" then
    return { value = value }
  elseif value ~= msg.body.from then
    vortex.error "precondition-failed"
  end
  return put(key, msg.body.to)
end)
