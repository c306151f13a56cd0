--- Runs of `vortex-lua test` with what they leave behind: the report, the history, the messages, the events, the nodes' logs.
local lu = require "luaunit"

local json = require "support.json"
local maelstrom = require "support.maelstrom"
local process = require "support.process"
local scratch = require "support.scratch"

local M = {}

local Trial = {}
Trial.__index = Trial

local count = 0

local function as_arguments(text, list)
  for word in text:gmatch "%S+" do
    list[#list + 1] = word
  end
  return list
end

--- Runs the command to its end. `args` is a list. Returns the process with `text`, its whole stdout.
function M.command(args, options)
  options = options or {}
  local p = process.run({
    file = options.file or maelstrom.binary,
    args = args,
    cwd = options.cwd,
    env = options.env,
  }, "", options.timeout_s or 60)
  p.text = table.concat(p.lines, "\n") .. "\n"
  return p
end

--- One run of a seed, kept.
---   source | script   the service's text, or its path
---   options           the options in one string, without --keep; "--seed 1" is added if it names no seed
---   env, cwd, timeout_s, file, before (arguments that precede those of the binary)
---   status            what the exit status must be (default 0; false: anything)
function M.run(t)
  count = count + 1
  local script = t.script or scratch.script(t.source)
  local options = t.options or ""
  if not options:find "%-%-seeds? " then
    options = "--seed 1 " .. options
  end
  local keep = ("%s/trial_%d"):format(scratch.folder(), count)
  local args = as_arguments(options, t.before or {})
  table.insert(args, #args - select(2, options:gsub("%S+", "")) + 1, "test")
  table.move({ "--keep", keep, script }, 1, 3, #args + 1, args)
  local p = M.command(args, t)
  local trial = setmetatable({
    process = p,
    script = script,
    status = p.exit_code,
    text = p.text,
    stderr_text = p.stderr_text,
    trace = p.text:match "\ntrace +(%x+)\n",
    verdict = p.text:match "\n(%u+)[^\n]*\n$" or p.text:match "\n(%u+): [^\n]*\nTo see ",
    folder = ("%s/seed-%s"):format(keep, options:match "%-%-seeds? (%d+)"),
  }, Trial)
  if t.status ~= false then
    lu.assertEquals({ p.exit_code, p.exit_signal }, { t.status or 0, 0 }, p.text .. p.stderr_text)
  end
  return trial
end

function Trial:path(name)
  return self.folder .. "/" .. name
end

--- The objects of one of the files of JSON lines.
function Trial:lines(name)
  local list = {}
  for line in io.lines(self:path(name)) do
    list[#list + 1] = json.decode(line)
  end
  return list
end

--- What a node logged, as one text.
function Trial:log(id)
  return scratch.read(self:path("node-logs/" .. id .. ".log"))
end

--- The log's lines that end in `word` and more, each { at = seconds, ... the captures of the pattern ... }.
function Trial:logged(id, pattern)
  local list = {}
  for line in self:log(id):gmatch "[^\n]+" do
    local found = { line:match(pattern) }
    if found[1] then
      found.at = tonumber(line:match "^%s*([%d.]+)")
      list[#list + 1] = found
    end
  end
  return list
end

--- The faults: { kind, what, from, to } in seconds, in the order in which they began.
function Trial:faults()
  local list, open = {}, {}
  for _, event in ipairs(self:lines "events.jsonl") do
    if event.kind == "fault" then
      local fault = { kind = event.what:match "^[%w-]+", what = event.what, from = event.time / 1e9 }
      list[#list + 1], open[event.what] = fault, fault
    elseif event.kind == "fault-end" then
      lu.assertNotNil(open[event.what], event.what)
      open[event.what].to, open[event.what] = event.time / 1e9, nil
    end
  end
  lu.assertEquals(next(open), nil, "a fault never ended")
  return list
end

--- The node ids in a text, as a set and a number.
function M.ids_in(text)
  local set, n = {}, 0
  for id in text:gmatch "%f[%w]n%d+" do
    set[id], n = true, n + 1
  end
  return set, n
end

--- Everything of a report but the times on this machine.
function M.without_times(text)
  return (text:gsub("real time [^\n]*", ""))
end

--- Runs a line as a person would who copies it into a shell.
function M.shell(line, cwd)
  return M.command({ "-c", line }, { file = "/bin/sh", cwd = cwd })
end

--- The verdict of `vortex-lua check` on a stored history: exit status, output.
function M.check(workload, file)
  local p = M.command { "check", "-w", workload, file }
  return p.exit_code, p.text .. p.stderr_text
end

return M
