--- What `require` finds: modules beside the script, C modules of the system, cjson, and luv on the node's own loop.
local lu = require "luaunit"

local maelstrom = require "support.maelstrom"
local scratch = require "support.scratch"
local suite = require "support.suite"

local function start(source, options)
  options = options or {}
  options.source = source
  return maelstrom.start(options)
end

-- A node whose handler "run" returns what the code gives back as `result`.
local function run(code, options)
  local node = start(([[
    local vortex = require "vortex"
    vortex.on("run", function()
      return { result = (function() %s end)() }
    end)
  ]]):format(code), options)
  local reply = node:call { type = "run" }
  node:finish()
  return reply.result, node
end

local TestRequire = suite.case "TestRequire"

function TestRequire.test_modules_beside_the_script()
  scratch.file("service/helper.lua", "return { name = 'helper' }")
  scratch.file("service/deep/inner.lua", "return { name = ... }")
  local script = scratch.file("service/main.lua", [[
    local vortex = require "vortex"
    local names = { require("helper").name, require("deep.inner").name, require("package_").name }
    vortex.on("names", function() return { names = names } end)
  ]])
  scratch.file("service/package_/init.lua", "return { name = 'package' }")
  local node = maelstrom.start { script = script, cwd = "/" }
  suite.assert_json(node:call({ type = "names" }).names, '["helper","deep.inner","package"]')
  node:finish()
end

function TestRequire.test_one_that_is_missing_says_where_it_was_looked_for()
  local result = run "return select(2, pcall(require, 'no.such.module'))"
  suite.assert_words(result, "no.such.module", "no file", scratch.folder() .. "/no/such/module.lua")
end

-- The package of Debian, through package.cpath: the binary exports Lua's symbols.
function TestRequire.test_a_c_module_of_the_system()
  if not package.searchpath("lfs", package.cpath) then
    lu.skip "lua-filesystem is not installed"
  end
  lu.assertEquals(run "return require('lfs').attributes('/', 'mode')", "directory")
end

function TestRequire.test_cjson()
  lu.assertEquals(run "return require('cjson').encode({ 1, 2, 3 })", "[1,2,3]")
  lu.assertEquals(run "return require('cjson').null == require('vortex').null", true)
  lu.assertEquals(run "return require('cjson').decode('[1.5]')[1] == 1.5", true)
  lu.assertEquals(run "return pcall(require, 'cjson.safe')", true)
end

-- It is part of the binary: no file is needed.
function TestRequire.test_cjson_and_luv_need_no_file()
  lu.assertEquals(run "package.path, package.cpath = '', '' return type(require('cjson').encode)", "function")
  lu.assertEquals(run "package.path, package.cpath = '', '' return type(require('luv').new_timer)", "function")
end

function TestRequire.test_the_library_needs_no_file_and_no_environment()
  lu.assertEquals(run("return type(require('vortex.set'))", { env = { LUA_PATH = "", LUA_CPATH = "" } }), "table")
end

local TestLuv = suite.case "TestLuv"

function TestLuv.test_a_timer_fires_on_the_loop_of_the_node()
  local node = start [[
    local vortex = require "vortex"
    local uv = require "luv"
    local ticks = 0
    local timer = uv.new_timer()
    timer:start(5, 5, function() ticks = ticks + 1 end)
    vortex.on("wait", function()
      local from = ticks
      while ticks < from + 3 do
        vortex.sleep(0.005)
      end
      return { done = true }
    end)
  ]]
  lu.assertEquals(node:call({ type = "wait" }).done, true)
  node:finish(0, 3) -- a timer of the script's does not keep the node alive
end

function TestLuv.test_a_callback_can_send_and_answer()
  local node = start([[
    local vortex = require "vortex"
    local uv = require "luv"
    vortex.on("later", function(msg)
      local timer = uv.new_timer()
      timer:start(5, 0, function()
        timer:close()
        vortex.send("n2", { type = "sent" })
        msg:reply { late = true }
      end)
    end)
  ]], { ids = { "n1", "n2" } })
  lu.assertEquals(node:call({ type = "later" }).late, true)
  node:expect(maelstrom.to("n2", "sent"))
  node:finish()
end

function TestLuv.test_a_callback_can_spawn_a_task()
  local node = start [[
    local vortex = require "vortex"
    local uv = require "luv"
    vortex.on("later", function(msg)
      local timer = uv.new_timer()
      timer:start(5, 0, function()
        timer:close()
        vortex.spawn(function()
          vortex.sleep(0.005)
          msg:reply { late = true }
        end)
      end)
    end)
  ]]
  lu.assertEquals(node:call({ type = "later" }).late, true)
  node:finish()
end

-- An async's callback runs while the loop polls, where the node has nothing to do.
function TestLuv.test_a_callback_that_holds_the_loop_is_logged()
  local node = start [[
    local vortex = require "vortex"
    local uv = require "luv"
    local async
    async = uv.new_async(function()
      local finish = os.clock() + 1.8
      repeat until os.clock() > finish
      async:close()
    end)
    vortex.on("hold", function()
      async:send()
      return {}
    end)
  ]]
  node:call { type = "hold" }
  node.process:expect_stderr "held the loop for over a second"
  node.process:expect_stderr "stack traceback"
  node:finish()
end

function TestLuv.test_an_error_in_a_callback_is_logged_with_its_traceback()
  local node = start [[
    local vortex = require "vortex"
    local uv = require "luv"
    local function inner()
      error "in the callback"
    end
    vortex.on("later", function()
      local timer = uv.new_timer()
      timer:start(1, 0, function()
        timer:close()
        inner()
      end)
      return {}
    end)
  ]]
  node:call { type = "later" }
  node.process:expect_stderr "in the callback"
  node:settle()
  node:finish()
  suite.assert_words(node.process.stderr_text, ".lua:4: in the callback", "traceback", ".lua:4:", ".lua:10:")
end

function TestLuv.test_a_callback_cannot_yield()
  local node = start [[
    local vortex = require "vortex"
    local uv = require "luv"
    vortex.on("later", function(msg)
      local timer = uv.new_timer()
      timer:start(1, 0, function()
        timer:close()
        local ok, err = pcall(vortex.sleep, 0.01)
        msg:reply { ok = ok, err = tostring(err) }
      end)
    end)
  ]]
  local reply = node:call { type = "later" }
  lu.assertEquals(reply.ok, false)
  suite.assert_words(reply.err, "sleep")
  node:finish()
end

for _, name in ipairs { "run", "stop", "walk", "loop_close" } do
  TestLuv[("test_%s_raises"):format(name)] = function()
    local result = run(([[
      local uv = require "luv"
      local ok, err = pcall(uv.%s, function() end)
      return { ok = ok, err = tostring(err) }
    ]]):format(name))
    lu.assertEquals(result.ok, false)
    suite.assert_words(result.err, name)
  end
end

function TestLuv.test_files_and_processes()
  local node = start [[
    local vortex = require "vortex"
    local uv = require "luv"
    vortex.on("child", function(msg)
      local handle
      handle = uv.spawn("sh", { args = { "-c", "echo out; exit 3" }, stdio = { nil, 2, 2 } }, function(code)
        handle:close()
        msg:reply { code = code }
      end)
    end)
    vortex.on("file", function(msg)
      uv.fs_stat("/", function(err, stat)
        msg:reply { kind = stat and stat.type or err }
      end)
    end)
  ]]
  lu.assertEquals(node:call({ type = "child" }).code, 3)
  lu.assertEquals(node:call({ type = "file" }).kind, "directory")
  node:finish()
end

-- Handles that the script never closes are the host's to clean up.
function TestLuv.test_open_handles_do_not_delay_the_end()
  local node = start [[
    local uv = require "luv"
    for _ = 1, 10 do
      uv.new_timer():start(100000, 0, function() end)
    end
    local server = uv.new_tcp()
    server:bind("127.0.0.1", 0)
    server:listen(8, function() end)
    uv.new_idle():start(function() end)
  ]]
  node:settle()
  node:finish(0, 3)
end
