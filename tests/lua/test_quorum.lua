local lu = require "luaunit"
local new_world = require("support.world").new

local T = {}

-- Nodes that answer after a delay, with an error, or never: { n1 = 0.1, n2 = "error", n3 = false }.
local function setup(nodes)
  local world = new_world(function(dest, body)
    local how = nodes[dest]
    if how == "error" then
      return { type = "error", code = 11, text = "busy" }, 0.01
    elseif how then
      return { type = "pong", from = dest, n = body.n }, how
    end
  end)
  return world, world:require "vortex.quorum"
end

local PING = { type = "ping", n = 7 }

function T.test_all_replies_by_node()
  local world, quorum = setup { n1 = 0.2, n2 = 0.1 }
  world:run(function()
    local replies, errors = quorum.rpc_all({ "n1", "n2" }, PING)
    lu.assertEquals(replies, { n1 = { type = "pong", from = "n1", n = 7 }, n2 = { type = "pong", from = "n2", n = 7 } })
    lu.assertEquals(errors, {})
    lu.assertEquals(world.time, 0.2)
  end)
  lu.assertEquals(world.sent[1].time, world.sent[2].time, "asked at once, not in turn")
end

function T.test_returns_as_soon_as_enough_have_answered()
  local world, quorum = setup { n1 = 0.3, n2 = 0.1, n3 = 0.2, n4 = "error" }
  world:run(function()
    local replies, errors = quorum.rpc_all({ "n1", "n2", "n3", "n4" }, PING, { need = 2 })
    lu.assertEquals(world.time, 0.2)
    lu.assertNotNil(replies.n2)
    lu.assertNotNil(replies.n3)
    lu.assertEquals(errors.n4.code, 11)
    world.core.sleep(1)
    lu.assertNil(replies.n1, "what was returned does not change later")
  end)
end

function T.test_raises_as_soon_as_enough_have_failed()
  local world, quorum = setup { n1 = 5, n2 = "error", n3 = false }
  world:run(function()
    local ok, err = pcall(quorum.rpc_all, { "n1", "n2", "n3" }, PING, { need = 3, timeout = 10 })
    lu.assertFalse(ok)
    lu.assertEquals(world.time, 0.01)
    lu.assertEquals(err.code, 11)
    lu.assertFalse(err.definite)
    lu.assertTrue(err.remote)
    lu.assertStrContains(err.text, "0 of 3 answered, 3 needed; n2: temporarily-unavailable (11): busy")
    lu.assertEquals(err.errors.n2.code, 11)
  end)
end

function T.test_try_form_returns_the_error()
  local world, quorum = setup { n1 = 0.1, n2 = false }
  world:run(function()
    local replies, err = quorum.try_rpc_all({ "n1", "n2" }, PING, { timeout = 0.5 })
    lu.assertNil(replies)
    lu.assertEquals(world.time, 0.5)
    lu.assertStrContains(err.text, "1 of 2 answered, 2 needed; n2: timeout")
    lu.assertEquals(err.replies.n1.from, "n1")
  end)
end

function T.test_nobody_to_wait_for()
  local world, quorum = setup {}
  world:run(function()
    lu.assertEquals({ quorum.rpc_all({}, PING) }, { {}, {} })
    lu.assertEquals({ quorum.rpc_all({ "n1" }, PING, { need = 0 }) }, { {}, {} })
  end)
  lu.assertEquals(#world.sent, 1)
end

-- A reply that comes after the call has returned must not wake the caller out of another wait.
function T.test_late_replies_disturb_nobody()
  local world, quorum = setup { n1 = 0.1, n2 = 0.2, n3 = 0.3 }
  world:run(function()
    quorum.rpc_all({ "n1", "n2", "n3" }, PING, { need = 1 })
    local _, err = world.core.park(1)
    lu.assertEquals(err.name, "timeout")
    lu.assertEquals(world.time, 1.1)
  end)
end

function T.test_calls_side_by_side()
  local world, quorum = setup { n1 = 0.1, n2 = 0.2 }
  local done = 0
  world:run(function()
    for _ = 1, 10 do
      world.core.spawn(function()
        local replies = quorum.rpc_all({ "n1", "n2" }, PING)
        lu.assertEquals(replies.n2.from, "n2")
        done = done + 1
      end)
    end
  end)
  lu.assertEquals(done, 10)
end

function T.test_misuse_raises()
  local world, quorum = setup {}
  world:run(function()
    lu.assertErrorMsgContains("n1 is named twice", quorum.rpc_all, { "n1", "n1" }, PING)
    lu.assertErrorMsgContains("not a string", quorum.rpc_all, "n1", PING)
    lu.assertErrorMsgContains("destination 2 is a number", quorum.rpc_all, { "n1", 2 }, PING)
    lu.assertErrorMsgContains("destination 2 is a nil", quorum.rpc_all, { "n1", nil, "n3" }, PING)
    for _, need in ipairs { -1, 3, 1.5, "x" } do
      lu.assertErrorMsgContains("of 2 destinations", quorum.rpc_all, { "n1", "n2" }, PING, { need = need })
    end
  end)
end

return T
