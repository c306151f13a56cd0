-- A replicated log, in batches: the first node gathers requests for a moment and sends them to all as one object,
-- each under a name of its own. Every replica applies the batches in order, but the requests of one batch in the
-- order of `pairs`, which differs from node to node. So replicas differ as soon as two requests of one batch touch
-- the same key. No fault is needed. (See tests/correct/lin_kv_log.lua.)
--
--   vortex-lua test -w lin-kv --node-count 3 --concurrency 4n --rate 100 --latency 5 --seeds 5 \
--     tests/broken/lin_kv_pairs_order.lua
-- convicted of: is not linearizable:
local vortex = require "vortex"

local BATCH_PERIOD = 0.05 -- seconds

local gathered = {} -- on the first node
local batches = {}  -- number -> batch, of those that came too early
local applied = 0
local sent = 0
local waiting = {}  -- name -> request
local last = 0
local store = {}

local function apply(op)
  local value = store[op.key]
  if op.type == "write" then
    store[op.key] = op.value
    return {}
  elseif value == nil then
    return { type = "error", code = 20, text = "no such key" }
  elseif op.type == "read" then
    return { value = value }
  elseif value ~= op.from then
    return { type = "error", code = 22, text = "the value is another one" }
  end
  store[op.key] = op.to
  return {}
end

local function apply_batch(batch)
  for name, op in pairs(batch) do
    local result = apply(op)
    if waiting[name] then
      waiting[name]:reply(result)
      waiting[name] = nil
    end
  end
end

vortex.on("batch", function(msg)
  batches[msg.body.number] = msg.body.batch
  while batches[applied + 1] do
    applied = applied + 1
    apply_batch(batches[applied])
    batches[applied] = nil
  end
end)

vortex.every(BATCH_PERIOD, function()
  if next(gathered) then
    sent = sent + 1
    local body = { type = "batch", number = sent, batch = vortex.object(gathered) }
    gathered = {}
    for _, id in ipairs(vortex.ids) do
      vortex.send(id, body)
    end
  end
end)

vortex.on("gather", function(msg)
  gathered[msg.body.name] = msg.body.op
end)

vortex.on({ "read", "write", "cas" }, function(msg)
  last = last + 1
  local name = vortex.id .. "-" .. last
  waiting[name] = msg
  vortex.send(vortex.ids[1], { type = "gather", name = name, op = msg.body })
end)
