--- The same script, options and seed, in two processes that have nothing else in common: the trace hashes must be equal.
---
---   lua5.4 tests/campaign/hashes.lua VORTEX SCRIPT...
---
--- Runs each script that names a campaign, under that campaign's faults, with a small environment in one folder, and with a large one, an
--- other locale and time zone, another stack limit, and without address space randomisation (where that is allowed) in another folder. A
--- second seed must give another hash: a hash of nothing would always be equal.
package.path = (arg[0]:match "^(.*/)" or "./") .. "?.lua;" .. package.path
local support = require "support"

local SEEDS = { 1, 20, 300 }
local LOAD = { "--time-limit", "5", "--rate", "20", "--latency", "10", "--latency-dist", "exponential", "--nemesis-interval", "2" }

local function settings()
  local _, status = support.capture "setarch -R true"
  if status ~= 0 then
    print("without setarch -R, which is not allowed here")
  end
  return {
    "cd / && env -i PATH=/usr/bin:/bin",
    ("cd /tmp && ulimit -s 4096 && env LC_ALL=C TZ=Asia/Kolkata LUA_PATH='/nowhere/?.lua' VORTEX_PADDING=%s %s"):format(
      ("x"):rep(60000),
      status == 0 and "setarch -R" or ""
    ),
  }
end

local function trace(vortex, setting, words)
  local output, status = support.capture(("%s timeout -k 5 120 %s"):format(setting, support.join { vortex, "test", table.unpack(words) }))
  local hash = output:match("trace[^%x\n]+(" .. ("%x"):rep(16) .. ")")
  if status > 2 or not hash then
    error(("exit status %d, and no trace:\n%s"):format(status, output), 0)
  end
  return hash
end

local function absolute(path)
  return path:sub(1, 1) == "/" and path or os.getenv "PWD" .. "/" .. path
end

-- The faults of its first campaign, as options.
local function faults_of(path)
  local campaigns = support.header(path, "vortex-lua")
  local faults = campaigns[1] and support.option(campaigns[1], "--nemesis")
  return #campaigns > 0, faults and { "--nemesis", faults } or {}
end

local function compare(vortex, path, worlds)
  local has_campaign, faults = faults_of(path)
  if not has_campaign then
    return nil
  end
  local hashes, equal = {}, true
  for i, seed in ipairs(SEEDS) do
    local words = { "--seed", tostring(seed), table.unpack(LOAD) }
    table.move(faults, 1, #faults, #words + 1, words)
    words[#words + 1] = path
    local one, other = trace(vortex, worlds[1], words), trace(vortex, worlds[2], words)
    if one ~= other then
      print(("FAILED %s: %s and %s under seed %d"):format(support.name(path), one, other, seed))
      equal = false
    end
    hashes[i] = one
  end
  if hashes[1] == hashes[2] and hashes[2] == hashes[3] then
    print(("FAILED %s: %s under every seed"):format(support.name(path), hashes[1]))
    equal = false
  end
  if equal then
    print(("equal  %-36s %s"):format(support.name(path), table.concat(hashes, " ")))
  end
  return equal
end

local vortex = absolute(assert(arg[1], "usage: hashes.lua VORTEX SCRIPT..."))
local worlds, compared, failed = settings(), 0, 0
for i = 2, #arg do
  local ok, equal = pcall(compare, vortex, absolute(arg[i]), worlds)
  if not ok then
    print(("FAILED %s: %s"):format(arg[i], equal))
  end
  compared = compared + (equal ~= nil and 1 or 0)
  failed = failed + (ok and equal ~= false and 0 or 1)
end
if compared == 0 then
  print "FAILED: no script with a campaign"
end
os.exit(failed == 0 and compared > 0)
