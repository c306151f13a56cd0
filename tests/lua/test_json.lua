-- The wire codec: vortex.json, and the tags of arrays and objects.
local lu = require "luaunit"
local cjson = require "cjson"
local vortex = require "vortex"

local encode, decode = vortex.json.encode, vortex.json.decode

local TestJson = {}

function TestJson:test_integers_are_exact()
  for _, text in ipairs { "0", "-1", "9007199254740993", "9223372036854775807", "-9223372036854775808" } do
    local value = decode(text)
    lu.assertEquals(math.type(value), "integer")
    lu.assertEquals(encode(value), text)
  end
  lu.assertEquals(encode(decode "18446744073709551616"), "1.8446744073709552e19")
end

function TestJson:test_doubles()
  lu.assertEquals(encode(3.0), "3")
  lu.assertEquals(encode(0.1), "0.1")
  lu.assertEquals(encode(1 / 3), "0.3333333333333333")
  lu.assertEquals(encode(2.0 ^ 53), "9007199254740992")
  lu.assertEquals(decode "1e3", 1000.0)
end

function TestJson:test_empty_containers_survive()
  for _, text in ipairs { "[]", "{}", '{"a":[],"b":{}}', '[[],{},[[]]]', "null", '["r",1,null]' } do
    lu.assertEquals(encode(decode(text)), text)
  end
  local emptied = decode "[1]"
  emptied[1] = nil
  lu.assertEquals(encode(emptied), "[]")
  lu.assertEquals(encode({}), "{}")
  lu.assertEquals(encode(vortex.array {}), "[]")
  lu.assertEquals(encode(vortex.object { [2] = "b", a = 1 }), '{"2":"b","a":1}')
end

function TestJson:test_null_is_the_one_of_cjson()
  lu.assertTrue(rawequal(decode "null", vortex.null))
  lu.assertTrue(rawequal(cjson.null, vortex.null))
end

function TestJson:test_keys_are_sorted()
  local t = {}
  for i = 1, 200 do
    t[("k%03d"):format(201 - i)] = i
  end
  local keys = {}
  for key in encode(t):gmatch '"(k%d+)"' do
    keys[#keys + 1] = key
  end
  lu.assertEquals(#keys, 200)
  for i, key in ipairs(keys) do
    lu.assertEquals(key, ("k%03d"):format(i))
  end
end

function TestJson:test_strings()
  lu.assertEquals(encode 'a"b\\c\n\1/\127é', [["a\"b\\c\n\u0001/]] .. '\127é"')
  lu.assertEquals(decode [["\u00e9\ud83d\ude00\/"]], "é😀/")
  lu.assertEquals(decode [["\ud800"]], "\u{FFFD}")
end

function TestJson:test_the_last_of_duplicate_keys_counts()
  lu.assertEquals(decode '{"a":1,"b":2,"\\u0061":3}', { a = 3, b = 2 })
end

local REFUSED = {
  { function() end, "encode: value: a function" },
  { { a = { { x = 0 / 0 } } }, "value.a%[1%].x: NaN" },
  { { 1, 2, a = 3 }, "both a sequence and other keys" },
  { { [5] = 1 }, "not 1..n" },
  { { 1, nil, 3, [7] = 1 }, "encode: value" },
  { { [true] = 1 }, "not a string" },
  { "\xff", "not UTF%-8" },
  { math.huge, "infinity" },
  { { s = vortex.set { 1 } }, "value.s: an object" },
  { { vortex.crdt.g_set.new() }, "value%[1%]: an object" },
}

function TestJson:test_what_cannot_be_encoded_raises_with_its_path()
  for _, case in ipairs(REFUSED) do
    local ok, err = pcall(encode, case[1])
    lu.assertFalse(ok)
    lu.assertStrMatches(err, ".*" .. case[2] .. ".*")
  end
end

function TestJson:test_a_cycle_is_named()
  local t = {}
  t.self = t
  lu.assertErrorMsgContains("a table that contains itself", encode, t)
end

function TestJson:test_malformed_text_raises_with_its_place()
  local deep = ("["):rep(600) .. ("]"):rep(600)
  for _, text in ipairs { "", "{", "[1,]", "01", "nul", '"\n"', "1 2", "[NaN]", '{"a" 1}', deep } do
    lu.assertErrorMsgContains("decode: ", decode, text)
  end
  lu.assertErrorMsgContains("at byte 4", decode, "[1,]")
end

function TestJson:test_large_containers()
  local array, object = vortex.array {}, {}
  for i = 1, 1000 do
    array[i] = i
    object["k" .. i] = { i, tostring(i) }
  end
  lu.assertEquals(decode(encode(array)), array)
  local back = decode(encode(object))
  for i = 1, 1000 do
    lu.assertEquals(back["k" .. i][1], i)
    lu.assertEquals(back["k" .. i][2], tostring(i))
  end
end

function TestJson:test_it_agrees_with_cjson_where_both_are_lossless()
  local object = '{"a":[1,2,{"b":"c"}],"d":true,"e":"x\\ty"}'
  for _, text in ipairs { object, "[1.5,-2.25,1e10]", '"plain"', "[[[]]]", "[true,false]" } do
    lu.assertEquals(encode(decode(text)) == encode(cjson.decode(text)), not text:find "%[%]")
  end
end

return TestJson
