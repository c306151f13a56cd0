local lu = require "luaunit"
local core = require "vortex.core"
local crdt = require "vortex.crdt"
local random = require "support.random"
local vortex = require "vortex"

local T = {}

local ACTORS = { "a", "b", "c" }
local ELEMENTS = { 1, 2, 2.5, "x", "y", true, false, vortex.null }

-- Every type with one random change to a replica, and what tells two replicas apart.
local TYPES = {
  g_set = function(replica, rng)
    replica:add(rng:pick(ELEMENTS))
  end,
  g_counter = function(replica, rng)
    replica:add(rng:int(0, 5))
  end,
  pn_counter = function(replica, rng)
    replica:add(rng:int(-5, 5))
  end,
  or_set = function(replica, rng)
    local element = rng:pick(ELEMENTS)
    if rng:int(1, 3) == 1 then
      replica:remove(element)
    else
      replica:add(element)
    end
  end,
  lww_register = function(replica, rng)
    replica:set(rng:int(0, 9), rng:int(1, 2) == 1 and rng:int(1, 6) or nil)
  end,
}
local NAMES = { "g_set", "g_counter", "pn_counter", "or_set", "lww_register" }

local function copy(name, replica)
  return crdt[name].from_json(core.decode(core.encode(replica:to_json())))
end

local function text(replica)
  return core.encode(replica:to_json())
end

-- Replicas after a random history of changes and merges, so that they share some of their past. One per actor.
local function history(name, rng)
  local replicas = {}
  for i, actor in ipairs(ACTORS) do
    replicas[i] = crdt[name].new(actor)
  end
  for _ = 1, rng:int(0, 25) do
    local replica = rng:pick(replicas)
    if rng:int(1, 3) == 1 then
      replica:merge(rng:pick(replicas))
    else
      TYPES[name](replica, rng)
    end
  end
  return replicas
end

local function for_histories(check)
  local rng = random.new()
  for _, name in ipairs(NAMES) do
    for _ = 1, random.rounds(300) do
      local replicas = history(name, rng)
      check(name, replicas, name .. " " .. rng:describe(), rng)
    end
  end
end

function T.test_merge_is_commutative()
  for_histories(function(name, r, what)
    lu.assertEquals(text(copy(name, r[1]):merge(r[2])), text(copy(name, r[2]):merge(r[1])), what)
  end)
end

function T.test_merge_is_associative()
  for_histories(function(name, r, what)
    local left = copy(name, r[1]):merge(r[2]):merge(r[3])
    local right = copy(name, r[1]):merge(copy(name, r[2]):merge(r[3]))
    lu.assertEquals(text(left), text(right), what)
  end)
end

function T.test_merge_is_idempotent()
  for_histories(function(name, r, what)
    lu.assertEquals(text(copy(name, r[1]):merge(r[1])), text(r[1]), what)
    local once = copy(name, r[1]):merge(r[2])
    lu.assertEquals(text(copy(name, once):merge(r[2])), text(once), what)
  end)
end

function T.test_merge_leaves_the_other_alone()
  for_histories(function(_, r, what)
    local before = text(r[2])
    r[1]:merge(r[2])
    lu.assertEquals(text(r[2]), before, what)
  end)
end

-- Merging keeps no part of the other that changes with it later.
function T.test_replicas_share_nothing_after_a_merge()
  for_histories(function(name, r, what, rng)
    local merged = r[1]:merge(r[2])
    local before = text(merged)
    for _ = 1, 5 do
      TYPES[name](r[2], rng)
    end
    lu.assertEquals(text(merged), before, what)
  end)
end

function T.test_the_json_form_merges_like_the_replica()
  for_histories(function(name, r, what)
    local json = core.decode(core.encode(r[2]:to_json()))
    lu.assertEquals(text(copy(name, r[1]):merge(json)), text(copy(name, r[1]):merge(r[2])), what)
  end)
end

function T.test_equality_and_value_follow_the_state()
  for_histories(function(name, r, what)
    lu.assertTrue(copy(name, r[1]) == r[1], what)
    lu.assertEquals(r[1] == r[2], text(r[1]) == text(r[2]), what)
    lu.assertEquals(core.encode(copy(name, r[1]):value()), core.encode(r[1]:value()), what)
  end)
end

function T.test_gossip_in_any_order_converges()
  local rng = random.new()
  for _, name in ipairs(NAMES) do
    for _ = 1, random.rounds(100) do
      local replicas = history(name, rng)
      local together = crdt[name].new()
      for _, replica in ipairs(replicas) do
        together:merge(replica)
      end
      for _ = 1, 2 do -- a ring twice around reaches everybody
        for i = 1, #replicas do
          replicas[i % #replicas + 1]:merge(replicas[i]:to_json())
        end
      end
      for _, replica in ipairs(replicas) do
        lu.assertTrue(replica == together, name .. " " .. rng:describe())
      end
    end
  end
end

-- The sum of what was added is the value, whatever was merged in between.
function T.test_counters_count_every_addition_once()
  local rng = random.new()
  for _, name in ipairs { "g_counter", "pn_counter" } do
    for _ = 1, random.rounds(100) do
      local replicas, sum = { crdt[name].new "a", crdt[name].new "b" }, 0
      for _ = 1, 30 do
        local n = rng:int(name == "g_counter" and 0 or -9, 9)
        rng:pick(replicas):add(n)
        sum = sum + n
        rng:pick(replicas):merge(rng:pick(replicas))
      end
      lu.assertEquals(replicas[1]:merge(replicas[2]):value(), sum, rng:describe())
    end
  end
end

-- Against the textbook form, which keeps every addition's tag and every removed tag for ever.
function T.test_or_set_agrees_with_the_textbook()
  local rng = random.new()
  for _ = 1, random.rounds(300) do
    local replicas, models, tags = {}, {}, 0
    for i, actor in ipairs(ACTORS) do
      replicas[i] = crdt.or_set.new(actor)
      models[i] = { added = {}, removed = {} }
    end
    for _ = 1, 40 do
      local i, j, element = rng:int(1, 3), rng:int(1, 3), rng:pick { "x", "y" }
      local action = rng:int(1, 4)
      if action == 1 then
        replicas[i]:merge(replicas[j])
        for _, kind in ipairs { "added", "removed" } do
          for tag, value in pairs(models[j][kind]) do -- order-free
            models[i][kind][tag] = value
          end
        end
      elseif action == 2 then
        replicas[i]:remove(element)
        for tag, value in pairs(models[i].added) do -- order-free
          if value == element then
            models[i].removed[tag] = value
          end
        end
      else
        tags = tags + 1
        replicas[i]:add(element)
        models[i].added[tags] = element
      end
    end
    for i = 1, 3 do
      local expected = vortex.set()
      for tag, value in pairs(models[i].added) do -- order-free: sorted below
        if not models[i].removed[tag] then
          expected:add(value)
        end
      end
      lu.assertEquals(replicas[i]:value(), expected:sorted(), rng:describe())
    end
  end
end

function T.test_or_set_addition_wins_over_a_removal_that_did_not_see_it()
  local a, b = crdt.or_set.new "a", crdt.or_set.new "b"
  a:add "x"
  b:merge(a)
  b:remove "x"
  a:add "x"
  lu.assertTrue(a:merge(b):has "x")
  b:merge(a)
  b:remove "x"
  lu.assertFalse(a:merge(b):has "x")
end

function T.test_or_set_removal_leaves_nothing_behind()
  local set = crdt.or_set.new "a"
  for i = 1, 100 do
    set:add(i)
    lu.assertTrue(set:remove(i))
  end
  lu.assertFalse(set:remove(1))
  lu.assertEquals(text(set), '{"clock":{"a":100},"elements":[]}')
end

function T.test_or_set_addition_replaces_the_dots_it_has_seen()
  local a, b = crdt.or_set.new "a", crdt.or_set.new "b"
  a:add "x"
  b:merge(a)
  b:add "x"
  lu.assertEquals(text(b), '{"clock":{"a":1,"b":1},"elements":[["x",{"b":1}]]}')
end

function T.test_lww_register_has_a_total_order()
  local a, b = crdt.lww_register.new "a", crdt.lww_register.new "b"
  lu.assertEquals(a:value(), vortex.null)
  lu.assertTrue(a:set("early", 5))
  lu.assertFalse(a:set("earlier", 4))
  b:set("same time", 5)
  lu.assertEquals(a:merge(b):value(), "same time", "the higher actor")
  lu.assertTrue(a:set "next")
  lu.assertEquals(b:merge(a):value(), "next", "a write wins over what it has seen")
  lu.assertFalse(b:set(false, 1))
  b:set(false, 99)
  lu.assertFalse(b:value())
end

-- Two writes that claim the same timestamp and actor must still not depend on the order of merges.
function T.test_lww_register_agrees_even_on_misuse()
  local a, b = crdt.lww_register.new "x", crdt.lww_register.new "x"
  a:set(1, 7)
  b:set(2, 7)
  lu.assertEquals(copy("lww_register", a):merge(b):value(), copy("lww_register", b):merge(a):value())
end

function T.test_an_actor_is_unique_to_its_replica_unless_named()
  vortex.id = "n1"
  local before, after = crdt.g_counter.new(), crdt.g_counter.new() -- as if before and after a restart without state
  before:add(5)
  after:add(1)
  lu.assertEquals(after:merge(before):value(), 6)
  vortex.id = nil
end

function T.test_json_forms()
  local set = crdt.g_set.new()
  set:add "b"
  set:add "a"
  lu.assertEquals(text(set), '["a","b"]')
  lu.assertEquals(text(crdt.g_counter.new()), "{}")
  local counter = crdt.pn_counter.new "n1"
  counter:add(3)
  counter:add(-1)
  lu.assertEquals(text(counter), '{"down":{"n1":1},"up":{"n1":3}}')
  local elements = crdt.or_set.new "n1"
  elements:add "x"
  lu.assertEquals(text(elements), '{"clock":{"n1":1},"elements":[["x",{"n1":1}]]}')
  local register = crdt.lww_register.new "n1"
  register:set { 1 }
  lu.assertEquals(text(register), '{"actor":"n1","timestamp":1,"value":[1]}')
  lu.assertEquals(tostring(register), "lww_register" .. text(register))
end

function T.test_misuse_raises()
  lu.assertErrorMsgContains("cannot add -1", crdt.g_counter.new("a").add, crdt.g_counter.new "a", -1)
  lu.assertErrorMsgContains("cannot add 1.5", crdt.pn_counter.new("a").add, crdt.pn_counter.new "a", 1.5)
  lu.assertErrorMsgContains("cannot be an element", crdt.or_set.new("a").add, crdt.or_set.new "a", {})
  lu.assertErrorMsgContains("the value is nil", crdt.lww_register.new("a").set, crdt.lww_register.new "a", nil)
  lu.assertNil(crdt.no_such_type)
end

function T.test_a_wrong_json_form_raises_and_names_the_type()
  local wrong = {
    g_set = { 7, "x" },
    pn_counter = { 7 },
    g_counter = { 7, { a = -1 }, { a = 1.5 }, { 3 } },
    or_set = { 7, {}, { clock = {}, elements = { 1 } }, { clock = { a = "x" }, elements = {} } },
    lww_register = { 7, {}, { value = 1, timestamp = "x", actor = "a" } },
  }
  for name, forms in vortex.sorted_pairs(wrong) do
    for _, json in ipairs(forms) do
      lu.assertErrorMsgContains(name .. ": expected ", crdt[name].from_json, json)
    end
  end
  lu.assertErrorMsgContains("expected an object of counts", crdt.pn_counter.from_json, { up = {} })
end

return T
