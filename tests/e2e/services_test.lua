--- The services inside `vortex-lua test`: lin-kv, seq-kv and its staleness, lww-kv and its forgetting, lin-tso.
local lu = require "luaunit"

local suite = require "support.suite"
local trial = require "support.trial"

-- Runs `code` in tasks of both nodes once the run has begun; the load is a little echo.
local function asking(code, options, ok)
  return trial.run {
    source = ([[
local vortex = require "vortex"
local function say(...) vortex.log.info("SAY %%s", table.concat({ ... }, " ")) end
vortex.on("echo", function(msg) return { echo = msg.body.echo } end)
vortex.on_init(function()
  vortex.spawn(function()
    vortex.sleep(1)
%s
  end)
end)
]]):format(code),
    options = "-w echo --node-count 2 --time-limit 20 --rate 5 " .. (options or ""),
    status = ok == nil and 0 or ok,
  }
end

local function said(run, id)
  local words = {}
  for i, found in ipairs(run:logged(id or "n0", "SAY (.*)$")) do
    words[i] = found[1]
  end
  return words
end

local TestKv = suite.case "TestServicesKv"

function TestKv.test_operations_and_errors()
  for _, name in ipairs { "lin-kv", "seq-kv", "lww-kv" } do
    local run = asking(([[
    local kv = vortex.kv "%s"
    local function try(method, ...)
      local value, err = kv["try_" .. method](kv, ...)
      say(method, tostring(value), err and err.code or "-")
    end
    local key = "of " .. vortex.id
    try("read", key)
    try("cas", key, 1, 2)
    try("cas", key, 1, 2, { create = true })
    vortex.sleep(3)
    try("read", key)
    try("cas", key, 7, 3)
    try("cas", key, 2, 3)
    try("write", key, 4)
    vortex.sleep(3)
    try("read", key)
    local reply, err = vortex.try_rpc("%s", { type = "nonsense" }, { timeout = 0.5 })
    say("nonsense", tostring(reply), err.code)
]]):format(name, name), "--latency 5")
    local words = said(run)
    lu.assertEquals(words[1], "read nil 20")
    lu.assertEquals(words[2], "cas nil 20")
    if name == "lww-kv" then
      lu.assertEquals(#words, 9, name) -- its create is ignored, and a cas of one replica may meet another value: only the form is checked
    else
      lu.assertEquals({ table.unpack(words, 3, 8) },
        { "cas true -", "read 2 -", "cas nil 22", "cas true -", "write true -", "read 4 -" }, name)
    end
    lu.assertEquals(words[9], "nonsense nil 0") -- no answer at all
  end
end

function TestKv.test_keys_and_values_are_json()
  local words = said(asking [[
    if vortex.id ~= "n0" then return end
    local kv = vortex.kv "lin-kv"
    kv:write(1, "number")
    kv:write("1", { a = { 1, 2 } })
    say(kv:read(1), kv:read("1").a[2])
    kv:cas("1", { a = { 1, 2 } }, 5)
    say(kv:read "1", select(2, kv:try_cas(1, "Number", 1)).code)
]])
  lu.assertEquals(words, { "number 2", "5 22" })
end

-- One node counts up, the other one looks.
local WATCH = [[
    local kv = vortex.kv "%s"
    if vortex.id == "n0" then
      for i = 1, 200 do
        kv:write("x", i)
        vortex.log.info("DONE %%d", i)
        vortex.sleep(0.05)
      end
    else
      for _ = 1, 400 do
        vortex.log.info("ASK")
        say(kv:read("x", 0))
        vortex.sleep(0.03)
      end
    end
]]

--- Watches a counter: how many reads were older than what was written before they began, by how much at most, and how many went back.
local function staleness(service, options)
  local run = asking(WATCH:format(service), options)
  local done = run:logged("n0", "DONE (%d+)")
  local asked = run:logged("n1", "ASK()")
  local stale, worst, back, last = 0, 0, 0, 0
  local answers = run:logged("n1", "SAY (%d+)")
  lu.assertTrue(#answers > 300, run.text)
  for i, answer in ipairs(answers) do
    local value, newest = tonumber(answer[1]), 0
    for _, write in ipairs(done) do
      newest = write.at < asked[i].at and tonumber(write[1]) or newest
    end
    stale, worst = stale + (value < newest and 1 or 0), math.max(worst, newest - value)
    back, last = back + (value < last and 1 or 0), value
  end
  return stale, worst, back
end

function TestKv.test_lin_kv_is_never_stale()
  for seed = 1, 3 do
    lu.assertEquals({ staleness("lin-kv", "--latency 10 --latency-dist exponential --seed " .. seed) }, { 0, 0, 0 })
  end
end

function TestKv.test_seq_kv_may_be_stale_but_never_goes_back()
  local total, at_most = 0, 0
  for seed = 1, 3 do
    local stale, worst, back = staleness("seq-kv", "--latency 5 --seed " .. seed)
    lu.assertEquals(back, 0)
    total, at_most = total + stale, math.max(at_most, worst)
  end
  lu.assertTrue(total > 20, tostring(total))
  lu.assertTrue(at_most > 3 and at_most <= 31, tostring(at_most))
end

function TestKv.test_the_window_of_seq_kv()
  lu.assertEquals({ staleness("seq-kv", "--latency 5 --seq-kv-window 1") }, { 0, 0, 0 })
  local stale, worst = staleness("seq-kv", "--latency 5 --seq-kv-window 3")
  lu.assertTrue(stale > 0 and worst <= 2, ("%d %d"):format(stale, worst))
end

-- A client is moved to the newest state by an operation of its own that changes something.
function TestKv.test_a_fresh_write_is_a_barrier_of_seq_kv()
  local run = asking [[
    local kv = vortex.kv "seq-kv"
    if vortex.id == "n0" then
      for i = 1, 100 do
        kv:write("x", i)
        vortex.log.info("DONE %d", i)
        vortex.sleep(0.05)
      end
    else
      for _ = 1, 100 do
        vortex.log.info("ASK")
        kv:write("barrier", vortex.unique_id())
        say(kv:read("x", 0))
        vortex.sleep(0.05)
      end
    end
]]
  local done, asked = run:logged("n0", "DONE (%d+)"), run:logged("n1", "ASK()")
  for i, answer in ipairs(run:logged("n1", "SAY (%d+)")) do
    for _, write in ipairs(done) do
      if write.at < asked[i].at then
        lu.assertTrue(tonumber(answer[1]) >= tonumber(write[1]))
      end
    end
  end
end

function TestKv.test_lww_kv_may_forget()
  local forgotten, reads = 0, 0
  for seed = 1, 4 do
    local run = asking([[
    local kv = vortex.kv "lww-kv"
    for i = 1, 100 do
      local key = vortex.id .. i
      kv:write(key, i)
      say(tostring(kv:try_read(key)), i)
    end
]], "--lww-kv-merge 5 --seed " .. seed)
    for _, line in ipairs(said(run)) do
      local value, expected = line:match "^(%S+) (%d+)$"
      reads, forgotten = reads + 1, forgotten + (value ~= expected and 1 or 0)
    end
  end
  lu.assertTrue(reads == 400 and forgotten > 20, ("%d of %d"):format(forgotten, reads))
end

function TestKv.test_lww_kv_agrees_in_the_end()
  local run = asking([[
    local kv = vortex.kv "lww-kv"
    kv:write("x", vortex.id)
    vortex.sleep(10)
    local seen = {}
    for i = 1, 30 do seen[i] = tostring(kv:try_read "x") end
    say(table.concat(seen, " "))
]], "--lww-kv-merge 0.2")
  local all = {}
  for id in (said(run)[1] .. " " .. said(run, "n1")[1]):gmatch "%S+" do
    all[id] = true
  end
  local winner = next(all)
  lu.assertStrMatches(winner, "n[01]")
  lu.assertNil(next(all, winner))
end

local TestTso = suite.case "TestServicesTso"

function TestTso.test_timestamps()
  local run = asking([[
    for _ = 1, 100 do
      vortex.log.info("ASK")
      say(vortex.tso())
    end
]], "--latency 10 --latency-dist exponential")
  local seen, all = {}, {}
  for _, id in ipairs { "n0", "n1" } do
    local asked, last = run:logged(id, "ASK()"), -1
    for i, answer in ipairs(run:logged(id, "SAY (%d+)")) do
      local ts = tonumber(answer[1])
      lu.assertTrue(ts > last)
      last = ts
      lu.assertNil(seen[ts])
      seen[ts] = true
      all[#all + 1] = { ts = ts, from = asked[i].at, to = answer.at }
    end
  end
  lu.assertEquals(#all, 200)
  for _, a in ipairs(all) do
    for _, b in ipairs(all) do
      if a.to < b.from then
        lu.assertTrue(a.ts < b.ts)
      end
    end
  end
end

local TestReach = suite.case "TestServicesReach"

function TestReach.test_partitions_do_not_cut_services_off()
  local run = asking([[
    local kv = vortex.kv "lin-kv"
    for i = 1, 150 do
      kv:write(vortex.id, i)
      vortex.sleep(0.1)
    end
    say "through"
]], "--nemesis partition,partition-oneway --nemesis-interval 2")
  lu.assertEquals({ said(run), said(run, "n1") }, { { "through" }, { "through" } })
  lu.assertTrue(#run:faults() > 3)
end

function TestReach.test_the_timeout_of_rpcs()
  local run = asking([[
    local began = vortex.now()
    vortex.try_rpc("lin-kv", { type = "nonsense" })
    say(("%.2f"):format(vortex.now() - began))
]], "--rpc-timeout 0.7")
  lu.assertEquals(said(run), { "0.70" })
end
