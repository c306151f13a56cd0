#!/usr/bin/env vortex-lua
-- Challenge 3e, frugal broadcast: the first node is the hub. It puts every message into one log and sends what is new
-- in the log to everybody, a few times a second. Nothing is acknowledged: a node that finds its own message in the
-- log knows that the hub has it, and one that is sent a later part of the log than it expects asks for what is
-- missing. While the hub cannot be reached, messages wait.
--
--   maelstrom test -w broadcast --bin ./examples/broadcast_frugal.lua --node-count 25 --time-limit 20 --rate 100 \
--     --latency 100
--   vortex-lua test --nemesis partition,partition-oneway,loss,duplicate,pause,slow,clock \
--     --seeds 100 examples/broadcast_frugal.lua
local vortex = require "vortex"

local NEWS_PERIOD = 0.22 -- seconds: shorter is faster, longer is cheaper
local IDLE_PERIOD = 1    -- without news the hub still says how long its log is
local PUBLISH_AGAIN = 1  -- longer than it takes a message to come back from the hub

local hub
local log = vortex.array {} -- on the hub, every message; on the others, the beginning of that
local logged = vortex.set() -- the same as a set
local waiting = vortex.set() -- given to this node, and not yet in its log

local function append(messages)
  local new = logged:add_all(messages)
  table.move(new, 1, #new, #log + 1, log)
end

-- The hub's log behind its first `from` messages.
local function news(from)
  return { type = "news", from = from, messages = table.move(log, from + 1, #log, 1, vortex.array {}) }
end

vortex.on_init(function()
  hub = vortex.ids[1]
  if vortex.id == hub then
    local told, told_at = 0, vortex.now()
    vortex.every(NEWS_PERIOD, function()
      if #log > told or vortex.now() - told_at >= IDLE_PERIOD then
        vortex.broadcast(news(told))
        told, told_at = #log, vortex.now()
      end
    end)
  end
end)

local function publish(message)
  waiting:add(message)
  while not logged:has(message) do
    vortex.send(hub, { type = "publish", message = message })
    vortex.sleep(PUBLISH_AGAIN)
  end
  waiting:remove(message)
end

vortex.on("broadcast", function(msg)
  if vortex.id == hub then
    append { msg.body.message }
  else
    vortex.spawn(publish, msg.body.message)
  end
  return {}
end)

vortex.on("publish", function(msg)
  append { msg.body.message }
end)

vortex.on("news", function(msg)
  if msg.body.from <= #log then
    append(msg.body.messages) -- those that are in the log already are skipped
  else
    vortex.send(hub, { type = "missing", from = #log })
  end
end)

vortex.on("missing", function(msg)
  vortex.send(msg.src, news(msg.body.from))
end)

vortex.on("read", function()
  return { messages = (logged | waiting):array() }
end)

vortex.on("topology", function()
  return {}
end)
