--- A counter that goes up and down: two counters that only grow, and the value is their difference.
local g_counter = require "vortex.crdt.g_counter"
local replica = require "vortex.crdt.replica"

---@class vortex.crdt.pn_counter
local M = {}

---@class vortex.PNCounter
---@field private up vortex.GCounter
---@field private down vortex.GCounter
local PNCounter = replica.class "pn_counter"

--- A counter at 0.
---@param actor? string
---@return vortex.PNCounter
function M.new(actor)
  return setmetatable({ up = g_counter.new(actor), down = g_counter.new(actor) }, PNCounter)
end

--- The counter that `to_json` gave; `actor` names the changes made to it from now on.
---@param json { up: table<string, integer>, down: table<string, integer> }
---@param actor? string
---@return vortex.PNCounter
function M.from_json(json, actor)
  replica.check("pn_counter", type(json) == "table", "an object with up and down")
  local up, down = g_counter.from_json(json.up, actor), g_counter.from_json(json.down, actor)
  return setmetatable({ up = up, down = down }, PNCounter)
end

--- Adds an integer (default 1), which may be negative.
---@param n? integer
function PNCounter:add(n)
  n = n or 1
  if math.type(n) ~= "integer" then
    error(("pn_counter: cannot add %s: only integers"):format(tostring(n)), 2)
  elseif n > 0 then
    self.up:add(n)
  else
    self.down:add(-n)
  end
end

--- The sum of what all actors added.
---@return integer
function PNCounter:value()
  return self.up:value() - self.down:value()
end

--- Takes in another replica, or its JSON form.
---@param other vortex.PNCounter|{ up: table<string, integer>, down: table<string, integer> }
---@return vortex.PNCounter self
function PNCounter:merge(other)
  other = getmetatable(other) == PNCounter and other or M.from_json(other)
  self.up:merge(other.up)
  self.down:merge(other.down)
  return self
end

--- The replica as values that can be sent.
---@return { up: table<string, integer>, down: table<string, integer> }
function PNCounter:to_json()
  return { up = self.up:to_json(), down = self.down:to_json() }
end

return M
