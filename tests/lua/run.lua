-- Runs a LuaUnit suite inside the real binary: vortex-lua run.lua NAME, for test_NAME.lua beside this file, which
-- returns a table of tests. VORTEX_TEST_GC=1 runs it with a collector that hardly rests.
local lu = require "luaunit"

local folder = arg[0]:match "^(.*)/[^/]*$" or "."
package.path = folder .. "/?.lua;" .. package.path

local name = ... or error "usage: vortex-lua run.lua NAME"
local suite = require("test_" .. name)

if os.getenv "VORTEX_TEST_GC" then
  collectgarbage("setpause", 110)
  collectgarbage("setstepmul", 400)
  suite.setUp = function()
    collectgarbage()
  end
  suite.tearDown = suite.setUp
end

local runner = lu.LuaUnit.new()
runner:setOutputType "tap"
os.exit(runner:runSuiteByInstances { { name, suite } })
