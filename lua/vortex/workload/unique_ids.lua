--- unique-ids: no id is given out twice.
local core = require "vortex.core"
local schema = require "vortex.schema"
local words = require "vortex.lab.words"

local M = {
  name = "unique-ids",
  replies = schema.workloads["unique-ids"],
  clients_per_node = 1,
  reusable = true,
  idempotent = {},
}

function M.generator()
  return function()
    return { f = "generate" }
  end
end

function M.request()
  return { type = "generate" }
end

function M.complete(_, body)
  return body.id
end

local SHOWN = 5

-- One string per value: 1, 1.0 and "1" are three ids.
local function mark(value)
  return math.type(value) == "float" and ("%.17g "):format(value) or core.encode(value)
end

-- Ids are compared with each other to find their range, which works within a kind only, and not for objects.
local function kind_of(value)
  if type(value) == "table" then
    return core.is_array(value) and "array" or "object"
  end
  return value ~= core.null and type(value) or nil
end

local function collect(history)
  local given, order, kinds, count = {}, {}, {}, {}
  for _, event in ipairs(history) do
    if event.type == "ok" and event.f == "generate" then
      local id = mark(event.value)
      local events = given[id]
      if not events then
        given[id] = event
      elseif events.type then
        given[id] = { events, event }
        order[#order + 1] = id
      else
        events[#events + 1] = event
      end
      local kind = kind_of(event.value)
      if kind and not count[kind] then
        count[kind] = 0
        kinds[#kinds + 1] = kind
      end
      if kind then
        count[kind] = count[kind] + 1
      end
    end
  end
  return given, order, kinds, count
end

local function givings(events, test)
  local parts = {}
  for i, event in ipairs(events) do
    if i > 4 then
      parts[i] = ("%d times more"):format(#events - 4)
      break
    end
    parts[i] = ("to %s at %s ms"):format(words.who(event.process, test), words.ms(event.time))
  end
  return table.concat(parts, ", ")
end

function M.check(history, test)
  local given, twice, kinds, count = collect(history)
  if #twice > 0 then
    local lines = {}
    for i = 1, math.min(#twice, SHOWN) do
      lines[i] = ("id %s was given %s"):format(twice[i], givings(given[twice[i]], test))
    end
    local reason = words.plural(#twice, "id was", "ids were") .. " given out more than once"
    return { valid = false, reason = reason, lines = words.shorten(lines, #twice), warnings = {} }
  elseif #kinds > 1 or (count.object or 0) > 1 then
    table.sort(kinds)
    local reason = #kinds > 1 and "the ids are of several kinds, which Maelstrom cannot compare: "
      or "the ids are of a kind that Maelstrom cannot compare: "
    return { valid = "unknown", reason = reason .. table.concat(kinds, ", "), lines = {}, warnings = {} }
  end
  return { valid = true, reason = "", lines = {}, warnings = {} }
end

return M
