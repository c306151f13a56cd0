--- JSON to Lua and back: nothing is lost on the way through a handler, and what scripts see is what the documentation says.
local lu = require "luaunit"

local eval = require "support.eval"
local json = require "support.json"
local suite = require "support.suite"

local TestRoundTrip = suite.case "TestRoundTrip"

-- {text in, text out (default: the same)}
local VALUES = {
  { "0" }, { "-1" }, { "9007199254740993" }, { "9223372036854775807" }, { "-9223372036854775808" },
  { "[]" }, { "{}" }, { "[[],{}]" }, { '{"a":[],"b":{}}' }, { "[[[]]]" },
  { "null" }, { "[null]" }, { "[1,null]" }, { "[null,null,3]" }, { '{"a":null}' }, { '["r",1,null]' },
  { "true" }, { "[false,true]" }, { '""' }, { '"text"' },
  { "0.1" }, { "-1.5" }, { "1e-7" }, { "3.141592653589793" }, { "5e-324" }, { "1.7976931348623157e308" },
  { "1.0", "1" }, { "1e3", "1000" }, { "-0.0", "0", "-0" }, { "100e-2", "1" }, { "1E2", "100" },
  { "9007199254740992.0", "9007199254740992" },
  { '"\\u0041\\n\\t\\"\\\\\\/"', '"A\\n\\t\\"\\\\/"' },
  { '"\\u0000"' }, { '"\\u001f"' }, { '"\\ud83d\\ude00"', '"\u{1F600}"' }, { '"\u{E9}\u{4E2D}\u{1F600}"' }, { '"\\u007f"', '"\127"' },
  { '{"1":"one","2":"two"}' }, { '{"":0}' }, { '{"a b":{"c.d":[{"e":1}]}}' },
}

function TestRoundTrip.test_values()
  local node = eval.start(nil, "vortex.on('echo', function(msg) return { echo = msg.body.echo } end)")
  for _, case in ipairs(VALUES) do
    local reply = node:call { type = "echo", echo = json.number(case[1]) }
    local out = json.encode(reply.echo)
    local expected = json.encode(json.decode(case[2] or case[1]))
    if case[1] == "5e-324" or case[1]:find "e308" or case[1] == "1e-7" then
      lu.assertEquals(tonumber(out), tonumber(expected), case[1]) -- the spelling of an exponent is free
    else
      lu.assertTrue(out == expected or out == case[3], ("%s came back as %s"):format(case[1], out))
    end
  end
  node:finish()
end

function TestRoundTrip.test_integers_beyond_64_bits_become_floats()
  local node = eval.start(nil, [[
    vortex.on("kind", function(msg) return { kind = math.type(msg.body.n), same = msg.body.n == 2.0 ^ 64 } end)
  ]])
  suite.assert_json(node:call { type = "kind", n = json.number "18446744073709551616" },
    '{"type":"kind_ok","kind":"float","same":true,"in_reply_to":1}')
  node:finish()
end

-- Every finite double survives, bit by bit.
function TestRoundTrip.test_doubles()
  local node = eval.start(nil, "vortex.on('echo', function(msg) return { echo = msg.body.echo } end)")
  local numbers, state = json.array {}, 42
  for i = 1, 2000 do
    state = state * 6364136223846793005 + 1442695040888963407
    local x = string.unpack("<d", string.pack("<i8", state))
    if x == x and x - x == 0 then
      numbers[#numbers + 1] = json.number(("%.17g"):format(x))
    end
    lu.assertTrue(i > 0)
  end
  local echo = node:call({ type = "echo", echo = numbers }).echo
  lu.assertTrue(#echo > 1900 and #echo == #numbers)
  for i, number in ipairs(numbers) do
    lu.assertEquals(tonumber(json.encode(echo[i])), tonumber(number.raw), number.raw)
  end
  node:finish()
end

function TestRoundTrip.test_depth()
  local node = eval.start(nil, "vortex.on('echo', function(msg) return { echo = msg.body.echo } end)")
  local function nested(n)
    return ("["):rep(n) .. ("]"):rep(n)
  end
  lu.assertEquals(json.encode(node:call({ type = "echo", echo = json.number(nested(500)) }).echo), nested(500))
  node:finish()
end

function TestRoundTrip.test_a_large_table()
  local node = eval.start(nil, "vortex.on('echo', function(msg) return { echo = msg.body.echo } end)")
  local big = {}
  for i = 1, 20000 do
    big["key" .. i] = { i, json.object { n = json.null }, "v" .. i }
  end
  local text = json.encode(big)
  lu.assertTrue(json.encode(node:call({ type = "echo", echo = json.number(text) }).echo) == text)
  node:finish()
end

function TestRoundTrip.test_duplicate_keys_and_lone_surrogates()
  local node = eval.start(nil, "vortex.on('echo', function(msg) return { echo = msg.body.echo } end)")
  local id = node:fresh_id "c1"
  local line = '{"src":"c1","dest":"n1","body":{"type":"echo","msg_id":%d,"echo":%s}}'
  node.judge:sent { src = "c1", dest = "n1", body = json.object { type = "echo", msg_id = id } }
  node.process:send(line:format(id, '{"a":1,"a":2,"b":"\\ud800x","c":"\\udc00","d":"\\ud800\\ud800"}'))
  suite.assert_json(node:reply_to(id).echo, '{"a":2,"b":"\u{FFFD}x","c":"\u{FFFD}","d":"\u{FFFD}\u{FFFD}"}')
  node:finish()
  suite.assert_words(node.process.stderr_text, "warn", "surrogate")
end

function TestRoundTrip.test_another_locale()
  local node = eval.start({ env = { LC_ALL = "de_DE.UTF-8" } },
    "os.setlocale('de_DE.UTF-8') vortex.on('echo', function(msg) return { echo = msg.body.echo, half = 1 / 2 } end)")
  suite.assert_json(node:call { type = "echo", echo = json.number "0.25" },
    '{"type":"echo_ok","echo":0.25,"half":0.5,"in_reply_to":1}')
  node:finish()
end

local TestLuaValues = suite.case "TestLuaValues"

-- {Lua expression, JSON}
local OUT = {
  { "{}", "{}" },
  { "{ 1, 2 }", "[1,2]" },
  { "{ a = 1 }", '{"a":1}' },
  { "vortex.array()", "[]" },
  { "vortex.array {}", "[]" },
  { "vortex.array { 1 }", "[1]" },
  { "vortex.object()", "{}" },
  { "vortex.object {}", "{}" },
  { "vortex.object { 'a', 'b' }", '{"1":"a","2":"b"}' },
  { "vortex.null", "null" },
  { "{ vortex.null, 1 }", "[null,1]" },
  { "require('cjson').null", "null" },
  { "3.0", "3" },
  { "-2.0 ^ 53", "-9007199254740992" },
  { "math.maxinteger", "9223372036854775807" },
  { "math.mininteger", "-9223372036854775808" },
  { "1e15", "1000000000000000" },
  { "0.1 + 0.2", "0.30000000000000004" },
  { "'a/b'", '"a/b"' },
  { "'\\0\\1\\127'", '"\\u0000\\u0001\127"' },
  { "(function() local t = vortex.array { 1 } t[1] = nil return t end)()", "[]" },
  { "vortex.json.decode('[]')", "[]" },
  { "vortex.json.decode('{\"a\":[]}')", '{"a":[]}' },
  { "vortex.json.encode { b = 1, a = vortex.array {} }", '"{\\"a\\":[],\\"b\\":1}"' },
  { "{ vortex.json.decode('[1,2.5,\"x\",null,true]') }", '[[1,2.5,"x",null,true]]' },
}

function TestLuaValues.test_what_they_become()
  local node = eval.start()
  for _, case in ipairs(OUT) do
    suite.assert_json(eval.run(node, "return " .. case[1]), case[2])
  end
  node:finish()
end

-- What handlers see of a body, as Lua values.
function TestLuaValues.test_what_scripts_see()
  local node = eval.start(nil, [[
    vortex.on("look", function(msg)
      local v = msg.body.v
      return {
        kinds = {
          math.type(v.int), math.type(v.float), math.type(v.big), type(v.text), type(v.list), type(v.map), type(v.yes),
        },
        null = v.null == vortex.null and v.null == require("cjson").null and v.absent == nil,
        list = #v.list == 3 and v.list[3] == vortex.null,
        exact = v.int == 9007199254740993,
        key = "k" .. v.small,
        empty = next(v.map) == nil,
      }
    end)
  ]])
  local reply = node:call {
    type = "look",
    v = json.decode [[{"int":9007199254740993,"float":0.5,"big":1e300,"text":"","list":[1,2,null],"map":{},
      "yes":true,"null":null,"small":3}]],
  }
  suite.assert_json(reply.kinds, '["integer","float","float","string","table","table","boolean"]')
  lu.assertEquals({ reply.null, reply.list, reply.exact, reply.key, reply.empty }, { true, true, true, "k3", true })
  node:finish()
end

function TestLuaValues.test_json_decode_raises()
  local node = eval.start()
  for _, text in ipairs { "", "{", "[1,]", "nul", "1 2", "NaN", "'x'", '"\\x"', "[1" } do
    local err = eval.run(node, ("local ok, err = pcall(vortex.json.decode, %q) return ok and 'read' or tostring(err)"):format(text))
    lu.assertNotEquals(err, "read", text)
  end
  suite.assert_words(eval.run(node, "return tostring(select(2, pcall(vortex.json.encode, { a = { print } })))"), "a[1]")
  node:finish()
end

local TestLibrary = suite.case "TestLibrary"

function TestLibrary.test_what_is_there()
  local node = eval.start { ids = { "n1", "n2", "n3", "n4", "n5" } }
  suite.assert_json(eval.run(node, [[
    local names = {}
    for _, name in ipairs { "line", "ring", "grid", "tree", "star", "full", "sqrt" } do
      local neighbours = vortex.topology[name]()
      local count = 0
      for _ in pairs(neighbours) do count = count + 1 end
      names[#names + 1] = name .. count
    end
    return names
  ]]), '["line5","ring5","grid5","tree5","star5","full5","sqrt5"]')
  suite.assert_json(eval.run(node, [[
    local s = vortex.set()
    s:add(3) s:add("x") s:add(3)
    return { set = s:array(), none = vortex.set():array(), first = s:add(9), again = s:add(9) }
  ]]), '{"set":[3,"x"],"none":[],"first":true,"again":false}')
  suite.assert_json(eval.run(node, [[
    local ids, n = {}, 0
    for _ = 1, 1000 do
      local id = vortex.unique_id()
      if not ids[id] then n = n + 1 end
      ids[id] = true
    end
    local keys = {}
    for k in vortex.sorted_pairs { b = 1, a = 2, c = 3 } do keys[#keys + 1] = k end
    return { n, table.concat(keys), vortex.now() <= vortex.now() }
  ]]), '[1000,"abc",true]')
  suite.assert_json(eval.run(node, [[
    local names = {}
    for _, name in ipairs { "g_set", "g_counter", "pn_counter", "or_set", "lww_register" } do
      names[#names + 1] = type(vortex.crdt[name].new)
    end
    return names
  ]]), '["function","function","function","function","function"]')
  node:finish()
end

-- Two lives of a node must not draw the same random numbers or give the same ids.
function TestLibrary.test_randomness()
  local seen = {}
  for _ = 1, 3 do
    local node = eval.start()
    local result = json.encode(eval.run(node, "return { math.random(0), vortex.unique_id() }"))
    lu.assertNil(seen[result])
    seen[result] = true
    node:finish()
  end
end
