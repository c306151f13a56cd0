#!/usr/bin/env vortex-lua
-- Locks with leases and fencing tokens, and no clock in the state machine. Whoever acquires a lock gets a token that is
-- greater than all before it; a store that refuses smaller tokens than it has seen is safe from holders that do not know
-- yet that they lost the lock. A lease ends because somebody says so in the log: the leader proposes to expire a token
-- that it has not seen renewed for a whole lease of its own time. A renewal that comes first in the log wins.
--
--   {"type":"acquire","lock":"a","owner":"x"}             -> {"type":"acquire_ok","token":7}, or error 14: it is held
--   {"type":"renew","lock":"a","owner":"x","token":7}     -> {"type":"renew_ok"}, or error 22: it is not yours any more
--   {"type":"release","lock":"a","owner":"x","token":7}   -> {"type":"release_ok"}, likewise
--   {"type":"holder","lock":"a"}                          -> {"type":"holder_ok","owner":"x","token":7}, or error 20
local vortex = require "vortex"

local LEASE = 2.0 -- seconds without a renewal

local apply = {}

-- Asking again for what one holds already gives the same token: the first answer may have been lost.
function apply.acquire(state, op)
  local lock = state.locks[op.lock]
  if lock and lock.owner ~= op.owner then
    vortex.error("abort", "held by " .. lock.owner)
  elseif not lock then
    state.last_token = state.last_token + 1
    lock = { owner = op.owner, token = state.last_token, renewals = 0 }
    state.locks[op.lock] = lock
  end
  return { token = lock.token }
end

local function held(state, op)
  local lock = state.locks[op.lock]
  if not lock or lock.owner ~= op.owner or lock.token ~= op.token then
    vortex.error("precondition-failed", "the lock is not yours any more")
  end
  return lock
end

function apply.renew(state, op)
  local lock = held(state, op)
  lock.renewals = lock.renewals + 1
end

function apply.release(state, op)
  held(state, op)
  state.locks[op.lock] = nil
end

function apply.expire(state, op)
  local lock = state.locks[op.lock]
  if lock and lock.token == op.token and lock.renewals == op.renewals then
    state.locks[op.lock] = nil
  end
end

local raft = vortex.raft {
  init = function()
    return { last_token = 0, locks = {} }
  end,

  apply = function(state, op)
    return apply[op.type](state, op)
  end,
}

vortex.on({ "acquire", "renew", "release" }, function(msg)
  return raft:propose(msg.body)
end)

vortex.on("holder", function(msg)
  return raft:read(function(state)
    local lock = state.locks[msg.body.lock] or vortex.error("key-does-not-exist", "nobody holds it")
    return { owner = lock.owner, token = lock.token }
  end)
end)

-- What the leader has seen of each lock, and when it first saw it so. A new leader begins with nothing, so it gives
-- every holder a whole lease: leases may get longer, never shorter.
local seen = {}

local function look(locks)
  local now, expired = vortex.now(), {}
  for name, lock in vortex.sorted_pairs(locks) do
    local last = seen[name]
    if not last or last.token ~= lock.token or last.renewals ~= lock.renewals then
      seen[name] = { token = lock.token, renewals = lock.renewals, since = now }
    elseif now - last.since >= LEASE then
      expired[#expired + 1] = { type = "expire", lock = name, token = lock.token, renewals = lock.renewals }
    end
  end
  return expired
end

vortex.every(LEASE / 4, function()
  if not raft:is_leader() then
    seen = {}
    return
  end
  for _, op in ipairs(raft:try_read(look) or {}) do
    raft:try_propose(op)
  end
end)
