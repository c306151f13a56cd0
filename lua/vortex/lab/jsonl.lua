--- A history as JSON lines: one object per event.
local core = require "vortex.core"

local M = {}

local function encode(value)
  return core.encode(value == nil and core.null or value)
end

local function line(event)
  local text = ('{"index":%d,"time":%d,"type":"%s","process":%s,"f":%s,"value":%s'):format(
    event.index,
    event.time,
    event.type,
    encode(event.process),
    encode(event.f),
    encode(event.value)
  )
  if event.error ~= nil then
    text = text .. ',"error":' .. encode(event.error)
  end
  return text .. (event.final and ',"final":true}\n' or "}\n")
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
