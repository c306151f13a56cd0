--- Replies that came from the wire, held against a workload's schemas: compiled once, since every operation's reply is.
--- The words for a reply that is refused are vortex.validate's.
local core = require "vortex.core"
local order = require "vortex.order"
local validate = require "vortex.validate"

local M = {}

local null, is_array = core.null, core.is_array

local function any()
  return true
end

local function integer(value)
  return math.type(value) == "integer"
end

local function string_(value)
  return type(value) == "string"
end

local compile

local function list(element)
  if element == any then
    return function(value)
      return value == null or is_array(value)
    end
  end
  return function(value)
    if value == null then
      return true
    elseif not is_array(value) then
      return false
    end
    for i = 1, #value do
      if not element(value[i]) then
        return false
      end
    end
    return true
  end
end

-- Rarer shapes take validate's longer way.
local function otherwise(shape)
  local schema = { type = "", fields = { value = shape } }
  return function(value)
    return validate.decoded(schema, { type = "", value = value }) == nil
  end
end

function compile(shape)
  if shape == "any" then
    return any
  elseif shape == "integer" then
    return integer
  elseif shape == "string" then
    return string_
  elseif shape.list then
    return list(compile(shape.list))
  end
  return otherwise(shape)
end

--- A function that says what is wrong with a decoded reply: nothing (nil), or a reason. Errors are not for it.
---@param schema vortex.ReplySchema
---@return fun(body: table): string?
function M.compile(schema)
  local known = { in_reply_to = integer, msg_id = integer }
  local required = 1 -- in_reply_to
  for name, shape in order.sorted_pairs(schema.fields) do
    known[name] = compile(shape)
    required = required + 1
  end
  local kind = schema.type

  local function fits(body)
    if body.type ~= kind then
      return false
    end
    local found = 0
    for name, value in next, body do
      if name ~= "type" then
        local fit = known[name]
        if not fit or not fit(value) then
          return false
        elseif name ~= "msg_id" then
          found = found + 1
        end
      end
    end
    return found == required
  end

  return function(body)
    if fits(body) then
      return nil
    elseif body.type == nil then
      return ("type: expected %s or error, got none"):format(kind)
    elseif body.in_reply_to == nil then
      return kind .. ".in_reply_to: missing"
    end
    return validate.decoded(schema, body) or kind .. ": not of the expected form"
  end
end

--- The same for every request type of a workload.
---@param schemas table<string, vortex.ReplySchema>
---@return table<string, fun(body: table): string?>
function M.all(schemas)
  local checks = {}
  for request_type, schema in order.sorted_pairs(schemas) do
    checks[request_type] = M.compile(schema)
  end
  return checks
end

return M
