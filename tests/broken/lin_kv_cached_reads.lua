-- A proxy of the linearizable store with a cache: what a node has read or written lately it answers from memory, for
-- half a second. Meanwhile somebody may have changed it through another node. No fault is needed.
--
--   vortex-lua test -w lin-kv --node-count 3 --concurrency 6n --rate 50 --seeds 5 \
--     tests/broken/lin_kv_cached_reads.lua
-- convicted of: is not linearizable:
local vortex = require "vortex"

local FRESH = 0.5 -- seconds

local cache = {}

local function remember(key, value)
  cache[key] = { value = value, until_ = vortex.now() + FRESH }
end

vortex.on("read", function(msg)
  local cached = cache[msg.body.key]
  if cached and vortex.now() < cached.until_ then
    return { value = cached.value }
  end
  local reply, err = vortex.try_rpc("lin-kv", msg.body)
  if not reply then
    vortex.error(err)
  end
  remember(msg.body.key, reply.value)
  return reply
end)

vortex.on({ "write", "cas" }, function(msg)
  local reply, err = vortex.try_rpc("lin-kv", msg.body)
  if not reply then
    vortex.error(err)
  end
  remember(msg.body.key, msg.type == "write" and msg.body.value or msg.body.to)
  return reply
end)
