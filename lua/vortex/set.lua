--- A set of JSON scalars (strings, numbers, booleans, null) that remembers the order in which its elements came.
---
---   local seen = vortex.set()
---   if seen:add(msg.body.message) then ... end     -- true: it is new
---   return { messages = seen:array() }
---
--- Elements are the same if they are the same Lua table key, so 1 and 1.0 are one element. Adding, removing and looking
--- up are O(1).
local core = require "vortex.core"
local order = require "vortex.order"

local M = {}

---@alias vortex.Scalar string|number|boolean|lightuserdata

---@class vortex.Set
---@field private slots table<integer, vortex.Scalar> elements in order of arrival, with holes where some were removed
---@field private slot_of table<vortex.Scalar, integer>
---@field private last integer the last slot in use
---@field private count integer
---@operator sub(vortex.Set): vortex.Set
---@operator bor(vortex.Set): vortex.Set
---@operator band(vortex.Set): vortex.Set
---@operator len: integer
local Set = { __name = "vortex.set" }
Set.__index = Set

--- A set of the elements of a list or of another set, or an empty one.
---@param elements? vortex.Scalar[]|vortex.Set
---@return vortex.Set
function M.new(elements)
  local set = setmetatable({ slots = {}, slot_of = {}, last = 0, count = 0 }, Set)
  if elements then
    set:add_all(elements)
  end
  return set
end

local function check_element(value)
  if not (order.has(value) or value == core.null) or value ~= value then
    error(("set: %s cannot be an element: only strings, numbers, booleans and null"):format(tostring(value)), 3)
  end
end

local function elements_of(list_or_set)
  if getmetatable(list_or_set) == Set then
    return list_or_set:array()
  elseif type(list_or_set) ~= "table" then
    error(("set: expected a list or a set, got %s"):format(type(list_or_set)), 3)
  end
  return list_or_set
end

local function as_set(list_or_set)
  return getmetatable(list_or_set) == Set and list_or_set or M.new(elements_of(list_or_set))
end

local function close_holes(set)
  local slots, last = {}, 0
  for i = 1, set.last do
    local value = set.slots[i]
    if value ~= nil then
      last = last + 1
      slots[last] = value
      set.slot_of[value] = last
    end
  end
  set.slots, set.last = slots, last
end

--- Adds an element. Returns whether it is new.
---@param value vortex.Scalar
---@return boolean is_new
function Set:add(value)
  if self.slot_of[value] then
    return false
  end
  check_element(value)
  self.last = self.last + 1
  self.count = self.count + 1
  self.slots[self.last] = value
  self.slot_of[value] = self.last
  return true
end

--- Adds every element of a list or a set. Returns those that are new, in order.
---@param elements vortex.Scalar[]|vortex.Set
---@return vortex.Scalar[] new
function Set:add_all(elements)
  local new, n = core.array {}, 0
  local slots, slot_of = self.slots, self.slot_of
  for _, value in ipairs(elements_of(elements)) do
    if not slot_of[value] then
      check_element(value)
      local last = self.last + 1
      self.last, self.count, slots[last], slot_of[value] = last, self.count + 1, value, last
      n = n + 1
      new[n] = value
    end
  end
  return new
end

--- Whether a value is an element.
---@param value any
---@return boolean
function Set:has(value)
  return value ~= nil and self.slot_of[value] ~= nil
end

--- Removes an element. Returns whether it was one.
---@param value vortex.Scalar
---@return boolean was_element
function Set:remove(value)
  local slot = value ~= nil and self.slot_of[value]
  if not slot then
    return false
  end
  self.slots[slot] = nil
  self.slot_of[value] = nil
  self.count = self.count - 1
  if self.last > 2 * self.count + 8 then
    close_holes(self) -- costs as much as the removals that led here
  end
  return true
end

--- How many elements there are; also `#set`.
---@return integer
function Set:size()
  return self.count
end

--- Whether there are none.
---@return boolean
function Set:empty()
  return self.count == 0
end

--- The elements as a JSON array, in the order in which they came.
---@return vortex.Scalar[]
function Set:array()
  local list, n = core.array {}, 0
  for i = 1, self.last do
    local value = self.slots[i]
    if value ~= nil then
      n = n + 1
      list[n] = value
    end
  end
  return list
end

--- The elements as a JSON array, by type (null, booleans, numbers, strings), then by value: equal for equal sets.
---@return vortex.Scalar[]
function Set:sorted()
  local list, numbers, strings = core.array {}, {}, {}
  local n = 0
  for _, value in ipairs { core.null, false, true } do
    if self.slot_of[value] then
      n = n + 1
      list[n] = value
    end
  end
  for i = 1, self.last do
    local value = self.slots[i]
    local kind = type(value)
    if kind == "number" then
      numbers[#numbers + 1] = value
    elseif kind == "string" then
      strings[#strings + 1] = value
    end
  end
  table.sort(numbers) -- without a comparison of our own: ten times as fast
  table.sort(strings)
  table.move(numbers, 1, #numbers, n + 1, list)
  table.move(strings, 1, #strings, n + #numbers + 1, list)
  return list
end

--- Iterates, as in `for value in set:each() do`, over the elements that the set has when the loop begins, in the order
--- in which they came.
---@return fun(): vortex.Scalar
function Set:each()
  local list, i = self:array(), 0
  return function()
    i = i + 1
    return list[i]
  end
end

--- The elements of this set, then those of the other that are new; also `a | b`.
---@param other vortex.Scalar[]|vortex.Set
---@return vortex.Set
function Set:union(other)
  local result = M.new(self)
  result:add_all(other)
  return result
end

local function filter(set, other, wanted)
  other = as_set(other)
  local result = M.new()
  for value in set:each() do
    if other:has(value) == wanted then
      result:add(value)
    end
  end
  return result
end

--- The elements of this set that the other lacks; also `a - b`.
---@param other vortex.Scalar[]|vortex.Set
---@return vortex.Set
function Set:difference(other)
  return filter(self, other, false)
end

--- The elements of this set that the other has too; also `a & b`.
---@param other vortex.Scalar[]|vortex.Set
---@return vortex.Set
function Set:intersection(other)
  return filter(self, other, true)
end

Set.__bor, Set.__sub, Set.__band, Set.__len = Set.union, Set.difference, Set.intersection, Set.size

-- Same elements, whatever their order.
function Set:__eq(other)
  return getmetatable(other) == Set and self.count == other.count and self:difference(other):empty()
end

function Set:__tostring()
  return "set" .. core.encode(self:array())
end

return M
