--- Judges what a node writes as strictly as Maelstrom does, which stops listening to a node at its first bad line: every line is exactly
--- one JSON object with the keys src, dest, body (and id); it goes to somebody who exists; and each request is answered at most once.
---
--- A judge never raises: it collects violations, since it runs in callbacks of the loop.
local json = require "support.json"
local schema = require "support.schema"

local M = {}

local Judge = {}
Judge.__index = Judge

local ENVELOPE_KEYS = { src = true, dest = true, body = true, id = true }
local SERVICES = { ["lin-kv"] = true, ["seq-kv"] = true, ["lww-kv"] = true, ["lin-tso"] = true }

--- Requests of everybody to everybody, shared by the judges of a cluster: [requester \0 msg_id token] = request.
function M.ledger()
  return { requests = {}, clients = {}, gone = {} }
end

--- id, ids: of the node. workload: nil = replies are not held against schemas.
function M.new(id, ids, workload, ledger)
  local members = {}
  for _, member in ipairs(ids) do
    members[member] = true
  end
  return setmetatable({
    id = id,
    members = members,
    workload = workload,
    ledger = ledger or M.ledger(),
    violations = {},
    seen = 0,
  }, Judge)
end

local function token(value)
  return json.encode(value)
end

local function key_of(requester, msg_id)
  return requester .. "\0" .. token(msg_id)
end

--- A message was sent to the node.
function Judge:sent(msg)
  local ledger = self.ledger
  if not self.members[msg.src] and not SERVICES[msg.src] then
    ledger.clients[msg.src] = true
  end
  local body = msg.body
  if json.is_object(body) and json.is_number(body.msg_id) then
    local request = { type = body.type, src = msg.src, dest = msg.dest, body = body, answers = 0 }
    ledger.requests[key_of(msg.src, body.msg_id)] = request
  end
end

--- The client has left: from now on a line to it is a violation.
function Judge:client_left(client)
  self.ledger.gone[client] = true
end

function Judge:violation(what, line)
  self.violations[#self.violations + 1] = ("%s: %s"):format(what, #line > 600 and line:sub(1, 600) .. "..." or line)
end

local function envelope_fault(self, msg)
  if not json.is_object(msg) then
    return "not an object"
  end
  for key in pairs(msg) do
    if not ENVELOPE_KEYS[key] then
      return ("envelope key %q"):format(key)
    end
  end
  if msg.src ~= self.id then
    return "src is not the node's id"
  elseif type(msg.dest) ~= "string" then
    return "dest is not a string"
  elseif not (self.members[msg.dest] or SERVICES[msg.dest] or self.ledger.clients[msg.dest]) then
    return "dest does not exist"
  elseif self.ledger.gone[msg.dest] then
    return "dest has left"
  elseif not json.is_object(msg.body) then
    return "body is not an object"
  elseif type(msg.body.type) ~= "string" then
    return "body.type is not a string"
  end
end

local function ids_fault(self, msg)
  local body, is_client = msg.body, self.ledger.clients[msg.dest]
  local request = body.in_reply_to and self.ledger.requests[key_of(msg.dest, body.in_reply_to)]
  if body.msg_id ~= nil and not json.is_integer(body.msg_id) then
    return "msg_id is not an integer"
  elseif body.in_reply_to ~= nil and not json.is_number(body.in_reply_to) then
    return "in_reply_to is not a number"
  elseif is_client and body.in_reply_to == nil then
    return "a message to a client that answers nothing"
  elseif is_client and not request then
    return "an answer to a request that the client never made"
  elseif request then
    request.answers = request.answers + 1
    if request.answers > 1 then
      return "a request is answered twice"
    end
    request.reply = body
    if is_client and self.workload and request.type ~= "init" then
      return schema.refusal(self.workload, request.type, body)
    end
  end
end

--- A line came out. Returns the message, with the request it answers as msg.request, or nil if it is no message at all.
function Judge:received(line)
  self.seen = self.seen + 1
  if not line:find "%S" then
    self:violation("a blank line", line)
    return nil
  end
  local ok, msg = pcall(json.decode, line)
  if not ok then
    self:violation("not one JSON value: " .. tostring(msg), line)
    return nil
  end
  local fault = envelope_fault(self, msg)
  if fault then
    self:violation(fault, line)
    return nil
  end
  fault = ids_fault(self, msg)
  if fault then
    self:violation(fault, line)
  end
  msg.raw = line
  if json.is_number(msg.body.in_reply_to) then
    msg.request = self.ledger.requests[key_of(msg.dest, msg.body.in_reply_to)]
  end
  return msg
end

--- stdout has ended, with these bytes behind the last newline.
function Judge:ended(partial)
  if partial ~= "" then
    self:violation("a line without an end", partial)
  end
end

--- Requests of clients (all, or to this node) that nobody answered.
function Judge:unanswered()
  local list = {}
  for _, request in pairs(self.ledger.requests) do
    if request.answers == 0 and self.ledger.clients[request.src] and request.dest == self.id then
      list[#list + 1] = ("%s from %s: %s"):format(tostring(request.type), request.src, json.encode(request.body))
    end
  end
  table.sort(list)
  return list
end

return M
