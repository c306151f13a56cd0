--- lin-kv: a key-value store that behaves as one copy would.
---
--- Clients form groups of two per node, each group busy with one key: the first half of it reads, the other half writes
--- and compares and sets. Operations of unknown outcome make a history expensive to judge, so a key is left for a fresh
--- one when 20 processes have used it.
local check = require "vortex.check"
local core = require "vortex.core"
local register_story = require "vortex.lab.register_story"
local schema = require "vortex.schema"

local M = {
  name = "lin-kv",
  replies = schema.workloads["lin-kv"],
  clients_per_node = 2,
  reusable = true,
  idempotent = { read = true },
}

local PROCESSES_PER_KEY = 20
local VALUES = 5

local null, array = core.null, core.array

local SECOND = 1000000000

-- As Maelstrom: ten times the mean latency, at least a second.
function M.reply_timeout(test)
  return math.max(10 * (test.latency_mean or 0), SECOND)
end

local function new_group(first, size, key)
  return { first = first, size = size, readers = size // 2, key = key, used_by = {}, users = 0 }
end

local function make_groups(test)
  local size = math.min(2 * #test.nodes, test.clients)
  local group_of, count = {}, 0
  for first = 0, test.clients - 1, size do
    local group = new_group(first, math.min(size, test.clients - first), count)
    count = count + 1
    for client = first, first + group.size - 1 do
      group_of[client] = group
    end
  end
  return group_of, count
end

function M.generator(test)
  local processes = test.processes
  local group_of, next_key = make_groups(test)

  local function key_for(group, client)
    local process = processes[client]
    if not group.used_by[process] then
      if group.users >= math.max(PROCESSES_PER_KEY, group.size) then
        group.key, group.used_by, group.users = next_key, {}, 0
        next_key = next_key + 1
      end
      group.used_by[process] = true
      group.users = group.users + 1
    end
    return group.key
  end

  return function(client, _, rand)
    local group = group_of[client]
    local key = key_for(group, client)
    local reads = client - group.first < group.readers
    if reads or (group.size == 1 and rand(2) == 0) then
      return { f = "read", value = array { key, null } }
    elseif rand(3) == 0 then
      return { f = "write", value = array { key, rand(VALUES) } }
    end
    return { f = "cas", value = array { key, array { rand(VALUES), rand(VALUES) } } }
  end
end

function M.request(op)
  local key, value = op.value[1], op.value[2]
  if op.f == "read" then
    return { type = "read", key = key }
  elseif op.f == "write" then
    return { type = "write", key = key, value = value }
  end
  return { type = "cas", key = key, from = value[1], to = value[2] }
end

function M.complete(op, body)
  if op.f == "read" then
    return array { op.value[1], body.value }
  end
  return op.value
end

local function is_pair(value)
  return type(value) == "table" and #value == 2
end

-- A stored history may be of a single register, whose values stand alone.
local function is_keyed(history)
  for _, event in ipairs(history) do
    if event.type == "invoke" then
      local value = event.value
      if event.f == "cas" then
        return is_pair(value) and is_pair(value[2])
      end
      return is_pair(value)
    end
  end
  return true
end

local TOLD = 2

function M.check(history, test)
  local keyed = is_keyed(history)
  local found = check.linearizable(history, { keyed = keyed, failed_cas = test.failed_cas or "dropped" })
  local result = { valid = found.valid, reason = "", lines = {}, warnings = {} }
  if found.valid == false then
    for i, failure in ipairs(found.failures) do
      if i > TOLD then
        result.lines[#result.lines + 1] = ("%d more keys are not linearizable"):format(#found.failures - TOLD)
        break
      end
      local sentence = register_story.tell(history, failure, keyed, test, result.lines)
      result.reason = i == 1 and sentence or result.reason
    end
  elseif found.valid == "unknown" then
    local keys = core.encode(core.array(found.unknown))
    result.reason = ("the search for an order gave up on keys %s: too much happened at once"):format(keys)
  end
  return result
end

return M
