--- echo: every answer holds what was asked.
local core = require "vortex.core"
local schema = require "vortex.schema"
local timeline = require "vortex.lab.timeline"
local words = require "vortex.lab.words"

local M = {
  name = "echo",
  replies = schema.workloads["echo"],
  clients_per_node = 1,
  reusable = false,
  idempotent = {},
}

function M.generator()
  return function(_, _, rand)
    return { f = "echo", value = "Please echo " .. rand(128) }
  end
end

function M.request(op)
  return { type = "echo", echo = op.value }
end

function M.complete(_, body)
  return body
end

local SHOWN = 5

local function outcome(asked, answered, who)
  if answered and answered.type == "ok" then
    local echo = type(answered.value) == "table" and answered.value.echo or nil
    local got = echo == nil and "no echo" or core.encode(echo)
    return ("%s asked for %s and got %s"):format(who, core.encode(asked.value), got)
  end
  local why = answered and answered.error and words.error(answered.error) or "no answer came"
  return ("%s asked for %s and got none: %s"):format(who, core.encode(asked.value), why)
end

--- As Maelstrom sees it, an operation without an answer has a wrong one.
function M.check(history, test)
  local completion = timeline.completions(history)
  local lines, wrong = {}, 0
  for i, event in ipairs(history) do
    if event.type == "invoke" and not event.probe then
      local answered = history[completion[i]]
      local value = answered and answered.type == "ok" and answered.value
      if type(value) ~= "table" or value.echo ~= event.value then
        wrong = wrong + 1
        if wrong <= SHOWN then
          lines[wrong] = outcome(event, answered, words.who(event.process, test))
        end
      end
    end
  end
  if wrong == 0 then
    return { valid = true, reason = "", lines = {}, warnings = {} }
  end
  local reason = words.plural(wrong, "echo was", "echoes were") .. " not what had been asked for"
  return { valid = false, reason = reason, lines = words.shorten(lines, wrong), warnings = {} }
end

return M
