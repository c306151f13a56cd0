--- The summary of a run, for a person: a label and figures on every line.
local core = require "vortex.core"
local check = require "vortex.check"
local order = require "vortex.order"
local words = require "vortex.lab.words"

local M = {}

local QUANTILES = { 0.5, 0.95, 0.99, 1 }
local STABLE = { { "0", "p0" }, { "0.5", "p50" }, { "0.95", "p95" }, { "0.99", "p99" }, { "1", "max" } }
local ERRORS_SHOWN = 5

--- Errors that tell of the data, and not only that the node cannot serve it, by code.
M.USEFUL = { [20] = true, [21] = true, [22] = true, [30] = true }

local useful_names = {}
for code in pairs(M.USEFUL) do -- order-free
  useful_names[core.error_new(code).name] = true
end

local function new_count()
  return { invoked = 0, ok = 0, fail = 0, info = 0, completed = 0 }
end

local function error_name(err)
  return type(err) == "table" and tostring(err[1]) or tostring(err)
end

--- Counts a history's operations, by what they asked for too, with the latencies of those that succeeded. Those that were served
--- succeeded, or failed because of the data.
---@param history vortex.Event[]
---@return table counts invoked, ok, fail, info, completed, served; by_f; names (the keys of by_f, sorted); latencies (ns); errors (by name)
function M.count(history)
  local counts, by_f, names, began = new_count(), {}, {}, {}
  counts.served = 0
  local latencies, errors = {}, {}
  for _, event in ipairs(history) do
    local kind, process, f = event.type, event.process, event.f
    if process ~= "nemesis" and not event.probe then
      local of_f = by_f[f]
      if not of_f then
        of_f = new_count()
        by_f[f] = of_f
        names[#names + 1] = f
      end
      if kind == "invoke" then
        began[process] = event.time
        counts.invoked, of_f.invoked = counts.invoked + 1, of_f.invoked + 1
      else
        counts[kind], of_f[kind] = counts[kind] + 1, of_f[kind] + 1
        counts.completed, of_f.completed = counts.completed + 1, of_f.completed + 1
        counts.served = counts.served + ((kind == "ok" or useful_names[error_name(event.error)]) and 1 or 0)
        if kind == "ok" and began[process] then
          latencies[#latencies + 1] = event.time - began[process]
        elseif event.error ~= nil then
          local name = error_name(event.error)
          errors[name] = (errors[name] or 0) + 1
        end
      end
    end
  end
  table.sort(names)
  counts.by_f, counts.names, counts.latencies, counts.errors = by_f, names, latencies, errors
  return counts
end

local LABEL = "%-13s"

--- The lines that count the operations.
---@param counts table
---@return string[]
function M.operations(counts)
  local rows = {}
  local function add(name, of)
    rows[#rows + 1] = {
      name,
      "ok " .. words.count(of.ok),
      "failed " .. words.count(of.fail),
      "indeterminate " .. words.count(of.info),
    }
  end
  add("operations", counts)
  for _, f in ipairs(counts.names) do
    add("  " .. f, counts.by_f[f])
  end
  rows[1][1] = LABEL:format(rows[1][1]):sub(1, -3)
  return words.table(rows)
end

local function quantile_line(label, parts)
  return LABEL:format(label) .. table.concat(parts, ", ")
end

local function latency(counts, lines)
  if #counts.latencies == 0 then
    return
  end
  local values, parts = check.quantiles(counts.latencies, QUANTILES), {}
  for i, q in ipairs(QUANTILES) do
    parts[i] = ("%s %s"):format(q == 1 and "max" or "p" .. math.tointeger(q * 100), words.duration(math.tointeger(values[i])))
  end
  lines[#lines + 1] = quantile_line("latency", parts)
end

local function stable_latency(stable, lines)
  if not stable then
    return
  end
  local parts = {}
  for _, pair in ipairs(STABLE) do
    local value = stable[pair[1]]
    if value then
      parts[#parts + 1] = ("%s %s ms"):format(pair[2], words.count(math.tointeger(value)))
    end
  end
  lines[#lines + 1] = quantile_line("stable", parts)
end

local function by_count(table_)
  local entries = {}
  for name, n in order.sorted_pairs(table_) do
    entries[#entries + 1] = { name = name, n = n, at = #entries }
  end
  table.sort(entries, function(a, b)
    if a.n ~= b.n then
      return a.n > b.n
    end
    return a.at < b.at
  end)
  return entries
end

local function error_counts(errors, lines)
  local parts = {}
  for i, entry in ipairs(by_count(errors)) do
    if i > ERRORS_SHOWN then
      parts[i] = "…"
      break
    end
    parts[i] = ("%s %s"):format(entry.name, words.count(entry.n))
  end
  if #parts > 0 then
    lines[#lines + 1] = quantile_line("errors", parts)
  end
end

local function messages(counts, facts, lines)
  local sent = facts.server_messages
  if not sent then
    return
  end
  local text = words.count(sent) .. " between servers"
  if counts.invoked > 0 then
    text = ("%s, %.2f per operation"):format(text, sent / counts.invoked)
  end
  lines[#lines + 1] = LABEL:format "messages"
    .. ("%s; %s lost, %s cut, %s duplicated"):format(
      text,
      words.count(facts.lost or 0),
      words.count(facts.cut or 0),
      words.count(facts.duplicated or 0)
    )
end

local function faults(facts, lines)
  local parts = {}
  for kind, n in order.sorted_pairs(facts.faults or {}) do
    if n > 0 then
      parts[#parts + 1] = ("%s %s"):format(kind, words.count(n))
    end
  end
  if #parts > 0 then
    lines[#lines + 1] = quantile_line("faults", parts)
  end
end

local function raft(facts, lines)
  local of = facts.raft
  if of then
    lines[#lines + 1] = LABEL:format "raft"
      .. ("%s, %s won, %s committed, %s restored"):format(
        words.plural(of.groups, "group", "groups"),
        words.plural(of.leaders, "election", "elections"),
        words.plural(of.committed, "entry", "entries"),
        words.plural(of.restored, "snapshot", "snapshots")
      )
  end
end

--- Appends the summary to `lines`.
---@param counts table as from `count`
---@param stable? table<string, integer> stable latencies by quantile
---@param facts vortex.lab.Facts
---@param lines string[]
function M.summary(counts, stable, facts, lines)
  for _, line in ipairs(M.operations(counts)) do
    lines[#lines + 1] = line
  end
  error_counts(counts.errors, lines)
  latency(counts, lines)
  stable_latency(stable, lines)
  messages(counts, facts, lines)
  faults(facts, lines)
  raft(facts, lines)
  if (facts.errors_logged or 0) > 0 then
    local first = facts.first_error and ", the first: " .. words.shortened(facts.first_error, 100) or ""
    lines[#lines + 1] = LABEL:format "logs" .. words.plural(facts.errors_logged, "error", "errors") .. first
  end
  if facts.virtual_ns then
    lines[#lines + 1] = LABEL:format "time" .. ("%.1f s virtual"):format(facts.virtual_ns / 1e9)
  end
  if facts.trace then
    lines[#lines + 1] = LABEL:format "trace" .. facts.trace
  end
end

return M
