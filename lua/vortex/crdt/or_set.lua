--- A set with removal, in which an addition wins over a removal that did not see it.
---
--- Every addition is a dot: an actor and its count. A replica remembers which dots it has seen (per actor, all up to a
--- count: the clock) and the dots that keep each element in. A dot that a replica has seen but does not hold was
--- removed, so removals leave nothing behind (Bieniusa et al., "An optimized conflict-free replicated set", 2012).
local core = require "vortex.core"
local new_set = require("vortex.set").new
local replica = require "vortex.crdt.replica"

---@class vortex.crdt.or_set
local M = {}

---@alias vortex.OrSetJson { clock: table<string, integer>, elements: [vortex.Scalar, table<string, integer>][] }

---@class vortex.OrSet
---@field private actor? string
---@field private clock table<string, integer>
---@field private dots table<vortex.Scalar, table<string, integer>>
local OrSet = replica.class "or_set"

--- An empty set.
---@param actor? string
---@return vortex.OrSet
function M.new(actor)
  return setmetatable({ actor = actor, clock = {}, dots = {} }, OrSet)
end

--- The set that `to_json` gave; `actor` names the changes made to it from now on.
---@param json vortex.OrSetJson
---@param actor? string
---@return vortex.OrSet
function M.from_json(json, actor)
  replica.check("or_set", type(json) == "table" and type(json.elements) == "table", "an object with clock and elements")
  local set = M.new(actor)
  set.clock = replica.counts("or_set", json.clock)
  for _, entry in ipairs(json.elements) do
    replica.check("or_set", type(entry) == "table" and entry[1] ~= nil, "an element as [element, dots]")
    set.dots[entry[1]] = replica.counts("or_set", entry[2])
  end
  return set
end

--- Adds an element, also against removals elsewhere that have not seen this.
---@param element vortex.Scalar
function OrSet:add(element)
  new_set():add(element) -- raises if it cannot be one
  local actor = replica.actor(self)
  local count = (self.clock[actor] or 0) + 1
  self.clock[actor] = count
  self.dots[element] = { [actor] = count } -- in place of the dots this replica has seen
end

--- Removes an element. Returns whether it was one.
---@param element vortex.Scalar
---@return boolean was_element
function OrSet:remove(element)
  local was_element = self:has(element)
  if was_element then
    self.dots[element] = nil
  end
  return was_element
end

--- Whether a value is an element.
---@param element any
---@return boolean
function OrSet:has(element)
  return element ~= nil and self.dots[element] ~= nil
end

--- The elements as a sorted array.
---@return vortex.Scalar[]
function OrSet:value()
  local elements = new_set()
  for element in pairs(self.dots) do -- order-free: sorted below
    elements:add(element)
  end
  return elements:sorted()
end

-- Keeps the dots of `a` that `b` has too, or has not seen yet.
local function keep_live_dots(a, b, kept)
  for element, dots in pairs(a.dots) do -- order-free
    local others = b.dots[element] or {}
    for actor, count in pairs(dots) do -- order-free
      if others[actor] == count or count > (b.clock[actor] or 0) then
        kept[element] = kept[element] or {}
        kept[element][actor] = count
      end
    end
  end
end

--- Takes in another replica, or its JSON form.
---@param other vortex.OrSet|vortex.OrSetJson
---@return vortex.OrSet self
function OrSet:merge(other)
  other = getmetatable(other) == OrSet and other or M.from_json(other)
  local kept = {}
  keep_live_dots(self, other, kept)
  keep_live_dots(other, self, kept)
  self.dots = kept
  replica.raise_counts(self.clock, other.clock)
  return self
end

--- The replica as values that can be sent.
---@return vortex.OrSetJson
function OrSet:to_json()
  local elements = core.array {}
  for i, element in ipairs(self:value()) do
    elements[i] = core.array { element, core.object(replica.counts("or_set", self.dots[element])) }
  end
  return { clock = core.object(replica.counts("or_set", self.clock)), elements = elements }
end

return M
