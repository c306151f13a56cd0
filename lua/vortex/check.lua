--- Judges histories: whether what clients saw can be explained by one copy of the data.
---
---   local check = require "vortex.check"
---   local result = check.linearizable(history, { keyed = true })
---   if result.valid == false then ... end
---
--- A history is a list of events in the order in which they happened. Every operation is an "invoke" and, later, the
--- same process's "ok" (it happened), "fail" (it did not) or "info" (nobody knows; the process does nothing any more).
local core = require "vortex.check.core"

local M = {}

---@class vortex.Event
---@field index integer from 0
---@field time integer nanoseconds since the start
---@field process integer|"nemesis"
---@field type "invoke"|"ok"|"fail"|"info"
---@field f string what is asked for: "read", "write", …
---@field value any of JSON's values; nil: none
---@field error any why it failed: a name, or an array of a name and a text
---@field final? true the last operation of its client, after everything healed

---@alias vortex.Validity boolean|"unknown"

---@class vortex.LinearizableOptions
---@field keyed? boolean values are arrays of a key and the value proper; every key is a register of its own
---@field failed_cas? "dropped"|"observed" a failed cas did not happen (default), or shows that the value was another one
---@field budget? integer how many configurations to try before the answer is "unknown"
---@field initial? any a register's first value; default: null

---@class vortex.LinearizableFailure
---@field key any
---@field op integer the operation that no order can place; like all of these, the position of its invocation
---@field ops integer[] the smallest window of operations that it cannot be ordered with
---@field states any[] the values that the register may have just before it
---@field done integer how many operations the longest order holds

---@class vortex.LinearizableResult
---@field valid vortex.Validity
---@field key_count integer
---@field op_count integer
---@field configurations integer how many were tried
---@field failures vortex.LinearizableFailure[]
---@field unknown any[] keys for which the budget ran out

--- Whether the operations read, write (value) and cas ([from, to]) on registers have an order that explains every answer
--- and in which what ended before another began comes first.
---@param history vortex.Event[]
---@param opts? vortex.LinearizableOptions
---@return vortex.LinearizableResult
function M.linearizable(history, opts)
  return core.linearizable(history, opts or {})
end

---@class vortex.SetResult
---@field valid vortex.Validity "unknown" if no element is known to have stayed
---@field attempt_count integer
---@field stable_count integer
---@field lost_count integer
---@field lost any[] up to 48 elements
---@field never_read_count integer
---@field never_read any[]
---@field stale_count integer
---@field stale any[]
---@field worst_stale table[]
---@field stable_latencies? table<string, integer> milliseconds from the answer to "everybody sees it", by quantile
---@field lost_latencies? table<string, integer>
---@field phantom_count integer read, but never added; this and the duplicates do not count for `valid`
---@field phantoms any[]
---@field duplicate_count integer
---@field duplicates any[]

--- Whether elements that were added to a set stay in it, as Jepsen's set-full sees it. `opts` names the operations.
---@param history vortex.Event[]
---@param opts? { add?: string, read?: string } default "add" and "read"
---@return vortex.SetResult
function M.set_full(history, opts)
  return core.set_full(history, { add = opts and opts.add or "add", read = opts and opts.read or "read" })
end

---@class vortex.CounterResult
---@field valid vortex.Validity "unknown" if there are too many indeterminate adds
---@field reads integer[] what the final reads saw
---@field ranges integer[][] what they may see: arrays of the least and the greatest value
---@field wrong { process: integer, value: integer }[]

--- Whether every final read of a counter is the sum of all acknowledged adds and any of the indeterminate ones.
---@param history vortex.Event[]
---@return vortex.CounterResult
function M.counter(history)
  return core.counter(history)
end

--- Quantiles of a list of numbers, as Jepsen computes them: the element at floor(n × q) of the sorted list.
---@param numbers number[]
---@param quantiles number[] from 0 to 1
---@return number[]
function M.quantiles(numbers, quantiles)
  return core.quantiles(numbers, quantiles)
end

return M
