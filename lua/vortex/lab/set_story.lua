--- Judges a set that elements are added to, as Jepsen's set-full does, and tells what became of the elements that were
--- lost.
local check = require "vortex.check"
local timeline = require "vortex.lab.timeline"
local words = require "vortex.lab.words"

local M = {}

local SHOWN = 4

local function contains(list, element)
  for i = 1, #list do
    if list[i] == element and math.type(list[i]) == math.type(element) then
      return true
    end
  end
  return false
end

-- The events that tell an element's story.
local function trace(history, completion, element, add)
  local story = { missing = 0 }
  for i, event in ipairs(history) do
    local done = completion[i] and history[completion[i]]
    if event.type == "invoke" and event.f == add and event.value == element then
      story.add, story.added = event, done
    elseif event.type == "invoke" and event.f == "read" and done and done.type == "ok" then
      local list = type(done.value) == "table" and done.value or {}
      if contains(list, element) then
        story.seen, story.absent, story.missing = event, nil, 0
      elseif story.seen or (story.added and event.time >= story.added.time) then
        story.absent = story.absent or event
        story.missing = story.missing + 1
      end
    end
  end
  return story
end

local function tell(element, story, test, lines)
  local name = "element " .. words.value(element)
  local function at(event)
    return ("%s at %s ms"):format(words.who(event.process, test), words.ms(event.time))
  end
  if story.add then
    local answered = story.added and story.added.type == "ok"
    local answer = answered and ("acknowledged at %s ms"):format(words.ms(story.added.time))
      or "never acknowledged"
    lines[#lines + 1] = ("%s was added by %s, %s"):format(name, at(story.add), answer)
  else
    lines[#lines + 1] = name .. " was read, though nobody is known to have added it"
  end
  local seen = story.seen and "last seen by " .. at(story.seen) or "seen by no read"
  if story.absent then
    seen = ("%s; missing from %s, the first by %s"):format(
      seen,
      words.plural(story.missing, "read after that", "reads after that"),
      at(story.absent)
    )
  end
  lines[#lines + 1] = "  " .. seen
end

local function some(elements, count)
  local parts = {}
  for i = 1, math.min(#elements, 8) do
    parts[i] = words.value(elements[i])
  end
  return table.concat(parts, ", ") .. (count > #parts and ", …" or "")
end

local function warnings_of(found)
  local warnings = {}
  if found.phantom_count > 0 then
    warnings[#warnings + 1] = ("%s read that nobody had added yet: %s"):format(
      words.plural(found.phantom_count, "element was", "elements were"),
      some(found.phantoms, found.phantom_count)
    )
  end
  if found.duplicate_count > 0 then
    warnings[#warnings + 1] = ("%s twice in one read: %s"):format(
      words.plural(found.duplicate_count, "element was", "elements were"),
      some(found.duplicates, found.duplicate_count)
    )
  end
  return warnings
end

--- The result of a set workload; `add` is the operation that adds.
---@param history vortex.Event[]
---@param test vortex.workload.Test
---@param add string
---@return vortex.workload.Result
function M.check(history, test, add)
  local found = check.set_full(history, { add = add, read = "read" })
  local result = {
    valid = found.valid,
    reason = "",
    lines = {},
    warnings = warnings_of(found),
    stable = found.stable_latencies,
  }
  if found.valid == false then
    result.reason = ("%s of %s lost: %s"):format(
      words.count(found.lost_count),
      words.plural(found.attempt_count, "element", "elements"),
      some(found.lost, found.lost_count)
    )
    local completion = timeline.completions(history)
    for i = 1, math.min(#found.lost, SHOWN) do
      tell(found.lost[i], trace(history, completion, found.lost[i], add), test, result.lines)
    end
    if found.lost_count > SHOWN then
      result.lines[#result.lines + 1] = ("… and %s more"):format(words.count(found.lost_count - SHOWN))
    end
  elseif found.valid == "unknown" then
    result.reason = "no element is known to have stayed, so nothing can be said about the set"
  end
  return result
end

return M
