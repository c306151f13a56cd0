--- A node that runs the Lua code it is sent, so that a test can read as a list of calls and what they give.
local lu = require "luaunit"

local json = require "support.json"
local maelstrom = require "support.maelstrom"

local M = {}

M.SOURCE = [[
local vortex = require "vortex"
local env = setmetatable({ vortex = vortex, S = {} }, { __index = _G })
vortex.on("eval", function(msg)
  local fn = assert(load(msg.body.code, "=code", "t", env))
  return { result = fn(msg) }
end)
]]

--- Starts such a node; options as for maelstrom.start. `prelude` is code of the main chunk.
function M.start(options, prelude)
  options = options or {}
  options.source = M.SOURCE .. (prelude or "")
  options.ids = options.ids or { "n1", "n2", "n3" }
  return maelstrom.start(options)
end

--- Sends the code; returns the msg_id to wait for.
function M.request(node, code)
  return node:request { type = "eval", code = code }
end

--- The result of the code that was sent under this id.
function M.result(node, id, timeout_s)
  local reply = node:reply_to(id, nil, timeout_s)
  lu.assertEquals(reply.type, "eval_ok", json.encode(reply))
  return reply.result
end

--- Runs the code in the node and returns what it returns.
function M.run(node, code, timeout_s)
  return M.result(node, M.request(node, code), timeout_s)
end

return M
