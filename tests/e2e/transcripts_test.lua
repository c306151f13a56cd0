--- The examples against real Maelstrom runs: the requests of the recorded clients are replayed, services and other nodes are played by the
--- harness. Every request is answered once, in a form that the workload accepts, and the answers add up.
local lu = require "luaunit"
local uv = require "luv"

local cluster = require "support.cluster"
local maelstrom = require "support.maelstrom"
local services = require "support.services"
local suite = require "support.suite"
local transcript = require "support.transcript"
local verdict = require "support.verdict"

---alone: the example is written for one node, so each node of the run gets a cluster of its own.
---ordered: its handlers never wait, so answers come in the order of the requests.
local RUNS = {
  { transcript = "echo", example = "echo", ordered = true },
  { transcript = "echo", example = "echo_step", ordered = true },
  { transcript = "unique-ids", example = "unique_ids", ordered = true },
  { transcript = "broadcast", example = "broadcast", ordered = true },
  { transcript = "broadcast", example = "broadcast_fast", ordered = true },
  { transcript = "broadcast", example = "broadcast_frugal", ordered = true },
  { transcript = "g-set", example = "g_set", ordered = true },
  { transcript = "g-counter", example = "g_counter" },
  { transcript = "g-counter", example = "g_counter_crdt", ordered = true },
  { transcript = "pn-counter", example = "pn_counter", ordered = true },
  { transcript = "kafka", example = "kafka_single", ordered = true, alone = true },
  { transcript = "kafka", example = "kafka" },
  { transcript = "lin-kv", example = "lin_kv_proxy" },
  { transcript = "lin-kv-proxy", example = "lin_kv_proxy", workload = "lin-kv" },
  { transcript = "txn-rw-register", example = "txn_rw_register", ordered = true },
  { transcript = "txn-list-append", example = "txn_list_append_single", ordered = true, alone = true },
}

local function needed(run)
  if not transcript.folder() then
    lu.skip "no ../shared/transcripts beside the checkout"
  end
  local path = ("%s/examples/%s.lua"):format(maelstrom.root, run.example)
  lu.assertNotNil(uv.fs_stat(path), path .. " is missing")
  return path
end

-- As Maelstrom's clients do it: each waits for an answer before it asks again.
local function replay(c, requests)
  local exchanges, open = {}, {}
  local function settle(client)
    local x = open[client]
    if x then
      x.reply = c:reply_to(client, x.request.msg_id)
      open[client] = nil
    end
  end
  for _, msg in ipairs(requests) do
    settle(msg.src)
    c.nodes[msg.dest]:send(msg.src, msg.body)
    open[msg.src] = { request = msg.body, node = msg.dest }
    exchanges[#exchanges + 1] = open[msg.src]
  end
  for _, msg in ipairs(requests) do
    settle(msg.src)
  end
  return exchanges
end

local function replay_on_cluster(run, ids, requests)
  local workload = run.workload or run.transcript
  local c = cluster.start { script = needed(run), ids = ids, workload = workload, seed = #requests + 1 }
  local exchanges = replay(c, requests)
  lu.assertEquals(#exchanges, #requests)
  verdict[workload](exchanges, ids, function(id, body)
    return (c:call(id, body, { src = "c900" }))
  end)
  c:finish()
  for _, id in ipairs(ids) do
    lu.assertEquals(c.nodes[id].judge:unanswered(), {})
    lu.assertEquals(c.nodes[id].inbox, {}, "nothing else comes out")
  end
end

local TestReplay = suite.case "TestReplay"

for _, run in ipairs(RUNS) do
  TestReplay[("test_%s_on_%s"):format(run.transcript, run.example)] = function()
    needed(run)
    local nodes = transcript.load(run.transcript)
    if not run.alone then
      local requests = transcript.merged(nodes)
      lu.assertTrue(#requests > 30, "the transcript has requests")
      return replay_on_cluster(run, nodes[1].ids, requests)
    end
    for _, node in ipairs(nodes) do
      for _, msg in ipairs(node.requests) do
        msg.dest = "n0"
      end
      replay_on_cluster(run, { "n0" }, node.requests)
    end
  end
end

local TestFlood = suite.case "TestFlood"

-- All requests of a node in one write.
local function write_all(node, requests)
  local lines = {}
  for i, msg in ipairs(requests) do
    node.judge:sent(msg)
    lines[i] = maelstrom.line(msg.src, msg.dest, msg.body)
  end
  node.process:write(table.concat(lines, "\n") .. "\n")
end

local function wait_answered(node)
  node.process:wait_until(function()
    return #node.judge:unanswered() == 0
  end, nil, "all requests answered")
end

-- One node, while its peers are silent: handlers that never wait need nobody.
local function flood_node(run, recorded)
  local s = services.new(7)
  local node = maelstrom.start {
    script = needed(run),
    id = recorded.id,
    ids = run.alone and { recorded.id } or recorded.ids,
    workload = run.workload or run.transcript,
    on_message = function(node, msg)
      return s:take(node, msg) or node.judge.members[msg.dest]
    end,
  }
  write_all(node, recorded.requests)
  wait_answered(node)
  for i, msg in ipairs(recorded.requests) do
    local answer = node.answered_in_order[i + 1] -- the first is init_ok
    lu.assertEquals({ answer.dest, answer.body.in_reply_to }, { msg.src, msg.body.msg_id }, "the order of the answers")
  end
  node:finish()
end

-- All nodes: what waits for others gets its answers from them.
local function flood_cluster(run, nodes)
  local c = cluster.start {
    script = needed(run),
    ids = nodes[1].ids,
    workload = run.workload or run.transcript,
    seed = 7,
    options = { "--late-reply", "0" },
  }
  for _, recorded in ipairs(nodes) do
    write_all(c.nodes[recorded.id], recorded.requests)
  end
  for _, recorded in ipairs(nodes) do
    wait_answered(c.nodes[recorded.id])
  end
  c:finish()
end

for _, run in ipairs(RUNS) do
  TestFlood[("test_%s_on_%s"):format(run.transcript, run.example)] = function()
    needed(run)
    local nodes = transcript.load(run.transcript)
    if not run.ordered then
      return flood_cluster(run, nodes)
    end
    for _, recorded in ipairs(nodes) do
      flood_node(run, recorded)
    end
  end
end
