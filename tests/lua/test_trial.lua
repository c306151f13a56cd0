local lu = require "luaunit"
local core = require "vortex.core"
local new_lab = require("support.lab").new

local T = {}

local function outcome(event)
  local err = type(event.error) == "table" and event.error[1] or event.error
  return ("%d %s %s"):format(event.process, event.type, err or "")
end

-- What becomes of an operation of this type that is answered with this error.
local function after_error(workload, request_type, code)
  local lab = new_lab():open(workload, { clients = 4 })
  lab:next_of(3, request_type)
  local useful = lab:fail(3, code)
  return outcome(lab:last()), useful
end

function T.test_error_codes()
  local cases = {
    { 0, "3 info timeout", false },
    { 1, "3 fail node-not-found", false },
    { 10, "3 fail not-supported", false },
    { 11, "3 fail temporarily-unavailable", false },
    { 12, "3 fail malformed-request", false },
    { 13, "3 info crash", false },
    { 14, "3 fail abort", false },
    { 20, "3 fail key-does-not-exist", true },
    { 21, "3 fail key-already-exists", true },
    { 22, "3 fail precondition-failed", true },
    { 30, "3 fail txn-conflict", true },
    { 31, "3 info unknown", false },
    { 1000, "3 info unknown", false },
    { "eleven", "3 info unknown", false },
    { core.null, "3 info unknown", false },
    { nil, "3 info unknown", false },
  }
  for i = 1, 16 do
    local code = cases[i][1]
    local event, useful = after_error("lin-kv", "write", code)
    lu.assertEquals(event, cases[i][2], tostring(code))
    lu.assertEquals(useful, cases[i][3], tostring(code))
  end
end

function T.test_reads_that_do_not_succeed_failed()
  local lab = new_lab():open("lin-kv", { clients = 4 })
  for _, code in ipairs { 0, 13, 1000 } do
    lab:next(0)
    lab:fail(0, code)
    lu.assertStrContains(outcome(lab:last()), "0 fail")
  end
  lab:next(0)
  lab:timeout(0)
  lu.assertEquals(outcome(lab:last()), "0 fail net-timeout")
end

function T.test_errors_crash_operations_of_clients_that_do_not_catch_them()
  for workload, request_type in pairs { ["g-set"] = "add", ["g-counter"] = "add", ["pn-counter"] = "read" } do -- order-free
    lu.assertEquals(after_error(workload, request_type, 11), "3 info temporarily-unavailable", workload)
    local lab = new_lab():open(workload)
    lab:next_of(0, "read")
    lab:timeout(0)
    lu.assertStrContains(outcome(lab:last()), "info net-timeout")
  end
  for _, case in ipairs { { "echo", "echo" }, { "unique-ids", "generate" }, { "broadcast", "broadcast" } } do
    lu.assertEquals(after_error(case[1], case[2], 11), "3 fail temporarily-unavailable", case[1])
    lu.assertEquals(after_error(case[1], case[2], 13), "3 info crash", case[1])
  end
end

function T.test_a_process_is_not_used_again_after_an_unknown_outcome()
  local lab = new_lab():open("lin-kv", { node_count = 2, clients = 5 })
  lab:next(3)
  lab:timeout(3)
  lab:next(3)
  lu.assertEquals(lab:last().process, 8)
  lab:fail(3, 11)
  lab:next(3)
  lu.assertEquals(lab:last().process, 8, "a failure is no unknown outcome")
  lab:timeout(3)
  lab:next(3)
  lu.assertEquals(lab:last().process, 13)
  lu.assertEquals(lab.left, {}, "its clients are reusable")
end

function T.test_a_client_that_is_not_reusable_leaves()
  local lab = new_lab():open("echo", { clients = 3 })
  lab:next(1)
  lab:answer(1, { type = "echo_ok", echo = "x" })
  lab:next(1)
  lab:fail(1, 11)
  lu.assertEquals(lab.left, {})
  lab:next(1)
  lab:timeout(1)
  lab:next(2)
  lab:fail(2, 13)
  lab:next(0)
  lab:answer(0, { type = "echo_ok" })
  lu.assertEquals(lab.left, { 1, 2, 0 })
  local broadcast = new_lab():open("broadcast", { clients = 3 })
  broadcast:next_of(1, "read")
  broadcast:timeout(1)
  lu.assertEquals(broadcast.left, {}, "a read that got no answer failed, and its client stays")
end

function T.test_malformed_replies_crash_the_operation_and_are_named_once_per_kind()
  local lab = new_lab():open("g-counter", { clients = 2 })
  for _ = 1, 3 do
    lab:next_of(0, "read")
    lu.assertFalse(lab:answer(0, { type = "read_ok", value = "7" }))
  end
  lu.assertEquals(lab:last().type, "info")
  lu.assertEquals(
    core.encode(lab:last().error),
    '["malformed-rpc-response","read_ok.value: expected an integer, got a string"]'
  )
  lab:next_of(1, "add")
  lab:answer(1, { type = "add_ok", value = 1 })
  lab:next_of(1, "add")
  lab:answer(1, { type = "added" })
  local text = lab:verdict().text
  local _, count = text:gsub("malformed replies", "")
  lu.assertEquals(count, 3, text)
  lu.assertStrContains(text, "read_ok.value: expected an integer, got a string (3 times, first to process 0 (n0))")
  lu.assertStrContains(text, "add_ok.value: no such field in this reply (1 time, first to process 1 (n1))")
  lu.assertStrContains(text, 'type: expected add_ok or error, got "added"')
end

function T.test_a_malformed_reply_makes_a_run_invalid_only_if_strict()
  for _, strict in ipairs { false, true } do
    local lab = new_lab():open("unique-ids", { strict = strict })
    lab:next(0)
    lab:answer(0, { type = "generate_ok" })
    lab:next(0)
    lab:answer(0, { type = "generate_ok", id = 1 })
    local result = lab:verdict()
    lu.assertEquals(result.valid, not strict)
    lu.assertStrContains(result.text, "error: malformed replies: generate_ok.id: missing (1 time, first to process 0 (n0))")
  end
end

function T.test_malformed_elements_of_a_list_are_one_kind()
  local lab = new_lab():open("echo", { clients = 1 })
  lab:next(0)
  lab:answer(0, { type = "echo_ok", echo = 1, extra = 1 })
  lab:next(0)
  lab:answer(0, { type = "echo_ok", echo = 2, extra = 1 })
  local _, count = lab:verdict().text:gsub("malformed replies", "")
  lu.assertEquals(count, 1)
end

function T.test_the_history_is_in_order_and_whole()
  local lab = new_lab():open("unique-ids", { clients = 2 })
  lab:next(0, 10)
  lab:next(1, 11)
  lab:answer(1, { type = "generate_ok", id = "a" }, 12)
  lab:answer(0, { type = "generate_ok", id = "b" }, 13)
  lab.trial.nemesis("start-partition", core.array { "n0" })
  local lines = {}
  for _, event in ipairs(lab:history()) do
    local ms = event.time // 1000000
    lines[#lines + 1] = ("%d %d %s %s %s"):format(event.index, ms, event.process, event.type, core.encode(event.value))
  end
  lu.assertEquals(lines, {
    "0 10 0 invoke null",
    "1 11 1 invoke null",
    '2 12 1 ok "a"',
    '3 13 0 ok "b"',
    '4 13 nemesis info ["n0"]',
  })
end

function T.test_final_operations()
  local lab = new_lab():open("broadcast", { clients = 2 })
  lu.assertTrue(lab.opened.final)
  lu.assertEquals(lab:final(1).type, "read")
  lu.assertTrue(lab:last().final)
  lab:fail(1, 11)
  lu.assertEquals(lab:final(1).type, "read", "it may be tried again")
  lab:answer(1, { type = "read_ok", messages = core.array {} })
  lu.assertTrue(lab:last().final)
  lu.assertEquals(lab:last().type, "ok")
  lu.assertNil(new_lab():open("g-set"):final(0).final)
  local kv = new_lab():open "lin-kv"
  lu.assertFalse(kv.opened.final)
  lu.assertNotNil(kv:final(0).key, "an ordinary operation")
end

function T.test_a_generator_may_have_nothing_to_do()
  local echo = require "vortex.workload.echo"
  local generator = echo.generator
  echo.generator = function()
    local make = generator()
    return function(client, i, rand)
      return client == 0 and make(client, i, rand) or nil
    end
  end
  local lab = new_lab():open("echo", { clients = 2 })
  echo.generator = generator
  lu.assertNotNil(lab:next(0))
  lu.assertNil(lab:next(1))
  lu.assertEquals(#lab:history(), 1)
end

function T.test_operations_are_functions_of_the_client_and_its_count()
  local function sequence(order)
    local lab, text = new_lab():open("lin-kv", { clients = 4 }), { "", "", "", "" }
    for _, client in ipairs(order) do
      text[client + 1] = text[client + 1] .. core.encode(lab:next(client)) .. "\n"
      lab:fail(client, 22)
    end
    return text
  end
  lu.assertEquals(sequence { 0, 1, 2, 3, 0, 1, 2, 3 }, sequence { 3, 3, 2, 1, 0, 2, 1, 0 })
end

function T.test_setup()
  local lab = new_lab():open("broadcast", { node_count = 2 })
  lab.trial.setup_done(0, { type = "topology_ok", in_reply_to = 1 })
  lab.trial.setup_done(1, { type = "topology_ok", in_reply_to = 1, x = 1 })
  local result = lab:verdict()
  lu.assertEquals(result.valid, false)
  lu.assertStrContains(result.reason, "n1 answered the workload's set-up with a malformed reply: topology_ok.x: no such field")
  lab = new_lab():open "broadcast"
  lab.trial.setup_done(0, nil)
  lu.assertStrContains(lab:verdict().reason, "n0 did not answer the workload's set-up")
  lu.assertNil(new_lab():open("echo").trial.setup(0))
end

function T.test_misuse_raises_plain_text()
  local function message(workload, options)
    local lab = new_lab()
    local ok, err = pcall(lab.open, lab, workload, options)
    lu.assertFalse(ok)
    lu.assertNil(err:find "%.lua:", err)
    return err
  end
  lu.assertStrContains(message "ecko", "did you mean echo?")
  lu.assertStrContains(message("broadcast", { topology = "ring" }), "there are grid")
  lu.assertStrContains(message("echo", { availability = "most" }), '"most" is neither none, total nor a fraction')
  lu.assertStrContains(message("echo", { availability = "1.1" }), "neither none")
  lu.assertStrContains(message("echo", { availability = "nan" }), "neither none")
end

-- verdicts

local function with_ids(ok, failed, options)
  local lab = new_lab():open("unique-ids", options)
  for i = 1, ok + failed do
    lab:next(0)
    if i <= ok then
      lab:answer(0, { type = "generate_ok", id = i })
    else
      lab:fail(0, 11)
    end
  end
  return lab
end

function T.test_availability()
  local function valid(ok, failed, wanted)
    local result = with_ids(ok, failed, { availability = wanted }):verdict()
    return result.valid, result.reason
  end
  for _, wanted in ipairs { "none", "0.75", "0.6", "0" } do
    lu.assertEquals(valid(3, 1, wanted), true, wanted)
  end
  lu.assertEquals(valid(4, 0, "total"), true)
  lu.assertEquals(valid(4, 0, "1"), true)
  lu.assertEquals(valid(0, 0, "total"), true, "nothing was asked")
  local ok, reason = valid(3, 1, "total")
  lu.assertFalse(ok)
  lu.assertEquals(reason, "availability: 3 of 4 operations succeeded (75.00 %), asked for: all")
  ok, reason = valid(3, 1, "0.8")
  lu.assertFalse(ok)
  lu.assertStrContains(reason, "asked for: 80 %")
end

function T.test_every_type_of_operation_must_succeed_once_if_it_was_tried()
  lu.assertEquals(with_ids(1, 5):verdict().valid, true)
  lu.assertEquals(with_ids(0, 0):verdict().valid, true)
  local result = with_ids(0, 2):verdict()
  lu.assertEquals(result.valid, false)
  lu.assertEquals(result.reason, "no operation succeeded of type generate")
end

-- As in Maelstrom: what the clients then see decides.
function T.test_a_node_that_was_muted_is_a_warning()
  local line = ("x"):rep(500)
  local facts = { refused = { { node = "n0", why = "no such destination: n9", line = line, time = 1500000000 } } }
  local result = with_ids(1, 0):verdict(facts)
  lu.assertEquals(result.valid, true)
  lu.assertStrContains(
    result.text,
    "warning: n0 sent a line that Maelstrom refuses at 1,500.0 ms, and nothing of it is heard after that: no such destination: n9"
  )
  lu.assertStrContains(result.text, "  " .. ("x"):rep(100))
  lu.assertNotStrContains(result.text, ("x"):rep(200))
end

function T.test_surroundings_make_a_run_invalid()
  local function reason(facts)
    local result = with_ids(1, 0):verdict(facts)
    lu.assertEquals(result.valid, false)
    lu.assertStrContains(result.text, "error: " .. result.reason)
    return result.reason, result.text
  end
  lu.assertStrContains(reason { started = { "n0", "n1" } }, "no answer to init from n0, n1")
  lu.assertStrContains(reason { liveness = { { node = "n1" } } }, "after everything had healed from n1")
  local line, text = reason { crashes = { { node = 1, what = "ended", text = "oops\nhere" } } }
  lu.assertEquals(line, "n1 ended")
  lu.assertStrContains(text, "  oops\n  here\n")
  lu.assertEquals(
    with_ids(1, 0):verdict({ started = {}, crashes = {}, refused = {}, liveness = {}, warnings = {} }).valid,
    true
  )
end

-- Among faults a few operations may all have failed, if every node served something in the end.
function T.test_nothing_of_a_few_succeeded_among_faults()
  local function verdict(code, failed, facts)
    local lab = new_lab():open "unique-ids"
    for _ = 1, failed do
      lab:next(0)
      lab:answer(0, { type = "error", code = code, text = "no" })
    end
    return lab:verdict(facts)
  end
  local healed = { liveness = {} }
  for _, case in ipairs { { 11, 1000 }, { 22, 39 } } do -- nobody could serve anything, or too few were served
    local few = verdict(case[1], case[2], healed)
    lu.assertEquals(few.valid, true)
    lu.assertStrContains(few.text, "warning: no operation succeeded of type generate")
    for _, facts in ipairs { {}, { liveness = { { node = "n1" } } } } do
      lu.assertStrContains(verdict(case[1], case[2], facts).text, "error: no operation succeeded of type generate")
    end
  end
  local many = verdict(22, 40, healed)
  lu.assertEquals({ many.valid, many.reason }, { false, "no operation succeeded of type generate" })
end

-- The run was cut short there: how little clients got done says nothing.
function T.test_a_violation_of_consensus_comes_first()
  local raft = { groups = 1, steps = 9, leaders = 1, committed = 1, applied = 1, restored = 0, starts = 1 }
  lu.assertEquals(with_ids(1, 0):verdict({ raft = raft }).valid, true)
  raft.failure, raft.advice = "raft: group main: n1 did wrong", "look at apply"
  local lab = new_lab():open("unique-ids", { availability = "total" })
  lab:next(0)
  lab:answer(0, { type = "error", code = 11, text = "no leader" })
  local result = lab:verdict { raft = raft, crashes = { { node = 1, what = "ended", text = "oops" } } }
  lu.assertEquals(result.valid, false)
  lu.assertEquals(result.reason, "raft: group main: n1 did wrong")
  lu.assertStrContains(result.text, "error: raft: group main: n1 did wrong\n  look at apply\nerror: n1 ended\n")
  lu.assertNotStrContains(result.text, "availability")
  lu.assertNotStrContains(result.text, "no operation succeeded")
end

function T.test_invalid_beats_unknown_beats_valid()
  local lab = new_lab():open "unique-ids"
  for i, id in ipairs { 1, "a" } do
    lab:next(i - 1)
    lab:answer(i - 1, { type = "generate_ok", id = id })
  end
  local unknown = lab:verdict()
  lu.assertEquals(unknown.valid, "unknown")
  lu.assertStrContains(unknown.text, "unknown: the ids are of several kinds")
  local invalid = lab:verdict { liveness = { { node = "n0" } } }
  lu.assertEquals(invalid.valid, false)
  lu.assertStrContains(invalid.reason, "healed")
  lu.assertStrContains(invalid.text, "unknown: the ids are of several kinds")
end

function T.test_warnings_count_only_if_strict()
  local lenient = with_ids(1, 0):verdict { warnings = { "a clock went backwards" } }
  lu.assertEquals(lenient.valid, true)
  lu.assertStrContains(lenient.text, "warning: a clock went backwards")
  local strict = with_ids(1, 0, { strict = true }):verdict { warnings = { "a clock went backwards" } }
  lu.assertEquals(strict.valid, false)
  lu.assertEquals(strict.reason, "a clock went backwards")
  lu.assertNotStrContains(strict.text, "warning:")
end

function T.test_a_valid_run_has_no_reason()
  local result = with_ids(3, 1):verdict()
  lu.assertEquals(result.reason, "")
  lu.assertEquals(result.text:match "^%S+", "operations")
end

return T
