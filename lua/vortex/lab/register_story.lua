--- Tells why a register's operations have no order: the operations around the one that fits nowhere, and, where a short
--- proof exists, one sentence that gives it.
---
--- An operation that saw the value v fits nowhere if all writes of v that began before it ended are known to be
--- overwritten when it begins. Two things show that: another value's write that began after they had ended, and ended
--- before the operation began; or somebody who, before the operation began, saw a value all of whose writes began after
--- they had ended.
local core = require "vortex.core"
local timeline = require "vortex.lab.timeline"
local words = require "vortex.lab.words"

local M = {}

local null = core.null
local WINDOW = 10 -- operations shown
local STATES_SHOWN = 8

local function same(a, b)
  return (a == b and math.type(a) == math.type(b)) or (type(a) == "table" and type(b) == "table" and core.encode(a) == core.encode(b))
end

local function proper(value, keyed)
  if keyed then
    value = value[2]
  end
  return value == nil and null or value
end

-- What the operation made of the register, and what it saw there; nil: nothing.
local function effect(op, value, answer)
  if op.f == "write" then
    op.writes = value
  elseif op.f == "cas" then
    op.saw = op.outcome == "ok" and value[1] or nil
    op.writes = value[2]
  elseif op.outcome == "ok" then
    op.saw = answer
  end
  if op.outcome == "fail" then
    op.writes = nil
  end
  op.argument = value
end

-- The operations on the failure's key, in the order of their invocations. Positions in the history are their times.
local function operations(history, key, keyed)
  local completion, ops, by_position = timeline.completions(history), {}, {}
  for i, event in ipairs(history) do
    if event.type == "invoke" and (not keyed or same(event.value[1], key)) then
      local finish = completion[i]
      local done = finish and history[finish]
      local op = {
        position = i,
        event = event,
        done = done,
        f = event.f,
        outcome = done and done.type or "info",
        start = i,
        finish = done and done.type ~= "info" and finish or math.huge,
      }
      effect(op, proper(event.value, keyed), done and done.type == "ok" and proper(done.value, keyed) or nil)
      ops[#ops + 1] = op
      by_position[i] = op
    end
  end
  return ops, by_position
end

local function name_of(op, test, in_brackets)
  local who = words.who(op.event.process, test)
  local by = in_brackets and "(" .. who:gsub(" %((.*)%)", ", %1") .. ")" or "by " .. who
  if op.f == "write" then
    return ("the write of %s %s"):format(words.value(op.argument), by)
  elseif op.f == "cas" then
    return ("the cas from %s to %s %s"):format(words.value(op.argument[1]), words.value(op.argument[2]), by)
  end
  return ("the read of %s %s"):format(words.value(op.saw), by)
end

-- When the last write of a value that may come before `op` ended, not counting op itself, and that write; 0 if there is
-- none.
local function last_end(ops, value, op)
  local last, writer = 0, nil
  for _, other in ipairs(ops) do
    if other ~= op and other.writes ~= nil and same(other.writes, value) and other.start < op.finish then
      if other.finish >= last then
        last, writer = other.finish, other
      end
    end
  end
  return last, writer
end

local function overwriter(ops, op, ended)
  local found
  for _, other in ipairs(ops) do
    local overwrites = other.outcome == "ok" and other.writes ~= nil and not same(other.writes, op.saw)
    if overwrites and other.start > ended and other.finish < op.start then
      found = other
    end
  end
  return found
end

-- Whether all writes of what `other` saw began after `ended`.
local function saw_later_value(ops, other, ended)
  local writers = 0
  for _, writer in ipairs(ops) do
    if writer.writes ~= nil and same(writer.writes, other.saw) and writer.start < other.finish then
      if writer.start < ended then
        return false
      end
      writers = writers + 1
    end
  end
  return writers > 0
end

local function observer(ops, op, ended)
  local found
  for _, other in ipairs(ops) do
    local saw_other = other.saw ~= nil and other.saw ~= null and not same(other.saw, op.saw)
    if saw_other and other.finish < op.start and saw_later_value(ops, other, ended) then
      found = other
    end
  end
  return found
end

local function what_it_saw(op)
  return op.f == "cas" and "needs " .. words.value(op.saw) or "saw " .. words.value(op.saw)
end

local function list_of(states, cut)
  local parts = {}
  for i, state in ipairs(states) do
    if i > STATES_SHOWN then
      cut = true
      break
    end
    parts[i] = words.value(state)
  end
  if cut then
    parts[#parts + 1] = "others"
  end
  return #parts > 0 and table.concat(parts, " or ") or "nothing"
end

-- The sentence, and the operations that it speaks of.
local function prove(ops, op, failure, test)
  local name = name_of(op, test)
  if op.saw ~= nil then
    local value = words.value(op.saw)
    local ended, writer = last_end(ops, op.saw, op)
    if not writer and op.saw ~= null then
      return ("%s %s, but nobody had written %s"):format(name, what_it_saw(op), value), {}
    end
    local other = overwriter(ops, op, ended)
    if other then
      local form = "%s began after %s had ended, and no write of %s happened in between"
      return form:format(name, name_of(other, test, true), value), { other, writer }
    end
    other = observer(ops, op, ended)
    if other then
      local form = "%s began after %s had ended, which saw a value that was written after all writes of %s"
      return form:format(name, name_of(other, test, true), value), { other, writer }
    end
  end
  local possible = list_of(failure.states or {}, failure.states_cut)
  return ("no order has a place for %s: before it the value can only be %s"):format(name, possible), {}
end

local OUTCOME = { ok = "ok", fail = "failed", info = "unknown outcome" }

local function row(op, marked, test)
  local asked, got = op.f, OUTCOME[op.outcome]
  if op.f == "write" then
    asked = "write " .. words.value(op.argument)
  elseif op.f == "cas" then
    asked = ("cas %s to %s"):format(words.value(op.argument[1]), words.value(op.argument[2]))
  elseif op.saw ~= nil then
    got = "got " .. words.value(op.saw)
  end
  local finish = op.finish < math.huge and words.ms(op.done.time) or "…"
  return { marked and "->" or "", words.ms(op.event.time), finish, words.who(op.event.process, test), asked, got }
end

-- The failure's window with the operations of the sentence, the latest ones if they are too many.
local function window(failure, by_position, op, witnesses)
  local wanted, chosen = { [op] = true }, { op }
  local function want(other)
    if other and not wanted[other] then
      wanted[other] = true
      chosen[#chosen + 1] = other
    end
  end
  for _, witness in ipairs(witnesses) do
    want(witness)
  end
  local positions = { table.unpack(failure.ops) }
  table.sort(positions, function(a, b)
    return a > b
  end)
  for _, position in ipairs(positions) do
    if #chosen < WINDOW then
      want(by_position[position])
    end
  end
  table.sort(chosen, function(a, b)
    return a.start < b.start
  end)
  return chosen
end

--- Appends the story of a failure to `lines`. Returns the sentence.
---@param history vortex.Event[]
---@param failure vortex.LinearizableFailure
---@param keyed boolean
---@param test vortex.workload.Test
---@param lines string[]
---@return string sentence
function M.tell(history, failure, keyed, test, lines)
  local ops, by_position = operations(history, failure.key, keyed)
  local op = by_position[failure.op]
  local sentence, witnesses = prove(ops, op, failure, test)
  if keyed then
    sentence = ("key %s is not linearizable: %s"):format(words.value(failure.key), sentence)
  else
    sentence = "the register is not linearizable: " .. sentence
  end
  if #lines > 0 then
    lines[#lines + 1] = sentence -- the first one is the reason of the verdict
  end
  local rows = { { "", "from", "to ms", "", "", "" } }
  for _, other in ipairs(window(failure, by_position, op, witnesses)) do
    rows[#rows + 1] = row(other, other == op, test)
  end
  for _, line in ipairs(words.table(rows, { [2] = true, [3] = true })) do
    lines[#lines + 1] = line
  end
  return sentence
end

return M
