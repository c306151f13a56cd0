--- Runs one suite against a binary: lua5.4 run.lua SUITE_test.lua BINARY [options of LuaUnit, such as -v or a test's name]
--- Exit status 0 if all passed.
local here = arg[0]:match "^(.*)/[^/]*$" or "."
package.path = here .. "/?.lua;" .. package.path

local suite, binary = arg[1], arg[2]
if not binary then
  io.stderr:write "usage: lua5.4 run.lua SUITE_test.lua BINARY [options of LuaUnit]\n"
  os.exit(2)
end
arg = { [0] = suite, table.unpack(arg, 3) } -- LuaUnit takes its options from here when it is loaded

local lu = require "luaunit"
local uv = require "luv"
local maelstrom = require "support.maelstrom"
local scratch = require "support.scratch"

maelstrom.binary = assert(uv.fs_realpath(binary))
maelstrom.root = assert(uv.fs_realpath(here .. "/../.."))

assert(loadfile(suite))()
local runner = lu.LuaUnit.new()
local failures = runner:runSuite()
scratch.remove()
if failures == 0 and runner.result.skippedCount > 0 and runner.result.successCount == 0 then
  os.exit(77, true) -- ctest: skipped
end
os.exit(failures == 0, true)
