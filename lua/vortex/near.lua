--- Names that look like a mistyped one, for error messages.
local M = {}

--- How many characters must be changed, added or removed to turn one string into the other.
---@param a string
---@param b string
---@return integer
function M.distance(a, b)
  local row = {}
  for j = 0, #b do
    row[j] = j
  end
  for i = 1, #a do
    local diagonal = row[0]
    row[0] = i
    for j = 1, #b do
      local substituted = diagonal + (a:byte(i) == b:byte(j) and 0 or 1)
      diagonal = row[j]
      row[j] = math.min(substituted, row[j] + 1, row[j - 1] + 1)
    end
  end
  return row[#b]
end

--- "did you mean …?", or "there are …" and all of the names if none is near.
---@param name string what was asked for
---@param names string[] what there is, in the order in which it is listed
---@return string
function M.advice(name, names)
  local near = {}
  for _, known in ipairs(names) do
    if M.distance(name, known) <= 2 or (#name >= 2 and known:find(name, 1, true)) then
      near[#near + 1] = known
    end
  end
  if #near > 0 then
    return "did you mean " .. table.concat(near, " or ") .. "?"
  end
  return "there are " .. table.concat(names, ", ")
end

return M
