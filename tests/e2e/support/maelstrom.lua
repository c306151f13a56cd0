--- A node under test, seen from Maelstrom's side: its stdin and stdout, its clients, its peers and the services beside it.
---
---   local node = maelstrom.start { source = [[ ... ]], ids = { "n1", "n2" } }
---   local reply = node:call { type = "echo", echo = 1 }
---   local msg = node:expect(maelstrom.to "n2")
---   node:answer(msg, { type = "ping_ok" })
---
--- Everything that comes out is judged (support/judge.lua); maelstrom.check_all() raises if a judge has found something.
local json = require "support.json"
local judges = require "support.judge"
local process = require "support.process"
local scratch = require "support.scratch"

local M = {}

local Node = {}
Node.__index = Node

local started = {} -- of this test

--- The program under test.
M.binary = os.getenv "VORTEX_LUA" or "vortex-lua"

local function command_line(options)
  local args = {}
  for _, option in ipairs(options.options or {}) do
    args[#args + 1] = option
  end
  args[#args + 1] = options.script or scratch.script(options.source)
  for _, argument in ipairs(options.args or {}) do
    args[#args + 1] = argument
  end
  return args
end

--- Starts a node.
---   script | source      the file, or the text of one
---   options, args        of the command line, before and behind the script
---   program, env, cwd, stdin, stdout, stderr   as in process.spawn; program replaces the binary under test
---   id, ids              default "n1", { id }
---   init                 false: no handshake
---   workload             whose reply schemas hold
---   ledger               shared with other nodes
---   on_message(node, msg)   sees each message first; true = it is dealt with, and stays out of the inbox
function M.start(options)
  local id = options.id or "n1"
  local ids = options.ids or { id }
  local node = setmetatable({
    id = id,
    ids = ids,
    inbox = {},
    judge = judges.new(id, ids, options.workload, options.ledger),
    on_message = options.on_message,
    next_id = {},
    answered_in_order = {},
  }, Node)
  node.process = process.spawn {
    file = options.program or M.binary,
    args = options.program and options.args or command_line(options),
    env = options.env,
    cwd = options.cwd,
    stdin = options.stdin,
    stdout = options.stdout,
    stderr = options.stderr,
    on_line = function(line)
      node:receive(line)
    end,
  }
  started[#started + 1] = node
  if options.init ~= false then
    node:initialize()
  end
  return node
end

--- A line came out of the node.
function Node:receive(line)
  local msg = self.judge:received(line)
  if not msg then
    return
  end
  if msg.request then
    self.answered_in_order[#self.answered_in_order + 1] = msg
  end
  if not (self.on_message and self.on_message(self, msg)) then
    self.inbox[#self.inbox + 1] = msg
  end
end

--- The init handshake. The client that makes it leaves right afterwards, as Maelstrom's does.
function Node:initialize(client)
  client = client or "c-init-" .. self.id
  local body = { type = "init", node_id = self.id, node_ids = json.array { table.unpack(self.ids) } }
  local reply = self:call(body, { src = client })
  if reply.type ~= "init_ok" then
    error("init was answered with " .. json.encode(reply) .. "\n" .. self.process:about(), 0)
  end
  self.judge:client_left(client)
end

local line_ids = 0

--- The line of a message as Maelstrom writes it.
function M.line(src, dest, body)
  line_ids = line_ids + 1
  return ('{"id":%d,"src":%s,"dest":%s,"body":%s}'):format(
    line_ids, json.encode(src), json.encode(dest), json.encode(body))
end

--- Sends a message to the node.
function Node:send(src, body)
  local text = M.line(src, self.id, body)
  self.judge:sent(json.decode(text))
  self.process:send(text)
end

--- A number that this requester has not used for a message yet.
function Node:fresh_id(src)
  local ids = self.judge.ledger.next_id or {}
  self.judge.ledger.next_id = ids
  ids[src] = (ids[src] or 0) + 1
  return ids[src]
end

local function with_id(node, body, src)
  local copy = json.object {}
  for key, value in pairs(body) do
    copy[key] = value
  end
  copy.msg_id = copy.msg_id or node:fresh_id(src)
  return copy
end

--- Sends a request; returns its msg_id. opts.src: default "c1".
function Node:request(body, opts)
  local src = opts and opts.src or "c1"
  local request = with_id(self, body, src)
  self:send(src, request)
  return request.msg_id
end

--- Takes the first message out of the inbox, now or later, that satisfies the predicate.
function Node:expect(predicate, timeout_s, what)
  return self.process:wait_until(function()
    for i, msg in ipairs(self.inbox) do
      if not predicate or predicate(msg) then
        return table.remove(self.inbox, i)
      end
    end
    if self.process.stdout_ended then
      error(("stdout ended before: %s\n%s"):format(what or "a message", self.process:about()), 0)
    end
  end, timeout_s, what or "a message")
end

--- Predicates for expect.
function M.reply_to(src, msg_id)
  local wanted = json.encode(msg_id)
  return function(msg)
    return msg.dest == src and msg.body.in_reply_to ~= nil and json.encode(msg.body.in_reply_to) == wanted
  end
end

function M.to(dest, type)
  return function(msg)
    return msg.dest == dest and (not type or msg.body.type == type)
  end
end

--- Sends a request and waits for its reply. Returns the reply's body and the whole message. opts: src, timeout.
function Node:call(body, opts)
  local src = opts and opts.src or "c1"
  local id = self:request(body, { src = src })
  local msg = self:expect(M.reply_to(src, id), opts and opts.timeout, "the reply to " .. json.encode(body):sub(1, 300))
  return msg.body, msg
end

--- Waits for the reply to an earlier request.
function Node:reply_to(msg_id, src, timeout_s)
  return self:expect(M.reply_to(src or "c1", msg_id), timeout_s, ("the reply to %s"):format(json.encode(msg_id))).body
end

--- Answers a message of the node's in the name of whom it was sent to.
function Node:answer(msg, body)
  local reply = json.object {}
  for key, value in pairs(body) do
    reply[key] = value
  end
  reply.in_reply_to = msg.body.msg_id
  self:send(msg.dest, reply)
end

--- Makes sure that everything sent so far has been handled: a request of a type the node does not know is answered behind all others.
function Node:settle(src)
  local reply = self:call({ type = "no such request" }, { src = src or "c-settle" })
  if reply.type ~= "error" or reply.code ~= 10 then
    error("an unknown request was answered with " .. json.encode(reply), 0)
  end
end

--- Ends the node by closing its input; raises unless it ends with the status (default 0). Returns the process.
function Node:finish(status, timeout_s)
  self.process:close_stdin()
  return self:ended(status, timeout_s)
end

--- Waits for the node's end.
function Node:ended(status, timeout_s)
  local code, signal = self.process:wait(timeout_s)
  self.judge:ended(self.process.partial)
  if code ~= (status or 0) or signal ~= 0 then
    error(("expected exit status %d\n%s"):format(status or 0, self.process:about()), 0)
  end
  self:check()
  return self.process
end

--- Raises if anything that came out was wrong.
function Node:check()
  local found = self.judge.violations
  if #found > 0 then
    self.judge.violations = {}
    error(("%d lines of %s would have muted the node or been refused, the first:\n%s\n%s"):format(
      #found, self.id, found[1], self.process:about()), 0)
  end
end

--- Checks every node of this test, and forgets them.
function M.check_all()
  local nodes = started
  started = {}
  for _, node in ipairs(nodes) do
    node:check()
  end
end

return M
