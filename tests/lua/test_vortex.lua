local lu = require "luaunit"
local core = require "vortex.core"
local new_world = require("support.world").new
local vortex = require "vortex"

local T = {}

-- Hot paths have no Lua around them.
function T.test_core_functions_are_handed_out_as_they_are()
  local names = {
    "on", "on_init", "on_exit", "send", "broadcast", "rpc", "try_rpc", "spawn", "sleep", "after", "every", "now",
    "error", "array", "object", "null",
  }
  for _, name in ipairs(names) do
    lu.assertNotNil(core[name], name)
    lu.assertTrue(rawequal(vortex[name], core[name]), name)
  end
  lu.assertTrue(rawequal(vortex.json.encode, core.encode))
  lu.assertTrue(rawequal(vortex.json.decode, core.decode))
end

function T.test_what_is_loaded_later_is_all_there()
  for _, name in ipairs { "topology", "log" } do
    local module, later = require("vortex." .. name), vortex[name]
    for field in vortex.sorted_pairs(module) do
      lu.assertEquals(type(later[field]), "function", ("vortex.%s.%s"):format(name, field))
    end
  end
end

function T.test_what_is_loaded_later_blames_the_line_of_its_caller()
  local here = debug.getinfo(1, "l").currentline
  local _, err = pcall(function()
    local client = vortex.kv "no-such-service"
    return client
  end)
  lu.assertStrContains(err, ("test_vortex.lua:%d: kv: no service"):format(here + 2))
end

function T.test_unique_ids_need_the_nodes_id()
  local unique_id = new_world():require "vortex.unique_id"
  vortex.id = nil
  lu.assertErrorMsgContains("no id before init", unique_id)
end

function T.test_unique_ids_differ_within_and_between_lives()
  vortex.id = "n1"
  local seen = {}
  for _ = 1, 4 do
    local unique_id = new_world():require "vortex.unique_id" -- loaded anew: another life of the node
    for _ = 1, 1000 do
      local id = unique_id()
      lu.assertStrMatches(id, "n1%-%x+%-%d+")
      lu.assertNil(seen[id])
      seen[id] = true
    end
  end
  vortex.id = nil
end

local function logged(...)
  local world = new_world()
  local log = world:require "vortex.log"
  log.info(...)
  return world.log[1]
end

function T.test_log_formats_or_shows()
  lu.assertEquals(logged("took %d ms, %s", 3, "fine"), "info: took 3 ms, fine")
  lu.assertEquals(logged("got", 1, nil, true, 2.5), "info: got 1 nil true 2.5")
  lu.assertEquals(logged "100% sure", "info: 100% sure")
  lu.assertEquals(logged(7), "info: 7")
  lu.assertEquals(logged(nil), "info: nil")
end

function T.test_log_shows_tables_as_json_and_errors_as_text()
  lu.assertEquals(logged("body", { b = 1, a = {} }), 'info: body {"a":{},"b":1}')
  lu.assertEquals(logged("body %s", { 1, 2 }), "info: body [1,2]")
  lu.assertEquals(logged("failed:", core.error_new(20, "no x")), "info: failed: key-does-not-exist (20): no x")
  lu.assertEquals(logged(vortex.set { 1 }), "info: set[1]")
end

function T.test_log_never_raises()
  lu.assertEquals(logged("%d items", "three"), "info: %d items three")
  lu.assertEquals(logged("%y", 1), "info: %y 1")
  lu.assertStrContains(logged("odd", { print }), "odd table: ")
  lu.assertEquals(logged(setmetatable({}, { __tostring = error })), "info: (table)")
end

function T.test_log_levels()
  local world = new_world()
  local log = world:require "vortex.log"
  for _, level in ipairs { "debug", "info", "warn", "error" } do
    log[level] "x"
  end
  lu.assertEquals(world.log, { "debug: x", "info: x", "warn: x", "error: x" })
end

-- A module that is loaded on top of `--check` installs the checker, and refuses an unknown workload.
function T.test_check_is_installed_when_asked_for()
  local function load(workload)
    local world = new_world()
    local installed
    world.core.check = workload
    world.core.set_check = function(fn)
      installed = fn
    end
    world:require "vortex"
    return installed
  end
  lu.assertNil(load(nil))
  lu.assertStrContains(load "echo"("echo", {}, {}), "echo_ok.echo: missing")
  lu.assertEquals(type(load ""), "function")
  lu.assertErrorMsgContains("did you mean echo?", load, "ecko")
end

return T
