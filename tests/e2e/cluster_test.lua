--- Several nodes at once, wired together by the harness, while messages between them get lost.
local lu = require "luaunit"

local cluster = require "support.cluster"
local json = require "support.json"
local maelstrom = require "support.maelstrom"
local process = require "support.process"
local suite = require "support.suite"

local function example(name)
  return ("%s/examples/%s.lua"):format(maelstrom.root, name)
end

-- A source of loss that is the same in every run.
local function losing(percent, seed)
  local state = seed
  return function()
    state = state * 48271 % 2147483647
    return state % 100 < percent
  end
end

local function sorted(list)
  local texts = {}
  for i, item in ipairs(list) do
    texts[i] = json.encode(item)
  end
  table.sort(texts)
  return table.concat(texts, " ")
end

-- Asks until the node shows `expected`.
local function eventually(c, id, field, expected, timeout_s)
  local last
  process.wait_until(function()
    local value = c:call(id, { type = "read" }, { src = "c99" })[field]
    last = type(value) == "table" and sorted(value) or json.encode(value)
    if last ~= expected then
      process.let_pass(0.03)
    end
    return last == expected
  end, timeout_s or 30, function()
    return ("%s shows %s, expected %s"):format(id, last, expected)
  end)
end

local TestBroadcast = suite.case "TestBroadcast"

local function broadcast(name, lose)
  local c = cluster.start { script = example(name), count = 5, workload = "broadcast", lose = lose }
  local topology = json.object {}
  for i, id in ipairs(c.ids) do
    topology[id] = json.array { c.ids[i - 1] or c.ids[i + 1], c.ids[i - 1] and c.ids[i + 1] }
  end
  for _, id in ipairs(c.ids) do
    c:call(id, { type = "topology", topology = topology })
  end
  local all = {}
  for i = 1, 50 do
    all[i] = i * 3
    c:call(c.ids[i % 5 + 1], { type = "broadcast", message = i * 3 })
  end
  return c, sorted(all)
end

for _, name in ipairs { "broadcast", "broadcast_fast", "broadcast_frugal" } do
  TestBroadcast["test_everything_arrives_under_loss_" .. name] = function()
    local c, all = broadcast(name, losing(30, 12345))
    for _, id in ipairs(c.ids) do
      eventually(c, id, "messages", all)
    end
    lu.assertTrue(c.lost > 0)
    c:finish()
  end

  -- n1 and n2 cannot speak with the others until the partition heals.
  TestBroadcast["test_a_partition_heals_" .. name] = function()
    local parted = true
    local function side(id)
      return id == "n1" or id == "n2"
    end
    local c, all = broadcast(name, function(src, dest)
      return parted and side(src) ~= side(dest)
    end)
    process.wait_until(function()
      return c.lost > 0
    end)
    lu.assertNotEquals(sorted(c:call("n1", { type = "read" }).messages), all)
    parted = false
    for _, id in ipairs(c.ids) do
      eventually(c, id, "messages", all)
    end
    c:finish()
  end
end

local TestReplicated = suite.case "TestReplicated"

function TestReplicated.test_sets_converge_under_loss()
  local c = cluster.start { script = example "g_set", count = 3, workload = "g-set", lose = losing(30, 99) }
  local all = {}
  for i = 1, 30 do
    all[i] = i
    c:call(c.ids[i % 3 + 1], { type = "add", element = i })
  end
  for _, id in ipairs(c.ids) do
    eventually(c, id, "value", sorted(all))
  end
  c:finish()
end

for name, workload in pairs { g_counter = "g-counter", g_counter_crdt = "g-counter", pn_counter = "pn-counter" } do
  TestReplicated["test_counters_converge_under_loss_" .. name] = function()
    local c = cluster.start { script = example(name), count = 3, workload = workload, lose = losing(30, 7), seed = 3 }
    local sum = 0
    for i = 1, 30 do
      local delta = workload == "pn-counter" and (-1) ^ i * i // 1 or i
      delta = math.tointeger(delta)
      sum = sum + delta
      c:call(c.ids[i % 3 + 1], { type = "add", delta = delta })
    end
    for _, id in ipairs(c.ids) do
      eventually(c, id, "value", tostring(sum))
    end
    c:finish()
  end
end

-- A write and the reads after it, on two nodes that share lin-kv.
function TestReplicated.test_a_proxy_is_as_consistent_as_what_it_stands_for()
  local c = cluster.start { script = example "lin_kv_proxy", count = 2, workload = "lin-kv" }
  suite.assert_error(c:call("n1", { type = "read", key = 1 }), 20)
  for i = 1, 20 do
    lu.assertEquals(c:call("n1", { type = "write", key = 1, value = i }).type, "write_ok")
    lu.assertEquals(c:call("n2", { type = "read", key = 1 }).value, i)
  end
  suite.assert_error(c:call("n2", { type = "cas", key = 1, from = 5, to = 6 }), 22)
  lu.assertEquals(c:call("n2", { type = "cas", key = 1, from = 20, to = 21 }).type, "cas_ok")
  lu.assertEquals(c:call("n1", { type = "read", key = 1 }).value, 21)
  c:finish()
end

local TestScripts = suite.case "TestScripts"

-- Every node asks all others through loss, with retries of the script's own.
function TestScripts.test_rpc_all_with_retries_under_loss()
  local c = cluster.start {
    count = 5,
    lose = losing(20, 4711),
    options = { "--rpc-timeout", "0.1", "--late-reply", "0" },
    source = [[
      local vortex = require "vortex"
      local store = 0
      vortex.on("store", function(msg) store = math.max(store, msg.body.value) return {} end)
      vortex.on("put", function(msg)
        store = math.max(store, msg.body.value)
        for attempt = 1, 50 do
          local ok = pcall(vortex.rpc_all, vortex.peers, { type = "store", value = store }, { need = 2 })
          if ok then return { attempt = attempt } end
        end
        vortex.error(11, "no majority")
      end)
    ]],
  }
  for i = 1, 40 do
    lu.assertEquals(c:call(c.ids[i % 5 + 1], { type = "put", value = i }).type, "put_ok")
  end
  lu.assertTrue(c.lost > 0)
  c:finish()
end
