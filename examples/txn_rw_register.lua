#!/usr/bin/env vortex-lua
-- Challenges 6a to 6c, transactions that are totally available and read committed: a transaction runs on the node
-- that received it, at once, and its writes are sent to each peer, whole, until the peer has acknowledged them.
-- Handlers do not yield, so nobody sees half a transaction. Of two writes to a register the later counts everywhere:
-- transactions are ordered by a Lamport clock, then by node. All dependencies (ww, wr) follow that order, so there
-- are no cycles of them: no G0, no G1.
--
--   maelstrom test -w txn-rw-register --bin ./examples/txn_rw_register.lua --node-count 2 --concurrency 2n \
--     --time-limit 20 --rate 1000 --consistency-models read-committed --availability total --nemesis partition
local vortex = require "vortex"

local REPLICATION_PERIOD = 0.05 -- seconds

local clock = 0
local registers = {} -- key -> { value, time, node } of its last write
local unacked = {}   -- peer -> transactions to replicate, oldest first

local function apply(txn)
  clock = math.max(clock, txn.time)
  for _, write in ipairs(txn.writes) do
    local key, value = write[1], write[2]
    local last = registers[key]
    if not last or txn.time > last.time or (txn.time == last.time and txn.node > last.node) then
      registers[key] = { value = value, time = txn.time, node = txn.node }
    end
  end
end

local function read(key)
  local register = registers[key]
  return register and register.value or vortex.null
end

vortex.on("txn", function(msg)
  local written = {} -- key -> the last value that this transaction writes
  for _, op in ipairs(msg.body.txn) do
    local kind, key, value = op[1], op[2], op[3]
    if kind == "w" then
      written[key] = value
    else
      op[3] = written[key] or read(key)
    end
  end
  local txn = { time = clock + 1, node = vortex.id, writes = vortex.array {} }
  for key, value in vortex.sorted_pairs(written) do
    txn.writes[#txn.writes + 1] = { key, value }
  end
  apply(txn)
  for _, peer in ipairs(vortex.peers) do
    table.insert(unacked[peer], txn)
  end
  return { txn = msg.body.txn }
end)

vortex.on("replicate", function(msg)
  for _, txn in ipairs(msg.body.txns) do
    apply(txn)
  end
  return {}
end)

local function replicate(peer)
  local batch = unacked[peer]
  if #batch > 0 then
    unacked[peer] = {}
    if not vortex.try_rpc(peer, { type = "replicate", txns = batch }) then
      local newer = unacked[peer]
      unacked[peer] = table.move(newer, 1, #newer, #batch + 1, batch)
    end
  end
end

vortex.on_init(function()
  for _, peer in ipairs(vortex.peers) do
    unacked[peer] = {}
    vortex.every(REPLICATION_PERIOD, function()
      replicate(peer)
    end)
  end
end)
