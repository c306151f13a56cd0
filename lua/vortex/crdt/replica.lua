--- What all replicated types share.
local core = require "vortex.core"
local unique_id = require "vortex.unique_id"

local M = {}

--- The metatable of a type whose instances are equal if their JSON forms are.
---@param name string
---@return table
function M.class(name)
  local Class = { __name = name }
  Class.__index = Class

  function Class:__eq(other)
    return getmetatable(other) == Class and core.encode(self:to_json()) == core.encode(other:to_json())
  end

  function Class:__tostring()
    return name .. core.encode(self:to_json())
  end

  return Class
end

--- The name of a replica's own changes.
---@param replica { actor: string? }
---@return string
function M.actor(replica)
  replica.actor = replica.actor or unique_id()
  return replica.actor
end

--- Raises if a received form is not what it should be.
---@param name string
---@param good boolean
---@param expected string
function M.check(name, good, expected)
  if not good then
    error(("%s: expected %s"):format(name, expected), 3)
  end
end

--- Checks a table of positive counts by actor, and copies it.
---@param name string
---@param counts table<string, integer>
---@return table<string, integer>
function M.counts(name, counts)
  M.check(name, type(counts) == "table", "an object of counts by actor")
  local copy = {}
  for actor, n in pairs(counts) do -- order-free
    M.check(name, type(actor) == "string" and math.type(n) == "integer" and n >= 0, "an object of counts by actor")
    copy[actor] = n
  end
  return copy
end

--- Raises each count to the other's, where that is higher.
---@param counts table<string, integer>
---@param others table<string, integer>
function M.raise_counts(counts, others)
  for actor, n in pairs(others) do -- order-free
    counts[actor] = math.max(n, counts[actor] or 0)
  end
end

return M
