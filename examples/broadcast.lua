#!/usr/bin/env vortex-lua
-- Challenges 3a to 3c, broadcast: each node tells its neighbours what they may not know yet, and tells them again
-- until they have acknowledged it. So every message reaches every node, through any partition that heals.
--
--   maelstrom test -w broadcast --bin ./examples/broadcast.lua --node-count 5 --time-limit 20 --rate 10 \
--     --nemesis partition
--   vortex-lua test --nemesis partition,partition-oneway,loss,duplicate,pause,slow,clock \
--     --seeds 100 examples/broadcast.lua
local vortex = require "vortex"

local GOSSIP_PERIOD = 0.1 -- seconds

local seen = vortex.set()
local unacked = {} -- neighbour -> the set of messages it has not acknowledged

local function learn(messages, from)
  local new = seen:add_all(messages)
  for neighbour, pending in pairs(unacked) do -- order-free
    if neighbour ~= from then
      pending:add_all(new)
    end
  end
end

local function gossip_with(neighbour)
  unacked[neighbour] = vortex.set(seen)
  vortex.every(GOSSIP_PERIOD, function() -- the next round begins when this one has ended
    local batch = unacked[neighbour]:array()
    if #batch > 0 and vortex.try_rpc(neighbour, { type = "gossip", messages = batch }) then
      unacked[neighbour] = unacked[neighbour] - batch
    end
  end)
end

vortex.on("topology", function(msg)
  for _, neighbour in ipairs(msg.body.topology[vortex.id] or {}) do
    if not unacked[neighbour] then
      gossip_with(neighbour)
    end
  end
  return {}
end)

vortex.on("broadcast", function(msg)
  learn { msg.body.message }
  return {}
end)

vortex.on("gossip", function(msg)
  learn(msg.body.messages, msg.src)
  return {}
end)

vortex.on("read", function()
  return { messages = seen:array() }
end)
