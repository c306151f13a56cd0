-- The simulator's part of scripts/bench. Bars are for a machine on which the bare lua5.4 + lua-cjson pipe loop
-- (bare_echo.lua) does 440,000 messages per second; so that loop is run in each round, and each round's figure is scaled
-- with it. Figures per processor second are scaled with what the loop does per second of its own processor time, those of
-- the clock with what it does by the clock, so that other work on the machine meets both alike.
local tools = require "tools"

local scale_rates, scale_times = tools.scale_rates, tools.scale_times

local M = {}

local HISTORIES = "../shared/histories"

local LOADS = {
  {
    what = "messages, a number in each", script = "tests/bench/count_on.lua", bar = 1000000, short = 2, long = 8,
    options = "-w echo --node-count 5 --concurrency 1 --rate 1",
  },
  {
    what = "messages, four fields in each", script = "tests/bench/pass_on.lua", bar = 1000000, short = 2, long = 8,
    options = "-w echo --node-count 5 --concurrency 1 --rate 1",
  },
  {
    what = "messages, rpc in tasks", script = "tests/bench/ask.lua", bar = 1000000, short = 2, long = 8,
    options = "-w echo --node-count 5 --concurrency 1 --rate 1",
  },
  {
    what = "messages, ABD register", script = "tests/correct/lin_kv_abd.lua", bar = 1000000, short = 20, long = 120,
    options = "-w lin-kv --node-count 5 --rate 100 --latency 5 --latency-dist exponential --nemesis partition",
  },
}

local PROXY = "-w lin-kv --node-count 5 --rate 100 --time-limit 60 --nemesis partition --seed 1 examples/lin_kv_proxy.lua"

-- Where virtual time against real time is published, from the lightest load to the heaviest.
local POINTS = {
  { what = "lin_kv_proxy, 5 nodes, 10/s", options = "-w lin-kv --node-count 5 --rate 10", script = "examples/lin_kv_proxy.lua" },
  { what = "lin_kv_proxy, 5 nodes, 100/s", options = "-w lin-kv --node-count 5 --rate 100", script = "examples/lin_kv_proxy.lua" },
  { what = "broadcast, 5 nodes, 10/s", options = "-w broadcast --node-count 5 --rate 10", script = "examples/broadcast.lua" },
  {
    what = "broadcast_fast, 25 nodes, 100/s, 100 ms", script = "examples/broadcast_fast.lua",
    options = "-w broadcast --node-count 25 --rate 100 --latency 100",
  },
  {
    what = "ABD register, 5 nodes, 100/s, 5 ms", script = "tests/correct/lin_kv_abd.lua",
    options = "-w lin-kv --node-count 5 --rate 100 --latency 5 --latency-dist exponential",
  },
}

local THOUSAND = "test -w broadcast --node-count 1000 --rate 10 --concurrency 10 --time-limit %d --seed 1 "
local LARGE = {
  { what = "broadcast, tree4", options = "--topology tree4 examples/broadcast.lua" },
  { what = "broadcast, grid", options = "--topology grid examples/broadcast.lua" },
  { what = "broadcast_fast", options = "examples/broadcast_fast.lua" },
}

local CAMPAIGNS = { "lin_kv_proxy", "broadcast", "g_counter_crdt", "unique_ids" }

---@class bench.simulator: { vortex: string, work: string, quick: boolean, callgrind: boolean }
local self
local driver, out
local rows

---@param fields { what: string, unit: string, raw: number, scaled: number?, bar: string?, ok: boolean?, note: string? }
local function row(fields)
  rows[#rows + 1] = fields
end

local function run_cost(format, ...)
  local seconds, cpu, status = driver("cost %s %s " .. format, out, self.vortex, ...)
  return seconds, cpu, status
end

local function count(text, pattern)
  local digits = text:match(pattern)
  return digits and tonumber((digits:gsub(",", ""))) or 0
end

---What the report of a run says: messages that were delivered (those of clients are two an operation), virtual seconds.
local function read_report()
  local text = tools.read(out)
  if not text:find "\nVALID\n" then
    tools.fail("the run was not valid:\n%s", text)
  end
  local operations = 0
  for digits in (text:match "\noperations[^\n]*" or ""):gmatch "%a+ ([%d,]+)" do
    operations = operations + tonumber((digits:gsub(",", "")))
  end
  local between = count(text, "\nmessages +([%d,]+) between") - count(text, "([%d,]+) cut") - count(text, "([%d,]+) lost")
  return between + 2 * operations, count(text, "\ntime +([%d.,]+) s virtual")
end

---One run: messages delivered, virtual seconds, real seconds, processor seconds.
local function simulate(options, seconds, script)
  local real, cpu, status = run_cost("test %s --time-limit %d --seed 1 %s", options, seconds, script)
  if status ~= 0 then
    tools.fail("exit status %d of a run of %s:\n%s", status, script, tools.read(out))
  end
  local messages, virtual = read_report()
  return messages, virtual, real, cpu
end

---Delivered messages per processor second, start-up and end left out: a long run less a short one.
local function rate(load)
  local few, _, _, short = simulate(load.options, load.short, load.script)
  local many, _, _, long = simulate(load.options, load.long, load.script)
  return (many - few) / (long - short)
end

local function histories()
  if not tools.has("test -d " .. HISTORIES) then
    tools.note("histories: skipped, there are none in %s", HISTORIES)
    return nil
  end
  local files = tools.run("find %s -name '*.log' -o -name '*.edn' | sort", HISTORIES)
  return select(2, files:gsub("\n", " ")), (files:gsub("\n", " "))
end

local function measure_rounds(rounds)
  local requests = self.work .. "/requests.ndjson"
  tools.run("lua5.4 tests/bench/make_echo.lua %d >%s", self.quick and 100000 or 200000, requests)
  local loop, loop_cpu = {}, {}
  local rates, proxy, proxy_cpu, judged, judged_cpu = {}, {}, {}, {}, {}
  local file_count, files = histories()
  tools.note("simulator, %d rounds", rounds)
  for r = 1, rounds do
    loop[r], loop_cpu[r] = tools.bare_loop(driver, requests)
    for i, load in ipairs(LOADS) do
      rates[i] = rates[i] or {}
      rates[i][r] = rate(load)
    end
    local status
    proxy[r], proxy_cpu[r], status = run_cost("test %s", PROXY)
    if status ~= 0 then
      tools.fail("exit status %d of %s", status, PROXY)
    end
    if files then
      judged[r], judged_cpu[r], status = run_cost("check -w lin-kv %s", files)
      if status ~= 1 then -- some of them are wrong
        tools.fail("exit status %d of the check of %s", status, HISTORIES)
      end
    end
  end

  for i, load in ipairs(LOADS) do
    local scaled = scale_rates(rates[i], loop_cpu)
    row {
      what = load.what, unit = "/s and core", raw = tools.median(rates[i]), scaled = scaled,
      bar = string.format(">= %d", load.bar), ok = scaled >= load.bar,
    }
  end
  local function times(what, values, cpu, bar_ms)
    local scaled = scale_times(values, loop) * 1e3
    row {
      what = what, unit = "ms", raw = tools.median(values) * 1e3, scaled = scaled,
      bar = string.format("<= %d", bar_ms), ok = scaled <= bar_ms,
    }
    row { what = "  of the processor", unit = "ms", raw = tools.median(cpu) * 1e3, scaled = scale_times(cpu, loop_cpu) * 1e3 }
  end
  times("lin_kv_proxy, 60 s, partitions", proxy, proxy_cpu, 100)
  if files then
    times(string.format("judging %d histories", file_count), judged, judged_cpu, 500)
  end
  return tools.median(loop), tools.median(loop_cpu)
end

local function thousand_nodes()
  local limit = self.quick and 2 or 10
  for i, case in ipairs(LARGE) do
    if i == 1 or not self.quick then
      tools.note("1,000 nodes, %s", case.what)
      local command = string.format(THOUSAND, limit) .. case.options
      local largest, sum, status = driver("memory %s %s %s", out, self.vortex, command)
      if status ~= 0 then
        tools.fail("exit status %d of %s", status, command)
      end
      local messages, virtual = read_report()
      row {
        what = "1,000 nodes, " .. case.what, unit = "MB", raw = largest / 1024, bar = "<= 200", ok = sum / 1024 <= 200,
        note = string.format("with the parent %.1f MB; %d messages in %.0f s", sum / 1024, messages, virtual),
      }
    end
  end
end

---Seconds that a campaign took, by the clock and of the processors, and how many times as fast as real time it says it was.
local function campaign(script, seeds, jobs, nemesis)
  local seconds, cpu, status = run_cost("test --nemesis %s --seeds %d --jobs %d examples/%s.lua", nemesis, seeds, jobs, script)
  local text = tools.read(out)
  local factor = text:match "%(([%d,]+) times as fast%)"
  if status ~= 0 or not factor then
    tools.fail("exit status %d of a campaign of %s:\n%s", status, script, text)
  end
  return seconds, cpu, tonumber((factor:gsub(",", "")))
end

local function campaigns(rounds)
  local seeds, nemesis = self.quick and 40 or 200, "partition,loss,duplicate,pause,slow,clock"
  for _, script in ipairs(CAMPAIGNS) do
    tools.note("campaigns, %s", script)
    local one, two, one_cpu, two_cpu, factors = {}, {}, {}, {}, {}
    for r = 1, rounds do
      one[r], one_cpu[r] = campaign(script, seeds, 1, nemesis)
      two[r], two_cpu[r], factors[r] = campaign(script, seeds, 2, nemesis)
    end
    row {
      what = "campaign, 2 jobs, " .. script, unit = "runs/s", raw = seeds / tools.median(two),
      note = string.format(
        "%.2f times that of 1 job, with %.2f times the processor time; %.1f virtual hours a minute",
        tools.ratio(one, two), tools.ratio(two_cpu, one_cpu), tools.median(factors) / 60
      ),
    }
  end
end

---Virtual seconds per second of processor time, as measured over the whole run, and by the formula, that is without start-up.
local function points(rounds)
  local lines = { { "virtual / cpu time, runs of 60 s", "messages / virtual s", "messages / cpu s", "formula", "measured" } }
  local list = {}
  for _, point in ipairs(POINTS) do
    tools.note("virtual time, %s", point.what)
    local messages, virtual, cpus = 0, 0, {}
    for r = 1, rounds do
      messages, virtual, _, cpus[r] = simulate(point.options, 60, point.script)
    end
    local short, short_virtual, shorts = 0, 0, {}
    for r = 1, rounds do
      short, short_virtual, _, shorts[r] = simulate(point.options, 10, point.script)
    end
    local cpu = tools.median(cpus)
    local per_second = (messages - short) / (virtual - short_virtual)
    local per_cpu = (messages - short) / (cpu - tools.median(shorts))
    local p = {
      what = point.what, messages_per_virtual_s = per_second, messages_per_cpu_s = per_cpu, virtual_per_cpu = virtual / cpu,
    }
    list[#list + 1] = p
    lines[#lines + 1] = {
      p.what, tools.number(per_second), tools.number(per_cpu), tools.number(per_cpu / per_second), tools.number(virtual / cpu),
    }
  end
  return lines, list
end

---Instructions of the run of lin_kv_proxy. A run happens in a worker, which its parent ends with a signal before callgrind has
---written anything: so the worker is started by hand, with the one task that its parent would send (lab/worker.c).
local function instructions()
  if not tools.has "valgrind --version" then
    tools.note "callgrind: skipped, valgrind is not installed"
    return
  end
  tools.note "callgrind, lin_kv_proxy"
  local task = self.work .. "/task.bin"
  local file = assert(io.open(task, "wb"))
  file:write(string.pack("=I8I4I4I8", 1, 0, 0, 0)) -- seed, flags, purpose, length of the path
  file:close()
  local total = tools.instructions(
    self.work, string.format("%s test --worker-fds=3,4 %s 3<%s 4>%s", self.vortex, PROXY, task, out)
  )
  if not tools.read(out):find("operations   ok", 1, true) then
    tools.note "callgrind: no figure; the worker took its slowness for a script that does not end"
    return
  end
  run_cost("test %s", PROXY)
  row {
    what = "lin_kv_proxy, 60 s, partitions", unit = "million instructions", raw = total / 1e6,
    note = string.format("%.0f per message", total / read_report()),
  }
end

---@param settings bench.simulator
---@return table figures for the file of --json
function M.measure(settings)
  self, driver, out, rows = settings, tools.driver(settings.work), settings.work .. "/simulator.out", {}
  local rounds = self.quick and 3 or 9
  local loop, loop_cpu = measure_rounds(rounds)
  thousand_nodes()
  campaigns(self.quick and 1 or 3)
  local lines, list = points(self.quick and 1 or 5)
  if self.callgrind then
    instructions()
  end

  print(string.format("\nsimulator; bare loop here: %.0f messages/s by the clock, %.0f per second of its processor time", loop, loop_cpu))
  local cells = { { "what", "unit", "measured", "at 440,000/s", "bar", "", "" } }
  for _, r in ipairs(rows) do
    local scaled = r.scaled and tools.number(r.scaled) or ""
    cells[#cells + 1] = { r.what, r.unit, tools.number(r.raw), scaled, r.bar or "", tools.verdict(r.ok), r.note or "" }
  end
  tools.print_table(cells, { [3] = true, [4] = true })
  print ""
  tools.print_table(lines, { [2] = true, [3] = true, [4] = true, [5] = true })
  return { loop = loop, loop_cpu = loop_cpu, rows = rows, points = list }
end

return M
