--- `--check`: every reply to a client is held against the workload's schema before it leaves; what Maelstrom would refuse becomes an error
--- that says why, in the log and to the client.
local lu = require "luaunit"

local json = require "support.json"
local maelstrom = require "support.maelstrom"
local suite = require "support.suite"

-- A node that answers every request with the body that the request carries in `answer`.
local SOURCE = [[
local vortex = require "vortex"
local function answer(msg)
  if msg.body.answer then return msg.body.answer end
  vortex.error(msg.body.code, "on purpose")
end
vortex.on({
  "echo", "generate", "topology", "broadcast", "read", "add", "send", "poll", "commit_offsets", "list_committed_offsets",
  "write", "cas", "txn", "other",
}, answer)
]]

local function start(check, workload)
  return maelstrom.start { source = SOURCE, options = { check }, ids = { "n1", "n2" }, workload = workload }
end

local TXN_R = json.decode '[["r",1,null]]'

-- {workload, request, fields of a good answer, {fields of bad answers}}. In the texts, absent type means the default one.
local CASES = {
  { "echo", { type = "echo", echo = 1 }, '{"echo":1}', { "{}", '{"echo":1,"extra":1}' } },
  { "unique-ids", { type = "generate" }, '{"id":"a"}', { "{}", '{"id":1,"at":2}' } },
  { "broadcast", { type = "topology", topology = { n1 = { "n2" } } }, "{}", { '{"x":1}' } },
  { "broadcast", { type = "broadcast", message = 1 }, "{}", { '{"x":null}' } },
  {
    "broadcast", { type = "read" }, '{"messages":[1,2]}',
    { "{}", '{"messages":{}}', '{"messages":3}', '{"messages":[],"n":1}', '{"type":"read_okay","messages":[]}' },
  },
  { "g-set", { type = "add", element = 1 }, "{}", { '{"value":[1]}' } },
  { "g-set", { type = "read" }, '{"value":[]}', { '{"value":{}}', '{"messages":[]}' } },
  { "g-counter", { type = "add", delta = 1 }, "{}", { '{"value":1}' } },
  { "g-counter", { type = "read" }, '{"value":3}', { '{"value":3.5}', '{"value":"3"}', '{"value":null}', "{}" } },
  { "pn-counter", { type = "read" }, '{"value":-3}', { '{"value":0.5}', '{"value":[3]}' } },
  { "kafka", { type = "send", key = "k", msg = 1 }, '{"offset":0}', { '{"offset":"0"}', "{}", '{"offset":1.5}' } },
  {
    "kafka", { type = "poll", offsets = { k = 0 } }, '{"msgs":{"k":[[0,9]]}}',
    { '{"msgs":[]}', '{"msgs":null}', '{"msgs":{"k":{}}}', '{"msgs":{"k":[[0.5,9]]}}', '{"msgs":{"k":[[0]]}}', "{}" },
  },
  { "kafka", { type = "commit_offsets", offsets = { k = 0 } }, "{}", { '{"offsets":{}}' } },
  {
    "kafka", { type = "list_committed_offsets", keys = { "k" } }, '{"offsets":{"k":1}}',
    { '{"offsets":[]}', '{"offsets":{"k":"1"}}', '{"offsets":{"k":null}}' },
  },
  { "lin-kv", { type = "read", key = 1 }, '{"value":1}', { "{}", '{"value":1,"key":1}' } },
  { "lin-kv", { type = "write", key = 1, value = 2 }, "{}", { '{"value":2}' } },
  { "lin-kv", { type = "cas", key = 1, from = 1, to = 2 }, "{}", { '{"ok":true}' } },
  {
    "txn-list-append", { type = "txn", txn = TXN_R }, '{"txn":[["r",1,[1,2]],["append",1,3]]}',
    { '{"txn":[["r",1,{}]]}', '{"txn":[["r",1]]}', '{"txn":[["w",1,1]]}', '{"txn":{}}', "{}" },
  },
  {
    "txn-rw-register", { type = "txn", txn = TXN_R }, '{"txn":[["r",1,null],["w",1,3]]}',
    { '{"txn":[["append",1,3]]}', '{"txn":[["w",1]]}', '{"txn":3}', '{"txn":[],"x":1}' },
  },
}

local function asked(request, answer)
  local body = {}
  for key, value in pairs(request) do
    body[key] = value
  end
  body.answer = json.number(answer) -- sent as the text it is
  return body
end

local TestWorkloads = suite.case "TestWorkloads"

for i, case in ipairs(CASES) do
  local workload, request, good, bad = table.unpack(case)
  TestWorkloads[("test_%02d_%s_%s"):format(i, workload, request.type)] = function()
    local node = start("--check=" .. workload, workload)
    local reply = node:call(asked(request, good))
    lu.assertEquals(reply.type, request.type .. "_ok", json.encode(reply))
    for _, answer in ipairs(bad) do
      local logged = #node.process.stderr_text
      reply = node:call(asked(request, answer))
      suite.assert_error(reply, 13)
      node.process:wait_until(function()
        return node.process.stderr_text:find("error", logged + 1, true)
      end, 2, "an entry in the log about " .. answer)
    end
    node:finish()
  end
end

local TestCheck = suite.case "TestCheck"

function TestCheck.test_it_says_what_is_wrong_and_where()
  local node = start "--check=broadcast"
  node:call(asked({ type = "read" }, '{"messages":{"1":2}}'))
  node:finish()
  suite.assert_words(node.process.stderr_text, "read_ok", "messages", "array", "object")
end

function TestCheck.test_without_it_nothing_is_checked()
  local node = maelstrom.start { source = SOURCE }
  suite.assert_json(node:call(asked({ type = "read" }, '{"messages":{},"x":1}')),
    '{"type":"read_ok","messages":{},"x":1,"in_reply_to":1}')
  node:finish()
end

function TestCheck.test_errors_pass()
  local node = start("--check=lin-kv", "lin-kv")
  suite.assert_error(node:call { type = "read", key = 1, code = 20 }, 20)
  suite.assert_error(node:call { type = "cas", key = 1, from = 1, to = 2, code = 22 }, 22)
  node:finish()
end

-- What members tell each other is their own affair.
function TestCheck.test_replies_to_members_are_free()
  local node = start "--check=broadcast"
  suite.assert_json(node:call(asked({ type = "read" }, '{"anything":1}'), { src = "n2" }),
    '{"type":"read_ok","anything":1,"in_reply_to":1}')
  node:finish()
end

function TestCheck.test_a_reply_by_hand_is_checked_too()
  local node = maelstrom.start {
    source = [[
      local vortex = require "vortex"
      vortex.on("read", function(msg)
        vortex.after(0.001, function() msg:reply { value = 1 } end)
      end)
    ]],
    options = { "--check=broadcast" },
    workload = "broadcast",
  }
  suite.assert_error(node:call { type = "read" }, 13)
  node:finish()
end

-- Without a workload, a request that only one of them knows tells which it is.
function TestCheck.test_the_workload_is_inferred()
  for _, case in ipairs {
    { "broadcast", { type = "broadcast", message = 1 }, "{}", { type = "read" }, '{"messages":{}}' },
    { "g-set", { type = "add", element = 1 }, "{}", { type = "read" }, '{"value":{}}' },
    { "g-counter", { type = "add", delta = 1 }, "{}", { type = "read" }, '{"value":3.5}' },
    { "kafka", { type = "send", key = "k", msg = 1 }, '{"offset":0}', { type = "poll", offsets = {} }, '{"msgs":[]}' },
    { "lin-kv", { type = "write", key = 1, value = 1 }, "{}", { type = "read", key = 1 }, "{}" },
    { "echo", { type = "echo", echo = 1 }, '{"echo":1}', { type = "echo", echo = 1 }, "{}" },
  } do
    local workload, telling, good, request, bad = table.unpack(case)
    local node = start "--check"
    lu.assertEquals(node:call(asked(telling, good)).type, telling.type .. "_ok")
    suite.assert_error(node:call(asked(request, bad)), 13)
    node:finish()
    suite.assert_words(node.process.stderr_text, workload)
  end
end

-- The value of an option stands behind `=` only, so the script is not taken for a workload.
function TestCheck.test_bare_check_does_not_eat_the_script()
  local node = maelstrom.start { source = SOURCE, options = { "--log-level", "debug", "--check" } }
  node:finish()
end
