-- A leader with a lease: who holds it answers from memory and writes through to the linearizable store. When the
-- lease ends is written as the time of day, and everybody compares it with a clock of their own. A node whose clock
-- is ahead takes the lease while the old leader, by its clock, still holds it and goes on answering from a memory
-- that is out of date.
--
--   vortex-lua test -w lin-kv --node-count 3 --concurrency 4n --rate 20 --nemesis clock --seeds 25 \
--     tests/broken/lin_kv_lease_clock.lua
-- convicted of: is not linearizable:
local vortex = require "vortex"

local LEASE = 3 -- seconds

local store = vortex.kv "lin-kv"
local turn = vortex.mutex()
local lease = { holder = "nobody", ends = 0 }
local memory = {}

local function leading()
  if lease.holder == vortex.id and os.time() < lease.ends - 1 then
    return true
  end
  local found = store:read("lease", { holder = "nobody", ends = 0 })
  if found.holder ~= vortex.id and os.time() <= found.ends then
    lease = found
    return false
  end
  local mine = { holder = vortex.id, ends = os.time() + LEASE }
  if not store:try_cas("lease", found, mine, { create = true }) then
    return false
  end
  if found.holder ~= vortex.id then
    memory = {}
  end
  lease = mine
  return true
end

local function value_of(key)
  if not memory[key] then
    local value, err = store:try_read(key)
    if err then
      vortex.error(err)
    end
    memory[key] = value
  end
  return memory[key]
end

local function put(key, value)
  memory[key] = nil -- until the store has it
  store:write(key, value)
  memory[key] = value
  return {}
end

vortex.on({ "read", "write", "cas" }, function(msg)
  local guard <close> = turn:lock() -- luacheck: ignore guard
  if not leading() then
    if lease.holder == vortex.id or lease.holder == "nobody" then
      vortex.error("temporarily-unavailable", "no leader")
    end
    msg:forward(lease.holder)
    return nil
  elseif msg.type == "write" then
    return put(msg.body.key, msg.body.value)
  end
  local value = value_of(msg.body.key)
  if msg.type == "read" then
    return { value = value }
  elseif value ~= msg.body.from then
    vortex.error "precondition-failed"
  end
  return put(msg.body.key, msg.body.to)
end)
