-- A proxy of the linearizable store that makes a cas of a read and a write. Two of them that expect the same value
-- both succeed, where only one may. No fault is needed, only that requests take their time.
--
--   vortex-lua test -w lin-kv --node-count 2 --concurrency 10n --rate 100 --latency 10 --seeds 8 \
--     tests/broken/lin_kv_read_then_write.lua
-- convicted of: is not linearizable:
local vortex = require "vortex"

local store = vortex.kv "lin-kv"

local function answer(value, err)
  return value or vortex.error(err)
end

vortex.on("read", function(msg)
  return { value = answer(store:try_read(msg.body.key)) }
end)

vortex.on("write", function(msg)
  answer(store:try_write(msg.body.key, msg.body.value))
  return {}
end)

vortex.on("cas", function(msg)
  if answer(store:try_read(msg.body.key)) ~= msg.body.from then
    vortex.error "precondition-failed"
  end
  answer(store:try_write(msg.body.key, msg.body.to))
  return {}
end)
