-- A store on the first node; the others pass requests on, and ask again if no answer comes. When only the answer was
-- lost, the request is carried out twice: a cas that succeeded is reported as failed, and a write comes back after
-- somebody has overwritten it.
--
--   vortex-lua test -w lin-kv --node-count 3 --concurrency 4n --rate 50 --nemesis loss --seeds 10 \
--     tests/broken/lin_kv_retried.lua
-- convicted of: is not linearizable:
local vortex = require "vortex"

local RETRY_AFTER = 0.2 -- seconds
local TRIES = 4

local store = {}

vortex.on("do", function(msg)
  local op = msg.body.op
  local value = store[op.key]
  if op.type == "write" then
    store[op.key] = op.value
  elseif value == nil then
    vortex.error "key-does-not-exist"
  elseif op.type == "cas" and value ~= op.from then
    vortex.error "precondition-failed"
  elseif op.type == "cas" then
    store[op.key] = op.to
  end
  return { value = value or vortex.null }
end)

vortex.on({ "read", "write", "cas" }, function(msg)
  local reply, err
  for _ = 1, TRIES do
    reply, err = vortex.try_rpc(vortex.ids[1], { type = "do", op = msg.body }, { timeout = RETRY_AFTER })
    if reply or err.definite then
      break
    end
  end
  if not reply then
    vortex.error(err)
  end
  return msg.type == "read" and { value = reply.value } or {}
end)
