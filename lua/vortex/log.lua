--- The node's log, by level: `vortex.log.info("took %d ms", 3)` formats, `vortex.log.info("got", msg.body)` shows its
--- arguments as `print` would. It formats if the first argument is a string with a `%` and more follow. Tables are
--- shown as JSON. Never raises.
local core = require "vortex.core"

---@class vortex.log
local M = {}

local function shown(value)
  if type(value) == "table" and not (getmetatable(value) or {}).__tostring then
    local ok, text = pcall(core.encode, value)
    if ok then
      return text
    end
  end
  local ok, text = pcall(tostring, value)
  return ok and text or "(" .. type(value) .. ")"
end

local function render(first, ...)
  local values = table.pack(...)
  for i = 1, values.n do
    if type(values[i]) ~= "number" then
      values[i] = shown(values[i])
    end
  end
  if type(first) == "string" and values.n > 0 and first:find("%", 1, true) then
    local ok, text = pcall(string.format, first, table.unpack(values, 1, values.n))
    if ok then
      return text
    end
  end
  return table.concat({ shown(first), table.unpack(values, 1, values.n) }, " ")
end

--- Logs what helps while a script is being written; not shown unless asked for.
---@param message any
---@param ... any
function M.debug(message, ...)
  core.log("debug", render(message, ...))
end

--- Logs what happened.
---@param message any
---@param ... any
function M.info(message, ...)
  core.log("info", render(message, ...))
end

--- Logs what should not have happened, but was dealt with.
---@param message any
---@param ... any
function M.warn(message, ...)
  core.log("warn", render(message, ...))
end

--- Logs what went wrong.
---@param message any
---@param ... any
function M.error(message, ...)
  core.log("error", render(message, ...))
end

return M
