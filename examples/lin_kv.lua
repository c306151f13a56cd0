#!/usr/bin/env vortex-lua
-- A linearizable store of our own: a state machine, replicated by Raft. Writes go through the log; a read asks the
-- leader only whether it still leads, and is answered from the state at hand. Any node serves any client, and as long
-- as a majority is up and connected, so is the store.
--
--   maelstrom test -w lin-kv --bin ./examples/lin_kv.lua --node-count 3 --concurrency 4n --time-limit 60 \
--     --rate 30 --nemesis partition --nemesis-interval 10
--   vortex-lua test -w lin-kv --node-count 5 \
--     --nemesis kill,partition,partition-oneway,loss,duplicate,pause,slow,clock,disk --seeds 300 examples/lin_kv.lua
local vortex = require "vortex"

local raft = vortex.raft {
  init = function()
    return {}
  end,

  apply = function(store, op)
    if op.type == "cas" then
      if store[op.key] == nil then
        vortex.error("key-does-not-exist")
      elseif store[op.key] ~= op.from then
        vortex.error("precondition-failed")
      end
      store[op.key] = op.to
    else
      store[op.key] = op.value
    end
  end,
}

vortex.on({ "write", "cas" }, function(msg)
  return raft:propose(msg.body)
end)

vortex.on("read", function(msg)
  return raft:read(function(store)
    return { value = store[msg.body.key] or vortex.error("key-does-not-exist") }
  end)
end)
