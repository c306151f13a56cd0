--- One order for keys and elements, the same in every process: `pairs` has none that can be relied on, so whatever
--- decides anything or leaves the node iterates with `sorted_pairs` instead.
local M = {}

local RANK = { boolean = 1, number = 2, string = 3 }

--- Orders by type (false, true, numbers, strings), then by value. Numbers compare as numbers, strings by byte in the C
--- locale.
---@param a boolean|number|string
---@param b boolean|number|string
---@return boolean before
function M.less(a, b)
  local kind = type(a)
  if kind ~= type(b) then
    return RANK[kind] < RANK[type(b)]
  elseif kind == "boolean" then
    return not a and b
  end
  return a < b
end

--- Whether a value has a place in the order.
---@param value any
---@return boolean
function M.has(value)
  return RANK[type(value)] ~= nil
end

--- Iterates over a table in the order of its keys. The keys are those the table has when the loop begins; one that is
--- removed before its turn is skipped. Raises if a key is neither a boolean, a number nor a string.
---@generic K, V
---@param t table<K, V>
---@return fun(): K, V
function M.sorted_pairs(t)
  local keys = {}
  for key in pairs(t) do -- order-free: sorted below
    if not M.has(key) then
      error(("sorted_pairs: a key of type %s has no order"):format(type(key)), 2)
    end
    keys[#keys + 1] = key
  end
  table.sort(keys, M.less)
  local i = 0
  return function()
    local key, value
    repeat
      i = i + 1
      key = keys[i]
      value = t[key]
    until key == nil or value ~= nil
    return key, value
  end
end

return M
