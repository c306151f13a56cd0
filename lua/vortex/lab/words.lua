--- Numbers, times and names as people read them.
local core = require "vortex.core"

local M = {}

--- A whole number with its thousands apart: 12,034.
---@param n integer
---@return string
function M.count(n)
  local sign, digits = ("%d"):format(n):match "^(-?)(%d+)$"
  local grouped = digits:reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", "")
  return sign .. grouped
end

--- "1 node", "3 nodes".
---@param n integer
---@param one string
---@param many string
---@return string
function M.plural(n, one, many)
  return M.count(n) .. " " .. (n == 1 and one or many)
end

--- Nanoseconds as milliseconds, to a tenth: "10,203.4".
---@param ns integer
---@return string
function M.ms(ns)
  local tenths = (ns + 50000) // 100000
  return ("%s.%d"):format(M.count(tenths // 10), tenths % 10)
end

--- A duration in nanoseconds, in milliseconds with as many digits as tell something: "0.42 ms", "3.1 ms", "1,204 ms".
---@param ns integer
---@return string
function M.duration(ns)
  if ns < 1000000 then
    return ("%.2f ms"):format(ns / 1e6)
  elseif ns < 1000000000 then
    return ("%.1f ms"):format(ns / 1e6)
  end
  return M.count((ns + 500000) // 1000000) .. " ms"
end

--- The first line of a text, cut to so many characters.
---@param text string
---@param limit integer
---@return string
function M.shortened(text, limit)
  local line = text:match "^[^\r\n]*"
  local length = utf8.len(line) or #line
  if length <= limit then
    return line == text and line or line .. " …"
  end
  return line:sub(1, (utf8.len(line) and utf8.offset(line, limit) or limit) - 1) .. "…"
end

--- JSON of a value, cut if it is long.
---@param value any
---@return string
function M.value(value)
  if math.type(value) == "float" and math.tointeger(value) then
    return ("%.1f"):format(value) -- another value than the integer, as Maelstrom sees it
  end
  return M.shortened(core.encode(value == nil and core.null or value), 60)
end

--- The error of an event: a name, or a name and a text.
---@param err any
---@return string
function M.error(err)
  if type(err) ~= "table" then
    return tostring(err)
  end
  local name, text = tostring(err[1]), err[2]
  if text == nil or text == core.null or text == "" then
    return name
  end
  return name .. ": " .. (type(text) == "string" and M.shortened(text, 100) or M.value(text))
end

--- A process, and the node that it talks to if that is known: "process 4 (n1)".
---@param process integer
---@param test? vortex.workload.Test
---@return string
function M.who(process, test)
  local name = "process " .. process
  if not (test and test.nodes and test.clients and math.type(process) == "integer") then
    return name
  end
  return ("%s (%s)"):format(name, test.nodes[process % test.clients % #test.nodes + 1])
end

--- The lines of a list of which only the first are there, with one that says how many are not.
---@param lines string[]
---@param total integer
---@return string[]
function M.shorten(lines, total)
  if total > #lines then
    lines[#lines + 1] = ("… and %s more"):format(M.count(total - #lines))
  end
  return lines
end

--- Rows of columns as lines, each column as wide as its widest cell. A column whose name is in `right` is set flush right.
---@param rows string[][]
---@param right? table<integer, true>
---@return string[]
function M.table(rows, right)
  local widths = {}
  for _, row in ipairs(rows) do
    for column, cell in ipairs(row) do
      widths[column] = math.max(widths[column] or 0, utf8.len(cell) or #cell)
    end
  end
  local lines = {}
  for i, row in ipairs(rows) do
    local cells = {}
    for column, cell in ipairs(row) do
      local padding = (" "):rep(widths[column] - (utf8.len(cell) or #cell))
      cells[column] = right and right[column] and padding .. cell or cell .. padding
    end
    lines[i] = table.concat(cells, "  "):gsub("%s+$", "")
  end
  return lines
end

return M
