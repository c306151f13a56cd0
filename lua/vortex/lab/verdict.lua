--- The verdict on a run, composed of what each judge says: invalid beats unknown, and unknown beats valid.
local report = require "vortex.lab.report"
local words = require "vortex.lab.words"

local M = {}

--- What the simulator knows of a run.
---@class vortex.lab.Facts
---@field server_messages? integer messages that no client sent or got
---@field lost? integer by chance
---@field cut? integer by partitions
---@field duplicated? integer
---@field refused? { node: any, why: string, line: string, time: integer }[] lines that made Maelstrom deaf to their node
---@field crashes? { node: any, what: string, text: string }[] what nodes did that ends a run: "ended", "did not answer init"
---@field started? any[] further nodes that did not answer their init
---@field liveness? { node: any }[] the nodes that did nothing useful after everything had healed
---@field warnings? string[]
---@field errors_logged? integer entries of level error in the nodes' logs
---@field first_error? string the first of them
---@field faults? table<string, integer> how many of each kind
---@field raft? vortex.lab.RaftFacts of scripts that use Raft
---@field virtual_ns? integer
---@field trace? string

--- What the simulator saw of consensus, over all groups.
---@class vortex.lab.RaftFacts
---@field failure? string the first rule that was broken, and by whom: the run ended there
---@field advice? string what that may come from
---@field groups integer
---@field steps integer of all members
---@field leaders integer elections that were won
---@field committed integer entries
---@field applied integer entries, all replicas together
---@field restored integer snapshots
---@field starts integer of members

---@class vortex.lab.Problem
---@field valid vortex.Validity false or "unknown"
---@field reason string
---@field lines string[]

local LINE_SHOWN = 160
local TEXT_LINES = 8
local MANY_SERVED = 40

local function problem(reason, lines)
  return { valid = false, reason = reason, lines = lines or {} }
end

local function node_name(test, node)
  if math.type(node) == "integer" then
    return test.nodes[node + 1] or tostring(node)
  end
  return tostring(node)
end

local function node_names(test, entries)
  local names = {}
  for i, entry in ipairs(entries) do
    names[i] = node_name(test, type(entry) == "table" and entry.node or entry)
  end
  return table.concat(names, ", ")
end

--- What `--availability` asks for: nil (nothing), "total", or a fraction. Raises if it is none of these.
---@param text? string
---@return number|"total"|nil
function M.parse_availability(text)
  if text == nil or text == "" or text == "none" then
    return nil
  elseif text == "total" then
    return text
  end
  local fraction = tonumber(text)
  if not fraction or fraction ~= fraction or fraction < 0 or fraction > 1 then
    error(("availability %q is neither none, total nor a fraction from 0 to 1"):format(tostring(text)), 0)
  end
  return fraction
end

local function availability(wanted, counts)
  if not wanted then
    return nil
  end
  local share = counts.invoked == 0 and 1 or counts.ok / counts.invoked
  local needed = wanted == "total" and 1 or wanted
  if share >= needed then
    return nil
  end
  return problem(
    ("availability: %s of %s operations succeeded (%.2f %%), asked for: %s"):format(
      words.count(counts.ok),
      words.count(counts.invoked),
      share * 100,
      wanted == "total" and "all" or ("%g %%"):format(wanted * 100)
    )
  )
end

local function none_succeeded(names)
  return "no operation succeeded of type " .. table.concat(names, ", ")
end

-- Among faults, whether one of a few operations succeeds is chance, and how many were served at all depends on the faults: that every
-- node served something again after the last of them says more.
local function statistics(counts, facts)
  local recovered = facts.liveness and #facts.liveness == 0
  local share = counts.completed == 0 and 0 or counts.served / counts.completed
  local without, too_few = {}, {}
  for _, f in ipairs(counts.names) do
    local of = counts.by_f[f]
    if of.ok == 0 and of.completed > 0 then
      local names = recovered and share * of.completed < MANY_SERVED and too_few or without
      names[#names + 1] = f
    end
  end
  return #without > 0 and problem(none_succeeded(without)) or nil, #too_few > 0 and none_succeeded(too_few) or nil
end

local function crashes(test, entries, problems)
  for i, crash in ipairs(entries) do
    if i > 3 then
      problems[#problems + 1] = problem(("… and %d more of that kind"):format(#entries - 3))
      break
    end
    local lines = {}
    for line in (crash.text or ""):gmatch "[^\n]+" do
      if #lines < TEXT_LINES then
        lines[#lines + 1] = line
      end
    end
    problems[#problems + 1] = problem(node_name(test, crash.node) .. " " .. crash.what, lines)
  end
end

-- Maelstrom says nothing of a node that it does not listen to any more: that is a matter of what its clients then see.
local function muted(test, entries)
  local warnings = {}
  for i, entry in ipairs(entries) do
    if i > 3 then
      warnings[i] = ("… and %d lines more were refused"):format(#entries - 3)
      break
    end
    warnings[i] = ("%s sent a line that Maelstrom refuses at %s ms, and nothing of it is heard after that: %s\n  %s"):format(
      node_name(test, entry.node),
      words.ms(entry.time),
      entry.why,
      words.shortened(entry.line, LINE_SHOWN)
    )
  end
  return warnings
end

-- What went wrong around the operations.
local function surroundings(test, facts, problems)
  if facts.raft and facts.raft.failure then
    problems[#problems + 1] = problem(facts.raft.failure, { facts.raft.advice })
  end
  if facts.started and #facts.started > 0 then
    problems[#problems + 1] = problem("no answer to init from " .. node_names(test, facts.started))
  end
  crashes(test, facts.crashes or {}, problems)
  for _, failure in ipairs(test.setup_failures or {}) do
    problems[#problems + 1] = problem(failure)
  end
end

local function first_of(problems)
  local worst = { valid = true, reason = "" }
  for _, entry in ipairs(problems) do
    if entry.valid == false then
      return entry
    elseif worst.valid == true then
      worst = entry
    end
  end
  return worst
end

-- Remarks make a run invalid only if that is wanted; they are empty afterwards.
local function apply_strict(test, problems, remarks)
  if not test.strict then
    return remarks
  end
  for _, remark in ipairs(remarks) do
    problems[#problems + 1] = problem(remark)
  end
  return {}
end

--- What the workload's checker alone says of a history.
---@param workload vortex.Workload
---@param test vortex.workload.Test
---@param history vortex.Event[]
---@return { valid: vortex.Validity, reason: string, problems: vortex.lab.Problem[], warnings: string[] }
function M.check(workload, test, history)
  local result = workload.check(history, test)
  local problems = {}
  if result.valid ~= true then
    problems[1] = result
  end
  local warnings = apply_strict(test, problems, result.warnings)
  local worst = first_of(problems)
  return { valid = worst.valid, reason = worst.reason, problems = problems, warnings = warnings }
end

--- The problems in words, then what is wrong but does not count, and the warnings.
---@param problems vortex.lab.Problem[]
---@param remarks string[]
---@param warnings string[]
---@return string[] lines
function M.explain(problems, remarks, warnings)
  local lines = {}
  for _, entry in ipairs(problems) do
    lines[#lines + 1] = (entry.valid == false and "error: " or "unknown: ") .. entry.reason
    for _, line in ipairs(entry.lines) do
      lines[#lines + 1] = "  " .. line
    end
  end
  for _, remark in ipairs(remarks) do
    lines[#lines + 1] = "error: " .. remark
  end
  for _, warning in ipairs(warnings) do
    lines[#lines + 1] = "warning: " .. warning
  end
  if #lines > 0 then
    lines[#lines + 1] = ""
  end
  return lines
end

-- An operation whose reply is malformed crashes, which is all that Maelstrom makes of it.
local function malformed_replies(malformed, test)
  local lines = {}
  for i, kind in ipairs(malformed) do
    lines[i] = ("malformed replies: %s (%s, first to %s)"):format(
      kind.text,
      words.plural(kind.count, "time", "times"),
      words.who(kind.process, test)
    )
  end
  return lines
end

--- The verdict on a run, and the summary.
---@param workload vortex.Workload
---@param test vortex.workload.Test
---@param history vortex.Event[]
---@param malformed table[]
---@param facts vortex.lab.Facts
---@return { valid: vortex.Validity, reason: string, text: string }
function M.give(workload, test, history, malformed, facts)
  local counts = report.count(history)
  local result = workload.check(history, test)
  local problems, warnings = {}, muted(test, facts.refused or {})
  surroundings(test, facts, problems)
  if result.valid ~= true then
    problems[#problems + 1] = result
  end
  if not (facts.raft and facts.raft.failure) then -- else the run was cut short
    problems[#problems + 1] = availability(test.wanted_availability, counts)
    local nothing, little = statistics(counts, facts)
    problems[#problems + 1], warnings[#warnings + 1] = nothing, little
  end
  if facts.liveness and #facts.liveness > 0 then
    local names = node_names(test, facts.liveness)
    problems[#problems + 1] = problem("no useful answer after everything had healed from " .. names)
  end
  local remarks = apply_strict(test, problems, malformed_replies(malformed, test))
  table.move(result.warnings, 1, #result.warnings, #warnings + 1, warnings)
  table.move(facts.warnings or {}, 1, #(facts.warnings or {}), #warnings + 1, warnings)
  warnings = apply_strict(test, problems, warnings)

  local worst = first_of(problems)
  local lines = M.explain(problems, remarks, warnings)
  report.summary(counts, result.stable, facts, lines)
  return { valid = worst.valid, reason = worst.reason, text = table.concat(lines, "\n") }
end

return M
