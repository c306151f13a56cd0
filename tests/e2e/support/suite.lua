--- What every suite shares: test cases that clean up after themselves, and assertions about JSON and logs.
local lu = require "luaunit"

local json = require "support.json"
local maelstrom = require "support.maelstrom"
local process = require "support.process"

local M = {}

--- A table of tests, under a name that LuaUnit finds. After each test, what came out of its nodes is checked and they are killed.
function M.case(name)
  local case = {}
  function case.tearDown()
    local ok, err = pcall(maelstrom.check_all)
    process.reap()
    if not ok then
      lu.fail(err)
    end
  end
  _G[name] = case
  return case
end

--- The value is exactly this JSON: 3.0 is not 3, [] is not {}.
function M.assert_json(value, text)
  lu.assertEquals(json.encode(value), json.encode(json.decode(text)))
end

--- The reply is an error of this code; its text is returned.
function M.assert_error(reply, code)
  lu.assertEquals(reply.type, "error", json.encode(reply))
  lu.assertEquals(reply.code, code, json.encode(reply))
  return reply.text
end

--- The text has the plain words, in this order.
function M.assert_words(text, ...)
  local at = 1
  for _, word in ipairs { ... } do
    local from, to = text:find(word, at, true)
    if not from then
      lu.fail(("no %q behind byte %d of: %s"):format(word, at, text:sub(1, 4000)))
    end
    at = to + 1
  end
end

function M.assert_no_words(text, word)
  if text:find(word, 1, true) then
    lu.fail(("%q in: %s"):format(word, text:sub(1, 4000)))
  end
end

--- How often the plain words occur.
function M.count(text, words)
  local n, at = 0, 1
  while true do
    local from, to = text:find(words, at, true)
    if not from then
      return n
    end
    n, at = n + 1, to + 1
  end
end

return M
