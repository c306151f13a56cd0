-- Raft's part of scripts/bench: the bare core, a state machine in Lua on three nodes in one process, a simulated cluster. Bars are for a
-- machine on which the bare lua5.4 + lua-cjson pipe loop (bare_echo.lua) does 440,000 messages per second; that loop runs in each round,
-- and each round's figure is scaled with it. All figures but the last are per second of processor time.
local tools = require "tools"

local M = {}

local LIN_KV = "-w lin-kv --node-count 5 --rate 100 --time-limit 60 --nemesis partition --seed 1 examples/lin_kv.lua"

local CORE_BARS = { [1] = 2000000, [64] = 10000000 } -- by batch, in entries per second

---What raft_core printed: for each batch and way of persisting, entries per second; and all allocations after its start.
local function core(work, seconds)
  local figures, order, allocations = {}, {}, 0
  for batch, way, rate, count in tools.run("%s/bench_raft_core %g", work, seconds):gmatch
    "batch +(%d+) +(%l[%l ]-) +(%d+) entries/s[^\n]- (%d+) allocations" do
    local what = ("core, batches of %s, %s"):format(batch, way == "at once" and "durable at once" or way)
    figures[what] = { rate = tonumber(rate), batch = tonumber(batch) }
    order[#order + 1] = what
    allocations = allocations + tonumber(count)
  end
  if #order == 0 then
    tools.fail "bench_raft_core printed no figures"
  end
  return figures, order, allocations
end

---@param self { vortex: string, work: string, quick: boolean } as of the simulator's part
---@return table figures for the file of --json
function M.measure(self)
  local driver = tools.driver(self.work)
  local requests, out = self.work .. "/requests.ndjson", self.work .. "/raft.out"
  tools.run("lua5.4 tests/bench/make_echo.lua %d >%s", self.quick and 100000 or 200000, requests)
  local rounds, seconds = self.quick and 3 or 7, self.quick and 0.3 or 1
  tools.note("raft, %d rounds", rounds)
  local loop, loop_cpu, lua, real, cpu = {}, {}, {}, {}, {}
  local cores, order, allocations = {}, nil, 0
  for r = 1, rounds do
    loop[r], loop_cpu[r] = tools.bare_loop(driver, requests)
    local figures, names, count = core(self.work, seconds)
    order, allocations = names, allocations + count
    for _, name in ipairs(names) do
      cores[name] = cores[name] or { batch = figures[name].batch }
      cores[name][r] = figures[name].rate
    end
    lua[r] = tonumber(tools.run("%s/bench_raft_lua %g", self.work, 2 * seconds):match "^(%d+) proposals/s")
    local status
    real[r], cpu[r], status = driver("cost %s %s test %s", out, self.vortex, LIN_KV)
    if status ~= 0 then
      tools.fail("exit status %d of %s:\n%s", status, LIN_KV, tools.read(out))
    end
  end

  local rows = {}
  local function row(what, unit, raw, scaled, bar, ok)
    rows[#rows + 1] = { what = what, unit = unit, raw = raw, scaled = scaled, bar = bar, ok = ok }
  end
  for _, name in ipairs(order) do
    local bar, scaled = CORE_BARS[cores[name].batch], tools.scale_rates(cores[name], loop_cpu)
    row(name, "entries/s", tools.median(cores[name]), scaled, bar and ">= " .. bar or "", bar and scaled >= bar)
  end
  row("  allocations after start-up", "", allocations, nil, "0", allocations == 0)
  local proposals = tools.scale_rates(lua, loop_cpu)
  row("Lua state machine, 3 nodes in one process", "proposals/s", tools.median(lua), proposals, ">= 200000", proposals >= 200000)
  local ms = tools.scale_times(real, loop) * 1e3
  row("lin_kv, 5 nodes, 60 s, partitions", "ms", tools.median(real) * 1e3, ms, "<= 200", ms <= 200)
  row("  of the processor", "ms", tools.median(cpu) * 1e3, tools.scale_times(cpu, loop_cpu) * 1e3, "", nil)

  print(string.format("\nraft; bare loop here: %.0f messages/s by the clock, %.0f per second of its processor time",
    tools.median(loop), tools.median(loop_cpu)))
  local cells = { { "what", "unit", "measured", "at 440,000/s", "bar", "" } }
  for _, r in ipairs(rows) do
    cells[#cells + 1] = { r.what, r.unit, tools.number(r.raw), r.scaled and tools.number(r.scaled) or "", r.bar, tools.verdict(r.ok) }
  end
  tools.print_table(cells, { [3] = true, [4] = true })
  return { loop = tools.median(loop), loop_cpu = tools.median(loop_cpu), rows = rows }
end

return M
