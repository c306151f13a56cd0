--- Handlers and their answers: what becomes of what they return and raise, and who answers what at most once.
local lu = require "luaunit"

local cluster = require "support.cluster"
local maelstrom = require "support.maelstrom"
local process = require "support.process"
local scratch = require "support.scratch"
local suite = require "support.suite"

local function start(source, options)
  options = options or {}
  options.source = 'local vortex = require "vortex"\n' .. source
  options.ids = options.ids or { "n1", "n2" }
  return maelstrom.start(options)
end

local TestReplies = suite.case "TestReplies"

function TestReplies.test_the_type_defaults_to_ok()
  local node = start [[
    vortex.on("echo", function(msg) return { echo = msg.body.echo } end)
    vortex.on({ "get", "put" }, function(msg) return { was = msg.type } end)
    vortex.on("own", function() return { type = "other", x = 1 } end)
    vortex.on("empty", function() return {} end)
  ]]
  suite.assert_json(node:call { type = "echo", echo = "x" }, '{"type":"echo_ok","echo":"x","in_reply_to":1}')
  suite.assert_json(node:call { type = "get" }, '{"type":"get_ok","was":"get","in_reply_to":2}')
  suite.assert_json(node:call { type = "put" }, '{"type":"put_ok","was":"put","in_reply_to":3}')
  suite.assert_json(node:call { type = "own" }, '{"type":"other","x":1,"in_reply_to":4}')
  suite.assert_json(node:call { type = "empty" }, '{"type":"empty_ok","in_reply_to":5}')
  node:finish()
end

function TestReplies.test_returning_the_request_does_not_confuse_the_ids()
  local node = start [[
    vortex.on("mirror", function(msg) return msg.body end)
    vortex.on("ids", function(msg) return { type = "ids_ok", in_reply_to = 999, x = 1 } end)
  ]]
  local reply = node:call { type = "mirror", x = 1, msg_id = 40 }
  lu.assertEquals({ reply.x, reply.in_reply_to }, { 1, 40 })
  lu.assertEquals(node:call({ type = "ids" }).x, 1)
  node:finish()
end

function TestReplies.test_nil_answers_nothing_and_is_warned_about_once_per_type()
  local node = start [[
    vortex.on("forgets", function() end)
    vortex.on("forgets_too", function() return nil end)
    vortex.on("gossip", function() end)
  ]]
  for _ = 1, 3 do
    node:request { type = "forgets" }
    node:request { type = "forgets_too" }
    node:send("n2", { type = "gossip" }) -- not a request
  end
  node.process:expect_stderr "forgets_too"
  node:settle()
  node:finish()
  lu.assertEquals(node.inbox, {})
  lu.assertEquals(#node.answered_in_order, 2)
  lu.assertEquals(suite.count(node.process.stderr_text, "forgets_too"), 1, node.process.stderr_text)
  lu.assertEquals(suite.count(node.process.stderr_text, "forgets"), 2, node.process.stderr_text)
  suite.assert_no_words(node.process.stderr_text, "gossip")
end

function TestReplies.test_a_later_reply_is_not_forgotten()
  local node = start [[
    vortex.on("later", function(msg)
      vortex.after(0.05, function() msg:reply { late = true } end)
    end)
  ]]
  lu.assertEquals(node:call({ type = "later" }).late, true)
  node:finish()
  suite.assert_no_words(node.process.stderr_text, "warn")
end

function TestReplies.test_nobody_is_answered_twice()
  local node = start [[
    vortex.on("twice", function(msg)
      msg:reply { n = 1 }
      local ok, err = pcall(msg.reply, msg, { n = 2 })
      vortex.log.info("second: " .. tostring(ok) .. " " .. tostring(err))
    end)
    vortex.on("both", function(msg)
      msg:reply { n = 1 }
      return { n = 2 }
    end)
    vortex.on("reply_and_raise", function(msg)
      msg:reply { n = 1 }
      error "afterwards"
    end)
  ]]
  lu.assertEquals(node:call({ type = "twice" }).n, 1)
  lu.assertEquals(node:call({ type = "both" }).n, 1)
  lu.assertEquals(node:call({ type = "reply_and_raise" }).n, 1)
  node:settle()
  node:finish()
  suite.assert_words(node.process.stderr_text, "second: false", "answered")
  suite.assert_words(node.process.stderr_text, "afterwards")
  lu.assertEquals(node.inbox, {})
end

function TestReplies.test_what_a_handler_may_not_return()
  local node = start [[
    vortex.on("number", function() return 42 end)
    vortex.on("string", function() return "ok" end)
    vortex.on("array", function() return { 1, 2 } end)
    vortex.on("true", function() return true end)
    vortex.on("type", function() return { type = 5 } end)
  ]]
  for _, type in ipairs { "number", "string", "array", "true", "type" } do
    suite.assert_error(node:call { type = type }, 13)
  end
  node:finish()
end

function TestReplies.test_handlers_start_in_order_of_arrival()
  local node = start [[
    local order = {}
    vortex.on("enter", function(msg)
      order[#order + 1] = msg.body.n
      if msg.body.n % 2 == 0 then
        vortex.sleep(0.02)
      end
      return {}
    end)
    vortex.on("order", function() return { order = order } end)
  ]]
  local expected = {}
  for i = 1, 100 do
    node:request { type = "enter", n = i }
    expected[i] = i
  end
  lu.assertEquals(table.concat(node:call({ type = "order" }).order, " "), table.concat(expected, " "))
  node:finish()
  lu.assertEquals(node.judge:unanswered(), {})
end

function TestReplies.test_the_message_object()
  local node = start [[
    vortex.on("look", function(msg)
      local same = msg.body == msg.body
      vortex.sleep(0.01)
      return { src = msg.src, dest = msg.dest, t = msg.type, same = same and msg.body.key == "value" }
    end)
    vortex.on("keep", function(msg) KEPT = msg return {} end)
    vortex.on("kept", function() return { src = KEPT.src, value = KEPT.body.value } end)
  ]]
  local reply = node:call({ type = "look", key = "value" }, { src = "c7" })
  lu.assertEquals({ reply.src, reply.dest, reply.t, reply.same }, { "c7", "n1", "look", true })
  node:call({ type = "keep", value = 5 }, { src = "c8" })
  for _ = 1, 50 do
    node:call { type = "look" }
  end
  reply = node:call { type = "kept" }
  lu.assertEquals({ reply.src, reply.value }, { "c8", 5 })
  node:finish()
end

function TestReplies.test_registering_a_type_twice_raises()
  local p = process.run({ file = maelstrom.binary, args = { scratch.script [[
    local vortex = require "vortex"
    vortex.on("echo", function() end)
    vortex.on("echo", function() end)
  ]] } }, "")
  lu.assertEquals(p.exit_code, 1)
  suite.assert_words(p.stderr_text, ".lua:3:", "echo")
end

function TestReplies.test_registering_nonsense_raises()
  for _, call in ipairs {
    "vortex.on()", "vortex.on('x')", "vortex.on('x', 1)", "vortex.on(print, print)",
    "vortex.on({ {} }, print)", "vortex.on_init(1)", "vortex.on_exit()", "vortex.on('', print)",
  } do
    local source = "local vortex = require 'vortex'\n" .. call
    local p = process.run({ file = maelstrom.binary, args = { scratch.script(source) } }, "")
    lu.assertEquals(p.exit_code, 1, call)
    suite.assert_words(p.stderr_text, ".lua:2:")
  end
end

local TestForward = suite.case "TestForward"

-- n1 gives requests away, n2 keeps them: n2 answers the client itself.
local FORWARDING = [[
  local vortex = require "vortex"
  vortex.on("where", function(msg)
    if msg.body.to and vortex.id ~= msg.body.to then
      return msg:forward(msg.body.to)
    end
    if msg.body.wait then vortex.sleep(msg.body.wait) end
    return { at = vortex.id, src = msg.src, dest = msg.dest, value = msg.body.value }
  end)
  vortex.on("fails", function(msg)
    if vortex.id == "n1" then msg:forward("n2") else vortex.error(11, "at n2") end
  end)
  vortex.on("unknown_there", function(msg) msg:forward("n3") end)
  vortex.on("misuse", function(msg)
    local results = {}
    local function try(...)
      local _, err = pcall(msg.forward, msg, ...)
      results[#results + 1] = tostring(err)
    end
    try("n9") try("c1") try("lin-kv") try(vortex.id) try() try(5)
    msg:reply { results = results }
    local _, err = pcall(msg.forward, msg, "n2")
    vortex.log.info("after reply: " .. tostring(err))
  end)
  vortex.on("both", function(msg)
    msg:forward("n2")
    local _, err = pcall(msg.reply, msg, {})
    vortex.log.info("after forward: " .. tostring(err))
  end)
]]

local function forwarding()
  return cluster.start { source = FORWARDING, count = 3 }
end

function TestForward.test_a_member_answers_the_client_itself()
  local c = forwarding()
  for i = 1, 20 do
    local value = { i, { "x", i + 0.5 }, {} }
    local reply, msg = c:call("n1", { type = "where", to = "n2", value = value }, { src = "c4" })
    lu.assertEquals({ reply.at, reply.src, reply.dest, msg.src }, { "n2", "c4", "n2", "n2" })
    lu.assertEquals(reply.value[1], i)
  end
  lu.assertEquals(c:call("n1", { type = "where" }).at, "n1")
  c:finish()
  for _, node in pairs(c.nodes) do
    suite.assert_no_words(node.process.stderr_text, "warn")
  end
end

function TestForward.test_a_handler_that_waits_and_an_error()
  local c = forwarding()
  lu.assertEquals(c:call("n1", { type = "where", to = "n3", wait = 0.05 }).at, "n3")
  suite.assert_error(c:call("n1", { type = "fails" }), 11)
  suite.assert_error(c:call("n1", { type = "where", to = "n9" }), 13)
  c:finish()
end

function TestForward.test_ids_survive_exactly()
  local c = forwarding()
  local json = require "support.json"
  for _, raw in ipairs { "18446744073709551616", "9007199254740993", "0" } do
    c.nodes.n1:request({ type = "where", to = "n2", msg_id = json.number(raw) }, { src = "c4" })
    local reply = c:reply_to("c4", json.number(raw))
    lu.assertEquals(reply.at, "n2")
  end
  c:finish()
end

function TestForward.test_misuse_raises_and_a_request_is_given_away_once()
  local c = forwarding()
  local results = c:call("n1", { type = "misuse" }).results
  lu.assertEquals(#results, 6)
  for _, text in ipairs(results) do
    lu.assertNotEquals(text, "nil")
  end
  suite.assert_words(results[1], "n9")
  c:call("n1", { type = "where" })
  local node = c.nodes.n1
  suite.assert_words(node.process.stderr_text, "after reply:", "answered")
  node:request({ type = "both" }, { src = "c5" })
  node.process:expect_stderr "after forward:"
  suite.assert_no_words(node.process.stderr_text, "after forward: nil")
  c:finish()
end

-- A message of a member has no client that somebody else could answer.
function TestForward.test_only_requests_of_clients()
  local node = maelstrom.start { source = [[
    local vortex = require "vortex"
    vortex.on("pass", function(msg)
      local ok, err = pcall(msg.forward, msg, "n2")
      vortex.log.info("forward: " .. tostring(ok) .. " " .. tostring(err))
      if msg.src == "n2" then return { ok = ok } end
    end)
  ]], ids = { "n1", "n2" } }
  lu.assertEquals(node:call({ type = "pass" }, { src = "n2" }).ok, false)
  node:finish()
  suite.assert_words(node.process.stderr_text, "forward: false")
end

-- The age of a request goes with it: one that was slow at n1 is late at n2.
function TestForward.test_a_forwarded_request_carries_its_age()
  local c = cluster.start { source = [[
    local vortex = require "vortex"
    vortex.on("slow", function(msg)
      vortex.sleep(0.15)
      if vortex.id == "n1" then return msg:forward("n2") end
      return { done = true }
    end)
    vortex.on("quick", function() return {} end)
  ]], count = 2, options = { "--late-reply", "0.2" } }
  c.nodes.n1:request({ type = "slow" }, { src = "c4" })
  c.nodes.n2.process:expect_stderr("warn", 2)
  c:call("n2", { type = "quick" })
  lu.assertEquals(c.nodes.n2.inbox, {})
  c:finish()
end

-- A script that passes requests in a circle does not do so for ever.
function TestForward.test_a_circle_ends()
  local c = cluster.start { source = [[
    local vortex = require "vortex"
    vortex.on("circle", function(msg) msg:forward(vortex.peers[1]) end)
  ]], count = 2 }
  local reply = c:call("n1", { type = "circle" }, { src = "c4" })
  lu.assertEquals(reply.type, "error")
  lu.assertTrue(c.routed <= 20, c.routed .. " messages")
  c:finish()
end
