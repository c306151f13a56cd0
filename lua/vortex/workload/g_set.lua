--- g-set: elements that were added to a set are on every node in the end.
local schema = require "vortex.schema"
local set_story = require "vortex.lab.set_story"

local M = {
  name = "g-set",
  replies = schema.workloads["g-set"],
  clients_per_node = 1,
  reusable = false,
  crashes_on_error = true,
  idempotent = {},
}

function M.generator()
  local element = -1
  return function(_, _, rand)
    if rand(2) == 0 then
      return { f = "read" }
    end
    element = element + 1
    return { f = "add", value = element }
  end
end

function M.final()
  return { f = "read" }
end

function M.request(op)
  if op.f == "read" then
    return { type = "read" }
  end
  return { type = "add", element = op.value }
end

function M.complete(op, body)
  if op.f == "read" then
    return body.value
  end
  return op.value
end

function M.check(history, test)
  return set_story.check(history, test, "add")
end

return M
