--- Real Maelstrom runs, as recorded: what the clients asked of each node. They lie beside the checkout, in ../shared/transcripts; who does
--- not have them cannot run what needs them.
local uv = require "luv"

local json = require "support.json"
local maelstrom = require "support.maelstrom"

local M = {}

--- The folder of the transcripts, or nil.
function M.folder()
  local path = maelstrom.root .. "/../shared/transcripts"
  return uv.fs_stat(path) and path or nil
end

local function read_node(path)
  local requests, init = {}, nil
  for line in io.lines(path) do
    local msg = json.decode(line)
    if msg.body.type == "init" then
      init = msg
    elseif msg.src:find "^c" then
      requests[#requests + 1] = msg
    end
  end
  return { id = init.body.node_id, ids = init.body.node_ids, requests = requests }
end

-- A node may have handed a client's request to another in the client's name, and both have a record of it: the first counts.
local function drop_forwarded(nodes)
  local first = {}
  for _, msg in ipairs(M.merged(nodes)) do
    local key = msg.src .. " " .. json.encode(msg.body.msg_id)
    first[key] = first[key] or msg
  end
  for _, node in ipairs(nodes) do
    local kept = {}
    for _, msg in ipairs(node.requests) do
      if first[msg.src .. " " .. json.encode(msg.body.msg_id)] == msg then
        kept[#kept + 1] = msg
      end
    end
    node.requests = kept
  end
end

--- The nodes of a run, in the order of their ids: { id, ids, requests }.
function M.load(workload)
  local folder = M.folder() .. "/" .. workload
  local nodes = {}
  for name, kind in uv.fs_scandir_next, assert(uv.fs_scandir(folder)) do
    if kind == "file" and name:find "%.in%.ndjson$" then
      nodes[#nodes + 1] = read_node(folder .. "/" .. name)
    end
  end
  table.sort(nodes, function(a, b)
    return a.id < b.id
  end)
  drop_forwarded(nodes)
  return nodes
end

--- The requests of all nodes in the order in which Maelstrom sent them.
function M.merged(nodes)
  local all = {}
  for _, node in ipairs(nodes) do
    table.move(node.requests, 1, #node.requests, #all + 1, all)
  end
  table.sort(all, function(a, b)
    return a.id < b.id
  end)
  return all
end

return M
