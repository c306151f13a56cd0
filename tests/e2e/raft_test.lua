--- Raft in real processes: what a node keeps when it is killed with SIGKILL and started again, and what it does not.
local lu = require "luaunit"
local uv = require "luv"

local cluster = require "support.cluster"
local json = require "support.json"
local maelstrom = require "support.maelstrom"
local process = require "support.process"
local scratch = require "support.scratch"
local suite = require "support.suite"

local PATIENCE_S = 20 -- for an operation, over an election and the retries

local TestRaft = suite.case "TestRaft"

local folders = 0

-- A folder that no other test uses.
local function new_folder(name)
  folders = folders + 1
  local path = ("%s/%s_%d"):format(scratch.folder(), name, folders)
  assert(uv.fs_mkdir(path, 448)) -- 0700
  return path
end

local function names_in(path)
  local names, scan = {}, uv.fs_scandir(path)
  while scan do
    local name = uv.fs_scandir_next(scan)
    if not name then
      break
    end
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

local function start(count, tmpdir, options)
  local c
  local seen = {}
  c = cluster.start {
    script = maelstrom.root .. "/examples/lin_kv.lua",
    count = count,
    workload = "lin-kv",
    env = { TMPDIR = tmpdir },
    options = options,
    lose = function(src, _, msg)
      if msg.body.type == "raft_append" then
        seen.leader = src
      end
      return false
    end,
  }
  c.seen, c.tmpdir, c.options, c.starts = seen, tmpdir, options, 0
  return c
end

local function kill(c, id)
  local node = c.nodes[id]
  node.process:kill "sigkill"
  node.process:wait()
  lu.assertEquals(node.process.exit_signal, 9)
end

-- The line of an init whose envelope has this id, or none.
local function init_line(node, client, msg_id, line_id)
  local body = json.encode(json.object {
    type = "init", msg_id = msg_id, node_id = node.id, node_ids = json.array { table.unpack(node.ids) },
  })
  local id = line_id and ('"id":%d,'):format(line_id) or ""
  return ('{%s"src":%s,"dest":%s,"body":%s}'):format(id, json.encode(client), json.encode(node.id), body)
end

-- Starts a node that was killed. `line_id`: of init's envelope; nil = greater than all before, false = it has none.
local function start_again(c, id, line_id)
  c.starts = c.starts + 1
  local client = ("c-init-%s-%d"):format(id, c.starts)
  local node = maelstrom.start {
    script = maelstrom.root .. "/examples/lin_kv.lua",
    id = id,
    ids = c.ids,
    workload = "lin-kv",
    env = { TMPDIR = c.tmpdir },
    options = c.options,
    ledger = c.nodes[id].judge.ledger,
    init = false,
    on_message = function(node, msg)
      return c:route(node, msg)
    end,
  }
  c.nodes[id] = node
  if line_id == nil then
    node:initialize(client)
    return
  end
  local msg_id = node:fresh_id(client)
  local line = init_line(node, client, msg_id, line_id)
  node.judge:sent(json.decode(line))
  node.process:send(line)
  lu.assertEquals(node:reply_to(msg_id, client).type, "init_ok")
end

-- Asks until the answer is none of those that say: not now. All that is asked here may be done twice.
local function ask(c, id, body)
  local reply
  process.wait_until(function()
    reply = c:call(id, body)
    return reply.type ~= "error" or (reply.code ~= 11 and reply.code ~= 0)
  end, PATIENCE_S, function()
    return ("%s: the answer to %s is %s\n%s"):format(id, json.encode(json.object(body)), json.encode(reply), c:about())
  end)
  return reply
end

local function write(c, id, key, value)
  lu.assertEquals(ask(c, id, { type = "write", key = key, value = value }).type, "write_ok")
end

local function assert_reads(c, id, key, value)
  local reply = ask(c, id, { type = "read", key = key })
  lu.assertEquals(reply.value, value, json.encode(reply))
end

local function assert_forgotten(c, id, key)
  suite.assert_error(ask(c, id, { type = "read", key = key }), 20)
end

function TestRaft.test_a_write_through_one_node_is_read_through_all()
  local c = start(3, new_folder "tmp")
  for i, id in ipairs(c.ids) do
    write(c, id, "k", i)
    for _, other in ipairs(c.ids) do
      assert_reads(c, other, "k", i)
    end
  end
  suite.assert_error(ask(c, "n1", { type = "cas", key = "k", from = 99, to = 1 }), 22)
  c:finish()
end

function TestRaft.test_the_others_go_on_when_the_leader_is_killed_and_it_comes_back()
  local c = start(3, new_folder "tmp")
  write(c, "n1", "k", 1)
  local leader = c.seen.leader
  lu.assertNotNil(leader)
  kill(c, leader)
  local other = leader == "n1" and "n2" or "n1"
  write(c, other, "k", 2)
  lu.assertNotEquals(c.seen.leader, leader)
  start_again(c, leader)
  assert_reads(c, leader, "k", 2)
  c:finish()
end

function TestRaft.test_what_was_written_is_there_after_all_were_killed()
  local c = start(3, new_folder "tmp")
  for i = 1, 20 do
    write(c, c.ids[i % 3 + 1], i, i * 10)
  end
  for _, id in ipairs(c.ids) do
    kill(c, id)
  end
  for _, id in ipairs(c.ids) do
    start_again(c, id)
  end
  for i = 1, 20 do
    assert_reads(c, c.ids[(i + 1) % 3 + 1], i, i * 10)
  end
  c:finish()
end

function TestRaft.test_the_log_lies_in_a_folder_of_the_parents()
  local tmpdir = new_folder "tmp"
  local c = start(1, tmpdir)
  write(c, "n1", "k", 1)
  local base = names_in(tmpdir)
  lu.assertEquals(#base, 1)
  local own = names_in(tmpdir .. "/" .. base[1])
  lu.assertEquals(#own, 1)
  lu.assertStrMatches(own[1], ("%d%%-%%d+%%-n1"):format(uv.os_getpid()))
  c:finish()
end

-- Maelstrom counts the messages of a test from 0 on: an init that comes with a smaller number begins another test.
function TestRaft.test_an_init_of_a_smaller_id_begins_anew()
  local c = start(1, new_folder "tmp")
  write(c, "n1", "k", 1)
  kill(c, "n1")
  start_again(c, "n1", 1000000000)
  assert_reads(c, "n1", "k", 1)
  kill(c, "n1")
  start_again(c, "n1", 999999999)
  assert_forgotten(c, "n1", "k")
  c:finish()
end

function TestRaft.test_an_init_without_an_id_begins_anew()
  local c = start(1, new_folder "tmp")
  write(c, "n1", "k", 1)
  kill(c, "n1")
  start_again(c, "n1", false)
  assert_forgotten(c, "n1", "k")
  c:finish()
end

function TestRaft.test_data_none_keeps_nothing()
  local tmpdir = new_folder "tmp"
  local c = start(1, tmpdir, { "--data", "none" })
  write(c, "n1", "k", 1)
  lu.assertEquals(names_in(tmpdir), {})
  kill(c, "n1")
  start_again(c, "n1")
  assert_forgotten(c, "n1", "k")
  c:finish()
end

function TestRaft.test_a_folder_that_is_named_keeps_the_log()
  local tmpdir, data = new_folder "tmp", new_folder "data"
  local c = start(3, tmpdir, { "--data", data })
  write(c, "n1", "k", 1)
  lu.assertEquals(names_in(data), c.ids)
  lu.assertEquals(names_in(tmpdir), {})
  for _, id in ipairs(c.ids) do
    kill(c, id)
  end
  for _, id in ipairs(c.ids) do
    start_again(c, id)
  end
  assert_reads(c, "n3", "k", 1)
  c:finish()
end
