-- Runs a LuaUnit suite inside the real binary: vortex-lua run.lua NAME, for test_NAME.lua beside this file, which
-- returns a table of tests. VORTEX_TEST_GC=PAUSE runs it with a collector of that pause in percent: 100 never rests.
local lu = require "luaunit"

local folder = arg[0]:match "^(.*)/[^/]*$" or "."
package.path = folder .. "/?.lua;" .. package.path

local name = ... or error "usage: vortex-lua run.lua NAME"
local suite = require("test_" .. name)

local pause = tonumber(os.getenv "VORTEX_TEST_GC")
if pause then
  collectgarbage("setpause", pause)
  collectgarbage("setstepmul", 400)
  suite.setUp = function()
    collectgarbage()
  end
  suite.tearDown = suite.setUp
end

local runner = lu.LuaUnit.new()
runner:setOutputType "tap"
os.exit(runner:runSuiteByInstances { { name, suite } })
