--- Envelopes that are valid JSON and still wrong, or unusual and still right; and what happens around init.
local lu = require "luaunit"

local json = require "support.json"
local maelstrom = require "support.maelstrom"
local suite = require "support.suite"

local ECHO = require "support.echo_source"

-- Sends a line that is not to be answered, then a good request, and ends the node. Returns what was logged since the line was sent.
local function send_unanswered(line, source)
  local node = maelstrom.start { source = source or ECHO }
  local logged = #node.process.stderr_text
  node.process:send(line)
  lu.assertEquals(node:call({ type = "echo", echo = "after" }, { src = "c2" }).echo, "after")
  node:finish()
  lu.assertEquals(#node.answered_in_order, 2)
  lu.assertEquals(node.inbox, {})
  return node.process.stderr_text:sub(logged + 1)
end

local WRONG = {
  null = "null",
  ["true"] = "true",
  number = "7",
  string = '"c1"',
  empty_string = '""',
  array = '["c1"]',
  object = '{"id":"c1"}',
}
local RIGHT = { src = '"c1"', dest = '"n1"', body = '{"type":"echo","echo":1,"msg_id":77}' }
local RIGHT_BODY = { type = '"echo"', msg_id = "77", echo = "1" }

local function object_text(fields)
  local parts = {}
  for key, text in pairs(fields) do
    parts[#parts + 1] = ('"%s":%s'):format(key, text)
  end
  table.sort(parts)
  return "{" .. table.concat(parts, ",") .. "}"
end

local function with(fields, key, text)
  local copy = {}
  for k, v in pairs(fields) do
    copy[k] = v
  end
  copy[key] = text
  return copy
end

local function without(fields, key)
  local copy = with(fields, key, nil)
  copy[key] = nil
  return copy
end

local TestWrongFields = suite.case "TestWrongFields"

local ALLOWED = { -- what is right for the field after all
  src = { string = true },
  dest = {},
  body = {},
  type = { string = true },
}

for field in pairs(RIGHT) do
  for name, text in pairs(WRONG) do
    if not ALLOWED[field][name] then
      TestWrongFields[("test_%s_is_%s"):format(field, name)] = function()
        suite.assert_words(send_unanswered(object_text(with(RIGHT, field, text))), "warn")
      end
    end
  end
  TestWrongFields[("test_%s_is_missing"):format(field)] = function()
    suite.assert_words(send_unanswered(object_text(without(RIGHT, field))), "warn")
  end
end

for name, text in pairs(WRONG) do
  if not (ALLOWED.type[name] or name == "empty_string") then
    TestWrongFields[("test_type_is_%s"):format(name)] = function()
      local line = object_text(with(RIGHT, "body", object_text(with(RIGHT_BODY, "type", text))))
      suite.assert_words(send_unanswered(line), "warn")
    end
  end
end

function TestWrongFields.test_type_is_missing()
  local line = object_text(with(RIGHT, "body", object_text(without(RIGHT_BODY, "type"))))
  suite.assert_words(send_unanswered(line), "warn")
end

-- Whether null counts as absent is open; the others are not numbers. None can be answered.
for _, field in ipairs { "msg_id", "in_reply_to" } do
  for name, text in pairs(WRONG) do
    if name ~= "number" then
      TestWrongFields[("test_%s_is_%s"):format(field, name)] = function()
        local body = with(RIGHT_BODY, field, text)
        if field == "in_reply_to" then
          body.msg_id = nil
        end
        local log = send_unanswered(object_text(with(RIGHT, "body", object_text(body))))
        if name ~= "null" then
          suite.assert_words(log, "warn")
        end
      end
    end
  end
end

function TestWrongFields.test_dest_is_another_node()
  suite.assert_words(send_unanswered(object_text(with(RIGHT, "dest", '"n2"'))), "warn")
end

local TestUnusual = suite.case "TestUnusual"

-- Sends the text of an envelope whose request is {"echo": 1, "msg_id": 77} from c1, and expects its answer.
local function assert_answered(line)
  local node = maelstrom.start { source = ECHO }
  node.judge:sent { src = "c1", dest = "n1", body = json.object { type = "echo", msg_id = 77 } }
  node.process:send(line)
  suite.assert_json(node:reply_to(77), '{"type":"echo_ok","echo":1,"in_reply_to":77}')
  node:finish()
end

function TestUnusual.test_extra_keys()
  local line = object_text(with(with(RIGHT, "id", "99"), "trace", '{"a":[1,{"src":"c9"}]}'))
  assert_answered(line)
  assert_answered(object_text(with(RIGHT, "body", object_text(with(RIGHT_BODY, "extra", '{"type":"x","msg_id":1}')))))
end

function TestUnusual.test_any_order_and_blanks()
  assert_answered '{ "body" : { "msg_id" : 77 , "echo" : 1 , "type" : "echo" } , "dest" : "n1" , "src" : "c1" }'
end

function TestUnusual.test_the_last_of_two_keys_wins()
  assert_answered '{"src":7,"src":"c1","dest":"n9","dest":"n1","body":{"type":"x","type":"echo","msg_id":1,"msg_id":77,"echo":1}}'
  assert_answered '{"src":"c1","dest":"n1","body":4,"body":{"type":"echo","msg_id":77,"echo":0,"echo":1}}'
end

function TestUnusual.test_escaped_keys_and_values()
  assert_answered('{"\\u0073rc":"\\u00631","d\\u0065st":"n\\u0031",'
    .. '"b\\u006fdy":{"t\\u0079pe":"\\u0065cho","ms\\u0067_id":77,"ech\\u006f":1}}')
end

function TestUnusual.test_client_names()
  local node = maelstrom.start { source = ECHO }
  for _, src in ipairs { "c1", "client/with \"quotes\" \\", "\u{1F600}", "jepsen-1", ("c"):rep(200), "lin-kv-2", "N1" } do
    lu.assertEquals(node:call({ type = "echo", echo = src }, { src = src }).echo, src)
  end
  node:finish()
end

local TestBeforeInit = suite.case "TestBeforeInit"

function TestBeforeInit.test_messages_are_dropped()
  local node = maelstrom.start { source = ECHO, init = false }
  node.process:send(maelstrom.line("c1", "n1", { type = "echo", echo = 1, msg_id = 50 }))
  node.process:send(maelstrom.line("c1", "n1", { type = "note", value = 1 }))
  node.process:send(maelstrom.line("n2", "n1", { type = "x_ok", in_reply_to = 1 }))
  node.process:send "garbage"
  node:initialize()
  suite.assert_json(node:call({ type = "seen" }).seen, "[]")
  node:finish()
  lu.assertEquals(#node.answered_in_order, 2)
end

function TestBeforeInit.test_the_end_of_input()
  local node = maelstrom.start { source = ECHO, init = false }
  node:finish()
end

-- It has no id yet, so nothing could be answered in a form that Maelstrom accepts.
function TestBeforeInit.test_a_malformed_init_is_not_fatal()
  for _, body in ipairs {
    '{"type":"init","msg_id":1}',
    '{"type":"init","msg_id":1,"node_id":"n1"}',
    '{"type":"init","msg_id":1,"node_id":1,"node_ids":["n1"]}',
    '{"type":"init","msg_id":1,"node_id":"n1","node_ids":"n1"}',
    '{"type":"init","msg_id":1,"node_id":"n1","node_ids":[1]}',
    '{"type":"init","msg_id":1,"node_id":"n1","node_ids":{"n1":1}}',
    '{"type":"init","node_id":null,"node_ids":["n1"],"msg_id":1}',
  } do
    local node = maelstrom.start { source = ECHO, init = false }
    node.judge:sent { src = "c9", dest = "n1", body = json.object { type = "init", msg_id = 1 } }
    node.process:send(('{"src":"c9","dest":"n1","body":%s}'):format(body))
    node:initialize()
    lu.assertEquals(node:call({ type = "echo", echo = 1 }).echo, 1)
    node:finish()
    lu.assertStrMatches(node.process.stderr_text, ".*init.*")
  end
end

local TestSecondInit = suite.case "TestSecondInit"

local COUNTING = [[
local vortex = require "vortex"
local runs = 0
vortex.on_init(function() runs = runs + 1 end)
vortex.on("runs", function() return { runs = runs, id = vortex.id, ids = vortex.ids } end)
]]

function TestSecondInit.test_the_same_id_again()
  local node = maelstrom.start { source = COUNTING, ids = { "n1", "n2" } }
  local again = { type = "init", node_id = "n1", node_ids = { "n1", "n2" } }
  suite.assert_json(node:call(again, { src = "c8" }), '{"type":"init_ok","in_reply_to":1}')
  suite.assert_json(node:call({ type = "runs" }), '{"type":"runs_ok","runs":1,"id":"n1","ids":["n1","n2"],"in_reply_to":1}')
  node:finish()
end

function TestSecondInit.test_another_id()
  local node = maelstrom.start { source = COUNTING, ids = { "n1", "n2" } }
  suite.assert_error(node:call({ type = "init", node_id = "n2", node_ids = { "n1", "n2" } }, { src = "c8" }), 12)
  suite.assert_json(node:call({ type = "runs" }), '{"type":"runs_ok","runs":1,"id":"n1","ids":["n1","n2"],"in_reply_to":1}')
  node:finish()
end

local TestNotAnswered = suite.case "TestNotAnswered"

local NOTING = [[
local vortex = require "vortex"
local seen = {}
vortex.on({ "x_ok", "gossip", "error" }, function(msg)
  seen[#seen + 1] = msg.type
  if msg.body.fail then
    vortex.error(11, "on purpose")
  end
  return { extra = 1 }
end)
vortex.on("seen", function() return { seen = vortex.array(seen) } end)
]]

local function noting()
  return maelstrom.start { source = NOTING, ids = { "n1", "n2" } }
end

local function assert_seen(node, text)
  suite.assert_json(node:call({ type = "seen" }).seen, text)
  lu.assertEquals(node.inbox, {})
  node:finish()
end

function TestNotAnswered.test_replies_to_ids_that_were_never_issued_go_to_their_handler()
  local node = noting()
  node:send("n2", { type = "x_ok", in_reply_to = 1 })
  node:send("c1", { type = "x_ok", in_reply_to = json.number "1.5" })
  assert_seen(node, '["x_ok","x_ok"]')
end

function TestNotAnswered.test_an_error_is_never_answered()
  local node = noting()
  node:send("n2", { type = "error", code = 11, text = "x" })
  node:send("n2", { type = "error", code = 11, text = "x", msg_id = 5, fail = true })
  node:send("n2", { type = "error", code = 11, text = "x", msg_id = 6, in_reply_to = 123, fail = true })
  node:send("c1", { type = "error", code = 11, text = "x", msg_id = 7, fail = true })
  node:call { type = "seen" }
  lu.assertEquals(node.inbox, {}, "not with an error")
  node:finish()
end

function TestNotAnswered.test_an_error_without_a_handler()
  local node = maelstrom.start { source = ECHO, ids = { "n1", "n2" } }
  node:send("n2", { type = "error", code = 11, text = "x", msg_id = 5 })
  node:send("n2", { type = "error", code = 11, text = "x", in_reply_to = 5 })
  node:send("c1", { type = "error", code = 11, text = "x" })
  node:call { type = "echo", echo = 1 }
  lu.assertEquals(node.inbox, {})
  node:finish()
end

function TestNotAnswered.test_a_message_without_msg_id()
  local node = noting()
  node:send("n2", { type = "gossip" })
  node:send("c1", { type = "gossip", fail = true })
  assert_seen(node, '["gossip","gossip"]')
end

function TestNotAnswered.test_an_unknown_type_without_msg_id()
  local node = noting()
  node:send("n2", { type = "unheard of" })
  node:send("n2", { type = "unheard_of_ok", in_reply_to = 3 })
  assert_seen(node, "[]")
end

function TestNotAnswered.test_an_unknown_type_with_msg_id_is_refused()
  local node = noting()
  suite.assert_words(suite.assert_error(node:call { type = "unheard of" }, 10), "unheard of")
  suite.assert_error(node:call({ type = "unheard of" }, { src = "n2" }), 10)
  assert_seen(node, "[]")
end

local TestIds = suite.case "TestIds"

for _, raw in ipairs {
  "1.0", "1e3", "1E+3", "18446744073709551616", "-5", "0", "-0", "0.1", "9007199254740993", "123456789012345678901234567890.5",
  "1e400", "9223372036854775807", "-9223372036854775808", "4294967296",
} do
  TestIds[("test_%s_comes_back_as_it_is"):format(raw)] = function()
    local node = maelstrom.start { source = ECHO }
    node:request({ type = "echo", echo = 1, msg_id = json.number(raw) }, { src = "n1x" })
    local msg = node:expect()
    suite.assert_words(msg.raw, '"in_reply_to":' .. raw .. "}")
    node:finish()
  end
end
