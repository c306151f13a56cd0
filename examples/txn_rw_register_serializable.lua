#!/usr/bin/env vortex-lua
-- Transactions over registers, strictly serializable: each is one command of a replicated state machine. One that only
-- reads takes no entry: it runs at a moment at which this node knows everything that was committed before it was asked.
--
--   maelstrom test -w txn-rw-register --bin ./examples/txn_rw_register_serializable.lua --node-count 3 \
--     --concurrency 4n --time-limit 60 --rate 30 --nemesis partition --consistency-models strict-serializable
local vortex = require "vortex"

local function run(registers, txn)
  for _, op in ipairs(txn) do
    if op[1] == "w" then
      registers[op[2]] = op[3]
    elseif registers[op[2]] ~= nil then
      op[3] = registers[op[2]]
    end
  end
  return { txn = txn }
end

local raft = vortex.raft { apply = run }

local function writes(txn)
  for _, op in ipairs(txn) do
    if op[1] == "w" then
      return true
    end
  end
  return false
end

vortex.on("txn", function(msg)
  local txn = msg.body.txn
  if writes(txn) then
    return raft:propose(txn)
  end
  return raft:read(function(registers)
    return run(registers, txn)
  end)
end)
