#!/usr/bin/env vortex-lua
-- A linearizable store in the other model: a service whose step receives every event. What a client wants is
-- requested of the log; what the cluster has agreed on comes back on every node, in one order, as a committed event.
-- The node that the client asked answers.
--
--   maelstrom test -w lin-kv --bin ./examples/lin_kv_step.lua --node-count 3 --concurrency 4n --time-limit 60 --rate 30
--   vortex-lua test -w lin-kv --node-count 3 \
--     --nemesis kill,partition,partition-oneway,loss,duplicate,pause,slow,clock,disk --seeds 300 \
--     examples/lin_kv_step.lua
local vortex = require "vortex"

local function apply(store, op)
  local value = store[op.key]
  if op.type == "write" then
    store[op.key] = op.value
    return { type = "write_ok" }
  elseif value == nil then
    return { type = "error", code = 20, text = "no such key" }
  elseif op.type == "read" then
    return { type = "read_ok", value = value }
  elseif value ~= op.from then
    return { type = "error", code = 22, text = "the value is another one" }
  end
  store[op.key] = op.to
  return { type = "cas_ok" }
end

return {
  raft = true,

  create = function()
    return { store = {}, asked = {} }
  end,

  step = function(self, event, network)
    if event.kind == "message" then
      local id = vortex.unique_id()
      self.asked[id] = event
      network.raft:request { id = id, op = event.body }
      return
    end
    local answer
    if event.kind == "committed" then
      answer = apply(self.store, event.entry.op)
    elseif event.kind == "failed" then
      answer = { type = "error", code = event.error.code, text = event.error.text }
    end
    local question = answer and self.asked[event.entry.id]
    if question then
      self.asked[event.entry.id] = nil
      network:reply(question, answer)
    end
  end,
}
