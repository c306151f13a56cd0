--- A history as Jepsen writes it: EDN, one map a line.
local core = require "vortex.core"
local order = require "vortex.order"

local M = {}

local KEYWORD = "^[%a_][%w_%-]*$"

local function name(text)
  return text:find(KEYWORD) and ":" .. text or core.encode(text)
end

local print_value

local function print_array(value)
  local parts = {}
  for i = 1, #value do
    parts[i] = print_value(value[i])
  end
  return "[" .. table.concat(parts, " ") .. "]"
end

local function print_map(value)
  local parts = {}
  for key, element in order.sorted_pairs(value) do
    parts[#parts + 1] = name(tostring(key)) .. " " .. print_value(element)
  end
  return "{" .. table.concat(parts, ", ") .. "}"
end

function print_value(value)
  if value == nil or value == core.null then
    return "nil"
  elseif type(value) == "table" then
    return (core.is_array(value) or #value > 0) and print_array(value) or print_map(value)
  end
  return core.encode(value) -- numbers, strings and booleans are written as in JSON
end

-- An error is a name, or a name and a text.
local function print_error(err)
  if type(err) == "string" then
    return name(err)
  elseif type(err) == "table" and type(err[1]) == "string" then
    return ("[%s %s]"):format(name(err[1]), print_value(err[2]))
  end
  return print_value(err)
end

local function line(event)
  local process = math.type(event.process) == "integer" and tostring(event.process) or name(event.process)
  local text = ("{:index %d, :time %d, :type :%s, :process %s, :f %s, :value %s"):format(
    event.index,
    event.time,
    event.type,
    process,
    name(event.f),
    print_value(event.value)
  )
  if event.error ~= nil then
    text = text .. ", :error " .. print_error(event.error)
  end
  return text .. (event.final and ", :final? true}\n" or "}\n")
end

--- The text of a history.
---@param history vortex.Event[]
---@return string
function M.text(history)
  local lines = {}
  for i, event in ipairs(history) do
    lines[i] = line(event)
  end
  return table.concat(lines)
end

return M
