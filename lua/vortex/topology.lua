--- Who talks to whom: every function takes node ids (default: all of the cluster) and returns the neighbours of each.
---
---   local neighbours = vortex.topology.tree()[vortex.id]
---
--- Links go both ways, nobody is its own neighbour, and neighbours stand in the order of the ids.
local core = require "vortex.core"

---@class vortex.topology
local M = {}

---@alias vortex.Topology table<string, string[]>

-- linked(i, j, n): whether the i-th and the j-th of n nodes are neighbours; asked for 1 <= i < j <= n.
local function build(ids, linked)
  ids = ids or require("vortex").ids or error("topology: the cluster is not known before init: pass the ids", 3)
  local neighbours = {}
  for _, id in ipairs(ids) do
    if neighbours[id] then
      error(("topology: %s is named twice"):format(id), 3)
    end
    neighbours[id] = core.array {}
  end
  for i = 1, #ids do
    for j = i + 1, #ids do
      if linked(i, j, #ids) then
        local a, b = neighbours[ids[i]], neighbours[ids[j]]
        a[#a + 1] = ids[j]
        b[#b + 1] = ids[i]
      end
    end
  end
  return neighbours
end

local function side(n)
  return math.ceil(math.sqrt(n))
end

--- Each node with the one before and the one after it.
---@param ids? string[]
---@return vortex.Topology
function M.line(ids)
  return build(ids, function(i, j)
    return j - i == 1
  end)
end

--- A line whose ends meet.
---@param ids? string[]
---@return vortex.Topology
function M.ring(ids)
  return build(ids, function(i, j, n)
    return j - i == 1 or (i == 1 and j == n)
  end)
end

--- Rows of ceil(sqrt(n)) nodes, the last one possibly shorter; each with those left, right, above and below.
---@param ids? string[]
---@return vortex.Topology
function M.grid(ids)
  return build(ids, function(i, j, n)
    local width = side(n)
    local same_row = (i - 1) // width == (j - 1) // width
    return j - i == width or (j - i == 1 and same_row)
  end)
end

--- Each node with its parent and its up to `fanout` children, filled level by level from the first id.
---@param ids? string[]
---@param fanout? integer default 2
---@return vortex.Topology
function M.tree(ids, fanout)
  fanout = fanout or 2
  if math.type(fanout) ~= "integer" or fanout < 1 then
    error("topology: the fanout of a tree is a positive integer", 2)
  end
  return build(ids, function(i, j)
    return (j - 2) // fanout + 1 == i
  end)
end

--- Everybody with the hub, and the hub with everybody.
---@param ids? string[]
---@param hub? string default: the first id
---@return vortex.Topology
function M.star(ids, hub)
  ids = ids or require("vortex").ids
  local centre = hub == nil and 1 or nil
  for i, id in ipairs(ids or {}) do
    if id == hub then
      centre = i
    end
  end
  if not centre then
    error(("topology: the hub %s is not among the ids"):format(tostring(hub)), 2)
  end
  return build(ids, function(i, j)
    return i == centre or j == centre
  end)
end

--- Everybody with everybody.
---@param ids? string[]
---@return vortex.Topology
function M.full(ids)
  return build(ids, function()
    return true
  end)
end

--- Groups of ceil(sqrt(n)) nodes in the order of the ids: each node with all of its group, and the first of each group
--- with the first of every other. Any two nodes are at most three hops apart, and nobody has more than about 2 sqrt(n)
--- neighbours.
---@param ids? string[]
---@return vortex.Topology
function M.sqrt(ids)
  return build(ids, function(i, j, n)
    local size = side(n)
    local same_group = (i - 1) // size == (j - 1) // size
    local both_first = (i - 1) % size == 0 and (j - 1) % size == 0
    return same_group or both_first
  end)
end

return M
