-- The wire codec beside lua-cjson: where the two agree by intent, and the list of where they differ on purpose.
local lu = require "luaunit"
local cjson = require "cjson"
local vortex = require "vortex"

local T = {}

-- Same values by both, compared without regard to how numbers are kept (cjson makes every number a float).
local AGREED = {
  "null", "true", "false", '""', '"text"', "0", "-1", "12345678901234", "0.5", "-2.25", "1e3", "1.5e-7", "[]", "{}", "[[]]", "[1,2,3]",
  '{"a":1}', '{"a":{"b":[true,null,"x"]}}', '"\\u00e9\\ud83d\\ude00"', '"\\"\\\\\\/\\b\\f\\n\\r\\t"', ' [ 1 , { "a" : [ ] } ] ',
  '{"a":1,"a":2}', '"é😀"', "[0.1,1e20,123456.789]",
}

local REFUSED_BY_BOTH = {
  "", " ", ".5", "[", "]", "{", "}", "[1,]", "[,1]", '{"a"}', '{"a":}', '{"a":1,}', "{a:1}", "'a'",
  "tru", "nul", '"', '"\\x"', '"\\u12"', "[1 2]",
  '{"a":1 "b":2}', "-", "1e", "1e+", "[1]]", '{"a":1}}', "\239\187\1911",
}

-- What cjson takes and RFC 8259 does not have.
local REFUSED_BY_US_ONLY = { "NaN", "[Infinity]", "-Infinity", "0x10", "01", "+1", "1.", '"\1"', '"a\nb"', '"\xff"', '"\xc0\x80"' }

local function same(ours, theirs)
  if type(ours) ~= type(theirs) then
    return false
  elseif type(ours) ~= "table" then
    return ours == theirs
  end
  for key, value in pairs(ours) do -- order-free
    if not same(value, theirs[key]) then
      return false
    end
  end
  for key in pairs(theirs) do -- order-free
    if ours[key] == nil then
      return false
    end
  end
  return true
end

function T.test_values_agree()
  for _, text in ipairs(AGREED) do
    lu.assertTrue(same(vortex.json.decode(text), cjson.decode(text)), text)
  end
end

function T.test_what_we_write_means_the_same_to_cjson()
  for _, text in ipairs(AGREED) do
    local value = vortex.json.decode(text)
    lu.assertTrue(same(value, cjson.decode(vortex.json.encode(value))), text)
  end
end

function T.test_what_cjson_writes_means_the_same_to_us()
  for _, text in ipairs(AGREED) do
    local value = cjson.decode(text)
    if next(type(value) == "table" and value or { 1 }) then -- it writes an empty array as {}
      lu.assertTrue(same(vortex.json.decode(cjson.encode(value)), value), text)
    end
  end
end

function T.test_both_refuse()
  for _, text in ipairs(REFUSED_BY_BOTH) do
    lu.assertFalse((pcall(vortex.json.decode, text)), text)
    lu.assertFalse((pcall(cjson.decode, text)), text)
  end
end

function T.test_only_we_refuse()
  for _, text in ipairs(REFUSED_BY_US_ONLY) do
    lu.assertFalse((pcall(vortex.json.decode, text)), text)
    lu.assertTrue((pcall(cjson.decode, text)), text)
  end
end

function T.test_we_keep_integers()
  lu.assertEquals(math.type(vortex.json.decode "1"), "integer")
  lu.assertEquals(math.type(cjson.decode "1"), "float")
  lu.assertEquals(vortex.json.encode(1700000000000123), "1700000000000123")
  lu.assertNotEquals(cjson.encode(1700000000000123), "1700000000000123")
  lu.assertNotEquals(vortex.json.encode(1700000000000123), vortex.json.encode(1700000000000124))
  lu.assertEquals(cjson.encode(1700000000000123), cjson.encode(1700000000000124))
end

function T.test_we_keep_doubles()
  lu.assertEquals(vortex.json.decode(vortex.json.encode(1 / 3)), 1 / 3)
  lu.assertNotEquals(cjson.decode(cjson.encode(1 / 3)), 1 / 3)
end

function T.test_we_keep_empty_arrays()
  lu.assertEquals(vortex.json.encode(vortex.json.decode "[]"), "[]")
  lu.assertEquals(cjson.encode(cjson.decode "[]"), "{}")
end

function T.test_we_refuse_what_cjson_bends()
  for _, value in ipairs { { 1, 2, a = 3 }, { [5] = 1 }, { [1.5] = 1 }, "\xff" } do
    lu.assertFalse((pcall(vortex.json.encode, value)))
    lu.assertTrue((pcall(cjson.encode, value)))
  end
end

function T.test_we_leave_slashes_alone_and_take_lone_surrogates()
  lu.assertEquals(vortex.json.encode "a/b\127", '"a/b\127"')
  lu.assertEquals(cjson.encode "a/b\127", '"a\\/b\\u007f"')
  lu.assertEquals(vortex.json.decode '"\\ud800"', "\u{FFFD}")
  lu.assertFalse((pcall(cjson.decode, '"\\ud800"')))
end

function T.test_our_keys_are_sorted()
  local t = {}
  for i = 20, 1, -1 do
    t["k" .. i] = i
  end
  local text = vortex.json.encode(t)
  lu.assertEquals(text:match '^{"(k%d+)"', "k1")
  lu.assertTrue(same(cjson.decode(text), vortex.json.decode(cjson.encode(t))))
end

return T
