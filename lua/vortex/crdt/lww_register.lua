--- A value of which the last write counts: the one with the highest timestamp, of equal ones that of the highest actor.
---
--- Unless it is given one, a write takes the timestamp after the highest it has seen, so it wins over every write it
--- could know of.
local core = require "vortex.core"
local replica = require "vortex.crdt.replica"

---@class vortex.crdt.lww_register
local M = {}

---@alias vortex.LwwJson { value: any, timestamp: number, actor: string }

---@class vortex.LwwRegister
---@field private actor? string
---@field private current any never nil
---@field private timestamp number
---@field private writer string
local LwwRegister = replica.class "lww_register"

--- A register that nobody has written.
---@param actor? string
---@return vortex.LwwRegister
function M.new(actor)
  return setmetatable({ actor = actor, current = core.null, timestamp = 0, writer = "" }, LwwRegister)
end

--- The register that `to_json` gave; `actor` names the writes made to it from now on.
---@param json vortex.LwwJson
---@param actor? string
---@return vortex.LwwRegister
function M.from_json(json, actor)
  local good = type(json) == "table"
    and type(json.timestamp) == "number"
    and type(json.actor) == "string"
    and json.value ~= nil
  replica.check("lww_register", good, "an object with value, timestamp and actor")
  local register = M.new(actor)
  register.current, register.timestamp, register.writer = json.value, json.timestamp, json.actor
  return register
end

-- Two writes with one timestamp by one actor are somebody's mistake, but even then replicas must agree.
local function is_later(a, b)
  if a.timestamp ~= b.timestamp then
    return a.timestamp > b.timestamp
  elseif a.writer ~= b.writer then
    return a.writer > b.writer
  end
  return core.encode(a.current) > core.encode(b.current)
end

local function take(register, other)
  local wins = is_later(other, register)
  if wins then
    register.current, register.timestamp, register.writer = other.current, other.timestamp, other.writer
  end
  return wins
end

--- Writes a value (not nil), at `timestamp` if given. Returns whether it is the register's value now: false if a later
--- write is known.
---@param value any
---@param timestamp? number
---@return boolean written
function LwwRegister:set(value, timestamp)
  timestamp = timestamp or math.floor(self.timestamp) + 1
  if value == nil then
    error("lww_register: the value is nil; a JSON null is vortex.null", 2)
  elseif type(timestamp) ~= "number" or timestamp ~= timestamp then
    error("lww_register: the timestamp is not a number", 2)
  end
  return take(self, { current = value, timestamp = timestamp, writer = replica.actor(self) })
end

--- The value last written; vortex.null if none was.
---@return any
function LwwRegister:value()
  return self.current
end

--- Takes in another replica, or its JSON form.
---@param other vortex.LwwRegister|vortex.LwwJson
---@return vortex.LwwRegister self
function LwwRegister:merge(other)
  other = getmetatable(other) == LwwRegister and other or M.from_json(other)
  take(self, other)
  return self
end

--- The replica as values that can be sent.
---@return vortex.LwwJson
function LwwRegister:to_json()
  return { value = self.current, timestamp = self.timestamp, actor = self.writer }
end

return M
