-- The options of vortex.raft, and what can be said of a group before there is a cluster. What it does then is tested in
-- tests/script/raft_test.c and in the examples.
local lu = require "luaunit"
local vortex = require "vortex"
local new_world = require("support.world").new

local T = {}

local function apply() end

local groups = 0

-- Declares a group of a name of its own.
local function declare(options)
  groups = groups + 1
  options.name = "test-" .. groups
  options.apply = options.apply or apply
  return vortex.raft(options)
end

local function refused(options, message)
  local ok, err = pcall(function()
    local raft = vortex.raft(options)
    return raft
  end)
  lu.assertFalse(ok, message)
  lu.assertStrContains(err, "raft: " .. message)
  lu.assertStrContains(err, "test_raft.lua:", nil, "the line of the script is named")
end

function T.test_wrong_options_are_named()
  refused({}, "apply is missing")
  refused({ apply = 1 }, "apply: expected a function")
  refused({ apply = apply, init = {} }, "init: expected a function")
  refused({ aply = apply }, 'there is no option "aply"; did you mean apply?')
  refused({ apply = apply, voter = {} }, 'there is no option "voter"; did you mean voters?')
  refused({ apply = apply, wholly_wrong = 1 }, 'there is no option "wholly_wrong"; there are apply, init, snapshot')
  refused({ apply = apply, [1] = 1 }, 'there is no option "1"')
  refused({ apply = apply, snapshot = apply }, "snapshot and restore belong together")
  refused({ apply = apply, restore = apply }, "snapshot and restore belong together")
  refused({ apply = apply, name = "" }, "name: expected a string of up to 64")
  refused({ apply = apply, name = "two words" }, "name: expected a string of up to 64")
  refused({ apply = apply, name = ("x"):rep(65) }, "name: expected a string of up to 64")
  refused({ apply = apply, name = 7 }, "name: expected a string of up to 64")
  refused({ apply = apply, election_timeout = 0 }, "election_timeout: expected a time in seconds")
  refused({ apply = apply, election_timeout = "1" }, "election_timeout: expected a time in seconds")
  refused({ apply = apply, heartbeat = -1 }, "heartbeat: expected a time in seconds")
  refused({ apply = apply, heartbeat = 0 / 0 }, "heartbeat: expected a time in seconds")
  refused({ apply = apply, heartbeat = 0.2 }, "heartbeat: it must be less than half")
  refused({ apply = apply, heartbeat = 0.1, election_timeout = 0.2 }, "heartbeat: it must be less than half")
  refused({ apply = apply, snapshot_bytes = 1.5 }, "snapshot_bytes: expected an integer")
  refused({ apply = apply, tail_entries = 0 }, "tail_entries: expected an integer")
  refused({ apply = apply, voters = "n1" }, "voters: expected a list of node ids")
  refused({ apply = apply, voters = {} }, "voters is empty")
  refused({ apply = apply, voters = { "n1", 2 } }, "voters: expected node ids; element 2 is a number")
  refused({ apply = apply, voters = { "n1", "n1" } }, "voters: expected node ids, each once; n1 is there twice")
  refused({ apply = apply, voters = { "n1" }, learners = { "n1" } }, "n1 is both a voter and a learner")
  refused("main", "a table of options expected, not a string")
end

function T.test_right_options()
  lu.assertEquals(tostring(declare {}), 'raft group "test-' .. groups .. '"')
  declare {
    init = apply,
    snapshot = apply,
    restore = apply,
    voters = vortex.array { "n1", "n2" },
    learners = { "n3" },
    election_timeout = 1,
    heartbeat = 0.4,
    snapshot_bytes = 1 << 20,
    tail_entries = 10,
  }
  declare { election_timeout = 0.05 }
  lu.assertEquals(tostring(vortex.raft { apply = apply }), 'raft group "main"')
end

function T.test_a_name_can_be_used_once()
  vortex.raft { apply = apply, name = "once" }
  refused({ apply = apply, name = "once" }, 'group "once": its name is taken')
end

function T.test_misuse_of_a_group()
  local raft = declare {}
  for _, method in ipairs { "propose", "try_propose", "read", "try_read", "change", "try_change", "transfer", "try_transfer" } do
    lu.assertErrorMsgContains("vortex.raft expected", raft[method], {}, {})
  end
  lu.assertErrorMsgContains("function expected", raft.read, raft, {})
  lu.assertErrorMsgContains("function expected", raft.on_change, raft)
  lu.assertErrorMsgContains("table expected", raft.propose, raft, {}, 1)
  lu.assertErrorMsgContains("timeout: a time in seconds", raft.propose, raft, {}, { timeout = "x" })
  lu.assertErrorMsgContains("timeout: a time in seconds", raft.read, raft, apply, { timeout = -1 })
  lu.assertErrorMsgContains("raft:propose waits, so it must be called in a handler", raft.propose, raft, {})
  lu.assertErrorMsgContains("raft:try_read waits, so it must be called in a handler", raft.try_read, raft, apply)
  lu.assertNil(raft.no_such_method)
end

function T.test_before_init()
  local raft = declare { voters = { "n1", "n2" } }
  lu.assertNil(raft:leader())
  lu.assertFalse(raft:is_leader())
  raft:on_change(apply)
end

-- A raft that keeps what it is given, for the step model.
local function start(service, log)
  local world = new_world()
  local core = world.core
  function core.set_module(module)
    module.id, module.ids, module.peers = "n1", { "n1" }, {}
  end
  function core.on_init(fn)
    log.init = fn
  end
  function core.on_default(fn)
    log.message = fn
  end
  core.on_exit = apply
  core.defer = core.spawn
  function core.raft_open(options)
    log.options = options
    return {
      try_propose = function(_, entry)
        table.insert(log.proposed, entry)
        return log.result, log.error
      end,
    }
  end
  local step = world:require "vortex.step"
  package.loaded.vortex, log.vortex = world:require "vortex", package.loaded.vortex
  package.loaded["vortex.step_raft"] = world:require "vortex.step_raft"
  step.start(service)
  log.init()
  package.loaded.vortex, package.loaded["vortex.step_raft"] = log.vortex, nil
  return world
end

function T.test_a_service_gets_its_entries_back()
  local log, events = { proposed = {} }, {}
  local world = start({
    raft = { name = "svc", election_timeout = 2 },
    create = function(network)
      lu.assertErrorMsgContains("`create` has not returned yet", function()
        return network.raft
      end)
      return { n = 0 }
    end,
    step = function(self, event, network)
      if event.kind == "message" then
        network.raft:request(event.body)
        event.body.by = "spoilt"
      elseif event.kind == "committed" then
        self.n = self.n + event.entry.by
        local answer = { type = "ok", n = self.n }
        network:reply(log.event, answer)
        answer.n = "spoilt"
      end
      table.insert(events, event)
    end,
  }, log)
  lu.assertEquals(log.options.name, "svc")
  lu.assertEquals(log.options.election_timeout, 2)
  local replies = {}
  log.event = { msg = { reply = function(_, body)
    table.insert(replies, body)
  end } }
  world:run(function()
    log.message { type = "add", body = { by = 1 } }
  end)
  lu.assertEquals(log.proposed, { { by = 1 } })
  lu.assertNil(log.options.apply({}, { by = 1 }, 17))
  log.options.apply({}, { by = 2 }, 18)
  lu.assertEquals(replies, {}, "not before the state machine has ended")
  world:run(apply)
  lu.assertEquals(replies, { { type = "ok", n = 1 }, { type = "ok", n = 3 } })
  lu.assertEquals(events[2], { kind = "committed", entry = { by = 1 }, index = 17 })
end

function T.test_a_step_that_raises_in_a_committed_event_is_over()
  local log, replies = { proposed = {} }, {}
  local event = { msg = { reply = function(_, body)
    table.insert(replies, body)
  end } }
  start({
    raft = true,
    step = function(_, e, network)
      if e.kind == "committed" then
        error "boom"
      end
      network:reply(event, { type = "ok" })
    end,
  }, log)
  lu.assertErrorMsgContains("boom", log.options.apply, {}, {}, 1)
  log.message { body = {} }
  lu.assertEquals(#replies, 1, "answers leave at once again")
end

function T.test_a_request_that_fails_is_an_event()
  local log, failed = { proposed = {}, error = vortex.json.decode '{"code":11}' }, nil
  local world = start({
    raft = true,
    step = function(_, event, network)
      if event.kind == "message" then
        network.raft:request "x"
      elseif event.kind == "failed" then
        failed = event
      end
    end,
  }, log)
  world:run(function()
    log.message { body = {} }
  end)
  lu.assertEquals(failed, { kind = "failed", entry = "x", error = { code = 11 } })
end

function T.test_the_raft_of_a_service_is_checked()
  local step = new_world():require "vortex.step"
  lu.assertErrorMsgContains("`raft` is true, or a table", step.start, { step = print, raft = 1 })
  lu.assertErrorMsgContains("neither `apply` nor `init`", step.start, { step = print, raft = { apply = print } })
  lu.assertErrorMsgContains("one is missing", start, { step = print, raft = { snapshot = print } }, { proposed = {} })
  lu.assertErrorMsgContains("there is no option", start, { step = print, raft = { nam = "x" } }, { proposed = {} })
end

return T
