--- The services beside the nodes: lin-kv, seq-kv, lww-kv and lin-tso, played by the harness.
local lu = require "luaunit"

local cluster = require "support.cluster"
local eval = require "support.eval"
local json = require "support.json"
local maelstrom = require "support.maelstrom"
local process = require "support.process"
local services = require "support.services"
local suite = require "support.suite"

local TestKv = suite.case "TestKv"

local function start(options)
  options = options or {}
  options.on_message = services.new(5):serve()
  return eval.start(options)
end

for _, service in ipairs { "lin-kv", "seq-kv", "lww-kv" } do
  TestKv[("test_read_and_write_%s"):format(service)] = function()
    local node = start()
    lu.assertEquals(eval.run(node, ([[
      S.kv = vortex.kv(%q)
      S.kv:write("k", { 1, { a = vortex.array {} } })
      for _ = 1, 200 do
        local value = S.kv:read("k", "nothing yet")
        if value ~= "nothing yet" then return vortex.json.encode(value) end
      end
    ]]):format(service)), '[1,{"a":[]}]')
    node:finish()
  end
end

function TestKv.test_a_key_that_does_not_exist()
  local node = start()
  suite.assert_json(eval.run(node, [[
    local kv = vortex.kv("lin-kv")
    local ok, err = pcall(kv.read, kv, "none")
    local value, try_err = kv:try_read("none")
    local cas, cas_err = kv:try_cas("none", 1, 2)
    return {
      ok, err.code, err.name, tostring(value), try_err.code, kv:read("none", 9), kv:try_read("none", 8),
      tostring(cas), cas_err.code,
    }
  ]]), '[false,20,"key-does-not-exist","nil",20,9,8,"nil",20]')
  node:finish()
end

function TestKv.test_cas()
  local node = start()
  suite.assert_json(eval.run(node, [[
    local kv = vortex.kv("lin-kv")
    local created = kv:cas("k", 0, 1, { create = true })
    local swapped = kv:cas("k", 1, 2)
    local ok, err = kv:try_cas("k", 1, 3)
    local _, again = pcall(kv.cas, kv, "k", 1, 3)
    return { created, swapped, tostring(ok), err.code, again.code, kv:read("k") }
  ]]), '[true,true,"nil",22,22,2]')
  node:finish()
end

function TestKv.test_what_leaves()
  local node = eval.start()
  local id = eval.request(node, "return vortex.kv('seq-kv'):cas('k', vortex.array {}, { 1 }, { create = true })")
  local msg = node:expect(maelstrom.to "seq-kv")
  lu.assertStrMatches(msg.raw, '.*{"type":"cas","create_if_not_exists":true,"from":%[%],"key":"k","to":%[1%],"msg_id":%d+}}')
  node:answer(msg, { type = "cas_ok" })
  lu.assertEquals(eval.result(node, id), true)
  id = eval.request(node, "return vortex.kv('seq-kv'):cas('k', 1, 2)")
  msg = node:expect(maelstrom.to "seq-kv")
  suite.assert_no_words(msg.raw, "create_if_not_exists")
  node:answer(msg, { type = "cas_ok" })
  eval.result(node, id)
  node:finish()
end

function TestKv.test_no_such_service()
  local node = start()
  suite.assert_words(eval.run(node, "return select(2, pcall(vortex.kv, 'lin_kv'))"), "lin_kv")
  node:finish()
end

local TestUpdate = suite.case "TestUpdate"

local UPDATE = [[
  local calls = 0
  local value, err = vortex.kv("lin-kv"):try_update("k", 10, function(v)
    calls = calls + 1
    return v + 1
  end, { timeout = %g })
  return { value or "none", calls, err and err.code or "fine" }
]]

local function refuse(node, code)
  local msg = node:expect(maelstrom.to("lin-kv", "cas"))
  node:answer(msg, { type = "error", code = code, text = "lost the race" })
end

local function serve_read(node, value)
  local msg = node:expect(maelstrom.to("lin-kv", "read"))
  if value then
    node:answer(msg, { type = "read_ok", value = value })
  else
    node:answer(msg, { type = "error", code = 20, text = "no such key" })
  end
end

function TestUpdate.test_it_retries_when_somebody_else_was_first()
  local node = eval.start()
  local id = eval.request(node, UPDATE:format(10))
  serve_read(node, nil)
  refuse(node, 22) -- created by somebody else meanwhile
  serve_read(node, 50)
  refuse(node, 20) -- gone again
  serve_read(node, nil)
  refuse(node, 21)
  serve_read(node, 60)
  local cas = node:expect(maelstrom.to("lin-kv", "cas"))
  suite.assert_json({ cas.body.from, cas.body.to }, "[60,61]")
  node:answer(cas, { type = "cas_ok" })
  suite.assert_json(eval.result(node, id), '[61,4,"fine"]')
  node:finish()
end

-- The change may have happened: doing it again could do it twice.
function TestUpdate.test_a_timeout_is_not_retried()
  local node = eval.start { options = { "--rpc-timeout", "0.1" } }
  local id = eval.request(node, UPDATE:format(0.3))
  serve_read(node, 1)
  node:expect(maelstrom.to("lin-kv", "cas"))
  suite.assert_json(eval.result(node, id), '["none",1,0]')
  process.let_pass(0.1)
  lu.assertEquals(node.inbox, {})
  node:finish()
end

function TestUpdate.test_other_errors_are_not_retried()
  for _, code in ipairs { 13, 11, 14, 0 } do
    local node = eval.start()
    local id = eval.request(node, UPDATE:format(10))
    serve_read(node, 1)
    refuse(node, code)
    suite.assert_json(eval.result(node, id), ('["none",1,%d]'):format(code))
    node:finish()
  end
end

function TestUpdate.test_the_deadline_is_for_all_attempts_together()
  local node = eval.start()
  local id = eval.request(node, UPDATE:format(0.3))
  node.on_message = function(n, msg)
    if msg.dest ~= "lin-kv" then
      return false
    elseif msg.body.type == "read" then
      n:answer(msg, { type = "read_ok", value = 1 })
    else
      n:answer(msg, { type = "error", code = 22, text = "always" })
    end
    return true
  end
  for _, msg in ipairs(node.inbox) do
    node.on_message(node, msg)
  end
  node.inbox = {}
  local result = eval.result(node, id, 3)
  lu.assertEquals({ result[1], result[3] }, { "none", 11 })
  lu.assertTrue(result[2] > 1, "several attempts")
  node.on_message = nil
  node:finish()
end

-- Many tasks of several nodes add to one number; every addition counts once.
local COUNTING = [[
  local vortex = require "vortex"
  local kv = vortex.kv(SERVICE)
  vortex.on("add", function(msg)
    return { value = kv:update("sum", 0, function(v) return v + msg.body.delta end, { timeout = 20 }) }
  end)
  vortex.on("read", function()
    kv:write("fresh", vortex.unique_id())
    return { value = kv:read("sum") }
  end)
]]

for _, service in ipairs { "lin-kv", "seq-kv" } do
  TestUpdate["test_concurrent_updates_on_" .. service] = function()
    local c = cluster.start {
      source = ("local SERVICE = %q\n"):format(service) .. COUNTING,
      count = 3,
      seed = 11,
      options = { "--late-reply", "0" },
    }
    local waiting, sum = {}, 0
    for i = 1, 60 do
      local src = "c" .. i
      local id = c.nodes[c.ids[i % 3 + 1]]:request({ type = "add", delta = i }, { src = src })
      waiting[#waiting + 1] = { src, id }
      sum = sum + i
    end
    for _, w in ipairs(waiting) do
      lu.assertEquals(c:reply_to(w[1], w[2], 30).type, "add_ok")
    end
    for _, id in ipairs(c.ids) do
      lu.assertEquals(c:call(id, { type = "read" }).value, sum)
    end
    c:finish()
  end
end

local TestTso = suite.case "TestTso"

function TestTso.test_timestamps()
  local node = start()
  suite.assert_json(eval.run(node, "return { vortex.tso(), vortex.tso(), (vortex.try_tso()) }"), "[0,1,2]")
  node:finish()
end

function TestTso.test_failure()
  local node = eval.start { options = { "--rpc-timeout", "0.05" } }
  suite.assert_json(eval.run(node, [[
    local ok, err = pcall(vortex.tso)
    local ts, try_err = vortex.try_tso()
    return { ok, err.code, tostring(ts), try_err.code }
  ]]), '[false,0,"nil",0]')
  node:finish()
end

local TestJsonKeys = suite.case "TestJsonKeys"

-- 1, 1.0 and "1" are three keys for the services, and floats with an integral value leave as integers.
function TestJsonKeys.test_keys_of_every_kind()
  local s = services.new()
  local node = eval.start { on_message = s:serve() }
  eval.run(node, [[
    S.kv = vortex.kv("lin-kv")
    S.kv:write(1, "integer")
    S.kv:write("1", "string")
    S.kv:write({ "list" }, "list")
  ]])
  suite.assert_json(eval.run(node, [[return { S.kv:read(1), S.kv:read(1.0), S.kv:read("1"), S.kv:read({ "list" }) }]]),
    json.encode { "integer", "integer", "string", "list" })
  lu.assertEquals(s.requests["lin-kv"], 7)
  node:finish()
end
