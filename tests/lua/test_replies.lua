local lu = require "luaunit"
local check = require "vortex.replies"
local core = require "vortex.core"
local new_world = require("support.world").new
local vortex = require "vortex"

local T = {}

local root = arg[0]:match "^(.*)/tests/lua/[^/]*$" or "."
local transcripts = root .. "/../shared/transcripts/"

local function reason(workload, request_type, reply)
  return check.checker(workload)(request_type, { type = request_type }, core.decode(reply))
end

-- Verdicts of Maelstrom's own schemas: workload, request, reply, and what is wrong with it (nil: nothing).
local VERDICTS = {
  { "echo", "echo", '{"type":"echo_ok","echo":{"a":[null]}}' },
  { "echo", "echo", '{"type":"echo_ok","echo":null,"in_reply_to":3,"msg_id":4}' },
  { "echo", "echo", '{"echo":1}' },
  { "echo", "echo", '{"type":"echo_ok"}', "echo_ok.echo: missing" },
  { "echo", "echo", '{"type":"echo_ok","echo":1,"trace":2}', "echo_ok.trace: no such field in this reply" },
  { "echo", "echo", '{"type":"echo_ok","echo":1,"msg_id":null}', "echo_ok.msg_id: expected an integer, got null" },
  {
    "echo",
    "echo",
    '{"type":"echo_ok","echo":1,"msg_id":1.5}',
    "echo_ok.msg_id: expected an integer, got the number 1.5",
  },
  {
    "echo",
    "echo",
    '{"type":"echo_ok","echo":1,"in_reply_to":"1"}',
    "echo_ok.in_reply_to: expected an integer, got a string",
  },
  { "echo", "echo", '{"type":"read_ok","echo":1}', 'type: expected echo_ok or error, got "read_ok"' },
  { "unique-ids", "generate", '{"type":"generate_ok","id":"n1-1"}' },
  { "unique-ids", "generate", '{"type":"generate_ok"}', "generate_ok.id: missing" },
  { "broadcast", "read", '{"type":"read_ok","messages":[]}' },
  { "broadcast", "read", '{"type":"read_ok","messages":null}' },
  { "broadcast", "read", '{"type":"read_ok","messages":{}}', "read_ok.messages: expected an array, got an object" },
  { "broadcast", "read", '{"type":"read_ok"}', "read_ok.messages: missing" },
  { "broadcast", "broadcast", '{"type":"broadcast_ok"}' },
  { "broadcast", "topology", '{"type":"topology_ok","ok":true}', "topology_ok.ok: no such field in this reply" },
  { "g-set", "read", '{"type":"read_ok","value":[1,"a"]}' },
  { "g-set", "read", '{"type":"read_ok","value":3}', "read_ok.value: expected an array, got an integer" },
  { "g-counter", "read", '{"type":"read_ok","value":3}' },
  { "g-counter", "read", '{"type":"read_ok","value":3.5}', "read_ok.value: expected an integer, got the number 3.5" },
  { "pn-counter", "read", '{"type":"read_ok","value":true}', "read_ok.value: expected an integer, got true" },
  { "kafka", "send", '{"type":"send_ok","offset":0}' },
  { "kafka", "send", '{"type":"send_ok","offset":"0"}', "send_ok.offset: expected an integer, got a string" },
  { "kafka", "poll", '{"type":"poll_ok","msgs":{}}' },
  { "kafka", "poll", '{"type":"poll_ok","msgs":[]}', "poll_ok.msgs: expected an object, got an array" },
  { "kafka", "poll", '{"type":"poll_ok","msgs":null}', "poll_ok.msgs: expected an object, got null" },
  { "kafka", "poll", '{"type":"poll_ok","msgs":{"k":[]}}' },
  { "kafka", "poll", '{"type":"poll_ok","msgs":{"k":{}}}', "poll_ok.msgs.k: expected an array, got an object" },
  { "kafka", "poll", '{"type":"poll_ok","msgs":{"k":[[0,9],[1,null]]}}' },
  {
    "kafka",
    "poll",
    '{"type":"poll_ok","msgs":{"k":[[0,9],["1",9]]}}',
    "poll_ok.msgs.k[2][1]: expected an integer, got a string",
  },
  { "kafka", "poll", '{"type":"poll_ok","msgs":{"k":[[0]]}}', "poll_ok.msgs.k[1]: expected 2 elements, got 1" },
  { "kafka", "list_committed_offsets", '{"type":"list_committed_offsets_ok","offsets":{"k":1}}' },
  {
    "kafka",
    "list_committed_offsets",
    '{"type":"list_committed_offsets_ok","offsets":[]}',
    "list_committed_offsets_ok.offsets: expected an object, got an array",
  },
  { "lin-kv", "read", '{"type":"read_ok","value":null}' },
  { "lin-kv", "cas", '{"type":"cas_ok","value":1}', "cas_ok.value: no such field in this reply" },
  { "lin-kv", "cas", '{"type":"error","code":22,"text":"no","key":1}' },
  { "lin-kv", "cas", '{"type":"error","code":"22","text":"no"}', "error.code: expected an integer, got a string" },
  { "lin-kv", "cas", '{"type":"error","text":"no"}', "error.code: missing" },
  { "lin-kv", "cas", '{"type":"error","code":22}', "error.text: missing" },
  { "lin-kv", "no_such_request", '{"type":"whatever","x":1}' },
  {
    "lin-kv",
    "no_such_request",
    '{"type":"error","code":1.5,"text":""}',
    "error.code: expected an integer, got the number 1.5",
  },
  { "lin-kv", "init", '{"type":"init_ok","x":1}', "init_ok.x: no such field in this reply" },
  { "txn-list-append", "txn", '{"type":"txn_ok","txn":[["r",1,null],["r",1,[]],["r",1,[2]],["append",1,2]]}' },
  {
    "txn-list-append",
    "txn",
    '{"type":"txn_ok","txn":[["r",1,{}]]}',
    "txn_ok.txn[1][3]: expected an array, got an object",
  },
  {
    "txn-list-append",
    "txn",
    '{"type":"txn_ok","txn":[["append",1,2],["r",1]]}',
    "txn_ok.txn[2]: expected 3 elements, got 2",
  },
  { "txn-list-append", "txn", '{"type":"txn_ok","txn":[["w",1,2]]}', 'txn_ok.txn[1][1]: expected "append" or "r"' },
  { "txn-rw-register", "txn", '{"type":"txn_ok","txn":[["r",1,null],["w",1,2]]}' },
  { "txn-rw-register", "txn", '{"type":"txn_ok","txn":[["append",1,2]]}', 'txn_ok.txn[1][1]: expected "r" or "w"' },
}

function T.test_verdicts()
  for _, case in ipairs(VERDICTS) do
    lu.assertEquals(reason(case[1], case[2], case[3]), case[4], case[1] .. " " .. case[3])
  end
end

-- What counts is what the encoder makes of a value, not how the script built it.
function T.test_values_are_judged_as_they_are_printed()
  local function judge(request_type, reply)
    return check.checker "kafka"(request_type, {}, reply)
  end
  lu.assertNil(judge("send", { offset = 3.0 }))
  lu.assertStrContains(judge("send", { offset = 1e300 }), "send_ok.offset: expected an integer")
  lu.assertStrContains(judge("send", { offset = 0 / 0 }), "NaN")
  lu.assertNil(judge("poll", { msgs = {} }))
  lu.assertStrContains(judge("poll", { msgs = vortex.array {} }), "got an array")
  lu.assertNil(judge("poll", { msgs = { k = { { 1, 2 } } } }))
  lu.assertStrContains(check.checker "broadcast"("read", {}, { messages = {} }), "expected an array, got an object")
end

function T.test_an_unknown_workload_names_the_nearest()
  lu.assertErrorMsgContains("did you mean broadcast?", check.checker, "brodcast")
  lu.assertErrorMsgContains("did you mean g-counter or pn-counter?", check.checker, "counter")
  lu.assertErrorMsgContains("there are broadcast, echo, g-counter,", check.checker, "quorum-queue")
end

local INFERRED = {
  { "echo", {}, "echo" },
  { "generate", {}, "unique-ids" },
  { "broadcast", {}, "broadcast" },
  { "topology", {}, "broadcast" },
  { "add", { element = 1 }, "g-set" },
  { "add", { delta = 1 }, "g-counter" },
  { "add", {} },
  { "read", {} },
  { "read", { key = 1 }, "lin-kv" },
  { "cas", {}, "lin-kv" },
  { "write", {}, "lin-kv" },
  { "send", {}, "kafka" },
  { "poll", {}, "kafka" },
  { "commit_offsets", {}, "kafka" },
  { "txn", { txn = { { "r", 1, vortex.null }, { "append", 1, 2 } } }, "txn-list-append" },
  { "txn", { txn = { { "w", 1, 2 } } }, "txn-rw-register" },
  { "txn", { txn = { { "r", 1, vortex.null } } } },
  { "txn", { txn = 7 } },
  { "something_else", {} },
}

function T.test_requests_tell_their_workload()
  for _, case in ipairs(INFERRED) do
    lu.assertEquals(check.infer(case[1], case[2]), case[3], case[1])
  end
end

function T.test_the_inferred_workload_is_logged_once_and_kept()
  local world = new_world()
  local judge = world:require("vortex.replies").checker ""
  lu.assertNil(judge("read", {}, { value = 1.5 }), "unknown yet")
  lu.assertStrContains(judge("read", {}, { type = "error", code = 1.5, text = "" }), "error.code")
  lu.assertEquals(world.log, {})
  lu.assertNil(judge("add", { delta = 3 }, {}))
  lu.assertNil(judge("add", { delta = 3 }, {}))
  lu.assertEquals(world.log, { "info: check: this looks like the g-counter workload" })
  lu.assertStrContains(judge("read", {}, { value = 1.5 }), "read_ok.value: expected an integer")
end

local function lines(path)
  local file = io.open(path)
  return file and file:lines() or nil
end

-- The clients' requests to a node of a recorded run, and its replies by (client, msg_id).
local function recorded(workload, node)
  local requests, replies = {}, {}
  local file = lines(("%s%s/%s.in.ndjson"):format(transcripts, workload, node))
  if not file then
    return nil
  end
  for line in file do
    local ok, message = pcall(core.decode, line)
    if ok and message.src:find "^c" then
      requests[#requests + 1] = message
    end
  end
  for line in lines(("%s%s/%s.out.ndjson"):format(transcripts, workload, node)) do
    local ok, message = pcall(core.decode, line)
    if ok and message.body.in_reply_to then
      replies[message.dest .. " " .. message.body.in_reply_to] = message.body
    end
  end
  return requests, replies
end

local RECORDED = {
  "echo", "unique-ids", "broadcast", "g-set", "g-counter", "pn-counter", "kafka", "lin-kv", "lin-kv-proxy",
  "txn-list-append", "txn-rw-register",
}

local function for_recorded_replies(fn)
  if not lines(transcripts .. "echo/n0.in.ndjson") then
    lu.skip("no transcripts in " .. transcripts)
  end
  for _, folder in ipairs(RECORDED) do
    local workload = folder == "lin-kv-proxy" and "lin-kv" or folder
    local named, bare, judged = check.checker(workload), check.checker "", 0
    for node = 0, 4 do
      local requests, replies = recorded(folder, "n" .. node)
      for _, request in ipairs(requests or {}) do
        local reply = replies[request.src .. " " .. request.body.msg_id]
        if reply then
          judged = judged + 1
          fn(folder, named, bare, request.body, reply)
        end
      end
    end
    lu.assertTrue(judged > 10, folder)
  end
end

function T.test_valid_runs_pass()
  for_recorded_replies(function(folder, named, bare, request, reply)
    lu.assertNil(named(request.type, request, reply), folder)
    lu.assertNil(bare(request.type, request, reply), folder)
  end)
end

function T.test_no_recorded_reply_passes_with_another_field_or_without_one()
  for_recorded_replies(function(folder, named, _, request, reply)
    if reply.type ~= "error" then
      reply.trace = 1
      lu.assertStrContains(named(request.type, request, reply), "no such field", folder)
      reply.trace = nil
    end
    for field in vortex.sorted_pairs(reply) do
      if field ~= "type" and field ~= "in_reply_to" then
        local value = reply[field]
        reply[field] = nil
        lu.assertStrContains(named(request.type, request, reply), field .. ": missing", folder)
        reply[field] = value
      end
    end
  end)
end

return T
