--- What Maelstrom's workloads accept as replies: for each request type, the reply's type and its fields besides type,
--- in_reply_to and msg_id. The bodies are closed: another field, or a missing one, makes the client refuse the reply.
---
--- A shape is one of
---   "any", "integer", "string"        a value; any may be null
---   { list = shape }                  an array, or null, which Maelstrom reads as an empty one
---   { map = shape }                   an object with these values
---   { pair = { shape, shape } }       an array of two
---   { op = { r = shape, ... } }       an array of three: a name, any key, and the value that goes with the name
local M = {}

---@alias vortex.Shape string|table
---@alias vortex.ReplySchema { type: string, fields: table<string, vortex.Shape> }

local function reply(type, fields)
  return { type = type, fields = fields or {} }
end

local function txn(ops)
  return { txn = reply("txn_ok", { txn = { list = { op = ops } } }) }
end

local counter = {
  add = reply "add_ok",
  read = reply("read_ok", { value = "integer" }),
}

---@type table<string, table<string, vortex.ReplySchema>>
M.workloads = {
  ["echo"] = {
    echo = reply("echo_ok", { echo = "any" }),
  },
  ["unique-ids"] = {
    generate = reply("generate_ok", { id = "any" }),
  },
  ["broadcast"] = {
    topology = reply "topology_ok",
    broadcast = reply "broadcast_ok",
    read = reply("read_ok", { messages = { list = "any" } }),
  },
  ["g-set"] = {
    add = reply "add_ok",
    read = reply("read_ok", { value = { list = "any" } }),
  },
  ["g-counter"] = counter,
  ["pn-counter"] = counter,
  ["kafka"] = {
    send = reply("send_ok", { offset = "integer" }),
    poll = reply("poll_ok", { msgs = { map = { list = { pair = { "integer", "any" } } } } }),
    commit_offsets = reply "commit_offsets_ok",
    list_committed_offsets = reply("list_committed_offsets_ok", { offsets = { map = "integer" } }),
  },
  ["lin-kv"] = {
    read = reply("read_ok", { value = "any" }),
    write = reply "write_ok",
    cas = reply "cas_ok",
  },
  ["txn-list-append"] = txn { r = { list = "any" }, append = "any" },
  ["txn-rw-register"] = txn { r = "any", w = "any" },
}

--- What every workload accepts.
---@type table<string, vortex.ReplySchema>
M.common = {
  init = reply "init_ok",
}

return M
