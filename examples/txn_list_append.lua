#!/usr/bin/env vortex-lua
-- Transactions over lists, strictly serializable: each is one command of a replicated state machine, so they happen
-- one after the other, in the order of the log.
--
--   maelstrom test -w txn-list-append --bin ./examples/txn_list_append.lua --node-count 3 --concurrency 4n \
--     --time-limit 60 --rate 30 --nemesis partition --consistency-models strict-serializable
local vortex = require "vortex"

local function append(lists, key, value)
  lists[key] = lists[key] or vortex.array {}
  table.insert(lists[key], value)
end

-- A copy, since the transaction may go on to append to the list.
local function read(lists, key)
  local list = lists[key]
  return list and table.move(list, 1, #list, 1, vortex.array {}) or vortex.null
end

local raft = vortex.raft {
  apply = function(lists, txn)
    for _, op in ipairs(txn) do
      if op[1] == "append" then
        append(lists, op[2], op[3])
      else
        op[3] = read(lists, op[2])
      end
    end
    return { txn = txn }
  end,
}

vortex.on("txn", function(msg)
  return raft:propose(msg.body.txn)
end)
