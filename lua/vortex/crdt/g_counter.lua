--- A counter that only grows: each actor counts for itself, the value is the sum.
local core = require "vortex.core"
local replica = require "vortex.crdt.replica"

---@class vortex.crdt.g_counter
local M = {}

---@class vortex.GCounter
---@field private actor? string
---@field private counts table<string, integer>
local GCounter = replica.class "g_counter"

--- A counter at 0.
---@param actor? string
---@return vortex.GCounter
function M.new(actor)
  return setmetatable({ actor = actor, counts = {} }, GCounter)
end

--- The counter that `to_json` gave; `actor` names the changes made to it from now on.
---@param json table<string, integer>
---@param actor? string
---@return vortex.GCounter
function M.from_json(json, actor)
  return setmetatable({ actor = actor, counts = replica.counts("g_counter", json) }, GCounter)
end

--- Adds a non-negative integer (default 1).
---@param n? integer
function GCounter:add(n)
  n = n or 1
  if math.type(n) ~= "integer" or n < 0 then
    error(("g_counter: cannot add %s: only integers from 0 up"):format(tostring(n)), 2)
  elseif n > 0 then
    local actor = replica.actor(self)
    self.counts[actor] = (self.counts[actor] or 0) + n
  end
end

--- The sum of what all actors added.
---@return integer
function GCounter:value()
  local sum = 0
  for _, n in pairs(self.counts) do -- order-free
    sum = sum + n
  end
  return sum
end

--- Takes in another replica, or its JSON form.
---@param other vortex.GCounter|table<string, integer>
---@return vortex.GCounter self
function GCounter:merge(other)
  other = getmetatable(other) == GCounter and other or M.from_json(other)
  replica.raise_counts(self.counts, other.counts)
  return self
end

--- The replica as values that can be sent: an object of counts by actor.
---@return table<string, integer>
function GCounter:to_json()
  return core.object(replica.counts("g_counter", self.counts))
end

return M
