#!/usr/bin/env vortex-lua
-- A linearizable store, by asking Maelstrom's own: each request goes to the lin-kv service, and what the service
-- answers is the answer. Its errors keep their codes, so that a client knows a failed cas (22) from an unknown
-- outcome (0).
--
--   maelstrom test -w lin-kv --bin ./examples/lin_kv_proxy.lua --node-count 2 --concurrency 4n --time-limit 20 \
--     --rate 10
--   vortex-lua test --nemesis kill,partition,partition-oneway,loss,duplicate,pause,slow,clock \
--     --seeds 100 examples/lin_kv_proxy.lua
local vortex = require "vortex"

vortex.on({ "read", "write", "cas" }, function(msg)
  local reply, err = vortex.try_rpc("lin-kv", msg.body)
  return reply or vortex.error(err)
end)
