--- A set that only grows.
local new_set = require("vortex.set").new
local replica = require "vortex.crdt.replica"

---@class vortex.crdt.g_set
local M = {}

---@class vortex.GSet
---@field private elements vortex.Set
local GSet = replica.class "g_set"

--- An empty set. All replicas add alike: a g_set needs no actor.
---@return vortex.GSet
function M.new()
  return setmetatable({ elements = new_set() }, GSet)
end

--- The set that `to_json` gave.
---@param json vortex.Scalar[]
---@return vortex.GSet
function M.from_json(json)
  replica.check("g_set", type(json) == "table", "an array of elements")
  return setmetatable({ elements = new_set(json) }, GSet)
end

--- Adds an element. Returns whether it is new.
---@param element vortex.Scalar
---@return boolean is_new
function GSet:add(element)
  return self.elements:add(element)
end

--- Whether a value is an element.
---@param element any
---@return boolean
function GSet:has(element)
  return self.elements:has(element)
end

--- The elements as a sorted array.
---@return vortex.Scalar[]
function GSet:value()
  return self.elements:sorted()
end

--- Takes in another replica, or its JSON form.
---@param other vortex.GSet|vortex.Scalar[]
---@return vortex.GSet self
function GSet:merge(other)
  if getmetatable(other) == GSet then
    self.elements:add_all(other.elements)
  else
    replica.check("g_set", type(other) == "table", "an array of elements")
    self.elements:add_all(other)
  end
  return self
end

--- The replica as values that can be sent: an array.
---@return vortex.Scalar[]
function GSet:to_json()
  return self.elements:sorted()
end

return M
