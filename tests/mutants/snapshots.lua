#!/usr/bin/env vortex-lua
-- A store that takes snapshots all the time, and keeps little of its log: for bugs in what a snapshot holds.
--
--   vortex-lua test -w lin-kv --node-count 3 --nemesis kill,partition tests/mutants/snapshots.lua
local vortex = require "vortex"

local raft = vortex.raft {
  snapshot_bytes = 2000,
  tail_entries = 5,

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
