-- A primary and backups, where the primary is whoever comes first in the list and answers a ping. In a partition each
-- side finds one, and both of them take writes: nothing fences the old one off.
--
--   vortex-lua test -w lin-kv --node-count 5 --concurrency 2n --rate 20 --nemesis partition --seeds 10 \
--     tests/broken/lin_kv_first_answer.lua
-- convicted of: is not linearizable:
local vortex = require "vortex"

local PING_TIMEOUT = 0.2 -- seconds

local store = {}

local function primary()
  for _, id in ipairs(vortex.ids) do
    if id == vortex.id or vortex.try_rpc(id, { type = "ping" }, { timeout = PING_TIMEOUT }) then
      return id
    end
  end
end

vortex.on("ping", function()
  return {}
end)

vortex.on("backup", function(msg)
  store[msg.body.key] = msg.body.value
  return {}
end)

local function put(key, value)
  store[key] = value
  vortex.try_rpc_all(vortex.peers, { type = "backup", key = key, value = value }, { timeout = PING_TIMEOUT })
end

vortex.on("do", function(msg)
  local op = msg.body.op
  local value = store[op.key]
  if op.type == "write" then
    put(op.key, op.value)
  elseif value == nil then
    vortex.error "key-does-not-exist"
  elseif op.type == "cas" and value ~= op.from then
    vortex.error "precondition-failed"
  elseif op.type == "cas" then
    put(op.key, op.to)
  end
  return { value = value or vortex.null }
end)

vortex.on({ "read", "write", "cas" }, function(msg)
  local reply, err = vortex.try_rpc(primary(), { type = "do", op = msg.body })
  if not reply then
    vortex.error(err)
  end
  return msg.type == "read" and { value = reply.value } or {}
end)
