-- Runs one of the lints over a checkout: lua5.4 tests/lint/run.lua includes|tidy ROOT
-- Prints "file:line: what to do" for each finding; exit status 1 if there is any.
local here = arg[0]:match "^(.*)/" or "."
package.path = here .. "/?.lua;" .. package.path

local source = require "source"
local lint = require(assert(arg[1], "usage: run.lua LINT ROOT"))
local sources = source.read_tree(assert(arg[2], "usage: run.lua LINT ROOT"))

local findings = 0
lint.check(sources, function(path, line, message)
  findings = findings + 1
  print(string.format("%s:%d: %s", path, line, message))
end)
print(string.format("%s: %d files, %d findings", arg[1], #sources, findings))
os.exit(findings == 0)
