-- Ids that are right, from a node that is too careful: when it does not hear from a majority, it takes itself out of
-- service. Nothing takes it back in when the partition is over, so in the end nobody answers.
--
--   vortex-lua test -w unique-ids --node-count 5 --nemesis partition --seeds 12 \
--     tests/broken/unique_ids_gives_up.lua
-- convicted of: no useful answer after everything had healed
local vortex = require "vortex"

local in_service = true

vortex.on("ping", function()
  return {}
end)

vortex.every(1, function()
  local majority = #vortex.ids // 2 + 1
  if not vortex.try_rpc_all(vortex.ids, { type = "ping" }, { need = majority }) then
    vortex.log.warn("no majority: out of service")
    in_service = false
  end
end)

vortex.on("generate", function()
  if not in_service then
    vortex.error("temporarily-unavailable", vortex.id .. " is out of service")
  end
  return { id = vortex.unique_id() }
end)
