--- Lines that are not what they should be: cut anywhere, empty, too long, not JSON. The node skips what it cannot read, says so in the log,
--- answers nothing to it, and goes on.
local lu = require "luaunit"

local json = require "support.json"
local maelstrom = require "support.maelstrom"
local suite = require "support.suite"

local ECHO = require "support.echo_source"

local function start(options)
  return maelstrom.start { source = ECHO, options = options }
end

local function echo_line(value, msg_id)
  return maelstrom.line("c1", "n1", { type = "echo", echo = value, msg_id = msg_id })
end

-- Sends bytes that hold one echo request; the judge must know about it.
local function send_echo(node, bytes_of)
  local id = node:fresh_id "c1"
  local line = echo_line(id, id)
  node.judge:sent(json.decode(line))
  bytes_of(line)
  lu.assertEquals(node:reply_to(id).echo, id)
end

local TestChunks = suite.case "TestChunks"

function TestChunks.test_byte_by_byte()
  local node = start()
  send_echo(node, function(line)
    for i = 1, #line do
      node.process:write(line:sub(i, i))
      node.process:wait_written()
    end
    node.process:write "\n"
  end)
  node:finish()
end

function TestChunks.test_many_lines_and_a_half_in_one_write()
  local node = start()
  local ids, text = {}, {}
  for i = 1, 50 do
    ids[i] = node:fresh_id "c1"
    text[i] = echo_line(("x"):rep(i * 37), ids[i])
    node.judge:sent(json.decode(text[i]))
  end
  local all = table.concat(text, "\n") .. "\n"
  local cut = #all - 20
  node.process:write(all:sub(1, cut))
  node:reply_to(ids[49])
  node.process:write(all:sub(cut + 1))
  node:reply_to(ids[50])
  node:finish()
end

function TestChunks.test_crlf()
  local node = start()
  send_echo(node, function(line)
    node.process:write(line .. "\r\n")
  end)
  send_echo(node, function(line)
    node.process:write(line .. "\r")
    node.process:wait_written()
    node.process:write "\n"
  end)
  node:finish()
end

function TestChunks.test_blanks_around_and_between()
  local node = start()
  send_echo(node, function(line)
    node.process:write(" \t" .. line .. " \t \n")
  end)
  send_echo(node, function(line)
    node.process:write("\n\r\n  \n\t\n" .. line .. "\n\n")
  end)
  lu.assertEquals(#node.answered_in_order, 3)
  node:finish()
end

function TestChunks.test_the_last_line_needs_no_newline()
  local node = start()
  send_echo(node, function(line)
    node.process:write(line)
    node.process:close_stdin()
  end)
  node:ended()
end

function TestChunks.test_input_that_ends_inside_a_line()
  local node = start()
  node:call { type = "echo", echo = 1 }
  node.process:write(echo_line(2, 99):sub(1, -9))
  node:finish()
  lu.assertEquals(node.inbox, {})
  suite.assert_words(node.process.stderr_text, "warn")
end

-- Large lines pass through without loss, in both directions.
function TestChunks.test_a_line_of_eight_mebibytes()
  local node = start()
  local text = ("0123456789abcdef"):rep(1 << 19)
  lu.assertTrue(node:call({ type = "echo", echo = text }, { timeout = 30 }).echo == text)
  node:finish()
end

local TestBadLines = suite.case "TestBadLines"

local GOOD_BODY = '{"type":"echo","echo":1,"msg_id":77}'
local function envelope(body)
  return '{"src":"c1","dest":"n1","body":' .. body .. "}"
end

local BAD = {
  ["garbage"] = "Exception in thread main",
  ["binary"] = "\0\1\2\127\200\255",
  ["a zero byte"] = "\0",
  ["truncated"] = envelope(GOOD_BODY):sub(1, -2),
  ["truncated in a string"] = '{"src":"c1","dest":"n1","body":{"type":"ec',
  ["truncated in an escape"] = '{"src":"c1","dest":"n1","body":{"type":"echo","echo":"\\u12',
  ["two texts"] = envelope(GOOD_BODY) .. envelope(GOOD_BODY),
  ["two texts with a blank"] = envelope(GOOD_BODY) .. " " .. envelope(GOOD_BODY),
  ["trailing comma"] = envelope '{"type":"echo","echo":1,"msg_id":77,}',
  ["trailing bracket"] = envelope(GOOD_BODY) .. "]",
  ["a comment"] = envelope(GOOD_BODY) .. " // hello",
  ["single quotes"] = "{'src':'c1','dest':'n1','body':{'type':'echo','msg_id':77}}",
  ["a bare key"] = '{src:"c1","dest":"n1","body":' .. GOOD_BODY .. "}",
  ["a byte order mark"] = "\xef\xbb\xbf" .. envelope(GOOD_BODY),
  ["invalid UTF-8"] = envelope '{"type":"echo","echo":"\xff\xfe","msg_id":77}',
  ["overlong UTF-8"] = envelope '{"type":"echo","echo":"\xc0\xaf","msg_id":77}',
  ["a surrogate in UTF-8"] = envelope '{"type":"echo","echo":"\xed\xa0\x80","msg_id":77}',
  ["cut UTF-8"] = envelope '{"type":"echo","echo":"\xe2\x82","msg_id":77}',
  ["a raw control character"] = envelope '{"type":"echo","echo":"a\tb","msg_id":77}',
  ["a bad escape"] = envelope '{"type":"echo","echo":"\\x41","msg_id":77}',
  ["a leading zero"] = envelope '{"type":"echo","echo":01,"msg_id":77}',
  ["a bare point"] = envelope '{"type":"echo","echo":1.,"msg_id":77}',
  ["hexadecimal"] = envelope '{"type":"echo","echo":0x10,"msg_id":77}',
  ["NaN"] = envelope '{"type":"echo","echo":NaN,"msg_id":77}',
  ["Infinity"] = envelope '{"type":"echo","echo":-Infinity,"msg_id":77}',
  ["deep arrays"] = envelope('{"type":"echo","msg_id":77,"echo":' .. ("["):rep(100000) .. ("]"):rep(100000) .. "}"),
  ["deep objects"] = envelope('{"type":"echo","msg_id":77,"echo":' .. ('{"a":'):rep(100000) .. "1" .. ("}"):rep(100001)),
  ["deep and unclosed"] = ("["):rep(100000),
  ["an array"] = "[1,2,3]",
  ["a string"] = '"hello"',
  ["a number"] = "42",
  ["null"] = "null",
  ["an empty object"] = "{}",
}

local names = {}
for name in pairs(BAD) do
  names[#names + 1] = name
end
table.sort(names)

for _, name in ipairs(names) do
  TestBadLines["test_" .. name:gsub("%W", "_")] = function()
    local node = start()
    node:call { type = "echo", echo = "before" }
    local logged = #node.process.stderr_text
    node.process:send(BAD[name])
    lu.assertEquals(node:call({ type = "echo", echo = "after" }).echo, "after")
    node:finish()
    lu.assertEquals(#node.answered_in_order, 3, "only init and the two good requests are answered")
    lu.assertEquals(node.inbox, {})
    local log = node.process.stderr_text:sub(logged + 1)
    suite.assert_words(log, "warn")
    lu.assertTrue(#log < 4000, "the log does not repeat the whole line")
  end
end

-- One after the other on one node; and the warnings say how many there were.
function TestBadLines.test_all_of_them_in_a_row()
  local node = start()
  for _ = 1, 3 do
    for _, name in ipairs(names) do
      node.process:send(BAD[name])
    end
  end
  lu.assertEquals(node:call({ type = "echo", echo = 1 }).echo, 1)
  node:finish()
  lu.assertEquals(#node.answered_in_order, 2)
end

function TestBadLines.test_the_warning_says_where_and_what()
  local node = start()
  node.process:send(envelope '{"type":"echo","echo":tru,"msg_id":77}')
  node:call { type = "echo", echo = 1 }
  node:finish()
  -- The place is the byte of the t, or the byte at which it became clear that this is no value.
  local at = tonumber(node.process.stderr_text:match "warn.-byte (%d+)")
  lu.assertNotNil(at, node.process.stderr_text)
  lu.assertTrue(at >= 55 and at <= 61, node.process.stderr_text)
end

local TestLimit = suite.case "TestLimit"

function TestLimit.test_a_line_over_the_default_limit()
  local node = start()
  node.process:send('{"src":"c1","dest":"n1","body":{"type":"echo","msg_id":5,"echo":"' .. ("x"):rep(20 << 20) .. '"}}')
  lu.assertEquals(node:call({ type = "echo", echo = "after" }, { timeout = 30 }).echo, "after")
  if not os.getenv "VORTEX_E2E_SANITIZED" then
    lu.assertTrue(node.process:rss_bytes() < 64 << 20, "the line is not kept")
  end
  node:finish()
  lu.assertEquals(#node.answered_in_order, 2)
  suite.assert_words(node.process.stderr_text, "warn")
end

function TestLimit.test_max_line_at_the_boundary()
  local node = start { "--max-line", "1000" }
  local function line_of(size, msg_id)
    local line = ('{"src":"c1","dest":"n1","body":{"type":"echo","msg_id":%d,"echo":"'):format(msg_id)
    return line .. ("x"):rep(size - #line - 3) .. '"}}'
  end
  local fits, over = line_of(1000, 101), line_of(1001, 102)
  lu.assertEquals({ #fits, #over }, { 1000, 1001 })
  node.judge:sent(json.decode(fits))
  node.process:send(over)
  node.process:send(fits)
  node:reply_to(101)
  lu.assertEquals(node:call({ type = "echo", echo = 1 }).echo, 1)
  node:finish()
  lu.assertEquals(#node.answered_in_order, 3, "the line over the limit is not answered")
end

function TestLimit.test_an_over_long_line_that_never_ends()
  local node = start { "--max-line", "1000" }
  for _ = 1, 200 do
    node.process:write(("x"):rep(10000))
  end
  node:finish()
end
