--- broadcast: what one node was told, all nodes come to know, and never forget.
local core = require "vortex.core"
local schema = require "vortex.schema"
local set_story = require "vortex.lab.set_story"
local topology = require "vortex.topology"

local M = {
  name = "broadcast",
  replies = schema.workloads["broadcast"],
  clients_per_node = 1,
  reusable = false,
  idempotent = { read = true },
}

local function line(nodes)
  return #nodes < 2 and core.object {} or topology.line(nodes) -- Maelstrom's line of one node names no node
end

local function tree(fanout)
  return function(nodes)
    return topology.tree(nodes, fanout)
  end
end

local TOPOLOGIES = {
  line = line,
  grid = topology.grid,
  tree = tree(2),
  tree2 = tree(2),
  tree3 = tree(3),
  tree4 = tree(4),
  total = topology.full,
}

--- The neighbours of every node. Raises if there is no such topology.
---@param name? string default grid
---@param nodes string[]
---@return vortex.Topology
function M.topology(name, nodes)
  local make = TOPOLOGIES[name or "grid"]
  if not make then
    error(("no topology %q; there are grid, line, tree, tree2, tree3, tree4 and total"):format(name), 0)
  end
  return make(nodes)
end

function M.setup(test)
  test.topology_request = test.topology_request or { type = "topology", topology = M.topology(test.topology, test.nodes) }
  return test.topology_request
end

function M.generator(test)
  M.setup(test) -- raises before anything begins
  local element = -1
  return function(_, _, rand)
    if rand(2) == 0 then
      return { f = "read" }
    end
    element = element + 1
    return { f = "broadcast", value = element }
  end
end

function M.final()
  return { f = "read", final = true }
end

function M.request(op)
  if op.f == "read" then
    return { type = "read" }
  end
  return { type = "broadcast", message = op.value }
end

function M.complete(op, body)
  if op.f == "read" then
    return body.messages
  end
  return op.value
end

function M.check(history, test)
  return set_story.check(history, test, "broadcast")
end

return M
