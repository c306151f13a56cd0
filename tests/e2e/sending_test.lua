--- What a script may send, to whom, and the exact text that leaves.
local lu = require "luaunit"

local json = require "support.json"
local maelstrom = require "support.maelstrom"
local suite = require "support.suite"

local function start(source, options)
  options = options or {}
  options.source = 'local vortex = require "vortex"\n' .. source
  options.ids = options.ids or { "n1", "n2", "n3" }
  return maelstrom.start(options)
end

-- A node that runs Lua code which it is sent; `result` is what the code returns.
local EVAL = [[
  local env = setmetatable({ vortex = vortex }, { __index = _G })
  vortex.on("eval", function(msg)
    local fn = assert(load(msg.body.code, "=code", "t", env))
    return { result = fn(msg) }
  end)
]]

local function eval(node, code, src)
  return node:call({ type = "eval", code = code }, { src = src })
end

local function raises(node, code, ...)
  local reply = eval(node, ([[
    local ok, err = pcall(function(msg) %s end, ...)
    err = tostring(err):gsub("[\x80-\xff]", "?") -- the path may have a key that is not UTF-8
    return { ok = ok, err = err }
  ]]):format(code))
  lu.assertEquals(reply.type, "eval_ok", json.encode(reply))
  lu.assertEquals(reply.result.ok, false, code)
  suite.assert_words(reply.result.err, ...)
end

local TestDestinations = suite.case "TestDestinations"

function TestDestinations.test_members_services_and_clients_heard_from()
  local node = start(EVAL)
  eval(node, "return 1", "c5")
  for _, dest in ipairs { "n2", "n1", "lin-kv", "seq-kv", "lww-kv", "lin-tso" } do
    eval(node, ("vortex.send(%q, { type = 'x' })"):format(dest))
    node:expect(maelstrom.to(dest, "x"), nil, "the message to " .. dest)
  end
  node:finish()
end

-- A reply that a script builds by hand: the id is kept or refused, but not lost without a word.
function TestDestinations.test_an_in_reply_to_of_the_scripts_own()
  local node = start(EVAL)
  node.judge:sent { src = "c5", dest = "n1", body = json.object { type = "x", msg_id = 900 } }
  node:send("c5", { type = "eval", code = "vortex.send('c5', { type = 'x_ok', in_reply_to = 900 })" })
  node:settle()
  local sent = node.inbox[1]
  lu.assertTrue(sent == nil or sent.body.in_reply_to == 900, sent and sent.raw)
  node:finish()
end

function TestDestinations.test_anybody_else_raises()
  local node = start(EVAL)
  for _, dest in ipairs { "n9", "c77", "", "lin-kvv", "N2", "n2 " } do
    raises(node, ("vortex.send(%q, { type = 'x' })"):format(dest), dest)
    raises(node, ("vortex.rpc(%q, { type = 'x' })"):format(dest), dest)
    raises(node, ("vortex.try_rpc(%q, { type = 'x' })"):format(dest), dest)
  end
  raises(node, "vortex.send(nil, { type = 'x' })", "")
  raises(node, "vortex.send(5, { type = 'x' })", "")
  raises(node, "vortex.send({}, { type = 'x' })", "")
  node:finish()
end

function TestDestinations.test_before_init()
  local node = start(EVAL .. [[
    local ok, err = pcall(vortex.send, "n2", { type = "x" })
    print("at load: " .. tostring(ok) .. " " .. tostring(err))
  ]])
  node:finish()
  suite.assert_words(node.process.stderr_text, "at load: false", "init")
end

function TestDestinations.test_broadcast_goes_to_all_others()
  local node = start(EVAL)
  eval(node, "vortex.broadcast { type = 'news', list = {} }")
  for _, dest in ipairs { "n2", "n3" } do
    suite.assert_json(node:expect(maelstrom.to(dest)).body, '{"type":"news","list":{}}')
  end
  node:settle()
  lu.assertEquals(node.inbox, {})
  node:finish()
end

local TestBodies = suite.case "TestBodies"

function TestBodies.test_a_body_is_an_object_with_a_type()
  local node = start(EVAL)
  for _, body in ipairs { "nil", "5", "'text'", "{}", "{ 1, 2 }", "{ type = 5 }", "{ type = {} }" } do
    raises(node, ("vortex.send('n2', %s)"):format(body), "")
    raises(node, ("vortex.broadcast(%s)"):format(body), "")
  end
  node:settle()
  lu.assertEquals(node.inbox, {})
  node:finish()
end

local UNENCODABLE = {
  { "{ type = 'x', messages = { 1, 2, { x = 0/0 } } }", "body.messages[3].x", "NaN" },
  { "{ type = 'x', value = 1/0 }", "body.value", "nfinit" },
  { "{ type = 'x', value = -math.huge }", "body.value", "nfinit" },
  { "{ type = 'x', f = print }", "body.f", "function" },
  { "{ type = 'x', a = { b = { c = coroutine.create(print) } } }", "body.a.b.c", "" },
  { "{ type = 'x', u = io.stdout }", "body.u", "userdata" },
  { "{ type = 'x', text = '\\xff' }", "body.text", "UTF-8" },
  { "{ type = 'x', ['\\xff'] = 1 }", "body", "UTF-8" },
  { "{ type = 'x', m = { 1, 2, a = 3 } }", "body.m", "" },
  { "{ type = 'x', m = { [true] = 1 } }", "body.m", "" },
  { "{ type = 'x', m = { [1.5] = 1 } }", "body.m", "" },
  { "{ type = 'x', m = { [2] = 1 } }", "body.m", "" },
  { "{ type = 'x', m = vortex.array { 1, nil, 3 } }", "body.m", "" },
  { "{ type = 'x', m = vortex.array { a = 1 } }", "body.m", "" },
  { "(function() local t = { type = 'x' } t.self = t return t end)()", "body.self", "" },
  { "(function() local t = { type = 'x', d = {} } local d = t.d for _ = 1, 600 do d.d = {} d = d.d end return t end)()",
    "body.d.d", "" },
}

function TestBodies.test_what_cannot_be_encoded_raises_with_the_path()
  local node = start(EVAL)
  for _, case in ipairs(UNENCODABLE) do
    raises(node, ("vortex.send('n2', %s)"):format(case[1]), case[2], case[3])
    raises(node, ("vortex.broadcast(%s)"):format(case[1]), case[2])
    raises(node, ("vortex.rpc('n2', %s)"):format(case[1]), case[2])
    raises(node, ("msg:reply(%s)"):format(case[1]), case[2])
    local returned = eval(node, ("return %s"):format(case[1]))
    suite.assert_error(returned, 13)
  end
  lu.assertEquals(eval(node, "return 'still here'").result, "still here")
  node:finish()
  lu.assertEquals(node.inbox, {}, "nothing of them left")
end

-- Exactly as the example of the documentation has it.
function TestBodies.test_the_wording()
  local node = start(EVAL)
  raises(node, "vortex.send('n2', { type = 'x', messages = { 1, 2, { x = 0/0 } } })", "body.messages[3].x: NaN")
  node:finish()
end

local TestText = suite.case "TestText"

local function raw_body(msg)
  return msg.raw:match '"body":(.*)}$'
end

function TestText.test_the_order_of_keys()
  local node = start(EVAL)
  eval(node, [[
    vortex.send("n2", { zebra = 1, apple = { z = 1, b = 2, ["a"] = 3, ["B"] = 4 }, type = "x", ["\u{e9}"] = 5, m = 6, ["m_"] = 7 })
  ]])
  local msg = node:expect(maelstrom.to "n2")
  lu.assertEquals(raw_body(msg),
    '{"type":"x","apple":{"B":4,"a":3,"b":2,"z":1},"m":6,"m_":7,"zebra":1,"\u{e9}":5}')
  lu.assertEquals(msg.raw:sub(1, 28), '{"src":"n1","dest":"n2","bod')
  node:finish()
end

function TestText.test_ids_come_last()
  local node = start(EVAL .. [[
    vortex.on("order", function() return { zz = 1, aa = 2, n = 3 } end)
  ]])
  local id = node:request({ type = "order" }, { src = "c3" })
  lu.assertEquals(raw_body(node:expect(maelstrom.to "c3")), '{"type":"order_ok","aa":2,"n":3,"zz":1,"in_reply_to":' .. id .. "}")
  node:request { type = "eval", code = "return vortex.try_rpc('n2', { type = 'x', zz = 1, aa = 2 }, { timeout = 0.05 })" }
  lu.assertStrMatches(raw_body(node:expect(maelstrom.to "n2")), '{"type":"x","aa":2,"zz":1,"msg_id":%d+}')
  node:finish()
end

-- The same table gives the same bytes in every process, whatever the seed of its hashes.
function TestText.test_every_process_writes_the_same()
  local seen
  for _ = 1, 5 do
    local node = start(EVAL)
    eval(node, [[
      local t = {}
      for i = 1, 100 do t["key" .. i * 7919 % 1000] = i end
      vortex.send("n2", { type = "x", t = t })
    ]])
    local body = raw_body(node:expect(maelstrom.to "n2"))
    lu.assertEquals(body, seen or body)
    seen = body
    node:finish()
  end
end

function TestText.test_own_ids_start_at_random_below_two_to_the_31_and_count_up()
  local starts = {}
  for i = 1, 4 do
    local node = start(EVAL)
    node:request { type = "eval", code = [[
      for _ = 1, 3 do
        vortex.spawn(function() vortex.try_rpc("n2", { type = "x" }, { timeout = 0.01 }) end)
      end
    ]] }
    local last
    for j = 1, 3 do
      local id = node:expect(maelstrom.to("n2", "x")).body.msg_id
      lu.assertEquals(math.type(id), "integer")
      lu.assertTrue(id > 0 and id < 1 << 32, id)
      lu.assertTrue(last == nil or id > last)
      last = id
      starts[i] = j == 1 and id or starts[i]
    end
    node:finish()
  end
  lu.assertTrue(starts[1] ~= starts[2] or starts[2] ~= starts[3] or starts[3] ~= starts[4], "each life begins elsewhere")
  lu.assertTrue(math.max(table.unpack(starts)) > 100000, "not from 1")
end
