local lu = require "luaunit"
local core = require "vortex.core"
local topology = require "vortex.topology"

local T = {}

local NAMES = { "line", "ring", "grid", "tree", "star", "full", "sqrt" }
local SIZES = { 1, 2, 3, 4, 5, 7, 9, 10, 13, 16, 25, 31 }

local function ids_of(n)
  local ids = {}
  for i = 1, n do
    ids[i] = "n" .. i
  end
  return ids
end

local function for_all(check)
  for _, name in ipairs(NAMES) do
    for _, n in ipairs(SIZES) do
      local ids = ids_of(n)
      check(topology[name](ids), ids, ("%s of %d"):format(name, n), name)
    end
  end
end

local function contains(list, value)
  for _, element in ipairs(list) do
    if element == value then
      return true
    end
  end
  return false
end

-- Hops from an id to each of the others.
local function distances(neighbours, from)
  local hops, queue = { [from] = 0 }, { from }
  for _, id in ipairs(queue) do
    for _, next in ipairs(neighbours[id]) do
      if not hops[next] then
        hops[next] = hops[id] + 1
        queue[#queue + 1] = next
      end
    end
  end
  return hops
end

local function diameter(neighbours, ids)
  local longest = 0
  for _, from in ipairs(ids) do
    local hops = distances(neighbours, from)
    for _, to in ipairs(ids) do
      longest = math.max(longest, hops[to] or math.huge)
    end
  end
  return longest
end

function T.test_links_go_both_ways_and_never_to_oneself()
  for_all(function(neighbours, ids, what)
    for _, id in ipairs(ids) do
      for _, other in ipairs(neighbours[id]) do
        lu.assertNotEquals(other, id, what)
        lu.assertTrue(contains(neighbours[other], id), what)
      end
    end
  end)
end

function T.test_everybody_is_reached()
  for_all(function(neighbours, ids, what)
    lu.assertTrue(diameter(neighbours, ids) < math.huge, what)
  end)
end

function T.test_neighbours_stand_once_in_the_order_of_the_ids()
  for_all(function(neighbours, ids, what)
    for _, id in ipairs(ids) do
      local last = 0
      for _, other in ipairs(neighbours[id]) do
        local at = tonumber(other:sub(2))
        lu.assertTrue(at > last, what)
        last = at
      end
    end
  end)
end

function T.test_neighbours_are_arrays_even_of_a_lone_node()
  for _, name in ipairs(NAMES) do
    lu.assertEquals(core.encode(topology[name] { "n1" }), '{"n1":[]}', name)
  end
end

function T.test_shapes()
  local ids = ids_of(5)
  lu.assertEquals(
    topology.line(ids),
    { n1 = { "n2" }, n2 = { "n1", "n3" }, n3 = { "n2", "n4" }, n4 = { "n3", "n5" }, n5 = { "n4" } }
  )
  lu.assertEquals(topology.ring(ids).n1, { "n2", "n5" })
  lu.assertEquals(topology.ring(ids).n3, { "n2", "n4" })
  lu.assertEquals(topology.ring { "a", "b" }, { a = { "b" }, b = { "a" } })
  -- 1 2 3 / 4 5
  lu.assertEquals(topology.grid(ids).n2, { "n1", "n3", "n5" })
  lu.assertEquals(topology.grid(ids).n3, { "n2" })
  lu.assertEquals(topology.grid(ids).n4, { "n1", "n5" })
  lu.assertEquals(topology.tree(ids).n2, { "n1", "n4", "n5" })
  lu.assertEquals(topology.tree(ids, 4).n1, { "n2", "n3", "n4", "n5" })
  lu.assertEquals(topology.tree(ids, 1), topology.line(ids))
  lu.assertEquals(topology.star(ids).n1, { "n2", "n3", "n4", "n5" })
  lu.assertEquals(topology.star(ids, "n3").n3, { "n1", "n2", "n4", "n5" })
  lu.assertEquals(topology.star(ids, "n3").n1, { "n3" })
  lu.assertEquals(topology.full(ids).n4, { "n1", "n2", "n3", "n5" })
  -- {1 2 3} {4 5}, heads 1 and 4
  lu.assertEquals(topology.sqrt(ids).n1, { "n2", "n3", "n4" })
  lu.assertEquals(topology.sqrt(ids).n5, { "n4" })
end

function T.test_distances_are_as_promised()
  for _, n in ipairs(SIZES) do
    local ids = ids_of(n)
    local sqrt = topology.sqrt(ids)
    lu.assertTrue(diameter(sqrt, ids) <= 3, "sqrt of " .. n)
    for _, id in ipairs(ids) do
      lu.assertTrue(#sqrt[id] <= 2 * math.ceil(math.sqrt(n)) - 1, "sqrt of " .. n)
    end
    lu.assertTrue(diameter(topology.star(ids), ids) <= 2, "star of " .. n)
    lu.assertTrue(diameter(topology.full(ids), ids) <= 1, "full of " .. n)
  end
end

function T.test_a_tree_has_one_link_less_than_nodes()
  for _, n in ipairs(SIZES) do
    for fanout = 1, 4 do
      local ids, links = ids_of(n), 0
      local tree = topology.tree(ids, fanout)
      for _, id in ipairs(ids) do
        links = links + #tree[id]
        lu.assertTrue(#tree[id] <= fanout + 1)
      end
      lu.assertEquals(links, 2 * (n - 1))
      lu.assertTrue(diameter(tree, ids) < math.huge)
    end
  end
end

function T.test_the_default_is_the_cluster()
  local vortex = require "vortex"
  lu.assertErrorMsgContains("not known before init", topology.line)
  vortex.ids = { "a", "b" }
  lu.assertEquals(topology.line(), { a = { "b" }, b = { "a" } })
  lu.assertEquals(topology.star(nil, "b"), { a = { "b" }, b = { "a" } })
  vortex.ids = nil
end

function T.test_misuse_raises()
  lu.assertErrorMsgContains("n1 is named twice", topology.line, { "n1", "n1" })
  lu.assertErrorMsgContains("the hub x is not among the ids", topology.star, { "n1" }, "x")
  lu.assertErrorMsgContains("fanout", topology.tree, { "n1" }, 0)
end

return T
