--- Applies each patch of this folder to a copy of the tree, builds, and runs what its header names until that finds the bug.
---
---   lua5.4 tests/mutants/run.lua TREE BUILD [--quick] [--write] [NAME...]
---
--- The header of a patch, before the diff:
---
---   What the bug is, in a line or two.
---
---   run: raft_steps --steps 20000
---   run: vortex-lua test -w lin-kv --nemesis kill --time-limit 20 examples/lin_kv.lua
---   finds: election safety
---   quick
---
--- `run` is a detector: it gets `--seeds A-B`, prints `seed N: …` for a seed that it fails on, and fails then. They are tried in the order given;
--- the first that finds the bug counts, with the number of seeds that it took. `finds` is a Lua pattern that the output must hold. `quick`:
--- it is found at once, so `scripts/check` runs it too.
local HERE = arg[0]:match "^(.*)/[^/]*$" or "."
local SEEDS_MAX = 2000        -- a detector that has found nothing in so many seeds has not found it
local STARTS = { 1, 10001, 20001, 30001, 40001 } -- of seeds: the median of so many searches is told
local WALL_LIMIT = 900        -- seconds for one command

local function read(path)
  local file <close> = assert(io.open(path, "r"))
  return file:read "a"
end

local function run(command)
  local pipe = assert(io.popen("{ " .. command .. "; } 2>&1", "r"))
  local output = pipe:read "a"
  return pipe:close() == true, output
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
      options.names[arg[i]:match "([^/]-)%.?[patch]*$" or arg[i]] = true
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
---@field finds string pattern
---@field quick boolean

---@return mutant
local function parse(path)
  local mutant = { path = path, name = path:match "([^/]+)%.patch$", runs = {}, what = "" }
  for line in (read(path):match "^(.-)\n%-%-%- " or ""):gmatch "[^\n]*" do
    local key, value = line:match "^(%l+):%s*(.+)$"
    if key == "run" then
      mutant.runs[#mutant.runs + 1] = value
    elseif key == "finds" then
      mutant.finds = value
    elseif line == "quick" then
      mutant.quick = true
    elseif line ~= "" and not line:find "^diff " and not line:find "^index " then
      mutant.what = (mutant.what .. " " .. line):gsub("^ ", "")
    end
  end
  assert(#mutant.runs > 0 and mutant.finds, path .. ": its header names no run or no finds")
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

-- The command of a detector over some seeds, in the build of the copy.
local function command_of(options, detector, first, last)
  local program, rest = detector:match "^(%S+)%s*(.*)$"
  local path = program == "vortex-lua" and "src/app/vortex-lua" or "tests/" .. program
  local binary = options.build .. "/" .. path
  if program == "vortex-lua" then
    binary = options.vortex
    rest = rest:gsub("^test", ("test --seeds %d-%d"):format(first, last))
    rest = rest:gsub("%S+%.lua", options.tree .. "/%0")
  else
    rest = ("--seeds %d-%d %s"):format(first, last, rest)
  end
  return ("timeout -k 5 %d %s %s"):format(WALL_LIMIT, binary, rest)
end

-- How many seeds from `start` on it takes until the detector fails, and its output; nil if it never does.
local function search(options, mutant, detector, start)
  local first, step = start, 4
  while first < start + SEEDS_MAX do
    local last = math.min(first + step, start + SEEDS_MAX) - 1
    local ok, output = run(command_of(options, detector, first, last))
    if not ok then
      local found
      for seed in output:gmatch "seed (%d+):" do
        found = math.min(found or math.maxinteger, tonumber(seed))
      end
      if output:find(mutant.finds) then
        return (found or first) - start + 1, output
      end
      return nil, output -- something else: the caller says so
    end
    first, step = last + 1, step * 2
  end
  return nil, "found nothing in " .. SEEDS_MAX .. " seeds"
end

local function build(options)
  return run(("cmake --build %s --target vortex-lua raft_steps"):format(options.build))
end

local function median(list)
  table.sort(list)
  return list[(#list + 1) // 2]
end

-- What caught it and the median number of seeds; nil and why if nothing did.
local function catch(options, mutant)
  local told = {}
  for _, detector in ipairs(mutant.runs) do
    local counts = {}
    for i = 1, options.quick and 1 or #STARTS do
      local count, output = search(options, mutant, detector, STARTS[i])
      if not count then
        told[#told + 1] = detector .. "\n" .. output:sub(-1500)
        counts = nil
        break
      end
      counts[i] = count
    end
    if counts then
      return detector, median(counts)
    end
  end
  return nil, table.concat(told, "\n")
end

local function try(options, mutant)
  local patch = ("patch -p1 -s -d %s < %s"):format(options.tree, quote(mutant.path))
  local ok, output = run(patch)
  if not ok then
    return nil, "the patch does not apply:\n" .. output
  end
  local caught, told
  ok, output = build(options)
  if ok then
    caught, told = catch(options, mutant)
  else
    told = "it does not build:\n" .. output:sub(-2000)
  end
  assert(run(("patch -R -p1 -s -d %s < %s"):format(options.tree, quote(mutant.path))), "a patch could not be taken back")
  return caught, told
end

local function write_table(rows)
  local file <close> = assert(io.open("docs/mutants.md", "w"))
  file:write [[
# Mutants

Known bugs of consensus, re-created one at a time in a copy of the tree (`tests/mutants/NAME.patch`), and what finds them. `scripts/mutants` builds
each, runs the detector over seeds until it fails with the words that the patch names, five times from different seeds, and writes this table.
`raft_steps` is the random simulation of bare cores (`tests/raft/steps.c`); `vortex-lua test` runs whole clusters of a script. The number is the
median of how many runs it took.

| mutant | the bug | found by | runs |
|---|---|---|---:|
]]
  for _, row in ipairs(rows) do
    file:write(("| `%s` | %s | `%s` | %d |\n"):format(row[1], row[2], row[3], row[4]))
  end
end

local options = parse_arguments()
local list = mutants(options)
local ok, output = build(options)
if not ok then
  io.stderr:write(output)
  os.exit(1)
end
local found <close> = assert(io.popen("find " .. quote(options.build) .. " -name vortex-lua -type f -perm -u+x", "r"))
options.vortex = found:read "l"

local rows, passed, failed = {}, 0, 0
for _, mutant in ipairs(list) do
  local caught, told = try(options, mutant)
  if caught then
    passed = passed + 1
    rows[#rows + 1] = { mutant.name, mutant.what, caught, told }
    print(("%-40s caught after %4d: %s"):format(mutant.name, told, caught))
  else
    failed = failed + 1
    print(("%-40s NOT CAUGHT"):format(mutant.name))
    print((told:gsub("\n", "\n    ")))
  end
  io.stdout:flush()
end
ok, output = build(options)
if not ok then
  failed = failed + 1
  print("the tree does not build again:\n" .. output)
end
if options.write and failed == 0 and not options.some and not options.quick then
  write_table(rows)
end
print(("%d caught, %d not"):format(passed, failed))
os.exit(failed == 0)
