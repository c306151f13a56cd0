--- Judges a history that was stored: by the workload's own checker, provided that the history is one of that workload.
local order = require "vortex.order"
local trial = require "vortex.lab.trial"
local workloads = require "vortex.workload"

local M = {}

M.names = workloads.names

--- Raises, with advice, if there is no such workload.
---@param name string
function M.find(name)
  workloads.find(name)
end

-- A checker looks at the operations that it knows, so that a history of something else would seem valid.
local function refuse_others(workload, history)
  for _, event in ipairs(history) do
    if event.process ~= "nemesis" and not workload.replies[event.f] then
      local known = {}
      for f in order.sorted_pairs(workload.replies) do
        known[#known + 1] = f
      end
      local text = "this is no history of the workload %s: operation %d is %q, not one of %s"
      error(text:format(workload.name, event.index, event.f, table.concat(known, ", ")), 0)
    end
  end
end

-- Every completion ends what its process began, and a process does one thing at a time.
local function pair(event, open)
  local process = event.process
  local begun = open[process]
  if event.type == "invoke" then
    if begun then
      local text = "operation %d is begun by process %d, which has not ended operation %d"
      error(text:format(event.index, process, begun.index), 0)
    end
    open[process] = event
    return
  elseif not begun then
    error(("operation %d ends, but process %d has begun none"):format(event.index, process), 0)
  elseif begun.f ~= event.f then
    error(("operation %d, a %s, ends as a %s in operation %d"):format(begun.index, begun.f, event.f, event.index), 0)
  end
  open[process] = nil
end

local function refuse_unpaired(history)
  local open = {} -- by process
  for _, event in ipairs(history) do
    if event.process ~= "nemesis" then
      pair(event, open)
    end
  end
end

--- The verdict. Raises a line of text if the history cannot be one of this workload.
---@param name string the workload's
---@param history vortex.Event[]
---@param opts { failed_cas: "dropped"|"observed", strict: boolean }
---@return { valid: vortex.Validity, reason: string, text: string }
function M.judge(name, history, opts)
  refuse_others(workloads.find(name), history)
  refuse_unpaired(history)
  local ok, result = pcall(trial.judge, name, history, opts)
  if not ok then
    -- Of what the checkers in C say of an event, the place in the library that called them is no part.
    error(type(result) == "string" and result:gsub("^vortex/check%.lua:%d+: ", "") or result, 0)
  end
  return result
end

return M
