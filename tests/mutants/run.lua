--- Applies each patch of this folder to a copy of the tree, builds, and runs what its header names until that finds the bug.
---
---   lua5.4 tests/mutants/run.lua TREE BUILD [--quick] [--write] [NAME...]
---
--- The header of a patch, before the diff:
---
---   What the bug is, in a line or two.
---
---   run: test_raft_steps --steps 20000
---   run: vortex-lua test -w lin-kv --nemesis kill --time-limit 20 examples/lin_kv.lua
---   finds: election safety
---   quick
---
--- `run` is a detector: a program over seeds, which gets `--seeds`, prints `seed N: …` for each that it fails on, and fails; or another
--- program of the tests, which runs as it is. They are tried in the order given; the first that finds the bug counts, with the number of
--- runs that it took. `finds`: a Lua pattern that what it says must hold, if not any failure will do. `seeds`: how many to
--- try, if it takes long. `quick`: it is found at once.
local HERE = arg[0]:match "^(.*)/[^/]*$" or "."
local SEEDS_MAX = 400 -- a detector that has found nothing in so many seeds has not found it, unless the patch says otherwise
local STARTS = { 1, 10001, 20001, 30001, 40001 } -- of seeds: the median of so many searches is told
local WALL_LIMIT = 120 -- seconds for one command

local function read(path)
  local file <close> = assert(io.open(path, "r"))
  return file:read "a"
end

local function run(command)
  local pipe = assert(io.popen("{ " .. command .. "; } 2>&1", "r"))
  local output = pipe:read "a"
  return pipe:close() == true, output
end

-- The pairs of a table by ascending key.
local function order_of(of)
  local keys = {}
  for key in pairs(of) do -- order-free
    keys[#keys + 1] = key
  end
  table.sort(keys)
  local i = 0
  return function()
    i = i + 1
    return keys[i], of[keys[i]]
  end
end

local function quote(word)
  return "'" .. word:gsub("'", [['\'']]) .. "'"
end

local function parse_arguments()
  local options = { tree = arg[1], build = arg[2], names = {} }
  for i = 3, #arg do
    if arg[i] == "--quick" then
      options.quick = true
    elseif arg[i] == "--write" then
      options.write = true
    elseif arg[i]:sub(1, 1) == "-" then
      io.stderr:write("mutants: no option ", arg[i], "\n")
      os.exit(2)
    else
      options.names[(arg[i]:match("([^/]*)$"):gsub("%.patch$", ""))] = true
      options.some = true
    end
  end
  return options
end

---@class mutant
---@field name string
---@field path string
---@field what string the bug, in one line
---@field runs string[] detectors
---@field finds string? pattern
---@field seeds integer how many to try
---@field quick boolean

---@return mutant
local function parse(path)
  local mutant = { path = path, name = path:match "([^/]+)%.patch$", runs = {}, what = "", seeds = SEEDS_MAX }
  for line in (read(path):match "^(.-)\n%-%-%- " or ""):gmatch "[^\n]*" do
    local key, value = line:match "^(%l+):%s*(.+)$"
    if key == "run" then
      mutant.runs[#mutant.runs + 1] = value
    elseif key == "finds" then
      mutant.finds = value
    elseif key == "seeds" then
      mutant.seeds = assert(tonumber(value))
    elseif line == "quick" then
      mutant.quick = true
    elseif line ~= "" and not line:find "^diff " and not line:find "^index " then
      mutant.what = (mutant.what .. " " .. line):gsub("^ ", "")
    end
  end
  assert(#mutant.runs > 0, path .. ": its header names no run")
  return mutant
end

local function mutants(options)
  local list = {}
  local pipe <close> = assert(io.popen("ls " .. quote(HERE) .. "/*.patch", "r"))
  for path in pipe:lines() do
    local mutant = parse(path)
    if (not options.some or options.names[mutant.name]) and (not options.quick or mutant.quick) then
      list[#list + 1] = mutant
    end
  end
  return list
end

-- The program of a detector, its path, and whether it takes seeds.
local function program_of(options, detector)
  local program = detector:match "^%S+"
  local lab = program == "vortex-lua"
  return program, options.build .. (lab and "/" or "/tests/") .. program, lab or program == "test_raft_steps"
end

-- The command of a detector over some seeds.
local function command_of(options, detector, first, last)
  local program, path, seeds = program_of(options, detector)
  local rest = detector:sub(#program + 1)
  if program == "vortex-lua" then
    rest = rest:gsub("^ test", (" test --seeds %d-%d"):format(first, last)):gsub("%S+%.lua", options.tree .. "/%0")
  elseif seeds then
    rest = (" --seeds %d..%d%s"):format(first, last, rest)
  end
  return ("timeout -k 5 %d %s%s"):format(WALL_LIMIT, path, rest)
end

-- What a detector says of what it found.
local function words_of(output)
  local words = output:match "seed %d+: ([^\n]*)" or output:match "([^\n]*[Aa]ssert[^\n]*)" or output:match "([^\n]*ERROR[^\n]*)"
    or output:match "([^\n]*)\n*$"
  return (words:gsub("^%S+:%d+: ", ""))
end

-- How many seeds from `start` on it takes until the detector fails, and what it says then; nil if it never does.
local function search(options, mutant, detector, start)
  local _, _, seeds = program_of(options, detector)
  local stop = start + (seeds and mutant.seeds or 1)
  local first, step = start, 4
  while first < stop do
    local last = math.min(first + step, stop) - 1
    local ok, output = run(command_of(options, detector, first, last))
    if not ok then
      local found
      for seed in output:gmatch "seed (%d+):" do
        found = math.min(found or math.maxinteger, tonumber(seed))
      end
      if not found and last > first then -- it has crashed: at which one?
        step = 1
        goto again
      end
      if not mutant.finds or output:find(mutant.finds) then
        return (found or first) - start + 1, words_of(output)
      end
      return nil, output -- something else: the caller says so
    end
    first, step = last + 1, step == 1 and 1 or step * 2
    ::again::
  end
  return nil, "found nothing in " .. stop - start .. " runs"
end

-- Builds what some mutants' detectors need.
local function build(options, list)
  local targets, seen = "", {}
  for _, mutant in ipairs(list) do
    for _, detector in ipairs(mutant.runs) do
      local program = program_of(options, detector)
      targets = targets .. (seen[program] and "" or " " .. program)
      seen[program] = true
    end
  end
  return run(("cmake --build %s --target%s -- -j2"):format(options.build, targets))
end

local function median(list)
  table.sort(list)
  return list[(#list + 1) // 2]
end

-- How far each detector had to go from each start to find a mutant: so far the tree as it is has to pass.
local reach = {}

local function note_reach(detector, start, count)
  reach[detector] = reach[detector] or {}
  reach[detector][start] = math.max(reach[detector][start] or 0, count)
end

-- Nil, or what a detector finds in the tree without any patch.
local function complain(options)
  for detector, starts in order_of(reach) do
    for start, count in order_of(starts) do
      local ok, output = run(command_of(options, detector, start, start + count - 1))
      if not ok then
        return ("the tree without any patch fails: %s, from seed %d on\n%s"):format(detector, start, output:sub(-1500))
      end
    end
  end
end

-- What caught it, the median number of runs, and what it said; nil and why if nothing did.
local function catch(options, mutant)
  local told = {}
  for _, detector in ipairs(mutant.runs) do
    local counts, words = {}, nil
    local _, _, seeds = program_of(options, detector)
    for i = 1, (options.quick or not seeds) and 1 or #STARTS do
      local count, said = search(options, mutant, detector, STARTS[i])
      if not count then
        told[#told + 1] = detector .. "\n" .. said:sub(-1500)
        counts = nil
        break
      end
      counts[i] = count
      note_reach(detector, STARTS[i], count)
      words = words or said
    end
    if counts then
      return detector, median(counts), words
    end
  end
  return nil, table.concat(told, "\n")
end

local function try(options, mutant)
  local patch = ("patch -p1 -s --no-backup-if-mismatch -d %s < %s"):format(options.tree, quote(mutant.path))
  local ok, output = run(patch .. " --dry-run")
  if not ok then
    return nil, "the patch does not apply:\n" .. output
  end
  assert(run(patch))
  local caught, told, words
  ok, output = build(options, { mutant })
  if ok then
    caught, told, words = catch(options, mutant)
  else
    told = "it does not build:\n" .. output:sub(-2000)
  end
  assert(run(patch .. " -R"), "a patch could not be taken back")
  return caught, told, words
end

local function cell(text)
  return (text:gsub("|", "\\|"))
end

local function write_table(rows)
  local file <close> = assert(io.open("docs/mutants.md", "w"))
  file:write [[
# Mutants

Known bugs of consensus, of the log and of sessions, re-created one at a time in a copy of the tree (`tests/mutants/NAME.patch`), and
what finds them. `scripts/mutants` builds each, runs the detector over seeds until it fails, five times from different seeds, and writes
this table with `--write`.
`test_raft_steps` is the random simulation of bare cores (`tests/raft/steps.c`); `vortex-lua test` runs whole clusters of a
script; other programs are tests of one part, where no simulation can see the bug. The number is the median of how many runs it took.

| mutant | the bug | found by | runs | what it said first |
|---|---|---|---:|---|
]]
  for _, row in ipairs(rows) do
    local said = #row[5] > 160 and row[5]:sub(1, 160) .. "…" or row[5]
    file:write(("| `%s` | %s | `%s` | %d | %s |\n"):format(row[1], cell(row[2]), cell(row[3]), row[4], cell(said)))
  end
end

local options = parse_arguments()
local list = mutants(options)
local ok, output = build(options, list)
if not ok then
  io.stderr:write(output)
  os.exit(1)
end

local rows, passed, failed = {}, 0, 0
for _, mutant in ipairs(list) do
  local caught, told, words = try(options, mutant)
  if caught then
    passed = passed + 1
    rows[#rows + 1] = { mutant.name, mutant.what, caught, told, words }
    print(("%-32s caught after %3d: %s\n  %s"):format(mutant.name, told, caught, words))
  else
    failed = failed + 1
    print(("%-32s NOT CAUGHT\n  %s"):format(mutant.name, (told:gsub("\n", "\n  "))))
  end
  io.stdout:flush()
end
ok, output = build(options, list)
if not ok then
  failed = failed + 1
  print("the tree does not build again:\n" .. output)
else
  local complaint = complain(options)
  if complaint then
    failed = failed + 1
    print(complaint)
  end
end
if options.write and failed == 0 and not options.some and not options.quick then
  write_table(rows)
end
print(("%d caught, %d not"):format(passed, failed))
os.exit(failed == 0)
