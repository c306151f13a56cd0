--- The network of `vortex-lua test`: what a message costs, where latency applies, the distributions, order, and how messages are counted.
local lu = require "luaunit"

local suite = require "support.suite"
local trial = require "support.trial"

-- n0 tells everybody a number every 20 ms; each echo asks a peer and a service, and logs how long that took.
local BUSY = [[
local vortex = require "vortex"
local count = 0
vortex.on("ping", function() return {} end)
vortex.on("number", function(msg) vortex.log.info("NUMBER %d", msg.body.number) end)
vortex.on("echo", function(msg)
  local began = vortex.now()
  vortex.rpc(vortex.peers[1], { type = "ping" }, { timeout = 60 })
  local between = vortex.now()
  vortex.kv("lin-kv"):read("x", 0, { timeout = 60 })
  vortex.log.info("RPC %.6f KV %.6f", between - began, vortex.now() - between)
  return { echo = msg.body.echo }
end)
vortex.on_init(function()
  if vortex.id == "n0" then
    vortex.every(0.02, function()
      count = count + 1
      vortex.broadcast { type = "number", number = count }
    end)
  end
end)
]]

local ECHO = [[
local vortex = require "vortex"
vortex.on("echo", function(msg) return { echo = msg.body.echo } end)
]]

local function busy(options)
  return trial.run { source = BUSY, options = "-w echo --node-count 2 --time-limit 20 --rate 5 " .. options, status = false }
end

--- How long each message took, in ms: those for which wanted(src, dest) is true.
local function latencies(run, wanted)
  local sent, list = {}, {}
  for _, entry in ipairs(run:lines "messages.jsonl") do
    if entry.fate == "send" then
      sent[entry.id] = entry.time
    elseif entry.fate == "recv" and wanted(entry.src, entry.dest) then
      list[#list + 1] = (entry.time - sent[entry.id]) / 1e6
    end
  end
  table.sort(list)
  lu.assertTrue(#list > 100, run.text)
  return list
end

local function is_client(id)
  return id:find "^c%d" ~= nil
end

local function between_servers(src, dest)
  return not is_client(src) and not is_client(dest)
end

local function mean(list)
  local sum = 0
  for _, value in ipairs(list) do
    sum = sum + value
  end
  return sum / #list
end

local function share_above(list, limit)
  local n = 0
  for _, value in ipairs(list) do
    n = n + (value > limit and 1 or 0)
  end
  return n / #list
end

local function assert_within(value, low, high)
  if not (value >= low and value <= high) then
    lu.fail(("%s is not from %s to %s"):format(value, low, high))
  end
end

local TestLatency = suite.case "TestNetworkLatency"

function TestLatency.test_every_message_costs_its_service_time()
  local run = busy "--latency 0"
  for _, wanted in ipairs { between_servers, function(src, dest) return is_client(src) or is_client(dest) end } do
    local list = latencies(run, wanted)
    assert_within(list[1], 0.1, 0.3)
    assert_within(list[#list], 1.8, 2.0)
    assert_within(mean(list), 0.9, 1.2)
  end
end

function TestLatency.test_round_trips()
  local run = busy "--latency 100"
  local trips = run:logged("n0", "RPC ([%d.]+) KV ([%d.]+)")
  lu.assertTrue(#trips > 20, run.text)
  for _, trip in ipairs(trips) do
    assert_within(tonumber(trip[1]), 0.2002, 0.204)
    assert_within(tonumber(trip[2]), 0.2002, 0.204) -- services are as far away as nodes
  end
end

function TestLatency.test_clients_are_at_no_distance()
  for _, dist in ipairs { "constant", "uniform", "exponential", "heavy" } do
    local run = trial.run { source = ECHO, options = "-w echo --rate 20 --time-limit 10 --latency 100 --latency-dist " .. dist }
    local p50, max = run.text:match "latency +p50 ([%d.]+) ms.* max ([%d.]+) ms"
    assert_within(tonumber(p50), 0.5, 3)
    assert_within(tonumber(max), 0.5, 4)
  end
end

function TestLatency.test_constant()
  local list = latencies(busy "--latency 100 --latency-dist constant", between_servers)
  assert_within(list[1], 100.1, 100.3)
  assert_within(list[#list], 101.8, 102)
end

function TestLatency.test_uniform()
  local list = latencies(busy "--latency 100 --latency-dist uniform", between_servers)
  assert_within(list[1], 0.1, 10)
  assert_within(list[#list], 190, 202)
  assert_within(mean(list), 94, 108)
  assert_within(share_above(list, 151), 0.18, 0.32)
end

function TestLatency.test_exponential()
  local list = latencies(busy "--latency 100 --latency-dist exponential", between_servers)
  assert_within(mean(list), 88, 114)
  assert_within(share_above(list, 100), 0.31, 0.43) -- 1/e
  assert_within(share_above(list, 300), 0.025, 0.08) -- 1/e^3
  assert_within(list[#list], 450, 2500)
end

function TestLatency.test_heavy()
  local list = latencies(busy "--latency 100 --latency-dist heavy --time-limit 60", between_servers)
  assert_within(mean(list), 60, 180)
  lu.assertTrue(list[#list // 2] < 80, "the median is below the mean")
  lu.assertTrue(list[#list] > 1000, tostring(list[#list]))
end

--- How often n1 got a number that is smaller than one before. The first second's do not count: what a node sends before the first
--- client's message is held, and leaves in one go.
local function inversions(run)
  local n, max = 0, 0
  local numbers = run:logged("n1", "NUMBER (%d+)")
  lu.assertTrue(#numbers > 500)
  for _, number in ipairs(numbers) do
    local value = tonumber(number[1])
    n, max = n + (value > 50 and value < max and 1 or 0), math.max(value, max)
  end
  return n
end

function TestLatency.test_order()
  lu.assertEquals(inversions(busy "--latency 100 --latency-dist constant"), 0)
  lu.assertEquals(inversions(busy "--latency 0"), 0)
  for _, dist in ipairs { "uniform", "exponential", "heavy" } do
    local run = busy("--latency 100 --latency-dist " .. dist)
    lu.assertTrue(inversions(run) > 50, dist)
  end
end

function TestLatency.test_without_faults_all_arrive_once()
  local run = busy "--latency 10 --latency-dist exponential"
  local seen = {}
  for _, number in ipairs(run:logged("n1", "NUMBER (%d+)")) do
    lu.assertNil(seen[number[1]])
    seen[number[1]] = true
  end
  suite.assert_words(run.text, "; 0 lost, 0 cut, 0 duplicated")
end

-- ---- counting ----

local TestCounting = suite.case "TestNetworkCounting"

function TestCounting.test_messages_per_operation()
  local run = busy "--latency 10"
  local count, operations = 0, 0
  for _, entry in ipairs(run:lines "messages.jsonl") do
    if entry.fate == "send" and between_servers(entry.src, entry.dest) then
      count = count + 1
    end
  end
  for _, event in ipairs(run:lines "history.jsonl") do
    operations = operations + (event.type == "invoke" and 1 or 0)
  end
  local shown, each = run.text:match "messages +([%d,]+) between servers, ([%d.]+) per operation"
  lu.assertNotNil(shown, run.text)
  lu.assertEquals(tonumber((shown:gsub(",", ""))), count)
  assert_within(tonumber(each), count / operations - 0.01, count / operations + 0.01)
end

function TestCounting.test_operations_are_those_of_the_history()
  local run = busy "--latency 10"
  local count = {}
  for _, event in ipairs(run:lines "history.jsonl") do
    count[event.type] = (count[event.type] or 0) + 1
  end
  local ok, failed, info = run.text:match "operations +ok (%d+) +failed (%d+) +indeterminate (%d+)"
  lu.assertEquals({ tonumber(ok), tonumber(failed), tonumber(info) }, { count.ok, count.fail or 0, count.info or 0 })
  assert_within(count.invoke, 70, 130) -- 5 a second for 20 s
end

-- ---- what Maelstrom's reprinting does to objects ----

local MANY_KEYS = [[
local vortex = require "vortex"
vortex.on("many", function() end)
vortex.on("echo", function(msg)
  vortex.broadcast { type = "many", inner = { a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8, i = 9, j = 10, k = 11, l = 12 } }
  return { echo = msg.body.echo }
end)
]]

function TestCounting.test_keys_are_reordered_on_some_seeds()
  local reordered, kept = 0, 0
  for seed = 1, 12 do
    local options = ("-w echo --node-count 2 --time-limit 3 --seeds %d-%d"):format(seed, seed) -- of a campaign, which draws more
    local run = trial.run { source = MANY_KEYS, options = options }
    local differs = false
    for line in io.lines(run:path "messages.jsonl") do
      local inner = line:find('"fate":"recv"', 1, true) and line:match '"inner":{(.-)}'
      if inner and inner ~= '"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"j":10,"k":11,"l":12' then
        differs = true
      end
    end
    lu.assertEquals(run.text:find("keys reordered", 1, true) ~= nil, differs)
    reordered, kept = reordered + (differs and 1 or 0), kept + (differs and 0 or 1)
  end
  lu.assertTrue(reordered >= 1 and kept >= 1, ("%d reordered, %d kept"):format(reordered, kept))
end
