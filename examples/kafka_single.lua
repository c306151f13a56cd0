#!/usr/bin/env vortex-lua
-- Challenge 5a, logs on a single node: handlers run one at a time, so plain tables are enough for offsets without
-- gaps.
--
--   maelstrom test -w kafka --bin ./examples/kafka_single.lua --node-count 1 --concurrency 2n --time-limit 20 \
--     --rate 1000
local vortex = require "vortex"

local POLL_MAX = 100 -- messages of one key per poll

local logs = {}      -- key -> its messages; the i-th has offset i - 1
local committed = {} -- key -> the offset up to which consumers are done

vortex.on("send", function(msg)
  local log = logs[msg.body.key] or {}
  logs[msg.body.key] = log
  log[#log + 1] = msg.body.msg
  return { offset = #log - 1 }
end)

vortex.on("poll", function(msg)
  local msgs = vortex.object {}
  for key, from in pairs(msg.body.offsets) do -- order-free
    local log, batch = logs[key] or {}, vortex.array {}
    for offset = from, math.min(from + POLL_MAX, #log) - 1 do
      batch[#batch + 1] = { offset, log[offset + 1] }
    end
    msgs[key] = batch
  end
  return { msgs = msgs }
end)

vortex.on("commit_offsets", function(msg)
  for key, offset in pairs(msg.body.offsets) do -- order-free
    committed[key] = math.max(offset, committed[key] or 0)
  end
  return {}
end)

vortex.on("list_committed_offsets", function(msg)
  local offsets = vortex.object {}
  for _, key in ipairs(msg.body.keys) do
    offsets[key] = committed[key]
  end
  return { offsets = offsets }
end)
