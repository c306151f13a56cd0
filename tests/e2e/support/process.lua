--- Programs under test as child processes, driven from one luv loop: every wait runs the loop until something happened, or raises when
--- the time allowed has passed. VORTEX_E2E_PATIENCE multiplies the time allowed (for sanitizers and emulators).
local uv = require "luv"

local M = {}

local PATIENCE = tonumber(os.getenv "VORTEX_E2E_PATIENCE") or 1
local DEFAULT_TIMEOUT_S = 10
local STDERR_SHOWN = 4000

local Process = {}
Process.__index = Process

-- Writing to a child that is gone must fail, not kill us. A handler, and not SIG_IGN, which children would inherit.
local on_sigpipe = uv.new_signal()
on_sigpipe:start("sigpipe", function() end)
on_sigpipe:unref()

local running = {} -- [Process] = true
local ended = {} -- of this test, until reap()

--- Runs the loop until condition() gives something that is neither nil nor false; returns that. Raises after timeout_s, with what
--- `describe` says.
function M.wait_until(condition, timeout_s, describe)
  local expired = false
  local timer = uv.new_timer()
  timer:start(math.ceil((timeout_s or DEFAULT_TIMEOUT_S) * PATIENCE * 1000), 0, function()
    expired = true
  end)
  local result = condition()
  while not result and not expired do
    uv.run "once"
    result = condition()
  end
  timer:close()
  if not result then
    local what = type(describe) == "function" and describe() or describe or "what was waited for"
    error(("not within %g s: %s"):format((timeout_s or DEFAULT_TIMEOUT_S) * PATIENCE, what), 0)
  end
  return result
end

--- Runs the loop for a while: for what must NOT happen, or where passing time is what is tested. Not multiplied.
function M.let_pass(seconds)
  local over = false
  local timer = uv.new_timer()
  timer:start(math.ceil(seconds * 1000), 0, function()
    over = true
  end)
  while not over do
    uv.run "once"
  end
  timer:close()
end

--- Checks a condition every few milliseconds: for things that no event announces (/proc).
function M.poll_until(condition, timeout_s, describe)
  local tick = uv.new_timer()
  tick:start(2, 2, function() end)
  local ok, result = pcall(M.wait_until, condition, timeout_s, describe)
  tick:close()
  return ok and result or error(result, 0)
end

local function split_lines(process, chunk)
  local data = process.partial .. chunk
  local from = 1
  while true do
    local stop = data:find("\n", from, true)
    if not stop then
      break
    end
    process.on_line(data:sub(from, stop - 1))
    from = stop + 1
  end
  process.partial = data:sub(from)
end

local function start_reading(process)
  process.stdout:read_start(function(err, chunk)
    if err or not chunk then
      process.stdout_ended = true
    elseif process.on_bytes then
      process.on_bytes(chunk)
    else
      split_lines(process, chunk)
    end
  end)
end

local function own_pipe(fd)
  local pipe = uv.new_pipe(false)
  assert(pipe:open(fd))
  return pipe
end

-- A real pipe, as Maelstrom uses, not the socket that uv.spawn would make. Returns our end, the child's fd.
local function input_pipe()
  local fds = assert(uv.pipe({}, { nonblock = true }))
  return own_pipe(fds.write), fds.read
end

local function output_pipe()
  local fds = assert(uv.pipe({ nonblock = true }, {}))
  return own_pipe(fds.read), fds.write
end

local function environment(extra)
  local env = uv.os_environ()
  for name, value in pairs(extra or {}) do
    env[name] = value or nil
  end
  local list = {}
  for name, value in pairs(env) do
    list[#list + 1] = name .. "=" .. value
  end
  return list
end

--- Starts a program.
---   file, args, cwd       as they say
---   env                   additions to the environment; false removes
---   stdin, stdout, stderr "pipe" (default), "socket", or a descriptor of ours that the child gets; stderr also "stdout": the same pipe
---   on_line(line)         of stdout; default: appended to `lines`
---   on_bytes(chunk)       of stdout, instead of lines
function M.spawn(options)
  local p = setmetatable({
    lines = {},
    partial = "",
    stderr_text = "",
    stdout_ended = false,
    stderr_ended = false,
    on_bytes = options.on_bytes,
    name = options.file:match "[^/]*$",
  }, Process)
  p.on_line = options.on_line or function(line)
    p.lines[#p.lines + 1] = line
  end
  local close_after, stdio = {}, {}
  local function child_end(fd)
    close_after[#close_after + 1] = fd
    return fd
  end

  if (options.stdin or "pipe") == "pipe" then
    local ours, theirs = input_pipe()
    p.stdin, stdio[1] = ours, child_end(theirs)
  elseif options.stdin == "socket" then
    p.stdin = uv.new_pipe(false)
    stdio[1] = p.stdin
  else
    stdio[1] = options.stdin
  end
  if (options.stdout or "pipe") == "pipe" then
    local ours, theirs = output_pipe()
    p.stdout, stdio[2] = ours, child_end(theirs)
  elseif options.stdout == "socket" then
    p.stdout = uv.new_pipe(false)
    stdio[2] = p.stdout
  else
    stdio[2], p.stdout_ended = options.stdout, true
  end
  if (options.stderr or "pipe") == "pipe" then
    local ours, theirs = output_pipe()
    p.stderr, stdio[3] = ours, child_end(theirs)
  else
    stdio[3], p.stderr_ended = options.stderr == "stdout" and stdio[2] or options.stderr, true
  end

  local handle, pid = uv.spawn(options.file, {
    args = options.args or {},
    stdio = stdio,
    cwd = options.cwd,
    env = environment(options.env),
  }, function(code, signal)
    p.exit_code, p.exit_signal = code, signal
    running[p] = nil
    ended[p] = true
    p.handle:close()
  end)
  for _, fd in ipairs(close_after) do
    uv.fs_close(fd)
  end
  if not handle then
    error(("cannot start %s: %s"):format(options.file, pid), 2)
  end
  p.handle, p.pid = handle, pid
  running[p] = true
  if p.stdout then
    start_reading(p)
  end
  if p.stderr then
    p.stderr:read_start(function(err, chunk)
      if err or not chunk then
        p.stderr_ended = true
      else
        p.stderr_text = p.stderr_text .. chunk
      end
    end)
  end
  return p
end

--- What to add to the message of a failure.
function Process:about()
  local text = self.stderr_text
  if #text > STDERR_SHOWN then
    text = "...\n" .. text:sub(-STDERR_SHOWN)
  end
  local state = self.exit_code and ("ended with status %d, signal %d"):format(self.exit_code, self.exit_signal) or "runs"
  local last = self.lines[#self.lines]
  local lines = last and ("; %d lines, last: %s"):format(#self.lines, last:sub(1, 300)) or ""
  return ("%s %s%s; stderr:\n%s"):format(self.name, state, lines, text)
end

--- As M.wait_until, but gives up as soon as the process has ended and everything it wrote has been read.
function Process:wait_until(condition, timeout_s, what)
  local function describe()
    return (what or "what was waited for") .. "\n" .. self:about()
  end
  return M.wait_until(function()
    local result = condition()
    if not result and self.exit_code and self.stdout_ended and self.stderr_ended then
      error("it ended before: " .. describe(), 0)
    end
    return result
  end, timeout_s, describe)
end

--- Queues bytes for stdin. `done(err)` when they have been written.
function Process:write(bytes, done)
  self.unwritten = (self.unwritten or 0) + 1
  self.stdin:write(bytes, function(err)
    self.unwritten = self.unwritten - 1
    self.write_error = self.write_error or err
    if done then
      done(err)
    end
  end)
end

function Process:send(line)
  self:write(line .. "\n")
end

--- Waits until everything queued for stdin has been taken.
function Process:wait_written(timeout_s)
  self:wait_until(function()
    return (self.unwritten or 0) == 0
  end, timeout_s, "input taken")
end

--- Closes stdin behind what is queued.
function Process:close_stdin()
  if self.stdin and not self.stdin:is_closing() then
    local pipe = self.stdin
    pipe:shutdown(function()
      if not pipe:is_closing() then
        pipe:close()
      end
    end)
  end
end

--- The next line of stdout that satisfies the predicate (default: any); earlier ones that do not are dropped.
function Process:expect_line(predicate, timeout_s, what)
  return self:wait_until(function()
    while self.lines[1] do
      local line = table.remove(self.lines, 1)
      if not predicate or predicate(line) then
        return line
      end
    end
    if self.stdout_ended and not self.lines[1] then
      error("stdout ended before: " .. (what or "a line") .. "\n" .. self:about(), 0)
    end
  end, timeout_s, what or "a line on stdout")
end

--- Waits until stderr has the plain text (or the pattern, if `is_pattern`).
function Process:expect_stderr(text, timeout_s, is_pattern)
  return self:wait_until(function()
    return self.stderr_text:find(text, 1, not is_pattern)
  end, timeout_s, ("%q on stderr"):format(text))
end

function Process:stop_reading()
  self.stdout:read_stop()
end

function Process:read_again()
  start_reading(self)
end

function Process:kill(signal)
  return self.handle:kill(signal or "sigterm")
end

--- Sends SIGSTOP and waits until the process stands still.
function Process:pause()
  self:kill "sigstop"
  M.poll_until(function()
    return self:status():find "State:%s+[Tt]"
  end, nil, "the process stopped")
end

function Process:resume()
  self:kill "sigcont"
end

--- /proc/PID/status, "" when the process is gone.
function Process:status()
  local file = io.open(("/proc/%d/status"):format(self.pid))
  if not file then
    return ""
  end
  local text = file:read "a"
  file:close()
  return text
end

--- Resident memory.
function Process:rss_bytes()
  return tonumber(self:status():match "VmRSS:%s+(%d+) kB" or 0) * 1024
end

--- Waits for the end, and for the last of stdout and stderr. Returns exit code, signal.
function Process:wait(timeout_s)
  self:wait_until(function()
    return self.exit_code
  end, timeout_s, "the end of the process")
  self:wait_until(function()
    return self.stdout_ended and self.stderr_ended
  end, timeout_s, "the end of its output (does a child hold it?)")
  return self.exit_code, self.exit_signal
end

--- Runs a program to its end with `input` on stdin. Returns the Process: exit_code, exit_signal, lines, partial, stderr_text.
function M.run(options, input, timeout_s)
  local p = M.spawn(options)
  if p.stdin then
    if input then
      p:write(input)
    end
    p:close_stdin()
  end
  p:wait(timeout_s)
  return p
end

--- Kills what still runs and frees the handles. After every test.
function M.reap()
  for p in pairs(running) do
    p.handle:kill "sigkill"
  end
  M.wait_until(function()
    return next(running) == nil
  end, nil, "killed processes gone")
  for p in pairs(ended) do
    for _, name in ipairs { "stdin", "stdout", "stderr" } do
      if p[name] and not p[name]:is_closing() then
        p[name]:close()
      end
    end
  end
  ended = {}
  uv.run "nowait"
end

return M
