--- What `vortex-lua test` says of services: a right and a wrong one of each workload, replies that Maelstrom would not take, availability,
--- --strict, the summary; and that the stored history gets the same verdict.
local lu = require "luaunit"

local suite = require "support.suite"
local trial = require "support.trial"

local LOAD = "--node-count 3 --rate 20 --time-limit 10 "

local function run(workload, body, options, status)
  return trial.run {
    source = "local vortex = require 'vortex'\n" .. body,
    options = ("-w %s %s%s"):format(workload, LOAD, options or ""),
    status = status == nil and 0 or status,
  }
end

--- The histories, judged on their own, give this exit status.
local function assert_checked(result, workload, status)
  for _, name in ipairs { "history.edn", "history.jsonl" } do
    local code, text = trial.check(workload, result:path(name))
    lu.assertEquals(code, status, name .. "\n" .. text)
  end
end

-- ---- workloads ----

local SET = [[
local seen = vortex.set()
vortex.on("topology", function() return {} end)
vortex.on({ "broadcast", "add" }, function(msg)
  local v = msg.body.message or msg.body.element
  if v ~= LOST then seen:add(v) end
  vortex.broadcast { type = "news", value = v }
  return {}
end)
vortex.on("news", function(msg) if msg.body.value ~= LOST then seen:add(msg.body.value) end end)
vortex.on("read", function() return { FIELD = seen:array() } end)
]]

local COUNTER = [[
local counts = {}
vortex.on("add", function(msg)
  counts[vortex.id] = (counts[vortex.id] or 0) + msg.body.delta
  return {}
end)
vortex.on("merge", function(msg) counts[msg.src] = msg.body.count end)
vortex.every(0.5, function() vortex.broadcast { type = "merge", count = counts[vortex.id] or 0 } end)
vortex.on("read", function()
  local sum = WRONG
  for _, id in ipairs(vortex.ids) do sum = sum + (counts[id] or 0) end
  return { value = sum }
end)
]]

local KV = [[
local store = {}
vortex.on({ "read", "write", "cas" }, function(msg)
  if FORWARD and vortex.id ~= "n0" then
    msg:forward "n0"
    return nil
  end
  local body = msg.body
  local key, old = body.key, store[body.key]
  if msg.type == "write" then
    store[key] = body.value
    return {}
  elseif old == nil then
    vortex.error("key-does-not-exist")
  elseif msg.type == "read" then
    return { value = old }
  elseif old ~= body.from then
    vortex.error("precondition-failed")
  end
  store[key] = body.to
  return {}
end)
]]

local function with(text, values)
  return (text:gsub("%u%u%u%u+", values))
end

-- Right, wrong, and words of the reason.
local SERVICES = {
  ["echo"] = {
    [[ vortex.on("echo", function(msg) return { echo = msg.body.echo } end) ]],
    [[ vortex.on("echo", function(msg) return { echo = msg.body.echo:upper() } end) ]],
    "echo",
  },
  ["unique-ids"] = {
    [[ vortex.on("generate", function() return { id = vortex.unique_id() } end) ]],
    [[ local n = 0 vortex.on("generate", function() n = n + 1 return { id = n } end) ]],
    "more than once",
  },
  ["broadcast"] = {
    with(SET, { LOST = "nil", FIELD = "messages" }), with(SET, { LOST = "3", FIELD = "messages" }), "lost",
  },
  ["g-set"] = { with(SET, { LOST = "nil", FIELD = "value" }), with(SET, { LOST = "3", FIELD = "value" }), "lost" },
  ["g-counter"] = { with(COUNTER, { WRONG = "0" }), with(COUNTER, { WRONG = "1" }), "read" },
  ["pn-counter"] = { with(COUNTER, { WRONG = "0" }), with(COUNTER, { WRONG = "-1" }), "read" },
  ["lin-kv"] = { with(KV, { FORWARD = "true" }), with(KV, { FORWARD = "false" }), "linearizable" },
}

local TestWorkloads = suite.case "TestVerdictsWorkloads"

for name, service in pairs(SERVICES) do -- order-free
  local id = name:gsub("-", "_")
  TestWorkloads["test_" .. id .. "_right"] = function()
    local result = run(name, service[1])
    lu.assertEquals(result.process.lines[#result.process.lines], "VALID")
    assert_checked(result, name, 0)
  end
  TestWorkloads["test_" .. id .. "_wrong"] = function()
    local result = run(name, service[2], nil, 1)
    suite.assert_words(result.text, "error: ")
    local reason = result.text:match "\nINVALID: ([^\n]*)\nTo see "
    lu.assertNotNil(reason, result.text)
    suite.assert_words(reason, service[3])
    assert_checked(result, name, 1)
  end
end

function TestWorkloads.test_a_counters_reads_on_the_way_do_not_count()
  run("g-counter", [[
local counter = vortex.kv "lin-kv"
local last = 0
vortex.on("add", function(msg)
  counter:update("x", 0, function(n) return n + msg.body.delta end)
  return {}
end)
vortex.on("read", function()
  last = last + 1
  return { value = vortex.now() > 11.5 and counter:read("x", 0) or 1000000 + last }
end)
]])
end

-- ---- replies ----

local TestReplies = suite.case "TestVerdictsReplies"

-- Every fourth reply is malformed; Maelstrom's client crashes on those: what was asked may have happened.
local function sometimes(good, bad)
  return ([[
local n = 0
local seen = vortex.array {}
vortex.on("broadcast", function(msg) seen[#seen + 1] = msg.body.message return {} end)
vortex.on("topology", function() return {} end)
vortex.on({ "read", "echo", "generate" }, function(msg)
  n = n + 1
  if n %% 4 == 0 then return %s end
  return %s
end)
]]):format(bad, good)
end

local function malformed(workload, good, bad, ...)
  local result = run(workload, sometimes(good, bad), "--node-count 1 --concurrency 1", false)
  suite.assert_words(result.text, "malformed", ...)
  local crashed, completed = 0, 0
  for _, event in ipairs(result:lines "history.jsonl") do
    if event.type == "info" then
      crashed = crashed + 1
    elseif event.type == "ok" then
      completed = completed + 1
    end
  end
  lu.assertTrue(crashed > 10, result.text)
  lu.assertTrue(completed > 3 * crashed / 2, result.text)
  lu.assertEquals(tonumber(result.text:match "operations +ok %d+ +failed %d+ +indeterminate (%d+)"), crashed)
  return result
end

function TestReplies.test_an_extra_key()
  malformed("echo", "{ echo = msg.body.echo }", "{ echo = msg.body.echo, more = 1 }", "more")
end

function TestReplies.test_a_key_too_few()
  malformed("unique-ids", "{ id = vortex.unique_id() }", "{}", "id")
end

function TestReplies.test_an_object_for_an_array()
  malformed("broadcast", "{ messages = seen }", "{ messages = vortex.object {} }", "messages")
end

function TestReplies.test_a_float_for_an_integer()
  local result = run("g-counter", [[
local n = 0
vortex.on("add", function() return {} end)
vortex.on("read", function() n = n + 1 return { value = 2.5 } end)
]], nil, 1)
  suite.assert_words(result.text, "malformed", "value")
end

function TestReplies.test_another_type()
  malformed("echo", "{ echo = msg.body.echo }", "{ type = 'ohce_ok', echo = msg.body.echo }", "type")
end

-- Under Maelstrom a line to a client that has left is the last that is read of a node.
function TestReplies.test_a_message_to_a_client_that_left()
  local result = run("echo", [[
local held
vortex.on("echo", function(msg)
  if held then return { echo = msg.body.echo } end
  held = msg
  vortex.after(8, function()
    vortex.send(held.src, { type = "too_late" })
  end)
end)
]], "--node-count 1 --time-limit 20", 1)
  suite.assert_words(result.text, "warning: n0", "nothing of it is heard after that", "too_late")
  local last = 0
  for _, event in ipairs(result:lines "history.jsonl") do
    last = event.type == "ok" and event.time / 1e9 or last
  end
  lu.assertTrue(last > 7 and last < 8.2, "muted from then on: " .. last)
end

-- ---- options ----

local TestStrictness = suite.case "TestVerdictsStrictness"

local UNAVAILABLE = [[
local n = 0
vortex.on("generate", function()
  n = n + 1
  if n % 20 == 0 then vortex.error("temporarily-unavailable") end
  return { id = vortex.unique_id() }
end)
]]

function TestStrictness.test_availability()
  run("unique-ids", UNAVAILABLE)
  run("unique-ids", UNAVAILABLE, "--availability none")
  run("unique-ids", UNAVAILABLE, "--availability 0.9")
  for _, value in ipairs { "total", "1", "0.99" } do
    local result = run("unique-ids", UNAVAILABLE, "--availability " .. value, 1)
    suite.assert_words(result.text, "error: ", "availab", "INVALID: ")
  end
  run("unique-ids", SERVICES["unique-ids"][1], "--availability total")
end

function TestStrictness.test_strict_makes_a_warning_an_error()
  local twice = with(SET, { LOST = "nil", FIELD = "value" }):gsub("seen:array%(%)", "vortex.array(both(seen:array()))") .. [[
function both(list)
  list[#list + 1] = list[1]
  return list
end
]]
  local result = run("g-set", twice)
  suite.assert_words(result.text, "warning: ", "VALID")
  assert_checked(result, "g-set", 0)
  result = run("g-set", twice, "--strict", 1)
  suite.assert_words(result.text, "error: ", "INVALID: ")
end

function TestStrictness.test_strict_changes_nothing_for_a_right_service()
  for name, service in pairs(SERVICES) do -- order-free
    lu.assertEquals(run(name, service[1], "--strict").verdict, "VALID")
  end
end

-- ---- the summary ----

local TestSummary = suite.case "TestVerdictsSummary"

function TestSummary.test_lines()
  local result = run("broadcast", SERVICES["broadcast"][1], "--nemesis loss --nemesis-interval 3 --latency 10", false)
  local text = result.text
  suite.assert_words(text, "seed 1: broadcast, 3 nodes", "\noperations ", "\n  broadcast ", "\n  read ", "\nlatency ", "\nstable ",
    "\nmessages ", "per operation", "\nfaults ", "\ntime ", "virtual", "\ntrace ", "\nreal time ")
  for _, name in ipairs { "latency", "stable" } do
    local line = text:match("\n" .. name .. " [^\n]*")
    suite.assert_words(line, "p50 ", "p95 ", "p99 ", "max ")
  end
  for _, line in ipairs { "operations", "  broadcast", "  read" } do
    lu.assertNotNil(text:find("\n" .. line .. " +ok +%d+ +failed +%d+ +indeterminate +%d+"), line)
  end
end

-- Counts of a type that never succeeds.
function TestSummary.test_each_type_is_counted()
  local result = run("lin-kv", [[
vortex.on("read", function() vortex.error("key-does-not-exist") end)
vortex.on("write", function() return {} end)
vortex.on("cas", function() vortex.error("precondition-failed") end)
]], nil, 1)
  local count = {}
  for _, event in ipairs(result:lines "history.jsonl") do
    local key = event.f .. " " .. event.type
    count[key] = (count[key] or 0) + 1
  end
  for _, f in ipairs { "read", "write", "cas" } do
    local ok, failed, info = result.text:match("\n  " .. f .. " +ok +(%d+) +failed +(%d+) +indeterminate +(%d+)")
    lu.assertEquals({ tonumber(ok), tonumber(failed), tonumber(info) },
      { count[f .. " ok"] or 0, count[f .. " fail"] or 0, count[f .. " info"] or 0 }, f)
  end
  suite.assert_words(result.text, "no operation succeeded of type", "cas")
end

function TestSummary.test_stable_latencies_are_those_of_the_service()
  local quick = run("broadcast", SERVICES["broadcast"][1], "--latency 50").text
  local slow = run("broadcast", (SERVICES["broadcast"][1]:gsub("function%(msg%) if", "function(msg) vortex.sleep(3) if")),
    "--latency 50").text
  local function max(text)
    return tonumber((text:match("\nstable[^\n]* max ([%d,]+) ms"):gsub(",", "")))
  end
  lu.assertTrue(max(quick) < 700, quick)
  lu.assertTrue(max(slow) > 2500 and max(slow) < 5000, slow)
end
