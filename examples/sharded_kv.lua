#!/usr/bin/env vortex-lua
-- A linearizable store in shards: several Raft groups side by side, each with its own leader and its own log. A key
-- belongs to one group, and a group to three nodes, both by rendezvous hashing: of all candidates, the one whose hash
-- together with the key is the greatest. No table of who has what, and every node comes to the same answer.
--
--   maelstrom test -w lin-kv --bin ./examples/sharded_kv.lua --node-count 5 --concurrency 2n --time-limit 60 --rate 30
--   vortex-lua test -w lin-kv --node-count 5 \
--     --nemesis kill,partition,partition-oneway,loss,duplicate,pause,slow,clock,disk --seeds 300 \
--     examples/sharded_kv.lua
local vortex = require "vortex"

local SHARDS = 4
local REPLICAS = 3

-- FNV-1a with a last stir, so that similar names get unlike hashes.
local function hash(text)
  local h = 0xcbf29ce484222325
  for i = 1, #text do
    h = (h ~ text:byte(i)) * 0x100000001b3
  end
  h = (h ~ (h >> 29)) * 0xbf58476d1ce4e5b9
  return h ~ (h >> 32)
end

-- The candidates, the one with the greatest hash first.
local function ranked(key, candidates)
  local ranks, order = {}, { table.unpack(candidates) }
  for _, candidate in ipairs(candidates) do
    ranks[candidate] = hash(candidate .. "/" .. key)
  end
  table.sort(order, function(a, b)
    return math.ult(ranks[b], ranks[a])
  end)
  return order
end

local function apply(store, op)
  local value = store[op.key]
  if op.type == "write" then
    store[op.key] = op.value
  elseif value == nil then
    vortex.error("key-does-not-exist")
  elseif op.type == "read" then
    return { value = value }
  elseif value ~= op.from then
    vortex.error("precondition-failed")
  else
    store[op.key] = op.to
  end
end

local names, shards = {}, {}

-- Every node opens every group, also those that it is no member of: so it can propose to all of them.
vortex.on_init(function()
  for i = 1, SHARDS do
    local name = "shard-" .. i
    local voters = table.move(ranked(name, vortex.ids), 1, math.min(REPLICAS, #vortex.ids), 1, {})
    names[i] = name
    shards[name] = vortex.raft { name = name, apply = apply, voters = voters }
  end
end)

vortex.on({ "read", "write", "cas" }, function(msg)
  local shard = ranked(tostring(msg.body.key), names)[1]
  return shards[shard]:propose(msg.body)
end)
