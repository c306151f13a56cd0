#!/usr/bin/env vortex-lua
-- A store whose cluster grows from one node to all of them and shrinks again, over and over, while clients use it.
-- Whoever leads makes the next step; which way the cluster is going is part of the replicated state, so that a new
-- leader goes on. A leader may well remove itself.
--
--   maelstrom test -w lin-kv --bin ./examples/membership.lua --node-count 5 --concurrency 2n --time-limit 60 --rate 30
--   vortex-lua test -w lin-kv --node-count 5 \
--     --nemesis kill,partition,partition-oneway,loss,duplicate,pause,slow,clock,disk --seeds 300 \
--     examples/membership.lua
local vortex = require "vortex"

local STEP_PERIOD = 2.0 -- seconds

local apply = {}

function apply.write(state, op)
  state.store[op.key] = op.value
end

function apply.read(state, op)
  return { value = state.store[op.key] or vortex.error("key-does-not-exist") }
end

function apply.cas(state, op)
  if apply.read(state, op).value ~= op.from then
    vortex.error("precondition-failed")
  end
  state.store[op.key] = op.to
end

function apply.turn(state, op)
  state.growing = op.growing
end

local raft

vortex.on_init(function()
  raft = vortex.raft {
    voters = { vortex.ids[1] },

    init = function()
      return { growing = true, store = {} }
    end,

    apply = function(state, op)
      return apply[op.type](state, op)
    end,
  }
end)

-- Reads go through the log as well: a node that is no member at the moment has no state to read from.
vortex.on({ "read", "write", "cas" }, function(msg)
  return raft:propose(msg.body)
end)

-- The members after this step: one more, in the order of all nodes, or one less, from the front.
local function next_voters(voters, growing)
  local is_voter, result = vortex.set(voters), {}
  local grown = false
  for _, id in ipairs(vortex.ids) do
    if is_voter:has(id) or (growing and not grown) then
      grown = grown or not is_voter:has(id)
      result[#result + 1] = id
    end
  end
  if not growing then
    table.remove(result, 1)
  end
  return result
end

vortex.every(STEP_PERIOD, function()
  if not raft or not raft:is_leader() then
    return
  end
  local growing = raft:try_read(function(state)
    return state.growing
  end)
  local voters = raft:status().voters
  if #voters == (growing and #vortex.ids or 1) then
    raft:try_propose { type = "turn", growing = not growing }
  elseif growing ~= nil then
    raft:try_change { voters = next_voters(voters, growing) }
  end
end)
