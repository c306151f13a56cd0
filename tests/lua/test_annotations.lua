-- The annotations are whole: what scripts can call is annotated, and what is annotated exists.
local lu = require "luaunit"
local core = require "vortex.core"
local vortex = require "vortex"

local T = {}

local root = arg[0]:match "^(.*)/tests/lua/[^/]*$" or "."
local FILES = {
  "_meta", "init", "kv", "tso", "quorum", "mutex", "topology", "set", "order", "unique_id", "log", "step", "step_raft", "raft",
  "schema",
  "validate", "check", "crdt/init", "crdt/g_set", "crdt/g_counter", "crdt/pn_counter", "crdt/or_set",
  "crdt/lww_register", "crdt/replica",
}

local function source(name)
  local file = assert(io.open(("%s/lua/vortex/%s.lua"):format(root, name)))
  local lines = {}
  for line in file:lines() do
    lines[#lines + 1] = line
  end
  file:close()
  return lines
end

-- The documented functions of a file: name -> { params = {...}, described = {...}, doc = lines above }.
local function functions_of(name)
  local found, doc = {}, {}
  for _, line in ipairs(source(name)) do
    local fn, params = line:match "^function ([%w_]+[.:][%w_]+)%((.-)%)"
    if fn then
      local entry = { params = {}, described = {}, doc = doc }
      for param in params:gmatch "[%w_.]+" do
        table.insert(entry.params, param)
      end
      for _, comment in ipairs(doc) do
        local param = comment:match "^%-%-%-@param ([%w_.]+)"
        table.insert(entry.described, param)
      end
      found[fn] = entry
    end
    if line:match "^%-%-%-" then
      doc[#doc + 1] = line
    else
      doc = {}
    end
  end
  return found
end

function T.test_core_is_annotated_and_nothing_else_is()
  local annotated = functions_of "_meta"
  local fields = { error_meta = true, null = true, check = true }
  for name in vortex.sorted_pairs(core) do
    lu.assertTrue(annotated["core." .. name] ~= nil or fields[name], "vortex.core." .. name .. " has no annotation")
  end
  for name in vortex.sorted_pairs(annotated) do
    local function_name = name:match "^core%.(.*)"
    if function_name then
      lu.assertEquals(type(core[function_name]), "function", name .. " is annotated but does not exist")
    end
  end
  local text = table.concat(source "_meta", "\n")
  for field in vortex.sorted_pairs(fields) do
    lu.assertStrContains(text, "---@field " .. field)
  end
end

function T.test_objects_of_c_are_annotated()
  local annotated = functions_of "_meta"
  local methods = {
    ["vortex.message"] = { "reply", "forward" },
    ["vortex.timer"] = { "cancel" },
    ["vortex.raft"] = { "propose", "try_propose", "read", "try_read", "change", "try_change", "transfer", "try_transfer",
      "on_change", "status", "leader", "is_leader" },
  }
  local class = { ["vortex.message"] = "Message:", ["vortex.timer"] = "Timer:", ["vortex.raft"] = "Raft:" }
  vortex.raft { apply = print } -- makes the metatable of groups
  for name, list in vortex.sorted_pairs(methods) do
    local meta = debug.getregistry()[name]
    for _, method in ipairs(list) do
      lu.assertNotNil(annotated[class[name] .. method], name .. ":" .. method .. " has no annotation")
    end
    for key, value in vortex.sorted_pairs(type(meta) == "table" and meta or {}) do
      if type(value) == "function" and not key:find "^__" then
        lu.assertNotNil(annotated[class[name] .. key], name .. ":" .. key .. " has no annotation")
      end
    end
    for key in vortex.sorted_pairs(type(meta) == "table" and type(meta.__index) == "table" and meta.__index or {}) do
      lu.assertNotNil(annotated[class[name] .. key], name .. ":" .. key .. " has no annotation")
    end
  end
end

function T.test_every_exported_function_describes_its_parameters()
  local count = 0
  for _, file in ipairs(FILES) do
    for name, entry in vortex.sorted_pairs(functions_of(file)) do
      if not name:find "__" then -- metamethods are described where they are declared as operators
        lu.assertTrue(#entry.doc > 0 or #entry.params == 0, ("%s: %s has no annotation"):format(file, name))
        lu.assertEquals(entry.described, entry.params, ("%s: the parameters of %s"):format(file, name))
        count = count + 1
      end
    end
  end
  lu.assertTrue(count > 80, count)
end

-- Every public name is a core function, a table whose members are public names, or a function that one of the files
-- above exports (or that stands for one, in init.lua, until it is called).
local function upvalues(fn)
  local values = {}
  for i = 1, debug.getinfo(fn, "u").nups do
    local name, value = debug.getupvalue(fn, i)
    values[name] = value
  end
  return values
end

local function defined_in_the_library(fn)
  local stands_for = upvalues(fn)
  if stands_for.module and stands_for.field then
    fn = require(stands_for.module)[stands_for.field]
  end
  local info = debug.getinfo(fn, "S")
  local file = info.source:match "vortex/(.*)%.lua$"
  if not file then
    return false
  end
  local line = source(file)[info.linedefined]
  return line:match "^function M%." ~= nil or line:match "^local function unique_id" ~= nil
end

local function check_public(path, value)
  if type(value) == "function" then
    for _, core_value in pairs(core) do -- order-free
      if rawequal(core_value, value) then
        return 1
      end
    end
    lu.assertTrue(defined_in_the_library(value), path .. " is neither in vortex.core nor an exported function")
    return 1
  elseif type(value) ~= "table" then
    return 0
  end
  local count = 0
  for name, member in vortex.sorted_pairs(value) do
    count = count + check_public(path .. "." .. name, member)
  end
  return count
end

function T.test_every_public_name_is_annotated()
  for _, name in ipairs { "g_set", "g_counter", "pn_counter", "or_set", "lww_register" } do
    lu.assertNotNil(vortex.crdt[name], name) -- loads it
  end
  lu.assertTrue(check_public("vortex", vortex) > 45)
end

function T.test_classes_that_annotations_name_exist()
  local declared, named = {}, {}
  for _, file in ipairs(FILES) do
    for _, line in ipairs(source(file)) do
      local class = line:match "^%-%-%-@class ([%w_.]+)" or line:match "^%-%-%-@alias ([%w_.]+)"
      if class then
        declared[class] = true
      elseif line:match "^%-%-%-@" then
        for name in line:gmatch "%f[%w]vortex%.[%w_.]+" do
          named[name] = file
        end
      end
    end
  end
  for name, file in vortex.sorted_pairs(named) do
    local public = vortex[name:match "^vortex%.(.*)$"]
    lu.assertTrue(declared[name] or public ~= nil, file .. " names " .. name)
  end
end

function T.test_the_file_of_annotations_is_not_a_module()
  lu.assertFalse(pcall(require, "vortex._meta"))
  lu.assertErrorMsgContains("annotations only", dofile, root .. "/lua/vortex/_meta.lua")
end

return T
