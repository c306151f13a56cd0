-- A stand-in for the simulator as vortex.lab.trial sees it: time that the test sets, requests that are kept, and
-- randomness that is a function of its arguments. `lab:open` begins a run.
local core = require "vortex.core"
require("support.checkers").install()

local M = {}
M.__index = M

local MS = 1000000

local function mix(a, b)
  local x = a * 0x2545f4914f6cdd1d + b * 0x1b873593cc9e2d51 + 0x5851f42d4c957f2d
  x = (x ~ (x >> 31)) * 0x4cf5ad432745937f
  x = (x ~ (x >> 29)) * 0x2127599bf4325c37
  return x ~ (x >> 32)
end

-- vortex.lab modules loaded afresh on top of this lab.
function M.new()
  local lab = setmetatable({ time = 0, sent = {}, left = {} }, M)
  package.loaded["vortex.lab.core"] = {
    now = function()
      return lab.time
    end,
    random = mix,
    request = function(client, body)
      lab.sent[client] = core.decode(core.encode(body))
    end,
    leave = function(client)
      lab.left[#lab.left + 1] = client
    end,
  }
  package.loaded["vortex.lab.trial"] = nil
  lab.trial = require "vortex.lab.trial"
  package.loaded["vortex.lab.trial"] = nil
  return lab
end

local function nodes(n)
  local names = {}
  for i = 1, n do
    names[i] = "n" .. i - 1
  end
  return names
end

function M:open(workload, options)
  local config = { workload = workload, nodes = nodes(options and options.node_count or 2), clients = 2 }
  for key, value in pairs(options or {}) do -- order-free
    config[key] = value
  end
  self.config = config
  self.opened = self.trial.open(config)
  return self
end

-- The client's next operation begins at this time (ms; default: one later); its request.
function M:next(client, at)
  self.time = at and at * MS or self.time + MS
  self.sent[client] = nil
  local begun = self.trial.next(client)
  return begun and self.sent[client] or nil
end

local function plain_value(shape)
  return type(shape) == "table" and core.array {} or shape == "integer" and 0 or core.null
end

-- A reply that the workload accepts.
function M:proper_reply(request)
  local schema = require("vortex.schema").workloads[self.config.workload][request.type]
  local body = { type = schema.type }
  for field, shape in pairs(schema.fields) do -- order-free
    body[field] = plain_value(shape)
  end
  return body
end

-- Draws operations until one is of this type; the others succeed.
function M:next_of(client, request_type, at)
  for _ = 1, 1000 do
    local request = self:next(client, at)
    if request.type == request_type then
      return request
    end
    self:answer(client, self:proper_reply(request))
  end
  error("never asked for " .. request_type)
end

function M:final(client, at)
  self.time = at and at * MS or self.time + MS
  self.trial.final(client)
  return self.sent[client]
end

-- The node's answer, as it comes from the wire.
function M:answer(client, body, at)
  self.time = at and at * MS or self.time + MS
  body.in_reply_to = body.in_reply_to or 1
  return self.trial.reply(client, core.decode(core.encode(body)))
end

function M:fail(client, code, text)
  return self:answer(client, { type = "error", code = code, text = text or "made by the test" })
end

function M:timeout(client, at)
  self.time = at and at * MS or self.time + 5000 * MS
  self.trial.timeout(client)
end

-- The events of the history, from the JSON lines.
function M:history()
  local events = {}
  for line in self.trial.jsonl():gmatch "[^\n]+" do
    events[#events + 1] = core.decode(line)
  end
  return events
end

function M:last()
  local events = self:history()
  return events[#events]
end

function M:verdict(facts)
  return self.trial.verdict(facts or {})
end

-- A history in short: rows of { process, type, f, value, final }, one ms apart.
function M.events(rows)
  local events = core.array {}
  for i, row in ipairs(rows) do
    events[i] = {
      index = i - 1,
      time = (row.at or i) * MS,
      process = row[1],
      type = row[2],
      f = row[3],
      value = row[4],
      final = row.final,
      error = row.error,
    }
  end
  return events
end

return M
