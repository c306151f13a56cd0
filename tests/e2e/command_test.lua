--- The command line: options, scripts that cannot run, what a script sees of its arguments, and the log.
local lu = require "luaunit"
local uv = require "luv"

local json = require "support.json"
local maelstrom = require "support.maelstrom"
local process = require "support.process"
local scratch = require "support.scratch"
local suite = require "support.suite"

local ECHO = require "support.echo_source"

local function run(...)
  return process.run({ file = maelstrom.binary, args = { ... } }, "")
end

local TestOptions = suite.case "TestOptions"

function TestOptions.test_help()
  for _, option in ipairs { "--help", "-h" } do
    local p = run(option)
    lu.assertEquals({ p.exit_code, p.stderr_text, p.partial }, { 0, "", "" })
    local text = table.concat(p.lines, "\n")
    suite.assert_words(text:lower(), "usage: vortex-lua", "script", "args")
    suite.assert_words(text:lower(), "example", "maelstrom test", "--bin")
    for _, name in ipairs {
      "--help", "--version", "--log-level", "--log-json", "--check", "--rpc-timeout", "--late-reply", "--max-line", "--data",
    } do
      suite.assert_words(text, name)
    end
    for _, line in ipairs(p.lines) do
      lu.assertTrue(#line <= 100, "fits a terminal: " .. line)
    end
  end
end

function TestOptions.test_help_wins_whatever_else_is_there()
  lu.assertEquals(run("--log-json", "--help").exit_code, 0)
  lu.assertEquals(run("--help", "missing.lua").exit_code, 0)
end

function TestOptions.test_version()
  for _, option in ipairs { "--version", "-V" } do
    local p = run(option)
    lu.assertEquals({ p.exit_code, p.stderr_text, #p.lines }, { 0, "", 1 })
    lu.assertStrMatches(p.lines[1], "vortex%-lua %d+%.%d+%.%d+.*")
  end
end

local function assert_refused(args, ...)
  local p = run(table.unpack(args))
  lu.assertNotEquals(p.exit_code, 0)
  lu.assertEquals({ p.exit_signal, p.lines, p.partial }, { 0, {}, "" })
  suite.assert_words(p.stderr_text, ...)
  suite.assert_no_words(p.stderr_text, "traceback")
end

function TestOptions.test_unknown_options_are_named_with_the_nearest()
  local script = scratch.script(ECHO)
  assert_refused({ "--log-levl", "debug", script }, "--log-levl", "--log-level")
  assert_refused({ "--chek", script }, "--chek", "--check")
  assert_refused({ "--rpc-timeuot", "1", script }, "--rpc-timeuot", "--rpc-timeout")
  assert_refused({ "--latereply=1", script }, "--latereply", "--late-reply")
  assert_refused({ "--vesion" }, "--vesion", "--version")
  assert_refused({ "--zzzzzzzzzzzz", script }, "--zzzzzzzzzzzz")
  assert_refused({ "-x", script }, "-x")
end

function TestOptions.test_values_that_make_no_sense()
  local script = scratch.script(ECHO)
  assert_refused({ "--log-level", "loud", script }, "--log-level", "debug")
  assert_refused({ "--rpc-timeout", "soon", script }, "--rpc-timeout", "soon")
  assert_refused({ "--rpc-timeout", "-1", script }, "--rpc-timeout", "-1")
  assert_refused({ "--late-reply", "nan", script }, "--late-reply", "nan")
  assert_refused({ "--late-reply", "", script }, "--late-reply")
  assert_refused({ "--max-line", "0x", script }, "--max-line", "0x")
  assert_refused({ "--data", "", script }, "--data")
  assert_refused({ "--max-line", "0", script }, "--max-line")
  assert_refused({ "--log-level" }, "--log-level")
  assert_refused({ "--help=yes", script }, "--help")
end

function TestOptions.test_an_unknown_workload_is_refused()
  assert_refused({ "--check=brodcast", scratch.script(ECHO) }, "brodcast", "broadcast")
  assert_refused({ "--check=nothing-like-it", scratch.script(ECHO) }, "nothing-like-it", "echo")
end

function TestOptions.test_a_value_behind_a_blank_or_an_equals_sign()
  for _, options in ipairs { { "--log-level", "debug" }, { "--log-level=debug" } } do
    local node = maelstrom.start { source = "require('vortex').log.debug('seen')", options = options }
    node:finish()
    suite.assert_words(node.process.stderr_text, "seen")
  end
end

function TestOptions.test_no_script()
  assert_refused({}, "script", "--help")
  assert_refused({ "--log-json" }, "script")
end

local TestScripts = suite.case "TestScripts"

local function assert_fails(script, ...)
  local p = run(script)
  lu.assertEquals({ p.exit_code, p.exit_signal, p.lines, p.partial }, { 1, 0, {}, "" })
  suite.assert_words(p.stderr_text, ...)
  return p
end

function TestScripts.test_missing()
  assert_fails("/no/such/script.lua", "/no/such/script.lua", "No such file")
  assert_fails(scratch.folder(), scratch.folder())
end

-- Maelstrom starts a node in the temporary directory, so a relative path that works in a shell does not there.
function TestScripts.test_a_relative_path_that_is_not_found()
  assert_fails("nowhere/echo.lua", "nowhere/echo.lua", "Maelstrom", "temporary directory")
  local p = run "/nowhere/echo.lua"
  suite.assert_no_words(p.stderr_text, "temporary directory")
end

function TestScripts.test_a_relative_path_that_is_found()
  scratch.file("relative.lua", ECHO)
  local node = maelstrom.start { script = "relative.lua", cwd = scratch.folder() }
  lu.assertEquals(node:call({ type = "echo", echo = 1 }).echo, 1)
  node:finish()
end

function TestScripts.test_one_that_does_not_compile()
  local path = scratch.file("broken.lua", "local x = 1\nlocal y = = 2\n")
  assert_fails(path, "broken.lua:2:", "unexpected symbol near '='")
end

function TestScripts.test_one_that_raises()
  local path = scratch.file("raises.lua", "local function inner()\n  error 'at load'\nend\n\ninner()\n")
  assert_fails(path, "raises.lua:2: at load", "traceback", "raises.lua:2: in", "raises.lua:5: in main chunk")
  path = scratch.file("table.lua", "\nerror({})\n")
  assert_fails(path, "traceback", "table.lua:2:")
  path = scratch.file("nil.lua", "error(nil)\n")
  assert_fails(path, "traceback", "nil.lua:1:")
  path = scratch.file("vortex_error.lua", "local vortex = require 'vortex'\nvortex.error(11, 'not now')\n")
  assert_fails(path, "not now", "traceback", "vortex_error.lua:2:")
  path = scratch.file("tostring.lua", "error(setmetatable({}, { __tostring = function() return 'as text' end }))\n")
  assert_fails(path, "as text", "traceback")
end

function TestScripts.test_one_that_raises_in_a_module()
  scratch.file("modules/bad.lua", "error 'in the module'\n")
  local path = scratch.file("modules/main.lua", "\nrequire 'bad'\n")
  assert_fails(path, "bad.lua:1: in the module", "traceback", "main.lua:2:")
end

function TestScripts.test_an_empty_one()
  for _, source in ipairs { "", "#!/usr/bin/env vortex-lua\n", "#!/usr/bin/env vortex-lua", "-- nothing\n", "return" } do
    local node = maelstrom.start { source = source }
    node:settle()
    node:finish()
  end
end

function TestScripts.test_what_a_script_may_not_return()
  assert_fails(scratch.script "return { step = 1 }", "step")
end

function TestScripts.test_no_input_is_needed_to_fail()
  local p = process.spawn { file = maelstrom.binary, args = { scratch.script "error 'x'" } }
  lu.assertEquals(p:wait(5), 1)
end

local ARGUMENTS = [[
local vortex = require "vortex"
local given = { ... }
vortex.on("arguments", function()
  return { zero = arg[0], arg = vortex.array { table.unpack(arg) }, varargs = vortex.array(given), count = #arg }
end)
]]

local TestArguments = suite.case "TestArguments"

function TestArguments.test_arg_and_varargs()
  local script = scratch.script(ARGUMENTS)
  local args = { "one", "--help", "", "two words", "--", "-x", "é" }
  local node = maelstrom.start { script = script, args = args }
  local reply = node:call { type = "arguments" }
  lu.assertEquals(reply.zero, script)
  suite.assert_json(reply.arg, json.encode(args))
  suite.assert_json(reply.varargs, json.encode(args))
  node:finish()
end

function TestArguments.test_none()
  local node = maelstrom.start { source = ARGUMENTS }
  local reply = node:call { type = "arguments" }
  suite.assert_json({ reply.arg, reply.varargs, reply.count }, "[[],[],0]")
  node:finish()
end

-- Maelstrom hands over what stands behind `--`.
function TestArguments.test_a_double_dash_ends_the_options()
  local script = scratch.script(ARGUMENTS)
  local node = maelstrom.start { script = "--", args = { script, "x" } }
  local reply = node:call { type = "arguments" }
  lu.assertEquals(reply.zero, script)
  suite.assert_json(reply.arg, '["x"]')
  node:finish()
end

function TestArguments.test_shebang()
  local source = "#!/usr/bin/env vortex-lua\n" .. ARGUMENTS
  local script = scratch.file("shebang/service.lua", source, 493) -- 0755
  local folder = scratch.folder() .. "/bin"
  uv.fs_mkdir(folder, 493)
  uv.fs_symlink(maelstrom.binary, folder .. "/vortex-lua")
  local node = maelstrom.start {
    program = script,
    args = { "a", "b" },
    cwd = "/tmp",
    env = { PATH = folder .. ":" .. os.getenv "PATH" },
  }
  local reply = node:call { type = "arguments" }
  lu.assertEquals(reply.zero, script)
  suite.assert_json(reply.arg, '["a","b"]')
  node:finish()
end

-- Line 1 is the shebang, so an error two lines below it is in line 3.
function TestArguments.test_a_shebang_counts_as_a_line()
  local path = scratch.file("counted.lua", "#!/usr/bin/env vortex-lua\n\nerror 'here'\n")
  local p = run(path)
  suite.assert_words(p.stderr_text, "counted.lua:3: here")
end

local TestLog = suite.case "TestLog"

local LOGGING = [[
local vortex = require "vortex"
vortex.log.debug("at debug")
vortex.log.info("at info")
vortex.log.warn("at warn")
vortex.log.error("at error")
print("printed")
vortex.on("log", function(msg)
  vortex.log.info(msg.body.text)
  return {}
end)
vortex.on("fail", function() error "failed on purpose" end)
]]

function TestLog.test_levels()
  local words = { "at debug", "at info", "at warn", "at error" }
  for i, level in ipairs { "debug", "info", "warn", "error" } do
    local node = maelstrom.start { source = LOGGING, options = { "--log-level", level } }
    node:finish()
    for j, word in ipairs(words) do
      lu.assertEquals(suite.count(node.process.stderr_text, word), j >= i and 1 or 0, level .. ": " .. word)
    end
  end
end

function TestLog.test_the_default_level_is_info()
  local node = maelstrom.start { source = LOGGING }
  node:finish()
  lu.assertEquals(suite.count(node.process.stderr_text, "at debug"), 0)
  lu.assertEquals(suite.count(node.process.stderr_text, "at info"), 1)
end

function TestLog.test_entries_name_the_node_and_the_level()
  local node = maelstrom.start { source = LOGGING, id = "n17" }
  node:call { type = "log", text = "hello" }
  node:finish()
  lu.assertStrMatches(node.process.stderr_text, ".*%d%d:%d%d:%d%d[%d.]* n17 info +hello\n.*")
end

function TestLog.test_json()
  local node = maelstrom.start { source = LOGGING, options = { "--log-json", "--log-level=debug" } }
  local texts = { "plain", 'quotes " and \\', "two\nlines", "\u{1F600}", "tab\tand \1 control", "" }
  for _, text in ipairs(texts) do
    node:call { type = "log", text = text }
  end
  node.process:send "garbage \255"
  node:call { type = "fail" }
  node:finish()
  local seen = {}
  for line in node.process.stderr_text:gmatch "([^\n]*)\n" do
    local ok, entry = pcall(json.decode, line)
    lu.assertTrue(ok, ("%s: %s"):format(entry, line))
    lu.assertEquals(type(entry.text), "string", line)
    lu.assertStrMatches(entry.level, "%l+", nil, nil, line)
    lu.assertEquals(type(entry.time), "string", line)
    seen[entry.text] = entry.level
    if entry.text:find("failed on purpose", 1, true) then
      seen.traceback = entry.text:find("traceback", 1, true)
    end
  end
  for _, text in ipairs(texts) do
    lu.assertEquals(seen[text], "info", text)
  end
  lu.assertEquals({ seen["at debug"], seen["at error"] }, { "debug", "error" })
  lu.assertNotNil(seen.traceback, node.process.stderr_text)
end

function TestLog.test_json_at_load()
  local p = run("--log-json", scratch.script "print 'one'\nio.write 'two'\nerror 'three'")
  lu.assertEquals(p.exit_code, 1)
  for line in p.stderr_text:gmatch "[^\n]+" do
    local ok, err = pcall(json.decode, line)
    lu.assertTrue(ok, ("%s: %s"):format(err, line))
  end
  suite.assert_words(p.stderr_text, "one", "two", "three")
end
