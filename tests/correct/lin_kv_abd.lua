-- A linearizable store by the registers of Attiya, Bar-Noy and Dolev. Each key has one writer, its owner, which
-- numbers its writes; requests that write go there. A write is done when a majority keeps it. A read asks a majority
-- for the newest write, and sees to it that a majority keeps that one before it answers, so that no later read can
-- find an older one. Since nobody else writes, the owner's own copy is the newest, and a cas compares with that.
--
-- A write that no majority confirmed may still come out, and is answered as indeterminate. Survives everything but
-- the loss of memory.
--
--   vortex-lua test -w lin-kv --node-count 5 --nemesis partition,partition-oneway,loss,duplicate,pause,slow,clock \
--     --seeds 60 tests/correct/lin_kv_abd.lua
local vortex = require "vortex"

local TRY_TIMEOUT = 0.5 -- seconds
local TRIES = 6

local registers = {} -- key -> { time, value }: the newest write that we have heard of
local locks = {}     -- key -> the writer's lock

local function owner_of(key)
  return vortex.ids[math.tointeger(key) % #vortex.ids + 1]
end

-- Every request may be repeated: storing the same write twice changes nothing.
local function ask_majority(body)
  local replies, err
  for _ = 1, TRIES do
    replies, err = vortex.try_rpc_all(vortex.ids, body, { need = #vortex.ids // 2 + 1, timeout = TRY_TIMEOUT })
    if replies then
      return replies
    end
  end
  vortex.error("timeout", err.text)
end

local function keep(key, time, value)
  local register = registers[key]
  if not register or time > register.time then
    registers[key] = { time = time, value = value }
  end
end

vortex.on("fetch", function(msg)
  return registers[msg.body.key] or { time = 0 }
end)

vortex.on("store", function(msg)
  keep(msg.body.key, msg.body.time, msg.body.value)
  return {}
end)

local function store(key, register)
  ask_majority { type = "store", key = key, time = register.time, value = register.value }
end

vortex.on("read", function(msg)
  local key, newest = msg.body.key, { time = 0 }
  for _, reply in vortex.sorted_pairs(ask_majority { type = "fetch", key = key }) do
    if reply.time > newest.time then
      newest = reply
    end
  end
  if newest.time == 0 then
    vortex.error "key-does-not-exist"
  end
  store(key, newest)
  return { value = newest.value }
end)

vortex.on({ "write", "cas" }, function(msg)
  local key = msg.body.key
  if owner_of(key) ~= vortex.id then
    msg:forward(owner_of(key))
    return nil
  end
  locks[key] = locks[key] or vortex.mutex()
  local turn <close> = locks[key]:lock() -- luacheck: ignore turn
  local register = registers[key]
  if msg.type == "cas" and not register then
    vortex.error "key-does-not-exist"
  elseif msg.type == "cas" and register.value ~= msg.body.from then
    vortex.error "precondition-failed"
  end
  local value = msg.body.value
  if msg.type == "cas" then
    value = msg.body.to
  end
  keep(key, register and register.time + 1 or 1, value)
  store(key, registers[key])
  return {}
end)
