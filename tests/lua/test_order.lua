local lu = require "luaunit"
local order = require "vortex.order"

local T = {}

local function keys_of(t)
  local keys = {}
  for key in order.sorted_pairs(t) do
    keys[#keys + 1] = key
  end
  return keys
end

function T.test_keys_come_by_type_then_value()
  local t = { [true] = 1, [false] = 1, b = 1, a = 1, [""] = 1, [10] = 1, [-3] = 1, [2.5] = 1, ["10"] = 1, ["9"] = 1 }
  lu.assertEquals(keys_of(t), { false, true, -3, 2.5, 10, "", "10", "9", "a", "b" })
end

function T.test_values_come_with_their_keys()
  local seen = {}
  for key, value in order.sorted_pairs { y = 1, x = false } do
    seen[#seen + 1] = key .. "=" .. tostring(value)
  end
  lu.assertEquals(seen, { "x=false", "y=1" })
end

function T.test_the_table_may_change_during_the_loop()
  local t, seen = { a = 1, b = 2, c = 3 }, {}
  for key in order.sorted_pairs(t) do
    seen[#seen + 1] = key
    t.b = nil
    t["z" .. key] = 1
  end
  lu.assertEquals(seen, { "a", "c" })
end

function T.test_large_integers_and_floats_compare_exactly()
  local t = { [2 ^ 53] = 1, [(1 << 53) + 1] = 1, [math.mininteger] = 1 }
  lu.assertEquals(keys_of(t), { math.mininteger, 1 << 53, (1 << 53) + 1 })
end

function T.test_a_key_without_an_order_raises()
  lu.assertErrorMsgContains("a key of type table", order.sorted_pairs, { [{}] = 1 })
end

function T.test_less_is_a_strict_total_order()
  local values = { false, true, -1, 0.5, 1, 2, "", "1", "a" }
  for i, a in ipairs(values) do
    for j, b in ipairs(values) do
      lu.assertEquals(order.less(a, b), i < j, tostring(a) .. " < " .. tostring(b))
    end
  end
end

return T
