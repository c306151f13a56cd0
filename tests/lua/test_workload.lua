local lu = require "luaunit"
local core = require "vortex.core"
local lab_support = require "support.lab"
local accept = require "vortex.lab.accept"
local schema = require "vortex.schema"
local validate = require "vortex.validate"
local workloads = require "vortex.workload"

local T = {}

local events = lab_support.events
local array, null = core.array, core.null

local function judge(workload, rows, opts)
  return lab_support.new().trial.judge(workload, events(rows), opts)
end

local function assert_valid(workload, rows)
  local result = judge(workload, rows)
  lu.assertEquals(result.valid, true, result.text)
  lu.assertEquals(result.reason, "")
end

-- `...`: what the reason and the text must say.
local function assert_verdict(valid, workload, rows, reason, ...)
  local result = judge(workload, rows)
  lu.assertEquals(result.valid, valid, result.text)
  lu.assertStrContains(result.reason, reason)
  for _, text in ipairs { ... } do
    lu.assertStrContains(result.text, text)
  end
end

function T.test_all_are_found_by_maelstroms_names()
  for _, name in ipairs(workloads.names) do
    local workload = workloads.find(name)
    lu.assertEquals(workload.name, name)
    lu.assertEquals(workload.replies, schema.workloads[name])
  end
end

function T.test_an_unknown_name_lists_all_and_the_nearest()
  lu.assertErrorMsgContains("did you mean lin-kv?", workloads.find, "linkv")
  lu.assertErrorMsgContains("did you mean g-counter or pn-counter?", workloads.find, "counter")
  for _, asked in ipairs { "linkv", "quorum-queue" } do
    local list = "there are broadcast, echo, g-counter, g-set, lin-kv, pn-counter, unique-ids"
    lu.assertErrorMsgContains(list, workloads.find, asked)
  end
end

-- What each workload asks, and what the "ok" event holds after this answer.
local function assert_operation(name, request_type, request, reply, value)
  local lab = lab_support.new():open(name, { clients = 4 })
  for client = 0, 3 do
    for _ = 1, 20 do
      local asked = lab:next(client)
      if asked.type == request_type then
        lu.assertTrue(request(asked), core.encode(asked))
        lu.assertTrue(lab:answer(client, reply))
        local done = lab:last()
        lu.assertEquals(done.type, "ok", core.encode(done))
        lu.assertEquals(done.process % 4, client)
        if value ~= nil then
          lu.assertEquals(core.encode(done.value), core.encode(value))
        end
        return
      end
      lab:fail(client, 11)
    end
  end
  lu.fail(name .. " never asked for " .. request_type)
end

local function integer_in(low, high)
  return function(value)
    return math.type(value) == "integer" and value >= low and value <= high
  end
end

function T.test_requests_and_completions()
  assert_operation("echo", "echo", function(asked)
    local n = math.tointeger(tonumber(asked.echo:match "^Please echo (%d+)$"))
    return n and n >= 0 and n < 128
  end, { type = "echo_ok", echo = "x" }, { type = "echo_ok", echo = "x", in_reply_to = 1 })
  assert_operation("unique-ids", "generate", function()
    return true
  end, { type = "generate_ok", id = "n1-7" }, "n1-7")
  assert_operation("broadcast", "broadcast", function(asked)
    return math.type(asked.message) == "integer"
  end, { type = "broadcast_ok" })
  assert_operation("broadcast", "read", function(asked)
    return next(asked, next(asked)) == nil
  end, { type = "read_ok", messages = array { 3, 1 } }, array { 3, 1 })
  assert_operation("g-set", "add", function(asked)
    return math.type(asked.element) == "integer"
  end, { type = "add_ok" })
  assert_operation("g-set", "read", function()
    return true
  end, { type = "read_ok", value = array {} }, array {})
  for name, least in pairs { ["g-counter"] = 0, ["pn-counter"] = -5 } do -- order-free
    assert_operation(name, "add", function(asked)
      return integer_in(least, 4)(asked.delta)
    end, { type = "add_ok" })
    assert_operation(name, "read", function()
      return true
    end, { type = "read_ok", value = 7 }, 7)
  end
  assert_operation("lin-kv", "read", function(asked)
    return asked.key == 0
  end, { type = "read_ok", value = 3 }, array { 0, 3 })
  local value = integer_in(0, 4)
  assert_operation("lin-kv", "write", function(asked)
    return asked.key == 0 and value(asked.value)
  end, { type = "write_ok" })
  assert_operation("lin-kv", "cas", function(asked)
    return asked.key == 0 and value(asked.from) and value(asked.to)
  end, { type = "cas_ok" })
end

local function deltas(name)
  local lab, seen = lab_support.new():open(name), {}
  for _ = 1, 600 do
    local asked = lab:next(0)
    if asked.type == "add" then
      seen[asked.delta] = true
    end
    lab:fail(0, 11)
  end
  local list = {}
  for delta = -10, 10 do
    list[#list + 1] = seen[delta] and delta or nil
  end
  return list
end

function T.test_counters_add_all_of_maelstroms_deltas_and_no_others()
  lu.assertEquals(deltas "g-counter", { 0, 1, 2, 3, 4 })
  lu.assertEquals(deltas "pn-counter", { -5, -4, -3, -2, -1, 0, 1, 2, 3, 4 })
end

function T.test_elements_are_counted_across_clients()
  local lab, element = lab_support.new():open("broadcast", { clients = 3 }), 0
  for i = 1, 60 do
    local asked = lab:next(i % 3)
    if asked.type == "broadcast" then
      lu.assertEquals(asked.message, element)
      element = element + 1
    end
    lab:fail(i % 3, 11)
  end
  lu.assertTrue(element > 15 and element < 45)
end

-- topologies

local function topology_of(name, n)
  local lab = lab_support.new():open("broadcast", { topology = name, node_count = n })
  local body = core.decode(core.encode(lab.trial.setup(0)))
  lu.assertEquals(body.type, "topology")
  return body.topology
end

function T.test_topologies()
  lu.assertEquals(core.encode(topology_of("line", 1)), "{}")
  for _, name in ipairs { "grid", "tree", "tree2", "tree3", "tree4", "total" } do
    lu.assertEquals(core.encode(topology_of(name, 1)), '{"n0":[]}', name)
    lu.assertEquals(core.encode(topology_of(name, 2)), '{"n0":["n1"],"n1":["n0"]}', name)
  end
  lu.assertEquals(topology_of("line", 5).n2, { "n1", "n3" })
  lu.assertEquals(topology_of("grid", 5).n1, { "n0", "n2", "n4" })
  lu.assertEquals(topology_of("grid", 5), topology_of(nil, 5))
  lu.assertEquals(topology_of("grid", 25).n12, { "n7", "n11", "n13", "n17" })
  lu.assertEquals(topology_of("tree", 25).n1, { "n0", "n3", "n4" })
  lu.assertEquals(topology_of("tree2", 25), topology_of("tree", 25))
  lu.assertEquals(topology_of("tree3", 25).n1, { "n0", "n4", "n5", "n6" })
  lu.assertEquals(topology_of("tree4", 25).n5, { "n1", "n21", "n22", "n23", "n24" })
  lu.assertEquals(#topology_of("total", 25).n3, 24)
  for _, name in ipairs { "line", "grid", "tree3", "total" } do
    local neighbours, count = topology_of(name, 25), 0
    for _, list in pairs(neighbours) do -- order-free
      lu.assertTrue(#list > 0, name)
      count = count + 1
    end
    lu.assertEquals(count, 25, name)
  end
end

function T.test_an_unknown_topology_raises_at_the_beginning()
  local lab = lab_support.new()
  lu.assertErrorMsgContains('no topology "ring"; there are grid, line', lab.open, lab, "broadcast", { topology = "ring" })
end

-- lin-kv's groups and keys

local function roles(nodes, clients)
  local lab = lab_support.new():open("lin-kv", { node_count = nodes, clients = clients })
  local text = {}
  for client = 0, clients - 1 do
    local reads, key = 0, nil
    for _ = 1, 20 do
      local asked = lab:next(client)
      reads = reads + (asked.type == "read" and 1 or 0)
      key = asked.key
      lab:fail(client, 11)
    end
    text[#text + 1] = (reads == 20 and "r" or reads == 0 and "w" or "m") .. key
  end
  return table.concat(text, " ")
end

function T.test_half_of_a_group_reads()
  lu.assertEquals(roles(2, 8), "r0 r0 w0 w0 r1 r1 w1 w1")
  lu.assertEquals(roles(3, 6), "r0 r0 r0 w0 w0 w0")
  lu.assertEquals(roles(3, 3), "r0 w0 w0")
  lu.assertEquals(roles(1, 5), "r0 w0 r1 w1 m2")
  lu.assertEquals(roles(2, 1), "m0")
  lu.assertEquals(roles(5, 2), "r0 w0")
end

function T.test_writes_are_a_third_of_the_changes()
  local lab, writes = lab_support.new():open("lin-kv", { node_count = 1, clients = 2 }), 0
  for _ = 1, 900 do
    writes = writes + (lab:next(1).type == "write" and 1 or 0)
    lab:fail(1, 22)
  end
  lu.assertTrue(writes > 240 and writes < 360, writes)
end

function T.test_a_key_is_left_when_20_processes_have_used_it()
  local lab = lab_support.new():open("lin-kv", { node_count = 1, clients = 4 })
  lu.assertEquals(lab:next(0).key, 0)
  lab:fail(0, 11)
  for _ = 1, 19 do -- with client 0's process, 20
    lu.assertEquals(lab:next(1).key, 0)
    lab:timeout(1)
  end
  lu.assertEquals(lab:next(0).key, 0, "a process that has used it may go on")
  lab:fail(0, 11)
  lu.assertEquals(lab:next(1).key, 2, "0 and 1 are the two groups'")
  lab:timeout(1)
  lu.assertEquals(lab:next(0).key, 2, "the whole group moves")
  lu.assertEquals(lab:next(2).key, 1, "the other group does not")
end

function T.test_a_group_of_more_than_20_keeps_its_key()
  local lab = lab_support.new():open("lin-kv", { node_count = 13, clients = 26 })
  for _ = 1, 3 do
    for client = 0, 25 do
      lu.assertEquals(lab:next(client).key, 0)
      lab:fail(client, 11)
    end
  end
  lab:next(25)
  lab:timeout(25)
  lu.assertEquals(lab:next(25).key, 1)
end

function T.test_lin_kv_waits_ten_latencies_or_a_second()
  local function timeout(latency)
    return lab_support.new():open("lin-kv", { latency_mean = latency }).opened.reply_timeout
  end
  lu.assertEquals(timeout(nil), 1000000000)
  lu.assertEquals(timeout(5000000), 1000000000)
  lu.assertEquals(timeout(200000000), 2000000000)
  lu.assertEquals(lab_support.new():open("echo").opened.reply_timeout, 5000000000)
end

-- checkers

function T.test_echo()
  local function echoed(text)
    return { type = "echo_ok", echo = text, in_reply_to = 1 }
  end
  assert_valid("echo", { { 0, "invoke", "echo", "a" }, { 0, "ok", "echo", echoed "a" } })
  assert_verdict(
    false,
    "echo",
    { { 3, "invoke", "echo", "a" }, { 3, "ok", "echo", echoed "b" } },
    "1 echo was not what had been asked for",
    'process 3 asked for "a" and got "b"'
  )
  -- Maelstrom judges what did not succeed by its value, which is no reply.
  assert_verdict(
    false,
    "echo",
    { { 0, "invoke", "echo", "a" }, { 0, "info", "echo", "a", error = "net-timeout" } },
    "1 echo was not",
    'process 0 asked for "a" and got none: net-timeout'
  )
end

local function generated(...)
  local rows = {}
  for i, id in ipairs { ... } do
    rows[#rows + 1] = { i, "invoke", "generate" }
    rows[#rows + 1] = { i, "ok", "generate", id }
  end
  return rows
end

function T.test_unique_ids()
  assert_valid("unique-ids", generated("a", "b", "1"))
  assert_valid("unique-ids", generated(1, 2, 1.5))
  assert_valid("unique-ids", generated(array { 1 }, array { 2 }))
  assert_verdict(
    false,
    "unique-ids",
    generated("a", "b", "a", "a"),
    "1 id was given out more than once",
    'id "a" was given to process 1 at 2.0 ms, to process 3 at 6.0 ms, to process 4 at 8.0 ms'
  )
  assert_verdict(false, "unique-ids", generated({ x = 1, y = 2 }, { y = 2, x = 1 }), "1 id was")
  assert_verdict("unknown", "unique-ids", generated("a", 1), "several kinds, which Maelstrom cannot compare: number, string")
  assert_verdict("unknown", "unique-ids", generated({ x = 1 }, { x = 2 }), "a kind that Maelstrom cannot compare: object")
end

local function adds_and_reads(f, rows)
  local all = {}
  for _, row in ipairs(rows) do
    local process, what, value, outcome = row[1], row[2], row[3], row[4] or "ok"
    all[#all + 1] = { process, "invoke", what, what ~= "read" and value or nil, final = row.final }
    all[#all + 1] = { process, outcome, what == "add" and f or what, value, final = row.final }
    all[#all - 1][3] = all[#all][3]
  end
  return all
end

function T.test_sets()
  for name, f in pairs { ["broadcast"] = "broadcast", ["g-set"] = "add" } do -- order-free
    assert_valid(name, adds_and_reads(f, { { 0, "add", 5 }, { 1, "read", array { 5 } } }))
    assert_verdict(
      false,
      name,
      adds_and_reads(f, {
        { 0, "add", 5 },
        { 1, "add", 6 },
        { 1, "read", array { 5, 6 } },
        { 2, "read", array { 6 } },
        { 0, "read", array { 6 } },
      }),
      "1 of 2 elements lost: 5",
      "element 5 was added by process 0 at 1.0 ms, acknowledged at 2.0 ms",
      "last seen by process 1 at 5.0 ms; missing from 2 reads after that, the first by process 2 at 7.0 ms"
    )
    assert_verdict(
      false,
      name,
      adds_and_reads(f, { { 0, "add", 5 }, { 1, "read", array {} } }),
      "1 of 1 element lost: 5",
      "seen by no read; missing from 1 read after that, the first by process 1 at 3.0 ms"
    )
    assert_verdict("unknown", name, adds_and_reads(f, { { 0, "add", 5 } }), "nothing can be said")
    -- Not acknowledged and never seen: it need not be there.
    assert_verdict(
      "unknown",
      name,
      adds_and_reads(f, { { 0, "add", 5, "info" }, { 1, "read", array {} } }),
      "nothing can be said"
    )
  end
end

function T.test_phantoms_and_duplicates_are_warnings_and_errors_only_if_strict()
  local rows = adds_and_reads("add", { { 0, "add", 5 }, { 1, "read", array { 5, 9, 5 } } })
  local lenient, strict = judge("g-set", rows), judge("g-set", rows, { strict = true })
  lu.assertEquals(lenient.valid, true)
  lu.assertStrContains(lenient.text, "warning: 1 element was read that nobody had added yet: 9")
  lu.assertStrContains(lenient.text, "warning: 1 element was twice in one read: 5")
  lu.assertEquals(strict.valid, false)
  lu.assertStrContains(strict.reason, "nobody had added yet: 9")
  lu.assertStrContains(strict.text, "error: 1 element was twice in one read: 5")
end

function T.test_counters()
  for _, name in ipairs { "g-counter", "pn-counter" } do
    assert_valid(
      name,
      adds_and_reads("add", {
        { 0, "add", 5 },
        { 1, "read", 99 },
        { 0, "add", 3, "info" },
        { 1, "read", 8, final = true },
        { 2, "read", 5, final = true },
      })
    )
    assert_verdict(
      false,
      name,
      adds_and_reads("add", { { 0, "add", 5 }, { 0, "add", 2, "fail" }, { 1, "read", 7, final = true } }),
      "a final read saw 7, possible: 5",
      "the acknowledged adds make 5",
      "the final read by process 1 saw 7"
    )
    assert_verdict(
      false,
      name,
      adds_and_reads("add", {
        { 0, "add", 1200 },
        { 0, "add", -3, "info" },
        { 0, "add", 1, "info" },
        { 1, "read", 1202, final = true },
        { 2, "read", 0, final = true },
      }),
      "2 final reads saw wrong sums, the first 1,202, possible: 1,197 to 1,198, 1,200 to 1,201",
      "the acknowledged adds make 1,200; 2 adds of unknown outcome may change that by -3 to 1"
    )
  end
  local unread = judge("g-counter", adds_and_reads("add", { { 0, "add", 1 }, { 0, "read", 7 } }))
  lu.assertEquals(unread.valid, true)
  lu.assertStrContains(unread.text, "warning: no final read was answered")
end

-- Registers: { process, f, value, invoked at, ended at or nil }, on key 0.
local function register(rows, bare)
  local all = {}
  local function keyed(value)
    return bare and value or array { 0, value }
  end
  for i, row in ipairs(rows) do
    local process, f, value, from, to, outcome = row[1], row[2], row[3], row[4], row[5], row[6] or "ok"
    local asked = f == "read" and null or value
    all[#all + 1] = { process, "invoke", f, keyed(asked), at = from, order = 2 * i }
    if to then
      all[#all + 1] = { process, outcome, f, keyed(value), at = to, order = 2 * i + 1 }
    end
  end
  table.sort(all, function(a, b)
    if a.at ~= b.at then
      return a.at < b.at
    end
    return a.order < b.order
  end)
  return all
end

function T.test_registers()
  assert_valid("lin-kv", register { { 0, "read", null, 1, 2 }, { 1, "write", 3, 3, 4 }, { 0, "read", 3, 5, 6 } })
  assert_valid("lin-kv", register { { 1, "write", 3, 1, nil }, { 0, "read", 3, 5, 6 }, { 0, "cas", array { 3, 4 }, 7, 8 } })
  assert_valid("lin-kv", register({ { 1, "write", 3, 1, 2 }, { 0, "read", 3, 5, 6 } }, true))
  local stale = {
    { 0, "write", 3, 1, 2 },
    { 1, "write", 2, 3, 4 },
    { 4, "read", 3, 10203, 10204 },
  }
  local sentence = "the read of 3 by process 4 began after the write of 2 (process 1) had ended, and no write of 3 happened in between"
  assert_verdict(
    false,
    "lin-kv",
    register(stale),
    "key 0 is not linearizable: " .. sentence,
    "3.0       4.0  process 1  write 2  ok",
    "->  10,203.0  10,204.0  process 4  read     got 3"
  )
  assert_verdict(false, "lin-kv", register(stale, true), "the register is not linearizable: " .. sentence)
end

-- What proves it is shown, however far back it is.
function T.test_the_story_shows_the_last_write_of_what_was_seen()
  local rows = { { 0, "write", 3, 1, 2 } }
  for i = 1, 30 do
    rows[i + 1] = { 1, "write", 2, 10 * i, 10 * i + 1 }
  end
  rows[32] = { 4, "read", 3, 1000, 1001 }
  local lab = lab_support.new()
  local text = lab.trial.judge("lin-kv", events(register(rows))).text
  lu.assertStrContains(text, "1.0      2.0  process 0  write 3  ok")
  lu.assertStrContains(text, "300.0    301.0  process 1  write 2  ok")
  lu.assertStrContains(text, "->  1,000.0  1,001.0  process 4  read     got 3")
end

function T.test_why_a_register_has_no_order()
  local function assert_why(rows, why)
    assert_verdict(false, "lin-kv", register(rows), why)
  end
  assert_why(
    { { 0, "write", 3, 1, 2 }, { 1, "read", 4, 3, 4 } },
    "the read of 4 by process 1 saw 4, but nobody had written 4"
  )
  assert_why(
    { { 0, "write", 3, 1, 2 }, { 1, "cas", array { 1, 2 }, 3, 4 } },
    "the cas from 1 to 2 by process 1 needs 1, but nobody had written 1"
  )
  assert_why(
    { { 0, "write", 3, 1, 2 }, { 1, "read", null, 3, 4 } },
    "the read of null by process 1 began after the write of 3 (process 0) had ended, and no write of null happened"
  )
  -- The write of 2 may take effect at any time, but it has been seen.
  assert_why(
    { { 0, "write", 3, 1, 2 }, { 1, "write", 2, 3, nil }, { 2, "read", 2, 5, 6 }, { 4, "read", 3, 7, 8 } },
    "the read of 3 by process 4 began after the read of 2 (process 2) had ended, which saw a value that was written after"
  )
  -- Both writes may come last, so only the two reads together are wrong: no short proof.
  assert_why(
    { { 0, "write", 3, 1, 9 }, { 1, "write", 2, 2, 10 }, { 2, "read", 3, 3, 4 }, { 2, "read", 2, 5, 6 }, { 4, "read", 3, 7, 8 } },
    "no order has a place for the read of 3 by process 4: before it the value can only be 2"
  )
end

function T.test_a_long_window_is_cut()
  local rows = {}
  for i = 1, 40 do
    rows[i] = { i, "write", 1, 2 * i, 2 * i + 1 }
  end
  rows[41] = { 50, "read", 7, 100, 101 }
  local result = judge("lin-kv", register(rows))
  local _, lines = result.text:gsub("\n", "")
  lu.assertTrue(lines < 25, result.text)
  lu.assertStrContains(result.text, "process 50")
end

-- replies

function T.test_compiled_schemas_agree_with_validate()
  local values = { 1, 1.5, "x", true, null, array {}, array { 1 }, array { 1.5 }, core.object {}, array { array { 1, 2 } } }
  for _, name in ipairs { "echo", "broadcast", "g-counter", "kafka", "lin-kv", "txn-list-append" } do
    for request_type, reply in pairs(schema.workloads[name]) do -- order-free
      local accepts = accept.compile(reply)
      local function assert_same(body)
        lu.assertEquals(accepts(body), validate.decoded(reply, body), core.encode(body))
      end
      local function full()
        local body = { type = reply.type, in_reply_to = 1 }
        for field in pairs(reply.fields) do -- order-free
          body[field] = array {}
        end
        return body
      end
      for field in pairs(reply.fields) do -- order-free
        for _, value in ipairs(values) do
          local body = full()
          body[field] = value
          assert_same(body)
          body.msg_id = value
          assert_same(body)
        end
        local body = full()
        body[field] = nil
        assert_same(body)
      end
      local body = full()
      body.trace = 1
      assert_same(body)
      lu.assertNotNil(accepts(body), request_type)
      lu.assertStrContains(accepts { type = "what", in_reply_to = 1 }, "type: expected " .. reply.type)
      lu.assertStrContains(accepts { in_reply_to = 1 }, "type: expected " .. reply.type)
      lu.assertStrContains(accepts { type = reply.type }, "in_reply_to: missing")
    end
  end
end

return T
