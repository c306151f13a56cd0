#!/usr/bin/env vortex-lua
-- Logs like Kafka's, without any service beside them: the logs are the state of a machine that Raft replicates. An
-- offset is given out by applying the send, so there are no gaps, and what was acknowledged is on a majority of disks.
-- Polls go through no log: they read the state when it is known to be current.
--
--   maelstrom test -w kafka --bin ./examples/kafka_raft.lua --node-count 3 --concurrency 2n --time-limit 20 --rate 100
local vortex = require "vortex"

local POLL_MAX = 100 -- messages of one key per poll

local apply = {}

function apply.send(state, body)
  local log = state.logs[body.key] or {}
  state.logs[body.key] = log
  log[#log + 1] = body.msg
  return { offset = #log - 1 }
end

function apply.commit_offsets(state, body)
  for key, offset in vortex.sorted_pairs(body.offsets) do
    state.committed[key] = math.max(offset, state.committed[key] or 0)
  end
end

local raft = vortex.raft {
  init = function()
    return { logs = {}, committed = {} }
  end,

  apply = function(state, body)
    return apply[body.type](state, body)
  end,
}

vortex.on({ "send", "commit_offsets" }, function(msg)
  return raft:propose(msg.body)
end)

vortex.on("poll", function(msg)
  return raft:read(function(state)
    local msgs = vortex.object {}
    for key, from in pairs(msg.body.offsets) do -- order-free
      local log, batch = state.logs[key] or {}, vortex.array {}
      for offset = from, math.min(from + POLL_MAX, #log) - 1 do
        batch[#batch + 1] = { offset, log[offset + 1] }
      end
      msgs[key] = batch
    end
    return { msgs = msgs }
  end)
end)

vortex.on("list_committed_offsets", function(msg)
  return raft:read(function(state)
    local offsets = vortex.object {}
    for _, key in ipairs(msg.body.keys) do
      offsets[key] = state.committed[key]
    end
    return { offsets = offsets }
  end)
end)
