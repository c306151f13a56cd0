--- `vortex-lua check`: verdicts on stored histories, from public collections and made by hand, and what is said of files and options that
--- are wrong. (`--check`, which is about replies, has check_test.lua.)
local lu = require "luaunit"
local uv = require "luv"

local maelstrom = require "support.maelstrom"
local process = require "support.process"
local scratch = require "support.scratch"
local suite = require "support.suite"

local PUBLISHED = maelstrom.root .. "/../shared/histories"

local function check(...)
  return process.run({ file = maelstrom.binary, args = { "check", ... } }, "", 60)
end

local function stderr_lines(p)
  local lines = {}
  for line in p.stderr_text:gmatch "[^\n]+" do
    lines[#lines + 1] = line
  end
  return lines
end

--- Writes a history; its name is new each time.
local count = 0
local function store(text, ending)
  count = count + 1
  return scratch.file(("history_%d.%s"):format(count, ending or "edn"), text)
end

--- The verdict on one history: exit status and last line, without the file's name.
local function verdict(workload, text, ending, ...)
  local file = store(text, ending)
  local p = check("-w", workload, file, ...)
  local last = p.lines[#p.lines] or ""
  lu.assertEquals(last:sub(1, #file + 2), file .. ": ", p:about())
  lu.assertEquals(p.stderr_text, "")
  return p.exit_code, last:sub(#file + 3), table.concat(p.lines, "\n", 1, #p.lines - 1)
end

local function assert_valid(workload, text, ending)
  local status, word = verdict(workload, text, ending)
  lu.assertEquals({ status, word }, { 0, "valid" }, text)
end

--- Invalid, for a reason in which these words occur, in the one line and in the explanation.
local function assert_invalid(workload, text, words, ending)
  local status, word, explanation = verdict(workload, text, ending)
  lu.assertEquals(status, 1, text)
  suite.assert_words(word, "invalid: ", table.unpack(words))
  suite.assert_words(explanation, table.unpack(words))
end

local function assert_unknown(workload, text)
  local status, word = verdict(workload, text)
  lu.assertEquals(status, 2, text)
  suite.assert_words(word, "unknown: ")
end

-- ---- published histories ----

local TestPublished = suite.case "TestPublished"

local function files_below(folder)
  local names = {}
  local scan = uv.fs_scandir(folder)
  while scan do
    local name = uv.fs_scandir_next(scan)
    if not name then
      break
    end
    names[#names + 1] = folder .. "/" .. name
  end
  table.sort(names)
  return names
end

-- Published with the logs (Porcupine's tests): which of them are linearizable. All others are not.
local ETCD_VALID = "002 005 007 018 025 031 038 045 048 049 051 053 056 067 075 076 080 087 092 098 100 101 102"

--- Judges all files in one call and compares with what expected(file) says.
local function assert_published(files, expected)
  if #files == 0 then
    lu.skip("no histories in " .. PUBLISHED)
  end
  local p = check("-w", "lin-kv", table.unpack(files))
  lu.assertEquals(p.stderr_text, "")
  lu.assertEquals(#p.lines, #files)
  local wrong, invalid = {}, 0
  for i, file in ipairs(files) do
    local word = p.lines[i]:sub(1, #file + 2) == file .. ": " and p.lines[i]:sub(#file + 3):match "^%w+"
    invalid = invalid + (word == "invalid" and 1 or 0)
    if word ~= (expected(file) and "valid" or "invalid") then
      wrong[#wrong + 1] = p.lines[i]
    end
  end
  lu.assertEquals(wrong, {})
  lu.assertEquals(p.exit_code, invalid > 0 and 1 or 0)
end

function TestPublished.test_etcd_logs()
  assert_published(files_below(PUBLISHED .. "/etcd"), function(file)
    return ETCD_VALID:find(file:match "etcd_(%d+)%.log$", 1, true) ~= nil
  end)
end

function TestPublished.test_cas_register()
  local files = files_below(PUBLISHED .. "/cas-register/good")
  local bad = files_below(PUBLISHED .. "/cas-register/bad")
  table.move(bad, 1, #bad, #files + 1, files)
  assert_published(files, function(file)
    return file:find("/good/", 1, true) ~= nil
  end)
end

function TestPublished.test_all_of_them_valid()
  assert_published(files_below(PUBLISHED .. "/cas-register/good"), function()
    return true
  end)
end

-- ---- histories made by hand: each workload, valid and wrong in one way ----

--- EDN of a history, from lines of "process type f value [more]".
local function edn(text)
  local ops = {}
  for line in text:gmatch "[^\n]+" do
    local who, kind, f, value = line:match "^%s*(%S+) (%S+) (%S+) (.*)$"
    if who then
      ops[#ops + 1] = ("{:process %s, :type :%s, :f :%s, :value %s}"):format(who, kind, f, value)
    end
  end
  return "[" .. table.concat(ops, "\n ") .. "]\n"
end

local TestWorkloads = suite.case "TestWorkloads"

function TestWorkloads.test_echo()
  local good = '{:type "echo_ok", :echo "Please echo 1", :in_reply_to 1}'
  local bad = '{:type "echo_ok", :echo "Please echo 2", :in_reply_to 1}'
  local asked = '0 invoke echo "Please echo 1"\n'
  assert_valid("echo", edn(asked .. "0 ok echo " .. good))
  assert_invalid("echo", edn(asked .. "0 ok echo " .. bad), { "echo" })
end

function TestWorkloads.test_unique_ids()
  local asked = "0 invoke generate nil\n1 invoke generate nil\n"
  assert_valid("unique-ids", edn(asked .. '0 ok generate "a-1"\n1 ok generate "b-1"'))
  assert_invalid("unique-ids", edn(asked .. '0 ok generate "a-1"\n1 ok generate "a-1"'), { "more than once" })
end

local function set_history(add, seen)
  return edn(([[
    0 invoke %s 1
    0 ok %s 1
    1 invoke %s 2
    1 ok %s 2
    0 invoke read nil
    0 ok read %s
    1 invoke read nil
    1 ok read %s]]):format(add, add, add, add, seen, seen))
end

function TestWorkloads.test_broadcast()
  assert_valid("broadcast", set_history("broadcast", "[1 2]"))
  assert_valid("broadcast", set_history("broadcast", "#{2 1}"))
  assert_invalid("broadcast", set_history("broadcast", "[2]"), { "lost" })
  assert_unknown("broadcast", set_history("broadcast", "[]"):gsub(":ok, :f :broadcast", ":info, :f :broadcast"))
end

function TestWorkloads.test_g_set()
  assert_valid("g-set", set_history("add", "[1 2]"))
  assert_invalid("g-set", set_history("add", "[1]"), { "lost" })
end

local function counter_history(deltas, seen)
  local lines = {}
  for _, delta in ipairs(deltas) do
    lines[#lines + 1] = ("0 invoke add %d\n0 ok add %d"):format(delta, delta)
  end
  lines[#lines + 1] = ("0 invoke read nil, :final? true\n0 ok read %s, :final? true"):format(seen)
  return edn(table.concat(lines, "\n"))
end

function TestWorkloads.test_counters()
  assert_valid("g-counter", counter_history({ 1, 3 }, "4"))
  assert_invalid("g-counter", counter_history({ 1, 3 }, "3"), { "3", "4" })
  assert_valid("pn-counter", counter_history({ 1, -3 }, "-2"))
  assert_invalid("pn-counter", counter_history({ 1, -3 }, "1"), { "1", "-2" })
  -- An add of unknown outcome may count or not.
  for sum, good in pairs { ["2"] = true, ["3"] = false, ["7"] = true } do -- order-free
    local text = edn("1 invoke add 5\n1 info add 5\n") .. counter_history({ 2 }, sum)
    text = text:gsub("%]\n%[", "") -- one vector of both
    if good then
      assert_valid("pn-counter", text)
    else
      assert_invalid("pn-counter", text, { "3" })
    end
  end
end

function TestWorkloads.test_lin_kv()
  local written = "0 invoke write [7 1]\n0 ok write [7 1]\n1 invoke read [7 nil]\n"
  assert_valid("lin-kv", edn(written .. "1 ok read [7 1]"))
  assert_invalid("lin-kv", edn(written .. "1 ok read [7 2]"), { "7", "read of 2" })
  assert_invalid("lin-kv", edn(written .. "1 ok read [7 nil]"), { "7", "read" })
  assert_valid("lin-kv", edn(written .. "1 fail read [7 2]")) -- what failed did not happen
  -- Another key is another register.
  assert_valid("lin-kv", edn(written .. "1 ok read [7 1]\n1 invoke read [8 nil]\n1 ok read [8 nil]"))
  assert_invalid("lin-kv", edn(written .. "1 ok read [7 1]\n1 invoke read [8 nil]\n1 ok read [8 1]"), { "8", "read of 1" })
  assert_valid("lin-kv", edn "0 invoke write [0 1]\n0 ok write [0 1]\n1 invoke cas [0 [1 2]]\n1 ok cas [0 [1 2]]")
  assert_invalid("lin-kv", edn "0 invoke write [0 1]\n0 ok write [0 1]\n1 invoke cas [0 [3 2]]\n1 ok cas [0 [3 2]]", { "cas" })
end

function TestWorkloads.test_a_register_without_keys()
  local written = "0 invoke write 1\n0 ok write 1\n1 invoke read nil\n"
  assert_valid("lin-kv", edn(written .. "1 ok read 1"))
  assert_invalid("lin-kv", edn(written .. "1 ok read 2"), { "read of 2" })
end

-- ---- notations ----

local TestNotations = suite.case "TestNotations"

-- The value is 1, and yet a cas from 1 failed: which says something only where the failure is an observation.
local FAILED_CAS = {
  { 0, "invoke", "write", "1" },
  { 0, "ok", "write", "1" },
  { 0, "invoke", "cas", "[1 2]" },
  { 0, "fail", "cas", "[1 2]" },
}

local function written_as(format)
  local lines = {}
  for i, op in ipairs(FAILED_CAS) do
    lines[i] = format:format(op[1], op[2], op[3], format:sub(1, 2) == '{"' and op[4]:gsub(" ", ",") or op[4])
  end
  return table.concat(lines, "\n") .. "\n"
end

function TestNotations.test_what_a_failed_cas_means()
  local edn_lines = written_as "{:process %d, :type :%s, :f :%s, :value %s}"
  local json_lines = written_as '{"process":%d,"type":"%s","f":"%s","value":%s}'
  local log_lines = written_as "INFO  jepsen.util - %d\t:%s\t:%s\t%s"
  assert_valid("lin-kv", edn_lines)
  assert_valid("lin-kv", edn_lines, "txt")
  assert_valid("lin-kv", json_lines, "jsonl")
  assert_valid("lin-kv", json_lines, "txt")
  assert_invalid("lin-kv", log_lines, { "cas" }, "log")
  assert_invalid("lin-kv", log_lines, { "cas" }, "txt")
end

function TestNotations.test_strict_makes_errors_of_warnings()
  local never_added = set_history("broadcast", "[1 2 3]")
  local status, word, explanation = verdict("broadcast", never_added)
  lu.assertEquals({ status, word }, { 0, "valid" })
  suite.assert_words(explanation, "warning: ", "element", "3")
  status, word = verdict("broadcast", never_added, "edn", "--strict")
  lu.assertEquals(status, 1)
  suite.assert_words(word, "invalid: ", "element", "3")
end

-- ---- several files, and files that are wrong ----

local TestFiles = suite.case "TestFiles"

local VALID = edn "0 invoke write 1\n0 ok write 1"
local INVALID = edn "0 invoke read nil\n0 ok read 1"

function TestFiles.test_a_line_each_and_the_worst_status()
  local valid, invalid = store(VALID), store(INVALID)
  local p = check("-w", "lin-kv", valid, invalid, valid)
  lu.assertEquals(p.exit_code, 1)
  lu.assertEquals({ #p.lines, p.lines[1], p.lines[3] }, { 3, valid .. ": valid", valid .. ": valid" })
  suite.assert_words(p.lines[2], invalid .. ": invalid: ")

  p = check("-w", "lin-kv", valid, valid)
  lu.assertEquals({ p.exit_code, #p.lines, p.stderr_text }, { 0, 2, "" })

  local unknown = store(set_history("add", "[]"):gsub(":ok, :f :add", ":info, :f :add"))
  local good, lost = store(set_history("add", "[1 2]")), store(set_history("add", "[1]"))
  p = check("-w", "g-set", good, unknown)
  lu.assertEquals(p.exit_code, 2)
  suite.assert_words(p.lines[2], unknown .. ": unknown: ")
  lu.assertEquals(check("-w", "g-set", lost, unknown, good).exit_code, 1)
  lu.assertEquals(check("-w", "g-set", unknown, lost).exit_code, 1)
end

--- The file is refused with these words, and the others are judged all the same.
local function assert_refused(file, ...)
  local valid, invalid = store(VALID), store(INVALID)
  local p = check("-w", "lin-kv", valid, file, invalid)
  lu.assertEquals(p.exit_code, 3, p:about())
  lu.assertEquals({ #p.lines, p.lines[1] }, { 2, valid .. ": valid" })
  suite.assert_words(p.lines[2], invalid .. ": invalid: ")
  lu.assertEquals(#stderr_lines(p), 1, p.stderr_text)
  suite.assert_words(p.stderr_text, "vortex-lua check: " .. file, ...)
  suite.assert_no_words(p.stderr_text, "traceback")
end

function TestFiles.test_files_that_cannot_be_read()
  assert_refused(scratch.folder() .. "/missing.edn", ": No such file or directory")
  assert_refused(scratch.folder(), ": Is a directory")
end

function TestFiles.test_garbage_says_where()
  assert_refused(store "", ": no operation")
  assert_refused(store("", "jsonl"), ": no operation")
  assert_refused(store("", "log"), ": no line of it is an operation")
  assert_refused(store("once upon a time", "txt"), ": neither EDN nor JSON")
  assert_refused(store "\127ELF\2\1\1\0\0\0", ":1:1: ", "byte 0x7f")
  assert_refused(store(VALID .. "]"), ":3:1: ", "nothing expected")
  assert_refused(store(VALID:sub(1, -10)), ":2:2: ", "never closed")
  assert_refused(store "{:process 0 :type :invoke :f :write :value 1/3}", ":1:44: ", "a ratio")
  assert_refused(store "{:process 0 :type :done :f :write :value 1}", ":1:1: ", '"done"')
  assert_refused(store('{"process":0,"type":"invoke","f":"read"}\n{"process":0,', "jsonl"), ":2:14: ", "unexpected end")
  assert_refused(store "[[]]", ":1:2: ", "an operation (a map) expected")
end

function TestFiles.test_deep_nesting_is_refused()
  assert_refused(store("{:process " .. ("["):rep(100000)), ":1:", "nested deeper than 512")
end

function TestFiles.test_a_history_of_something_else_is_refused()
  assert_refused(store(set_history("broadcast", "[1 2]")), "lin-kv", '"broadcast"', "cas, read, write")
  assert_refused(store(edn "0 invoke write 5\n0 ok write 5\n0 invoke cas nil\n0 ok cas nil"), "cannot be judged")
end

function TestFiles.test_operations_that_do_not_fit_together_are_refused()
  assert_refused(store(edn "0 invoke read nil\n1 ok read 5"), "operation 1 ends, but process 1 has begun none")
  assert_refused(store(edn "0 invoke read nil\n0 ok read 5\n0 ok read 5"), "operation 2 ends, but process 0 has begun none")
  assert_refused(store(edn "0 invoke read nil\n0 invoke read nil"), "operation 1", "process 0", "not ended operation 0")
  assert_refused(store(edn "0 invoke read nil\n0 ok write 5"), "operation 0, a read, ends as a write in operation 1")
end

function TestFiles.test_output_that_cannot_be_written()
  local full = uv.fs_open("/dev/full", "w", 0)
  if not full then
    lu.skip "no /dev/full"
  end
  local p = process.spawn { file = maelstrom.binary, args = { "check", "-w", "lin-kv", store(VALID) }, stdout = full }
  lu.assertEquals(p:wait(), 3)
  suite.assert_words(p.stderr_text, "cannot write")
  uv.fs_close(full)
end

-- ---- options ----

local TestOptions = suite.case "TestOptions"

function TestOptions.test_help()
  for _, option in ipairs { "--help", "-h" } do
    local p = check(option)
    lu.assertEquals({ p.exit_code, p.stderr_text, p.partial }, { 0, "", "" })
    local text = table.concat(p.lines, "\n")
    suite.assert_words(text, "Usage: vortex-lua check", "HISTORY", "--workload", "--strict", "--lua-path", "--help")
    suite.assert_words(text, "Exit status", "Example")
    for _, line in ipairs(p.lines) do
      lu.assertTrue(#line <= 100, "fits a terminal: " .. line)
    end
  end
end

local function assert_usage(args, ...)
  local p = check(table.unpack(args))
  lu.assertEquals({ p.exit_code, p.lines, p.partial }, { 3, {}, "" }, p:about())
  lu.assertEquals(#stderr_lines(p), 1, p.stderr_text)
  suite.assert_words(p.stderr_text, ...)
end

function TestOptions.test_wrong_options()
  local file = store(VALID)
  assert_usage({ file }, "-w", "broadcast, echo, g-counter, g-set, lin-kv, pn-counter, unique-ids")
  assert_usage({ "-w", "lin-kw", file }, '"lin-kw"', "did you mean lin-kv", "broadcast, echo")
  assert_usage({ "-w", "../echo", file }, '"../echo"')
  assert_usage({ "-w", "lin-kv" }, "history expected")
  assert_usage({ "--workload" }, "--workload", "value")
  assert_usage({ "-w", "lin-kv", "--strikt", file }, "--strikt", "--strict")
  assert_usage({ "-x", file }, "-x")
end

function TestOptions.test_options_may_stand_behind_files()
  local file = store(VALID)
  lu.assertEquals(check(file, "--workload=lin-kv").exit_code, 0)
  lu.assertEquals(check(file, "-wlin-kv", "--strict").exit_code, 0)
end

function TestOptions.test_library_from_a_folder()
  local folder = scratch.folder()
  scratch.file("vortex/workload/echo.lua", 'print "from the folder" io.write "and more\\n" return { replies = {}, check = error }')
  local p = check("-w", "echo", "--lua-path", folder, store "[]")
  lu.assertEquals(p.exit_code, 3)
  lu.assertEquals(p.lines, {})
  suite.assert_words(p.stderr_text, "from the folder", "and more", "cannot be judged")
end
