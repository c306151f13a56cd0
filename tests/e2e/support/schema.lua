--- What each Maelstrom workload accepts as a reply: closed schemas, so that a missing field, one too many or a value of another kind is
--- refused. Written from Maelstrom's workload definitions, independently of the product's own.
local json = require "support.json"

local M = {}

local function any()
  return true
end

local function int(value)
  return json.is_integer(value)
end

local function list_of(element)
  return function(value)
    if value == json.null then
      return true
    elseif not json.is_array(value) then
      return false
    end
    for _, item in ipairs(value) do
      if not element(item) then
        return false
      end
    end
    return true
  end
end

local function map_of(element)
  return function(value)
    if not json.is_object(value) then
      return false
    end
    for _, item in pairs(value) do
      if not element(item) then
        return false
      end
    end
    return true
  end
end

local function offset_and_message(value)
  return json.is_array(value) and #value == 2 and int(value[1])
end

local function micro_op(write, read_value)
  return function(value)
    if not json.is_array(value) or #value ~= 3 then
      return false
    end
    return value[1] == write or (value[1] == "r" and read_value(value[3]))
  end
end

local function counter()
  return { add = { "add_ok", {} }, read = { "read_ok", { value = int } } }
end

--- [workload][request type] = { reply type, { field = predicate } }
M.workloads = {
  ["echo"] = { echo = { "echo_ok", { echo = any } } },
  ["unique-ids"] = { generate = { "generate_ok", { id = any } } },
  ["broadcast"] = {
    topology = { "topology_ok", {} },
    broadcast = { "broadcast_ok", {} },
    read = { "read_ok", { messages = list_of(any) } },
  },
  ["g-set"] = { add = { "add_ok", {} }, read = { "read_ok", { value = list_of(any) } } },
  ["g-counter"] = counter(),
  ["pn-counter"] = counter(),
  ["kafka"] = {
    send = { "send_ok", { offset = int } },
    poll = { "poll_ok", { msgs = map_of(list_of(offset_and_message)) } },
    commit_offsets = { "commit_offsets_ok", {} },
    list_committed_offsets = { "list_committed_offsets_ok", { offsets = map_of(int) } },
  },
  ["lin-kv"] = {
    read = { "read_ok", { value = any } },
    write = { "write_ok", {} },
    cas = { "cas_ok", {} },
  },
  ["txn-list-append"] = { txn = { "txn_ok", { txn = list_of(micro_op("append", list_of(any))) } } },
  ["txn-rw-register"] = { txn = { "txn_ok", { txn = list_of(micro_op("w", any)) } } },
}

local ENVELOPE = { type = true, in_reply_to = true, msg_id = true }

--- What is wrong with a reply body to a request of this type, or nil. Errors may carry further fields; codes are integers.
function M.refusal(workload, request_type, reply)
  if reply.type == "error" then
    if not int(reply.code) then
      return "error.code is not an integer"
    elseif reply.text ~= nil and type(reply.text) ~= "string" then
      return "error.text is not a string"
    end
    return nil
  end
  local schema = M.workloads[workload][request_type]
  if not schema then
    return ("the workload has no request %s"):format(request_type)
  end
  local expected_type, fields = schema[1], schema[2]
  if reply.type ~= expected_type then
    return ("type %s instead of %s"):format(tostring(reply.type), expected_type)
  end
  for key in pairs(reply) do
    if not ENVELOPE[key] and not fields[key] then
      return ("%s has a field %s too many"):format(expected_type, key)
    end
  end
  for field, accepts in pairs(fields) do
    if reply[field] == nil then
      return ("%s lacks %s"):format(expected_type, field)
    elseif not accepts(reply[field]) then
      return ("%s.%s is refused: %s"):format(expected_type, field, json.encode(reply[field]))
    end
  end
end

return M
