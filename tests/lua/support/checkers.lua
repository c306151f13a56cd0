-- A stand-in for vortex.check.core, written the long way round: sets and counters from their definitions, registers by
-- trying every order. The real one is used where the binary has it.
local core = require "vortex.core"

local M = {}

local function same(a, b)
  return core.encode(a) == core.encode(b)
end

local function completions(history)
  local open, completion = {}, {}
  for i, event in ipairs(history) do
    if event.type == "invoke" then
      open[event.process] = i
    elseif open[event.process] then
      completion[open[event.process]] = i
      open[event.process] = nil
    end
  end
  return completion
end

function M.quantiles(numbers, quantiles)
  local sorted, result = { table.unpack(numbers) }, {}
  table.sort(sorted)
  for i, q in ipairs(quantiles) do
    result[i] = sorted[math.min(#sorted - 1, math.floor(#sorted * q)) + 1]
  end
  return result
end

local function reads_of(history, completion, name)
  local reads = {}
  for i, event in ipairs(history) do
    local done = history[completion[i]]
    if event.type == "invoke" and event.f == name and done and done.type == "ok" then
      local has = {}
      for _, element in ipairs(done.value) do
        has[element] = (has[element] or 0) + 1
      end
      reads[#reads + 1] = { at = i, done = completion[i], time = event.time, has = has, list = done.value }
    end
  end
  return reads
end

local function fate(history, reads, element)
  local known, absent, present = element.acknowledged, 0, 0
  local absent_time = 0
  for _, read in ipairs(reads) do
    if read.done > element.at then
      if read.has[element.value] then
        known = math.min(known or read.done, read.done)
        present = math.max(present, read.at)
      elseif read.at > absent then
        absent, absent_time = read.at, read.time
      end
    end
  end
  if present > absent then
    return "stable", absent > 0 and math.max(0, (absent_time - history[known].time) // 1000000) or 0
  elseif known and absent > known and absent > present then
    return "lost"
  end
  return "never_read"
end

function M.set_full(history, names)
  local completion = completions(history)
  local reads, elements = reads_of(history, completion, names.read), {}
  local result = { attempt_count = 0, stale_count = 0, stale = {}, worst_stale = {}, phantoms = {}, duplicates = {} }
  local lists, latencies, added = { stable = {}, lost = {}, never_read = {} }, {}, {}
  for i, event in ipairs(history) do
    if event.type == "invoke" and event.f == names.add then
      local done = history[completion[i]]
      elements[#elements + 1] =
        { at = i, value = event.value, acknowledged = done and done.type == "ok" and completion[i] or nil }
      added[event.value] = true
    end
  end
  for _, element in ipairs(elements) do
    local outcome, latency = fate(history, reads, element)
    table.insert(lists[outcome], element.value)
    latencies[#latencies + 1] = latency
  end
  for _, read in ipairs(reads) do
    for _, element in ipairs(read.list) do
      local reported = added[element] and read.has[element] > 1 and result.duplicates
        or not added[element] and result.phantoms
      if reported and reported[#reported] ~= element then
        table.insert(reported, element)
      end
    end
  end
  result.attempt_count, result.lost, result.never_read = #elements, lists.lost, lists.never_read
  result.stable_count, result.lost_count, result.never_read_count = #lists.stable, #lists.lost, #lists.never_read
  result.phantom_count, result.duplicate_count = #result.phantoms, #result.duplicates
  result.valid = #lists.lost == 0 and (#lists.stable == 0 and "unknown" or true)
  if #latencies > 0 then
    local q = M.quantiles(latencies, { 0, 0.5, 0.95, 0.99, 1 })
    result.stable_latencies = { ["0"] = q[1], ["0.5"] = q[2], ["0.95"] = q[3], ["0.99"] = q[4], ["1"] = q[5] }
  end
  return result
end

function M.counter(history)
  local sums, reads, wrong = { [0] = true }, {}, {}
  for _, event in ipairs(history) do
    if event.f == "add" and (event.type == "ok" or event.type == "info") then
      local next_sums = {}
      for sum in pairs(sums) do -- order-free
        next_sums[sum + event.value] = true
        next_sums[sum] = next_sums[sum] or event.type == "info" or nil
      end
      sums = next_sums
    end
  end
  local sorted, ranges = {}, {}
  for sum in pairs(sums) do -- order-free
    sorted[#sorted + 1] = sum
  end
  table.sort(sorted)
  for _, sum in ipairs(sorted) do
    local last = ranges[#ranges]
    if last and last[2] == sum - 1 then
      last[2] = sum
    else
      ranges[#ranges + 1] = { sum, sum }
    end
  end
  for i, event in ipairs(history) do
    if event.type == "ok" and event.final then
      reads[#reads + 1] = event.value
      if not sums[event.value] then
        wrong[#wrong + 1] = { process = event.process, value = event.value, index = i }
      end
    end
  end
  return { valid = #wrong == 0, reads = reads, ranges = ranges, wrong = wrong }
end

local function step(op, state)
  if op.f == "write" then
    return true, op.value
  elseif op.f == "read" then
    return same(op.value, state), state
  end
  return same(op.value[1], state), op.value[2]
end

-- The longest order of operations found; all = every ok one is in it.
local function search(ops, placed, state, done, best)
  local needed, limit = 0, math.huge
  for _, op in ipairs(ops) do
    if not placed[op] and op.outcome == "ok" then
      needed = needed + 1
      limit = math.min(limit, op.finish)
    end
  end
  if done > best.done then
    best.done, best.states, best.stuck = done, { state }, nil
  end
  if needed == 0 then
    return true
  end
  for _, op in ipairs(ops) do
    if not placed[op] and op.start < limit then
      local fits, next_state = step(op, state)
      if fits then
        placed[op] = true
        if search(ops, placed, next_state, done + (op.outcome == "ok" and 1 or 0), best) then
          return true
        end
        placed[op] = nil
      elseif op.outcome == "ok" and done == best.done then
        best.stuck = best.stuck or op
      end
    end
  end
  return false
end

function M.linearizable(history, opts)
  local completion, by_key, keys = completions(history), {}, {}
  for i, event in ipairs(history) do
    local done = history[completion[i]]
    local outcome = done and done.type or "info"
    if event.type == "invoke" and outcome ~= "fail" and not (event.f == "read" and outcome ~= "ok") then
      local key = opts.keyed and event.value[1] or 0
      local value = outcome == "ok" and done.value or event.value
      if not by_key[key] then
        by_key[key] = {}
        keys[#keys + 1] = key
      end
      table.insert(by_key[key], {
        start = i,
        finish = outcome == "ok" and completion[i] or math.huge,
        outcome = outcome,
        f = event.f,
        value = opts.keyed and value[2] or value,
      })
    end
  end
  local result = { valid = true, key_count = #keys, op_count = 0, configurations = 0, failures = {}, unknown = {} }
  for _, key in ipairs(keys) do
    local best = { done = -1 }
    if not search(by_key[key], {}, opts.initial or core.null, 0, best) then
      local positions = {}
      for i, op in ipairs(by_key[key]) do
        positions[i] = op.start
      end
      result.valid = false
      table.insert(
        result.failures,
        { key = key, op = best.stuck.start, ops = positions, states = best.states, done = best.done }
      )
    end
  end
  return result
end

-- The real one if there is one.
function M.install()
  package.preload["vortex.check.core"] = package.preload["vortex.check.core"]
    or function()
      return M
    end
end

return M
