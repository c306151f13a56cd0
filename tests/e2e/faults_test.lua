--- The faults of `vortex-lua test`, as a service sees them: every kind, its targets, its times, and that everything heals.
local lu = require "luaunit"

local suite = require "support.suite"
local trial = require "support.trial"

-- Every node tells all others a number every 100 ms, and logs what it hears and what its clocks say.
local HEARTBEAT = [[
local vortex = require "vortex"
local count = 0
vortex.on_init(function() vortex.log.info("INIT %d", count) end)
vortex.on("beat", function(msg)
  vortex.log.info("HEARD %s %d", msg.src, msg.body.number)
end)
vortex.on("echo", function(msg) return { echo = msg.body.echo } end)
vortex.every(0.1, function()
  count = count + 1
  vortex.log.info("BEAT %d %d %.6f", count, os.time(), vortex.now())
  vortex.broadcast { type = "beat", number = count }
end)
]]

-- The logs show whole microseconds.
local US = 1e-6

local IDS = { "n0", "n1", "n2", "n3", "n4" }

local function heartbeat(nemesis, options)
  local run = trial.run {
    source = HEARTBEAT,
    options = ("-w echo --node-count 5 --rate 10 --time-limit 60 --nemesis-interval 6 --nemesis %s %s"):format(nemesis, options or ""),
    status = false,
  }
  run.windows = run:faults()
  lu.assertTrue(#run.windows >= 4, run.text)
  return run
end

--- The number of beats that `dest` heard from `src` in a stretch of time, in seconds.
local function heard(run, src, dest, from, to)
  run.cache = run.cache or {}
  run.cache[dest] = run.cache[dest] or run:logged(dest, "HEARD (%w+) (%d+)")
  local n = 0
  for _, entry in ipairs(run.cache[dest]) do
    if entry[1] == src and entry.at > from and entry.at < to then
      n = n + 1
    end
  end
  return n
end

local function each_pair(fn)
  for _, src in ipairs(IDS) do
    for _, dest in ipairs(IDS) do
      if src ~= dest then
        fn(src, dest)
      end
    end
  end
end

--- Checks a run of partitions: blocked(window) gives a function of (src, dest); what is cut is silent from shortly after
--- the beginning on to the end, and what is not cut goes on, as everything does when there is no fault.
local function assert_cuts(run, blocked)
  for i, window in ipairs(run.windows) do
    local is_cut, cut = blocked(window), 0
    each_pair(function(src, dest)
      local n = heard(run, src, dest, window.from + 0.1, window.to)
      if is_cut(src, dest) then
        cut = cut + 1
        lu.assertEquals({ window.what, src, dest, n }, { window.what, src, dest, 0 })
      else
        lu.assertTrue(n > 8 * (window.to - window.from) - 3, ("%s: %s -> %s: %d"):format(window.what, src, dest, n))
      end
      local next_from = run.windows[i + 1] and run.windows[i + 1].from
      if next_from then
        lu.assertTrue(heard(run, src, dest, window.to, next_from) > 8 * (next_from - window.to) - 3, "healed")
      end
    end)
    lu.assertTrue(cut > 0, window.what)
  end
end

local function sides(what)
  local a, b = what:match "^[^:]*: ([^|]*)|([^|,]*)"
  local set_a, n_a = trial.ids_in(a)
  local set_b, n_b = trial.ids_in(b)
  return set_a, set_b, n_a, n_b
end

local TestPartition = suite.case "TestFaultsPartition"

local function two_sides(sizes)
  return function(window)
    local a, b, n_a, n_b = sides(window.what)
    lu.assertTrue(sizes(n_a, n_b), window.what)
    return function(src, dest)
      return (a[src] and b[dest] or b[src] and a[dest]) == true
    end
  end
end

function TestPartition.test_one()
  assert_cuts(heartbeat "partition:one", two_sides(function(a, b)
    return a == 1 and b == 4
  end))
end

function TestPartition.test_halves()
  assert_cuts(heartbeat "partition:halves", two_sides(function(a, b)
    return a == 2 and b == 3
  end))
end

function TestPartition.test_minority()
  assert_cuts(heartbeat "partition:minority", two_sides(function(a, b)
    return a + b == 5 and a < b
  end))
end

function TestPartition.test_bridge()
  assert_cuts(heartbeat "partition:bridge", two_sides(function(a, b)
    return a == 2 and b == 2
  end))
end

-- Jepsen's majorities ring: every node sees a majority, no two the same one.
function TestPartition.test_ring()
  local run = heartbeat "partition:ring"
  for _, window in ipairs(run.windows) do
    local views = {}
    for _, dest in ipairs(IDS) do
      local view, n = { dest }, 1
      for _, src in ipairs(IDS) do
        if src ~= dest then
          local there = heard(run, src, dest, window.from + 0.1, window.to) > 0
          lu.assertEquals(heard(run, dest, src, window.from + 0.1, window.to) > 0, there, "cut both ways")
          if there then
            view[#view + 1], n = src, n + 1
          end
        end
      end
      lu.assertEquals(n, 3, window.what)
      table.sort(view)
      local key = table.concat(view, " ")
      lu.assertNil(views[key], window.what)
      views[key] = true
    end
  end
end

function TestPartition.test_oneway()
  local deaf, unheard = 0, 0
  for _, target in ipairs { "one", "halves", "minority" } do
    assert_cuts(heartbeat("partition-oneway:" .. target), function(window)
      local left, word, right = window.what:match "^[^:]*: ([n%d ]+) (%l[%l ]+) (n%d.*)$"
      lu.assertNotNil(left, window.what)
      local from, to = left, right
      if word:find "deaf" then
        from, to, deaf = right, left, deaf + 1
      else
        unheard = unheard + 1
      end
      local sources, dests = trial.ids_in(from), trial.ids_in(to)
      return function(src, dest)
        return (sources[src] and dests[dest]) == true
      end
    end)
  end
  lu.assertTrue(deaf > 0 and unheard > 0)
end

-- ---- nodes ----

local TestNodes = suite.case "TestFaultsNodes"

local SIZES = {
  one = function(n) return n == 1 end,
  minority = function(n) return n >= 1 and n <= 2 end,
  majority = function(n) return n >= 3 and n <= 4 end,
  all = function(n) return n == 5 end,
}

function TestNodes.test_targets()
  for _, kind in ipairs { "kill", "pause", "slow", "loss", "duplicate", "clock", "disk" } do
    for target, fits in pairs(SIZES) do -- order-free
      local run = heartbeat(kind .. ":" .. target, "--latency 1")
      for _, window in ipairs(run.windows) do
        lu.assertEquals(window.kind, kind)
        local _, n = trial.ids_in(window.what)
        lu.assertTrue(fits(n), window.what)
      end
    end
  end
end

function TestNodes.test_which_nodes_is_drawn()
  for _, kind in ipairs { "kill", "partition" } do
    local seen, n = {}, 0
    for _, window in ipairs(heartbeat(kind .. ":one", "--time-limit 200").windows) do
      local id = window.what:match ": (n%d)"
      n = n + (seen[id] and 0 or 1)
      seen[id] = true
    end
    lu.assertTrue(n >= 4)
  end
end

function TestNodes.test_kill()
  local run = heartbeat "kill:minority"
  local starts = {}
  for _, event in ipairs(run:lines "events.jsonl") do
    if event.kind == "node" and event.what == "start" then
      starts[event.who] = (starts[event.who] or 0) + 1
    end
  end
  for _, id in ipairs(IDS) do
    local lives, last = 0, math.huge
    for _, beat in ipairs(run:logged(id, "BEAT (%d+)")) do
      local number = tonumber(beat[1])
      if number <= last then
        lu.assertEquals(number, 1) -- memory is gone
        lives = lives + 1
      end
      last = number
      for _, window in ipairs(run.windows) do
        if trial.ids_in(window.what)[id] then
          lu.assertFalse(beat.at > window.from and beat.at < window.to - US, "a dead node runs")
        end
      end
    end
    local kills = 0
    for _, window in ipairs(run.windows) do
      kills = kills + (trial.ids_in(window.what)[id] and 1 or 0)
    end
    lu.assertEquals({ id, lives }, { id, kills + 1 })
    lu.assertEquals(#run:logged(id, "INIT (0)"), kills + 1) -- init again, and nothing remembered
    lu.assertEquals(starts[id], kills + 1)
  end
  each_pair(function(src, dest)
    for _, window in ipairs(run.windows) do
      local hit = trial.ids_in(window.what)
      if hit[src] or hit[dest] then
        lu.assertEquals(heard(run, src, dest, window.from + 0.1, window.to), 0)
      end
    end
  end)
end

function TestNodes.test_pause()
  local run = heartbeat "pause:one"
  for _, window in ipairs(run.windows) do
    local id = window.what:match ": (n%d)"
    local before, after
    for _, beat in ipairs(run:logged(id, "BEAT (%d+)")) do
      lu.assertFalse(beat.at > window.from and beat.at < window.to - US, "a paused node runs")
      if beat.at <= window.from then
        before = tonumber(beat[1])
      elseif not after then
        after = tonumber(beat[1])
        lu.assertTrue(beat.at < window.to + 0.2)
      end
    end
    lu.assertEquals(after, before + 1) -- it remembers
    for _, src in ipairs(IDS) do
      if src ~= id then
        -- what was sent meanwhile arrives when it goes on, all of it
        lu.assertEquals(heard(run, src, id, window.from, window.to - US), 0)
        local at_once = heard(run, src, id, window.to - 0.001, window.to + 0.05)
        lu.assertTrue(at_once > 8 * (window.to - window.from) - 3, tostring(at_once))
        lu.assertEquals(heard(run, id, src, window.from + 0.1, window.to), 0)
      end
    end
  end
  for _, dest in ipairs(IDS) do
    local numbers = {}
    for _, entry in ipairs(run:logged(dest, "HEARD (%w+) (%d+)")) do
      local key = entry[1] .. " " .. entry[2]
      lu.assertNil(numbers[key])
      numbers[key] = true
    end
  end
end

-- ---- messages ----

local TestMessages = suite.case "TestFaultsMessages"

--- Of the beats on links that touch the fault's nodes, and of all others, those sent in a stretch of time: how many were sent, how many
--- arrived, how many arrivals were repetitions.
local function tally(run, from, to, hit)
  run.arrivals = run.arrivals or {}
  local touched, others = { sent = 0, missing = 0, again = 0 }, { sent = 0, missing = 0, again = 0 }
  local arrivals = run.arrivals
  if not next(arrivals) then
    for _, dest in ipairs(IDS) do
      for _, entry in ipairs(run:logged(dest, "HEARD (%w+) (%d+)")) do
        local key = entry[1] .. " " .. dest .. " " .. entry[2]
        arrivals[key] = (arrivals[key] or 0) + 1
      end
    end
  end
  for _, src in ipairs(IDS) do
    for _, beat in ipairs(run:logged(src, "BEAT (%d+)")) do
      for _, dest in ipairs(beat.at > from and beat.at < to and IDS or {}) do
        if dest ~= src then
          local n = arrivals[src .. " " .. dest .. " " .. beat[1]] or 0
          local t = (hit[src] or hit[dest]) and touched or others
          t.sent, t.missing, t.again = t.sent + 1, t.missing + (n == 0 and 1 or 0), t.again + math.max(n - 1, 0)
        end
      end
    end
  end
  return touched, others
end

local function assert_near(share, stated, what)
  lu.assertTrue(math.abs(share - stated) < 0.08, ("%s: %.2f, not %.2f"):format(what, share, stated))
end

function TestMessages.test_loss()
  local run = heartbeat "loss:one"
  for i, window in ipairs(run.windows) do
    local stated = tonumber(window.what:match "(%d+) %%") / 100
    local touched, others = tally(run, window.from, window.to, trial.ids_in(window.what))
    assert_near(touched.missing / touched.sent, stated, window.what)
    lu.assertEquals({ others.missing, others.again, touched.again }, { 0, 0, 0 })
    if run.windows[i + 1] then
      local calm = tally(run, window.to, run.windows[i + 1].from, trial.ids_in(window.what))
      lu.assertEquals(calm.missing, 0)
    end
  end
end

function TestMessages.test_duplicate()
  local run = heartbeat "duplicate:one"
  for i, window in ipairs(run.windows) do
    local stated = tonumber(window.what:match "(%d+) %%") / 100
    local touched, others = tally(run, window.from, window.to, trial.ids_in(window.what))
    assert_near(touched.again / touched.sent, stated, window.what)
    lu.assertEquals({ others.missing, others.again, touched.missing }, { 0, 0, 0 })
    if run.windows[i + 1] then
      local calm = tally(run, window.to, run.windows[i + 1].from, trial.ids_in(window.what))
      lu.assertEquals(calm.again, 0)
    end
  end
end

function TestMessages.test_the_reports_counts()
  local run = heartbeat "loss:all,duplicate:all,partition"
  local count = {}
  for _, entry in ipairs(run:lines "messages.jsonl") do
    count[entry.fate] = (count[entry.fate] or 0) + 1
  end
  local shown = { run.text:match "; ([%d,]+) lost, ([%d,]+) cut, ([%d,]+) duplicated" }
  for i, fate in ipairs { "lost", "cut", "duplicate" } do
    local n = tonumber((shown[i]:gsub(",", "")))
    lu.assertTrue(n > 100, run.text)
    lu.assertEquals(n, count[fate], fate)
  end
  local faults = {}
  for _, window in ipairs(run.windows) do
    faults[window.kind] = (faults[window.kind] or 0) + 1
  end
  for kind, n in pairs(faults) do -- order-free
    suite.assert_words(run.text:match "\nfaults[^\n]*", kind .. " " .. n)
  end
end

function TestMessages.test_slow()
  local run = heartbeat("slow:one", "--latency 10")
  local sent, sum, n = {}, {}, {}
  for _, entry in ipairs(run:lines "messages.jsonl") do
    if entry.fate == "send" then
      sent[entry.id] = entry.time / 1e9
    elseif entry.fate == "recv" and entry.src:find "^n" and entry.dest:find "^n" then
      local at, key = sent[entry.id], "calm"
      for _, window in ipairs(run.windows) do
        if at > window.from and at < window.to then
          local hit = trial.ids_in(window.what)
          key = (hit[entry.src] or hit[entry.dest]) and window.what or "others"
        end
      end
      sum[key], n[key] = (sum[key] or 0) + entry.time / 1e9 - at, (n[key] or 0) + 1
    end
  end
  lu.assertTrue(sum.calm / n.calm < 0.0125 and sum.others / n.others < 0.0125)
  for _, window in ipairs(run.windows) do
    local times = tonumber(window.what:match "(%d+) times")
    local mean = sum[window.what] / n[window.what]
    lu.assertTrue(mean > 0.008 * times and mean < 0.013 * times, ("%s: %.4f"):format(window.what, mean))
  end
end

-- ---- clocks ----

local TestClock = suite.case "TestFaultsClock"

function TestClock.test_clock()
  local run = heartbeat("clock:one", "--time-limit 120")
  local moved = 0
  for _, id in ipairs(IDS) do
    local last_now, base = 0, nil
    for _, beat in ipairs(run:logged(id, "BEAT %d+ (%d+) ([%d.]+)")) do
      local now = tonumber(beat[2])
      lu.assertTrue(now >= last_now, "vortex.now goes back")
      last_now = now
      local offset = tonumber(beat[1]) - beat.at
      base = base or offset
      local disturbed = false
      for _, window in ipairs(run.windows) do
        disturbed = disturbed or (trial.ids_in(window.what)[id] and beat.at >= window.from and beat.at <= window.to)
      end
      if disturbed and math.abs(offset - base) > 1.5 then
        moved = moved + 1
      end
    end
  end
  lu.assertTrue(moved > 20, tostring(moved))
end

function TestClock.test_clocks_agree_without_it()
  local run = heartbeat "slow:one"
  for _, id in ipairs(IDS) do
    local base
    for _, beat in ipairs(run:logged(id, "BEAT %d+ (%d+)")) do
      local offset = tonumber(beat[1]) - beat.at
      base = base or offset
      lu.assertTrue(math.abs(offset - base) <= 1.001)
    end
  end
end
