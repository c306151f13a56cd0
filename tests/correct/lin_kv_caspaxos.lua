-- A linearizable store by CASPaxos: each key is a register that any node may change. A proposer takes a ballot that
-- nobody else can have and asks a majority to promise that they will accept nothing older; the value with the highest
-- ballot among their answers is the present one. It applies the request to that value, and the result counts when a
-- majority has accepted it. Reads go the same way: what they saw counts as accepted before they answer.
--
-- Before anything was sent for acceptance, a failure is certain (11). Afterwards a change may or may not come out,
-- and the answer says so (0). Survives everything but the loss of memory.
--
--   vortex-lua test -w lin-kv --node-count 5 --rate 20 --time-limit 30 --latency 10 \
--     --nemesis partition,partition-oneway,loss,duplicate,pause,slow,clock --seeds 60 \
--     tests/correct/lin_kv_caspaxos.lua
local vortex = require "vortex"

local TRY_TIMEOUT = 0.5 -- seconds
local PATIENCE = 3

local registers = {} -- key -> { promised, accepted, value }, as an acceptor
local round = 0      -- the highest that we have heard of
local me             -- our place among the nodes

vortex.on_init(function()
  for i, id in ipairs(vortex.ids) do
    me = id == vortex.id and i or me
  end
end)

local function next_ballot()
  round = round + 1
  return round * #vortex.ids + me - 1
end

local function register_of(msg)
  local key, ballot = msg.body.key, msg.body.ballot
  registers[key] = registers[key] or { promised = 0, accepted = 0 }
  round = math.max(round, ballot // #vortex.ids)
  if ballot < registers[key].promised then
    vortex.error("abort", "promised to a newer one")
  end
  registers[key].promised = ballot
  return registers[key]
end

vortex.on("prepare", function(msg)
  local register = register_of(msg)
  return { accepted = register.accepted, value = register.value }
end)

vortex.on("accept", function(msg)
  local register = register_of(msg)
  register.accepted, register.value = msg.body.ballot, msg.body.value
  return {}
end)

local function ask_majority(body)
  return vortex.try_rpc_all(vortex.ids, body, { need = #vortex.ids // 2 + 1, timeout = TRY_TIMEOUT })
end

local function newest_of(replies)
  local newest = { accepted = 0 }
  for _, reply in vortex.sorted_pairs(replies) do
    if reply.accepted > newest.accepted then
      newest = reply
    end
  end
  return newest.value
end

-- The value that the request makes of `value`, or an error.
local function change(request, value)
  if request.type == "write" then
    return request.value
  elseif value == nil then
    vortex.error "key-does-not-exist"
  elseif request.type == "read" then
    return value
  elseif value ~= request.from then
    vortex.error "precondition-failed"
  end
  return request.to
end

vortex.on({ "read", "write", "cas" }, function(msg)
  local key, give_up_at = msg.body.key, vortex.now() + PATIENCE
  while vortex.now() < give_up_at do
    local ballot = next_ballot()
    local promises = ask_majority { type = "prepare", key = key, ballot = ballot }
    if promises then
      local value = change(msg.body, newest_of(promises))
      if ask_majority { type = "accept", key = key, ballot = ballot, value = value } then
        return msg.type == "read" and { value = value } or {}
      elseif msg.type ~= "read" then
        vortex.error("timeout", "no majority has confirmed the change")
      end
    end
    vortex.sleep(0.1 * math.random())
  end
  vortex.error("temporarily-unavailable", "no majority has promised")
end)
