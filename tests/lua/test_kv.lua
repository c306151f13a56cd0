local lu = require "luaunit"
local new_service = require("support.service").new
local new_world = require("support.world").new
local vortex = require "vortex"

local T = {}

-- A world with one service, whose requests take `delay` to be answered, and its client.
local function setup(name, delay)
  local store, serve = new_service { lww = name == "lww-kv" }
  local world = new_world(function(_, body)
    return serve(body), delay or 0.01
  end)
  return world, world:require("vortex.kv").new(name or "lin-kv"), store
end

local function types_of(sent)
  local types = {}
  for i, message in ipairs(sent) do
    types[i] = message.body.type
  end
  return table.concat(types, " ")
end

function T.test_read_write_cas()
  local world, kv = setup()
  world:run(function()
    lu.assertTrue(kv:write("x", 1))
    lu.assertEquals(kv:read "x", 1)
    lu.assertTrue(kv:cas("x", 1, 2))
    lu.assertEquals(kv:read "x", 2)
  end)
  lu.assertEquals(world.sent[1].dest, "lin-kv")
  lu.assertEquals(types_of(world.sent), "write read cas read")
end

function T.test_errors_are_raised_with_their_context()
  local world, kv = setup()
  world:run(function()
    kv:write("x", 1)
    local _, err = pcall(kv.cas, kv, "x", 7, 8)
    lu.assertEquals(err.code, 22)
    lu.assertTrue(err.remote)
    lu.assertTrue(err.definite)
    lu.assertStrContains(tostring(err), 'precondition-failed (22): lin-kv: cas of key "x": ')
    _, err = pcall(kv.read, kv, "nowhere")
    lu.assertEquals(err.code, 20)
  end)
end

function T.test_try_forms_return_the_error()
  local world, kv = setup()
  world:run(function()
    local value, err = kv:try_read "nowhere"
    lu.assertNil(value)
    lu.assertEquals(err.name, "key-does-not-exist")
    lu.assertTrue(err.remote)
    local changed
    changed, err = kv:try_cas("nowhere", 1, 2)
    lu.assertNil(changed)
    lu.assertEquals(err.code, 20)
    lu.assertEquals({ kv:try_write("x", false) }, { true })
    lu.assertEquals({ kv:try_read "x" }, { false })
  end)
end

function T.test_the_default_is_for_keys_that_do_not_exist_only()
  local world, kv = setup()
  world:run(function()
    lu.assertEquals(kv:read("x", 0), 0)
    lu.assertEquals(kv:read("x", false), false)
    kv:write("x", vortex.null)
    lu.assertEquals(kv:read("x", 0), vortex.null)
  end)
  local silent = new_world()
  kv = silent:require("vortex.kv").new "lin-kv"
  silent:run(function()
    local value, err = kv:try_read("x", 0, { timeout = 0.25 })
    lu.assertNil(value)
    lu.assertEquals(err.name, "timeout")
    lu.assertEquals(silent.time, 0.25)
  end)
end

function T.test_cas_creates_if_asked_to()
  local world, kv, store = setup()
  world:run(function()
    kv:cas("x", 0, 1, { create = true })
    lu.assertEquals(store['"x"'], 1)
  end)
  lu.assertTrue(world.sent[1].body.create_if_not_exists)
end

function T.test_lww_kv_creates_although_it_does_not_know_how()
  local world, kv, store = setup "lww-kv"
  world:run(function()
    kv:cas("x", 0, 1, { create = true })
    lu.assertEquals(kv:try_update("y", 5, function(n)
      return n + 1
    end), 6)
  end)
  lu.assertEquals({ store['"x"'], store['"y"'] }, { 1, 6 })
end

function T.test_update_creates_and_changes()
  local world, kv, store = setup()
  local function increment(n)
    return n + 1
  end
  world:run(function()
    lu.assertEquals(kv:update("x", 10, increment), 11)
    lu.assertEquals(kv:update("x", 10, increment), 12)
    lu.assertEquals(kv:update("y", nil, function(value)
      return value == nil and "fresh" or "old"
    end), "fresh")
  end)
  lu.assertEquals({ store['"x"'], store['"y"'] }, { 12, "fresh" })
end

-- The value that the function changed in place must not be what the service compares with.
function T.test_update_may_change_a_table_in_place()
  local world, kv = setup()
  local default = {}
  local function append(list)
    list[#list + 1] = "x"
    return list
  end
  world:run(function()
    kv:update("log", default, append)
    lu.assertEquals(kv:update("log", default, append), { "x", "x" })
    lu.assertEquals(kv:read "log", { "x", "x" })
  end)
  lu.assertEquals(default, {})
end

function T.test_update_loses_no_increment_to_a_race()
  local world, kv, store = setup(nil, 0.02)
  local done = 0
  world:run(function()
    for _ = 1, 8 do
      world.core.spawn(function()
        for _ = 1, 3 do
          kv:update("n", 0, function(n)
            return n + 1
          end, { timeout = 60 })
          done = done + 1
        end
      end)
    end
  end)
  lu.assertEquals(done, 24)
  lu.assertEquals(store['"n"'], 24)
  lu.assertTrue(#world.sent > 2 * 24, "there were races")
end

function T.test_update_retries_each_kind_of_lost_race()
  for _, code in ipairs { 20, 21, 22 } do
    local refused = 0
    local world = new_world(function(_, body)
      if body.type == "read" then
        return { type = "read_ok", value = 1 }, 0.01
      elseif refused < 3 then
        refused = refused + 1
        return { type = "error", code = code, text = "" }, 0.01
      end
      return { type = "cas_ok" }, 0.01
    end)
    local kv = world:require("vortex.kv").new "lin-kv"
    world:run(function()
      lu.assertEquals(kv:update("x", 0, function(n)
        return n + 1
      end), 2)
    end)
    lu.assertEquals(types_of(world.sent), "read cas read cas read cas read cas", code)
  end
end

function T.test_update_never_retries_what_may_have_happened()
  for _, last in ipairs { "timeout", "crash" } do
    local world = new_world(function(_, body)
      if body.type == "read" then
        return { type = "read_ok", value = 1 }, 0.01
      end
      return last == "crash" and { type = "error", code = 13, text = "" } or nil
    end)
    local kv = world:require("vortex.kv").new "lin-kv"
    world:run(function()
      local value, err = kv:try_update("x", 0, function()
        return 2
      end, { timeout = 0.5 })
      lu.assertNil(value)
      lu.assertEquals(err.name, last)
      lu.assertFalse(err.definite)
      lu.assertTrue(world.core.now() <= 0.5)
    end)
    lu.assertEquals(types_of(world.sent), "read cas", last)
  end
end

function T.test_update_has_one_deadline_over_all_attempts()
  local world = new_world(function(_, body)
    return body.type == "read" and { type = "read_ok", value = 1 } or { type = "error", code = 22, text = "" }
  end)
  local kv = world:require("vortex.kv").new "lin-kv"
  for timeout, limit in vortex.sorted_pairs { [0.95] = 0.95, [false] = 4 } do
    world:run(function()
      local started = world.core.now()
      local value, err = kv:try_update("x", 0, function()
        return 2
      end, { timeout = timeout or nil })
      local took = world.core.now() - started
      lu.assertNil(value)
      lu.assertEquals(err.code, 11)
      lu.assertTrue(err.definite)
      lu.assertTrue(err.remote)
      lu.assertTrue(math.abs(took - limit) < 1e-6, took)
    end)
  end
end

function T.test_update_passes_on_what_the_function_raises()
  local world, kv = setup()
  world:run(function()
    local _, err = pcall(kv.try_update, kv, "x", 0, function()
      vortex.error("abort", "not today")
    end)
    lu.assertEquals(err.name, "abort")
    lu.assertNil(err.remote)
  end)
  lu.assertEquals(types_of(world.sent), "read")
end

function T.test_misuse_raises()
  local world, kv = setup()
  lu.assertErrorMsgContains("no service lin-tso", vortex.kv, "lin-tso")
  world:run(function()
    lu.assertErrorMsgContains("value is nil", kv.write, kv, "x", nil)
    lu.assertErrorMsgContains("key is nil", kv.read, kv, nil)
    lu.assertErrorMsgContains("from is nil", kv.cas, kv, "x", nil, 1)
    lu.assertErrorMsgContains("what the function returned is nil", kv.update, kv, "x", 0, function() end)
  end)
end

function T.test_tso()
  local ts = -1
  local world = new_world(function(dest, body)
    lu.assertEquals({ dest, body.type }, { "lin-tso", "ts" })
    ts = ts + 1
    return ts < 2 and { type = "ts_ok", ts = ts } or nil
  end)
  local tso = world:require "vortex.tso"
  world:run(function()
    lu.assertEquals(tso.tso(), 0)
    lu.assertEquals(tso.try_tso(), 1)
    local _, err = pcall(tso.tso, { timeout = 0.1 })
    lu.assertEquals(err.name, "timeout")
    lu.assertTrue(err.remote)
    lu.assertEquals(select(2, tso.try_tso()).name, "timeout")
  end)
end

return T
