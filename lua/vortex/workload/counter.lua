--- What g-counter and pn-counter share: clients add to a counter; the final reads on all nodes see the sum.
local check = require "vortex.check"
local schema = require "vortex.schema"
local words = require "vortex.lab.words"

local M = {}

local SHOWN = 6

local function request(op)
  if op.f == "read" then
    return { type = "read" }
  end
  return { type = "add", delta = op.value }
end

local function complete(op, body)
  if op.f == "read" then
    return body.value
  end
  return op.value
end

local function final()
  return { f = "read", final = true }
end

local function generator(least)
  return function(_, _, rand)
    while true do
      if rand(2) == 0 then
        return { f = "read" }
      end
      local delta = rand(10) - 5
      if delta >= least then -- Maelstrom's g-counter is its pn-counter without the negative adds
        return { f = "add", value = delta }
      end
    end
  end
end

local function sums(history)
  local sum, unsure, least, greatest = 0, 0, 0, 0
  for _, event in ipairs(history) do
    if event.f == "add" and event.type == "ok" then
      sum = sum + event.value
    elseif event.f == "add" and event.type == "info" then
      unsure = unsure + 1
      least = least + math.min(event.value, 0)
      greatest = greatest + math.max(event.value, 0)
    end
  end
  return sum, unsure, least, greatest
end

local function possible(ranges)
  local parts = {}
  for i, range in ipairs(ranges) do
    local low, high = words.count(range[1]), words.count(range[2])
    parts[i] = low == high and low or ("%s to %s"):format(low, high)
    if i == 8 and #ranges > 8 then
      parts[i + 1] = "…"
      break
    end
  end
  return table.concat(parts, ", ")
end

local function judge(history, test)
  local found = check.counter(history)
  local warnings = {}
  if #found.reads == 0 then
    warnings[1] = "no final read was answered, so no value of the counter was judged"
  end
  if found.valid == true then
    return { valid = true, reason = "", lines = {}, warnings = warnings }
  elseif found.valid == "unknown" then
    local reason = "too many adds are of unknown outcome to say what the final reads may see"
    return { valid = "unknown", reason = reason, lines = {}, warnings = warnings }
  end
  local sum, unsure, least, greatest = sums(history)
  local lines = { ("the acknowledged adds make %s"):format(words.count(sum)) }
  if unsure > 0 then
    lines[1] = ("%s; %s of unknown outcome may change that by %s to %s"):format(
      lines[1],
      words.plural(unsure, "add", "adds"),
      words.count(least),
      words.count(greatest)
    )
  end
  for i, read in ipairs(found.wrong) do
    if i > SHOWN then
      break
    end
    lines[#lines + 1] = ("the final read by %s saw %s"):format(words.who(read.process, test), words.count(read.value))
  end
  local first = found.wrong[1]
  local reason = ("%s, possible: %s"):format(
    #found.wrong == 1 and ("a final read saw %s"):format(words.count(first.value))
      or ("%s saw wrong sums, the first %s"):format(
        words.plural(#found.wrong, "final read", "final reads"),
        words.count(first.value)
      ),
    possible(found.ranges)
  )
  lines = words.shorten(lines, #found.wrong + 1)
  return { valid = false, reason = reason, lines = lines, warnings = warnings }
end

--- The workload of a counter that is given adds from `least` to 4.
---@param name string
---@param least integer
---@return vortex.Workload
function M.workload(name, least)
  return {
    name = name,
    replies = schema.workloads[name],
    clients_per_node = 1,
    reusable = false,
    crashes_on_error = true,
    idempotent = {},
    generator = function()
      return generator(least)
    end,
    final = final,
    request = request,
    complete = complete,
    check = judge,
  }
end

return M
