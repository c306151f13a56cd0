--- What must be true of the answers of a replayed transcript, beyond their form. `exchanges` is a list of { request = body, reply = body,
--- node = id } in the order in which the requests were made; `call(node_id, body)` asks a node once more.
local json = require "support.json"
local process = require "support.process"

local M = {}

local SETTLE_S = 10

local function each_ok(exchanges, type)
  local i = 0
  return function()
    repeat
      i = i + 1
    until not exchanges[i] or (exchanges[i].request.type == type and exchanges[i].reply.type ~= "error")
    local x = exchanges[i]
    if x then
      return x.request, x.reply, x.node
    end
  end
end

local function fail(what, ...)
  error(what:format(...), 0)
end

M["echo"] = function(exchanges)
  for request, reply in each_ok(exchanges, "echo") do
    if json.encode(request.echo) ~= json.encode(reply.echo) then
      fail("%s came back as %s", json.encode(request.echo), json.encode(reply.echo))
    end
  end
end

M["unique-ids"] = function(exchanges)
  local seen, kind = {}, nil
  for _, reply in each_ok(exchanges, "generate") do
    local id = json.encode(reply.id)
    if seen[id] then
      fail("%s was given twice", id)
    elseif kind and kind ~= type(reply.id) then
      fail("ids of two kinds: %s", id)
    end
    seen[id], kind = true, type(reply.id)
  end
end

-- Asks every node until all show the same expected JSON.
local function converges(ids, call, request, field, normalise, expected)
  for _, id in ipairs(ids) do
    local last
    local ok, err = pcall(process.wait_until, function()
      local reply = call(id, request)
      last = reply[field] ~= nil and normalise(reply[field]) or json.encode(reply)
      if last ~= expected then
        process.let_pass(0.02)
      end
      return last == expected
    end, SETTLE_S)
    if not ok then
      fail("%s reads %s, expected %s (%s)", id, last, expected, err)
    end
  end
end

local function sorted_texts(list)
  local texts = {}
  for i, item in ipairs(list) do
    texts[i] = json.encode(item)
  end
  table.sort(texts)
  return table.concat(texts, " ")
end

local function set_verdict(request_type, request_field, read_field)
  return function(exchanges, ids, call)
    local added = {}
    for request in each_ok(exchanges, request_type) do
      added[#added + 1] = request[request_field]
    end
    converges(ids, call, { type = "read" }, read_field, sorted_texts, sorted_texts(added))
  end
end

M["broadcast"] = set_verdict("broadcast", "message", "messages")
M["g-set"] = set_verdict("add", "element", "value")

M["g-counter"] = function(exchanges, ids, call)
  local sum = 0
  for request in each_ok(exchanges, "add") do
    sum = sum + request.delta
  end
  converges(ids, call, { type = "read" }, "value", json.encode, tostring(sum))
end
M["pn-counter"] = M["g-counter"]

-- Reads a log from its beginning as a consumer does: from the offset behind the last one seen.
local function poll_from_start(id, call, key)
  local found, from = {}, 0
  repeat
    local reply = call(id, { type = "poll", offsets = json.object { [key] = from } })
    local batch = reply.msgs[key] or {}
    for _, pair in ipairs(batch) do
      if pair[1] < from then
        fail("key %s: offset %d after %d", key, pair[1], from - 1)
      end
      found[pair[1]], from = json.encode(pair[2]), pair[1] + 1
    end
  until #batch == 0
  return found
end

-- A node may be a moment behind, but what it shows must be right, and in the end be everything that was acknowledged.
local function polls_everything(id, call, key, log)
  local missing
  local complete = pcall(process.wait_until, function()
    local found = poll_from_start(id, call, key)
    missing = nil
    for offset, message in pairs(log) do
      if found[offset] == nil then
        missing = offset
      elseif found[offset] ~= message then
        fail("key %s, offset %d: sent %s, polled %s", key, offset, message, found[offset])
      end
    end
    if missing then
      process.let_pass(0.05)
    end
    return not missing
  end, SETTLE_S)
  if not complete then
    fail("%s: key %s, offset %s was acknowledged and is not polled, or wrong", id, key, tostring(missing))
  end
end

M["kafka"] = function(exchanges, ids, call)
  local logs = {}
  for request, reply in each_ok(exchanges, "send") do
    local log = logs[request.key] or {}
    logs[request.key] = log
    if log[reply.offset] then
      fail("key %s, offset %d was given twice", request.key, reply.offset)
    end
    log[reply.offset] = json.encode(request.msg)
  end
  for _, id in ipairs(ids) do
    for key, log in pairs(logs) do
      polls_everything(id, call, key, log)
    end
  end
end

M["lin-kv"] = function(exchanges)
  for _, x in ipairs(exchanges) do
    if x.reply.type == "error" and x.reply.code ~= 20 and x.reply.code ~= 22 then
      fail("%s was answered with %s", json.encode(x.request), json.encode(x.reply))
    end
  end
end

local function same_ops(request, reply)
  if #request.txn ~= #reply.txn then
    fail("%s was answered with %s", json.encode(request), json.encode(reply))
  end
  for i, op in ipairs(request.txn) do
    local done = reply.txn[i]
    local same = op[1] == done[1] and json.encode(op[2]) == json.encode(done[2])
    if not same or (op[1] ~= "r" and json.encode(op[3]) ~= json.encode(done[3])) then
      fail("%s was answered with %s", json.encode(request), json.encode(reply))
    end
  end
end

M["txn-rw-register"] = function(exchanges)
  for request, reply in each_ok(exchanges, "txn") do
    same_ops(request, reply)
    local mine = {}
    for _, op in ipairs(reply.txn) do
      local key, value = json.encode(op[2]), json.encode(op[3])
      if op[1] == "w" then
        mine[key] = value
      elseif mine[key] and mine[key] ~= value then
        fail("reads %s after its own write of %s: %s", value, mine[key], json.encode(reply))
      end
    end
  end
end

local function texts(list)
  local result = {}
  for i, item in ipairs(list == json.null and {} or list) do
    result[i] = json.encode(item)
  end
  return result
end

-- One of the two lists begins with the other; returns the longer one.
local function prefix(a, b)
  for i = 1, math.min(#a, #b) do
    if a[i] ~= b[i] then
      fail("lists that differ: [%s] and [%s]", table.concat(a, ","), table.concat(b, ","))
    end
  end
  return #a > #b and a or b
end

M["txn-list-append"] = function(exchanges)
  local longest = {}
  for request, reply in each_ok(exchanges, "txn") do
    same_ops(request, reply)
    local mine = {}
    for _, op in ipairs(reply.txn) do
      local key = json.encode(op[2])
      if op[1] == "append" then
        mine[key] = mine[key] or {}
        table.insert(mine[key], json.encode(op[3]))
      else
        local list = texts(op[3])
        longest[key] = prefix(longest[key] or {}, list)
        local own = mine[key] or {}
        for i = 0, #own - 1 do
          if list[#list - i] ~= own[#own - i] then
            fail("does not read its own append: %s", json.encode(reply))
          end
        end
      end
    end
  end
end

return M
