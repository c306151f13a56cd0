--- Holds a reply against a schema, and says in words what is wrong and where: "read_ok.messages: expected an array, got
--- an object".
local core = require "vortex.core"
local order = require "vortex.order"

local M = {}

local function kind_of(value)
  if value == core.null then
    return "null"
  elseif type(value) == "table" then
    return core.is_array(value) and "an array" or "an object"
  elseif type(value) == "number" then
    return math.type(value) == "integer" and "an integer" or "the number " .. core.encode(value)
  elseif type(value) == "boolean" then
    return tostring(value)
  end
  return "a string"
end

local function unexpected(path, expected, value)
  return ("%s: expected %s, got %s"):format(path, expected, kind_of(value))
end

local match

local function match_list(shape, value, path)
  if value == core.null then
    return nil
  elseif not core.is_array(value) then
    return unexpected(path, "an array", value)
  end
  for i, element in ipairs(value) do
    local wrong = match(shape.list, element, ("%s[%d]"):format(path, i))
    if wrong then
      return wrong
    end
  end
end

local function match_map(shape, value, path)
  if type(value) ~= "table" or core.is_array(value) then
    return unexpected(path, "an object", value)
  end
  for key, element in order.sorted_pairs(value) do
    local wrong = match(shape.map, element, ("%s.%s"):format(path, key))
    if wrong then
      return wrong
    end
  end
end

local function match_length(n, value, path)
  if not core.is_array(value) then
    return unexpected(path, "an array", value)
  elseif #value ~= n then
    return ("%s: expected %d elements, got %d"):format(path, n, #value)
  end
end

local function match_pair(shape, value, path)
  return match_length(2, value, path)
    or match(shape.pair[1], value[1], path .. "[1]")
    or match(shape.pair[2], value[2], path .. "[2]")
end

local function match_op(shape, value, path)
  local wrong = match_length(3, value, path)
  if wrong then
    return wrong
  end
  local names = {}
  for name, argument in order.sorted_pairs(shape.op) do
    if value[1] == name then
      return match(argument, value[3], path .. "[3]")
    end
    names[#names + 1] = ('"%s"'):format(name)
  end
  return ("%s[1]: expected %s"):format(path, table.concat(names, " or "))
end

local MATCH = { list = match_list, map = match_map, pair = match_pair, op = match_op }

function match(shape, value, path)
  if shape == "any" then
    return nil
  elseif shape == "integer" then
    return math.type(value) ~= "integer" and unexpected(path, "an integer", value) or nil
  elseif shape == "string" then
    return type(value) ~= "string" and unexpected(path, "a string", value) or nil
  end
  return MATCH[next(shape)](shape, value, path)
end

local ENVELOPE = { type = "string", in_reply_to = "integer", msg_id = "integer" }

-- `value` as the other side will see it: what is an array, an object or an integer is decided by how it is printed.
local function as_printed(value)
  local ok, text = pcall(core.encode, value)
  if not ok then
    return nil, tostring(text)
  end
  return core.decode(text)
end

local function check_fields(fields, body, kind, closed)
  for name, shape in order.sorted_pairs(fields) do
    if body[name] == nil then
      return ("%s.%s: missing"):format(kind, name)
    end
    local wrong = match(shape, body[name], kind .. "." .. name)
    if wrong then
      return wrong
    end
  end
  for name, value in order.sorted_pairs(body) do
    if ENVELOPE[name] then
      local wrong = match(ENVELOPE[name], value, kind .. "." .. name)
      if wrong then
        return wrong
      end
    elseif closed and not fields[name] then
      return ("%s.%s: no such field in this reply"):format(kind, name)
    end
  end
end

local ERROR_FIELDS = { code = "integer", text = "string" }

--- Holds a body that came from the wire against a schema; without one, only errors are checked. An error may carry
--- fields of its own.
---@param schema vortex.ReplySchema?
---@param body table
---@return string? reason what is wrong; nil if nothing is
function M.decoded(schema, body)
  local kind = body.type
  if kind == "error" then
    return check_fields(ERROR_FIELDS, body, "error", false)
  elseif not schema then
    return nil
  elseif kind ~= nil and kind ~= schema.type then
    return ("type: expected %s or error, got %s"):format(schema.type, core.encode(kind))
  end
  return check_fields(schema.fields, body, schema.type, true)
end

--- The same for a reply that has yet to be sent: what counts is how it is printed.
---@param schema vortex.ReplySchema?
---@param body table
---@return string? reason what is wrong; nil if nothing is
function M.reply(schema, body)
  local printed, unprintable = as_printed(body)
  if not printed then
    return unprintable
  end
  return M.decoded(schema, printed)
end

return M
