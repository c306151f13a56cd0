--- Several nodes under test, wired together: what one writes to another is routed, reprinted as Maelstrom does, unless `lose` says that
--- it is lost. Services answer beside them.
local judges = require "support.judge"
local maelstrom = require "support.maelstrom"
local process = require "support.process"
local services = require "support.services"

local M = {}

local Cluster = {}
Cluster.__index = Cluster

local function member_ids(count)
  local ids = {}
  for i = 1, count do
    ids[i] = "n" .. i
  end
  return ids
end

--- Starts the nodes and waits until all have answered init.
---   script | source, options, args, env, workload   as in maelstrom.start
---   ids | count    the members
---   seed           of the services
---   lose(src, dest, msg)   true = this message between members is lost
function M.start(options)
  local cluster = setmetatable({
    ids = options.ids or member_ids(options.count),
    nodes = {},
    services = services.new(options.seed),
    lose = options.lose,
    routed = 0, -- messages between members, lost ones included
    lost = 0,
  }, Cluster)
  local ledger = judges.ledger()
  for _, id in ipairs(cluster.ids) do
    local copy = {}
    for key, value in pairs(options) do
      copy[key] = value
    end
    copy.id, copy.ids, copy.ledger, copy.init = id, cluster.ids, ledger, false
    copy.on_message = function(node, msg)
      return cluster:route(node, msg)
    end
    cluster.nodes[id] = maelstrom.start(copy)
  end
  for _, id in ipairs(cluster.ids) do
    cluster.nodes[id]:initialize()
  end
  return cluster
end

--- Handles what a node has written; false = it goes to a client.
function Cluster:route(node, msg)
  local target = self.nodes[msg.dest]
  if not target then
    return self.services:take(node, msg)
  end
  self.routed = self.routed + 1
  if self.lose and self.lose(msg.src, msg.dest, msg) then
    self.lost = self.lost + 1
  elseif not target.process.exit_code then
    target:send(msg.src, msg.body)
  end
  return true
end

--- Sends a request to a node and waits for the reply, whoever gives it. Returns its body, and the whole message.
function Cluster:call(id, body, opts)
  local src = opts and opts.src or "c1"
  local msg_id = self.nodes[id]:request(body, { src = src })
  return self:reply_to(src, msg_id, opts and opts.timeout)
end

--- Waits for the reply to an earlier request, from any node.
function Cluster:reply_to(src, msg_id, timeout_s)
  local wanted = maelstrom.reply_to(src, msg_id)
  local found
  process.wait_until(function()
    for _, id in ipairs(self.ids) do
      local inbox = self.nodes[id].inbox
      for i, msg in ipairs(inbox) do
        if wanted(msg) then
          found = table.remove(inbox, i)
          return true
        end
      end
    end
  end, timeout_s, function()
    return ("a reply to %s, %s\n%s"):format(src, msg_id, self:about())
  end)
  return found.body, found
end

function Cluster:about()
  local parts = {}
  for i, id in ipairs(self.ids) do
    parts[i] = id .. ": " .. self.nodes[id].process:about()
  end
  return table.concat(parts, "\n")
end

--- Ends all nodes.
function Cluster:finish()
  for _, id in ipairs(self.ids) do
    self.nodes[id].process:close_stdin()
  end
  for _, id in ipairs(self.ids) do
    self.nodes[id]:ended()
  end
end

return M
