-- Maelstrom's key-value services, as their clients see them.
local core = require "vortex.core"

local M = {}

local function failure(code)
  return { type = "error", code = code, text = "made by the test" }
end

local function same(a, b)
  return core.encode(a) == core.encode(b)
end

-- Returns the store (by encoded key) and a function that answers requests. Unlike lin-kv, lww-kv does not know
-- create_if_not_exists.
function M.new(options)
  options = options or {}
  local store = {}
  return store, function(body)
    local key = core.encode(body.key)
    local value = store[key]
    if body.type == "write" then
      store[key] = body.value
      return { type = "write_ok" }
    elseif body.type == "read" then
      return value ~= nil and { type = "read_ok", value = value } or failure(20)
    elseif body.type ~= "cas" then
      return nil
    elseif value == nil and (options.lww or not body.create_if_not_exists) then
      return failure(20)
    elseif value ~= nil and not same(value, body.from) then
      return failure(22)
    end
    store[key] = body.to
    return { type = "cas_ok" }
  end
end

return M
