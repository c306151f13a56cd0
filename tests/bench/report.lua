-- Runs every measurement of vortex-lua beside its reference and prints tables. Called by scripts/bench, from the top of
-- the checkout:
--   lua5.4 tests/bench/report.lua VORTEX WORK [--quick] [--callgrind] [--only node|simulator|raft] [--json FILE]
-- VORTEX is the binary, WORK a folder with the programs `driver` and `copyback`, where inputs are made too.
--
-- Ours and the references take turns within a round, so that a noisy spell of the machine meets both; a ratio is the
-- median of the rounds' ratios. Exit status: 0 if everything could be measured, whether or not a bar was reached.
package.path = "tests/bench/?.lua;" .. package.path
local raft = require "raft"
local simulator = require "simulator"
local tools = require "tools"

local fail, run, has, median, ratio, note = tools.fail, tools.run, tools.has, tools.median, tools.ratio, tools.note

local vortex, work = arg[1], arg[2]
local driver = tools.driver(work)
local quick, callgrind, only, json_path = false, false, nil, nil

local TRANSCRIPTS = "../shared/transcripts"
local ECHO = "examples/echo.lua"
local LUA_ECHO = "lua5.4 tests/bench/bare_echo.lua"

local PARTS = { node = true, simulator = true, raft = true }

local i = 3
while arg[i] do
  if arg[i] == "--quick" then
    quick = true
  elseif arg[i] == "--callgrind" then
    callgrind = true
  elseif arg[i] == "--json" and arg[i + 1] then
    i = i + 1
    json_path = arg[i]
  elseif arg[i] == "--only" and PARTS[arg[i + 1]] then
    i = i + 1
    only = arg[i]
  else
    fail("unknown option '%s'; there are --quick, --callgrind, --only node|simulator|raft and --json FILE", arg[i])
  end
  i = i + 1
end

---@class row
---@field what string
---@field unit string
---@field ours number
---@field reference number|nil
---@field reference_name string
---@field ratio number|nil
---@field bar string what is asked for; "" = nothing, the row is for orientation
---@field ok boolean|nil

local rows = {} ---@type row[]
local function row(fields)
  rows[#rows + 1] = fields
end

local init, line = work .. "/init.ndjson", work .. "/line.ndjson"

local function make_inputs(count)
  local requests = work .. "/requests.ndjson"
  run("lua5.4 tests/bench/make_echo.lua %d >%s", count, requests)
  run("sed -n 1p %s >%s", requests, init)
  run("sed -n 2p %s >%s", requests, line)
  return requests
end

local function echo_rate()
  local count, rounds = quick and 100000 or 400000, quick and 3 or 7
  local requests = make_inputs(count)
  local nodes = {
    { name = "vortex-lua", command = vortex .. " " .. ECHO },
    { name = "lua5.4+cjson", command = LUA_ECHO },
    { name = "cat", command = "cat" },
  }
  if has "node --version" then
    nodes[#nodes + 1] = { name = "Node.js", command = "node tests/bench/bare_echo.js" }
  end
  for _, node in ipairs(nodes) do
    node.rates = {}
  end
  note("echo, %d requests, %d rounds", count, rounds)
  for r = 1, rounds do
    for _, node in ipairs(nodes) do
      local lines, seconds = driver("pump %s %s", requests, node.command)
      if lines ~= count + 1 then
        fail("%s answered %d of %d requests", node.name, lines, count + 1)
      end
      node.rates[r] = lines / seconds
    end
  end
  local ours = nodes[1]
  for n = 2, #nodes do
    local node = nodes[n]
    local quotient = ratio(ours.rates, node.rates)
    local ok = nil
    if n == 2 then
      ok = quotient >= 2
    end
    row {
      what = "echo through pipes", unit = "replies/s", ours = median(ours.rates), reference = median(node.rates),
      reference_name = node.name, ratio = quotient, bar = n == 2 and ">= 2.00 x (aim 3)" or "", ok = ok,
    }
  end
end

local function round_trip()
  local count, rounds = quick and 5000 or 20000, quick and 3 or 5
  local p50, p99, base50, base99, over = {}, {}, {}, {}, {}
  note("round trip, %d messages, %d rounds", count, rounds)
  for r = 1, rounds do
    p50[r], p99[r] = driver("rtt %s %s %d %s %s", init, line, count, vortex, ECHO)
    base50[r], base99[r] = driver("rtt %s %s %d %s/copyback", init, line, count, work)
    over[r] = (p50[r] - base50[r]) / 1e3
  end
  local more = median(over)
  row {
    what = "round trip p50", unit = "us", ours = median(p50) / 1e3, reference = median(base50) / 1e3,
    reference_name = "copy back in C", ratio = ratio(p50, base50),
    bar = string.format("<= +10 us (is %+.1f)", more), ok = more <= 10,
  }
  row {
    what = "round trip p99", unit = "us", ours = median(p99) / 1e3, reference = median(base99) / 1e3,
    reference_name = "copy back in C", ratio = ratio(p99, base99), bar = "",
  }
end

local function codec()
  if not has("test -d " .. TRANSCRIPTS) then
    note("codec: skipped, there are no transcripts in " .. TRANSCRIPTS)
    return
  end
  local files = run("find %s -name '*.ndjson' | sort", TRANSCRIPTS):gsub("\n", " ")
  note "codec, on the transcripts"
  local out = work .. "/codec.out"
  run("%s tests/bench/codec.lua %s %d %s </dev/null", vortex, out, quick and 5 or 15, files)
  local bars = { decode = 1.5, encode = 2.0 }
  for text in io.lines(out) do
    local what, ours, theirs = text:match "^(%w+code) (%S+) (%S+)$"
    if what then
      local quotient = ours / theirs
      row {
        what = what .. " transcripts", unit = "MB/s", ours = tonumber(ours), reference = tonumber(theirs),
        reference_name = "lua-cjson", ratio = quotient,
        bar = string.format(">= %.2f x", bars[what]), ok = quotient >= bars[what],
      }
    end
  end
end

local function start_up()
  local count = quick and 20 or 50
  note "start-up and memory"
  local ours = driver("startup %s %d %s %s", init, count, vortex, ECHO) / 1e6
  local bare = driver("startup %s %d %s", init, count, LUA_ECHO) / 1e6
  row {
    what = "start to first reply", unit = "ms", ours = ours, reference = bare,
    reference_name = "lua5.4+cjson", ratio = ours / bare, bar = "<= 5 ms", ok = ours <= 5,
  }
  local rss, private = driver("idle %s %s %s", init, vortex, ECHO)
  local bare_rss, bare_private = driver("idle %s %s", init, LUA_ECHO)
  row {
    what = "memory of an idle node", unit = "kB RSS", ours = rss, reference = bare_rss,
    reference_name = "lua5.4+cjson", ratio = rss / bare_rss, bar = "<= 4096 kB", ok = rss <= 4096,
  }
  row {
    what = "  of that, not shared", unit = "kB", ours = private, reference = bare_private,
    reference_name = "lua5.4+cjson", ratio = private / bare_private, bar = "",
  }
end

---Instructions per message: the difference between a long and a short run, so that start-up does not count.
local function instructions()
  if not has "valgrind --version" then
    note "callgrind: skipped, valgrind is not installed"
    return
  end
  note "callgrind"
  local few, many = 1000, 11000
  local function collected(count, command)
    local requests = work .. "/callgrind.ndjson"
    run("lua5.4 tests/bench/make_echo.lua %d >%s", count, requests)
    return tools.instructions(work, command .. " <" .. requests)
  end
  local function per_message(command)
    return (collected(many, command) - collected(few, command)) / (many - few)
  end
  local ours, bare = per_message(vortex .. " " .. ECHO), per_message(LUA_ECHO)
  row {
    what = "instructions per echo", unit = "", ours = ours, reference = bare,
    reference_name = "lua5.4+cjson", ratio = ours / bare, bar = "",
  }
end

local function print_rows()
  local lines = { { "what", "unit", "vortex-lua", "reference", "", "ratio", "bar", "" } }
  for _, r in ipairs(rows) do
    local quotient = r.ratio and string.format("%.2f", r.ratio) or "-"
    lines[#lines + 1] = {
      r.what, r.unit, tools.number(r.ours), tools.number(r.reference), r.reference_name, quotient, r.bar, tools.verdict(r.ok),
    }
  end
  tools.print_table(lines, { [3] = true, [4] = true, [6] = true })
end

local results = {}
if not only or only == "node" then
  echo_rate()
  round_trip()
  codec()
  start_up()
  if callgrind then
    instructions()
  end
  print_rows()
  results.node = rows
end
if not only or only == "simulator" then
  results.simulator = simulator.measure { vortex = vortex, work = work, quick = quick, callgrind = callgrind }
end
if not only or only == "raft" then
  results.raft = raft.measure { vortex = vortex, work = work, quick = quick }
end
if json_path then
  local file = assert(io.open(json_path, "w"))
  file:write(require("cjson").encode(results), "\n")
  file:close()
end
