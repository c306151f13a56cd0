#!/usr/bin/env vortex-lua
-- Transactions over lists on a single node: a handler that never yields runs alone, so transactions are strictly
-- serializable for free.
--
--   maelstrom test -w txn-list-append --bin ./examples/txn_list_append_single.lua --node-count 1 --time-limit 20 \
--     --rate 100
local vortex = require "vortex"

local lists = {}

local function append(key, value)
  lists[key] = lists[key] or vortex.array {}
  table.insert(lists[key], value)
end

-- A copy, since the transaction may go on to append to the list.
local function read(key)
  local list = lists[key]
  return list and table.move(list, 1, #list, 1, vortex.array {}) or vortex.null
end

vortex.on("txn", function(msg)
  for _, op in ipairs(msg.body.txn) do
    if op[1] == "append" then
      append(op[2], op[3])
    else
      op[3] = read(op[2])
    end
  end
  return { txn = msg.body.txn }
end)
