--- One run of a workload, as the simulator drives it: it says when a client is due and what the node answered; this makes
--- the requests, keeps the history and gives the verdict.
---
--- Clients and nodes are counted from 0. A client does one operation at a time, on the node of its number; the process
--- that it is in the history gets a new number whenever an operation's outcome is unknown, as in Jepsen.
local core = require "vortex.core"
local lab = require "vortex.lab.core"
local accept = require "vortex.lab.accept"
local report = require "vortex.lab.report"
local verdict = require "vortex.lab.verdict"
local workloads = require "vortex.workload"

local M = {}

local now, random, request, leave = lab.now, lab.random, lab.request, lab.leave

local SECOND = 1000000000
local REPLY_TIMEOUT = 5 * SECOND
local FINAL_KEY = 1 << 62

---@type vortex.workload.Test
local test
---@type vortex.Workload
local workload
local generate, make_request, complete, accepts, idempotent
local history, length
local processes, issued, finals, pending, asked -- by client
local malformed -- { { count =, text = } … }, one per kind

local draw_key, draws = 0, 0

local function draw(n)
  draws = draws + 1
  return (random(draw_key, draws) >> 33) * n >> 31
end

local function asked_value(op)
  return op.value
end

--- Begins a run. Raises a line of text if there is no such workload, topology or availability.
---@param config table the test's options by name, with nodes (names) and clients (how many)
---@return { reply_timeout: integer, final: boolean }
function M.open(config)
  workload = workloads.find(config.workload)
  test = config
  test.wanted_availability = verdict.parse_availability(config.availability)
  processes, issued, finals, pending, asked = {}, {}, {}, {}, {}
  for client = 0, config.clients - 1 do
    processes[client], issued[client] = client, 0
  end
  test.processes = processes
  history, length, malformed = {}, 0, {}
  generate = workload.generator(test)
  make_request, complete = workload.request, workload.complete or asked_value
  accepts = accept.all(workload.replies)
  idempotent = workload.idempotent
  local timeout = workload.reply_timeout and workload.reply_timeout(test) or REPLY_TIMEOUT
  return { reply_timeout = timeout, final = workload.final ~= nil }
end

--- The request that a node gets before the load, if the workload has one.
---@param node integer
---@return vortex.Body?
function M.setup(node)
  return workload.setup and workload.setup(test, node) or nil
end

--- What the node answered to it; nil: nothing in time.
---@param node integer
---@param body vortex.Body?
function M.setup_done(node, body)
  local name = test.nodes[node + 1]
  local wrong
  if not body then
    wrong = name .. " did not answer the workload's set-up"
  elseif body.type == "error" then
    wrong = ("%s answered the workload's set-up with an error: %s"):format(name, tostring(body.text))
  else
    local asked_type = workload.setup(test, node).type
    local reason = accepts[asked_type] and accepts[asked_type](body)
    wrong = reason and ("%s answered the workload's set-up with a malformed reply: %s"):format(name, reason)
  end
  if wrong then
    test.setup_failures = test.setup_failures or {}
    table.insert(test.setup_failures, wrong)
  end
end

local function begin(client, op)
  local process = processes[client]
  local index = length
  length = index + 1
  local event = {
    index = index,
    time = now(),
    process = process,
    type = "invoke",
    f = op.f,
    value = op.value,
    error = nil,
    final = op.final,
    probe = op.probe,
  }
  history[length] = event
  pending[client] = event
  local body = make_request(op)
  asked[client] = body.type
  request(client, body)
  return true
end

local function finish(client, outcome, value, err)
  local op = pending[client]
  pending[client] = nil
  local index = length
  length = index + 1
  history[length] = {
    index = index,
    time = now(),
    process = op.process,
    type = outcome,
    f = op.f,
    value = value,
    error = err,
    final = op.final,
    probe = op.probe,
  }
end

-- Nobody knows what the operation did. The process never acts again, and unless the client can be used again, a new one
-- takes its place.
local function crash(client, err)
  finish(client, "info", pending[client].value, err)
  processes[client] = processes[client] + test.clients
  if not workload.reusable then
    leave(client)
  end
end

--- A client is due. Returns false if there is nothing for it to do now.
---@param client integer
---@return boolean begun
function M.next(client)
  local i = issued[client]
  draw_key, draws = client << 32 | i, 0
  local op = generate(client, i, draw)
  if not op then
    return false
  end
  issued[client] = i + 1
  return begin(client, op)
end

--- A client's last operation, when everything has healed: the workload's, or an ordinary one if it has none for the end.
--- What Maelstrom would not have asked (those, and further tries) only probes whether the node is back: it is part of the
--- history, and counts neither as a success nor against the availability.
---@param client integer
---@return boolean begun
function M.final(client)
  local try = finals[client] or 0
  finals[client] = try + 1
  if workload.final then
    local op = workload.final(test, client)
    op.probe = try > 0 or nil
    return begin(client, op)
  end
  draw_key, draws = FINAL_KEY | client << 32 | try, 0
  local op = generate(client, issued[client], draw)
  if not op then
    return false
  end
  op.probe = true
  return begin(client, op)
end

local error_names = {} -- by code; what a program may not rely on is called unknown

local function error_of(code)
  local known = error_names[code]
  if not known then
    local err = math.type(code) == "integer" and core.error_new(code) or { name = "unknown", definite = false }
    known = { name = err.name:find "^error%-" and "unknown" or err.name, definite = err.definite }
    error_names[code or false] = known
  end
  return known
end

local function failed(client, op, body)
  local known = error_of(body.code or false)
  local err = core.array { known.name, body.text == nil and core.null or body.text }
  if not workload.crashes_on_error and (known.definite or idempotent[op.f]) then
    finish(client, "fail", op.value, err)
  else
    crash(client, err)
  end
  return report.USEFUL[body.code] or false
end

local function refused(client, wrong)
  local kind = wrong:gsub("%[%d+%]", "[]")
  for _, known in ipairs(malformed) do
    if known.kind == kind then
      known.count = known.count + 1
      return crash(client, core.array { "malformed-rpc-response", wrong })
    end
  end
  malformed[#malformed + 1] = { kind = kind, count = 1, text = wrong, process = processes[client] }
  crash(client, core.array { "malformed-rpc-response", wrong })
end

--- The node's answer. Returns whether the node did something useful: an answer that says more than that it cannot.
---@param client integer
---@param body vortex.Body
---@return boolean useful
function M.reply(client, body)
  local op = pending[client]
  if body.type == "error" then
    return failed(client, op, body)
  end
  local accepted = accepts[asked[client]]
  local wrong = accepted and accepted(body)
  if wrong then
    refused(client, wrong)
    return false
  end
  finish(client, "ok", complete(op, body))
  return true
end

--- No answer came in time.
---@param client integer
function M.timeout(client)
  local op = pending[client]
  if idempotent[op.f] and not workload.crashes_on_error then
    finish(client, "fail", op.value, "net-timeout")
  else
    crash(client, "net-timeout")
  end
end

--- A fault began or ended; for the history's readers.
---@param f string e.g. "start-partition"
---@param value any
function M.nemesis(f, value)
  length = length + 1
  history[length] =
    { index = length - 1, time = now(), process = "nemesis", type = "info", f = f, value = value, error = nil, final = nil }
end

--- The end: the verdict on everything that happened.
---@param facts vortex.lab.Facts
---@return { valid: vortex.Validity, reason: string, text: string }
function M.verdict(facts)
  return verdict.give(workload, test, history, malformed, facts)
end

--- The history as Jepsen's EDN.
---@return string
function M.edn()
  return require("vortex.lab.edn").text(history)
end

--- The history as JSON lines.
---@return string
function M.jsonl()
  return require("vortex.lab.jsonl").text(history)
end

--- The verdict of a workload's own checker on a history from elsewhere.
---@param name string
---@param events vortex.Event[]
---@param opts? { failed_cas?: "dropped"|"observed", strict?: boolean }
---@return { valid: vortex.Validity, reason: string, text: string }
function M.judge(name, events, opts)
  local stored = { failed_cas = opts and opts.failed_cas, strict = opts and opts.strict }
  local result = verdict.check(workloads.find(name), stored, events)
  local lines = verdict.explain(result.problems, {}, result.warnings)
  for _, line in ipairs(report.operations(report.count(events))) do
    lines[#lines + 1] = line
  end
  return { valid = result.valid, reason = result.reason, text = table.concat(lines, "\n") }
end

return M
