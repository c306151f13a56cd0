--- Workloads: what a test's clients ask of the nodes, and what must be true of the answers. One is a file that returns a
--- table; this is a whole one:
---
---   local schema = require "vortex.schema"
---
---   return {
---     name = "echo",
---     replies = schema.workloads["echo"],
---     clients_per_node = 1,
---     reusable = false,
---     idempotent = {},
---     generator = function()
---       return function(client, i, rand)
---         return { f = "echo", value = "Please echo " .. rand(128) }
---       end
---     end,
---     request = function(op)
---       return { type = "echo", echo = op.value }
---     end,
---     complete = function(op, body)
---       return body
---     end,
---     check = function(history, test)
---       return { valid = #history > 0, reason = "nothing was asked", lines = {}, warnings = {} }
---     end,
---   }
---
--- All functions must be functions of their arguments and of what `test` holds: no clock, no `math.random`, no order of
--- `pairs`. A run is repeated from its seed.
local near = require "vortex.near"

local M = {}

--- What is asked for, before it becomes an event of the history.
---@class vortex.workload.Op
---@field f string
---@field value any
---@field final? true
---@field probe? true it only tells whether a node is back (see vortex.lab.trial)

--- The test: what it was configured with.
---@class vortex.workload.Test
---@field nodes string[] their names; client c talks to node c % #nodes, counted from 0
---@field clients integer how many there are
---@field processes table<integer, integer> the process that each client, from 0, is now; a new one after an unknown outcome
---@field topology? string
---@field latency_mean? integer of the network, in nanoseconds
---@field strict? boolean warnings are errors
---@field failed_cas? "dropped"|"observed"
---@field [string] any the other options, by their names

---@class vortex.workload.Result
---@field valid vortex.Validity
---@field reason string one line; "" if it is valid
---@field lines string[] the explanation, for a person
---@field warnings string[] what is not as it should be but does not count
---@field stable? table<string, integer> latencies in milliseconds by quantile, for the summary

--- `rand(n)` draws an integer from 0 to n - 1.
---@alias vortex.workload.Rand fun(n: integer): integer

--- Called for the i-th operation of a client, both counted from 0; nil: nothing to do at this time.
---@alias vortex.workload.Generate fun(client: integer, i: integer, rand: vortex.workload.Rand): vortex.workload.Op?

--- A workload. A client whose operation has an unknown outcome goes on under its name if it is `reusable`; otherwise a new
--- one takes its place, and a late reply to the old one finds nobody. An error reply is a failure if its code is
--- definite or the operation is `idempotent`, and else an unknown outcome; always the latter with `crashes_on_error`.
---@class vortex.Workload
---@field name string
---@field replies table<string, vortex.ReplySchema> by request type: another reply leaves the outcome unknown
---@field clients_per_node integer how many clients it is made for
---@field reusable boolean
---@field crashes_on_error? boolean
---@field idempotent table<string, true> operations that certainly did nothing if they did not succeed: reads
---@field reply_timeout? fun(test: vortex.workload.Test): integer how long to wait for a reply, in nanoseconds; default: 5 s
---@field setup? fun(test: vortex.workload.Test, node: integer): vortex.Body? what each node, from 0, gets before the load
---@field generator fun(test: vortex.workload.Test): vortex.workload.Generate
---@field final? fun(test: vortex.workload.Test, client: integer): vortex.workload.Op the last one, when all has healed
---@field request fun(op: vortex.workload.Op): vortex.Body
---@field complete? fun(op: vortex.Event, body: vortex.Body): any the value of the "ok" event; default: the invocation's
---@field check fun(history: vortex.Event[], test: vortex.workload.Test): vortex.workload.Result

local MODULES = {
  ["broadcast"] = "vortex.workload.broadcast",
  ["echo"] = "vortex.workload.echo",
  ["g-counter"] = "vortex.workload.g_counter",
  ["g-set"] = "vortex.workload.g_set",
  ["lin-kv"] = "vortex.workload.lin_kv",
  ["pn-counter"] = "vortex.workload.pn_counter",
  ["unique-ids"] = "vortex.workload.unique_ids",
}

--- Their names, as Maelstrom's.
---@type string[]
M.names = { "broadcast", "echo", "g-counter", "g-set", "lin-kv", "pn-counter", "unique-ids" }

--- The workload of a name. Raises, with advice, if there is none.
---@param name string
---@return vortex.Workload
function M.find(name)
  local module = MODULES[name]
  if not module then
    local all = table.concat(M.names, ", ")
    local advice = near.advice(name, M.names)
    if advice:find("did you mean", 1, true) then
      advice = ("%s (there are %s)"):format(advice, all)
    end
    error(("no workload %q; %s"):format(name, advice), 0)
  end
  return require(module)
end

return M
