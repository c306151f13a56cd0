--- Runs the campaigns that scripts name in their headers, and holds what comes out against what they promise:
---
---   lua5.4 tests/campaign/run.lua build/release/vortex-lua [--seeds-factor F] [--seeds N] [--jobs N] SCRIPT...
---
--- A script in a folder named broken/ must be found invalid, with the words of its line `-- convicted of:` in the verdict; every other
--- one must be valid, in all its campaigns. --seeds replaces the number of seeds, --seeds-factor multiplies it. One line per campaign:
--- the outcome, seconds, the number of seeds, the first seed that failed. Exit status 1 if a promise was not kept.
package.path = (arg[0]:match "^(.*/)" or "./") .. "?.lua;" .. package.path
local support = require "support"

local WALL_LIMIT = 1800 -- seconds; a campaign that takes longer hangs
local TOLD = 60         -- lines of a campaign that did not keep its promise

local function usage(why)
  io.stderr:write("run.lua: ", why, "\nusage: run.lua VORTEX [--seeds-factor F] [--seeds N] [--jobs N] SCRIPT...\n")
  os.exit(2)
end

local function parse_arguments()
  local options, i = { scripts = {}, factor = 1 }, 2
  options.vortex = arg[1] or usage "which vortex-lua?"
  while arg[i] do
    local value = tonumber(arg[i + 1])
    if arg[i] == "--seeds-factor" then
      options.factor, i = value or usage "--seeds-factor wants a number", i + 1
    elseif arg[i] == "--seeds" then
      options.seeds, i = math.tointeger(value) or usage "--seeds wants an integer", i + 1
    elseif arg[i] == "--jobs" then
      options.jobs, i = math.tointeger(value) or usage "--jobs wants an integer", i + 1
    elseif arg[i]:sub(1, 1) == "-" then
      usage("no option " .. arg[i])
    else
      options.scripts[#options.scripts + 1] = arg[i]
    end
    i = i + 1
  end
  return options
end

local function scaled(seeds, options)
  local first, last = seeds:match "^(%d+)%-(%d+)$"
  first, last = tonumber(first or 1), tonumber(last or seeds)
  local count = options.seeds or math.max(1, math.ceil((last - first + 1) * options.factor))
  return count, ("%d-%d"):format(first, first + count - 1)
end

-- The campaign's command line, and how many seeds it runs.
local function command_of(words, path, options)
  local seeds, place = support.option(words, "--seeds")
  if not seeds then
    error(path .. ": its campaign names no --seeds", 0)
  elseif words[#words]:match "[^/]+$" ~= path:match "[^/]+$" then
    error(path .. ": its campaign runs " .. words[#words], 0)
  end
  local count, range = scaled(seeds, options)
  local own = { options.vortex, "test" }
  table.move(words, 1, #words - 1, 3, own)
  own[place + 2] = range
  if options.jobs then
    table.move({ "--jobs", tostring(options.jobs) }, 1, 2, #own + 1, own)
  end
  own[#own + 1] = path
  return ("timeout -k 10 %d %s"):format(WALL_LIMIT, support.join(own)), count
end

local VERDICTS = { INVALID = true, UNKNOWN = true, BROKEN = true, NONDETERMINISM = true }

local function first_failed(output)
  local first
  for seed, verdict in output:gmatch "seed (%d+): (%u+):" do
    seed = VERDICTS[verdict] and math.tointeger(tonumber(seed))
    first = seed and (not first or seed < first) and seed or first
  end
  return first
end

-- What is wrong with the outcome of a campaign; nil if it is what it should be.
local function objection(output, status, conviction)
  if not conviction then
    return status ~= 0 and ("exit status %d, not 0"):format(status) or nil
  elseif status ~= 1 then
    return ("exit status %d, not 1: it got away with it"):format(status)
  elseif not output:lower():find(conviction:lower(), 1, true) then
    return ("invalid, but nothing says %q"):format(conviction)
  end
end

local function tail(text)
  local lines = {}
  for line in text:gmatch "[^\n]*\n?" do
    lines[#lines + 1] = line
  end
  return table.concat(lines, "", math.max(1, #lines - TOLD))
end

local function run(path, options)
  local commands, conviction = support.header(path, "vortex-lua")
  if #commands == 0 then
    error(path .. ": no campaign in its header", 0)
  elseif path:find "/broken/[^/]*$" and not conviction then
    error(path .. ": a broken service without a line `-- convicted of:`", 0)
  end
  local kept = true
  for _, words in ipairs(commands) do
    local command, count = command_of(words, path, options)
    local began = support.now()
    local output, status = support.capture(command)
    local wrong = objection(output, status, conviction)
    local failed = status ~= 0 and first_failed(output)
    print(("%-6s %-36s %7.2f s %6d seeds%s"):format(
      wrong and "FAILED" or conviction and "found" or "valid",
      support.name(path),
      support.now() - began,
      count,
      failed and ", first seed " .. failed or ""
    ))
    if wrong then
      kept = false
      print(("  %s\n  %s\n%s"):format(wrong, command, tail(output)))
    end
    io.stdout:flush()
  end
  return kept
end

local options = parse_arguments()
local broken_promises = 0
for _, path in ipairs(options.scripts) do
  local ok, kept = pcall(run, path, options)
  if not ok then
    print("FAILED " .. tostring(kept))
  end
  broken_promises = broken_promises + (ok and kept and 0 or 1)
end
os.exit(broken_promises == 0 and #options.scripts > 0)
