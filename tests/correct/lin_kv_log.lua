-- A linearizable store by a replicated log. The first node is the sequencer: it puts every request into one log,
-- once, and sends out what is new in it. Every replica applies the log in its order, and the one that a client asked
-- answers when it applies that client's request. A request is sent again until it has come back in the log; it is
-- known by who sent it and a number, so it is in the log only once. It takes effect where it stands in the log, which
-- is after it was asked and before it is answered.
--
-- Survives everything but the loss of memory.
--
--   vortex-lua test -w lin-kv --node-count 3 --nemesis partition,partition-oneway,loss,duplicate,pause,slow,clock \
--     --seeds 60 tests/correct/lin_kv_log.lua
local vortex = require "vortex"

local RETRY_PERIOD = 0.3 -- seconds

local log = vortex.array {} -- of { from, number, op }; the same, as far as it goes, on every node
local known = {}            -- on the sequencer: sender and number of what is in the log
local waiting = {}          -- number -> a request of ours that has not come back yet
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

local function append(entries, first)
  for i = math.max(1, #log - first + 2), #entries do
    local entry = entries[i]
    log[#log + 1] = entry
    local result = apply(entry.op)
    local msg = entry.from == vortex.id and waiting[entry.number]
    if msg then
      waiting[entry.number] = nil
      msg:reply(result)
    end
  end
end

local function entries_from(first)
  return { type = "entries", first = first, entries = table.move(log, first, #log, 1, vortex.array {}) }
end

local function order(entry)
  local name = entry.from .. " " .. entry.number
  if not known[name] then
    known[name] = true
    append({ entry }, #log + 1)
    vortex.broadcast(entries_from(#log))
  end
end

vortex.on("order", function(msg)
  order { from = msg.src, number = msg.body.number, op = msg.body.op }
  if msg.body.length < #log then
    vortex.send(msg.src, entries_from(msg.body.length + 1))
  end
end)

vortex.on("entries", function(msg)
  if msg.body.first <= #log + 1 then
    append(msg.body.entries, msg.body.first)
  end
end)

vortex.on({ "read", "write", "cas" }, function(msg)
  last = last + 1
  local number, op = last, msg.body
  waiting[number] = msg
  if vortex.id == vortex.ids[1] then
    order { from = vortex.id, number = number, op = op }
    return
  end
  while waiting[number] do
    vortex.send(vortex.ids[1], { type = "order", number = number, op = op, length = #log })
    vortex.sleep(RETRY_PERIOD)
  end
end)
