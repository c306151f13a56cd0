#!/usr/bin/env vortex-lua
-- Challenges 5b and 5c, replicated logs. Each key has an owner, the only node that appends to its log: a send is
-- forwarded to the owner, which answers the client itself. The owner writes what arrived during its last write as one
-- batch to lin-kv, under a number that counts up, and acknowledges it then: what is acknowledged is stored. Every
-- node applies the batches of every owner in the order of their numbers, so offsets are the same everywhere, and a
-- poll is answered from memory, perhaps a moment behind. A batch that did not arrive from its owner is read from the
-- store. Committed offsets spread through seq-kv, which may be stale: an old one makes a consumer see a few messages
-- again, and never miss any.
--
--   maelstrom test -w kafka --bin ./examples/kafka.lua --node-count 2 --concurrency 2n --time-limit 20 --rate 1000
local vortex = require "vortex"

local SHARE_PERIOD = 0.05 -- seconds
local CATCH_UP_PERIOD = 1
local RETRY_DELAY = 0.1
local POLL_MAX = 100 -- messages of one key per poll

local lin_kv, seq_kv = vortex.kv "lin-kv", vortex.kv "seq-kv"

local logs = {}                  -- key -> its messages; the i-th has offset i - 1
local applied = {}               -- node -> how many of its batches are in the logs
local committed = {}             -- key -> the offset up to which consumers are done
local commits_changed = false    -- since they were last written to seq-kv
local waiting = {}               -- records for the next batch of this node
local unshared = vortex.array {} -- batches of this node that it has not sent to the others
local writing = vortex.mutex()

local function owner_of(key)
  local hash = 0
  for i = 1, #key do
    hash = (hash * 31 + key:byte(i)) & 0x7fffffff
  end
  return vortex.ids[hash % #vortex.ids + 1]
end

local function batch_key(node, number)
  return ("batch %d of %s"):format(number, node)
end

local function apply(node, number, batch)
  if number ~= applied[node] + 1 then
    return -- it is there already, or one before it is not
  end
  applied[node] = number
  for _, record in ipairs(batch) do
    local log = logs[record.key] or {}
    logs[record.key] = log
    log[#log + 1] = record.msg
    record.offset = #log - 1
  end
end

-- Returns the record's offset, once it is stored.
local function append(record)
  waiting[#waiting + 1] = record
  local turn <close> = writing:lock() -- luacheck: ignore turn
  if not record.offset then -- else the batch before this one took it along
    local batch, number = waiting, applied[vortex.id] + 1
    waiting = {}
    while not lin_kv:try_write(batch_key(vortex.id, number), batch) do
      vortex.sleep(RETRY_DELAY) -- the same value for the same key: writing it twice does no harm
    end
    apply(vortex.id, number, batch)
    unshared[#unshared + 1] = batch
  end
  return record.offset
end

vortex.on("send", function(msg)
  local owner = owner_of(msg.body.key)
  if owner ~= vortex.id then
    msg:forward(owner)
    return nil
  end
  return { offset = append { key = msg.body.key, msg = msg.body.msg } }
end)

vortex.every(SHARE_PERIOD, function()
  if #unshared > 0 then
    vortex.broadcast { type = "batches", first = applied[vortex.id] - #unshared + 1, batches = unshared }
    unshared = vortex.array {}
  end
end)

vortex.on("batches", function(msg)
  for i, batch in ipairs(msg.body.batches) do
    apply(msg.src, msg.body.first + i - 1, batch)
  end
end)

vortex.on("poll", function(msg)
  local msgs = vortex.object {}
  for key, from in pairs(msg.body.offsets) do -- order-free
    local log, batch = logs[key] or {}, vortex.array {}
    for offset = from, math.min(from + POLL_MAX, #log) - 1 do
      batch[#batch + 1] = { offset, log[offset + 1] }
    end
    msgs[key] = batch
  end
  return { msgs = msgs }
end)

local function commit(offsets)
  for key, offset in pairs(offsets) do -- order-free
    if offset > (committed[key] or -1) then
      committed[key], commits_changed = offset, true
    end
  end
end

vortex.on("commit_offsets", function(msg)
  commit(msg.body.offsets)
  return {}
end)

vortex.on("list_committed_offsets", function(msg)
  local offsets = vortex.object {}
  for _, key in ipairs(msg.body.keys) do
    offsets[key] = committed[key]
  end
  return { offsets = offsets }
end)

-- Takes from the stores what another node, or an earlier life of this one, has put there.
local function catch_up(node)
  repeat
    local number = applied[node] + 1
    local batch = lin_kv:read(batch_key(node, number), false)
    if batch then
      apply(node, number, batch)
    end
  until not batch
  commit(seq_kv:read("committed on " .. node, {}))
end

vortex.on_init(function()
  for _, node in ipairs(vortex.ids) do
    applied[node] = 0
    catch_up(node)
  end
end)

vortex.every(CATCH_UP_PERIOD, function()
  if commits_changed then
    commits_changed = false
    seq_kv:write("committed on " .. vortex.id, vortex.object(committed))
  end
  for _, peer in ipairs(vortex.peers) do
    catch_up(peer)
  end
end)
