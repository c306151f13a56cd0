--- Maelstrom's services: lin-kv, seq-kv, lww-kv and lin-tso. Deterministic for a seed.
---
---   local services = services.new(seed)
---   node.on_message = services:serve()      -- answers at once whatever goes to a service
---
--- Keys and values are compared as Maelstrom compares them: 1, 1.0 and "1" are three. Unknown requests get no answer.
local json = require "support.json"

local M = {}

local SEQ_STATES = 32
local LWW_COPIES = 3

-- A small generator of its own, so that no test depends on how often another draws from math.random.
local function generator(seed)
  local state = (seed or 1) % 2147483647
  return function(n)
    state = state * 48271 % 2147483647
    return state % n + 1
  end
end

local function err(code, text)
  return { type = "error", code = code, text = text }
end

-- What a request does to a map from keys to values, both as JSON text. Returns the reply, and the change: key, new value.
local function apply(map, body, knows_create)
  local key = json.encode(body.key)
  local old = map[key]
  if body.type == "read" then
    if old == nil then
      return err(20, "key does not exist")
    end
    return { type = "read_ok", value = json.decode(old) }
  elseif body.type == "write" then
    return { type = "write_ok" }, key, json.encode(body.value)
  elseif body.type == "cas" then
    if old == nil and not (knows_create and body.create_if_not_exists == true) then
      return err(20, "key does not exist")
    elseif old ~= nil and old ~= json.encode(body.from) then
      return err(22, ("current value %s is not %s"):format(old, json.encode(body.from)))
    end
    return { type = "cas_ok" }, key, json.encode(body.to)
  end
end

local function lin_kv()
  local map = {}
  return function(_, body)
    local reply, key, value = apply(map, body, true)
    if key then
      map[key] = value
    end
    return reply
  end
end

-- Serves any of the last states that is not older than what the client has seen; only a change takes it to the newest.
local function seq_kv(random)
  local states, newest, seen = { [0] = {} }, 0, {}
  return function(client, body)
    local oldest = math.max(seen[client] or 0, newest - SEQ_STATES + 1, 0)
    local at = oldest + random(newest - oldest + 1) - 1
    local reply, key, value = apply(states[at], body, true)
    if key == nil or states[at][key] == value then
      seen[client] = at
      return reply
    end
    reply, key, value = apply(states[newest], body, true)
    if key then
      local state = {}
      for k, v in pairs(states[newest]) do
        state[k] = v
      end
      state[key] = value
      newest = newest + 1
      states[newest], states[newest - SEQ_STATES] = state, nil
    end
    seen[client] = newest
    return reply
  end
end

-- Several copies; each request goes to one of them, and they tell each other now and then. The latest write wins.
local function lww_kv(random)
  local clock, copies = 0, {}
  for i = 1, LWW_COPIES do
    copies[i] = {}
  end
  local function merge(into, from)
    for key, cell in pairs(from) do
      if not into[key] or into[key].at < cell.at then
        into[key] = cell
      end
    end
  end
  return function(_, body)
    local copy = copies[random(LWW_COPIES)]
    local map = {}
    for key, cell in pairs(copy) do
      map[key] = cell.value
    end
    local reply, key, value = apply(map, body, false)
    if key then
      clock = clock + 1
      copy[key] = { at = clock, value = value }
    end
    merge(copies[random(LWW_COPIES)], copies[random(LWW_COPIES)])
    return reply
  end
end

local function lin_tso()
  local ts = -1
  return function(_, body)
    if body.type == "ts" then
      ts = ts + 1
      return { type = "ts_ok", ts = ts }
    end
  end
end

local Services = {}
Services.__index = Services

function M.new(seed)
  local random = generator(seed)
  return setmetatable({
    handlers = {
      ["lin-kv"] = lin_kv(),
      ["seq-kv"] = seq_kv(random),
      ["lww-kv"] = lww_kv(random),
      ["lin-tso"] = lin_tso(),
    },
    requests = {}, -- how many each got
  }, Services)
end

--- The reply of a service to a body, or nil if it gives none.
function Services:handle(service, client, body)
  self.requests[service] = (self.requests[service] or 0) + 1
  return self.handlers[service](client, body)
end

--- Answers a message if it goes to a service. Returns whether it does.
function Services:take(node, msg)
  if not self.handlers[msg.dest] then
    return false
  end
  local reply = self:handle(msg.dest, msg.src, msg.body)
  if reply and msg.body.msg_id ~= nil then
    node:answer(msg, reply)
  end
  return true
end

--- An on_message for maelstrom.start.
function Services:serve()
  return function(node, msg)
    return self:take(node, msg)
  end
end

return M
