local lu = require "luaunit"
local core = require "vortex.core"
local random = require "support.random"
local vortex = require "vortex"

local T = {}

function T.test_add_tells_what_is_new()
  local set = vortex.set()
  lu.assertTrue(set:add "a")
  lu.assertFalse(set:add "a")
  lu.assertEquals(set:size(), 1)
  lu.assertEquals(#set, 1)
  lu.assertTrue(set:has "a")
  lu.assertFalse(set:has "b")
  lu.assertFalse(set:has(nil))
end

function T.test_elements_keep_the_order_in_which_they_came()
  local set = vortex.set { 3, 1, 2 }
  set:remove(1)
  set:add(0)
  set:add(1)
  lu.assertEquals(set:array(), { 3, 2, 0, 1 })
end

function T.test_an_empty_set_is_sent_as_an_array()
  lu.assertEquals(core.encode { messages = vortex.set():array() }, '{"messages":[]}')
  lu.assertEquals(core.encode(vortex.set():sorted()), "[]")
end

function T.test_elements_are_the_same_if_they_are_the_same_key()
  local set = vortex.set { 1, 1.0, "1", true, "true", vortex.null }
  lu.assertEquals(set:size(), 5)
  lu.assertTrue(set:has(vortex.null))
end

function T.test_add_all_returns_what_is_new()
  local set = vortex.set { 1, 2 }
  local new = set:add_all { 2, 3, 3, 4 }
  lu.assertEquals(new, { 3, 4 })
  lu.assertEquals(core.encode(set:add_all(vortex.set { 4, 1 })), "[]")
end

function T.test_remove_tells_what_was_there()
  local set = vortex.set { "a" }
  lu.assertTrue(set:remove "a")
  lu.assertFalse(set:remove "a")
  lu.assertFalse(set:remove(nil))
  lu.assertTrue(set:empty())
end

function T.test_algebra()
  local a, b = vortex.set { 1, 2, 3 }, vortex.set { 3, 4 }
  lu.assertEquals((a - b):array(), { 1, 2 })
  lu.assertEquals((a | b):array(), { 1, 2, 3, 4 })
  lu.assertEquals((a & b):array(), { 3 })
  lu.assertEquals(a:union({ 9 }):array(), { 1, 2, 3, 9 })
  lu.assertEquals(a:difference({ 2 }):array(), { 1, 3 })
  lu.assertEquals(a:intersection({ 3, 1 }):array(), { 1, 3 })
  lu.assertEquals(a:array(), { 1, 2, 3 }, "operands stay as they are")
end

function T.test_equality_ignores_order()
  lu.assertTrue(vortex.set { 1, 2 } == vortex.set { 2, 1 })
  lu.assertFalse(vortex.set { 1, 2 } == vortex.set { 1, 3 })
  lu.assertFalse(vortex.set { 1 } == vortex.set { 1, 2 })
  lu.assertFalse(vortex.set {} == {})
end

function T.test_sorted_orders_by_type_then_value()
  local set = vortex.set { "b", 2, vortex.null, true, "a", 10, false, -1.5 }
  lu.assertEquals(core.encode(set:sorted()), '[null,false,true,-1.5,2,10,"a","b"]')
end

function T.test_a_loop_sees_the_set_as_it_was()
  local set, seen = vortex.set { 1, 2, 3 }, {}
  for value in set:each() do
    seen[#seen + 1] = value
    set:remove(value)
    set:add(value + 10)
  end
  lu.assertEquals(seen, { 1, 2, 3 })
  lu.assertEquals(set:array(), { 11, 12, 13 })
end

function T.test_what_cannot_be_an_element_raises()
  for _, value in ipairs { {}, print, 0 / 0 } do
    lu.assertErrorMsgContains("cannot be an element", function()
      vortex.set():add(value)
    end)
  end
  lu.assertErrorMsgContains("cannot be an element", function()
    vortex.set():add(nil)
  end)
  lu.assertErrorMsgContains("expected a list or a set, got number", vortex.set, 7)
end

function T.test_shown_as_json()
  lu.assertEquals(tostring(vortex.set { 2, "a" }), 'set[2,"a"]')
end

-- Against the obvious implementation: a list.
function T.test_behaves_like_a_list_without_duplicates()
  local rng = random.new()
  local set, list = vortex.set(), {}
  local function position(value)
    for i, element in ipairs(list) do
      if element == value then
        return i
      end
    end
  end
  for _ = 1, random.rounds(5000) do
    local value = rng:int(1, 40)
    local at = position(value)
    if rng:int(1, 2) == 1 then
      lu.assertEquals(set:add(value), at == nil, rng:describe())
      if not at then
        table.insert(list, value)
      end
    else
      lu.assertEquals(set:remove(value), at ~= nil, rng:describe())
      if at then
        table.remove(list, at)
      end
    end
    lu.assertEquals(set:size(), #list, rng:describe())
  end
  lu.assertEquals(set:array(), list, rng:describe())
end

-- A queue of a few elements through which many pass: memory and time must not grow with their number.
function T.test_removal_leaves_nothing_behind()
  local set = vortex.set()
  for i = 1, 20000 do
    set:add(i)
    set:remove(i - 10)
  end
  lu.assertEquals(set:size(), 10)
  lu.assertEquals(set:array()[1], 19991)
  lu.assertTrue(set.last <= 64, "slots in use: " .. set.last)
end

return T
