#!/usr/bin/env vortex-lua
-- Challenges 3a to 3c: broadcast. Every node keeps, for each neighbour, what that neighbour has not acknowledged yet, and sends it again
-- until it has: nothing is lost under partitions.
--
--   maelstrom test -w broadcast --bin ./examples/broadcast.lua --node-count 5 --time-limit 20 --rate 10 --nemesis partition
local vortex = require "vortex"

local seen = vortex.set()
local unacked = {} -- neighbour -> set of what it may not know yet

local function learn(messages, from)
  for _, message in ipairs(messages) do
    if seen:add(message) then
      for neighbour, pending in pairs(unacked) do -- order-free
        if neighbour ~= from then
          pending:add(message)
        end
      end
    end
  end
end

vortex.on_init(function()
  for _, neighbour in ipairs(vortex.topology.grid()[vortex.id]) do
    unacked[neighbour] = vortex.set()
  end
end)

vortex.on("topology", function()
  return {}
end)

vortex.on("broadcast", function(msg)
  learn({ msg.body.message })
  return {}
end)

vortex.on("read", function()
  return { messages = seen:array() }
end)

vortex.on("gossip", function(msg)
  learn(msg.body.messages, msg.src)
  return {}
end)

vortex.every(0.1, function()
  for neighbour, pending in vortex.sorted_pairs(unacked) do
    if not pending:empty() then
      vortex.spawn(function()
        local batch = pending:array()
        if vortex.try_rpc(neighbour, { type = "gossip", messages = batch }) then
          for _, message in ipairs(batch) do
            pending:remove(message)
          end
        end
      end)
    end
  end
end)
