--- The protocol has stdin and stdout for itself: whatever a script, a library or a child process writes or reads goes elsewhere; and
--- whatever the two are (pipes, files, one pipe shared with stderr), no line is lost.
local lu = require "luaunit"
local uv = require "luv"

local json = require "support.json"
local judges = require "support.judge"
local maelstrom = require "support.maelstrom"
local process = require "support.process"
local scratch = require "support.scratch"
local suite = require "support.suite"

local ECHO = require "support.echo_source"
local INIT = maelstrom.line("c0", "n1", { type = "init", node_id = "n1", node_ids = { "n1" }, msg_id = 1 }) .. "\n"

local function request(i)
  return maelstrom.line("c1", "n1", { type = "echo", echo = i, msg_id = i }) .. "\n"
end

local function requests(count)
  local lines = { INIT }
  for i = 1, count do
    lines[#lines + 1] = request(i)
  end
  return table.concat(lines)
end

-- All replies to requests(count) are there, in order, and nothing else.
local function assert_replies(lines, count)
  lu.assertEquals(#lines, count + 1)
  local judge = judges.new("n1", { "n1" }, "echo")
  judge:sent { src = "c0", dest = "n1", body = json.object { type = "init", msg_id = 1 } }
  for i = 1, count do
    judge:sent { src = "c1", dest = "n1", body = json.object { type = "echo", msg_id = i } }
  end
  for i, line in ipairs(lines) do
    local msg = judge:received(line)
    lu.assertEquals(msg.body.in_reply_to, i == 1 and 1 or i - 1)
  end
  lu.assertEquals(judge.violations, {})
end

local TestIsolation = suite.case "TestIsolation"

-- Runs Lua code in a handler; returns the node after its end, and the reply, whose `result` is what the code returned.
local function run_in_handler(code)
  local node = maelstrom.start { source = ([[
    local vortex = require "vortex"
    vortex.on("run", function()
      local result = (function() %s end)()
      return { result = result }
    end)
    vortex.on("echo", function(msg) return { echo = msg.body.echo } end)
  ]]):format(code) }
  local reply = node:call { type = "run" }
  lu.assertEquals(node:call({ type = "echo", echo = 2 }).echo, 2)
  node:finish()
  lu.assertEquals(node.inbox, {})
  return node, reply
end

local function assert_logged(code, ...)
  local node = run_in_handler(code)
  suite.assert_words(node.process.stderr_text, ...)
  return node
end

function TestIsolation.test_print()
  assert_logged('print("hello", 42, nil, true)', "hello\t42\tnil\ttrue")
  assert_logged('print("one\\ntwo")', "one", "two")
  assert_logged("print(setmetatable({}, { __tostring = function() return 'shown' end }))", "shown")
  assert_logged("print()")
end

function TestIsolation.test_io_write()
  assert_logged('io.write("hel", "lo ", 42, "\\n")', "hello 42")
  assert_logged('io.stdout:write("to stdout\\n")', "to stdout")
  assert_logged('io.output():write("to the output\\n")', "to the output")
  assert_logged('io.write("no newline")', "no newline")
  assert_logged('io.stderr:write("to stderr\\n")', "to stderr")
  assert_logged('io.stdout:setvbuf("full") io.stdout:write("late\\n") io.stdout:flush()', "late")
end

function TestIsolation.test_io_write_can_be_chained()
  assert_logged('io.write("a"):write("b\\n")', "ab")
end

function TestIsolation.test_io_read_finds_an_empty_input()
  local _, reply = run_in_handler 'return tostring(io.read())'
  lu.assertEquals(reply.result, "nil")
  _, reply = run_in_handler 'return io.read("a")'
  lu.assertEquals(reply.result, "")
  _, reply = run_in_handler 'local n = 0 for _ in io.lines() do n = n + 1 end return n'
  lu.assertEquals(reply.result, 0)
  _, reply = run_in_handler 'return tostring(io.stdin:read("l"))'
  lu.assertEquals(reply.result, "nil")
end

function TestIsolation.test_closing_the_standard_files()
  run_in_handler "io.stdout:close() io.stdin:close()"
end

function TestIsolation.test_child_processes()
  assert_logged('os.execute("echo from the shell")', "from the shell")
  local _, reply = run_in_handler [[os.execute("cat > /dev/null") return "done"]]
  lu.assertEquals(reply.result, "done")
  _, reply = run_in_handler [[local f = io.popen("cat; echo popen") local text = f:read("a") f:close() return text]]
  lu.assertEquals(reply.result, "popen\n")
  assert_logged([[local f = io.popen("cat", "w") f:write("into cat\n") f:close()]], "into cat")
end

-- Neither protocol descriptor is inherited: a child of the node has what a child of ours has.
function TestIsolation.test_children_do_not_inherit_the_protocol()
  local ours = process.run { file = "sh", args = { "-c", "ls /proc/self/fd" } }
  local _, reply = run_in_handler [[local f = io.popen("ls /proc/self/fd") local text = f:read("a") f:close() return text]]
  lu.assertEquals(reply.result, table.concat(ours.lines, "\n") .. "\n")
end

function TestIsolation.test_a_child_that_lives_on_does_not_hold_stdout()
  local node = maelstrom.start { source = [[
    local vortex = require "vortex"
    vortex.on("run", function()
      os.execute("sleep 30 2> /dev/null > /dev/null & echo $! > ]] .. scratch.folder() .. [[/pid")
      return {}
    end)
  ]] }
  node:call { type = "run" }
  local pid = tonumber(scratch.read(scratch.folder() .. "/pid"))
  node:finish(0, 5)
  uv.kill(pid, "sigkill")
end

function TestIsolation.test_children_get_the_default_sigpipe()
  local _, reply = run_in_handler [[return os.execute("yes | head -n 1 > /dev/null") and "ended" or "failed"]]
  lu.assertEquals(reply.result, "ended")
end

-- A script that writes to descriptor 1 by force reaches stderr, not the protocol.
function TestIsolation.test_writing_to_the_descriptors()
  assert_logged('local f = io.open("/dev/stdout", "a") f:write("forced\\n") f:close()', "forced")
  assert_logged('local f = io.open("/proc/self/fd/1", "a") f:write("forced too\\n") f:close()', "forced too")
end

local TestFiles = suite.case "TestFiles"

local function open(path, flags)
  return assert(uv.fs_open(path, flags, 420)) -- 0644
end

local function lines_of(path)
  local lines = {}
  for line in io.lines(path) do
    lines[#lines + 1] = line
  end
  return lines
end

function TestFiles.test_input_and_output_are_files()
  local count = 5000
  local input = open(scratch.file("requests.jsonl", requests(count)), "r")
  local path = scratch.file("replies.jsonl", "")
  local output = open(path, "w")
  local p = process.run { file = maelstrom.binary, args = { scratch.script(ECHO) }, stdin = input, stdout = output }
  uv.fs_close(input)
  uv.fs_close(output)
  lu.assertEquals(p.exit_code, 0)
  assert_replies(lines_of(path), count)
end

function TestFiles.test_output_is_appended()
  local path = scratch.file("appended.jsonl", "before\n")
  local output = open(path, "a")
  local p = process.run({ file = maelstrom.binary, args = { scratch.script(ECHO) }, stdout = output }, requests(3))
  uv.fs_close(output)
  lu.assertEquals(p.exit_code, 0)
  local lines = lines_of(path)
  lu.assertEquals(table.remove(lines, 1), "before")
  assert_replies(lines, 3)
end

function TestFiles.test_input_is_a_file_and_the_output_a_pipe()
  local input = open(scratch.file("requests.jsonl", requests(5000)), "r")
  local p = process.run { file = maelstrom.binary, args = { scratch.script(ECHO) }, stdin = input }
  uv.fs_close(input)
  lu.assertEquals(p.exit_code, 0)
  assert_replies(p.lines, 5000)
end

-- Timers run while a file is read, and a handler that waits is waited for.
function TestFiles.test_a_handler_that_sleeps_at_the_end_of_a_file()
  local script = scratch.script [[
    local vortex = require "vortex"
    vortex.on("echo", function(msg)
      vortex.sleep(0.05)
      return { echo = msg.body.echo }
    end)
  ]]
  local input = open(scratch.file("requests.jsonl", requests(20)), "r")
  local p = process.run { file = maelstrom.binary, args = { script }, stdin = input }
  uv.fs_close(input)
  lu.assertEquals(p.exit_code, 0)
  assert_replies(p.lines, 20)
end

function TestFiles.test_the_null_device()
  local null = open("/dev/null", "r+")
  local p = process.run { file = maelstrom.binary, args = { scratch.script(ECHO) }, stdin = null, stdout = null }
  uv.fs_close(null)
  lu.assertEquals(p.exit_code, 0)
end

function TestFiles.test_a_full_device()
  local full = open("/dev/full", "w")
  local p = process.run({ file = maelstrom.binary, args = { scratch.script(ECHO) }, stdout = full }, requests(3))
  uv.fs_close(full)
  lu.assertEquals({ p.exit_code, p.exit_signal }, { 1, 0 })
  suite.assert_words(p.stderr_text, "No space left")
end

local function through_shell(redirections, input)
  local command = 'exec "$0" "$1" ' .. redirections
  local args = { "-c", command, maelstrom.binary, scratch.script(ECHO) }
  return process.run({ file = "sh", args = args }, input)
end

function TestFiles.test_closed_descriptors()
  local p = through_shell("<&-", "")
  lu.assertEquals({ p.exit_code, p.exit_signal, p.lines }, { p.exit_code, 0, {} })
  p = through_shell(">&-", requests(2))
  lu.assertEquals({ p.exit_signal, p.lines }, { 0, {} })
  p = through_shell("2>&-", requests(2))
  lu.assertEquals({ p.exit_code, p.exit_signal }, { 0, 0 })
  assert_replies(p.lines, 2)
end

local TestSharedPipe = suite.case "TestSharedPipe"

-- Reads a little now and then.
local function read_slowly(p, seconds)
  local stop = uv.hrtime() + seconds * 1e9
  while uv.hrtime() < stop and not p.stdout_ended do
    p:stop_reading()
    process.let_pass(0.003)
    p:read_again()
    process.let_pass(0.001)
  end
end

-- 2>&1 into one slow pipe: every line of both arrives whole.
function TestSharedPipe.test_no_line_is_lost()
  local count = 5000
  local p = process.spawn {
    file = maelstrom.binary,
    args = { scratch.script [[
      local vortex = require "vortex"
      vortex.on("echo", function(msg)
        vortex.log.warn("handling " .. msg.body.echo .. " " .. ("."):rep(60))
        return { echo = msg.body.echo }
      end)
    ]] },
    stderr = "stdout",
  }
  p:write(requests(count))
  p:close_stdin()
  read_slowly(p, 0.5)
  lu.assertEquals(p:wait(30), 0)
  local replies, logged = {}, 0
  for _, line in ipairs(p.lines) do
    if line:sub(1, 1) == "{" then
      replies[#replies + 1] = line
    else
      local number = line:match "^%d%d:%d%d:%d%d%.%d+ n1 warn +handling (%d+) %.+$"
      lu.assertEquals(tonumber(number), logged + 1, line)
      logged = logged + 1
    end
  end
  lu.assertEquals(logged, count)
  assert_replies(replies, count)
end

-- The same pipe in the hands of a child: if its description had become non-blocking, the child's output would break off.
function TestSharedPipe.test_a_child_can_write_as_much_as_it_wants()
  local p = process.spawn {
    file = maelstrom.binary,
    args = { scratch.script [[
      local vortex = require "vortex"
      vortex.on("echo", function(msg)
        local ok = os.execute "seq 1 50000 >&2"
        return { echo = ok and msg.body.echo or "failed" }
      end)
    ]] },
    stderr = "stdout",
  }
  p:write(requests(1))
  p:close_stdin()
  read_slowly(p, 0.3)
  lu.assertEquals(p:wait(30), 0)
  local numbers, replies = 0, {}
  for _, line in ipairs(p.lines) do
    if tonumber(line) == numbers + 1 then
      numbers = numbers + 1
    elseif line:sub(1, 1) == "{" then
      replies[#replies + 1] = line
    end
  end
  lu.assertEquals(numbers, 50000)
  assert_replies(replies, 1)
end
